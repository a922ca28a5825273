package trust

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkDir returns nil when only root can put anything in the directory that
// the walk has reached. The sticky bit does not help: it protects what is there,
// not the names that are free.
func (w *walk) checkDir(holds bool) error {
	if w.checked {
		return nil
	}
	var st unix.Stat_t
	if p := w.past; p != nil {
		st.Mode, st.Dev, w.dev, w.local = p.mode, p.dev, p.dev, p.local
	} else if err := fstat(w.dir, &st); err != nil {
		return w.cannot("open", w.at, err)
	}
	mode := st.Mode
	if w.sticky && st.Uid == 0 && st.Mode&unix.S_ISVTX != 0 {
		st.Mode &^= 0o022
	}
	what := func() string {
		if holds {
			return "its directory " + show(w.at)
		}
		return "directory " + show(w.at)
	}
	if err := w.check(what, w.at, w.dir, &st, nil, holds); err != nil {
		return err
	}
	w.checked = true
	if !w.kept && w.fixed() {
		w.kept = w.road.keep(passed{path: w.at, fd: w.dir, mode: mode, dev: st.Dev, local: w.local})
	}
	return nil
}

// checkObject returns nil when only root, or one of owners, can have written
// the object.
func (w *walk) checkObject(owners []uint32) error {
	return w.check(func() string { return w.its("") }, w.object, w.fd, &w.st, owners, true)
}

// check looks at owner and mode of the object fd, at the path where. near tells that
// it is what was asked for, or the directory that holds that. what names it in a message.
func (w *walk) check(what func() string, where string, fd int, st *unix.Stat_t, owners []uint32, near bool) error {
	if st.Uid != 0 && !slices.Contains(owners, st.Uid) {
		return w.distrust("%s is owned by uid %d, not root%s: %s", what(), st.Uid, orOneOf(owners), ownerAdvice(where, fd, st))
	}
	if st.Mode&0o022 != 0 {
		return w.distrust("%s is writable by %s (mode %04o): %s", what(), writers(st.Mode), st.Mode&0o7777, modeAdvice(where, fd, st, near))
	}
	return w.checkDevice(what, fd, st)
}

// What to do can be done there, and harms nobody: a directory of somebody's may be a
// home, or hold more than what is looked at.
const elsewhere = "use a directory that only root can write to"

func ownerAdvice(where string, fd int, st *unix.Stat_t) string {
	switch {
	case isType(st, unix.S_IFDIR):
		return elsewhere
	case readOnly(fd):
		return "it is mounted read-only: let it be root's where it comes from"
	}
	return fmt.Sprintf("look at what is in it, then run \"chown root %s\"", shell(where))
}

func modeAdvice(where string, fd int, st *unix.Stat_t, near bool) string {
	dir := isType(st, unix.S_IFDIR)
	switch {
	case readOnly(fd) && dir:
		return "it is mounted read-only: mount each file in it by itself (Kubernetes: subPath), or put them into the image"
	case readOnly(fd):
		return "it is mounted read-only: set the mode where it comes from (Kubernetes: defaultMode: 0444)"
	case dir && (!near || st.Mode&unix.S_ISVTX != 0): // such as /tmp: it is meant to be so
		return elsewhere
	}
	return fmt.Sprintf("run \"chmod go-w %s\"", shell(where))
}

// readOnly tells that nothing can be changed where fd is mounted.
func readOnly(fd int) bool {
	var fs unix.Statfs_t
	_, err := retry(func() (int, error) { return 0, unix.Fstatfs(fd, &fs) })
	return err == nil && fs.Flags&unix.ST_RDONLY != 0
}

// writers says who besides the owner may write by a mode that lets somebody.
func writers(mode uint32) string {
	switch mode & 0o022 {
	case 0o020:
		return "group"
	case 0o002:
		return "others"
	}
	return "group and others"
}

// checkDevice returns nil unless the object is on a file system whose owners
// and modes say nothing about who wrote a file.
func (w *walk) checkDevice(what func() string, fd int, st *unix.Stat_t) error {
	switch system, err := w.untrustedSystem(fd, st); {
	case err != nil:
		return err
	case system == procSystem:
		return w.distrust("%s is in a proc file system, where other processes decide what is read: name a file on disk", what())
	case system == fuseSystem:
		return w.distrust("%s is in a FUSE file system, whose owner decides what is read: copy it to a file system of root's", what())
	}
	return nil
}

const (
	procSystem = "proc"
	fuseSystem = "FUSE"
)

