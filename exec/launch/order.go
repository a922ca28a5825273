package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
)

// An order is one message on a socket pair (unix(7)): eight bytes of length, big
// endian, with the descriptors beside them, and what encode made. The answer is
// the end of the stream where the command was executed, since the socket is
// close-on-exec; else one report.

const (
	maxOrder       = 8 << 20 // bytes; execve(2) takes less
	maxDescriptors = 250     // SCM_MAX_FD is 253
	maxReport      = 8 << 10
)

// ErrGone tells that a launcher ended before it took the order: nothing was
// executed.
var ErrGone = errors.New("the launcher is not there any more")

// Send hands c to the launcher at the other end of the socket. It waits as long
// as SO_SNDTIMEO says.
func Send(socket int, c *Command) error {
	body, fds := encode(c), descriptors(c)
	if len(body) > maxOrder {
		return fmt.Errorf("cannot pass the arguments: %w", unix.E2BIG)
	}
	if len(fds) > maxDescriptors {
		return fmt.Errorf("cannot pass %d open files, at most %d: name fewer paths that pin_paths holds", len(fds), maxDescriptors)
	}
	message := append(binary.BigEndian.AppendUint64(nil, uint64(len(body))), body...)
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for len(message) > 0 {
		n, err := unix.SendmsgN(socket, message, rights, nil, unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			message, rights = message[n:], nil
		case unix.EINTR:
		case unix.EPIPE, unix.ECONNRESET:
			return ErrGone
		default:
			return fmt.Errorf("cannot hand the command to its launcher: %w", err)
		}
	}
	return nil
}

// receive waits for an order. io.EOF tells that none will come.
func receive(socket int) (*Command, error) {
	var head [8]byte
	rights := make([]byte, unix.CmsgSpace(4*maxDescriptors))
	n, m, flags, _, err := unix.Recvmsg(socket, head[:], rights, unix.MSG_WAITALL|unix.MSG_CMSG_CLOEXEC)
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	case n < len(head) || flags&unix.MSG_CTRUNC != 0:
		return nil, errMalformed
	}
	size := binary.BigEndian.Uint64(head[:])
	if size > maxOrder {
		return nil, errMalformed
	}
	var fds []int
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return nil, err
	}
	for i := range messages {
		more, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, err
		}
		fds = append(fds, more...)
	}
	body := make([]byte, size)
	for have := 0; have < len(body); {
		n, err := unix.Read(socket, body[have:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, errMalformed // the daemon died meanwhile
		}
		have += n
	}
	return decode(body, fds)
}

// What a report tells.
const (
	reportExec   = 'x'
	reportSignal = 's'
	reportOther  = 'o'
)

// report sends back why the command was not executed.
func report(socket int, failure error) {
	var program *ExecError
	var signal *SignalError
	var errno unix.Errno
	e := encoder{}
	switch {
	case errors.As(failure, &program) && errors.As(failure, &errno):
		e.b = append(e.b, reportExec)
		e.number(uint64(errno))
	case errors.As(failure, &signal) && errors.As(failure, &errno):
		e.b = append(e.b, reportSignal)
		e.number(uint64(errno))
	default:
		text := failure.Error()
		e.b = append(e.b, reportOther)
		e.text(text[:min(len(text), maxReport-16)])
	}
	// Where the daemon is gone there is nobody left to tell.
	_ = unix.Sendto(socket, e.b, unix.MSG_NOSIGNAL, nil)
}

// Result tells, once the launcher that was sent c has ended or become the
// command, what became of it: nil for a command that was executed, ErrGone for a
// launcher that did not take it, else what Replace returned there.
func Result(socket int, c *Command) error {
	buf := make([]byte, maxReport)
	n, _, err := unix.Recvfrom(socket, buf, unix.MSG_DONTWAIT)
	switch {
	case err == unix.ECONNRESET: // it was killed with the order unread
		return ErrGone
	case err != nil:
		return fmt.Errorf("cannot learn from the launcher what became of the command: %w", err)
	case n == 0:
		return nil
	}
	d := decoder{rest: buf[1:n]}
	switch buf[0] {
	case reportExec:
		if errno := unix.Errno(d.number()); d.err == nil && errno != 0 {
			return &ExecError{c.Argv[0], errno}
		}
	case reportSignal:
		if errno := unix.Errno(d.number()); d.err == nil && errno != 0 && c.Signal != nil {
			return &SignalError{c.Signal.Process.PID, c.Signal.Number, errno}
		}
	case reportOther:
		if text := d.text(); d.err == nil {
			return errors.New(filters.Prose(text))
		}
	}
	return errMalformed
}
