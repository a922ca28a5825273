package review

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// audited is what ironwrapctl audit says of a policy.
type audited struct {
	Filters []any
	Counts  map[string]int
	Root    struct{ Filters, Ways int }
	Plan    struct {
		After, Ways, Unknown int
		Changes              []any
	}
}

func auditOf(t *testing.T, conf string) (a audited) {
	t.Helper()
	out, err := exec.Command(rig.Ctl(t), "audit", "--sudoers", "none", "--format", "json", conf).Output()
	if err != nil {
		t.Fatalf("%s: %v", conf, err)
	}
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// tableOf is a table of policies, by name.
func tableOf(t *testing.T, confs map[string]string) string {
	t.Helper()
	text := "| policy | filters | root | ways to root | not assessed | changes | root then | ways then |\n|---|--:|--:|--:|--:|--:|--:|--:|\n"
	for _, name := range slices.Sorted(maps.Keys(confs)) {
		a := auditOf(t, confs[name])
		if a.Plan.After > a.Root.Filters || a.Plan.Ways > a.Root.Ways || len(a.Plan.Changes) == 0 && a.Plan.After != a.Root.Filters {
			t.Errorf("%s: %+v", name, a)
		}
		text += fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d | %d |\n", name, len(a.Filters), a.Root.Filters, a.Root.Ways, a.Counts["not assessed"], len(a.Plan.Changes), a.Plan.After, a.Plan.Ways)
	}
	return text
}

// documented holds docs/audit.md to a table, or writes it there with -update.
func documented(t *testing.T, mark, table string) {
	t.Helper()
	const path = "../../docs/audit.md"
	text := rig.ReadFile(t, path)
	before, rest, begins := strings.Cut(text, "<!-- "+mark+" -->\n")
	old, after, ends := strings.Cut(rest, "<!-- end -->")
	switch {
	case !begins || !ends:
		t.Fatalf("%s has no place for the table %s", path, mark)
	case *rig.Update:
		rig.Write(t, path, before+"<!-- "+mark+" -->\n"+table+"<!-- end -->"+after)
	case old != table:
		t.Errorf("%s: the table %s is another now; look at it, and write it with -update:\n%s", path, mark, table)
	}
}

// TestExposureTable: what docs/audit.md says of real policies.
func TestExposureTable(t *testing.T) {
	documented(t, "debian", tableOf(t, debianPolicies(t)))
}

// TestExposureTableCorpus is the same for filter files of repositories, which are not part
// of this one.
func TestExposureTableCorpus(t *testing.T) {
	const corpus = "../../../shared/corpus"
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("NOT CHECKED: the policies of shared/corpus: %v", err)
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-corpus-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	confs := map[string]string{}
	err = filepath.WalkDir(corpus, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".filters") {
			return err
		}
		in, _ := filepath.Rel(corpus, filepath.Dir(path))
		name := strings.Replace(in, "+", "/", 1)
		to := fmt.Sprintf("%s/%s/%s", dir, strings.ReplaceAll(in, "/", "_"), serviceIn(in))
		rig.Write(t, to+"/rootwrap.d/"+filepath.Base(path), rig.ReadFile(t, path))
		confs[name] = to + "/rootwrap.conf"
		rig.Write(t, confs[name], "[DEFAULT]\nfilters_path="+to+"/rootwrap.d\n")
		return nil
	})
	if err != nil || len(confs) < 10 {
		t.Fatalf("%d policies: %v", len(confs), err)
	}
	documented(t, "corpus", tableOf(t, confs))
}

// serviceIn is whose a directory of filter files is: the name behind etc, or else the
// repository's.
func serviceIn(path string) string {
	parts := strings.Split(path, "/")
	if i := slices.Index(parts, "etc"); i >= 0 && i+1 < len(parts) && parts[i+1] != "rootwrap.d" {
		return parts[i+1]
	}
	_, repository, _ := strings.Cut(parts[0], "+")
	return repository
}
