package integration

import (
	"os"
	"strings"
	"testing"
)

// Sections beside rootwrap.conf confine what the filters files do not, by whatever way a
// command is asked for, from the moment on when they are there.
func TestSandboxOverlay(t *testing.T) {
	t.Parallel()
	p := daemonPolicy(t, "cat: CommandFilter, cat, root\nnice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\n[Sandbox:cat]\numask=027")
	socket := p.calls(t)
	overlay := p.dir + "/sandbox.d/local.sandbox"
	c := serve(t, p).client()
	status := []string{"cat", "/proc/self/status"}
	asked := map[string]func(words ...string) result{
		"the one-shot program": func(words ...string) result { return start(t, p, words...) },
		"the daemon":           func(words ...string) result { return c.run(words...) },
		"ironwrap-call":        func(words ...string) result { return runCmd(t, calling(socket, words...)) },
	}
	full, _ := bounding(t)
	each := func(when, bnd, mask, nnp string, words ...string) {
		t.Helper()
		for name, ask := range asked {
			for range 2 { // the second call finds what the first has compiled
				r := ask(words...)
				f := fields(r.out)
				if r.status != 0 || f["CapBnd"] != bnd || f["Umask"] != mask || f["NoNewPrivs"] != nnp {
					t.Errorf("%s, %s: status %d, CapBnd %s, Umask %s, NoNewPrivs %s: %s", when, name, r.status, f["CapBnd"], f["Umask"], f["NoNewPrivs"], r.err)
				}
			}
		}
	}
	each("before", full, "0027", "0", status...)
	write(t, overlay, "[Sandbox:cat]\ncapabilities=none\n")
	each("there", capSet(), "0027", "0", status...)
	each("behind a prefix", capSet(), "0027", "0", append([]string{"nice", "-n", "1"}, status...)...)
	write(t, p.dir+"/sandbox.d/more.sandbox", "[Profile:more]\nno_new_privs=yes\n[Sandbox:cat]\ninherit=more\numask=077\n")
	each("and another", capSet(), "0077", "1", status...)

	write(t, overlay, "[Sandbox:tac]\ncapabilities=none\n")
	if r := asked["the one-shot program"](status...); r.status != 97 || r.out != "" || !oneLine(r.err) || !strings.Contains(r.err, overlay+":1: section [Sandbox:tac]: no file of filters_path has a filter of that name") {
		t.Errorf("a section for no filter: %v", r)
	}
	// The daemon goes on with what it had.
	if f := fields(asked["the daemon"](status...).out); f["CapBnd"] != capSet() {
		t.Errorf("a section for no filter: the daemon's CapBnd %s", f["CapBnd"])
	}
	write(t, overlay, "[Sandbox:cat]\ncapabilities=none\n")
	os.Chmod(overlay, 0o666)
	if r := asked["the one-shot program"](status...); r.status != 97 || r.out != "" || !strings.Contains(r.err, overlay) {
		t.Errorf("writable by others: %v", r)
	}
	os.RemoveAll(p.dir + "/sandbox.d")
	each("gone", full, "0027", "0", status...)
}
