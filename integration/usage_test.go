package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ironwrap/filters"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/program"
	"ironwrap/policy/review/language"
	"ironwrap/policy/trust"
)

// ownLog has a command with a /dev of its own, where the log is the socket of the
// directory that comes first: the machine's is left alone.
const ownLog = `set -e
mkdir -p "$0/dev"
mount -t tmpfs dev "$0/dev"
for name in null zero full random urandom; do touch "$0/dev/$name"; mount --bind /dev/$name "$0/dev/$name"; done
touch "$0/dev/log"
mount --bind "$0/socket" "$0/dev/log"
mount --move "$0/dev" /dev
exec "$@"`

// TestUsage: what ironwrap and the peer really record is understood, to the word, and
// what is proposed lets both run the same again, when it is in force.
func TestUsage(t *testing.T) {
	p := newPolicy(t, "ls: CommandFilter, ls, root\nnice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\ncat: CommandFilter, cat, root\nid: CommandFilter, id, nobody", logAll)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p.dir + "/socket", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var guard sync.Mutex
	var log strings.Builder
	go func() {
		buf := make([]byte, 1<<20)
		for {
			n, err := socket.Read(buf)
			if err != nil {
				return
			}
			_, text, _ := strings.Cut(strings.TrimRight(string(buf[:n]), "\x00"), ">")
			guard.Lock()
			log.WriteString("Nov 28 07:00:00 host " + text + "\n")
			guard.Unlock()
		}
	}()
	call := func(program string, words ...string) result {
		c := exec.Command("unshare", append([]string{"-m", "sh", "-c", ownLog, p.dir, program, p.conf}, words...)...)
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
		return runCmd(t, c)
	}
	commands := [][]string{
		{"ls", "-d", "/it's \"odd\", é\x1b"}, {"ls", "-d", "/a\nb"}, {"ls", "-d", "/\xff"}, {"ls"},
		{"nice", "-n", "1", "cat", "/etc/hostname"}, {"cat", "/etc/os-release"}, {"cat", "/etc/hostname"}, {"id", "-u"},
	}
	for _, program := range []string{ours, peer} {
		for _, words := range commands {
			if r := call(program, words...); r.status >= 96 {
				t.Fatalf("%s %q: %v", program, words, r)
			}
		}
		if r := call(program, "mkfs", "/dev/sda"); r.status != 99 {
			t.Fatalf("%s: %v", program, r)
		}
	}
	for range 100 {
		guard.Lock()
		n := strings.Count(log.String(), "\n")
		guard.Unlock()
		if n >= 18 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	guard.Lock()
	write(t, p.dir+"/log", log.String())
	guard.Unlock()

	r := runCmd(t, exec.Command(ctl(t), "usage", "--patch", p.dir+"/patch", "--expectations", p.dir+"/keep.yaml", p.conf, p.dir+"/log"))
	for _, want := range []string{
		": 18 records in 18 lines", "        8  ls (CommandFilter)", "        6  cat (CommandFilter)", "        2  id (CommandFilter)",
		": a word of its commands is no text", "cat, (?:/etc/hostname|/etc/os-release)", "        2  a filter for mkfs, which has none",
	} {
		if !strings.Contains(r.out, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if r.status != 0 || strings.Contains(r.out, "not clear") || t.Failed() {
		t.Fatalf("%v\n%s\n%s", r, r.out, log.String())
	}
	need(t, "patch", "/usr/bin/patch")
	apply := exec.Command("patch", "-p1", "-d", "/", "-i", p.dir+"/patch")
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := runCmd(t, exec.Command(ctl(t), "test", p.dir+"/keep.yaml")); r.status != 0 {
		t.Errorf("%v\n%s", r, r.out)
	}
	for _, program := range []string{ours, peer} {
		for _, words := range commands {
			if r := call(program, words...); r.status >= 96 {
				t.Errorf("with the patch in force: %s %q: %v", program, words, r)
			}
		}
		for _, words := range [][]string{{"cat", "/etc/shadow"}, {"id", "-g"}} {
			if r := call(program, words...); r.status != 99 {
				t.Errorf("with the patch in force: %s %q: %v", program, words, r)
			}
		}
	}
	_ = os.Remove(p.dir + "/socket")
}

// everywhere has every program.
type everywhere struct{ *machine.Machine }

func (everywhere) Find(name, _ string) (program.Program, error) {
	if name[0] == '/' {
		return program.Program{Path: name}, nil
	}
	return program.Program{Path: "/usr/bin/" + name}, nil
}

// TestUsageDebian: commands that Debian's filters match, recorded, are allowed with what
// is proposed in force, as they were.
func TestUsageDebian(t *testing.T) {
	need(t, "patch", "/usr/bin/patch")
	all := 0
	for service, conf := range debianPolicies(t) {
		load := func() *engine.Policy {
			p, err := engine.Load(conf, trust.Object, inifile.Parse)
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		before := load()
		m := everywhere{machine.New(before.ExecDirs, before.Trust)}
		var typed [][]filters.Untrusted
		var was []engine.Decision
		var log strings.Builder
		for _, e := range before.Filters {
			l, _ := language.Of(e.Filter)
			lines, err := l.Within(1 << 16).First(6)
			if err != nil {
				continue
			}
			for _, line := range lines {
				words := filters.Words(line)
				d := before.Decide(engine.Request{Argv: words, Machine: m})
				if d.Verdict != engine.Allowed {
					continue
				}
				typed, was = append(typed, words), append(was, d)
				at, nested := "built-in", ""
				if d.Filter.File != "" {
					at = fmt.Sprintf("%s:%d", filters.Untrusted(d.Filter.File).Quote(), d.Filter.Line)
				}
				if d.Leaf != nil {
					nested = fmt.Sprintf(" nested=%s:%d", filters.Untrusted(d.Leaf.File).Quote(), d.Leaf.Line)
				}
				fmt.Fprintf(&log, "2026-11-28T07:00:01Z x-rootwrap[1]: ruid=0 sudo_uid=- loginuid=- (nova > root) Executing %s (filter match = %s) filter=%s%s run_as=%s cwd=/\n",
					filters.QuoteLine(d.Argv), filters.Untrusted(d.Filter.Name).Quote(), at, nested, filters.Untrusted(d.RunAs).Quote())
			}
		}
		dir := t.TempDir()
		write(t, dir+"/log", log.String())
		r := runCmd(t, exec.Command(ctl(t), "usage", "--patch", dir+"/patch", conf, dir+"/log"))
		if r.status != 0 || !strings.Contains(r.out, fmt.Sprintf(": %d records in %d lines", len(typed), len(typed))) {
			t.Fatalf("%s: %v\n%s", service, r, r.out)
		}
		proposals := strings.Count(r.out, "      no longer: ")
		t.Logf("%s: %d commands, %d proposals", service, len(typed), proposals)
		if all += proposals; proposals == 0 {
			continue
		}
		if out, err := exec.Command("patch", "-p1", "-d", "/", "-i", dir+"/patch").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", service, err, out)
		}
		after := load()
		for i, words := range typed {
			d := after.Decide(engine.Request{Argv: words, Machine: m})
			if d.Verdict != engine.Allowed || d.RunAs != was[i].RunAs || !slices.Equal(d.Argv, was[i].Argv) {
				t.Errorf("%s: %s is not allowed as it was", service, filters.QuoteLine(words))
			}
		}
	}
	if all < 50 {
		t.Errorf("%d proposals in all", all)
	}
}
