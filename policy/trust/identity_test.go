package trust

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Look says what Read says, to the word, of every path there is a row for.
func TestLook(t *testing.T) {
	needRoot(t)
	for _, tt := range fileTests {
		base := tree(t)
		plant(t, base, tt.objects...)
		path := base + "/" + strings.ReplaceAll(tt.path, "BASE", base)
		for _, lvl := range []Level{Object, Parent, Fixed, Ancestors} {
			what := fmt.Sprintf("%s, level %d", tt.name, lvl)
			_, read, rerr := Read(path, lvl)
			looked, lerr := Look(path, lvl)
			sameAnswer(t, what, read, rerr, looked, lerr)

			d, err := Dir(filepath.Dir(path), lvl)
			if err != nil {
				continue
			}
			_, read, rerr = d.Read(filepath.Base(path))
			looked, lerr = d.Look(filepath.Base(path))
			sameAnswer(t, what+", in its directory", read, rerr, looked, lerr)
			d.Close()
		}
	}
	checkNoLeak(t)
}

func sameAnswer(t *testing.T, what string, read Identity, rerr error, looked Identity, lerr error) {
	t.Helper()
	if fmt.Sprint(rerr) != fmt.Sprint(lerr) {
		t.Errorf("%s: Read: %v; Look: %v", what, rerr, lerr)
	}
	if read != looked {
		t.Errorf("%s: Read: %+v; Look: %+v", what, read, looked)
	}
	if (rerr == nil) != (read != Identity{}) {
		t.Errorf("%s: %+v with the error %v", what, read, rerr)
	}
}

// A directory may be changed after it was opened, by root: what is in it counts no more.
func TestLookInChangedDirectory(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir d 755 0", "file d/f 644 0")
	for _, lvl := range []Level{Parent, Fixed, Ancestors} {
		d, err := Dir(base+"/d", lvl)
		if err != nil {
			t.Fatal(err)
		}
		for mode, want := range map[os.FileMode]string{0o777: "its directory " + base + "/d is writable", 0o755: ""} {
			if err := os.Chmod(base+"/d", mode); err != nil {
				t.Fatal(err)
			}
			_, err := d.Look("f")
			checkErr(t, fmt.Sprintf("level %d, mode %v", lvl, mode), err, want)
		}
		os.Chmod(base+"/d", 0o755)
		d.Close()
	}
}

// Whatever is done to a file or directory, and undone as far as it can be, leaves
// another identity behind.
func TestIdentity(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir d 755 0", "file d/f 644 0", "file other 644 0")
	file, dir := base+"/d/f", base+"/d"
	old := time.Now().Add(-time.Hour)
	for _, tt := range []struct {
		name   string
		of     string
		change func() error
	}{
		{"other words of the same length, at the same time", file, func() error {
			if err := os.WriteFile(file, []byte("x/y"), 0); err != nil {
				return err
			}
			return os.Chtimes(file, old, old)
		}},
		{"the time", file, func() error { return os.Chtimes(file, old, old.Add(1)) }},
		{"the mode, and back", file, func() error { return both(os.Chmod(file, 0o600), os.Chmod(file, 0o644)) }},
		{"the owner, and back", file, func() error { return both(os.Chown(file, nobody, 0), os.Chown(file, 0, 0)) }},
		{"another name", file, func() error { return os.Link(file, base+"/name") }},
		{"without the other name", file, func() error { return os.Remove(base + "/name") }},
		{"an extended attribute", file, func() error { return unix.Setxattr(file, "user.a", nil, 0) }},
		{"moved, and back", file, func() error { return both(os.Rename(file, base+"/name"), os.Rename(base+"/name", file)) }},
		{"another file in its place", file, func() error { return os.Rename(base+"/other", file) }},
		{"a new name", dir, func() error { return os.WriteFile(dir+"/g", nil, 0o644) }},
		{"a name less", dir, func() error { return os.Remove(dir + "/g") }},
		{"a name changed", dir, func() error { return os.Rename(file, dir+"/e") }},
		{"the name again", dir, func() error { return os.Rename(dir+"/e", file) }},
		{"the mode of a directory, and back", dir, func() error { return both(os.Chmod(dir, 0o700), os.Chmod(dir, 0o755)) }},
	} {
		before := identityOf(t, tt.of)
		if again := identityOf(t, tt.of); again != before {
			t.Errorf("before %s: %+v, then %+v without a change", tt.name, before, again)
		}
		if !before.Local {
			t.Logf("not checked: Local: %s is on no file system that is known", base)
		}
		time.Sleep(20 * time.Millisecond) // the clock of time stamps moves every 10 ms at least
		started, err := Now()
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.change(); err != nil {
			t.Fatal(err)
		}
		after := identityOf(t, tt.of)
		if after == before {
			t.Errorf("%s: the identity is the same: %+v", tt.name, after)
		}
		ended, err := Now()
		if err != nil {
			t.Fatal(err)
		}
		moment := 20 * time.Millisecond
		if tt.name == "another file in its place" { // which was made before
			continue
		}
		if c := after.Changed(); c.Before(started.Add(-moment)) || c.After(ended.Add(moment)) {
			t.Errorf("%s: changed at %v; want from %v to %v", tt.name, c, started, ended)
		}
	}
}

