package trust

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fuzzTree is set for the workers of the fuzzer: it kills them, and they could
// not clean up after themselves.
const fuzzTree = "IRONWRAP_TEST_FUZZ_TREE"

// FuzzPath asks for any path, in a small tree or, where it begins with a slash,
// anywhere. Nothing panics or hangs, every error is one line, and what is
// accepted is also good in the eyes of a second judge, who works with paths.
func FuzzPath(f *testing.F) {
	base := os.Getenv(fuzzTree)
	if base == "" {
		base = tree(f)
		f.Setenv(fuzzTree, base)
		plant(f, base, "dir d 755 0", "file d/f 644 0", "file d/x 755 0", "file d/theirs 644 65534", "file d/wide 664 0",
			"dir u 755 65534", "file u/f 644 0", "dir u/d 755 0", "file u/d/f 644 0", "dir s 1777 0", "file s/f 644 0",
			"link l 0 d", "link m 65534 d", "link u/l 0 ../d", "link d/l 0 f", "link d/a 0 BASE/d/f", "link o 0 o", "link g 0 gone",
			"link p 0 ..", "link r 0 /", "link d/deep 0 ../u/d/f", "fifo p1 644 0", "sock s1 644 0", "dev z 644 0", "link slash 0 d/", "hard h d/f")
	}
	for _, path := range []string{"", ".", "..", "/", "//", "d/f", "d/x", "d//f", "d/./f", "d/../d/f", "d/f/", "d/f/.", "d/theirs", "d/wide",
		"u/f", "u/d/f", "u/l/f", "u/../d/f", "s/f", "l/f", "m/f", "d/l", "d/a", "o", "g", "g/x", "p/..", "p/" + filepath.Base(base) + "/d/f", "r/etc/passwd",
		"d/deep", "p1", "s1", "z", "slash", "slash/f", "h", "d/nope", "d/\xff", "d/\x00", "d/\n", "\x1b[2J", strings.Repeat("d/../", 900) + "d/f", strings.Repeat("n", 300),
		"/etc/passwd", "/etc/../etc/passwd", "/proc/self/exe", "/proc/self/fd/0", "/proc/1/root/etc/passwd", "/proc/self/cwd", "/dev/fd/0", "/dev/null", "/tmp/x", "/bin/sh", "/sys"} {
		f.Add(path)
	}

	f.Fuzz(func(t *testing.T, p string) {
		within(t, 20*time.Second)
		path := p
		if !strings.HasPrefix(p, "/") {
			path = base + "/" + p
		}
		for _, lvl := range []Level{Parent, Ancestors} {
			data, err := File(path, lvl)
			judge(t, path, lvl, "File", err)
			if err == nil && strings.HasPrefix(path, base) {
				if same, err := os.ReadFile(path); err != nil || !bytes.Equal(data, same) {
					t.Errorf("%q: contents %q, want %q, %v", path, data, same, err)
				}
			}

			id, err := Executable(path, lvl)
			judge(t, path, lvl, "Executable", err)
			if real, _ := filepath.EvalSymlinks(path); err == nil && id.Path != real {
				t.Errorf("%q leads to %q, want %q", path, id.Path, real)
			}

			d, err := Dir(path, lvl)
			judge(t, path, lvl, "Dir", err)
			if err == nil {
				if _, err := d.Names(); err != nil {
					t.Errorf("%q: %v", path, err)
				}
				d.Close()
			}

			if d, err = Dir(base+"/d", lvl); err != nil {
				t.Fatal(err)
			}
			if _, err = d.File(p); err == nil || !strings.Contains(err.Error(), "not the name of a directory entry") {
				judge(t, base+"/d/"+p, lvl, "Directory.File", err)
			}
			d.Close()
		}
		var road Road
		for range 2 {
			for _, lvl := range []Level{Fixed, Ancestors} {
				sameAnswers(t, fmt.Sprintf("%q, level %d, on a road", path, lvl), ask(&road, path, lvl), ask(nil, path, lvl))
			}
		}
		road.Close()
		for _, lvl := range []Level{Object, Parent} {
			sameWalk(t, path, lvl)
		}
		if real, err := Canonical(path); err != nil && !oneLine(err.Error()) {
			t.Errorf("%q: Canonical: error %q", path, err)
		} else if same, serr := filepath.EvalSymlinks(path); err == nil && serr == nil && real != same && !strings.Contains(path, "..") {
			t.Errorf("%q: Canonical: %q, not %q", path, real, same)
		}
		if p, err := Lead(path); err == nil {
			unix.Close(p.FD)
		} else if !oneLine(err.Error()) {
			t.Errorf("%q: Lead: error %q", path, err)
		}
		if err := Stable(path); err != nil && !oneLine(err.Error()) {
			t.Errorf("%q: Stable: error %q", path, err)
		}
		if !strings.HasPrefix(p, "/") && p != "" { // without base it is not absolute
			if _, err := File(p, Parent); err == nil || !oneLine(err.Error()) {
				t.Errorf("%q: %v", p, err)
			}
		}
	})
}

// judge looks at what path leads to and says whether accepting it (a nil err)
// was right.
func judge(t *testing.T, path string, lvl Level, what string, err error) {
	t.Helper()
	if err != nil {
		if !oneLine(err.Error()) {
			t.Errorf("%q: %s: error %q", path, what, err)
		}
		return
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Errorf("%q: %s accepted what leads nowhere: %v", path, what, err)
		return
	}
	for at, up := real, 0; ; at, up = filepath.Dir(at), up+1 {
		info, err := os.Lstat(at)
		if err != nil {
			t.Errorf("%q: %v", path, err)
			return
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 || info.Mode()&0o022 != 0 {
			t.Errorf("%q: %s accepted, level %d: %s is of uid %d, mode %v", path, what, lvl, at, owner, info.Mode())
		}
		if isDir := info.IsDir(); up == 0 && isDir != (what == "Dir") || up == 0 && !isDir && info.Mode()&fs.ModeType != 0 {
			t.Errorf("%q: %s accepted a %v", path, what, info.Mode())
		}
		if at == "/" || lvl == Parent && up == 1 {
			return
		}
	}
}
