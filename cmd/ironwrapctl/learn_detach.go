package main

import (
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"os/signal"
	"syscall"

	"ironwrap/filters"
)

// detached has another process record, in a session of its own, and returns with the
// status of the command: what waits for a command that goes on in the background, as
// oslo.privsep's helper does, must not wait for the recording.
func detached(config string, argv []filters.Untrusted, into string) error {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	args := []string{"learn", "--detach", "--recording", "--into", into, config, "--"}
	for _, w := range argv {
		args = append(args, w.Raw())
	}
	recorder := osexec.Command("/proc/self/exe", args...)
	recorder.Args[0] = "ironwrapctl"
	recorder.Stdin, recorder.Stdout, recorder.Stderr = os.Stdin, os.Stdout, os.Stderr
	recorder.ExtraFiles = []*os.File{theirs}
	recorder.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	signals := forwarded()
	if err := recorder.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", recorder.Path, err)
	}
	theirs.Close()
	go func() {
		for s := range signals {
			_ = recorder.Process.Signal(s) // it may have ended
		}
	}()
	told := make([]byte, 1)
	if _, err := io.ReadFull(ours, told); err == nil {
		return ending(int(told[0]))
	}
	_ = recorder.Wait() // its state tells
	return ending(statusOf(recorder.ProcessState))
}

func ending(code int) error {
	if code == 0 {
		return nil
	}
	return status(code)
}

// reporter is what a recorder tells the process of whose it is the other half: the
// command's status, a byte. Nobody need read what it says from then on.
func reporter() func(status int) {
	const pipe = 3
	syscall.CloseOnExec(pipe)
	signal.Ignore(syscall.SIGPIPE)
	return func(status int) {
		_, _ = syscall.Write(pipe, []byte{byte(status)})
		syscall.Close(pipe)
	}
}
