package exec

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
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

// Launchers keeps processes of ironwrap-launch ready, so that a request does not
// wait for a program to start. There are two kinds. Spares have done nothing yet,
// and become the one command that they are given. Those that stay start commands
// that are not confined, one at a time, and come back. The methods may be called by
// many goroutines.
type Launchers struct {
	path    string
	program int // descriptor of path, O_PATH: an upgrade on disk does not change what runs
	null    int // descriptor of /dev/null

	want chan struct{} // a spare may be missing
	quit chan struct{}
	work sync.WaitGroup // goroutines of ours

	mu     sync.Mutex
	size   int         // how many spares there are to be
	spares []*launcher // the oldest first
	idle   []*launcher // that stay, of one kind, the last used at the end
	kind   string      // their confinement
	least  int         // the fewest that were idle since Trim
	closed bool
}

// launcher is one process of ironwrap-launch.
type launcher struct {
	pid    int
	socket int      // for orders and replies; -1 once it is closed
	pidfd  int      // readable when the process has ended
	held   *os.File // pidfd, for Go to wait for
	waiter *Waiter  // for what it says and what its command prints; nil before the first
	kind   string   // the confinement that it has entered, to stay
	done   chan struct{}

	mu       sync.Mutex
	becoming bool // it is a command's now, which waits for it
	waited   bool // from here on pid may come to mean another process
	status   syscall.WaitStatus
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
	if errors.Is(err, trust.ErrUntrusted) {
		return nil, fmt.Errorf("%w: install it beside ironwrap-daemon (make install)", err)
	}
	if err != nil {
		return nil, err
	}
	low, err := unix.Open(id.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", filters.Show(id.Path), err)
	}
	// A launcher has descriptors of its own at 0 to 3 before it is executed through
	// this one, which must not be one of them.
	program, err := unix.FcntlInt(uintptr(low), unix.F_DUPFD_CLOEXEC, 10)
	unix.Close(low)
	if err != nil {
		return nil, fmt.Errorf("cannot hold %s: %w", filters.Show(id.Path), err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(program, &st); err != nil || st.Dev != id.Dev || st.Ino != id.Ino {
		unix.Close(program)
		return nil, fmt.Errorf("cannot open %s: it was replaced meanwhile: try again", filters.Show(id.Path))
	}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(program)
		return nil, fmt.Errorf("cannot open /dev/null: %w", err)
	}
	l := &Launchers{
		path: id.Path, program: program, null: null,
		size: spares,
		want: make(chan struct{}, 1),
		quit: make(chan struct{}),
	}
	l.work.Go(l.fill)
	return l, nil
}

func launcherPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot tell where this program lies: %w", err)
	}
	beside := path.Join(path.Dir(self), "ironwrap-launch")
	if _, err := os.Lstat(beside); err == nil {
		return beside, nil
	}
	return LauncherPath, nil
}

// pause lies between two attempts to start a spare when one could not be started, or
// has ended by itself.
const pause = 100 * time.Millisecond

// fill keeps the spares complete until Close.
func (l *Launchers) fill() {
	for {
		var again <-chan time.Time
		if l.lacks() {
			p, err := l.start()
			if err == nil && l.add(p) {
				continue
			}
			// Too little memory, or too many processes or files: Spawn says so.
			again = time.After(pause)
		}
		select {
		case <-l.want:
		case <-again:
		case <-l.quit:
			return
		}
	}
}

func (l *Launchers) lacks() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.spares) < l.size
}

// add makes a launcher a spare, unless it has ended already.
func (l *Launchers) add(p *launcher) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-p.done:
		l.retire(p)
		return false
	default:
		l.spares = append(l.spares, p)
		return true
	}
}

// drop forgets a launcher that somebody has killed while it waited, or that cannot
// work here.
func (l *Launchers) drop(p *launcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := func(o *launcher) bool { return o == p }
	before := len(l.spares) + len(l.idle)
	l.spares, l.idle = slices.DeleteFunc(l.spares, same), slices.DeleteFunc(l.idle, same)
	if len(l.spares)+len(l.idle) < before {
		l.least = min(l.least, len(l.idle))
		l.retire(p)
		time.AfterFunc(pause, l.wake)
	}
}

// wake has fill look whether a spare is missing.
func (l *Launchers) wake() {
	select {
	case l.want <- struct{}{}:
	default: // it will look
	}
}

// start begins one launcher, in a session of its own: no terminal is its, nor its
// command's, and a signal to its process group reaches what the command starts, too.
func (l *Launchers) start() (*launcher, error) {
	cannot := func(err error) error { return fmt.Errorf("cannot start %s: %w", filters.Show(l.path), err) }
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, cannot(err)
	}
	pidfd := -1
	pid, err := syscall.ForkExec("/proc/self/fd/"+strconv.Itoa(l.program), []string{"ironwrap-launch"}, &syscall.ProcAttr{
		Env:   []string{},
		Files: []uintptr{uintptr(l.null), uintptr(l.null), uintptr(l.null), uintptr(pair[0])}, // the last is launch.Socket
		Sys:   &syscall.SysProcAttr{Setsid: true, PidFD: &pidfd},
	})
	unix.Close(pair[0])
	if err != nil {
		unix.Close(pair[1])
		return nil, cannot(err)
	}
	if err := errors.Join(unix.SetNonblock(pair[1], true), unix.SetNonblock(pidfd, true)); err != nil {
		unix.Close(pair[1]) // which ends it
		_, _ = unix.Wait4(pid, nil, 0, nil)
		return nil, cannot(fmt.Errorf("pidfd_open, Linux 5.10: %w", err))
	}
	p := &launcher{
		pid:    pid,
		socket: pair[1],
		pidfd:  pidfd,
		held:   os.NewFile(uintptr(pidfd), "pidfd"),
		done:   make(chan struct{}),
	}
	go func() {
		p.watch()
		l.drop(p)
	}()
	return p, nil
}

