package exposure

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"ironwrap/filters"
	"ironwrap/policy/review/accepted"
)

// TestAccept: what is accepted counts in no limit, what follows from it neither, and all
// else does.
func TestAccept(t *testing.T) {
	definitions := []string{"CommandFilter, bash, root", "CommandFilter, iw-x, root", "CommandFilter, tee, root"}
	assess := func() Report {
		r := Assess(policyOf(t, definitions...), Machine{})
		for i := range r.Filters {
			r.Filters[i].Text, r.Filters[i].File = filters.Untrusted(definitions[i]), "/etc/d/a.filters"
		}
		return r
	}
	accept := func(text string) Report {
		path := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(path, []byte("accepted:\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := accepted.Read(path, PowerIDs(), PowerIDs(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := assess()
		r.Accept(l)
		return r
	}
	const rest = "  reason: r\n  who: w\n  until: 9999-01-01\n"
	bash := "- rules: [run]\n  filter: f0\n  text: CommandFilter, bash, root\n  score: 10\n" + rest
	unknown := "- rules: [arguments]\n  filter: a.filters/f1\n  text: CommandFilter, iw-x, root\n  score: 10\n" + rest
	for _, c := range []struct {
		text, what string
		n          int
	}{
		{" []\n", "root", 3}, {" []\n", "run", 2}, {" []\n", "read", 2}, {" []\n", "not-assessed", 1},
		{bash, "root", 2}, {bash, "run", 1}, {bash, "read", 1}, {bash, "ways", 2}, {bash, "stale", 0},
		{unknown, "not-assessed", 0}, {unknown, "root", 2}, {unknown, "run", 1},
		{bash + unknown, "root", 1}, {bash + unknown, "write", 1}, {bash + unknown, "kernel", 0},
	} {
		if r := accept(c.text); r.count(c.what) != c.n || r.Gate() != 10 {
			t.Errorf("%s%s: %d, not %d; score %v", c.text, c.what, r.count(c.what), c.n, r.Gate())
		}
	}
	all := accept(bash + unknown + "- rules: [write]\n  filter: f2\n  text: CommandFilter, tee, root\n  score: 10\n" + rest)
	if all.Gate() >= 1 || all.Score != 10 || all.Accepted.Powers != 3 || len(all.Unaccepted()) != 0 {
		t.Errorf("gate %v, score %v, %+v, %v", all.Gate(), all.Score, all.Accepted, all.Unaccepted())
	}
	if all.Compare(Baseline{}); len(all.New) != 0 {
		t.Errorf("accepted, and new: %v", all.New)
	}
	none := assess()
	if none.Accept(nil); none.Accepted != nil || none.Gate() != 10 {
		t.Errorf("%+v", none.Accepted)
	}
}