func both(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func identityOf(t *testing.T, path string) Identity {
	t.Helper()
	if id, err := Look(path, Object); err == nil {
		return id
	}
	d, err := Dir(path, Object)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return d.Identity()
}

// Only where this kernel makes the time stamps they are believed.
func TestLocal(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir tmpfs 755 0", "dir ramfs 755 0", "dir overlay 755 0", "dir lower 755 0", "file lower/f 644 0")
	inOwnMounts(t, func() {
		for system, options := range map[string]string{"tmpfs": "mode=755", "ramfs": "mode=755", "overlay": "lowerdir=" + base + "/lower:" + base + "/tmpfs"} {
			if err := unix.Mount(system, base+"/"+system, system, 0, options); err != nil {
				t.Logf("not checked: %s: %v", system, err)
				continue
			}
			want := system != "ramfs" // no disk's, and not worth a line
			d, err := Dir(base+"/"+system, Object)
			if err != nil {
				t.Error(err)
				continue
			}
			if d.Identity().Local != want {
				t.Errorf("a directory of %s: %+v", system, d.Identity())
			}
			if system != "overlay" {
				plant(t, base, "file "+system+"/f 644 0")
			}
			_, id, err := d.Read("f")
			if err != nil || id.Local != want {
				t.Errorf("a file of %s: %+v, %v", system, id, err)
			}
			if looked, err := d.Look("f"); err != nil || looked != id {
				t.Errorf("a file of %s: %+v, %v; want %+v", system, looked, err, id)
			}
			d.Close()
		}
	})
	if _, id, err := Read("/sys/kernel/notes", Object); err == nil && id.Local {
		t.Error("a file of sysfs counts as one on a disk")
	}
	for system, want := range map[int64]bool{unix.NFS_SUPER_MAGIC: false, unix.FUSE_SUPER_MAGIC: false, unix.SMB2_SUPER_MAGIC: false,
		unix.CIFS_SUPER_MAGIC: false, unix.V9FS_MAGIC: false, unix.CEPH_SUPER_MAGIC: false, unix.PROC_SUPER_MAGIC: false, unix.OCFS2_SUPER_MAGIC: false,
		0x01161970: false /* GFS2 */, 0: false, unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true} {
		if local(system) != want {
			t.Errorf("file system %#x: Local is %v", system, !want)
		}
	}
}

// What somebody exchanges for a file of theirs is never said to be readable.
func TestLookRace(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir u 755 65534", "file u/good 644 0", "file u/evil 644 65534", "link u/link 65534 good")
	good := identityOf(t, base+"/u/good")
	for _, other := range []string{"evil", "link"} {
		stop := exchange(t, base+"/u/good", base+"/u/"+other)
		found, refused := 0, 0
		for begin := time.Now(); (found == 0 || refused == 0 || time.Since(begin) < 100*time.Millisecond) && time.Since(begin) < 10*time.Second; {
			id, err := Look(base+"/u/good", Object)
			switch {
			case err != nil:
				refused++
			case id.Ino != good.Ino || id.UID != 0:
				t.Fatalf("%s: accepted %+v", other, id)
			default:
				found++
			}
			runtime.Gosched()
		}
		stop()
		if found == 0 || refused == 0 {
			t.Errorf("%s: the race has not taken place: %d found, %d refused", other, found, refused)
		}
		if _, err := Look(base+"/u/good", Object); err != nil { // it ended the wrong way round
			if err := unix.Renameat2(unix.AT_FDCWD, base+"/u/good", unix.AT_FDCWD, base+"/u/"+other, unix.RENAME_EXCHANGE); err != nil {
				t.Fatal(err)
			}
		}
	}
}
