package reading

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/compiled"
	"ironwrap/policy/trust"
)

const program = "ironwrap-read"

// Program is where ironwrap-read is installed. The build sets it. One that lies beside
// the running program comes first: it is of the same build.
var Program = "/usr/lib/ironwrap/" + program

// While an upgrade replaces one program after the other, the reader may be of another
// build. The packages keep the one before under another name until it is over.
const (
	before = ".old"
	pause  = 50 * time.Millisecond
)

// pauses take longer than dpkg and rpm from one file to the next.
var pauses = 400

// How the process ends.
const (
	wrote   = iota // a compiled policy to its standard output
	said           // why there is none
	_              // the Go runtime could not start, or died
	foreign        // it is of another build, and has read nothing
	failed
)

var errForeign = errors.New(program + " is of another build than ironwrap: install both programs of one build")

// ask has the reader of this build read the files, and returns what it wrote: a compiled
// policy.
func ask(r Request) ([]byte, error) {
	path, err := find()
	if err != nil {
		return nil, err
	}
	for range pauses {
		data, err := run(path, r)
		if err != errForeign {
			return data, err
		}
		id, err := trust.Executable(path+before, trust.Ancestors)
		if err == nil {
			data, err = run(id.Path, r)
		}
		if err != errForeign && !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
		left := unix.NsecToTimespec(pause.Nanoseconds())
		_ = unix.Nanosleep(&left, nil)
	}
	return nil, errForeign
}

// run starts a reader. Its environment is empty, its ids are root's alone, it gets nothing
// that the caller left open, no terminal and no directory of theirs, and it does not
// outlive this process.
func run(path string, r Request) ([]byte, error) {
	// Not a file: the caller's limit for those may be small (RLIMIT_FSIZE).
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer unix.Close(pipe[0])
	if err := unix.CloseRange(3, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		unix.Close(pipe[1])
		return nil, fmt.Errorf("cannot mark descriptors close-on-exec: %w", err)
	}
	keep := "once"
	if r.Keep {
		keep = "keep"
	}
	// A /dev/null there may not be, in a chroot: it reads nothing, and what the Go runtime
	// says of its end is no policy.
	all := uintptr(pipe[1])
	pid, err := syscall.ForkExec(path, []string{program, r.Path, strconv.Itoa(int(r.Level)), keep, compiled.Build}, &syscall.ProcAttr{
		Dir: "/", Env: []string{}, Files: []uintptr{all, all, all},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	unix.Close(pipe[1])
	if err != nil {
		return nil, fmt.Errorf("cannot run %s to read %s: %w", filters.Show(path), filters.Show(r.Path), err)
	}
	data, err := readAll(pipe[0])
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL) // nobody reads what it writes
	}
	status, waited := wait(pid)
	switch err = errors.Join(err, waited); {
	case err != nil:
		return nil, fmt.Errorf("cannot learn from %s what is in %s: %w", program, filters.Show(r.Path), err)
	case status.Signaled():
		return nil, fmt.Errorf("%s was killed by signal %d while it read %s: is there too little memory, or a limit?", program, status.Signal(), filters.Show(r.Path))
	case status.ExitStatus() == foreign:
		return nil, errForeign
	case status.ExitStatus() == said:
		return nil, errors.New(string(data))
	case status.ExitStatus() != wrote:
		return nil, fmt.Errorf("%s failed with status %d while it read %s", program, status.ExitStatus(), filters.Show(r.Path))
	}
	return data, nil
}

// find returns the program, which is root's, and nobody else can put another in its place.
// Nor can anybody choose one: whoever may link the set-user-id program to a directory such
// as /tmp (fs.protected_hardlinks=0) can link any program of root's beside it.
func find() (string, error) {
	found := Program
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot tell where this program lies: %w", err)
	}
	if beside := path.Join(path.Dir(self), program); exists(beside) {
		found = beside
	}
	id, err := trust.Executable(found, trust.Ancestors)
	if errors.Is(err, trust.ErrUntrusted) || errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: install it beside ironwrap (make install)", err)
	}
	return id.Path, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// readAll reads to the end, however long it takes: who runs this process sees to that.
func readAll(fd int) ([]byte, error) {
	var data []byte
	for {
		data = slices.Grow(data, 64<<10) // a pipe holds as much (pipe(7))
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case n == 0:
			return data, nil
		}
		data = data[:len(data)+n]
	}
}

func wait(pid int) (status syscall.WaitStatus, err error) {
	for {
		if _, err = syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			return status, err
		}
	}
}
