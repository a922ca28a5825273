package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Landlock judges a file by the directories above it, through the mounts that it was
// reached by. In a mount namespace of their own (in a user namespace, which takes no
// right) a caller mounts /etc below a directory that a rule allows, and hands over what
// is open there.

var errForeign = errors.New("it was opened through a mount that is not of this mount namespace, or has no name any more, so that Landlock would judge it by other directories: pass it through a pipe, or call from another directory")

// native looks at what a path can be looked up from, or what can be opened again with
// other rights: the working directory, and descriptors 0 to 2 but for files that the
// caller may write to already.
func native(s *Spec) error {
	if len(s.Landlock) == 0 {
		return nil
	}
	here, err := openat(unix.AT_FDCWD, ".", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("the working directory: %w", err)
	}
	err = ofNamespace(here)
	unix.Close(here)
	if err != nil {
		return fmt.Errorf("the working directory: %w", err)
	}
	for fd, name := range standard {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		var st unix.Stat_t
		if err == nil {
			err = unix.Fstat(fd, &st)
		}
		switch kind := st.Mode & unix.S_IFMT; {
		case err != nil:
		case flags&unix.O_PATH != 0, kind == unix.S_IFDIR, kind == unix.S_IFREG && flags&unix.O_ACCMODE == unix.O_RDONLY && st.Nlink > 0:
			err = ofNamespace(fd)
		}
		if err != nil {
			return fmt.Errorf("%s (descriptor %d): %w", name, fd, err)
		}
	}
	return nil
}

// ofNamespace tells by the id of the mount (statx(2), Linux 5.8), which no two mounts
// have: what is found by the name must be on the same one.
func ofNamespace(fd int) error {
	var buf [unix.PathMax]byte
	n, err := unix.Readlink(opened(fd), buf[:])
	if err != nil {
		return err
	}
	if n == 0 || n == len(buf) || buf[0] != '/' {
		var fs unix.Statfs_t
		if err := unix.Fstatfs(fd, &fs); err == nil && fs.Type == unix.NSFS_MAGIC {
			return errNamespace
		}
		return errForeign
	}
	found, err := plainly(string(buf[:n]), unix.O_PATH)
	switch {
	case err == errNoOpenat2:
		return err
	case err != nil:
		return errForeign
	}
	defer unix.Close(found)
	same, err := sameMount(fd, found)
	if err == nil && !same {
		err = errForeign
	}
	return err
}

// sameMount compares the ids of the mounts that two files were reached by.
func sameMount(a, b int) (bool, error) {
	var was, is unix.Statx_t
	for _, f := range []struct {
		fd int
		st *unix.Statx_t
	}{{a, &was}, {b, &is}} {
		if err := unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, f.st); err != nil {
			return false, err
		}
	}
	return was.Mask&is.Mask&unix.STATX_MNT_ID != 0 && was.Mnt_id == is.Mnt_id, nil
}
