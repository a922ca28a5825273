package trust

import (
	"errors"
	"fmt"
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
	road *Road

	dir     int     // directory reached, O_PATH
	kept    bool    // dir is the caller's or the road's to close
	past    *passed // what the road has of dir, where it has been there before
	at      string  // its path without symbolic links
	checked bool    // dir has passed checkDir
	sticky  bool    // dir may be writable by all, if it is sticky
	links   int     // symbolic links followed
	dev     uint64  // device that has passed checkDevice last; 0 is none
	local   bool    // Identity.Local of what is on it

	// The object, once run has found it in dir.
	name   string
	object string // its path without symbolic links
	fd     int    // O_PATH
	st     unix.Stat_t
}

// walk begins at no directory yet.
func (r *Road) walk(path string, lvl Level) walk {
	return walk{road: r, path: path, lvl: lvl, dir: -1, fd: -1}
}

// find walks to the object at path; with wantDir it must be a directory.
func (r *Road) find(path string, lvl Level, wantDir bool) (w walk, err error) {
	w = r.walk(path, lvl)
	err = w.find(wantDir)
	return w, err
}

func (w *walk) find(wantDir bool) error {
	if err := w.possible(); err != nil {
		return err
	}
	if name, ok := w.atOnce(); ok {
		return w.run([]string{name}, wantDir)
	}
	if err := w.fromRoot(); err != nil {
		return err
	}
	return w.run(components(w.path), wantDir)
}

// possible returns an error for what is no path to walk.
func (w *walk) possible() error {
	path := w.path
	switch {
	case path == "":
		return errors.New("cannot open a file without a name: give its absolute path")
	case strings.Contains(path, "\x00"):
		return fmt.Errorf("cannot open %s: a path cannot hold a NUL byte", show(path))
	case path[0] != '/':
		return fmt.Errorf("cannot open %s: not an absolute path: begin it with /", show(path))
	case len(path) >= unix.PathMax:
		return fmt.Errorf("cannot open %s: %w", show(path), unix.ENAMETOOLONG)
	}
	return nil
}

