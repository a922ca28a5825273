package rig

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// User is a user of the machine.
type User struct {
	Name     string
	UID, GID uint32
}

// database runs a program that changes the user database, whose lock other tests may hold.
// A process of the user's that was killed may be there for a moment more.
func database(argv ...string) error {
	for try := 0; ; try++ {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err == nil {
			return nil
		}
		if try == 60 || !bytes.Contains(out, []byte("cannot lock")) && !bytes.Contains(out, []byte("currently used by process")) {
			return fmt.Errorf("%q: %w\n%s", argv, err, out)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// addUser makes a user with a home directory and a group of their own. remove takes
// them away.
func addUser(name string) (u User, remove func(), err error) {
	home := "/var/lib/" + name
	if err := database("/usr/sbin/useradd", "--create-home", "--home-dir", home, "--shell", "/bin/sh", name); err != nil {
		return u, nil, err
	}
	remove = func() { database("/usr/sbin/userdel", "--remove", name) }
	st, err := os.Stat(home)
	if err != nil {
		remove()
		return u, nil, err
	}
	sys := st.Sys().(*syscall.Stat_t)
	return User{name, sys.Uid, sys.Gid}, remove, nil
}

// NewUser is a user who is gone when the test ends.
func NewUser(t testing.TB, name string) User {
	t.Helper()
	u, remove, err := addUser(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(remove)
	return u
}

// NewGroup makes a group that is gone when the test ends.
func NewGroup(t testing.TB, name string) {
	t.Helper()
	if err := database("/usr/sbin/groupadd", name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database("/usr/sbin/groupdel", name) })
}

// Member makes a user who is in two more groups.
func Member(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("iwmember%d", os.Getpid())
	NewGroup(t, name+"a")
	NewGroup(t, name+"b")
	if err := database("/usr/sbin/useradd", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/sh", "--groups", name+"a,"+name+"b", name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { database("/usr/sbin/userdel", name) })
	return name
}

// sudoers puts a file into place in one step: sudo reads all of them at each call, but
// those whose name has a dot.
func sudoers(name string, text []byte) (path string, err error) {
	path = "/etc/sudoers.d/" + name
	if err := os.WriteFile(path+".new", text, 0o440); err != nil {
		return path, err
	}
	return path, os.Rename(path+".new", path)
}

// Sudoers writes a file of sudoers, which is gone when the test ends, and returns its path.
func Sudoers(t testing.TB, name, text string) string {
	t.Helper()
	path, err := sudoers(name, []byte(text))
	t.Cleanup(func() { os.Remove(path); os.Remove(path + ".new") })
	if err != nil {
		t.Fatal(err)
	}
	return path
}
