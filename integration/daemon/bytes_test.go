package daemon

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// mirror prints its argument to standard output, and what it reads, twice, to
// standard error and to standard output.
const mirror = `printf %s "$1"; tee /dev/stderr`

var everyByte = func() string {
	var b []byte
	for i := range 256 {
		b = append(b, byte(i))
	}
	return string(b)
}()

// Every byte goes through arguments, standard input, output and error, and back:
// alone, and beside every other.
func TestDaemonBytes(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell))
	before := settle(s)
	c := s.Client()
	check := func(what, word, in, reply string) {
		t.Helper()
		if r := c.Result(reply); r.Status != 0 || r.Out != word+in || r.Err != in {
			t.Errorf("%s: argument %q, input %q became %v", what, word, in, r)
		}
	}
	try := func(what, word, in string) {
		t.Helper()
		check(what, word, in, c.Call(rig.Request(in, "sh", "-c", mirror, "sh", word)))
		encode := base64.StdEncoding.EncodeToString
		check(what+" as __bytes__", word, in, c.Call(fmt.Sprintf(
			`["1", "run_one_command", [["sh", {"__bytes__": %q}, %s, "sh", {"__bytes__": %q}], {"__bytes__": %q}], {}]`,
			encode([]byte("-c")), rig.PyString(mirror), encode([]byte(word)), encode([]byte(in)))))
	}
	for b := 1; b < 256; b++ {
		try("one byte", string(everyByte[b]), string(everyByte[b]))
	}
	try("NUL in the input", "x", "\x00")
	try("all", everyByte[1:], everyByte)
	for range 20 { // every two beside each other, now and then, and what looks like UTF-8
		var word, in []byte
		for range 3000 {
			word = append(word, byte(1+rand.IntN(255)))
			in = append(in, byte(rand.IntN(256)))
		}
		try("any", string(word), string(in))
	}
	for _, text := range []string{"é", "\u2028", "\ufffd", "\U0001f480", "\U0010ffff", "\xed\xb2\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\xe2\x82", "\xf0\x9f\x92", `\udc80`, `"`, `\`, "\x7f", "<>&"} {
		try("text", text, text)
		// At each place of the buffers that output goes through.
		in := strings.Repeat(text, 40_000/len(text))
		try("much text", "x", in)
		try("much text, one byte on", "x", "x"+in)
	}

	// JSON that Python's json does not write, but others do.
	check("plain UTF-8", "é\u2028\U0001f480\x7f/", "\U0001f480",
		c.Call(`[ "1" , "run_one_command" , [ [ "sh", "-c", `+rig.PyString(mirror)+", \"sh\", \"é\u2028\U0001f480\x7f\\/\" ], \"\U0001f480\" ] , { } ]\n"))
	check("upper case", "\x80\xff\U0001f480", "", c.Call(`["1", "run_one_command", [["sh", "-c", `+rig.PyString(mirror)+`, "sh", "\uDC80\uDCff\uD83D\uDC80"], ""], {}]`))
	s.DropAll()
	same(s, before)
}

// pythonBytes is TestDaemonBytes by the real client, which starts the daemon, too.
const pythonBytes = `
import os, sys
from oslo_rootwrap import client
c = client.Client(sys.argv[1:3])
mirror = sys.argv[3]
every = bytes(range(256))
n = 0
def check(word, stdin):
    global n
    status, out, err = c.execute(['sh', '-c', mirror, 'sh', word], stdin)
    plain = [os.fsencode(v) if isinstance(v, str) else v for v in (word, stdin, out, err)]
    assert status == 0 and plain[2] == plain[0] + plain[1] and plain[3] == plain[1], (word, stdin, status, out, err)
    assert isinstance(out, str) and isinstance(err, str)
    n += 1
for b in range(1, 256):
    one = bytes([b])
    check(one, one)
    check(os.fsdecode(one), os.fsdecode(one))
    check(chr(b), chr(b))
check(every[1:], every)
check(os.fsdecode(every[1:]), os.fsdecode(every))
check('x', b'\0')
for text in 'é', '\u2028', '\U0001f480', '\ufffd', '"', '\\':
    check(text, text * 5000)
for bad in 'a\0b', b'a\0b', 5, None, ['x'], {'a': 'b'}, True, '\ud800', '\udc00', '\udd00', '\ud83d':
    try:
        answer = c.execute(['sh', '-c', mirror, 'sh', bad])
    except Exception as e:
        assert type(e).__name__ == 'RemoteError', repr(e)
    else:
        raise AssertionError((bad, answer))
    check('still', 'there')
print(n)
`

func TestDaemonBytesPython(t *testing.T) {
	t.Parallel()
	c := exec.Command("/usr/bin/python3", "-E", "-s", "-c", pythonBytes, rig.OursDaemon, rig.DaemonPolicy(t, rig.AllowShell).Conf, mirror)
	c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	if r := rig.RunCmd(t, c); r.Status != 0 || r.Out != "785\n" {
		t.Errorf("%v", r)
	}
}

// Status and signal of the command, and the statuses that are the daemon's own.
func TestDaemonStatus(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, "")
	rig.Write(t, p.Filters, strings.ReplaceAll("[Filters]\n"+rig.AllowShell+"\nnone: CommandFilter, /nowhere/none, root\nid: CommandFilter, id, nosuchuser\nx: CommandFilter, {bin}/x, root\n", "{bin}", p.Dir+"/bin"))
	s := rig.Serve(t, p)
	before := settle(s)
	c := s.Client()
	exact := func(want string, argv ...string) {
		t.Helper()
		if got := c.Call(rig.Request("", argv...)); got != want {
			t.Errorf("%q: %s, not %s", argv, got, want)
		}
	}
	for n := range 256 {
		exact(fmt.Sprintf(`["#RETURN", [%d, "", ""]]`, n), "sh", "-c", fmt.Sprint("exit ", n))
	}
	for n := 1; n <= 64; n++ {
		switch n {
		case 17, 18, 19, 20, 21, 22, 23, 28: // ignored, or stop
			continue
		}
		exact(fmt.Sprintf(`["#RETURN", [-%d, "", ""]]`, n), "sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$; exec sleep 60", n))
	}
	exact(`["#RETURN", [99, "", ""]]`, "mkfs")
	exact(`["#RETURN", [99, "", ""]]`, "")
	exact(`["#RETURN", [99, "", ""]]`, p.Dir+"/sh")
	exact(`["#RETURN", [96, "", ""]]`, "none")
	if r := c.Run("id"); r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.HasPrefix(r.Err, "ironwrap-daemon: cannot run as nosuchuser") {
		t.Error(r)
	}
	exact(`["#RETURN", [96, "", ""]]`, "x")
	rig.Write(t, p.Dir+"/bin/x", "no program\n")
	if out := rig.Run(t, "/bin/chmod", "755", p.Dir+"/bin/x"); out.Status != 0 {
		t.Fatal(out)
	}
	if r := c.Run("x"); r.Status != 96 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "exec format error") {
		t.Error(r)
	}
	rig.Write(t, p.Dir+"/bin/x", "#!/nowhere\n")
	if r := c.Run("x"); r.Status != 96 || r.Out != "" || !rig.OneLine(r.Err) {
		t.Error(r)
	}
	// More words than execve takes, and one that is too long; neither is a question of
	// the filters.
	if r := c.Run("unknown", strings.Repeat("x", 1<<18)); r.Status != 97 || !strings.Contains(r.Err, "word 1 has 262144 bytes, execve(2) takes ") {
		t.Error(r)
	}
	if r := c.Run("sh", "-c", "echo ${#1}", "sh", strings.Repeat("x", 131071)); r.Status != 0 || r.Out != "131071\n" {
		t.Errorf("the longest word: %.300v", r)
	}
	for _, argv := range [][]string{
		append([]string{"sh", "-c", ":"}, strings.Fields(strings.Repeat("xxxxxxxxxxxx ", 250_000))...), {"sh", "-c", ":", strings.Repeat("x", 1<<18)}, {"sh", "-c", ":", strings.Repeat("x", 9<<20)}} {
		if r := c.Run(argv...); r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "cannot pass the arguments: argument list too long: ") ||
			!strings.Contains(r.Err, "execve(2) takes") || strings.Contains(r.Err, "not found") {
			t.Errorf("%d words: %.300v", len(argv), r)
		}
	}
	exact(`["#RETURN", [0, "", ""]]`, "sh", "-c", ":")
	s.DropAll()
	same(s, before)
}
