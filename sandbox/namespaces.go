package sandbox

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unshare gives this thread, and so the command, namespaces of its own.
func unshare(s *Spec) error {
	flags := uintptr(0)
	if s.ownMounts() {
		flags |= unix.CLONE_NEWNS
	}
	if s.PrivateNetwork {
		flags |= unix.CLONE_NEWNET
	}
	if flags == 0 {
		return nil
	}
	return call(unix.SYS_UNSHARE, flags)
}

// mounts lays out the mount namespace. First nothing may travel back to the
// machine's: the mounts that follow would.
//
// The working directory is entered anew by its name: what a process stands in
// stays what it was, below all that is mounted over it, so that a relative path
// would lead around the mounts.
func mounts(s *Spec) error {
	if !s.ownMounts() {
		return nil
	}
	var dir [unix.PathMax]byte
	var before, after unix.Stat_t
	if _, err := unix.Getcwd(dir[:]); err != nil || dir[0] != '/' {
		return errNoDirectory
	}
	if err := unix.Stat(".", &before); err != nil {
		return errNoDirectory
	}
	if err := mount("none", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("/: %w", err)
	}
	for _, path := range s.ReadOnly {
		if err := readOnly(path); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
	}
	if s.PrivateTmp {
		for _, path := range []string{"/tmp", "/var/tmp"} {
			if err := mount("tmpfs", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777"); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	path := unix.ByteSliceToString(dir[:])
	if err := unix.Chdir(path); err != nil {
		return fmt.Errorf("the working directory %q is not there any more, call from another one: %w", path, err)
	}
	// Its name must not have come to mean another meanwhile.
	if err := unix.Stat(".", &after); err != nil || after.Dev != before.Dev || after.Ino != before.Ino {
		return fmt.Errorf("the working directory %q is not there any more, call from another one", path)
	}
	return nil
}

var errNoDirectory = errors.New("the working directory has no path: call from another one")

// readOnly binds a tree over itself and makes it read-only with all that is
// mounted below it (mount_setattr(2), Linux 5.12).
func readOnly(path string) error {
	if err := mount(path, path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	p, err := unix.BytePtrFromString(path)
	if err != nil {
		return err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	at := unix.AT_FDCWD
	return call(unix.SYS_MOUNT_SETATTR, uintptr(at), uintptr(unsafe.Pointer(p)), unix.AT_RECURSIVE,
		uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
}

func mount(source, target, fstype string, flags uintptr, data string) error {
	var p [4]*byte
	for i, s := range []string{source, target, fstype, data} {
		var err error
		if p[i], err = unix.BytePtrFromString(s); err != nil {
			return err
		}
	}
	return call(unix.SYS_MOUNT, uintptr(unsafe.Pointer(p[0])), uintptr(unsafe.Pointer(p[1])), uintptr(unsafe.Pointer(p[2])),
		flags, uintptr(unsafe.Pointer(p[3])))
}

// loopback brings up the one interface of a private network.
func loopback(s *Spec) error {
	if !s.PrivateNetwork {
		return nil
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return call(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(ifr)))
}
