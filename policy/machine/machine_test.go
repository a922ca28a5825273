package machine

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/program"
	"ironwrap/policy/trust"
)

var _ policy.Machine = (*Machine)(nil)

func makeProgram(t *testing.T, path string, mode os.FileMode, uid int) {
	t.Helper()
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755))
	must(t, os.Chown(path, uid, 0))
	must(t, os.Chmod(path, mode))
}

func TestFind(t *testing.T) {
	needRoot(t)
	dir := tree(t, "one/", "two/", "service/", "one/directory/", "two/directory", "one/sub/")
	one, two := dir+"/one", dir+"/two"
	for name, mode := range map[string]os.FileMode{"both": 0o755, "first": 0o755, "setuid": os.ModeSetuid | 0o755, "onlyexec": 0o111, "writable": 0o777, "groupwritable": 0o775, "noexec": 0o644} {
		makeProgram(t, one+"/"+name, mode, 0)
	}
	for _, name := range []string{"both", "second", "noexec", "writable", "theirs", "nobodys", "dangling"} {
		makeProgram(t, two+"/"+name, 0o755, 0)
	}
	makeProgram(t, two+"/directory", 0o755, 0)
	makeProgram(t, one+"/nobodys", 0o755, 65534)
	makeProgram(t, one+"/theirs", 0o755, 64711)
	makeProgram(t, one+"/sub/deep", 0o755, 0)
	must(t, os.Symlink(two+"/second", one+"/link"))
	must(t, os.Symlink("nowhere", one+"/dangling"))
	must(t, os.Symlink("looping", one+"/looping"))
	must(t, syscall.Mkfifo(one+"/fifo", 0o755))
	makeProgram(t, dir+"/service/tool", 0o755, 0)
	must(t, os.Chown(dir+"/service", 65534, 0))
	must(t, os.Symlink(dir+"/service/tool", one+"/intoservice"))

	m := New([]string{one, dir + "/missing", two}, trust.Parent)
	for _, c := range []struct {
		name, runAs, want string // want "" for an error
	}{
		{"both", "root", one + "/both"},
		{"first", "root", one + "/first"},
		{"second", "root", two + "/second"},
		{"setuid", "nobody", one + "/setuid"},
		{"onlyexec", "nobody", one + "/onlyexec"},
		{"link", "root", one + "/link"},
		{"sub/deep", "root", one + "/sub/deep"},
		{one + "/both", "root", one + "/both"},
		{two + "/both", "root", two + "/both"},
		{one + "/link", "root", one + "/link"},

		// The next directory has one that can run.
		{"noexec", "root", two + "/noexec"},
		{"directory", "root", two + "/directory"},
		{"dangling", "root", two + "/dangling"},

		// A program that somebody could have written hides no other.
		{"writable", "root", ""},
		{"groupwritable", "root", ""},
		{"theirs", "root", ""},
		{"theirs", "nobody", ""},
		{"nobodys", "root", ""},
		{"nobodys", "nobody", one + "/nobodys"}, // the user's own program, as that user
		{"intoservice", "root", ""},
		{"intoservice", "nobody", ""},
		{dir + "/service/tool", "root", ""},

		{"missing", "root", ""},
		{"fifo", "root", ""},
		{"looping", "root", ""},
		{".", "root", ""},
		{"..", "root", ""},
		{"sub", "root", ""},
		{"both/", "root", ""},
		{"BOTH", "root", ""},
		{one + "/noexec", "root", ""},
		{one + "/missing", "root", ""},
		{one, "root", ""},
		{"/", "root", ""},
		{one + "/both/", "root", ""},
		{one + "/both\x00", "root", ""},
		{"both\x00", "root", ""},
		{strings.Repeat("x", 5000), "root", ""},
		{"/" + strings.Repeat("x", 5000), "root", ""},
		{"nobodys", "nosuchuser", ""},
	} {
		got, err := m.Find(c.name, c.runAs)
		if c.want == "" {
			if err == nil {
				t.Errorf("%.60q as %s: %q", c.name, c.runAs, got.Path)
			} else if strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("%.60q as %s: %q", c.name, c.runAs, err)
			}
			continue
		}
		if err != nil || got.Path != c.want {
			t.Errorf("%q as %s: %q, %v, not %q", c.name, c.runAs, got.Path, err, c.want)
		}
	}
	if _, err := m.Find("missing", "root"); !errors.Is(err, program.ErrNotFound) {
		t.Errorf("missing: %v", err)
	}
	if _, err := New(nil, trust.Parent).Find("sh", "root"); err == nil {
		t.Error("found without a directory to look in")
	}

	// Below a service's directory the path could be redirected before execve(2).
	must(t, os.Mkdir(dir+"/service/bin", 0o755))
	makeProgram(t, dir+"/service/bin/tool", 0o755, 0)
	for _, level := range []trust.Level{trust.Object, trust.Parent, trust.Fixed, trust.Ancestors} {
		if got, err := New(nil, level).Find(dir+"/service/bin/tool", "root"); err == nil {
			t.Errorf("below a service's directory, level %d: %q", level, got.Path)
		}
	}
}

