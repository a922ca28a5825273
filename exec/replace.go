package exec

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

// ExecError tells that the command could not be executed, all confinement being
// in place: the fault is the program's, not the configuration's.
type ExecError struct {
	Path filters.Untrusted
	Err  error
}

func (e *ExecError) Error() string { return fmt.Sprintf("cannot execute %s: %v", e.Path, e.Err) }
func (e *ExecError) Unwrap() error { return e.Err }

// Replace confines the process and makes it the command. It returns only with an
// error, after which the process must exit.
func Replace(p *Plan) error {
	// All that can need memory comes before the first right is given up.
	argv, err := syscall.SlicePtrFromStrings(raw(p.Argv))
	if err != nil {
		return fmt.Errorf("cannot pass the arguments: %w", err)
	}
	env := make([]string, len(p.Env))
	for i, v := range p.Env {
		env[i] = v.Name.Raw() + "=" + v.Value.Raw()
	}
	envp, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return fmt.Errorf("cannot pass the environment: %w", err)
	}

	if err := sandbox.Enter(&p.Spec); err != nil {
		return err
	}
	if p.Signal != nil {
		return send(p.Signal)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE,
		uintptr(unsafe.Pointer(argv[0])),
		uintptr(unsafe.Pointer(&argv[0])),
		uintptr(unsafe.Pointer(&envp[0])))
	runtime.KeepAlive(argv)
	runtime.KeepAlive(envp)
	return &ExecError{p.Argv[0], errno}
}

// send is what kill(1) would do. The process was identified through the same
// descriptor.
func send(s *filters.Signal) error {
	if err := unix.PidfdSendSignal(s.Process.FD, unix.Signal(s.Number), nil, 0); err != nil {
		return &SignalError{s.Process.PID, s.Number, err}
	}
	os.Exit(0)
	return nil
}

// SignalError tells that an allowed signal could not be sent.
type SignalError struct {
	PID, Number int
	Err         error
}

func (e *SignalError) Error() string {
	return fmt.Sprintf("cannot send signal %d to process %d: %v", e.Number, e.PID, e.Err)
}
func (e *SignalError) Unwrap() error { return e.Err }

func raw(words []filters.Untrusted) []string {
	s := make([]string, len(words))
	for i, w := range words {
		s[i] = w.Raw()
	}
	return s
}
