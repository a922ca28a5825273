package trust

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Program is a file that was checked as by Executable, open for reading: what is
// read is the file that was checked.
type Program struct {
	ID
	fd     int
	unread error // why it cannot be read; execve(2) may run it all the same (mode 0711)
}

// Open is Executable with the file held open, until Close. A file that may be
// executed but not read is no error: ReadAt has the error then.
func Open(path string, lvl Level, owners ...uint32) (Program, error) {
	return (*Road)(nil).Open(path, lvl, owners...)
}

// program opens the object that the walk has found.
func (w *walk) program(owners []uint32) (Program, error) {
	id, err := w.executable(owners)
	if err != nil {
		return Program{}, err
	}
	held, err := w.open("read")
	if !held {
		return Program{ID: id, fd: -1, unread: err}, nil
	}
	if err == nil {
		id, err = w.executable(owners)
	}
	if err != nil {
		return Program{}, err
	}
	p := Program{ID: id, fd: w.fd}
	w.fd = -1
	return p, nil
}

// Close releases the descriptor.
func (p *Program) Close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
	p.fd = -1
}

// ReadAt fills b from offset, as far as the file goes, and returns how many bytes
// that were: fewer than len(b) is no error.
func (p *Program) ReadAt(b []byte, offset int64) (n int, err error) {
	if p.unread != nil {
		return 0, p.unread
	}
	for n < len(b) {
		more, err := retry(func() (int, error) { return unix.Pread(p.fd, b[n:], offset+int64(n)) })
		if err != nil {
			return n, fmt.Errorf("cannot read %s: %w", show(p.Path), err)
		}
		if more == 0 {
			break
		}
		n += more
	}
	return n, nil
}

// Regular identifies the regular file that path (absolute) leads to, if only root or
// one of owners can have written it. It need not be executable, as a library.
func Regular(path string, lvl Level, owners ...uint32) (ID, error) {
	return (*Road)(nil).Regular(path, lvl, owners...)
}

// Any identifies whatever path (absolute) leads to, if only root or one of owners can
// write to it: for a directory, if only root can.
func Any(path string, lvl Level, owners ...uint32) (ID, error) {
	return (*Road)(nil).Any(path, lvl, owners...)
}

func (w *walk) any(owners []uint32) (ID, error) {
	switch {
	case isType(&w.st, unix.S_IFDIR):
		owners = nil
	case isType(&w.st, unix.S_IFCHR) && w.st.Uid == 0: // /dev/null
		return w.id(), nil
	}
	if err := w.checkObject(owners); err != nil {
		return ID{}, err
	}
	return w.id(), nil
}

// Regular is like the function Regular for the entry of that name, with the level the
// directory was opened with.
func (d *Directory) Regular(name string, owners ...uint32) (ID, error) {
	w, err := d.find(name)
	if err != nil {
		return ID{}, err
	}
	defer w.close()
	return w.regular(owners)
}

func (w *walk) regular(owners []uint32) (ID, error) {
	if !isType(&w.st, unix.S_IFREG) {
		return ID{}, fmt.Errorf("cannot use %s: %s %s, not a regular file", show(w.path), w.its("is"), kind(&w.st))
	}
	if err := w.checkObject(owners); err != nil {
		return ID{}, err
	}
	return w.id(), nil
}

// Absent tells that there is nothing at path (absolute), and that nobody but root can
// come to put something there.
func Absent(path string) bool { return (*Road)(nil).Absent(path) }

// Absent tells that the entry of that name is missing, or a symbolic link that leads
// nowhere, and that nobody but root can come to put something there.
func (d *Directory) Absent(name string) bool {
	strict := *d
	strict.lvl = Ancestors
	w, err := strict.find(name)
	if err == nil {
		w.close()
	}
	return gone(err)
}

func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR)
}