// atOnce enters the directory that holds the object where no other on the way needs a
// look: nothing is asked of those but where a link is followed, and here the kernel
// follows none. Whatever it does not like, a walk finds the words for.
func (w *walk) atOnce() (name string, ok bool) {
	if w.fixed() {
		return "", false
	}
	end := strings.LastIndexByte(w.path, '/')
	dir, name := w.path[:max(end, 1)], w.path[end+1:]
	if !isEntry(name) {
		return "", false
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := retry(func() (int, error) { return unix.Openat2(unix.AT_FDCWD, dir, &how) })
	if err != nil {
		return "", false
	}
	w.enter(fd, path.Clean(dir))
	return name, true
}

// enters makes the directory at path the one that is reached, and checks it as Dir does.
func (w *walk) enters() error {
	if err := w.possible(); err != nil {
		return err
	}
	if err := w.fromRoot(); err != nil {
		return err
	}
	if err := w.pass(components(w.path)); err != nil {
		return err
	}
	w.sticky = false
	if err := w.checkDir(true); err != nil {
		w.close()
		return err
	}
	return nil
}

// fixed tells that every directory on the way must be root's.
func (w *walk) fixed() bool { return w.lvl != Object && w.lvl != Parent }

// run walks the components from w.dir and leaves the object in w. Directories
// on the way are checked before anything is looked up in them.
func (w *walk) run(todo []string, wantDir bool) error {
	for {
		last := len(todo) == 1
		done, target, err := w.step(todo[0], last, wantDir)
		if err != nil {
			w.close()
			return err
		}
		if done {
			return nil
		}
		if todo = todo[1:]; target != "" {
			todo = append(components(target), todo...)
		}
	}
}

// pass walks through the components: all of them are directories, or lead to some.
func (w *walk) pass(todo []string) error {
	for len(todo) > 0 {
		_, target, err := w.step(todo[0], false, true)
		if err != nil {
			w.close()
			return err
		}
		if todo = todo[1:]; target != "" {
			todo = append(components(target), todo...)
		}
	}
	return nil
}

// step looks up one component. It goes down into a directory, returns the
// target of a symbolic link, or is done when last is the object.
func (w *walk) step(name string, last, wantDir bool) (done bool, target string, err error) {
	if w.fixed() || w.lvl == Parent && last {
		w.sticky = w.lvl == Fixed && (!last || wantDir)
		if err := w.checkDir(last); err != nil {
			return false, "", err
		}
	}

	if p := w.before(name); p != nil && p.target != "" {
		target, err = w.follow(p.target, p.path)
		return false, target, err
	} else if p != nil && !last {
		w.enterPassed(p)
		return false, "", nil
	}
	here := join(w.at, name)
	if last && !wantDir {
		switch found, err := w.file(name); {
		case err != nil:
			return false, "", w.cannot("open", here, err)
		case found:
			w.name, w.object = name, here
			return true, "", nil
		}
	}

	// O_DIRECTORY saves an fstat and lets the kernel mount what is to be
	// automounted. A symbolic link then gives ENOTDIR.
	flags := unix.O_PATH | unix.O_NOFOLLOW
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

// before returns what was passed before under this name in the directory reached, or nil.
func (w *walk) before(name string) *passed {
	switch {
	case !w.fixed():
		return nil
	case name == "." || name == "..":
		return w.road.at(path.Split(join(w.at, name)))
	}
	return w.road.at(w.at, name)
}

// file looks at the object by a single call where that says all: a regular file of
// root's that nobody else can write to, on a file system that has passed checkDevice.
// It is not held then: what is read of it later is checked again.
func (w *walk) file(name string) (found bool, err error) {
	if w.dev == 0 || w.lead {
		return false, nil
	}
	_, err = retry(func() (int, error) { return 0, unix.Fstatat(w.dir, name, &w.st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return false, err
	}
	return isType(&w.st, unix.S_IFREG) && w.st.Uid == 0 && w.st.Mode&0o022 == 0 && w.st.Dev == w.dev, nil
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
	var buf [linkSize]byte
	long := buf[:]
	n, err := retry(func() (int, error) { return unix.Readlinkat(fd, "", long) })
	if err == nil && n == len(long) {
		long = make([]byte, unix.PathMax)
		n, err = retry(func() (int, error) { return unix.Readlinkat(fd, "", long) })
	}
	switch {
	case err != nil:
		return "", w.cannot("open", here, err)
	case n == 0:
		return "", w.cannot("open", here, unix.ENOENT)
	case n == unix.PathMax:
		return "", w.cannot("open", here, unix.ENAMETOOLONG)
	}
	target = string(long[:n])
	if w.fixed() {
		w.road.keep(passed{path: here, target: target})
	}
	return w.follow(target, here)
}

// linkSize is the size in bytes of what most links say. A buffer for any of them
// (PATH_MAX) would make the stack grow.
const linkSize = 256

// follow returns the target of a link, and goes back to / if that is where it begins.
func (w *walk) follow(target, here string) (string, error) {
	if w.links++; w.links > maxLinks {
		return "", w.cannot("open", here, unix.ELOOP)
	}
	if target[0] == '/' {
		return target, w.fromRoot()
	}
	return target, nil
}

// fromRoot puts the walk at the root directory.
func (w *walk) fromRoot() error {
	if p := w.road.at("/", ""); p != nil && w.fixed() {
		w.enterPassed(p)
		return nil
	}
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
	w.dir, w.at, w.checked, w.kept, w.past = fd, at, false, false, nil
}

// enterPassed makes a directory that the road holds the one reached.
func (w *walk) enterPassed(p *passed) {
	w.enter(p.fd, p.path)
	w.kept, w.past = true, p
}

func (w *walk) leave() {
	if w.dir >= 0 && !w.kept {
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
	parts := make([]string, 0, strings.Count(p, "/")+1)
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
