package record

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// identity is what a process can gain by executing a program.
type identity struct {
	process   string // its id; that of a thread is another
	uid, gid  string
	permitted uint64
}

// identify reads /proc/PID/status, proc_pid_status(5). A process that waits for an
// answer does not change meanwhile.
func identify(pid int) (id identity, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return id, err
	}
	for line := range bytes.Lines(data) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":\t"))
		switch string(name) {
		case "Tgid":
			id.process = string(value)
		case "Uid":
			id.uid = string(value)
		case "Gid":
			id.gid = string(value)
		case "CapPrm":
			if id.permitted, err = strconv.ParseUint(string(value), 16, 64); err != nil {
				return id, err
			}
		}
	}
	return id, nil
}

// gained tells that after has what before had not, other than by its own doing.
func gained(before, after identity) bool {
	return after.uid != before.uid || after.gid != before.gid || after.permitted&^before.permitted != 0
}

// compare looks at a process before execve(2) and at its next call. One that
// cannot be looked at is taken to have gained something: then no_new_privs is not
// said to be harmless.
func (c *Calls) compare(pid int, execve bool) {
	key := strconv.Itoa(pid)
	if before, ok := c.executing[key]; ok {
		after, err := identify(pid)
		if err != nil || gained(before, after) {
			c.Gained = true
		}
		delete(c.executing, key)
		delete(c.executing, before.process)
	}
	if !execve {
		return
	}
	before, err := identify(pid)
	if err != nil {
		c.Gained = true
		return
	}
	// A thread that executes a program goes on under the id of its process.
	c.executing[key], c.executing[before.process] = before, before
}

// keep looks at what a process has before capset(2) and at its next call. Capabilities
// in a user namespace of its own are none of the machine's (user_namespaces(7)).
func (c *Calls) keep(pid int, capset bool) {
	if before, ok := c.setting[pid]; ok {
		delete(c.setting, pid)
		if after, err := identify(pid); err == nil && after.permitted != before {
			c.Kept |= after.permitted
		}
	}
	if !capset {
		return
	}
	mine, err := os.Readlink("/proc/self/ns/user")
	theirs, other := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil || other != nil || mine != theirs {
		return
	}
	if before, err := identify(pid); err == nil {
		c.setting[pid] = before.permitted
	}
}

// meet keeps hold of a process, for Signal. A thread that does not lead its
// process has no pidfd, and needs none.
func (c *Calls) meet(pid int) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if _, ok := c.processes[pid]; ok {
		return
	}
	c.forget()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		fd = -1
	}
	c.processes[pid] = fd
}

// forget lets go of the processes that have ended, and of the threads, which cannot
// be asked: ids are used again.
func (c *Calls) forget() {
	for pid, fd := range c.processes {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if fd >= 0 {
			if n, _ := unix.Poll(poll, 0); n == 0 {
				continue
			}
			unix.Close(fd)
		}
		delete(c.processes, pid)
	}
}

// Living is how many of the command's processes have not ended.
func (c *Calls) Living() int {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.forget()
	return len(c.processes)
}

// Signal sends a signal to all of them.
func (c *Calls) Signal(s unix.Signal) {
	c.lock.Lock()
	defer c.lock.Unlock()
	for _, fd := range c.processes {
		if fd >= 0 {
			_ = unix.PidfdSendSignal(fd, s, nil, 0) // it may have ended
		}
	}
}
