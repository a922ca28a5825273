package launch

import (
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

// An environment that NewPlan makes must come out of execve(2) as it was put in:
// a NUL byte, which would cut it short, ends the whole.
func TestReplaceRefusesNUL(t *testing.T) {
	nothing := sandbox.Spec{UID: 1<<32 - 1, GID: 1<<32 - 1} // should Enter be reached, it fails
	for name, p := range map[string]*Command{
		"word":  {Argv: filters.Words([]string{"/bin/true", "a\x00b"}), Spec: nothing},
		"path":  {Argv: filters.Words([]string{"/bin/true\x00"}), Spec: nothing},
		"name":  {Argv: filters.Words([]string{"/bin/true"}), Env: []filters.Var{{Name: "A\x00", Value: "b"}}, Spec: nothing},
		"value": {Argv: filters.Words([]string{"/bin/true"}), Env: []filters.Var{{Name: "A", Value: "b\x00"}}, Spec: nothing},
	} {
		err := Replace(p)
		if err == nil || !strings.Contains(err.Error(), "cannot pass the ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
