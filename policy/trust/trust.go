// Package trust opens files and directories that only root can have written.
//
// Every check is made on an open descriptor, or on an entry of a directory that is held
// open. What is read has been checked on the descriptor that it is read from, whatever
// its name leads to by then. What counts is owner and mode. A POSIX ACL needs no look of
// its own: while a file has one, the group bits of its mode show the ACL's mask (acl(5)),
// so an entry that lets anybody write makes the file look writable by group.
//
// What cannot be seen here: a descriptor that somebody opened for writing before
// the file became root's, whose words root wrote down, and whether a disk or a
// server that root mounted tells the truth.
package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Level says how far up the path ownership is demanded. A Level that is none of
// these counts as Ancestors.
type Level int

const (
	// Object demands it of the object alone, and of each directory that holds a
	// symbolic link followed on the way. Who owns the directory can put another
	// object in its place, but only one that root wrote: good enough where root
	// names the path (sudo) and the directory is a service's, as Debian makes
	// /etc/neutron. It is weaker than it looks where that owner has files of root's
	// with words of their own in them: they can be moved there.
	Object Level = iota + 1

	// Parent demands it of the directory that really holds the object as well:
	// nobody else can put anything in its place.
	Parent

	// Fixed demands that nobody but root can come to decide what the path leads
	// to: every directory passed is root's, and nobody else can write to it, or
	// it is sticky, as /tmp, and what is passed in it is root's. It is for what
	// is looked up by its path again: a program, a directory in PATH.
	Fixed

	// Ancestors demands it of every directory passed, from / down: nobody but
	// root decides what the path leads to (strict_paths, setuid).
	Ancestors
)

// MaxSize is the size in bytes up to which File reads a file.
const MaxSize = 16 << 20

// File returns the contents of the regular file at path, which must be absolute.
//
// All errors of this package are one line that names the path and the object at
// fault. They satisfy errors.Is with fs.ErrNotExist when the object or a
// directory above it is missing, and with fs.ErrPermission when the kernel did
// not let us look (EACCES); an object that is there but that somebody besides
// root can have written satisfies neither.
func File(path string, lvl Level) ([]byte, error) {
	data, _, err := Read(path, lvl)
	return data, err
}

// Read is File, with what the file was before its first byte was read.
func Read(path string, lvl Level) ([]byte, Identity, error) { return (*Road)(nil).Read(path, lvl) }

// ErrNotRegular tells that a path leads to a directory, a FIFO, a socket or a device.
var ErrNotRegular = errors.New("not a regular file")

// ErrNotDirectory is the kernel's error where Dir finds something else.
var ErrNotDirectory error = unix.ENOTDIR

var errReplaced = errors.New("it was replaced by another file while it was being opened: try again")

// ID tells which file Executable found.
type ID struct {
	Path     string // absolute and without symbolic links, as it was while we looked
	Dev, Ino uint64 // as in stat(2): which file it is, whatever path leads to it later
	Mode     uint32 // permission, set-id and sticky bits: 07777 of st_mode
	UID      uint32 // its owner
}

// Executable identifies the program at path (absolute) without opening it: a
// regular file with an execute bit, owned by root or one of owners, not writable
// by group or others. The directory that holds it must be root's whatever owners
// says. A file that execve(2) would refuse, because it is not a regular file or
// has no execute bit, gives an error that satisfies fs.ErrPermission.
func Executable(path string, lvl Level, owners ...uint32) (ID, error) {
	return (*Road)(nil).Executable(path, lvl, owners...)
}

// Stable returns nil when nobody but root decides what path (absolute) leads to:
// every directory and symbolic link on the way is root's and writable by nobody
// else. The object itself may be anybody's, and of any type, but must exist. A
// path into a proc file system is never stable: the process decides.
func Stable(path string) error {
	w, err := (*Road)(nil).find(path, Ancestors, false)
	if err != nil {
		return err
	}
	w.close()
	return nil
}

// Directory is an open directory that only root can have written. Its entries
// are looked up in this very directory, whatever its path leads to by then.
type Directory struct {
	fd       int    // O_PATH
	path     string // as the caller named it
	real     string // the same without symbolic links
	lvl      Level
	identity Identity
	road     *Road // for what its links lead to; nil for none
}

// Dir opens the directory at path, which must be absolute. The caller closes it.
func Dir(path string, lvl Level) (*Directory, error) { return (*Road)(nil).Dir(path, lvl) }

// directory makes the object that the walk has found a Directory.
func (w *walk) directory() (*Directory, error) {
	if err := w.checkObject(nil); err != nil {
		return nil, err
	}
	d := &Directory{fd: w.fd, path: strings.TrimRight(w.path, "/"), real: w.object, lvl: w.lvl, identity: identity(&w.st, w.local)}
	if w.fixed() {
		d.road = w.road
	}
	w.fd = -1
	return d, nil
}

// Close releases the descriptor. The Directory cannot be used afterwards.
func (d *Directory) Close() {
	unix.Close(d.fd)
	d.fd = -1
}

