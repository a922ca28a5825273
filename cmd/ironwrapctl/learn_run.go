package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"os/signal"
	"syscall"
	"time"

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

// observe runs the command in a child, and answers for its system calls until
// nobody is left who makes any.
// told is called with the command's status when it has ended, whoever it has left.
func observe(stderr io.Writer, config string, argv []filters.Untrusted, told func(status int)) (*run, error) {
	r := new(run)
	tracer, err := record.NewTracer()
	if err != nil {
		r.unknown = err
	} else {
		defer tracer.Close()
	}
	shared, err := record.NewShared()
	if err != nil {
		return nil, err
	}

	signals := forwarded()
	defer signal.Stop(signals)
	child, socket, err := startCommand(config, argv)
	if err != nil {
		return nil, err
	}
	listener, ok, err := record.Take(socket)
	if err != nil {
		return nil, err // with this process ends the child
	}
	if !ok {
		_ = child.Wait() // its state tells
		return nil, ended(child)
	}
	// An error from here on ends this process, and so the guard the child.
	release, err := startGuard(listener, shared)
	if err != nil {
		return nil, err
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
	if err != nil {
		return nil, fmt.Errorf("cannot tell whether the command was executed: %w", err)
	}
	if err := attend(stderr, signals, child, r.calls, answered, told); err != nil {
		return nil, err
	}
	if err := release(); err != nil {
		return nil, err
	}
	if !executed {
		return nil, ended(child)
	}

	r.status = statusOf(child.ProcessState)
	if r.unknown == nil {
		r.capabilities, r.unknown = tracer.Finish()
	}
	if r.unknown == nil && r.capabilities.Lost {
		r.unknown = errors.New("the kernel asked more often than could be recorded")
	}
	return r, nil
}

// statusOf is a status as a shell has it.
func statusOf(state *os.ProcessState) int {
	ws := state.Sys().(syscall.WaitStatus)
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// attend passes signals on until the command and all that it left have ended.
func attend(stderr io.Writer, signals chan os.Signal, child *osexec.Cmd, calls *record.Calls, answered chan error, told func(status int)) error {
	waited := make(chan bool)
	go func() { _ = child.Wait(); close(waited) }() // its state tells
	ended := waited                                 // nil once that was noticed
	var patience <-chan time.Time
	for {
		select {
		case s := <-signals:
			// What the terminal sends it has sent to the command as well.
			if ended == nil {
				calls.Signal(s.(syscall.Signal))
			} else if s != syscall.SIGINT && s != syscall.SIGQUIT || !record.Foreground() {
				_ = child.Process.Signal(s) // it may have ended
			}
		case <-ended:
			ended, patience = nil, time.After(time.Second)
			told(statusOf(child.ProcessState))
		case <-patience:
			if n := calls.Living(); n > 0 {
				fmt.Fprintf(stderr, "ironwrapctl: the command has ended; waiting for %s that it left: a signal to this one ends them\n", count(n, "process", "processes"))
			}
		case err := <-answered:
			if err != nil {
				calls.Signal(syscall.SIGKILL)
			}
			<-waited
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
func ended(child *osexec.Cmd) error {
	if code := child.ProcessState.ExitCode(); code > 0 {
		return status(code)
	}
	return fmt.Errorf("the process that was to be the command ended before: %v", child.ProcessState)
}
