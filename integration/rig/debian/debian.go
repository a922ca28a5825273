// Package debian fetches what tests need of Debian's packages. Tests of several packages
// run side by side: one at a time has apt-get.
package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockFile is root's alone, as all of /run.
const lockFile = "/run/ironwrap-tests.lock"

// alone runs f while no other test, in this process or another, has apt-get.
func alone(f func() error) error {
	lock, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("cannot lock %s: %w", lockFile, err)
	}
	return f()
}

// apt runs apt-get in dir; where it fails, once more with fresh lists.
func apt(dir string, args ...string) error {
	run := func(args ...string) ([]byte, error) {
		c := exec.Command("apt-get", append([]string{"-qq", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
		c.Dir, c.Env = dir, append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		return c.CombinedOutput()
	}
	out, err := run(args...)
	if err != nil {
		run("update")
		out, err = run(args...)
	}
	if err != nil {
		return fmt.Errorf("apt-get %q (is Debian's mirror within reach?): %w\n%s", args, err, out)
	}
	return nil
}

// Install sees to it that a program or file, of a package, is there: a name without a
// slash is looked for in PATH.
func Install(pkg, file string) error {
	there := func() bool {
		_, err := exec.LookPath(file)
		if filepath.IsAbs(file) {
			_, err = os.Stat(file)
		}
		return err == nil
	}
	if there() {
		return nil
	}
	return alone(func() error {
		if there() {
			return nil
		}
		return apt("/", "install", "-y", "--no-install-recommends", pkg)
	})
}

// Download puts the archives of packages into dir, and returns their paths. Nothing is
// installed.
func Download(dir string, packages ...string) ([]string, error) {
	if err := alone(func() error { return apt(dir, append([]string{"download"}, packages...)...) }); err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range packages {
		found, err := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("%d files of package %s came, not one", len(found), name)
		}
		paths = append(paths, found[0])
	}
	return paths, nil
}

// Unpack downloads packages, and unpacks them into dir, all over each other.
func Unpack(dir string, packages ...string) error {
	archives, err := Download(dir, packages...)
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if out, err := exec.Command("dpkg-deb", "-x", archive, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("cannot unpack %s: %w\n%s", archive, err, out)
		}
		if err := os.Remove(archive); err != nil {
			return err
		}
	}
	return nil
}
