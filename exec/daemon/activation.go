package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"

	"ironwrap/exec"
)

// What systemd tells is in the environment (sd_listen_fds(3), sd_notify(3)), which
// anybody may set: it is believed where root started the daemon, not below sudo.
// The library looks in the process's environment, which exec.Take has emptied.

// activated returns the socket that systemd passed, and that for ironwrap-call where it
// passed one; or nil for none.
func activated(starter exec.Caller) (*socket, *callSocket, error) {
	pid, _ := starter.Getenv("LISTEN_PID")
	if starter.SudoUID >= 0 || pid.Raw() != strconv.Itoa(os.Getpid()) {
		return nil, nil, nil
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if value, ok := starter.Getenv(name); ok {
			if err := os.Setenv(name, value.Raw()); err != nil {
				return nil, nil, fmt.Errorf("cannot take the socket from systemd: %s: %w", name, err)
			}
		}
	}
	listeners, err := activation.Listeners()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot take the socket from systemd: %w", err)
	}
	var s *socket
	var calls *callSocket
	for _, passed := range listeners {
		l, ok := passed.(*net.UnixListener)
		switch {
		case !ok:
			return nil, nil, errors.New("cannot take the socket from systemd: it is no Unix stream socket (ListenStream= with a path)")
		case forCalls(l) && calls == nil:
			calls = &callSocket{UnixListener: l}
		case !forCalls(l) && s == nil:
			s = &socket{UnixListener: l, path: l.Addr().String(), activated: true}
		default:
			return nil, nil, fmt.Errorf("cannot take the socket from systemd: it passed %d: one is for clients of oslo.rootwrap, and one, whose path ends with %s, for ironwrap-call", len(listeners), callSuffix)
		}
		l.SetUnlinkOnClose(false)
	}
	if s == nil {
		return nil, nil, fmt.Errorf("cannot take the socket from systemd: it passed %d, and none for clients of oslo.rootwrap", len(listeners))
	}
	return s, calls, nil
}

// notify tells systemd of the daemon's state, where it listens.
func notify(starter exec.Caller, state string) {
	where, ok := starter.Getenv("NOTIFY_SOCKET")
	if !ok || starter.SudoUID >= 0 || os.Setenv("NOTIFY_SOCKET", where.Raw()) != nil {
		return
	}
	// Where nobody listens there is nobody to tell.
	_, _ = sd.SdNotify(true, state)
}
