package exposure

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy"
)

// TestLabelsAreNotJudged: what a profile or a context refuses is not known, so that it
// changes no number, and is said.
func TestLabelsAreNotJudged(t *testing.T) {
	t.Parallel()
	for i, program := range slices.Sorted(maps.Keys(table)) {
		if i%20 != 0 {
			continue
		}
		e := entry(t, "CommandFilter, "+program+", root")
		e.Sandbox = &policy.Sandbox{}
		bare := Of(e, Machine{})
		e.Sandbox = &policy.Sandbox{AppArmor: "p", SELinux: "u:r:t"}
		f := Of(e, Machine{})
		if f.Score != bare.Score {
			t.Errorf("%s: %v with labels, %v without", program, f.Score, bare.Score)
		}
		if said := strings.Join(f.Sandbox, "; "); said != "apparmor_profile = p; selinux_context = u:r:t" {
			t.Errorf("%s: %q", program, said)
		}
		for _, want := range []string{"AppArmor profile p: not judged", "SELinux context u:r:t: not judged"} {
			if !slices.Contains(f.Notes, want) {
				t.Errorf("%s: no note says %q: %q", program, want, f.Notes)
			}
		}
	}
}
