package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrRedirected tells that a path leads through a symbolic link that somebody
// besides root put there, or could put another in the place of.
var ErrRedirected = errors.New("somebody besides root decides where it leads")

// Place is what a path leads to, held open.
type Place struct {
	FD   int    // O_PATH; the holder closes it
	Path string // absolute and without symbolic links, as it was while we looked
	Stat unix.Stat_t
}

// Lead opens what path (absolute) leads to, following no symbolic link but root's
// in directories that nobody else can write to or move: what somebody else put
// there does not decide. Another link is an error that satisfies errors.Is with
// ErrRedirected. Real directories, and the object itself, may be anybody's and of
// any type. It is for a path that root wrote down and the command is held to, such
// as the base of a PathFilter or a rule of a sandbox.
func Lead(path string) (Place, error) {
	w, err := findLead(path)
	if err != nil {
		return Place{}, err
	}
	defer w.close()
	p := Place{FD: w.fd, Path: w.object, Stat: w.st}
	w.fd = -1
	return p, nil
}

func findLead(path string) (w walk, err error) {
	w = (*Road)(nil).walk(path, Object)
	w.lead = true
	err = w.find(false)
	return w, err
}

// Canonical returns where path (absolute) leads to by the rules of Lead: absolute,
// and without symbolic links and dots. Components at its end may be missing, as
// for a directory that is to be made. The answer is root's words alone: others
// decide no more than whether there is one.
func Canonical(p string) (string, error) {
	// Most paths have neither links nor dots, which the kernel tells at once.
	if path.IsAbs(p) && !slices.Contains(strings.Split(p, "/"), "..") {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
		fd, err := retry(func() (int, error) { return unix.Openat2(unix.AT_FDCWD, p, &how) })
		if err == nil {
			unix.Close(fd)
			return path.Clean(p), nil
		}
	}
	w, err := findLead(p)
	if err == nil {
		defer w.close()
		return w.object, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	dir, last := path.Split(strings.TrimRight(p, "/"))
	switch {
	case last == "..":
		return "", fmt.Errorf("cannot follow %s: it leads back out of a directory that does not exist", show(p))
	case dir == "":
		return "", err
	}
	parent, parentErr := Canonical(dir)
	if parentErr != nil || last == "." {
		return parent, parentErr
	}
	full := join(parent, last)
	var st unix.Stat_t
	if _, err := retry(func() (int, error) { return 0, unix.Lstat(full, &st) }); err == nil {
		return "", fmt.Errorf("cannot follow %s: it ends in a symbolic link that leads nowhere, or has changed", show(p))
	} else if err != unix.ENOENT {
		return "", fmt.Errorf("cannot follow %s: %w", show(p), err)
	}
	return full, nil
}

// redirected returns nil when the symbolic link w.st in the directory reached is
// root's, and nobody else can put another in its place, or in that of the directory.
// The error says who can.
func (w *walk) redirected(here string) error {
	why := func(format string, args ...any) error {
		return fmt.Errorf("cannot follow %s: %w: symbolic link %s %s: name the directory or file that is meant, not a link to it",
			show(w.path), ErrRedirected, show(here), fmt.Sprintf(format, args...))
	}
	if w.st.Uid != 0 {
		return why("is owned by uid %d, not root", w.st.Uid)
	}
	if w.checked {
		return nil
	}
	var dir unix.Stat_t
	if err := fstat(w.dir, &dir); err != nil {
		return w.cannot("open", w.at, err)
	}
	if dir.Uid != 0 {
		return why("lies in %s, which is owned by uid %d, not root", show(w.at), dir.Uid)
	}
	if dir.Mode&0o022 != 0 {
		return why("lies in %s, which is writable by %s (mode %04o)", show(w.at), writers(dir.Mode), dir.Mode&0o7777)
	}
	system, err := w.untrustedSystem(w.dir, &dir)
	switch {
	case err != nil:
		return err
	case system != "":
		return why("lies in %s, which is in a %s file system", show(w.at), system)
	}
	above, st, err := movable(w.dir, w.at)
	switch {
	case err != nil:
		return w.cannot("open", above, err)
	case above != "" && st.Uid != 0:
		return why("lies below %s, where uid %d can put another directory in the place of that of the link", show(above), st.Uid)
	case above != "":
		return why("lies below %s, where %s can put another directory in the place of that of the link (mode %04o)", show(above), writers(st.Mode), st.Mode&0o7777)
	}
	w.checked = true
	return nil
}

// movable returns the nearest directory above dir (its path is at) in which somebody
// besides root can rename the way to dir: a directory of root's that is moved takes its
// links along. "" is none. In a sticky one of root's nobody moves what is root's, nor
// is anything else there.
func movable(dir int, at string) (above string, st unix.Stat_t, err error) {
	below := dir
	defer func() {
		if below != dir {
			unix.Close(below)
		}
	}()
	var child unix.Stat_t
	if err := fstat(dir, &child); err != nil {
		return at, st, err
	}
	for {
		up, err := openat(below, "..", unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return at, st, err
		}
		if below != dir {
			unix.Close(below)
		}
		below, at = up, path.Dir(at)
		if err := fstat(up, &st); err != nil {
			return at, st, err
		}
		switch {
		case st.Dev == child.Dev && st.Ino == child.Ino: // the root directory
			return "", st, nil
		case st.Uid != 0 || st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0:
			return at, st, nil
		}
		child = st
	}
}
