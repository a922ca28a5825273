package trust_test

import (
	"os"
	"testing"

	"ironwrap/policy/trust"
)

// A directory of a service's with files of root's in it, as Debian makes
// /etc/neutron: the object counts, and no link in such a directory does.
func TestObject(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: files of another user's were not checked")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	service := dir + "/service"
	for _, err := range []error{
		os.Mkdir(service, 0o750),
		os.Mkdir(service+"/filters.d", 0o755),
		os.WriteFile(service+"/roots", []byte("text"), 0o640),
		os.WriteFile(service+"/theirs", []byte("text"), 0o644),
		os.Chown(service+"/theirs", 65534, 65534),
		os.Symlink("roots", service+"/link"),
		os.WriteFile(service+"/linked", []byte("text"), 0o644),
		os.Link(service+"/linked", dir+"/its other name"),
		os.Chown(service, 65534, 65534),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		level trust.Level
		ok    bool
	}{
		{"roots", trust.Object, true},
		{"roots", trust.Parent, false},
		{"roots", trust.Ancestors, false},
		{"theirs", trust.Object, false},
		{"link", trust.Object, false}, // whoever owns the directory made it, or moved it there
		{"linked", trust.Object, false},
		{"filters.d/../roots", trust.Object, true},
	} {
		data, err := trust.File(service+"/"+c.name, c.level)
		if (err == nil) != c.ok || c.ok && string(data) != "text" {
			t.Errorf("File(%s, level %d) = %q, %v; want success: %v", c.name, c.level, data, err, c.ok)
		}
	}
	for level, ok := range map[trust.Level]bool{trust.Object: true, trust.Parent: false, trust.Ancestors: false} {
		d, err := trust.Dir(service+"/filters.d", level)
		if (err == nil) != ok {
			t.Errorf("Dir(filters.d, level %d) = %v; want success: %v", level, err, ok)
		}
		if err == nil {
			d.Close()
		}
		if _, err := trust.Dir(service, level); err == nil {
			t.Errorf("Dir of another user's at level %d succeeded", level)
		}
	}
}

// What is looked up by its path again must not be redirected meanwhile: a
// directory of root's below one of a service's can be, one below /tmp cannot.
func TestFixed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: files of another user's were not checked")
	}
	for _, c := range []struct {
		name  string
		mode  os.FileMode
		owner int
		ok    bool
	}{
		{"root's", 0o755, 0, true},
		{"root's and sticky", 0o777 | os.ModeSticky, 0, true},
		{"anybody's", 0o777, 0, false},
		{"a service's", 0o755, 65534, false},
		{"a service's and sticky", 0o777 | os.ModeSticky, 65534, false},
	} {
		top, err := os.MkdirTemp("/var/lib", "ironwrap-trust-test-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(top) })
		for _, err := range []error{
			os.Mkdir(top+"/above", 0o755),
			os.Mkdir(top+"/above/bin", 0o755),
			os.WriteFile(top+"/above/bin/tool", []byte("#!/bin/sh\n"), 0o755),
			os.Mkdir(top+"/above/shared", 0o755),
			os.WriteFile(top+"/above/tool", []byte("#!/bin/sh\n"), 0o755),
			os.Chown(top+"/above", c.owner, c.owner),
			os.Chmod(top+"/above", c.mode),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := trust.Executable(top+"/above/bin/tool", trust.Fixed); (err == nil) != c.ok {
			t.Errorf("below a directory that is %s: %v; want success: %v", c.name, err, c.ok)
		}
		// The directory that holds the program itself must not even be sticky.
		want := c.ok && c.mode&os.ModeSticky == 0
		if _, err := trust.Executable(top+"/above/tool", trust.Fixed); (err == nil) != want {
			t.Errorf("in a directory that is %s: %v; want success: %v", c.name, err, want)
		}
		d, err := trust.Dir(top+"/above/bin", trust.Fixed)
		if (err == nil) != c.ok {
			t.Errorf("a directory below one that is %s: %v; want success: %v", c.name, err, c.ok)
		}
		if err == nil {
			d.Close()
		}
	}
}
