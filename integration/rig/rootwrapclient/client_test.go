package rootwrapclient

import (
	"bytes"
	"encoding/json"
	"net"
	"os/exec"
	"testing"
	"time"

	"ironwrap/exec/daemon/wire"
)

var samples = []string{
	"", "plain", "a\"b\\c/d", "\x00\x01\b\f\n\r\t\x1f\x7f", "\u00e9\u20ac\ufffd\U0001f600",
	"\x80\xff\xed\xa0\x80\xc3", "\xf0\x9f\x98", "{\"__bytes__\": 1}",
}

func every() string {
	b := make([]byte, 0, 512)
	for i := range 256 {
		b = append(b, byte(i))
	}
	for i := range 256 {
		b = append(b, byte(255-i))
	}
	return string(b)
}

func TestStringsComeBack(t *testing.T) {
	for _, s := range append(samples, every()) {
		quoted := quote(nil, []byte(s))
		if !json.Valid(quoted) {
			t.Errorf("%q became %s, which is no JSON", s, quoted)
		}
		got, err := unquote(quoted)
		if err != nil || string(got) != s {
			t.Errorf("%q became %s and then %q, %v", s, quoted, got, err)
		}
	}
}

// Python is the one that counts.
func TestStringsAreThoseOfPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	const program = `import json, os, sys
print(json.dumps(os.fsdecode(sys.stdin.buffer.read())), end="")`
	for _, s := range append(samples, every()) {
		c := exec.Command(python, "-X", "utf8", "-c", program)
		c.Stdin = bytes.NewReader([]byte(s))
		dumped, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		got, err := unquote(dumped)
		if err != nil || string(got) != s {
			t.Errorf("Python has %s for %q: read as %q, %v", dumped, s, got, err)
		}
		c = exec.Command(python, "-X", "utf8", "-c", "import json, os, sys\nsys.stdout.buffer.write(os.fsencode(json.load(sys.stdin)))")
		c.Stdin = bytes.NewReader(quote(nil, []byte(s)))
		if got, err := c.Output(); err != nil || string(got) != s {
			t.Errorf("Python reads %s as %q, %v; it stands for %q", c.Stdin, got, err, s)
		}
	}
}

func TestUnquoteRefuses(t *testing.T) {
	for _, raw := range []string{
		``, `"`, `1`, `null`, `"\`, `"\"`, `"\x"`, `"\u12"`, `"\ud800"`, `"\ud800x"`, `"\udc00"`, `"\udc7f"`, `"\udd00"`, `"\ud800\ud800"`, `"\uzzzz"`,
	} {
		if got, err := unquote([]byte(raw)); err == nil {
			t.Errorf("%s was read as %q", raw, got)
		}
	}
}

// The answers of a server that this test plays.
func TestRun(t *testing.T) {
	key := []byte("the key, of thirty-two bytes, no")
	for reply, want := range map[string]string{
		`["#RETURN", [0, "out", "\udc80"]]`: "",
		`["#TRACEBACK", "a\nb"]`:            "#TRACEBACK: a\nb",
		`["#ERROR", {"a": 1}]`:              `#ERROR: {"a": 1}`,
		`["#RETURN", [0, "out"]]`:           `run_one_command returned "[0, \"out\"]"`,
		`["#RETURN", null]`:                 `run_one_command returned "null"`,
		`null`:                              `the answer is not a kind and a value: "null"`,
		"[\"#RETURN\", \"\xff\"]":           `the answer is not UTF-8: "[\"#RETURN\", \"\xff\"]"`,
	} {
		ours, theirs := net.Pipe()
		seen := make(chan string, 1)
		go func() {
			c, _ := wire.NewConn(theirs, time.Now().Add(10*time.Second))
			if c.Authenticate(key) == nil {
				message, _ := c.Read()
				seen <- string(message)
				c.Write([]byte(reply))
			}
		}()
		conn, err := wire.NewConn(ours, time.Now().Add(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.AuthenticateClient(key); err != nil {
			t.Fatal(err)
		}
		c := &Client{ours, conn, "7"}
		got, err := c.Run([]string{"a", "\xff"}, []byte("in"))
		if message := <-seen; message != `["7", "run_one_command", [["a", "\udcff"], "in"], {}]` {
			t.Errorf("sent %s", message)
		}
		switch {
		case want == "" && (err != nil || got.Status != 0 || string(got.Stdout) != "out" || string(got.Stderr) != "\x80"):
			t.Errorf("%s: %+v, %v", reply, got, err)
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: %+v, %v, not %s", reply, got, err, want)
		}
		c.Close()
		theirs.Close()
	}
	if _, err := Start("/bin/false"); err == nil {
		t.Error("/bin/false is taken for a daemon")
	}
}
