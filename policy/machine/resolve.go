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
)

var lookup = account.Lookup

// Resolve asks the kernel where path leads to for the user runAs, whose rights
// the thread takes for file access only (setfsuid(2)): the process stays out of
// that user's hands, and NFS servers see the right one.
func (m *Machine) Resolve(path filters.Untrusted, runAs string) (filters.Untrusted, error) {
	u, err := lookup(runAs)
	if err != nil {
		return "", err
	}
	var resolved string
	err = as(u, func() (err error) {
		resolved, err = resolve(path.Raw())
		return err
	})
	if err == unix.EACCES && u.UID == 0 && onNFS(path.Raw()) {
		return "", fmt.Errorf("cannot resolve %s as user %s: %w: root_squash makes root a stranger there: let the filter run as the owner of the files, or export them with no_root_squash",
			path.Show(), filters.Show(runAs), filters.ErrRootSquash)
	}
	if err != nil {
		return "", fmt.Errorf("cannot resolve %s as user %s: %w", path.Show(), filters.Show(runAs), err)
	}
	return filters.Untrusted(resolved), nil
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

// resolve returns the canonical path that an absolute path leads to. Components
// that do not exist may stand at its end, as for a file that is to be made.
func resolve(path string) (string, error) {
	if strings.IndexByte(path, 0) >= 0 {
		return "", unix.EINVAL
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
	if err == nil {
		defer unix.Close(fd)
		return name(fd)
	}
	if err != unix.ENOENT {
		return "", err
	}
	path = strings.TrimRight(path, "/")
	cut := strings.LastIndexByte(path, '/')
	if cut < 0 {
		return "", err
	}
	last := path[cut+1:]
	if last == ".." {
		return "", errors.New("it leads back out of a directory that does not exist")
	}
	dir, err := resolve(path[:cut] + "/")
	if err != nil {
		return "", err
	}
	if last == "." {
		return dir, nil
	}
	full := strings.TrimSuffix(dir, "/") + "/" + last
	var st unix.Stat_t
	switch err := unix.Lstat(full, &st); {
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return "", errors.New("it ends in a symbolic link that leads nowhere")
	case err == nil:
		return "", errors.New("it changed while it was looked at")
	case err != unix.ENOENT:
		return "", err
	}
	return full, nil
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
		return "", errors.New("it changed while it was looked at")
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
