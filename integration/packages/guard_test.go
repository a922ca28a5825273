package packages

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// guard is the word by which this program becomes another one that can write below one
// directory alone.
const guard = "guarded"

// guarded is argv, for which every mount but what is below dir is read-only: whatever dpkg,
// rpm and their scripts take for the root, this machine's is not changed.
func guarded(argv ...string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", append([]string{dir}, argv...)...)
	c.Args[0] = guard
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS} // and nothing of it spreads
	return c
}

func becomeGuarded(dir string, argv []string) error {
	set := func(path string, attr unix.MountAttr) error {
		return unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_RECURSIVE, &attr)
	}
	program, err := exec.LookPath(argv[0])
	if err == nil {
		err = unix.Mount(dir, dir, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err == nil {
		err = set("/", unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	}
	if err == nil {
		err = set(dir, unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY})
	}
	if err == nil {
		err = unix.Exec(program, argv, os.Environ())
	}
	return fmt.Errorf("cannot keep %q to %s: %w", argv, dir, err)
}

// changes tells whether a program changes what is installed where it is not told otherwise.
func changes(program string) bool {
	switch filepath.Base(program) {
	case "dpkg", "dpkg-divert", "apt", "apt-get", "rpm", "dnf", "mmdebstrap", "chroot", "rpmlint":
		return true
	}
	return false
}

// TestGuard: what is guarded writes below one directory alone; a package that is installed
// for the wrong root is not installed.
func TestGuard(t *testing.T) {
	built(t)
	var places []string
	for _, parent := range []string{"/var/lib", "/tmp", "/run", "/dev/shm"} {
		place, err := os.MkdirTemp(parent, "ironwrap-guard-")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(place) })
		places = append(places, place)
	}
	for _, place := range places {
		if out, err := guarded("touch", place+"/here").CombinedOutput(); err == nil || !strings.Contains(string(out), "Read-only file system") {
			t.Fatalf("%s can be written to: %v, %s", place, err, out)
		}
	}
	if out, err := guarded("touch", dir+"/here").CombinedOutput(); err != nil {
		t.Errorf("%s cannot be written to: %v, %s", dir, err, out)
	}

	there := func() (there []string) {
		for _, path := range []string{"/usr/libexec/ironwrap", "/etc/sudoers.d/zz-ironwrap-neutron", "/usr/bin/neutron-rootwrap"} {
			if st, err := os.Lstat(path); err == nil {
				there = append(there, path+" "+st.ModTime().String())
			}
		}
		return there
	}
	before := strings.Join(there(), "\n")
	for _, argv := range [][]string{
		append([]string{"rpm", "--dbpath", dir + "/guard-rpm", "--install", "--nodeps", "--ignoresize"}, glob(t, building.first+"/ironwrap-neutron*.noarch.rpm")...),
		append([]string{"dpkg", "--force-depends", "--admindir", adminDir(t, dir+"/guard-dpkg"), "--install"}, glob(t, building.first+"/ironwrap-neutron*.deb")...),
	} {
		if out, err := guarded(argv...).CombinedOutput(); err == nil || !strings.Contains(string(out), "Read-only file system") {
			t.Errorf("%q: %v, %s", argv, err, out)
		}
	}
	if after := strings.Join(there(), "\n"); after != before {
		t.Errorf("before: %s\nafter: %s", before, after)
	}
}

// adminDir is an empty database of dpkg's.
func adminDir(t *testing.T, at string) string {
	t.Helper()
	do(t, "mkdir", "-p", at+"/info", at+"/updates", at+"/triggers")
	do(t, "touch", at+"/status", at+"/available")
	return at
}
