package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/filters"
	"ironwrap/sandbox/record"
)

// run is what one run of a command showed.
type run struct {
	status       int // 128+n when killed by signal n
	calls        *record.Calls
	capabilities record.Capabilities
	unknown      error // why there are no capabilities
}

// becomeName is the command under which this program starts itself, to become the
// command that is learned from.
const becomeName = "learn-become"

const socketOfCommand = 3 // the first of ExtraFiles

// observe runs the command in a child, and answers for its system calls until
// nobody is left who makes any.
func observe(stderr io.Writer, config string, argv []filters.Untrusted) (*run, error) {
	socket, theirs, err := record.Pair()
	if err != nil {
		return nil, err
	}
	shared, err := record.NewShared()
	if err != nil {
		return nil, err
	}
	r := new(run)
	tracer, err := record.NewTracer()
	if err != nil {
		r.unknown = err
	} else {
		defer tracer.Close()
	}

	end := os.NewFile(uintptr(theirs), "socket")
	child := osexec.Command("/proc/self/exe", append([]string{becomeName, config}, raw(argv)...)...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.ExtraFiles = []*os.File{end}
	// Until there is a guard. The command's own change of ids takes this away.
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	signals := forwarded()
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", child.Path, err)
	}
	end.Close()
	listener, ok, err := record.Take(socket)
	if !ok {
		return nil, errors.Join(err, ended(child.Wait(), child))
	}

	release, err := guard(listener, shared)
	if err != nil {
		return nil, err // and with it the listener, and the child
	}
	r.calls = record.NewCalls(child.Process.Pid, shared)
	answered := make(chan error, 1)
	go func() {
		answered <- r.calls.Follow(listener, func() {
			if tracer != nil {
				r.unknown = tracer.Follow(child.Process.Pid)
			}
		})
	}()
	executed, err := record.Executed(socket)
	waited := make(chan error, 1)
	go func() { waited <- child.Wait() }()
	if err := attend(stderr, signals, child, r.calls, waited, answered); err != nil {
		return nil, err
	}
	if !executed || err != nil {
		return nil, errors.Join(err, ended(nil, child))
	}
	if err := release(); err != nil {
		return nil, err
	}
	ws := child.ProcessState.Sys().(syscall.WaitStatus)
	if r.status = ws.ExitStatus(); ws.Signaled() {
		r.status = 128 + int(ws.Signal())
	}
	if r.unknown == nil {
		r.capabilities, r.unknown = tracer.Finish()
	}
	if r.unknown == nil && r.capabilities.Lost {
		r.unknown = errors.New("the kernel asked more often than could be recorded")
	}
	return r, nil
}

// guardName is the command under which this program starts itself as the guard.
const guardName = "learn-guard"

// guard starts the process that ends the command should this one die, in a session
// of its own, where ^C does not reach it. release sends it home.
func guard(listener int, shared *record.Shared) (release func() error, err error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	c := osexec.Command("/proc/self/exe", guardName)
	c.ExtraFiles = []*os.File{os.NewFile(uintptr(listener), "listener"), theirs, shared.File}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", c.Path, err)
	}
	return func() error {
		_, err := ours.Write([]byte{0})
		runtime.KeepAlive(c.ExtraFiles)
		return errors.Join(err, c.Wait())
	}, nil
}

func learnGuardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    guardName,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			signal.Ignore(syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
			return record.Guard(3, os.NewFile(4, "recorder"), os.NewFile(5, "shared"))
		},
	}
}

// attend passes signals on until the command and all that it left have ended.
func attend(stderr io.Writer, signals chan os.Signal, child *osexec.Cmd, calls *record.Calls, waited, answered chan error) error {
	var patience <-chan time.Time
	left := false
	for {
		select {
		case s := <-signals:
			if left {
				calls.Signal(s.(syscall.Signal))
			} else if s != syscall.SIGINT && s != syscall.SIGQUIT || !record.Foreground() {
				child.Process.Signal(s) // it may have ended
			}
		case <-waited:
			left, waited, patience = true, nil, time.After(time.Second)
		case <-patience:
			if n := calls.Living(); n > 0 {
				fmt.Fprintf(stderr, "ironwrapctl: the command has ended; waiting for %d processes that it left, whom a signal to this one reaches\n", n)
			}
		case err := <-answered:
			if err != nil {
				calls.Signal(syscall.SIGKILL)
			}
			if waited != nil {
				<-waited
			}
			return err
		}
	}
}

// forwarded are the signals that the command is sent by whoever sends them to its
// parent. Those that are ignored stay so.
func forwarded() chan os.Signal {
	c := make(chan os.Signal, 16)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	return c
}

// ended is the error of a child that did not become the command, and has said why.
func ended(err error, child *osexec.Cmd) error {
	if code := child.ProcessState.ExitCode(); code > 0 {
		return status(code)
	}
	return fmt.Errorf("the process that was to be the command ended: %v", err)
}

func raw(words []filters.Untrusted) []string {
	s := make([]string, len(words))
	for i, w := range words {
		s[i] = w.Raw()
	}
	return s
}

func learnBecomeCommand() *cobra.Command {
	return &cobra.Command{
		Use:                becomeName,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New(becomeName + " is for learn alone")
			}
			return become(args[0], filters.Words(args[1:]))
		},
	}
}

// become is the executor's road, with the recorder let in before its last step.
func become(config string, argv []filters.Untrusted) error {
	caller, err := exec.Take()
	if err != nil {
		return refuse(97, "%v", err)
	}
	d, plan, err := allowed(config, argv, caller)
	if err != nil {
		return err
	}
	if plan.Signal != nil {
		return errors.New("a signal is not to be learned from")
	}
	if err := audit.New("ironwrapctl", d.Policy, caller).Executing(d); err != nil {
		return refuse(97, "%v", err)
	}
	if err := record.Offer(socketOfCommand); err != nil {
		return err
	}
	err = exec.Replace(plan)
	record.Failed(socketOfCommand)
	var program *exec.ExecError
	if errors.As(err, &program) {
		return refuse(96, "Executable not found: %s (filter match = %s): %v", program.Path, filters.Untrusted(d.Filter.Name), program.Err)
	}
	return refuse(97, "%v", err)
}
