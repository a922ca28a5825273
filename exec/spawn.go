package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"ironwrap/exec/launch"
)

// Process is a command that a launcher runs. It is for one goroutine.
type Process struct {
	Stdin, Stdout, Stderr End // of the pipes; the holder closes them, by Drop

	// Waiter waits for the output and for the launcher: where it returns another
	// descriptor than those of the holder, Listen is to be called. It is the holder's
	// until Wait.
	Waiter *Waiter

	from     *Launchers
	launcher *launcher
	command  *launch.Command
	stay     bool   // the launcher stays, and the command is its child
	kind     string // where it stays: the confinement

	heard  []byte           // from the launcher, and not yet understood
	quiet  bool             // the launcher says no more: it has become the command
	pid    int              // 0 before it is known
	asked  []syscall.Signal // to be sent once it is
	ended  bool
	status syscall.WaitStatus
	err    error
	waited bool // from here on pid may come to mean another process
}

// End is our end of a pipe, a descriptor that does not block; -1 once it is closed.
type End int

// Close may be called more than once.
func (e *End) Close() {
	if *e >= 0 {
		unix.Close(int(*e))
		*e = -1
	}
}

// errLauncher tells that a launcher was killed while its command ran.
var errLauncher = errors.New("the launcher of the command was killed, and the command with it")

// Spawn makes a process that is the command of p, with pipes for its standard
// descriptors. p may be closed afterwards. Whether the command was executed is known
// from Wait only.
func (l *Launchers) Spawn(p *Plan) (*Process, error) {
	c, order := l.process(p)
	if err := c.pipes(order); err != nil {
		return nil, fmt.Errorf("cannot make pipes for the command: %w", err)
	}
	defer func() {
		for _, fd := range order.Stdio {
			unix.Close(fd)
		}
	}()
	if err := c.hand(order); err != nil {
		c.closePipes()
		return nil, err
	}
	return c, nil
}

// SpawnOn is Spawn with the standard descriptors and the working directory of a client,
// which the launcher takes: whoever reads from the socket does so after the process has
// Begun. The socket stays the caller's.
func (l *Launchers) SpawnOn(p *Plan, client *launch.Client) (*Process, error) {
	c, order := l.process(p)
	order.Client = client
	if err := c.hand(order); err != nil {
		return nil, err
	}
	return c, nil
}

// process returns one that nobody runs yet, and an order that lacks its descriptors.
func (l *Launchers) process(p *Plan) (*Process, *launch.Order) {
	c := &Process{from: l, command: &p.Command, Stdin: -1, Stdout: -1, Stderr: -1}
	if p.Plain() {
		c.kind, c.stay = p.Confinement(), true
	}
	return c, &launch.Order{Command: c.command, Stay: c.stay}
}

// hand gives an order to a launcher, and to another one where that is dead.
func (c *Process) hand(order *launch.Order) error {
	message, fds, err := order.Message()
	if err != nil {
		return err
	}
	const attempts = 3 // with one that was started just now
	for failed := 0; ; {
		p, fresh, err := c.from.take(c.kind)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.becoming = !c.stay
		p.mu.Unlock()
		if err = c.attach(p); err == nil {
			err = p.send(message, fds)
		}
		if err == nil {
			p.kind = c.kind
			return nil
		}
		p.end()
		if fresh {
			failed++
		}
		if !errors.Is(err, launch.ErrGone) || failed == attempts {
			return fmt.Errorf("cannot hand the command to a launcher: %w", err)
		}
	}
}

// attach has the launcher's waiter wait for all that there is of the command.
func (c *Process) attach(p *launcher) (err error) {
	c.launcher = p
	if !c.stay {
		c.pid = p.pid
	}
	if c.Waiter, err = p.listen(); err != nil {
		return err
	}
	for _, end := range []End{c.Stdout, c.Stderr} {
		if end < 0 {
			continue
		}
		if err := c.Waiter.Add(int(end)); err != nil {
			return err
		}
	}
	if c.stay {
		return nil
	}
	return c.Waiter.Add(p.pidfd) // it says nothing of its end
}

// pipes makes three pipes: their ends are in order, ours in c.
func (c *Process) pipes(order *launch.Order) error {
	ours := [3]*End{&c.Stdin, &c.Stdout, &c.Stderr}
	for i := range 3 {
		var ends [2]int
		err := unix.Pipe2(ends[:], unix.O_CLOEXEC)
		if err == nil {
			if i > 0 { // what the command writes to
				ends[0], ends[1] = ends[1], ends[0]
			}
			order.Stdio[i], *ours[i] = ends[0], End(ends[1])
			_, err = unix.FcntlInt(uintptr(ends[1]), unix.F_SETFL, unix.O_NONBLOCK)
			if err != nil {
				unix.Close(ends[0])
			}
		}
		if err != nil {
			for j := range i {
				unix.Close(order.Stdio[j])
			}
			c.closePipes()
			return err
		}
	}
	return nil
}

// Listen takes in what has become of the command, and blocks for nothing.
func (c *Process) Listen() {
	if !c.quiet && !c.ended {
		c.hear()
	}
	if !c.stay && c.quiet && !c.ended {
		if c.ended = c.poll(0); c.ended {
			c.Waiter.Remove(c.launcher.pidfd)
		}
	}
}