// watch waits for the end of the process without a thread: a pidfd can be polled.
func (p *launcher) watch() {
	defer close(p.done)
	conn, err := p.held.SyscallConn()
	if err == nil {
		_ = conn.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 || err != nil && err != unix.EINTR
		})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.becoming {
		p.wait()
	}
}

// wait returns how the process ended, and releases its id. p.mu is held.
func (p *launcher) wait() syscall.WaitStatus {
	for !p.waited {
		_, err := syscall.Wait4(p.pid, &p.status, 0, nil)
		p.waited = err != syscall.EINTR
	}
	return p.status
}

// end has a launcher that runs nothing exit, and waits for that.
func (p *launcher) end() {
	p.hangUp()
	p.mu.Lock()
	if !p.waited { // it may have been stopped, and not see that
		_ = unix.Kill(p.pid, unix.SIGKILL)
	}
	p.mu.Unlock()
	p.close()
}

// close waits for the end of the process and releases what is held of it.
func (p *launcher) close() syscall.WaitStatus {
	<-p.done
	p.hangUp()
	p.held.Close()
	if p.waiter != nil {
		p.waiter.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wait()
}

func (p *launcher) hangUp() {
	if p.socket >= 0 {
		unix.Close(p.socket)
		p.socket = -1
	}
}

// listen returns what waits for what the launcher says.
func (p *launcher) listen() (*Waiter, error) {
	if p.waiter != nil {
		return p.waiter, nil
	}
	w, err := NewWaiter()
	if err != nil {
		return nil, err
	}
	if err := w.Add(p.socket); err != nil {
		w.Close()
		return nil, err
	}
	p.waiter = w
	return w, nil
}

// send hands an order over. Nobody waits longer than ten seconds for a launcher
// that does not read.
func (p *launcher) send(message []byte, fds []int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	var late time.Time
	for len(message) > 0 {
		n, err := unix.SendmsgN(p.socket, message, rights, nil, unix.MSG_NOSIGNAL)
		switch err {
		case nil:
			message, rights = message[n:], nil
		case unix.EINTR:
		case unix.EAGAIN: // an order of many words
			if late.IsZero() {
				late = time.Now().Add(10 * time.Second)
			}
			left := time.Until(late)
			if left <= 0 {
				return os.ErrDeadlineExceeded
			}
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(p.socket), Events: unix.POLLOUT}}, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
				return err
			}
		case unix.EPIPE, unix.ECONNRESET:
			return launch.ErrGone
		default:
			return err
		}
	}
	return nil
}

// take returns a launcher for commands of a kind, "" for one of whatever kind that
// has done nothing yet. fresh says that it was started just now.
func (l *Launchers) take(kind string) (p *launcher, fresh bool, err error) {
	if p := l.waiting(kind); p != nil {
		return p, false, nil
	}
	p, err = l.start()
	return p, true, err
}

func (l *Launchers) waiting(kind string) *launcher {
	l.mu.Lock()
	defer l.mu.Unlock()
	if kind != "" {
		if n := len(l.idle); n > 0 && l.kind == kind {
			p := l.idle[n-1]
			l.idle = l.idle[:n-1]
			l.least = min(l.least, n-1)
			return p
		}
		l.least = 0
	}
	if len(l.spares) == 0 {
		return nil
	}
	p := l.spares[0]
	l.spares = slices.Delete(l.spares, 0, 1)
	l.wake()
	return p
}

// put takes a launcher back that has stayed.
func (l *Launchers) put(p *launcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		go p.end()
		return
	}
	if l.kind != p.kind { // rlimit_nofile has changed, or root's groups
		l.retire(l.idle...)
		l.idle, l.kind, l.least = nil, p.kind, 0
	}
	l.idle = append(l.idle, p)
}

// retire ends launchers without waiting for it.
func (l *Launchers) retire(list ...*launcher) {
	for _, p := range list {
		l.work.Go(p.end)
	}
}

// Trim lets those launchers go that were not needed since the last time, but for
// as many as there are spares. It is to be called now and then.
func (l *Launchers) Trim() {
	l.mu.Lock()
	defer l.mu.Unlock()
	surplus := max(l.least-l.size, 0)
	l.retire(l.idle[:surplus]...)
	l.idle = append([]*launcher(nil), l.idle[surplus:]...)
	l.least = len(l.idle)
}

// Close ends the launchers and waits for them. Commands that run are not touched.
func (l *Launchers) Close() {
	close(l.quit)
	l.work.Wait() // for fill, which must not start another one
	l.mu.Lock()
	l.closed = true
	l.retire(append(l.spares, l.idle...)...)
	l.spares, l.idle = nil, nil
	l.mu.Unlock()
	l.work.Wait()
	unix.Close(l.program)
	unix.Close(l.null)
}
