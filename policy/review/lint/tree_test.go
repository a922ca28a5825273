package lint

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/review/collected"
)

// planted is e as files of whoever runs the test, in a tree, at a place that this machine
// does not have.
func (e example) planted(t *testing.T) (*collected.Tree, string) {
	t.Helper()
	const etc = "/etc/ironwrap-examples"
	above := filepath.Dir(e.lay(t))
	root := t.TempDir()
	// Each file says where it lies.
	script := `mkdir -p "$2/etc"; cp -a "$1" "$2$3"; grep -rlIF "$1" "$2$3" | xargs -r sed -i "s,$1,$3,g"; chmod -R a+rwX "$2"; chown -Rh 65534 "$2"`
	if out, err := exec.Command("/bin/sh", "-ec", script, "sh", above, root, etc).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tree, err := collected.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	return tree, etc + "/planted/rootwrap.conf"
}

// TestTree: what a rule finds in its examples it finds in a tree too, and nothing else. A
// rule that asks the host says nothing.
func TestTree(t *testing.T) {
	for _, r := range rules {
		if r == expiredRule || r == unusedRule {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			t.Parallel()
			for i, e := range slices.Concat(r.finds, r.passes) {
				if !e.here && !e.nobody && !e.gcc && e.sudoers == "" {
					e.holds(t, r, i < len(r.finds) && !r.Here)
				}
			}
		})
	}
}

// holds tells whether r finds something in e, in a tree.
func (e example) holds(t *testing.T, r *Rule, finds bool) {
	t.Helper()
	tree, conf := e.planted(t)
	found := slices.DeleteFunc(CheckAll([]Target{{tree, conf}}, e).Findings, func(f Finding) bool { return f.Rule != r })
	if (len(found) > 0) != finds {
		t.Errorf("%d findings in\n%s\n%s\n%s", len(found), e.conf, e.filters, e.setup)
	}
	for _, f := range found {
		if !strings.HasPrefix(f.Path, tree.Dir()+"/etc/") {
			t.Errorf("%s is not in the tree", f.Path)
		}
	}
}
