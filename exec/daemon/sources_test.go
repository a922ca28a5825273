package daemon

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What is seen in a directory is what the whole path leads to, whatever was put there
// or above it.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	files := dir + "/above/filters.d"
	paths := []string{dir + "/conf", files, dir + "/none", files + "/a", files + "/b", files + "/link", dir + "/none/x", "/usr/bin"}
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := newSources(paths)
	var before []state
	for _, step := range []struct {
		what    string
		changed []int // indices of paths
		do      func() error
	}{
		{"nothing is there", []int{0, 1, 2, 3, 4, 5, 6, 7}, func() error { return nil }},
		{"nothing happens", nil, func() error { return nil }},
		{"files", []int{0, 1, 3, 4}, func() error {
			os.MkdirAll(files, 0o755)
			put(dir+"/conf", "")
			put(files+"/a", "")
			put(files+"/b", "")
			return os.Symlink("../c", files+"/link")
		}},
		{"where a link leads", []int{5}, func() error { put(dir+"/above/c", ""); return nil }},
		{"length", []int{4}, func() error { put(files+"/b", "x"); return nil }},
		{"mode", []int{3}, func() error { return os.Chmod(files+"/a", 0o600) }},
		{"times", []int{3}, func() error { return unix.Utimes(files+"/a", []unix.Timeval{{}, {}}) }},
		{"another name for it", []int{4}, func() error { return os.Link(files+"/b", dir+"/above/b") }},
		{"another directory above", []int{1, 3, 4, 5}, func() error { return os.Rename(dir+"/above", dir+"/other") }},
		{"a link above", []int{1, 3, 4, 5}, func() error { return os.Symlink("other", dir+"/above") }},
		{"no directory", []int{2, 6}, func() error { put(dir+"/none", ""); return nil }},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		changed := make(map[int]bool)
		for _, i := range step.changed {
			changed[i] = true
		}
		now, _ := s.look()
		for i, p := range paths {
			var st unix.Stat_t
			err := unix.Stat(p, &st)
			if now[i].why != errno(err) || err == nil && (now[i].ino != st.Ino || now[i].ctime != st.Ctim.Nano()) {
				t.Errorf("%s: %s is %+v, stat(2) says %+v, %v", step.what, p, now[i], st, err)
			}
			if before != nil && (now[i] != before[i]) != changed[i] {
				t.Errorf("%s: %s was %+v, is %+v", step.what, p, before[i], now[i])
			}
		}
		if s.are(before) != (before != nil && len(changed) == 0) || !s.are(now) {
			t.Errorf("%s: the comparison is wrong", step.what)
		}
		before = now
	}
}
