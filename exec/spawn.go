package exec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy/trust"
)

// LauncherPath is where ironwrap-launch is installed. The build sets it. One that
// lies beside the running program comes first: it is of the same build.
var LauncherPath = "/usr/lib/ironwrap/ironwrap-launch"

// Launchers keeps some processes of ironwrap-launch ready, so that a request does
// not wait for a program to start. Its methods may be called by many goroutines.
type Launchers struct {
	path    string
	program int // descriptor of path, O_PATH: an upgrade on disk does not change what runs
	ready   chan *Process
	quit    chan struct{}
	filler  sync.WaitGroup
}

// NewLaunchers opens the program and begins to start spares. The error names the
// program.
func NewLaunchers(spares int) (*Launchers, error) {
	path, err := launcherPath()
	if err != nil {
		return nil, err
	}
	// It runs with all rights, as this program does.
	id, err := trust.Executable(path, trust.Fixed)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(id.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", filters.Untrusted(id.Path), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != id.Dev || st.Ino != id.Ino {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot open %s: it was replaced meanwhile: try again", filters.Untrusted(id.Path))
	}
	l := &Launchers{
		path: id.Path, program: fd,
		ready: make(chan *Process, spares),
		quit:  make(chan struct{}),
	}
	l.filler.Add(1)
	go l.fill()
	return l, nil
}

func launcherPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot tell where this program lies: %w", err)
	}
	beside := filepath.Join(filepath.Dir(self), "ironwrap-launch")
	if _, err := os.Lstat(beside); err == nil {
		return beside, nil
	}
	return LauncherPath, nil
}

// fill keeps ready full until Close.
func (l *Launchers) fill() {
	defer l.filler.Done()
	for {
		p, err := l.start()
		if err != nil {
			// Too little memory, or too many processes or files: Spawn says so.
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-l.quit:
				return
			}
		}
		select {
		case l.ready <- p:
		case <-p.done: // killed by somebody
			p.abandon()
		case <-l.quit:
			p.abandon()
			return
		}
	}
}

// Spawn makes a process that becomes the command of p, with pipes for its standard
// descriptors. p may be closed afterwards. That the command was executed is known
// from Wait only.
func (l *Launchers) Spawn(p *Plan) (*Process, error) {
	const attempts = 3 // with a new one: it may be killed as a spare may
	for fresh := 0; ; {
		var spare *Process
		select {
		case spare = <-l.ready:
		default:
			var err error
			if spare, err = l.start(); err != nil {
				return nil, err
			}
			fresh++
		}
		spare.command = &p.Command
		err := launch.Send(spare.socket, &p.Command)
		if err == nil {
			return spare, nil
		}
		spare.abandon()
		if !errors.Is(err, launch.ErrGone) || fresh == attempts {
			return nil, err
		}
	}
}

// Close ends the spares and waits for them. Commands that run are not touched.
func (l *Launchers) Close() {
	close(l.quit)
	l.filler.Wait()
	for {
		select {
		case p := <-l.ready:
			p.abandon()
		default:
			unix.Close(l.program)
			return
		}
	}
}

// Process is a launcher, and the command that it becomes.
type Process struct {
	PID                   int
	Stdin, Stdout, Stderr *os.File // our ends of the pipes; the holder closes them

	command *launch.Command
	socket  int           // for the order and the answer
	pidfd   *os.File      // readable when the process has ended
	done    chan struct{} // closed when it has ended

	mu     sync.Mutex
	ended  bool // waited for: from here on PID may come to mean another
	status syscall.WaitStatus
}

// start begins one launcher, in a session of its own: no terminal is its, and a
// signal to its process group reaches what the command starts, too.
func (l *Launchers) start() (*Process, error) {
	var theirs, ours []int
	closeAll := func(fds []int) {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	fail := func(err error) (*Process, error) {
		closeAll(theirs)
		closeAll(ours)
		return nil, fmt.Errorf("cannot start %s: %w", filters.Untrusted(l.path), err)
	}
	for i := range 3 {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return fail(err)
		}
		if i > 0 { // what the command writes to
			ends[0], ends[1] = ends[1], ends[0]
		}
		theirs, ours = append(theirs, ends[0]), append(ours, ends[1])
		if err := unix.SetNonblock(ends[1], true); err != nil {
			return fail(err)
		}
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fail(err)
	}
	theirs, ours = append(theirs, pair[0]), append(ours, pair[1])
	if err := unix.SetsockoptTimeval(pair[1], unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 10}); err != nil {
		return fail(err)
	}
	files := make([]uintptr, len(theirs)) // descriptors 0, 1, 2 and launch.Socket
	for i, fd := range theirs {
		files[i] = uintptr(fd)
	}
	pidfd := -1
	pid, err := syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(l.program), []string{"ironwrap-launch"},
		&syscall.ProcAttr{Env: []string{}, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd}})
	if err != nil {
		return fail(err)
	}
	closeAll(theirs)
	p := &Process{PID: pid, socket: ours[3], done: make(chan struct{})}
	p.Stdin, p.Stdout, p.Stderr = os.NewFile(uintptr(ours[0]), "stdin"), os.NewFile(uintptr(ours[1]), "stdout"), os.NewFile(uintptr(ours[2]), "stderr")
	if pidfd < 0 || unix.SetNonblock(pidfd, true) != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		p.closePipes()
		return nil, fmt.Errorf("cannot hold process %d (pidfd_open, Linux 5.10)", pid)
	}
	p.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	go p.watch()
	return p, nil
}

// watch waits for the end of the process without a thread: a pidfd can be polled.
func (p *Process) watch() {
	defer close(p.done)
	conn, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// Done is closed when the process has ended, whatever still holds its pipes.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait returns how the process ended, and releases its id. The error is not nil
// where the command was not executed: *launch.ExecError, *launch.SignalError, or
// what the sandbox said.
func (p *Process) Wait() (syscall.WaitStatus, error) {
	<-p.done
	p.reap()
	p.awaitAnswer()
	return p.status, launch.Result(p.socket, p.command)
}

// awaitAnswer waits until nobody holds the other end of the socket. The process is
// gone, but one that is just being started by another goroutine has a copy until
// its execve(2).
func (p *Process) awaitAnswer() {
	limit := time.Now().Add(10 * time.Second)
	for left := time.Until(limit); left > 0; left = time.Until(limit) {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(p.socket), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		if err != unix.EINTR {
			return
		}
	}
}

func (p *Process) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.ended {
		_, err := unix.Wait4(p.PID, (*unix.WaitStatus)(&p.status), 0, nil)
		p.ended = err != unix.EINTR
	}
}

// Kill sends a signal to the process and to what is left of its group, until Wait.
// What has made a session of its own is not in it.
func (p *Process) Kill(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// The group has the id of the process, which nobody else can get meanwhile.
	if !p.ended {
		_ = unix.Kill(-p.PID, signal)
	}
}

// Close waits for the end of the process and releases what it held here.
func (p *Process) Close() {
	p.closePipes()
	<-p.done
	p.reap()
	p.pidfd.Close()
}

func (p *Process) closePipes() {
	p.Stdin.Close()
	p.Stdout.Close()
	p.Stderr.Close()
	unix.Close(p.socket)
}

// abandon ends a launcher that did not become a command.
func (p *Process) abandon() {
	p.Kill(unix.SIGKILL)
	p.Close()
}
