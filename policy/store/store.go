// Package store keeps compiled policies from one call to the next, in a directory of
// root's own in memory. What is there is root's word as much as the files that it came
// from, and no more: who opens it asks of each file whether it is still the same.
package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/compiled"
	"ironwrap/policy/trust"
)

const parent = "/run/ironwrap"

// Dir is where compiled policies are kept, on a tmpfs: it is gone when the machine
// starts again, and no backup, no snapshot and no other machine brings one back.
const Dir = parent + "/compiled"

// ErrNone tells that nothing is kept for a configuration.
var ErrNone = errors.New("no compiled policy is kept")

// Open opens what is kept for the configuration at path. The directory and the file
// must be such that nobody but root can have written them, or put them there. Any error
// means that the files themselves have to be read. road remembers what was passed; nil
// for nothing.
func Open(path string, road *trust.Road) (*Kept, error) {
	if compiled.Build == "" {
		return nil, ErrNone
	}
	d, err := road.Dir(Dir, trust.Ancestors)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	fd, size, err := d.Open(name(path))
	if err != nil {
		return nil, err
	}
	if !isMemory(func(st *unix.Statfs_t) error { return unix.Fstatfs(fd, st) }) {
		unix.Close(fd)
		return nil, ErrNone
	}
	book, err := compiled.Open(file(fd), size)
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &Kept{book, file(fd)}, nil
}

// Kept is an open compiled policy.
type Kept struct {
	*compiled.Book
	fd file
}

// Close releases the file. The Book cannot be used afterwards.
func (k *Kept) Close() { unix.Close(int(k.fd)) }

// file reads what is asked for and nothing else: a mapped file that gets shorter kills
// who reads it.
type file int

func (f file) ReadAt(p []byte, offset int64) (n int, err error) {
	for n < len(p) {
		more, err := unix.Pread(int(f), p[n:], offset+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if more == 0 {
			return n, compiled.ErrDamaged
		}
		n += more
	}
	return n, nil
}

// ErrNotKept tells that a policy is good for one call only. What wraps it says why.
var ErrNotKept = errors.New("not kept")

// ErrTooNew is ErrNotKept where it can be otherwise once trust.Settled has passed.
var ErrTooNew error = tooNew{}

// tooNew is no fmt.Errorf: that costs each call, and few need it.
type tooNew struct{}

func (tooNew) Error() string { return "not kept yet" }
func (tooNew) Unwrap() error { return ErrNotKept }

// Keep keeps data, to which p was compiled, for the calls to come. began is trust.Now
// before the first file was read. The error is ErrNotKept where keeping would be a
// guess, or what hindered it; no call is the worse for either, but slower.
func Keep(p *compiled.Policy, data []byte, began time.Time) error {
	if err := settled(p, began); err != nil {
		return err
	}
	// What is longer would end the process (SIGXFSZ).
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil || limit.Cur < uint64(len(data)) {
		return fmt.Errorf("%w: the caller's limit for files is too small (RLIMIT_FSIZE)", ErrNotKept)
	}
	d, err := dir()
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		return err
	}
	// Each configuration has one. So many are of some that nobody uses any more.
	const many = 256
	own := name(p.Path)
	for _, old := range names {
		// What a writer left that was killed. One that still writes fails to put it in place.
		if len(names) >= many || strings.HasPrefix(old, own+unfinished) {
			_ = unix.Unlink(Dir + "/" + old)
		}
	}
	return write(Path(p.Path), data)
}

// settled returns nil where what was read may be kept.
func settled(p *compiled.Policy, began time.Time) error {
	switch {
	case p.Build == "":
		return fmt.Errorf("%w: this build has no name (-X ironwrap/policy/compiled.Build)", ErrNotKept)
	case p.Passing != "":
		return fmt.Errorf("%w: %s", ErrNotKept, p.Passing)
	}
	dir := ""
	for _, s := range p.Sources {
		path := s.Path
		switch s.Kind {
		case compiled.Dir:
			dir = path
		case compiled.File:
			path = dir + "/" + path
		case compiled.Absent:
			continue
		}
		switch {
		case !s.Identity.Local:
			return fmt.Errorf("%w: %s is on a file system that another machine or process can change, or that is not known", ErrNotKept, filters.Show(path))
		case began.Sub(s.Identity.Changed()) < trust.Settled:
			return fmt.Errorf("%w: %s was changed a moment ago, or later than the clock says", ErrTooNew, filters.Show(path))
		}
	}
	return nil
}

// dir opens Dir, and makes it in a directory in memory.
func dir() (*trust.Directory, error) {
	for _, d := range []struct {
		path string
		mode uint32
	}{{parent, 0o755}, {Dir, 0o700}} {
		if !inMemory(path.Dir(d.path)) {
			continue
		}
		switch err := unix.Mkdir(d.path, d.mode); err {
		case unix.EEXIST:
		case nil: // whatever the umask is that a caller has set
			_ = unix.Chmod(d.path, d.mode)
		default:
			return nil, fmt.Errorf("cannot make %s: %w", d.path, err)
		}
	}
	d, err := trust.Dir(Dir, trust.Ancestors)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no %s: /run is not on a tmpfs", ErrNotKept, Dir)
	case err != nil:
		return nil, err
	case !inMemory(Dir):
		d.Close()
		return nil, fmt.Errorf("%w: %s is not on a tmpfs", ErrNotKept, Dir)
	}
	return d, nil
}

// unfinished stands in the name of a file that is not in its place yet.
const unfinished = ".new-"

// write puts a file in place as a whole.
func write(path string, data []byte) error {
	// Nobody reads what another process is about to write.
	made := path + unfinished + strconv.Itoa(unix.Getpid())
	fd, err := unix.Open(made, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("cannot make %s: %w", filters.Show(made), err)
	}
	defer unix.Close(fd)
	err = unix.Fchmod(fd, 0o600)
	for rest := data; len(rest) > 0 && err == nil; {
		var n int
		if n, err = unix.Write(fd, rest); err == unix.EINTR {
			err = nil
		}
		rest = rest[max(n, 0):]
	}
	if err == nil {
		err = unix.Rename(made, path)
	}
	if err != nil {
		_ = unix.Unlink(made)
		return fmt.Errorf("cannot write %s: %w", filters.Show(path), err)
	}
	return nil
}

// Remove removes what is kept for the configuration at path.
func Remove(path string) error {
	if err := unix.Unlink(Path(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove %s: %w", filters.Show(Path(path)), err)
	}
	return nil
}

// Path is where what is kept for the configuration at path lies.
func Path(path string) string { return Dir + "/" + name(path) }

// name is the file of this build for a configuration: its path, as far as a name can hold
// it. What counts is the path in the file, and the build.
func name(path string) string {
	const most = 160
	plain := make([]byte, 0, most+len(".")+16)
	plain = append(plain, path[:min(len(path), most)]...)
	for i, c := range plain {
		if c == '/' {
			plain[i] = '-'
		}
	}
	return string(strconv.AppendUint(append(plain, '.'), compiled.Hash(compiled.Build+"\x00"+path), 16))
}

func inMemory(path string) bool {
	return isMemory(func(st *unix.Statfs_t) error { return unix.Statfs(path, st) })
}

func isMemory(statfs func(*unix.Statfs_t) error) bool {
	var fs unix.Statfs_t
	for {
		if err := statfs(&fs); err != unix.EINTR {
			return err == nil && fs.Type == unix.TMPFS_MAGIC
		}
	}
}
