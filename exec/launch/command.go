// Package launch is the last mile of a command: Replace is the one road to
// execve(2). The one-shot program takes it itself; for the daemon, a process of
// ironwrap-launch takes it with a Command that was sent to it.
package launch

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
)

// Command is what becomes of an allowed request: bytes and numbers, with nothing
// left to look up or to decide.
type Command struct {
	Argv   []filters.Untrusted // Argv[0] is the absolute path of the program
	Env    []filters.Var
	Pins   []Pin
	Spec   sandbox.Spec
	Signal *filters.Signal // sent, confined as Spec says, instead of executing Argv
}

// Pin says that a word of Argv names an open file, which is in Spec.Keep.
type Pin struct {
	Word int // index in Argv
	FD   int
}

// ExecError tells that the command could not be executed, all confinement being
// in place: the fault is the program's, not the configuration's.
type ExecError struct {
	Path filters.Untrusted
	Err  error
}

func (e *ExecError) Error() string { return fmt.Sprintf("cannot execute %s: %v", e.Path.Show(), e.Err) }
func (e *ExecError) Unwrap() error { return e.Err }

// Pinned makes the word at index name the file that is open as fd.
func (c *Command) Pinned(word, fd int) {
	c.Pins = append(c.Pins, Pin{word, fd})
	c.Spec.Keep = append(c.Spec.Keep, fd)
	c.Argv[word] = pinnedPath(fd)
}

func pinnedPath(fd int) filters.Untrusted {
	return filters.Untrusted("/proc/self/fd/" + strconv.Itoa(fd))
}

// Close closes the descriptors that c was given for the command, all but that of
// Signal, which belongs to whoever found the process.
func (c *Command) Close() {
	s := &c.Spec
	for _, fd := range slices.Concat(s.Keep, s.Landlock, held(s.PrivateTmp), held(s.ReadOnly)) {
		unix.Close(fd)
	}
	s.Keep, s.Landlock, s.PrivateTmp, s.ReadOnly = nil, nil, nil, nil
}

func held(places []sandbox.Place) (fds []int) {
	for _, p := range places {
		fds = append(fds, p.FD)
	}
	return fds
}

// Replace confines the process and makes it the command. It returns only with an
// error, after which the process must exit. last is what remains to be done before.
func Replace(c *Command, last ...func() error) error {
	// All that can need memory comes before the first right is given up.
	argv, err := syscall.SlicePtrFromStrings(raw(c.Argv))
	if err != nil {
		return fmt.Errorf("cannot pass the arguments: %w", err)
	}
	env := make([]string, len(c.Env))
	for i, v := range c.Env {
		env[i] = v.Name.Raw() + "=" + v.Value.Raw()
	}
	envp, err := syscall.SlicePtrFromStrings(env)
	if err != nil {
		return fmt.Errorf("cannot pass the environment: %w", err)
	}

	for _, do := range last {
		if err := do(); err != nil {
			return err
		}
	}
	if c.Signal != nil {
		return signal(c)
	}
	if err := sandbox.Enter(&c.Spec); err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE,
		uintptr(unsafe.Pointer(argv[0])),
		uintptr(unsafe.Pointer(&argv[0])),
		uintptr(unsafe.Pointer(&envp[0])))
	runtime.KeepAlive(argv)
	runtime.KeepAlive(envp)
	if why := unlabelled(c, errno); why != nil {
		return why
	}
	return failed(c.Argv[0], errno)
}

// unlabelled is the error of an execve(2) that a security module may have refused: whether
// a program may enter a profile or a context is known no earlier.
func unlabelled(c *Command, errno unix.Errno) error {
	if errno != unix.EACCES && errno != unix.EPERM {
		return nil
	}
	for _, l := range []struct {
		module *sandbox.Module
		label  string
	}{{sandbox.AppArmor, c.Spec.AppArmor}, {sandbox.SELinux, c.Spec.SELinux}} {
		if l.label != "" {
			return fmt.Errorf("cannot execute %s in %s %s %s: %w: the module refuses the transition, which it writes down in the system log, or the program cannot be executed at all",
				c.Argv[0].Show(), l.module.Name, l.module.Noun, filters.Prose(l.label), errno)
		}
	}
	return nil
}

// failed is the error of an execve(2) that did not succeed. E2BIG is no fault of the
// program's.
func failed(program filters.Untrusted, err error) error {
	if err == unix.E2BIG {
		return fmt.Errorf("cannot pass the arguments to %s: %w: its words, the variables and what its interpreter adds are more than execve(2) takes", program, err)
	}
	return &ExecError{program, err}
}

func raw(words []filters.Untrusted) []string {
	s := make([]string, len(words))
	for i, w := range words {
		s[i] = w.Raw()
	}
	return s
}
