package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// private_tmp is for directories that cannot be had otherwise for a test.
func TestPrivateTmpRedirected(t *testing.T) {
	e := example{conf: "[Sandbox]\nprivate_tmp=yes", filters: "id: CommandFilter, id, root", setup: "mkdir a; ln -s a theirs; chown -h 65534 theirs; ln -s a roots"}
	dir := e.lay(t)
	old := temporary
	t.Cleanup(func() { temporary = old })
	found := func() string {
		for _, f := range Check([]string{dir + "/rootwrap.conf"}, e).Findings {
			if f.Rule.ID == "redirected-path" {
				return filepath.Base(f.Path) + ": " + f.Message
			}
		}
		return ""
	}
	temporary = []string{dir + "/a", dir + "/roots", dir + "/none"}
	if got := found(); got != "" {
		t.Error(got)
	}
	temporary = append(temporary, dir+"/theirs")
	if got := found(); !strings.HasPrefix(got, "rootwrap.conf: ") || !strings.Contains(got, dir+"/theirs is owned by uid 65534") {
		t.Errorf("%q", got)
	}
	text, err := os.ReadFile(dir + "/rootwrap.conf")
	if err == nil {
		err = os.WriteFile(dir+"/rootwrap.conf", []byte(strings.Replace(string(text), "private_tmp=yes", "private_tmp=no", 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := found(); got != "" {
		t.Error(got)
	}
}
