package packages

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRelease: beside the packages each program's parts are named, with the versions of
// go.mod, and all licences; the checksums are right; made again it is the same.
func TestRelease(t *testing.T) {
	if !all {
		t.Skip("no release was made: make test-packages does")
	}
	built(t)
	where := dir + "/a"
	release := func() map[string]string {
		t.Helper()
		do(t, "rm", "-rf", where+"/dist")
		do(t, "cp", "-a", building.first, where+"/dist")
		doIn(t, where, []string{"VERSION=v" + first, "EPOCH=" + epoch}, "packaging/release.sh", "amd64", "arm64")
		return sums(t, where+"/dist")
	}
	one, again := release(), release()
	for name, sum := range one {
		if again[name] != sum {
			t.Errorf("%s is another one the second time", name)
		}
	}
	doIn(t, where+"/dist", nil, "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	if text, err := os.ReadFile(where + "/dist/SHA256SUMS"); err != nil || strings.Count(string(text), "\n") != len(one)-1 {
		t.Errorf("SHA256SUMS is not of %d files: %s %v", len(one)-1, text, err)
	}

	mod, err := os.ReadFile(top + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	boms := glob(t, where+"/dist/*.cdx.json")
	if len(boms) != 2*6 {
		t.Errorf("parts are named of %d programs: %q", len(boms), boms)
	}
	for _, path := range boms {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var bom struct {
			Metadata struct {
				Component struct{ Name, Version string }
			}
			Components []struct{ Name, Version string }
		}
		if err := json.Unmarshal(text, &bom); err != nil {
			t.Fatal(err)
		}
		if bom.Metadata.Component.Version != first || bom.Metadata.Component.Name != "ironwrap" {
			t.Errorf("%s is of %+v", filepath.Base(path), bom.Metadata.Component)
		}
		var names []string
		for _, c := range bom.Components {
			names = append(names, c.Name)
			if c.Name != "std" && !strings.Contains(string(mod), c.Name+" "+c.Version) {
				t.Errorf("%s: go.mod has no %s %s", filepath.Base(path), c.Name, c.Version)
			}
		}
		if !slices.Contains(names, "golang.org/x/sys") || !slices.Contains(names, "std") || strings.Contains(path, "/ironwrapctl-") != slices.Contains(names, "github.com/spf13/cobra") {
			t.Errorf("%s: %q", filepath.Base(path), names)
		}
	}
}
