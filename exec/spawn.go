package exec

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"ironwrap/exec/launch"
)

// Process is a command that a launcher runs.
type Process struct {
	Stdin, Stdout, Stderr *os.File // our ends of the pipes; the holder closes them

	from     *Launchers
	launcher *launcher
	command  *launch.Command
	stay     bool // the launcher stays, and the command is its child

	started chan struct{} // closed when pid is known, or there will be none
	pid     int
	done    chan struct{} // closed when the command has ended
	status  syscall.WaitStatus
	err     error

	mu     sync.Mutex
	waited bool // from here on pid may come to mean another process
}

// errLauncher tells that a launcher was killed while its command ran.
var errLauncher = errors.New("the launcher of the command was killed, and the command with it")

// Spawn makes a process that is the command of p, with pipes for its standard
// descriptors. p may be closed afterwards. Whether the command was executed is
// known from Wait only.
func (l *Launchers) Spawn(p *Plan) (*Process, error) {
	kind := ""
	if p.Plain() {
		kind = p.Confinement()
	}
	c := &Process{from: l, command: &p.Command, stay: kind != "", started: make(chan struct{}), done: make(chan struct{})}
	order := &launch.Order{Command: c.command, Stay: c.stay}
	if err := c.pipes(order); err != nil {
		return nil, fmt.Errorf("cannot make pipes for the command: %w", err)
	}
	defer func() {
		for _, fd := range order.Stdio {
			unix.Close(fd)
		}
	}()
	if err := c.hand(order, kind); err != nil {
		c.closePipes()
		return nil, err
	}
	go c.follow()
	return c, nil
}

// hand gives an order to a launcher, and to another one where that is dead.
func (c *Process) hand(order *launch.Order, kind string) error {
	message, fds, err := order.Message()
	if err != nil {
		return err
	}
	const attempts = 3 // with one that was started just now
	for failed := 0; ; {
		p, fresh, err := c.from.take(kind)
		if err != nil {
			return err
		}
		p.mu.Lock()
		p.becoming = !c.stay
		p.mu.Unlock()
		if err = p.send(message, fds); err == nil {
			c.launcher, p.kind = p, kind
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

// pipes makes three pipes: their ends are in order, ours in c.
func (c *Process) pipes(order *launch.Order) error {
	var ours [3]int
	for i := range 3 {
		var ends [2]int
		err := unix.Pipe2(ends[:], unix.O_CLOEXEC)
		if err == nil {
			if i > 0 { // what the command writes to
				ends[0], ends[1] = ends[1], ends[0]
			}
			order.Stdio[i], ours[i] = ends[0], ends[1]
			err = unix.SetNonblock(ends[1], true)
		}
		if err != nil {
			for j := range i {
				unix.Close(order.Stdio[j])
				unix.Close(ours[j])
			}
			return err
		}
	}
	c.Stdin, c.Stdout, c.Stderr = os.NewFile(uintptr(ours[0]), "stdin"), os.NewFile(uintptr(ours[1]), "stdout"), os.NewFile(uintptr(ours[2]), "stderr")
	return nil
}

// follow listens to the launcher until the command has ended.
func (c *Process) follow() {
	defer close(c.done)
	if !c.stay {
		c.pid = c.launcher.pid
		close(c.started)
		c.err = c.becomes()
		<-c.launcher.done
		return
	}
	told := sync.OnceFunc(func() { close(c.started) })
	defer told()
	for {
		reply, err := launch.ReadReply(c.launcher.socket, c.command)
		switch {
		case errors.Is(err, unix.ECONNRESET):
			c.err = launch.ErrGone
			return
		case err != nil:
			c.err = errLauncher
			c.mu.Lock()
			c.pid = 0 // its id is not held any more
			c.mu.Unlock()
			return
		case reply.Err != nil:
			c.err = reply.Err
			return
		case reply.Started > 0:
			c.pid = reply.Started
			told()
		case reply.Ended:
			c.status = syscall.WaitStatus(reply.Status)
			return
		}
	}
}

// becomes returns why a launcher did not become the command; nil when it did.
func (c *Process) becomes() error {
	reply, err := launch.ReadReply(c.launcher.socket, c.command)
	switch {
	case err == io.EOF:
		return nil
	case errors.Is(err, unix.ECONNRESET): // the order was not read
		return launch.ErrGone
	case err != nil:
		return fmt.Errorf("cannot learn from the launcher what became of the command: %w", err)
	}
	return reply.Err
}

// Done is closed when the command has ended, whatever still holds its pipes.
func (c *Process) Done() <-chan struct{} { return c.done }

// Kill sends a signal to the command and to what is left of its process group, until
// Wait. What has made a session of its own is not in it.
func (c *Process) Kill(signal syscall.Signal) {
	<-c.started
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stay {
		select {
		case <-c.launcher.done: // the command's parent, which held its id
			return
		default:
		}
	}
	// The group has the id of the command, which nobody else can get meanwhile: not
	// waited for, it is there at least as a zombie.
	if !c.waited && c.pid > 0 {
		_ = unix.Kill(-c.pid, signal)
	}
}

// Wait returns how the command ended. The error is not nil where it was not
// executed: *launch.ExecError, *launch.SignalError, or what the sandbox said.
func (c *Process) Wait() (syscall.WaitStatus, error) {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
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

// Close waits for the end of the command and releases what it held here.
func (c *Process) Close() {
	c.closePipes()
	_, _ = c.Wait()
}

func (c *Process) closePipes() {
	c.Stdin.Close()
	c.Stdout.Close()
	c.Stderr.Close()
}