func TestPrograms(t *testing.T) {
	dir := tree(t, "one/x", "two/y", "three/", "two/link -> ../one/x", "two/dangling -> nowhere")
	m := New([]string{dir + "/one", dir + "/missing", dir + "/two", dir + "/three"}, trust.Parent)
	var st, one unix.Stat_t
	must(t, unix.Stat(dir+"/one/x", &st))
	must(t, unix.Stat(dir+"/one", &one))
	x := filters.File{Dev: uint64(st.Dev), Ino: st.Ino, Links: 1, UID: st.Uid, Mode: 0o644}

	check := func(name string, want ...filters.Program) {
		t.Helper()
		got := m.Programs(name)
		if len(got) != len(want) {
			t.Errorf("%s: %+v", name, got)
			return
		}
		for i := range want {
			want[i].DirDev = uint64(one.Dev)
			if got[i] != want[i] {
				t.Errorf("%s: %+v, not %+v", name, got[i], want[i])
			}
		}
	}
	at := func(path string, f filters.File) filters.Program {
		return filters.Program{Path: dir + path, Exists: f != (filters.File{}), File: f}
	}
	none := filters.File{}
	check("x", at("/one/x", x), at("/two/x", none), at("/three/x", none))
	check("link", at("/one/link", none), at("/two/link", x), at("/three/link", none))
	check("dangling", at("/one/dangling", none), at("/two/dangling", none), at("/three/dangling", none))
	check(dir+"/one/x", at("/one/x", x))
	check(dir+"/two/link", at("/two/link", x))
	check(dir+"/one/new", at("/one/new", none))
	check(dir + "/missing/x")
	check(dir + "/one/x/y")
}

func TestStableAndTrusted(t *testing.T) {
	needRoot(t)
	dir := tree(t, "root/file", "root/sub/", "service/file", "root/link -> file", "service/link -> ../root/file", "root/tosvc -> ../service/file")
	must(t, os.Chown(dir+"/service", 65534, 0))
	must(t, os.Chown(dir+"/root/sub", 65534, 0))
	m := New(nil, trust.Parent)
	for path, want := range map[string]struct{ stable, trusted bool }{
		"/root/file":    {true, true},
		"/root":         {true, true},
		"/root/link":    {true, true},
		"/root/sub":     {true, false}, // its name is safe, what is in it is not
		"/service/file": {false, false},
		"/service/link": {false, false},
		"/root/tosvc":   {false, false},
		"/service":      {true, false},
		"/missing":      {false, false},
		"/root/file/x":  {false, false},
		"/root\x00":     {false, false},
	} {
		if err := m.Stable(dir + path); (err == nil) != want.stable {
			t.Errorf("%q stable: %v", path, err)
		}
		if err := m.Trusted(filters.Untrusted(dir + path)); (err == nil) != want.trusted {
			t.Errorf("%q trusted: %v", path, err)
		}
	}
	for _, path := range []string{"", "relative", "/proc/self/environ", "/tmp", "/dev/null"} {
		if err := m.Trusted(filters.Untrusted(path)); err == nil {
			t.Errorf("%q is trusted", path)
		}
	}
}

func TestProcfs(t *testing.T) {
	fd, err := procfs()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if id, err := readlink(fd, "self"); err != nil || id == "" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := readlink(fd, "no such link"); err != unix.ENOENT {
		t.Errorf("%v", err)
	}
}
