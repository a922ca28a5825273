package daemon

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// state is what changes whenever a file or a directory does, as stat(2) tells it. Links
// are followed.
type state struct {
	dev, ino, nlink uint64
	size            int64
	mtime, ctime    int64 // ns
	mode, uid       uint32
	why             unix.Errno // of what cannot be looked at: all else is 0
}

// sources are the files and directories that a policy comes from.
type sources []source

type source struct {
	path string
	dir  string // in which it lies, where that is a source, too
	name string // in dir
}

func newSources(paths []string) sources {
	s, dirs := make(sources, len(paths)), make(map[string]bool)
	for i, path := range paths {
		s[i].path = path
		if end := strings.LastIndexByte(path, '/'); end > 0 && dirs[path[:end]] {
			s[i].dir, s[i].name = path[:end], path[end+1:]
		}
		dirs[path] = true
	}
	return s
}

// look returns the state of each, and when the last change was.
func (s sources) look() (states []state, newest time.Time) {
	s.each(func(_ int, now state) bool {
		states = append(states, now)
		if changed := time.Unix(0, now.ctime); now.why == 0 && changed.After(newest) {
			newest = changed
		}
		return true
	})
	return states, newest
}

// are tells that all are as they were.
func (s sources) are(before []state) bool {
	if len(before) != len(s) {
		return false
	}
	same := true
	s.each(func(i int, now state) bool {
		same = now == before[i]
		return same
	})
	return same
}

// each looks at one after the other, until see returns false. A directory is looked up
// once for all its files, which is cheaper and says the same as their whole paths would.
func (s sources) each(see func(i int, now state) bool) {
	opened, dir := "", -1
	defer func() {
		if dir >= 0 {
			unix.Close(dir)
		}
	}()
	for i, f := range s {
		if f.dir != opened {
			if dir >= 0 {
				unix.Close(dir)
			}
			opened, dir = f.dir, -1
			if f.dir != "" {
				// Where it cannot be opened, the whole paths say why.
				dir, _ = unix.Open(f.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			}
		}
		var st unix.Stat_t
		var err error
		if dir >= 0 {
			err = unix.Fstatat(dir, f.name, &st, 0)
		} else {
			err = unix.Stat(f.path, &st)
		}
		now := state{
			dev: uint64(st.Dev), ino: st.Ino, nlink: uint64(st.Nlink), size: st.Size,
			mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), mode: st.Mode, uid: st.Uid,
		}
		if err != nil {
			now = state{why: errno(err)}
		}
		if !see(i, now) {
			return
		}
	}
}

// errno is that of a system call of x/sys, whose errors are nothing else.
func errno(err error) unix.Errno {
	e, _ := err.(unix.Errno)
	return e
}
