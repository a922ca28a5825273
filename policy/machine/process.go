package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
)

// Process holds a process by a pidfd, until Close, and looks at what it runs. Asked
// for the same id again, as by the next filter, it answers the same.
func (m *Machine) Process(pid int) (filters.Process, error) {
	if m.process.PID == pid && pid > 0 {
		return m.process, nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return filters.Process{}, fmt.Errorf("cannot find process %d: %w", pid, err)
	}
	p := filters.Process{PID: pid, FD: fd}
	if err := look(&p); err != nil {
		unix.Close(fd)
		return filters.Process{}, fmt.Errorf("cannot look at process %d: %w", pid, err)
	}
	m.held = append(m.held, p.FD, p.Dir)
	m.process = p
	return p, nil
}

// look opens p.Dir, unless it returns an error.
func look(p *filters.Process) (err error) {
	proc, err := procfs()
	if err != nil {
		return err
	}
	defer unix.Close(proc)

	// The id that /proc knows the process by, which may be that of another
	// process id name space.
	id, err := procID(p.FD)
	if err != nil {
		return err
	}
	dir, err := unix.Openat(proc, id, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			unix.Close(dir)
		}
	}()
	p.Dir = dir

	exe, err := unix.Openat(dir, "exe", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("it runs no program: %w", err)
	}
	defer unix.Close(exe)
	var st, root, own unix.Stat_t
	if err := unix.Fstat(exe, &st); err != nil {
		return err
	}
	p.Exe = file(&st)
	link, err := readlink(dir, "exe")
	if err != nil {
		return err
	}
	p.Link = filters.Untrusted(link)
	if err := unix.Fstatat(dir, "root", &root, 0); err != nil {
		return err
	}
	if err := unix.Stat("/", &own); err != nil {
		return err
	}
	p.SameRoot = root.Dev == own.Dev && root.Ino == own.Ino

	// The process was there all the time if it is there still: its id cannot
	// have come to name another.
	if err := unix.PidfdSendSignal(p.FD, 0, nil, 0); err != nil && err != unix.EPERM {
		return err
	}
	return nil
}

func procID(pidfd int) (string, error) {
	data, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(pidfd))
	if err != nil {
		return "", err
	}
	for line := range bytes.Lines(data) {
		if id, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			if n, err := strconv.Atoi(string(bytes.TrimSpace(id))); err == nil && n > 0 {
				return strconv.Itoa(n), nil
			}
			break
		}
	}
	return "", errors.New("it is not there any more")
}
