package trust

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead through, as in the
// kernel (MAXSYMLINKS).
const maxLinks = 40

// A walk goes down one path, component by component, holding open the directory
// it has reached. The kernel is never asked to look up more than one name at a
// time nor to follow a symbolic link, so what is checked is what is passed.
type walk struct {
	path string // as the caller named it; only for messages
	lvl  Level
	lead bool // what is followed must be root's, and nothing else (Lead); lvl is Object

	start   int    // descriptor that is the caller's to close, or -1
	dir     int    // directory reached, O_PATH
	at      string // its path without symbolic links
	checked bool   // dir has passed checkDir
	sticky  bool   // dir may be writable by all, if it is sticky
	links   int    // symbolic links followed
	dev     uint64 // device that has passed checkDevice last; 0 is none
	local   bool   // Identity.Local of what is on it

	// The object, once run has found it in dir.
	name   string
	object string // its path without symbolic links
	fd     int    // O_PATH
	st     unix.Stat_t
}

// run walks the components from w.dir and leaves the object in w. Directories
// on the way are checked before anything is looked up in them.
func (w *walk) run(todo []string, wantDir bool) (*walk, error) {
	for {
		last := len(todo) == 1
		done, target, err := w.step(todo[0], last, wantDir)
		if err != nil {
			w.close()
			return nil, err
		}
		if done {
			return w, nil
		}
		if todo = todo[1:]; target != "" {
			todo = append(components(target), todo...)
		}
	}
}

// step looks up one component. It goes down into a directory, returns the
// target of a symbolic link, or is done when last is the object.
func (w *walk) step(name string, last, wantDir bool) (done bool, target string, err error) {
	if w.lvl != Object && w.lvl != Parent || w.lvl == Parent && last {
		w.sticky = w.lvl == Fixed && (!last || wantDir)
		if err := w.checkDir(last); err != nil {
			return false, "", err
		}
	}

	// O_DIRECTORY saves an fstat and lets the kernel mount what is to be
	// automounted. A symbolic link then gives ENOTDIR.
	flags, here := unix.O_PATH|unix.O_NOFOLLOW, join(w.at, name)
	if !last || wantDir {
		flags |= unix.O_DIRECTORY
	}
	fd, err := openat(w.dir, name, flags)
	notDir := err == unix.ENOTDIR && flags&unix.O_DIRECTORY != 0
	if notDir {
		fd, err = openat(w.dir, name, unix.O_PATH|unix.O_NOFOLLOW)
	}
	if err != nil {
		return false, "", w.cannot("open", here, err)
	}
	if !last && !notDir {
		w.enter(fd, here)
		return false, "", nil
	}

	if err := fstat(fd, &w.st); err != nil {
		unix.Close(fd)
		return false, "", w.cannot("open", here, err)
	}
	switch {
	case isType(&w.st, unix.S_IFLNK):
		target, err = w.readlink(fd, here)
		unix.Close(fd)
		return false, target, err
	case notDir:
		unix.Close(fd)
		return false, "", w.cannot("open", here, unix.ENOTDIR)
	}
	w.name, w.object, w.fd = name, here, fd

	// What ".", ".." and "/" lead to is not held by the directory walked through.
	if name == "." || name == ".." {
		up, err := openat(fd, "..", unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return false, "", w.cannot("open", path.Dir(here), err)
		}
		w.enter(up, path.Dir(here))
		if w.lvl == Object {
			return true, "", nil
		}
		if err := w.checkDir(true); err != nil {
			return false, "", err
		}
	}
	return true, "", nil
}

// readlink returns the target of the symbolic link fd, which is in w.dir, and
// goes back to / if that is where the target begins.
func (w *walk) readlink(fd int, here string) (target string, err error) {
	// Who can write to the directory can put there any link, even one of root's
	// (hard links; rename).
	if w.lead {
		if err := w.redirected(here); err != nil {
			return "", err
		}
	} else if err := w.checkDir(false); err != nil {
		return "", err
	} else if w.st.Uid != 0 {
		return "", w.distrust("symbolic link %s is owned by uid %d, not root: look where it leads, then run \"chown -h root %s\"",
			show(here), w.st.Uid, shell(here))
	}
	if w.links++; w.links > maxLinks {
		return "", w.cannot("open", here, unix.ELOOP)
	}
	buf := make([]byte, unix.PathMax)
	n, err := retry(func() (int, error) { return unix.Readlinkat(fd, "", buf) })
	switch {
	case err != nil:
		return "", w.cannot("open", here, err)
	case n == 0:
		return "", w.cannot("open", here, unix.ENOENT)
	case n == len(buf):
		return "", w.cannot("open", here, unix.ENAMETOOLONG)
	}
	if target = string(buf[:n]); target[0] == '/' {
		return target, w.fromRoot()
	}
	return target, nil
}

// fromRoot puts the walk at the root directory.
func (w *walk) fromRoot() error {
	fd, err := openat(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return w.cannot("open", "/", err)
	}
	w.enter(fd, "/")
	return nil
}

// enter makes fd the directory reached.
func (w *walk) enter(fd int, at string) {
	w.leave()
	w.dir, w.at, w.checked = fd, at, false
}

func (w *walk) leave() {
	if w.dir >= 0 && w.dir != w.start {
		unix.Close(w.dir)
	}
	w.dir = -1
}

func (w *walk) close() {
	w.leave()
	if w.fd >= 0 {
		unix.Close(w.fd)
		w.fd = -1
	}
}

// components splits a path. A slash at the end means ".", as for the kernel:
// what stands before it must be a directory, or lead to one.
func components(p string) []string {
	var parts []string
	for part := range strings.SplitSeq(p, "/") {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if strings.HasSuffix(p, "/") {
		parts = append(parts, ".")
	}
	return parts
}

// join is the path of name in dir, for a dir without symbolic links.
func join(dir, name string) string {
	switch {
	case name == ".":
		return dir
	case name == "..":
		return path.Dir(dir)
	case dir == "/":
		return "/" + name
	}
	return dir + "/" + name
}

// The system calls, repeated when a signal interrupts them (signal(7)).

func openat(dir int, name string, flags int) (int, error) {
	return retry(func() (int, error) { return unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0) })
}

func fstat(fd int, st *unix.Stat_t) error {
	_, err := retry(func() (int, error) { return 0, unix.Fstat(fd, st) })
	return err
}

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}