// untrustedSystem names the file system of fd where its owners and modes say
// nothing about who wrote a file; "" for any other.
func (w *walk) untrustedSystem(fd int, st *unix.Stat_t) (string, error) {
	dev := uint64(st.Dev)
	if dev == w.dev {
		return "", nil
	}
	var sfs unix.Statfs_t
	if _, err := retry(func() (int, error) { return 0, unix.Fstatfs(fd, &sfs) }); err != nil {
		return "", w.cannot("open", w.path, err)
	}
	switch sfs.Type {
	case unix.PROC_SUPER_MAGIC:
		// /proc/PID/environ of a root process is root's, its words are not; the links
		// in /proc/PID lead to whatever that process holds.
		return procSystem, nil
	case unix.FUSE_SUPER_MAGIC:
		// The program that serves a FUSE file system says who owns what in it, and any
		// user may mount one over a directory of his own, a service over its /etc/NAME
		// (fusermount3(1); root looks into it where user_allow_other is set). Not so
		// over /, which is FUSE in rootless containers.
		var root unix.Stat_t
		if _, err := retry(func() (int, error) { return 0, unix.Lstat("/", &root) }); err != nil {
			return "", w.cannot("open", "/", err)
		}
		if uint64(root.Dev) != dev {
			return fuseSystem, nil
		}
	}
	w.dev, w.local = dev, local(int64(sfs.Type))
	return "", nil
}

func isType(st *unix.Stat_t, format uint32) bool { return st.Mode&unix.S_IFMT == format }

// kind names the type of an object that is not a regular file (inode(7)).
func kind(st *unix.Stat_t) string {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	}
	return "no file"
}

// distrust is the error for an object that somebody besides root has in hand.
func (w *walk) distrust(format string, args ...any) error {
	return fmt.Errorf("cannot trust %s: %w", show(w.path), untrusted{fmt.Errorf(format, args...)})
}

// ErrUntrusted tells that somebody besides root has an object in hand. Its text says
// whom and what.
var ErrUntrusted = errors.New("somebody besides root decides about it")

type untrusted struct{ error }

func (untrusted) Is(target error) bool { return target == ErrUntrusted }
func (u untrusted) Unwrap() error      { return u.error }

// cannot is the error for a system call on the object at where. It wraps err.
func (w *walk) cannot(do, where string, err error) error {
	hint := ""
	switch {
	case err != unix.EACCES:
	case unix.Geteuid() != 0:
		hint = ": run this as root"
	case w.onNFS():
		hint = ": its NFS server makes root a stranger (root_squash): let others read it, or keep it on a disk of this machine"
	}
	return &failure{do: do, path: w.path, where: where, hint: hint, err: err}
}

// failure is written down when somebody reads it: that a program is missing in a
// directory of exec_dirs nobody does.
type failure struct {
	do, path, where, hint string
	err                   error
}

func (f *failure) Error() string {
	if f.where == path.Clean(f.path) {
		return fmt.Sprintf("cannot %s %s: %v%s", f.do, show(f.path), f.err, f.hint)
	}
	return fmt.Sprintf("cannot %s %s: %s: %v%s", f.do, show(f.path), show(f.where), f.err, f.hint)
}

func (f *failure) Unwrap() error { return f.err }

// onNFS tells whether the directory reached is on an NFS mount.
func (w *walk) onNFS() bool {
	var fs unix.Statfs_t
	_, err := retry(func() (int, error) { return 0, unix.Fstatfs(w.dir, &fs) })
	return err == nil && fs.Type == unix.NFS_SUPER_MAGIC
}

// its begins a clause about the object, and names it if symbolic links led there.
func (w *walk) its(verb string) string {
	subject := "it"
	if w.object != path.Clean(w.path) {
		subject = "it leads to " + show(w.object) + ", which"
	}
	return strings.TrimRight(subject+" "+verb, " ")
}

func orOneOf(owners []uint32) string {
	var s strings.Builder
	for _, uid := range owners {
		if uid != 0 {
			fmt.Fprintf(&s, " or uid %d", uid)
		}
	}
	return s.String()
}

// show makes a path fit for a message: as it is if every character of it can be
// printed, else quoted. A path that is too long for the kernel is cut.
func show(p string) string {
	end := ""
	if len(p) >= unix.PathMax {
		p, end = p[:64], "..."
	}
	if q := strconv.Quote(p); q[1:len(q)-1] != p {
		return q + end
	}
	return p + end
}

// shell makes a path fit for a command line: as it is if no character of it
// means anything to a shell, else quoted, with $'...' (bash, ksh, zsh) if need be.
func shell(p string) string {
	odd := func(r rune) bool {
		return !strings.ContainsRune("/._-+@%:,=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", r)
	}
	if strings.IndexFunc(p, odd) < 0 {
		return p
	}
	if q := strconv.Quote(p); q[1:len(q)-1] != p {
		return "$'" + strings.ReplaceAll(q[1:len(q)-1], "'", `\'`) + "'"
	}
	return "'" + strings.ReplaceAll(p, "'", `'\''`) + "'"
}
