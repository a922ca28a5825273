// Package machine is what the decision engine knows of the machine it runs on:
// programs, paths as a user follows them, processes. Everything is looked at
// through descriptors that stay open while it matters.
package machine

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/program"
	"ironwrap/policy/trust"
)

// Machine implements policy.Machine, for one request.
type Machine struct {
	// Road is what Find walks along, so that what it passes for one program it need not
	// pass for the next. Nil for none. Who made it closes it when the request is decided.
	Road *trust.Road

	execDirs []string
	level    trust.Level
	held     []int           // pidfds, and directories in /proc
	process  filters.Process // the last that was found; PID 0 for none
}

// New returns the machine with the search path of a policy. level says how far up
// a program's path must be root's: at least so that nobody else can redirect it
// between the check and execve(2).
func New(execDirs []string, level trust.Level) *Machine {
	return &Machine{execDirs: execDirs, level: max(level, trust.Fixed)}
}

// Close lets go of the processes that were looked at.
func (m *Machine) Close() {
	for _, fd := range m.held {
		unix.Close(fd)
	}
	m.held, m.process = nil, filters.Process{}
}

// Find returns the program that name stands for, as a file that only root, or the user
// it runs as, can have written, with what it runs by: see program.Finder.
func (m *Machine) Find(name, runAs string) (program.Program, error) {
	owners := []uint32{0}
	if runAs != "root" {
		if u, err := lookup(runAs); err == nil {
			owners = append(owners, u.UID)
		}
	}
	return program.Finder{Dirs: m.execDirs, Level: m.level, Owners: owners, Road: m.Road}.Find(name)
}

// Programs lists where a program may lie, whether or not it may be executed.
func (m *Machine) Programs(name string) []filters.Program {
	var list []filters.Program
	if name[0] == '/' {
		return add(list, name)
	}
	for _, dir := range m.execDirs {
		list = add(list, dir+"/"+name)
	}
	return list
}

func add(list []filters.Program, path string) []filters.Program {
	p := filters.Program{Path: path}
	dir := path[:len(path)-len(base(path))]
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return list
	}
	p.DirDev = st.Dev
	if unix.Stat(path, &st) == nil {
		p.Exists, p.File = true, file(&st)
	}
	return append(list, p)
}

func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

func file(st *unix.Stat_t) filters.File {
	return filters.File{Dev: st.Dev, Ino: st.Ino, Links: uint64(st.Nlink), UID: st.Uid, Mode: st.Mode & 0o7777}
}

// Stable returns nil when nobody but root can decide what path leads to.
func (*Machine) Stable(path string) error { return trust.Stable(path) }

// Trusted returns nil when nobody but root can have written what is at path, nor can
// come to decide what the path leads to: who opens it looks it up again.
func (*Machine) Trusted(path filters.Untrusted) error {
	var st unix.Stat_t
	if err := unix.Stat(path.Raw(), &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		d, err := trust.Dir(path.Raw(), trust.Fixed)
		if err == nil {
			d.Close()
		}
		return err
	}
	_, err := trust.File(path.Raw(), trust.Fixed)
	return err
}

// procfs opens /proc, and makes sure that it is what it should be: anything else
// mounted there could tell lies (CVE-2019-19921, CVE-2023-27561).
func procfs() (int, error) {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("cannot open /proc: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return -1, errors.New("/proc is not a proc file system: mount it")
	}
	return fd, nil
}

// readlink reads the link at path below the directory fd, or fd itself for "".
func readlink(fd int, path string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, path, buf)
	if err != nil {
		return "", err
	}
	if n == len(buf) {
		return "", unix.ENAMETOOLONG
	}
	return string(buf[:n]), nil
}

// privileged tells whether the process can act as another user at all.
func privileged() bool { return os.Geteuid() == 0 }
