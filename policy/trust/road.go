package trust

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPassed bounds what a Road holds. What is beyond it is walked to each time.
const maxPassed = 24

// A Road remembers the directories that were passed on the way to something, and the
// symbolic links, so that they need not be passed again on the way to what is looked at
// next: six directories of exec_dirs, a program in one of them, its loader. It is for the
// levels Fixed and Ancestors. At another level a method does what the function of its
// name does.
//
// A directory that is held is looked up no more, and is what was found at its path once.
// Since all that was passed is root's, and nobody else can put anything in its place,
// only root can have led its path elsewhere since: the answers are those of that moment.
// So a Road is for one request, and closed when that is decided.
//
// The zero Road has passed nothing. So has a nil one, and remembers nothing. It must not
// be used by two goroutines at once.
type Road struct {
	passed []passed
}

// passed is a directory or symbolic link of root's at a path without symbolic links, in
// directories that were passed before.
type passed struct {
	path   string
	target string // of a link; "" for a directory

	// Of a directory.
	fd    int    // O_PATH
	mode  uint32 // st_mode and st_dev, as it was when it was passed
	dev   uint64
	local bool // Identity.Local of what is on dev
}

// Close lets go of what is held. The Road is as new then.
func (r *Road) Close() {
	if r == nil {
		return
	}
	for _, p := range r.passed {
		if p.target == "" {
			unix.Close(p.fd)
		}
	}
	r.passed = nil
}

// at returns what was passed under a name in a directory, or nil. "/" has no name.
func (r *Road) at(dir, name string) *passed {
	if r == nil {
		return nil
	}
	dir = strings.TrimSuffix(dir, "/")
	for i := range r.passed {
		p := r.passed[i].path
		if len(p) == len(dir)+1+len(name) && p[len(dir)] == '/' && p[:len(dir)] == dir && p[len(dir)+1:] == name {
			return &r.passed[i]
		}
	}
	return nil
}

// keep remembers what was passed, and tells whether it could.
func (r *Road) keep(p passed) bool {
	if r == nil || len(r.passed) == maxPassed {
		return false
	}
	if r.passed == nil {
		r.passed = make([]passed, 0, maxPassed)
	}
	r.passed = append(r.passed, p)
	return true
}

// Enter returns the error that Dir would, and passes the directory.
func (r *Road) Enter(path string, lvl Level) error {
	if w := r.walk(path, lvl); w.fixed() && w.enters() == nil {
		w.close()
		return nil
	}
	d, err := r.Dir(path, lvl) // which finds the words
	if err != nil {
		return err
	}
	d.Close()
	return nil
}

// Dir is like the function Dir. The Directory is the caller's to close.
func (r *Road) Dir(path string, lvl Level) (*Directory, error) {
	w, err := r.find(path, lvl, true)
	if err != nil {
		return nil, err
	}
	defer w.close()
	return w.directory()
}

// Read is like the function Read.
func (r *Road) Read(path string, lvl Level) (data []byte, id Identity, err error) {
	// Whoever changes /etc/passwd replaces it: what is there now is as good.
	for range 5 {
		if data, id, err = r.read(path, lvl); !errors.Is(err, errReplaced) {
			return data, id, err
		}
	}
	return data, id, err
}

func (r *Road) read(path string, lvl Level) ([]byte, Identity, error) {
	w, err := r.find(path, lvl, false)
	if err != nil {
		return nil, Identity{}, err
	}
	defer w.close()
	return w.read()
}

// Look is like the function Look.
func (r *Road) Look(path string, lvl Level) (Identity, error) {
	w, err := r.find(path, lvl, false)
	if err != nil {
		return Identity{}, err
	}
	defer w.close()
	return w.look()
}

// Open is like the function Open.
func (r *Road) Open(path string, lvl Level, owners ...uint32) (p Program, err error) {
	for range 5 { // a package manager replaces programs
		if p, err = r.open(path, lvl, owners); !errors.Is(err, errReplaced) {
			return p, err
		}
	}
	return p, err
}

func (r *Road) open(path string, lvl Level, owners []uint32) (Program, error) {
	w, err := r.find(path, lvl, false)
	if err != nil {
		return Program{}, err
	}
	defer w.close()
	return w.program(owners)
}

// Executable is like the function Executable.
func (r *Road) Executable(path string, lvl Level, owners ...uint32) (ID, error) {
	w, err := r.find(path, lvl, false)
	if err != nil {
		return ID{}, err
	}
	defer w.close()
	return w.executable(owners)
}

// Regular is like the function Regular.
func (r *Road) Regular(path string, lvl Level, owners ...uint32) (ID, error) {
	w, err := r.find(path, lvl, false)
	if err != nil {
		return ID{}, err
	}
	defer w.close()
	return w.regular(owners)
}

// Any is like the function Any.
func (r *Road) Any(path string, lvl Level, owners ...uint32) (ID, error) {
	w, err := r.find(path, lvl, false)
	if err != nil {
		return ID{}, err
	}
	defer w.close()
	return w.any(owners)
}

// Absent is like the function Absent.
func (r *Road) Absent(path string) bool {
	w, err := r.find(path, Ancestors, false)
	if err == nil {
		w.close()
	}
	return gone(err)
}
