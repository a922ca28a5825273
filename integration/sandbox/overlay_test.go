package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// Sections beside the filters files confine what the filters files do not, by whatever way a
// command is asked for, from the moment on when they are there.
func TestSandboxOverlay(t *testing.T) {
	t.Parallel()
	rig.Need(t, "python3-oslo.rootwrap", rig.Peer)
	p := rig.DaemonPolicy(t, "cat: CommandFilter, cat, root\nnice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\n[Sandbox:cat]\numask=027")
	socket := p.Calls(t)
	overlay := p.Dir + "/filters.d/sandbox.d/local.sandbox"
	c := rig.Serve(t, p).Client()
	status := []string{"cat", "/proc/self/status"}
	asked := map[string]func(words ...string) rig.Result{
		"the one-shot program": func(words ...string) rig.Result { return rig.Start(t, p, words...) },
		"the daemon":           func(words ...string) rig.Result { return c.Run(words...) },
		"ironwrap-call":        func(words ...string) rig.Result { return rig.RunCmd(t, rig.Calling(socket, words...)) },
	}
	full, _ := rig.Bounding(t)
	each := func(when, bnd, mask, nnp string, words ...string) {
		t.Helper()
		for name, ask := range asked {
			for range 2 { // the second call finds what the first has compiled
				r := ask(words...)
				f := rig.Fields(r.Out)
				if r.Status != 0 || f["CapBnd"] != bnd || f["Umask"] != mask || f["NoNewPrivs"] != nnp {
					t.Errorf("%s, %s: status %d, CapBnd %s, Umask %s, NoNewPrivs %s: %s", when, name, r.Status, f["CapBnd"], f["Umask"], f["NoNewPrivs"], r.Err)
				}
			}
		}
	}
	each("before", full, "0027", "0", status...)
	rig.Write(t, overlay, "[Sandbox:cat]\ncapabilities=none\n")
	each("there", capSet(), "0027", "0", status...)
	each("behind a prefix", capSet(), "0027", "0", append([]string{"nice", "-n", "1"}, status...)...)
	if r := rig.Run(t, rig.Peer, p.Conf, status[0], status[1]); r.Status != 0 { // it passes over the directory
		t.Errorf("the peer: %v", r)
	}
	rig.Write(t, p.Dir+"/filters.d/sandbox.d/more.sandbox", "[Profile:more]\nno_new_privs=yes\n[Sandbox:cat]\ninherit=more\numask=077\n")
	each("and another", capSet(), "0077", "1", status...)

	rig.Write(t, overlay, "[Sandbox:tac]\ncapabilities=none\n")
	if r := asked["the one-shot program"](status...); r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, overlay+":1: section [Sandbox:tac]: no file of filters_path has a filter of that name") {
		t.Errorf("a section for no filter: %v", r)
	}
	// The daemon goes on with what it had.
	if f := rig.Fields(asked["the daemon"](status...).Out); f["CapBnd"] != capSet() {
		t.Errorf("a section for no filter: the daemon's CapBnd %s", f["CapBnd"])
	}
	rig.Write(t, overlay, "[Sandbox:cat]\ncapabilities=none\n")
	os.Chmod(overlay, 0o666)
	if r := asked["the one-shot program"](status...); r.Status != 97 || r.Out != "" || !strings.Contains(r.Err, overlay) {
		t.Errorf("writable by others: %v", r)
	}
	rig.Write(t, overlay, "[Sandbox:cat]\ncapabilities=none\n")
	os.Chmod(overlay, 0o644)
	os.Remove(p.Dir + "/filters.d/sandbox.d/more.sandbox")
	// Whatever the configuration is called, the sections hold: a link of root's, another
	// directory, a copy.
	for name, make := range map[string]func(to string) error{
		"link": func(to string) error { return os.Symlink(p.Conf, to) },
		"name": func(to string) error { return os.Link(p.Conf, to) },
		"copy": func(to string) error { return os.WriteFile(to, []byte(rig.ReadFile(t, p.Conf)), 0o644) },
	} {
		at := p.Dir + "/elsewhere/" + name + "/rootwrap.conf"
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), make(at)); err != nil {
			t.Fatal(err)
		}
		if r := rig.Start(t, rig.Policy{Dir: p.Dir, Conf: at, Filters: p.Filters}, status...); rig.Fields(r.Out)["CapBnd"] != capSet() {
			t.Errorf("by a %s of the configuration: %v", name, r)
		}
		os.Remove(at)
	}
	os.RemoveAll(p.Dir + "/filters.d/sandbox.d")
	each("gone", full, "0027", "0", status...)
}
