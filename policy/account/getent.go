package account

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A name service may be a server far away that does not answer, or says too much.
var patience = 5 * time.Second

const maxAnswer = 1 << 20 // bytes: the groups of a user of 65536 groups (NGROUPS_MAX)

var errNotFound = errors.New("not found")

// Answers are remembered for as long as one waits for one, so that a request whose
// user is looked up at several places waits once.
var (
	answers map[string]answer
	guard   sync.Mutex
)

type answer struct {
	line []byte
	err  error
	when time.Time
}

func ask(database, name string) ([]byte, error) {
	guard.Lock()
	defer guard.Unlock()
	for question, a := range answers {
		if time.Since(a.when) > patience {
			delete(answers, question)
		}
	}
	question := database + " " + name
	a, ok := answers[question]
	if !ok {
		a.line, a.err = getent(database, name)
		a.when = time.Now()
		if answers == nil {
			answers = map[string]answer{}
		}
		answers[question] = a
	}
	return a.line, a.err
}

// getent runs getent(1), which exits with 2 for what is not there. It is the one
// program that is started before a command: this process, static as it is, cannot
// load a name service. Nothing of the caller's reaches it: not the environment, the
// directory, the terminal, a descriptor or a limit. It has root's
// rights, as the same look-up has in sudo.
func getent(database, name string) ([]byte, error) {
	if err := errors.Join(lift(), closeOnExec()); err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	process, err := os.StartProcess(Getent, []string{Getent, database, name}, &os.ProcAttr{
		Dir: "/", Env: []string{}, Files: []*os.File{null, w, null},
		// Where a deadline ends this process, nothing of it is left.
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	w.Close()
	if err != nil {
		return nil, err
	}
	late := time.AfterFunc(patience, func() { _ = process.Kill() }) // it may have ended
	defer late.Stop()
	line, err := read(r)
	if err != nil {
		_ = process.Kill()
		go func() { _, _ = process.Wait() }() // who sleeps in the kernel cannot be waited for
		return nil, err
	}
	state, err := process.Wait()
	if err != nil {
		return nil, err
	}
	switch status := state.Sys().(syscall.WaitStatus); {
	case status.Exited() && status.ExitStatus() == 0:
		return line, nil
	case status.Exited() && status.ExitStatus() == 2:
		return nil, errNotFound
	}
	return nil, fmt.Errorf("%s: %v", Getent, state)
}

// read reads a whole answer.
func read(r *os.File) ([]byte, error) {
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	line, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("%s: no answer within %v", Getent, patience)
	}
	if err == nil && len(line) > maxAnswer {
		err = fmt.Errorf("%s: an answer of more than %d bytes", Getent, maxAnswer)
	}
	if err == nil && strings.IndexByte(string(line), 0) >= 0 {
		err = fmt.Errorf("%s: an answer with NUL bytes", Getent)
	}
	return line, err
}

// closeOnExec marks what the caller left open besides 0 to 2, which the program gets
// anew: package syscall closes only what Go has opened. close_range(2), Linux 5.11, has
// one number on every architecture.
func closeOnExec() error {
	const closeRange, cloexec = 436, 1 << 2
	if _, _, errno := syscall.Syscall(closeRange, 3, uintptr(^uint32(0)), cloexec); errno != 0 {
		return fmt.Errorf("cannot mark descriptors close-on-exec: %w", errno)
	}
	return nil
}

// lift raises what is left of limits with which a caller could make a name service
// give half an answer: without the memory or the descriptors for one of its
// sources.
func lift() error {
	for _, need := range []struct {
		resource int
		name     string
		value    uint64
	}{
		{syscall.RLIMIT_AS, "RLIMIT_AS", ^uint64(0)},
		{syscall.RLIMIT_DATA, "RLIMIT_DATA", ^uint64(0)},
		{syscall.RLIMIT_NOFILE, "RLIMIT_NOFILE", 1024},
	} {
		var l syscall.Rlimit
		if err := syscall.Getrlimit(need.resource, &l); err != nil {
			return fmt.Errorf("cannot read %s: %w", need.name, err)
		}
		// Always set, since package syscall gives a child the limit that it found, but
		// for one that was set.
		l.Cur, l.Max = max(l.Cur, need.value), max(l.Max, need.value)
		if err := syscall.Setrlimit(need.resource, &l); err != nil {
			return fmt.Errorf("cannot raise %s: %w", need.name, err)
		}
	}
	return nil
}
