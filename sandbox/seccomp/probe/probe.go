// Package probe asks the kernel what a seccomp filter makes of a system call,
// without making the call.
//
// A process that loads a filter cannot get rid of it, so the question is put in a
// child: this same program again, which must call Child first thing. There, a
// guard that fails the call in question with an error number no profile can
// have is loaded before the filter. The kernel runs both, and of their answers
// takes the strictest, and of two equally strict ones that of the last loaded
// (seccomp(2)): so the guard's number comes back just where the filter would let
// the call pass.
package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp"
)

// Verdict is what the kernel does with a system call. The zero value is none.
type Verdict struct {
	Allowed bool          // executed, perhaps logged
	Errno   syscall.Errno // refused, and this is what the caller sees
	Killed  bool          // SIGSYS: the thread or the process ends, or may catch it
}

func (v Verdict) String() string {
	switch {
	case v.Allowed:
		return "allowed"
	case v.Killed:
		return "refused: killed with SIGSYS"
	}
	if name := unix.ErrnoName(v.Errno); name != "" {
		return "refused: " + name
	}
	return fmt.Sprintf("refused: errno %d", int(v.Errno))
}

const (
	marker = "IRONWRAP_SECCOMP_PROBE=1"
	passed = 4095 // MAX_ERRNO: libseccomp takes only smaller ones from a profile
)

// question is what the child reads, followed by a program's file.
type question struct {
	Number uint64
	Args   [6]uint64
}

// Ask puts the system call, by its number and arguments on this machine's own
// architecture, to the kernel under p. An error is about the asking.
func Ask(p *seccomp.Program, number uint32, args [6]uint64) (Verdict, error) {
	var in bytes.Buffer
	if err := binary.Write(&in, binary.LittleEndian, question{uint64(number), args}); err != nil {
		return Verdict{}, err
	}
	in.Write(p.Encode())
	limit, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(limit, "/proc/self/exe")
	c.Stdin = &in
	// No signals of the runtime's to the thread under the filter: it may not be
	// able to return from them.
	c.Env = []string{marker, "GODEBUG=asyncpreemptoff=1"}
	out, err := c.CombinedOutput()

	var ended *exec.ExitError
	if errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGSYS {
		return Verdict{Killed: true}, nil
	}
	var errno uint32
	if _, e := binary.Decode(out, binary.LittleEndian, &errno); err != nil || e != nil || len(out) != 4 {
		return Verdict{}, fmt.Errorf("cannot ask the kernel: %v %s", err, strings.TrimSpace(string(out)))
	}
	switch errno {
	case passed:
		return Verdict{Allowed: true}, nil
	case killed:
		return Verdict{Killed: true}, nil
	}
	return Verdict{Errno: syscall.Errno(errno)}, nil
}

const (
	waiting = 1<<32 - 1 // no answer yet
	killed  = 1<<32 - 2 // the thread is gone
)

// Child answers a question and does not return, if this process was started by
// Ask. Else it does nothing.
func Child() {
	if !slices.Contains(os.Environ(), marker) {
		return
	}
	answer, err := child()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary.Write(os.Stdout, binary.LittleEndian, answer)
	os.Exit(0)
}

func child() (uint32, error) {
	var q question
	if err := binary.Read(os.Stdin, binary.LittleEndian, &q); err != nil {
		return 0, err
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return 0, err
	}
	p, err := seccomp.Parse(data)
	if err != nil {
		return 0, err
	}
	// Filters are a thread's own, so one thread asks, and this one, which is free
	// to do what it likes, waits. The asking thread does nothing after its call.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(2)
	var tid atomic.Int64
	var failed atomic.Pointer[error]
	var answer atomic.Uint32
	answer.Store(waiting)
	go func() {
		runtime.LockOSThread()
		tid.Store(int64(unix.Gettid()))
		if err := confine(p, uint32(q.Number)); err != nil {
			failed.Store(&err)
			return
		}
		r, _, errno := syscall.RawSyscall6(uintptr(q.Number),
			uintptr(q.Args[0]), uintptr(q.Args[1]), uintptr(q.Args[2]), uintptr(q.Args[3]), uintptr(q.Args[4]), uintptr(q.Args[5]))
		if errno == 0 { // package syscall takes -4095 for a result
			errno = syscall.Errno(-r)
		}
		answer.Store(uint32(errno))
		for {
		}
	}()
	// Not by time.Sleep: the thread that asks keeps its processor, and with that the
	// timers that the runtime has there.
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); _ = unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil) {
		if err := failed.Load(); err != nil {
			return 0, *err
		}
		// Looked at first: a thread may answer and end, but not end and answer.
		gone := false
		if id := tid.Load(); id != 0 {
			status, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", id))
			gone = err != nil || bytes.Contains(status, []byte("State:\tZ"))
		}
		if a := answer.Load(); a != waiting {
			return a, nil
		}
		if gone {
			return killed, nil
		}
	}
	return 0, errors.New("the call did not return")
}

// confine loads the guard against the system call number, and then p, on this
// thread. Neither load may be the call that the guard stops.
func confine(p *seccomp.Program, number uint32) error {
	// A program that catches SIGSYS as this runtime does would print a trace.
	var byDefault [4]uint64
	if _, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGSYS), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0); errno != 0 {
		return fmt.Errorf("cannot reset SIGSYS: %w", errno)
	}
	// Lets anybody load filters, and has no bearing on what they answer.
	if _, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("cannot set no_new_privs: %w", errno)
	}
	guard := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | passed},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	for _, filter := range [][]unix.SockFilter{guard, p.Filter()} {
		load := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		var errno syscall.Errno
		if number == unix.SYS_PRCTL {
			_, _, errno = unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&load)))
		} else {
			_, _, errno = unix.RawSyscall(unix.SYS_PRCTL, unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&load)))
		}
		if errno != 0 {
			return fmt.Errorf("cannot load the filter: %w", errno)
		}
	}
	return nil
}