// hear reads what the launcher says.
func (c *Process) hear() {
	var buf [512]byte
	n, err := unix.Read(c.launcher.socket, buf[:])
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return
	case err == nil && n == 0:
		err = io.EOF
		if len(c.heard) > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil {
		c.said(launch.Reply{}, err)
		return
	}
	c.heard = append(c.heard, buf[:n]...)
	for len(c.heard) > 0 && !c.quiet && !c.ended {
		r := bytes.NewReader(c.heard)
		reply, err := launch.ReadReply(r, c.command)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return // the rest is to come
		}
		c.heard = c.heard[len(c.heard)-r.Len():]
		c.said(reply, err)
	}
}

// said takes in one reply, or the error in its place.
func (c *Process) said(reply launch.Reply, err error) {
	if err != nil || !c.stay { // it says no more
		c.Waiter.Remove(c.launcher.socket)
	}
	if !c.stay {
		c.becomes(reply, err)
		return
	}
	switch {
	case errors.Is(err, unix.ECONNRESET):
		c.err, c.ended = launch.ErrGone, true
	case err != nil:
		// Its id is not held any more.
		c.err, c.ended, c.pid = errLauncher, true, 0
	case reply.Err != nil:
		c.err, c.ended = reply.Err, true
	case reply.Started > 0:
		c.pid = reply.Started
		c.sendAsked()
	case reply.Ended:
		c.status, c.ended = syscall.WaitStatus(reply.Status), true
	}
}

// becomes takes in why a launcher did not become the command, or that it did.
func (c *Process) becomes(reply launch.Reply, err error) {
	c.quiet = true
	switch {
	case err == io.EOF:
		c.sendAsked()
	case errors.Is(err, unix.ECONNRESET): // the order was not read
		c.err = launch.ErrGone
	case err != nil:
		c.err = fmt.Errorf("cannot learn from the launcher what became of the command: %w", err)
	default:
		c.err = reply.Err
	}
}

// poll tells whether there is anything to hear, or the end to see, within so many
// milliseconds; -1 for as long as it takes.
func (c *Process) poll(timeout int) bool {
	fds := []unix.PollFd{{Fd: int32(c.launcher.socket), Events: unix.POLLIN}, {Fd: int32(c.launcher.pidfd), Events: unix.POLLIN}}
	if c.quiet {
		fds[0].Fd = -1
	}
	if c.stay {
		fds[1].Fd = -1
	}
	n, _ := unix.Poll(fds, timeout)
	return n > 0
}

// Begun tells that the launcher has taken all that it was given, as far as Listen has
// heard: there will be no other.
func (c *Process) Begun() bool {
	return c.err == nil && (c.ended || c.stay && c.pid > 0 || !c.stay && c.quiet)
}

// Ended tells that the command has ended, whatever still holds its pipes, as far as
// Listen has heard.
func (c *Process) Ended() bool { return c.ended }

// Kill sends a signal to the command and to what is left of its process group, until
// Wait. What has made a session of its own is not in it. Before the command is known to
// be started the signal is kept, and sent by Listen: a launcher on its way has more rights
// than the command, and is nobody's to stop or to end half-way. SIGKILL ends it, too.
func (c *Process) Kill(signal syscall.Signal) {
	if c.stay {
		select {
		case <-c.launcher.done: // the command's parent, which held its id
			return
		default:
		}
	}
	// The group has the id of the command, which nobody else can get meanwhile: not
	// waited for, it is there at least as a zombie.
	switch begun := c.pid > 0 && (c.stay || c.quiet); {
	case c.waited:
	case begun:
		_ = unix.Kill(-c.pid, signal)
	case signal == syscall.SIGKILL:
		c.KillLauncher()
	default: // one that is pending twice is sent once (signal(7))
		c.asked = append(slices.DeleteFunc(c.asked, func(s syscall.Signal) bool { return s == signal }), signal)
	}
}

// KillLauncher ends the launcher, and the command with it: one that a descriptor of a
// client's holds up does nothing else any more.
func (c *Process) KillLauncher() {
	p := c.launcher
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waited {
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
}

func (c *Process) sendAsked() {
	asked := c.asked
	c.asked = nil
	for _, signal := range asked {
		c.Kill(signal)
	}
}

// Wait returns how the command ended, after its end. The error is not nil where it was
// not executed: *launch.ExecError, *launch.SignalError, or what the sandbox said.
func (c *Process) Wait() (syscall.WaitStatus, error) {
	for !c.ended {
		c.poll(-1)
		c.Listen()
	}
	if !c.waited {
		c.waited = true
		c.release()
	}
	return c.status, c.err
}

// release lets go of the process, and of the launcher or back to the others with it.
func (c *Process) release() {
	p := c.launcher
	if !c.stay {
		c.status = p.close()
		return
	}
	var program *launch.ExecError
	switch {
	case c.err == nil && p.send(launch.Reap(), nil) == nil, errors.As(c.err, &program):
		c.from.put(p)
	default:
		go p.end()
	}
}

// Drop closes an end. It is taken from Waiter first: a launcher that is just being
// started may hold the pipe, too, until its execve.
func (c *Process) Drop(e *End) {
	if *e >= 0 {
		c.Waiter.Remove(int(*e))
		e.Close()
	}
}

// Close waits for the end of the command and releases what it held here.
func (c *Process) Close() {
	for _, e := range []*End{&c.Stdin, &c.Stdout, &c.Stderr} {
		c.Drop(e)
	}
	_, _ = c.Wait()
}

func (c *Process) closePipes() {
	c.Stdin.Close()
	c.Stdout.Close()
	c.Stderr.Close()
}
