package machine

import (
	"errors"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links one path may lead through, as in the
// kernel (MAXSYMLINKS).
const maxLinks = 40

// What a refusal says must not tell whether something exists that is neither above
// nor below the base: the first error stands for both cases.
var (
	errBack     = errors.New("it leads back (..) out of a directory that does not exist, or is neither above nor below that of the filter")
	errDangling = errors.New("it ends in a symbolic link that leads nowhere")
	errChanged  = errors.New("it changed while it was looked at")
)

// resolve returns the canonical path that an absolute path leads to. Components
// that do not exist may stand at its end, as for a file that is to be made. What
// it tells of directories apart from base (canonical) is what a link there tells
// that leads to base.
func resolve(word, base string) (string, error) {
	switch {
	case !strings.HasPrefix(word, "/") || strings.IndexByte(word, 0) >= 0:
		return "", unix.EINVAL
	case len(word) >= unix.PathMax:
		return "", unix.ENAMETOOLONG
	}
	parts := components(word, true, false)
	// Most paths have neither links nor dots, which the kernel tells at once.
	if !slices.ContainsFunc(parts, func(c component) bool { return c.name == ".." }) {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
		fd, err := retry(func() (int, error) { return unix.Openat2(unix.AT_FDCWD, word, &how) })
		switch {
		case err == nil:
			unix.Close(fd)
			return path.Clean(word), nil
		case err != unix.ELOOP && err != unix.ENOENT:
			return "", err
		}
	}
	w := walk{base: base, todo: parts}
	if err := w.fromRoot(); err != nil {
		return "", err
	}
	defer func() { unix.Close(w.dir) }()
	return w.run()
}

// component is one name of a path, and who wrote it: the caller in the word
// itself, somebody in a link, or root in one that nobody else can have made.
type component struct {
	name         string
	word, trusts bool
}

// components splits a path. A slash at the end means ".", as for the kernel: what
// stands before it must be a directory, or lead to one.
func components(p string, word, trusts bool) (list []component) {
	for part := range strings.SplitSeq(p, "/") {
		if part != "" {
			list = append(list, component{part, word, trusts})
		}
	}
	if strings.HasSuffix(p, "/") {
		list = append(list, component{".", word, trusts})
	}
	return list
}

// A walk follows one path component by component, holding open the directory that
// it has reached.
type walk struct {
	base  string
	todo  []component
	dir   int    // O_PATH
	at    string // its path while nobody moves it; what is returned the kernel says
	links int
}

func (w *walk) run() (string, error) {
	for len(w.todo) > 0 {
		next := w.todo[0]
		w.todo = w.todo[1:]
		switch next.name {
		case ".":
			continue
		case "..":
			if err := w.back(next); err != nil {
				return "", err
			}
			continue
		}
		fd, st, err := w.open(next.name, len(w.todo) > 0)
		switch {
		case err == unix.ENOENT:
			return w.missing(next)
		case err != nil:
			return "", err
		case st.Mode&unix.S_IFMT == unix.S_IFLNK:
			err = w.follow(fd, next.name, &st)
			unix.Close(fd)
			if err != nil {
				return "", err
			}
		case len(w.todo) == 0 && st.Mode&unix.S_IFMT != unix.S_IFDIR:
			defer unix.Close(fd)
			return name(fd)
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			unix.Close(fd)
			return "", unix.ENOTDIR
		default:
			w.enter(fd, strings.TrimSuffix(w.at, "/")+"/"+next.name)
		}
	}
	return name(w.dir)
}

// open opens what the directory reached has under a name, but follows no link.
func (w *walk) open(name string, more bool) (fd int, st unix.Stat_t, err error) {
	open := func(flags uint64) (int, error) {
		how := unix.OpenHow{Flags: flags | unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC}
		return retry(func() (int, error) { return unix.Openat2(w.dir, name, &how) })
	}
	err = unix.ENOTDIR
	if more { // with O_DIRECTORY the kernel mounts what is to be automounted
		fd, err = open(unix.O_DIRECTORY)
	}
	if err == unix.ENOTDIR {
		fd, err = open(0)
	}
	if err != nil {
		return -1, st, err
	}
	if err = unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
	}
	return fd, st, err
}

// back goes up. Out of a directory apart from base only a link of root's may lead
// back: what else led there and back would tell whether it exists.
func (w *walk) back(next component) error {
	if !next.trusts && !below(w.at, w.base) && !below(w.base, w.at) {
		return errBack
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC}
	fd, err := retry(func() (int, error) { return unix.Openat2(w.dir, "..", &how) })
	if err != nil {
		return err
	}
	w.enter(fd, path.Dir(w.at))
	return nil
}

// below tells whether p is dir or lies below it; both are canonical.
func below(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// follow puts what a symbolic link says in front of what is left of the path.
func (w *walk) follow(fd int, name string, st *unix.Stat_t) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	target, err := readlink(fd, "")
	switch {
	case err != nil:
		return err
	case target == "":
		return unix.ENOENT
	}
	var dir unix.Stat_t
	if err := unix.Fstat(w.dir, &dir); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	if fs.Type == unix.PROC_SUPER_MAGIC {
		// What a process holds, it decides (/proc/PID/cwd, root, exe, fd).
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
		inside, err := retry(func() (int, error) { return unix.Openat2(w.dir, name, &how) })
		if err != nil {
			return err
		}
		unix.Close(inside)
	}
	trusts := st.Uid == 0 && dir.Uid == 0 && dir.Mode&0o022 == 0 && fs.Type != unix.FUSE_SUPER_MAGIC
	w.todo = append(components(target, false, trusts), w.todo...)
	if target[0] == '/' {
		return w.fromRoot()
	}
	return nil
}

// missing is the answer where nothing has the name next: the path that the rest of
// the word makes, if it is the word that names it.
func (w *walk) missing(next component) (string, error) {
	if !next.word {
		return "", errDangling
	}
	full, err := name(w.dir)
	if err != nil {
		return "", err
	}
	for _, c := range append([]component{next}, w.todo...) {
		switch c.name {
		case ".":
		case "..":
			return "", errBack
		default:
			full = strings.TrimSuffix(full, "/") + "/" + c.name
		}
	}
	return full, nil
}

func (w *walk) fromRoot() error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC}
	fd, err := retry(func() (int, error) { return unix.Openat2(unix.AT_FDCWD, "/", &how) })
	if err != nil {
		return err
	}
	if w.at == "" { // nothing is held yet
		w.dir = fd
	}
	w.enter(fd, "/")
	return nil
}

func (w *walk) enter(fd int, at string) {
	if w.dir != fd {
		unix.Close(w.dir)
	}
	w.dir, w.at = fd, at
}

// retry repeats a system call that a signal has interrupted (signal(7)).
func retry(call func() (int, error)) (int, error) {
	for {
		fd, err := call()
		if err != unix.EINTR {
			return fd, err
		}
	}
}
