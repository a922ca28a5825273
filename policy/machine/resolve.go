package machine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/account"
	"ironwrap/policy/trust"
)

var lookup = account.Lookup

// Base returns the directory that dir, which root wrote down, leads to: absolute,
// and without symbolic links and dots. No link is followed that somebody besides
// root decides about (trust.Canonical). Its last components need not exist. It is
// looked for with the file access rights of runAs, as the words that are compared
// with it.
func (m *Machine) Base(dir, runAs string) (base string, err error) {
	u, err := lookup(runAs)
	if err != nil {
		return "", err
	}
	err = as(u, func() (err error) {
		base, err = trust.Canonical(dir)
		return err
	})
	if errors.Is(err, trust.ErrRedirected) {
		return "", redirected{err}
	}
	return base, notResolved(err, filters.Untrusted(dir), u, runAs)
}

// redirected is an error of package trust, for the filters that ask for a Base.
type redirected struct{ error }

func (redirected) Is(target error) bool { return target == filters.ErrRedirected }

// withheld is an error of the kernel's, for the filters.
type withheld struct{ error }

func (withheld) Is(target error) bool { return target == filters.ErrWithheld }

// Resolve returns where path leads to for the user runAs, whose rights the thread
// takes for file access only (setfsuid(2)): the process stays out of that user's
// hands, and NFS servers see the right one. base is the directory, as Base returned
// it, that the answer is going to be compared with.
func (m *Machine) Resolve(path filters.Untrusted, base, runAs string) (filters.Untrusted, error) {
	u, err := lookup(runAs)
	if err != nil {
		return "", err
	}
	var resolved string
	err = as(u, func() (err error) {
		resolved, err = resolve(path.Raw(), base)
		return err
	})
	return filters.Untrusted(resolved), notResolved(err, path, u, runAs)
}

// notResolved says of which path an error is, and for whom; nil is no error.
func notResolved(err error, path filters.Untrusted, u account.User, runAs string) error {
	switch {
	case err == nil:
		return nil
	case noOpenat2(err):
		return fmt.Errorf("cannot resolve %s as user %s: openat2(2): %w: Linux has it since 5.6, and a seccomp filter around the caller or the daemon takes it away, as RestrictSUIDSGID= in a systemd unit does: allow it there",
			path.Show(), filters.Show(runAs), withheld{err})
	case errors.Is(err, unix.EACCES) && u.UID == 0 && onNFS(path.Raw()):
		return fmt.Errorf("cannot resolve %s as user %s: %w: root_squash makes root a stranger there: let the filter run as the owner of the files, or export them with no_root_squash",
			path.Show(), filters.Show(runAs), filters.ErrRootSquash)
	}
	return fmt.Errorf("cannot resolve %s as user %s: %w", path.Show(), filters.Show(runAs), err)
}

// noOpenat2 tells whether err is that of a seccomp filter in the place of the kernel. EPERM
// may be the answer of a file's server too (FUSE), but not for "/".
func noOpenat2(err error) bool {
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		return false
	}
	fd, probe := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC})
	if probe == nil {
		unix.Close(fd)
	}
	return probe != nil && errors.Is(err, probe)
}

// onNFS tells whether the last directory on the way to path (absolute) that can be
// seen at all is on an NFS mount.
func onNFS(path string) bool {
	for {
		var fs unix.Statfs_t
		if unix.Statfs(path, &fs) == nil {
			return fs.Type == unix.NFS_SUPER_MAGIC
		}
		if path = path[:max(strings.LastIndexByte(path, '/'), 0)]; path == "" {
			return false
		}
	}
}

// Pin opens the file at path, as Resolve returned it, with the rights of u: where
// u cannot go it must not be held open for u. The descriptor serves only to name
// the file (O_PATH).
func Pin(path filters.Untrusted, u account.User) (fd int, err error) {
	err = as(u, func() (err error) {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
		fd, err = unix.Openat2(unix.AT_FDCWD, path.Raw(), &how)
		return err
	})
	return fd, err
}

// name returns the path of an open file, which must lead there still.
func name(fd int) (string, error) {
	proc, err := procfs()
	if err != nil {
		return "", err
	}
	defer unix.Close(proc)
	path, err := readlink(proc, "self/fd/"+strconv.Itoa(fd))
	if err != nil {
		return "", err
	}
	var a, b unix.Stat_t
	if err := unix.Fstat(fd, &a); err != nil {
		return "", err
	}
	if err := unix.Lstat(path, &b); err != nil || path[0] != '/' || a.Dev != b.Dev || a.Ino != b.Ino {
		return "", errChanged
	}
	return path, nil
}

// Lost says why the process cannot go on, and returns its exit status.
var Lost = func(why string) (status int) { return 97 }

// as runs look with the file access rights of u and of nobody else. Only this
// thread changes; when it cannot be changed back the process must not go on.
func as(u account.User, look func() error) error {
	if u.UID == 0 || !privileged() {
		return look()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := getgroups()
	if err != nil {
		return fmt.Errorf("cannot read the supplementary groups: %w", err)
	}
	defer func() {
		if setfs(unix.SYS_SETFSUID, 0) != nil || setfs(unix.SYS_SETFSGID, 0) != nil || setgroups(own) != nil {
			// Not a panic, which a daemon might survive with such a thread.
			os.Exit(Lost("internal error, nothing was executed: cannot take back root's file access rights"))
		}
	}()
	if err := setgroups(u.Groups); err != nil {
		return fmt.Errorf("cannot set the supplementary groups: %w", err)
	}
	if err := setfs(unix.SYS_SETFSGID, u.GID); err != nil {
		return fmt.Errorf("cannot set the file system group id: %w", err)
	}
	if err := setfs(unix.SYS_SETFSUID, u.UID); err != nil {
		return fmt.Errorf("cannot set the file system user id: %w", err)
	}
	return look()
}

// setfs sets an id. These two calls report no error: what is set is found by
// asking again with an id that cannot be.
func setfs(call uintptr, id uint32) error {
	unix.RawSyscall(call, uintptr(id), 0, 0)
	now, _, _ := unix.RawSyscall(call, uintptr(^uint32(0)), 0, 0)
	if uint32(now) != id {
		return unix.EPERM
	}
	return nil
}

func setgroups(list []uint32) error {
	var first unsafe.Pointer
	if len(list) > 0 {
		first = unsafe.Pointer(&list[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(first), 0); errno != 0 {
		return errno
	}
	return nil
}

func getgroups() ([]uint32, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_GETGROUPS, 0, 0, 0)
	if errno != 0 || n == 0 {
		return nil, errnoOrNil(errno)
	}
	list := make([]uint32, n)
	n, _, errno = unix.RawSyscall(unix.SYS_GETGROUPS, n, uintptr(unsafe.Pointer(&list[0])), 0)
	if errno != 0 {
		return nil, errno
	}
	return list[:n], nil
}

func errnoOrNil(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
