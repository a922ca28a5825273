package daemon

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/trust"
)

// runDir is where the sockets are without socket_dir: a directory of root's. A variable
// so that tests can put another in its place.
var runDir = "/run/ironwrap"

// socket is what clients connect to.
type socket struct {
	*net.UnixListener
	path      string
	dir       string // of ours alone, removed in the end; empty for a socket of systemd's
	activated bool
	once      sync.Once
}

// close ends the listening, and removes what newSocket made.
func (s *socket) close() {
	s.once.Do(func() {
		s.UnixListener.Close()
		if s.dir != "" {
			os.RemoveAll(s.dir)
		}
	})
}

// newSocket makes a socket in a directory of its own, which nobody but root and
// those who may connect can enter. Where the policy names nobody else, that is the
// starter alone; else the directory is open, its name is known to those who were
// told, and who connects is looked at in any case.
func newSocket(starter exec.Caller, p *policy.Policy) (s *socket, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot make a socket: %w", err)
		}
	}()
	above := runDir
	if p.SocketDir != "" {
		above = p.SocketDir
	}
	if err := placeFor(above); err != nil {
		return nil, fmt.Errorf("%w; or set socket_dir in %s to a place where only root can write, and all who connect can go", err, filters.Untrusted(p.Path))
	}
	random := make([]byte, 16)
	rand.Read(random)
	s = &socket{dir: above + "/" + hex.EncodeToString(random)}
	s.path = s.dir + "/rootwrap.sock"
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return nil, err
	}
	remove := s.dir
	defer func() {
		if err != nil {
			os.RemoveAll(remove)
		}
	}()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // close removes the directory with it
	s.UnixListener = l
	if err := s.open(starter, p); err != nil {
		l.Close()
		return nil, err
	}
	return s, nil
}

// placeFor makes the directory that sockets are in, where it is not there. Nobody but
// root can put another in its place: that is known before anything is made.
func placeFor(dir string) error {
	d, err := trust.Dir(dir, trust.Fixed)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.Mkdir(dir, 0o755); err == nil {
			err = os.Chmod(dir, 0o755) // whatever the starter's umask
		}
		if err != nil && !errors.Is(err, fs.ErrExist) { // another daemon may have been faster
			return err
		}
		d, err = trust.Dir(dir, trust.Fixed)
	}
	if err == nil {
		d.Close()
	}
	return err
}

// open lets clients reach the socket. One that systemd made is as its unit says.
func (s *socket) open(starter exec.Caller, p *policy.Policy) error {
	if s.activated {
		return nil
	}
	owner, group, file, dir := 0, 0, fs.FileMode(0o600), fs.FileMode(0o700)
	switch {
	case len(p.AllowUsers)+len(p.AllowGroups) > 0:
		file, dir = 0o666, 0o711
	case starter.SudoUID > 0 && starter.SudoGID > 0:
		owner, group, dir = starter.SudoUID, starter.SudoGID, 0o710
	case starter.SudoUID > 0:
		owner, dir = starter.SudoUID, 0o711
	}
	if err := os.Chmod(s.path, file); err != nil {
		return err
	}
	if err := os.Chown(s.path, owner, 0); err != nil {
		return err
	}
	if err := os.Chown(s.dir, 0, group); err != nil {
		return err
	}
	return os.Chmod(s.dir, dir)
}

// peer asks the kernel who is at the other end of a connection (SO_PEERCRED and
// SO_PEERGROUPS, unix(7)): who connected, whoever holds the descriptor by now.
func peer(c *net.UnixConn) (who exec.Client, groups []int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return who, nil, err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); inner != nil {
			return
		}
		who = exec.Client{PID: int(cred.Pid), UID: int(cred.Uid), GID: int(cred.Gid)}
		groups, inner = peerGroups(int(fd))
	})
	return who, groups, errors.Join(err, inner)
}

// hungUp tells that the other end is closed, and not only shut down for writing
// (shutdown(2)): who has done that waits for an answer.
func hungUp(c *net.UnixConn) (yes bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(p, 0)
		yes = err == nil && p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	})
	return yes || err != nil
}

// mayConnect returns nil for root, for the one who started the daemon, and for
// those whom the policy names.
func (d *Daemon) mayConnect(p *policy.Policy, who exec.Client, groups []int) error {
	if who.UID == 0 || d.starter.SudoUID >= 0 && who.UID == d.starter.SudoUID {
		return nil
	}
	return exec.Caller{UID: who.UID, GID: who.GID, Groups: groups}.MayCall(p)
}

// readKey reads the key of a socket that systemd made, which the unit of the
// socket has made too, so that clients can have it before anybody connects.
func readKey(p *policy.Policy) ([]byte, error) {
	if p.KeyFile == "" {
		return nil, fmt.Errorf("a daemon that systemd starts takes its key from a file: set authkey_file in %s", filters.Show(p.Path))
	}
	key, err := trust.File(p.KeyFile, trust.Fixed)
	if err != nil {
		return nil, err
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("the key in %s has %d bytes, not %d: restart the socket's unit, which makes it", filters.Show(p.KeyFile), len(key), keySize)
	}
	return key, nil
}
