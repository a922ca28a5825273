// Command ironwrap-call has a daemon run one command for it, on its own descriptors: what
// ironwrap does, without any right of its own.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/exec/call"
	_ "ironwrap/exec/stack"
	"ironwrap/exec/stderr"
)

// Exit statuses, the peer's. A command that ran has its own.
const (
	badConfig = 97
	noCommand = 98
)

const usage = `usage: ironwrap-call NAME COMMAND [ARGUMENT...]

Has the daemon of NAME run COMMAND, as the filters of its configuration allow it.
NAME is an instance (neutron, for /run/ironwrap/neutron.call), the path of a
rootwrap.conf (/etc/neutron/rootwrap.conf is neutron's), or that of a socket.

exit status: the command's own, or
  96  a filter matched, but its program cannot be executed
  97  the daemon cannot be reached, its configuration not be used, or the command
      not be run as it says
  98  no command was given
  99  no filter matched, or you may not ask
A command that is ended by a signal ends this program by the same.
`

// runDir is where systemd makes the sockets. A variable for the build.
var runDir = "/run/ironwrap"

// overflow stands for users that this user namespace has no id for (user_namespaces(7)).
const overflow = 65534

// version is set by the build.
var version = "unknown"

func main() { os.Exit(run(os.Args)) }

func run(argv []string) int {
	name := stderr.Name(argv, "ironwrap-call", "-rootwrap")
	fail := func(status int, err error) int {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return status
	}
	switch {
	case len(argv) == 2 && argv[1] == "--version":
		fmt.Fprintln(os.Stderr, "ironwrap-call "+version)
		return 0
	case len(argv) == 2 && argv[1] == "--help":
		fmt.Fprint(os.Stderr, usage)
		return 0
	case len(argv) < 3:
		return fail(noCommand, errors.New("No command specified"))
	}
	c, err := connect(socketOf(argv[1]))
	if err != nil {
		return fail(badConfig, err)
	}
	// From here on signals are the command's.
	got := make(chan os.Signal, 16)
	for _, s := range call.Signals {
		if !signal.Ignored(s) {
			signal.Notify(got, s)
		}
	}
	if err := ask(c, argv[2:]); err != nil {
		return fail(badConfig, err)
	}
	go passOn(c, got)
	a, err := answer(c)
	if err != nil {
		return fail(badConfig, err)
	}
	if !a.Ran {
		return fail(int(a.Status), errors.New(a.Why))
	}
	return end(syscall.WaitStatus(a.Status))
}

// socketOf is where the daemon of a name listens.
func socketOf(name string) string {
	switch {
	case !strings.Contains(name, "/"):
		return runDir + "/" + name + ".call"
	case strings.HasSuffix(name, ".conf"):
		return runDir + "/" + path.Base(path.Dir(name)) + ".call"
	}
	return name
}

// connection is a Unix stream socket, connected.
type connection int

// send sends all of b, with descriptors beside the first byte.
func (c connection) send(b []byte, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	for len(b) > 0 {
		n, err := unix.SendmsgN(int(c), b, rights, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN: // answer has set it so
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(c), Events: unix.POLLOUT}}, -1)
			continue
		case err != nil:
			return err
		}
		b, rights = b[n:], nil
	}
	return nil
}

// connect returns a connection to a daemon of root's: nobody else is to have our
// descriptors.
func connect(socket string) (connection, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
		}
	}
	if err != nil {
		return 0, fmt.Errorf("cannot reach the daemon at %s: %w: does it run (systemctl status ironwrap-daemon@%s.socket), and is it told to serve calls?",
			socket, err, strings.TrimSuffix(path.Base(socket), ".call"))
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, fmt.Errorf("cannot tell whose the daemon at %s is: %w", socket, err)
	}
	if cred.Uid == overflow {
		return 0, fmt.Errorf("cannot tell whose the daemon at %s is: this user namespace has no id for its user: call from the machine's, or from one that has root's", socket)
	}
	if cred.Uid != 0 {
		return 0, fmt.Errorf("the socket %s is not root's, but of uid %d, who would get what you type: remove it", socket, cred.Uid)
	}
	return connection(fd), nil
}

// ask sends the command, the variables, and our descriptors.
func ask(c connection, argv []string) error {
	var cpu, memory unix.Rlimit
	if err := errors.Join(unix.Getrlimit(unix.RLIMIT_CPU, &cpu), unix.Getrlimit(unix.RLIMIT_AS, &memory)); err != nil {
		return fmt.Errorf("cannot read the resource limits: %w", err)
	}
	message, err := call.Request{Argv: argv, Env: os.Environ(), CPU: cpu.Max, Memory: memory.Max}.Encode()
	if err != nil {
		return err
	}
	dir, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot hold the working directory: %w", err)
	}
	defer unix.Close(dir)
	if err = c.send(message); err == nil {
		err = c.send([]byte{call.FilesByte}, 0, 1, 2, dir)
	}
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		return nil // it has answered already
	}
	if err != nil {
		return fmt.Errorf("cannot hand the command to the daemon: %w", err)
	}
	return nil
}

// passOn sends the signals that we get. As a shell expects of a job that is told to stop,
// we stop too.
func passOn(c connection, got <-chan os.Signal) {
	// Where the daemon is gone its answer does not come, which ends us.
	send := func(s syscall.Signal) { _ = c.send([]byte{byte(s)}) }
	for s := range got {
		number, ok := s.(syscall.Signal)
		if !ok {
			continue
		}
		if send(number); number == syscall.SIGTSTP {
			stop()
			send(syscall.SIGCONT)
		}
	}
}

// stop does what SIGTSTP does by default, and returns when we go on: at once where the
// kernel stops nobody, since no shell would have us go on (setpgid(2)). The signal is for
// this thread, so that it does not run on for a moment.
func stop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ours := setAction(unix.SIGTSTP, action{})
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTSTP)
	setAction(unix.SIGTSTP, ours)
}

// action is the kernel's struct sigaction (rt_sigaction(2)); the zero one is SIG_DFL.
type action [4]uint64

// setAction sets one, and returns the one before. Package signal leaves the runtime's in
// place where nobody is notified.
func setAction(s syscall.Signal, a action) (before action) {
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&a)), uintptr(unsafe.Pointer(&before)), 8, 0, 0)
	return before
}

// answer waits for the end of the command, by the runtime's poller: in a system call that
// waits, its clock would tick.
func answer(c connection) (call.Answer, error) {
	if err := unix.SetNonblock(int(c), true); err != nil {
		return call.Answer{}, fmt.Errorf("cannot wait for the command: %w", err)
	}
	from := os.NewFile(uintptr(c), "daemon")
	var head [call.HeadSize]byte
	_, err := io.ReadFull(from, head[:])
	if err != nil {
		return call.Answer{}, errors.New("the daemon ended before it said what became of the command")
	}
	kind, length := call.Head(head)
	if length > call.MaxAnswer {
		return call.Answer{}, call.ErrMalformed
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(from, body); err != nil {
		return call.Answer{}, errors.New("the daemon ended before it said what became of the command")
	}
	return call.DecodeAnswer(kind, body)
}

// end is the command's end as ours: its status, or its signal. A core file of ours would
// say nothing.
func end(status syscall.WaitStatus) int {
	if !status.Signaled() {
		return status.ExitStatus()
	}
	number := status.Signal()
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	setAction(number, action{})
	_ = unix.Kill(os.Getpid(), number)
	// It takes a moment; one that is ignored or blocked ends as a shell has it.
	time.Sleep(100 * time.Millisecond)
	return 128 + int(number)
}
