package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"ironwrap/exec/audit"
	"ironwrap/filters"
	"ironwrap/policy"
)

// callSuffix ends the path of a socket for ironwrap-call, where systemd made it.
const callSuffix = ".call"

// callSocket is what ironwrap-call connects to.
type callSocket struct {
	*net.UnixListener
	made string      // its path, where it is ours to remove
	file fs.FileInfo // what was made there
}

// close ends the listening, and removes what was made, unless another daemon has made
// its own there: it may be called again when that is so.
func (s *callSocket) close() {
	if s == nil {
		return
	}
	s.UnixListener.Close()
	if s.made == "" {
		return
	}
	if now, err := os.Lstat(s.made); err == nil && os.SameFile(now, s.file) {
		os.Remove(s.made)
	}
	s.made = ""
}

// listenCalls makes the socket that call_socket names, if that does. Where another daemon
// serves there it goes on serving: services start several daemons with one configuration.
func (d *Daemon) listenCalls() (*callSocket, error) {
	p := d.policies.loaded()
	if p.CallSocket == "" {
		return nil, nil
	}
	s, err := newCallSocket(p)
	if errors.Is(err, unix.EADDRINUSE) {
		d.log().Event(audit.Info, err.Error())
		return nil, nil
	}
	return s, err
}

// newCallSocket makes it in a directory of root's. Everybody can connect, and who does is
// looked at.
func newCallSocket(p *policy.Policy) (*callSocket, error) {
	where := p.CallSocket
	cannot := func(err error) error {
		return fmt.Errorf("cannot make the socket %s (call_socket): %w", filters.Show(where), err)
	}
	if err := placeFor(path.Dir(where)); err != nil {
		return nil, cannot(err)
	}
	if err := makeWay(where); err != nil {
		return nil, cannot(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: where, Net: "unix"})
	if err != nil {
		return nil, cannot(err)
	}
	l.SetUnlinkOnClose(false)
	file, err := os.Lstat(where)
	if err == nil {
		err = os.Chmod(where, 0o666)
	}
	if err != nil {
		l.Close()
		return nil, cannot(err)
	}
	return &callSocket{UnixListener: l, made: where, file: file}, nil
}

// makeWay removes the socket of a daemon that is not there any more.
func makeWay(where string) error {
	st, err := os.Lstat(where)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode().Type() != fs.ModeSocket:
		return errors.New("something else is there: name another path")
	}
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: where, Net: "unix"})
	if err == nil {
		c.Close()
		return fmt.Errorf("%w: another daemon serves there", unix.EADDRINUSE)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(where)
}

// forCalls tells that systemd made a socket for ironwrap-call.
func forCalls(l *net.UnixListener) bool { return strings.HasSuffix(l.Addr().String(), callSuffix) }
