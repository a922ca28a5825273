package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sections beside the filters files confine what the filters files do not, by whatever way a
// command is asked for, from the moment on when they are there.
func TestSandboxOverlay(t *testing.T) {
	t.Parallel()
	need(t, "python3-oslo.rootwrap", peer)
	p := daemonPolicy(t, "cat: CommandFilter, cat, root\nnice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\n[Sandbox:cat]\numask=027")
	socket := p.calls(t)
	overlay := p.dir + "/filters.d/sandbox.d/local.sandbox"
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
	if r := run(t, peer, p.conf, status[0], status[1]); r.status != 0 { // it passes over the directory
		t.Errorf("the peer: %v", r)
	}
	write(t, p.dir+"/filters.d/sandbox.d/more.sandbox", "[Profile:more]\nno_new_privs=yes\n[Sandbox:cat]\ninherit=more\numask=077\n")
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
	write(t, overlay, "[Sandbox:cat]\ncapabilities=none\n")
	os.Chmod(overlay, 0o644)
	os.Remove(p.dir + "/filters.d/sandbox.d/more.sandbox")
	// Whatever the configuration is called, the sections hold: a link of root's, another
	// directory, a copy.
	for name, make := range map[string]func(to string) error{
		"link": func(to string) error { return os.Symlink(p.conf, to) },
		"name": func(to string) error { return os.Link(p.conf, to) },
		"copy": func(to string) error { return os.WriteFile(to, []byte(readFile(t, p.conf)), 0o644) },
	} {
		at := p.dir + "/elsewhere/" + name + "/rootwrap.conf"
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), make(at)); err != nil {
			t.Fatal(err)
		}
		if r := start(t, policy{p.dir, at, p.filters}, status...); fields(r.out)["CapBnd"] != capSet() {
			t.Errorf("by a %s of the configuration: %v", name, r)
		}
		os.Remove(at)
	}
	os.RemoveAll(p.dir + "/filters.d/sandbox.d")
	each("gone", full, "0027", "0", status...)
}
