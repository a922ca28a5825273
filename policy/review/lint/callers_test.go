package lint

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ironwrap/policy"
	"ironwrap/policy/review/collected"
)

// TestOwned: a directory in which a caller may exchange files is theirs.
func TestOwned(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: no directory can be given away")
	}
	dir := t.TempDir()
	defer func(list []string) { bases = list }(bases)
	bases = []string{dir}
	for _, d := range []struct {
		name     string
		uid, gid int
		mode     os.FileMode
	}{{"a", 65534, 0, 0o755}, {"a/inner", 65534, 0, 0o755}, {"roots", 0, 0, 0o755}, {"roots/theirs", 65534, 0, 0o700}, {"group", 0, 65534, 0o775}, {"group-reads", 0, 65534, 0o755}} {
		path := filepath.Join(dir, d.name)
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
		os.Chown(path, d.uid, d.gid)
		os.Chmod(path, d.mode)
	}
	os.Symlink("/", filepath.Join(dir, "link"))
	if got, want := owned([]string{"root", "nobody", "no-such-user"}), []string{dir + "/a", dir + "/group", dir + "/roots/theirs"}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	if got := owned([]string{"root"}); got != nil {
		t.Errorf("of root: %q", got)
	}
}

// TestCallersOfTree: a tree tells homes and groups, and not those of this machine.
func TestCallersOfTree(t *testing.T) {
	dir := t.TempDir()
	os.Mkdir(dir+"/etc", 0o755)
	os.WriteFile(dir+"/etc/passwd", []byte("a:x:5:5::/srv/a:/bin/sh\nb:x:6:6::/usr/sbin:/bin/sh\nc:x:7:7::/srv/c:/bin/sh\n"), 0o644)
	os.WriteFile(dir+"/etc/group", []byte("g:x:9:b,a\n"), 0o644)
	tree, err := collected.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	c := Callers(&policy.Policy{Path: "/etc/x/rootwrap.conf", Config: policy.Config{AllowGroups: []string{"g"}}}, tree, nil)
	if !slices.Equal(c.Users, []string{"a", "b", "x"}) || !slices.Equal(c.Dirs, []string{"/srv/a"}) {
		t.Errorf("%+v", c)
	}
}