// Names returns the names of the entries, sorted byte by byte, without "." and
// "..". They are bytes as the file system has them.
func (d *Directory) Names() ([]string, error) {
	fd, err := openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", show(d.path), err)
	}
	defer unix.Close(fd)
	var names []string
	buf := make([]byte, 16<<10)
	for {
		n, err := retry(func() (int, error) { return unix.ReadDirent(fd, buf) })
		if err != nil {
			return nil, fmt.Errorf("cannot list %s: %w", show(d.path), err)
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// File is like the function File for the entry of that name, with the level the
// directory was opened with.
func (d *Directory) File(name string) ([]byte, error) {
	data, _, err := d.Read(name)
	return data, err
}

// Read is like the function Read for the entry of that name, with the level the
// directory was opened with.
func (d *Directory) Read(name string) ([]byte, Identity, error) {
	w, err := d.find(name)
	if err != nil {
		return nil, Identity{}, err
	}
	defer w.close()
	return w.read()
}

// Executable is like the function Executable for the entry of that name, with
// the level the directory was opened with.
func (d *Directory) Executable(name string, owners ...uint32) (ID, error) {
	w, err := d.find(name)
	if err != nil {
		return ID{}, err
	}
	defer w.close()
	return w.executable(owners)
}

// read returns the contents of the object that the walk has found, and what it was
// before.
func (w *walk) read() ([]byte, Identity, error) {
	if err := w.readable(); err != nil {
		return nil, Identity{}, err
	}

	if _, err := w.open("open"); err != nil {
		return nil, Identity{}, err
	}
	if err := w.readable(); err != nil {
		return nil, Identity{}, err
	}
	if err := w.checkObject(nil); err != nil {
		return nil, Identity{}, err
	}

	data, err := readAll(w.fd, w.st.Size, w.local)
	if err != nil {
		return nil, Identity{}, w.cannot("read", w.object, err)
	}
	if len(data) > MaxSize {
		return nil, Identity{}, w.tooLarge()
	}
	return data, identity(&w.st, w.local), nil
}

// open opens the object for reading; do says why, for a message. What is known of it
// afterwards is of what was opened, and must be checked. A file that cannot be opened is
// not held.
func (w *walk) open(do string) (held bool, err error) {
	// An O_PATH descriptor cannot be read, and there is no way from it to one that
	// can without /proc. So the name is opened in the same directory, in a way
	// that waits for nothing (a FIFO's writer, a lease), and must still be the same
	// file.
	fd, err := openat(w.dir, w.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return false, w.cannot(do, w.object, err)
	}
	if w.fd >= 0 {
		unix.Close(w.fd)
	}
	w.fd = fd
	found := w.st
	if err := fstat(fd, &w.st); err != nil {
		return true, w.cannot(do, w.object, err)
	}
	if w.st.Dev != found.Dev || w.st.Ino != found.Ino {
		return true, w.distrust("%w", errReplaced)
	}
	return true, nil
}

// readable returns nil when the object that the walk has found is a file that may be
// read, should it be root's.
func (w *walk) readable() error {
	if !isType(&w.st, unix.S_IFREG) {
		return fmt.Errorf("cannot read %s: %s %s, %w", show(w.path), w.its("is"), kind(&w.st), ErrNotRegular)
	}
	// A file with another name may have been linked here by the directory's owner
	// (fs.protected_hardlinks keeps others from it, where it is set).
	if w.lvl == Object && w.st.Nlink > 1 {
		return w.checkDir(true)
	}
	return nil
}

func (w *walk) tooLarge() error {
	return fmt.Errorf("cannot read %s: %s larger than %d MiB", show(w.path), w.its("is"), MaxSize>>20)
}

// readAll reads to the end, or until it has more than MaxSize bytes. It expects
// size of them, but a file can grow, and some of sysfs never tell. On a local disk less
// than was asked for is the end.
func readAll(fd int, size int64, local bool) ([]byte, error) {
	data := make([]byte, 0, min(size, MaxSize)+1) // one more, to meet the end without growing
	for len(data) <= MaxSize {
		n, err := retry(func() (int, error) { return unix.Read(fd, data[len(data):cap(data)]) })
		if err != nil {
			return nil, err
		}
		data = data[:len(data)+n]
		if n == 0 || local && int64(len(data)) == size && len(data) < cap(data) {
			break
		}
		data = slices.Grow(data, 1)
	}
	return data, nil
}

// executable identifies the object that the walk has found.
func (w *walk) executable(owners []uint32) (ID, error) {
	if !isType(&w.st, unix.S_IFREG) {
		return ID{}, fmt.Errorf("cannot execute %s: %w: %s %s, not a regular file", show(w.path), unix.EACCES, w.its("is"), kind(&w.st))
	}
	if err := w.checkObject(owners); err != nil {
		return ID{}, err
	}
	mode := w.st.Mode & 0o7777
	if mode&0o111 == 0 {
		return ID{}, fmt.Errorf("cannot execute %s: %w: %s not executable (mode %04o): if it is a program, run \"chmod a+x %s\"",
			show(w.path), unix.EACCES, w.its("is"), mode, shell(w.object))
	}
	return w.id(), nil
}

func (w *walk) id() ID {
	return ID{Path: w.object, Dev: uint64(w.st.Dev), Ino: w.st.Ino, Mode: w.st.Mode & 0o7777, UID: w.st.Uid}
}

// find looks up one entry of the directory.
func (d *Directory) find(name string) (w walk, err error) {
	path := d.path + "/" + name
	if !isEntry(name) {
		return w, fmt.Errorf("cannot open %s: its last part is not the name of a directory entry", show(path))
	}
	w = d.road.walk(path, d.lvl)
	w.dir, w.kept, w.at, w.dev, w.local = d.fd, true, d.real, d.identity.Dev, d.identity.Local
	err = w.run([]string{name}, false)
	return w, err
}

// isEntry tells whether name can be that of a directory entry.
func isEntry(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}
