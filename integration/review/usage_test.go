package review

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
	"ironwrap/integration/rig"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/program"
	"ironwrap/policy/review/language"
	"ironwrap/policy/trust"
)

// TestUsage: what ironwrap and the peer really record is understood, to the word, and
// what is proposed lets both run the same again, when it is in force.
func TestUsage(t *testing.T) {
	p := rig.NewPolicy(t, "ls: CommandFilter, ls, root\nnice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\ncat: CommandFilter, cat, root\nid: CommandFilter, id, nobody", rig.LogAll)
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: p.Dir + "/socket", Net: "unixgram"})
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
	call := func(program string, words ...string) rig.Result {
		c := exec.Command("unshare", append([]string{"-m", "sh", "-ec", rig.LogHeard.Jail(p.Dir) + `exec "$@"`, "sh", program, p.Conf}, words...)...)
		c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
		return rig.RunCmd(t, c)
	}
	commands := [][]string{
		{"ls", "-d", "/it's \"odd\", é\x1b"}, {"ls", "-d", "/a\nb"}, {"ls", "-d", "/\xff"}, {"ls"},
		{"nice", "-n", "1", "cat", "/etc/hostname"}, {"cat", "/etc/os-release"}, {"cat", "/etc/hostname"}, {"id", "-u"},
	}
	for _, program := range []string{rig.Ours, rig.Peer} {
		for _, words := range commands {
			if r := call(program, words...); r.Status >= 96 {
				t.Fatalf("%s %q: %v", program, words, r)
			}
		}
		if r := call(program, "mkfs", "/dev/sda"); r.Status != 99 {
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
	rig.Write(t, p.Dir+"/log", log.String())
	guard.Unlock()

	r := rig.RunCmd(t, exec.Command(rig.Ctl(t), "usage", "--patch", p.Dir+"/patch", "--expectations", p.Dir+"/keep.yaml", p.Conf, p.Dir+"/log"))
	for _, want := range []string{
		": 18 records in 18 lines", "        8  ls (CommandFilter)", "        6  cat (CommandFilter)", "        2  id (CommandFilter)",
		": a word of its commands is no text", "cat, (?:/etc/hostname|/etc/os-release)", "        2  a filter for mkfs, which has none",
	} {
		if !strings.Contains(r.Out, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if r.Status != 0 || strings.Contains(r.Out, "not clear") || t.Failed() {
		t.Fatalf("%v\n%s\n%s", r, r.Out, log.String())
	}
	rig.Need(t, "patch", "/usr/bin/patch")
	apply := exec.Command("patch", "-p1", "-d", "/", "-i", p.Dir+"/patch")
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r := rig.RunCmd(t, exec.Command(rig.Ctl(t), "test", p.Dir+"/keep.yaml")); r.Status != 0 {
		t.Errorf("%v\n%s", r, r.Out)
	}
	for _, program := range []string{rig.Ours, rig.Peer} {
		for _, words := range commands {
			if r := call(program, words...); r.Status >= 96 {
				t.Errorf("with the patch in force: %s %q: %v", program, words, r)
			}
		}
		for _, words := range [][]string{{"cat", "/etc/shadow"}, {"id", "-g"}} {
			if r := call(program, words...); r.Status != 99 {
				t.Errorf("with the patch in force: %s %q: %v", program, words, r)
			}
		}
	}
	_ = os.Remove(p.Dir + "/socket")
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
	rig.Need(t, "patch", "/usr/bin/patch")
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
		rig.Write(t, dir+"/log", log.String())
		r := rig.RunCmd(t, exec.Command(rig.Ctl(t), "usage", "--patch", dir+"/patch", conf, dir+"/log"))
		if r.Status != 0 || !strings.Contains(r.Out, fmt.Sprintf(": %d records in %d lines", len(typed), len(typed))) {
			t.Fatalf("%s: %v\n%s", service, r, r.Out)
		}
		proposals := strings.Count(r.Out, "      no longer: ")
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
