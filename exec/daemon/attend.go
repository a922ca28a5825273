package daemon

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec"
	"ironwrap/exec/daemon/wire"
	"ironwrap/policy"
)

const (
	// cutStatus is the exit status of a command that ended well but printed more
	// than could be kept: EX_IOERR of sysexits.h.
	cutStatus = 74

	// grace is how long a command has between SIGTERM and SIGKILL, and how long its
	// output is waited for that was printed before it ended.
	grace = 5 * time.Second
)

// attend feeds a command and collects what it prints until it has ended and closed
// its output, as the peer does. The error is not nil where it was not executed.
//
// A command whose client is gone goes on to its end, but for two cases, in which
// it is ended: the policy says so (kill_on_disconnect), or the daemon stops, which
// waits for nothing that nobody waits for.
func (s *client) attend(p *exec.Process, in *input, rules *policy.Policy) (wire.Result, error) {
	defer p.Close()
	a := &attendance{s: s, p: p, in: in, rest: in.data, kill: rules.KillOnDisconnect, out: output{left: rules.MaxOutput}}
	if err := a.toTheEnd(); err != nil {
		p.Kill(syscall.SIGKILL)
		return wire.Result{}, fmt.Errorf("cannot wait for the command, which was killed: %w", err)
	}

	// Whoever holds the pipes still is not waited for.
	p.Drop(&p.Stdout)
	p.Drop(&p.Stderr)
	status, err := p.Wait()
	if err != nil {
		return wire.Result{}, err
	}
	result := wire.Result{Status: status.ExitStatus(), Stdout: a.stdout, Stderr: a.stderr}
	if status.Signaled() {
		result.Status = -int(status.Signal())
	}
	if a.out.lost > 0 {
		result.Stderr = fmt.Appendf(a.stderr, "\n%s: %d bytes of the output are missing here: the command printed more than the %d that max_output allows\n",
			s.d.name, a.out.lost, rules.MaxOutput)
		if result.Status == 0 {
			result.Status = cutStatus
		}
	}
	return result, nil
}

// attendance is what goes on with one command.
type attendance struct {
	s    *client
	p    *exec.Process
	kill bool // the command, when the client is gone

	in      *input
	rest    []byte // of the input, that the command has not yet
	waiting bool   // for the command to take some

	out            output
	stdout, stderr []byte

	ending   bool      // it was told to end
	deadline time.Time // when no more is waited for; zero for never
}

// toTheEnd returns when the command has ended, and its output too or nobody waits for
// that.
func (a *attendance) toTheEnd() error {
	w := a.p.Waiter
	err := a.s.waits(w)
	defer a.s.waitsNoMore()
	if err == nil {
		err = a.feed()
	}
	if err != nil {
		return err
	}
	for {
		// First, since what interrupts from now on is seen by Wait.
		deadline := a.deadline
		if err := w.Until(deadline); err != nil {
			return err
		}
		if a.over() {
			return nil
		}
		if a.deadline != deadline {
			continue
		}
		ready, err := w.Wait()
		late := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !late {
			return err
		}
		if late && !a.deadline.IsZero() && !time.Now().Before(a.deadline) {
			if a.p.Ended() {
				return nil
			}
			a.p.Kill(syscall.SIGKILL)
			a.deadline = time.Time{}
		}
		for _, fd := range ready {
			if err := a.turnTo(fd); err != nil {
				return err
			}
		}
	}
}

// turnTo does what is to be done about a descriptor.
func (a *attendance) turnTo(fd int) error {
	switch fd {
	case int(a.p.Stdin):
		return a.feed()
	case int(a.p.Stdout):
		a.collect(&a.p.Stdout, &a.stdout)
	case int(a.p.Stderr):
		a.collect(&a.p.Stderr, &a.stderr)
	case a.s.fd:
		a.s.readAhead()
	default:
		a.p.Listen()
	}
	return nil
}

func (a *attendance) collect(end *exec.End, text *[]byte) {
	ended := false
	if *text, ended = a.out.collect(*end, *text); ended {
		a.p.Drop(end)
	}
}

// over tells whether nothing is waited for any more, and ends what is unwanted.
func (a *attendance) over() bool {
	gone, stopping := a.s.gone.Err() != nil, a.s.d.stopped()
	unwanted := gone && (a.kill || stopping)
	if unwanted && !a.ending {
		a.ending = true
		a.p.Kill(syscall.SIGTERM)
		a.deadline = time.Now().Add(grace)
	}
	if !a.p.Ended() {
		return false
	}
	if unwanted || a.p.Stdout < 0 && a.p.Stderr < 0 {
		return true
	}
	// What it left in the background holds its output, and may for ever.
	if stopping && a.deadline.IsZero() {
		a.deadline = time.Now().Add(grace)
	}
	return false
}

// feed gives the command what it takes of its input.
func (a *attendance) feed() error {
	for len(a.rest) > 0 {
		n, err := unix.Write(int(a.p.Stdin), a.rest)
		switch {
		case err == nil:
			a.rest = a.rest[n:]
		case err == unix.EINTR:
		case err != unix.EAGAIN: // a command need not read all
			a.rest = nil
			a.p.Drop(&a.p.Stdin)
			return nil
		case a.waiting:
			return nil
		default:
			a.waiting = true
			return a.p.Waiter.AddWriter(int(a.p.Stdin))
		}
	}
	a.rest = nil // and out of reach
	if a.waiting {
		a.p.Drop(&a.p.Stdin)
	}
	a.p.Stdin.Close()
	a.in.taken()
	return nil
}

// output is what a command printed, on both descriptors together as much as left
// says. What is beyond that is read, for the command must not stand still, and
// lost.
type output struct {
	left    int
	lost    int64
	discard []byte
}

// collect reads what is there, behind text, and tells whether that was the end.
func (o *output) collect(end exec.End, text []byte) (all []byte, ended bool) {
	var first [1 << 10]byte // most commands print little, or nothing
	for range 32 {          // then others have their turn
		buf := first[:]
		switch {
		case o.lost > 0:
			if o.discard == nil {
				o.discard = make([]byte, 64<<10)
			}
			buf = o.discard
		case len(text) > 0:
			text = slices.Grow(text, 4<<10)
			buf = text[len(text):cap(text)]
		}
		n, err := unix.Read(int(end), buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return text, false
		case err != nil || n == 0:
			return text, true
		}
		text = append(text, buf[:o.keep(n)]...)
	}
	return text, false
}

// keep tells how many of n bytes that were read fit. When not all do, no byte does
// from then on.
func (o *output) keep(n int) int {
	kept := min(n, o.left)
	o.left -= kept
	o.lost += int64(n - kept)
	return kept
}
