package launch

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Client is who has a command run on their own descriptors: the next byte on the socket
// has beside it (SCM_RIGHTS, unix(7)) standard input, output and error, and the working
// directory. They are for the launcher to take, and come into no other process: to close
// one may take as long as somebody likes (a file of FUSE's, or of an NFS server that is
// gone), and whoever starts a program closes all that it holds.
type Client struct {
	Socket   int // does not block
	UID, GID uint32
	Groups   []uint32
}

// Files is how many descriptors come from a client.
const Files = 4

// errNotFiles tells that something else came.
var errNotFiles = errors.New("not run: a call comes with its three standard descriptors and its working directory, and no others")

// take takes a client's descriptors, and lets go of the socket. The first three are
// streams, and the last is the directory.
func (c *Client) take() (stdio [3]int, dir int, err error) {
	defer unix.Close(c.Socket)
	rights := make([]byte, unix.CmsgSpace(4*Files))
	var first [1]byte
	_, m, flags, _, err := unix.Recvmsg(c.Socket, first[:], rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return stdio, -1, fmt.Errorf("not run: cannot take the descriptors of the caller: %w", err)
	}
	var fds []int
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	for i := range messages {
		if got, rightsErr := unix.ParseUnixRights(&messages[i]); rightsErr == nil {
			fds = append(fds, got...)
		}
	}
	if err != nil || len(fds) != Files || flags&unix.MSG_CTRUNC != 0 {
		err = errNotFiles
	} else {
		err = check(fds)
	}
	if err != nil {
		closeAll(fds)
		return stdio, -1, err
	}
	return [3]int(fds), fds[3], nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// check tells why the descriptors cannot be a command's: a directory to read from would
// lead around a sandbox, and one that was opened by path alone (O_PATH) is no stream.
func check(fds []int) error {
	for i, fd := range fds {
		// What a file is never changes: no server is asked.
		var st unix.Statx_t
		if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &st); err != nil {
			return fmt.Errorf("not run: cannot look at descriptor %d: %w", i, err)
		}
		directory := st.Mode&unix.S_IFMT == unix.S_IFDIR
		if i == Files-1 {
			if !directory {
				return errors.New("not run: the working directory is none")
			}
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		switch {
		case err != nil:
			return fmt.Errorf("not run: cannot look at descriptor %d: %w", i, err)
		case directory:
			return fmt.Errorf("not run: standard descriptor %d is a directory", i)
		case flags&unix.O_PATH != 0:
			return fmt.Errorf("not run: standard descriptor %d was opened with O_PATH, and can be neither read nor written", i)
		}
	}
	return nil
}

// enter makes the directory this process's, by the file access rights of the client: to
// hold a directory with O_PATH takes no right to it, and root may be a stranger on NFS.
func (c *Client) enter(dir int) error {
	if c.UID == 0 {
		return c.mayNot(unix.Fchdir(dir))
	}
	own, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("cannot read the supplementary groups: %w", err)
	}
	groups := make([]uint32, len(own))
	for i, g := range own {
		groups[i] = uint32(g)
	}
	if err := setgroups(c.Groups); err != nil {
		return fmt.Errorf("not run: cannot take the groups of uid %d, to look at its working directory (setgroups, CAP_SETGID): %w", c.UID, err)
	}
	if err = fileRights(c.UID, c.GID); err == nil {
		err = unix.Fchdir(dir)
	}
	if back := errors.Join(fileRights(0, 0), setgroups(groups)); back != nil {
		panic(fmt.Sprintf("cannot take back root's file access rights: %v", back))
	}
	return c.mayNot(err)
}

func (c *Client) mayNot(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("not run: uid %d cannot enter the working directory: %w", c.UID, err)
}

// setgroups and fileRights are about this thread, and it alone (credentials(7)).
func setgroups(groups []uint32) error {
	var list unsafe.Pointer
	if len(groups) > 0 {
		list = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(list), 0); errno != 0 {
		return errno
	}
	return nil
}

func fileRights(uid, gid uint32) error {
	for _, set := range []struct {
		call uintptr
		id   uint32
	}{{unix.SYS_SETFSGID, gid}, {unix.SYS_SETFSUID, uid}} {
		// These report no error: what is set is found by asking again with an id that
		// cannot be.
		unix.RawSyscall(set.call, uintptr(set.id), 0, 0)
		if now, _, _ := unix.RawSyscall(set.call, uintptr(^uint32(0)), 0, 0); uint32(now) != set.id {
			return unix.EPERM
		}
	}
	return nil
}

// settle takes what the order's command is to have of its client: its descriptors and its
// working directory. back undoes the latter.
func (o *Order) settle() (back func() error, err error) {
	if o.Client == nil {
		return func() error { return nil }, nil
	}
	var dir int
	if o.Stdio, dir, err = o.Client.take(); err != nil {
		return nil, err
	}
	home, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		if err = o.Client.enter(dir); err != nil {
			unix.Close(home)
		}
	}
	unix.Close(dir)
	if err != nil {
		closeAll(o.Stdio[:])
		return nil, err
	}
	return func() error {
		defer unix.Close(home)
		if err := unix.Fchdir(home); err != nil {
			return fmt.Errorf("cannot leave the working directory of the last command: %w", err)
		}
		return nil
	}, nil
}
