package ansible

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// tree runs the role's module.
func (h host) tree(state, more string) (changed bool, left []string) {
	h.Helper()
	h.write("/srv/arguments.json", fmt.Sprintf(`{"ANSIBLE_MODULE_ARGS": {"src": "/srv/new", "store": "/var/lib/ironwrap-ansible", "state": %q%s}}`, state, more), 0o644)
	out := h.must("python3", "/srv/ironwrap/library/ironwrap_tree.py", "/srv/arguments.json")
	var answer struct {
		Changed bool
		Left    []string
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &answer); err != nil {
		h.Fatalf("%v: %s", err, out)
	}
	return answer.Changed, answer.Left
}

// staged makes the tree of the next run.
func (h host) staged(site string) {
	h.must("rm", "-rf", "/srv/new")
	h.write("/srv/new/usr/bin/ironwrap", "#!/bin/sh\necho ironwrap\n", 0o755)
	h.write("/srv/new/etc/neutron/rootwrap.conf", "[DEFAULT]\n", 0o640)
	h.write("/srv/new/etc/ironwrap/site/x.filters", site, 0o644)
	h.must("ln", "-s", "ironwrap", "/srv/new/usr/bin/neutron-rootwrap")
}

// TestTree: what the module puts, takes back and gives back, on its own.
func TestTree(t *testing.T) {
	h := neutron(t)
	stock := h.snapshot()
	expect := func(what, state, more string, want bool) {
		t.Helper()
		if changed, left := h.tree(state, more); changed != want || len(left) > 0 {
			t.Errorf("%s: changed %v, left %q", what, changed, left)
		}
	}
	h.staged("one")
	expect("check mode", "present", `, "_ansible_check_mode": true`, true)
	h.same("check mode", stock)

	expect("put", "present", "", true)
	if r := h.call("id"); r.out != "ironwrap\n" {
		t.Errorf("put: %v", r)
	}
	expect("undo", "undone", "", true)
	h.same("undo", stock)
	expect("nothing to undo", "undone", "", false)

	expect("put again", "present", "", true)
	expect("settled", "settled", "", false)
	put := h.snapshot()
	expect("unchanged", "present", "", false)
	h.same("unchanged", put)
	expect("a settled run is not undone", "undone", "", false)
	h.same("settled", put)

	// A second release, with a link less; taken back.
	h.staged("two")
	h.must("rm", "/srv/new/usr/bin/neutron-rootwrap")
	expect("second", "present", "", true)
	h.peerAnswers("1")
	expect("second undone", "undone", "", true)
	h.same("second undone", put)

	// Broken off, and not noticed until the next run.
	expect("second", "present", "", true)
	h.staged("three")
	expect("after one that was broken off", "present", "", true)
	if r := h.call("id"); r.out != "ironwrap\n" {
		t.Errorf("after one that was broken off: %v", r)
	}
	expect("undone", "undone", "", true)
	h.same("undone", put)

	// The service's upgrade, and a file that somebody else has changed.
	h.neutronPackage("2")
	if r := h.call("id"); r.out != "ironwrap\n" {
		t.Errorf("after the service's upgrade: %v", r)
	}
	h.write("/etc/ironwrap/site/x.filters", "somebody else's", 0o644)
	changed, left := h.tree("absent", "")
	if !changed || !slices.Equal(left, []string{"/etc/ironwrap/site/x.filters"}) {
		t.Errorf("absent: %v, left %q", changed, left)
	}
	h.peerAnswers("2")
	if text, err := os.ReadFile(h.dir + "/etc/ironwrap/site/x.filters"); err != nil || string(text) != "somebody else's" {
		t.Errorf("what somebody else has changed: %v %s", err, text)
	}
	h.must("rm", "-r", "/etc/ironwrap")
	stock["/usr/bin/neutron-rootwrap"] = h.look(h.dir + "/usr/bin/neutron-rootwrap")
	stock["/usr/bin/neutron-rootwrap-daemon"] = h.look(h.dir + "/usr/bin/neutron-rootwrap-daemon")
	h.same("absent", stock)
	expect("absent again", "absent", "", false)
}
