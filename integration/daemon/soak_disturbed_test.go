package daemon

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
	"ironwrap/integration/rig/rootwrapclient"
)

// breakOff is a client that goes away at an odd moment.
func (s *soak) breakOff(r *rand.Rand) {
	// Before it has shown that it has the key.
	if r.IntN(2) == 0 {
		c, err := net.Dial("unix", s.daemon.Path)
		if err != nil {
			s.fail("cannot connect: %v", err)
			return
		}
		defer c.Close()
		switch r.IntN(4) {
		case 0:
		case 1:
			_, _ = c.Write(anyBytes(r, r.IntN(300)))
		case 2: // part of the challenge
			_, _ = io.ReadFull(c, make([]byte, r.IntN(20)))
		case 3: // the wrong key
			_, _ = io.ReadFull(c, make([]byte, 8+len("#CHALLENGE#{sha256}")+40))
			_, _ = c.Write(append([]byte{0, 0, 0, 0, 0, 0, 0, 16}, make([]byte, 16)...))
			answer, _ := io.ReadAll(c)
			if !bytes.HasSuffix(answer, []byte("#FAILURE#")) {
				s.fail("with a wrong key the answer is %q", answer)
			}
		}
		return
	}
	c, err := rootwrapclient.Dial(s.daemon.Path, s.daemon.Key)
	if err != nil {
		s.fail("cannot connect: %v", err)
		return
	}
	defer c.Close()
	q := s.parrot(r)
	q.argv[1] = abandoned
	message := c.Request(q.argv, q.stdin)
	_ = c.Socket.SetDeadline(time.Now().Add(2 * time.Minute))
	switch r.IntN(4) {
	case 0: // with nothing said
	case 1: // in the middle of a message
		head := []byte{0, 0, 0, 0, byte(len(message) >> 24), byte(len(message) >> 16), byte(len(message) >> 8), byte(len(message))}
		_, _ = c.Socket.Write(append(head, message...)[:r.IntN(8+len(message))])
	case 2: // while the command runs
		_ = c.Send(message)
		time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
	case 3: // in the middle of the answer
		_ = c.Send(message)
		_ = c.Socket.SetReadDeadline(time.Now().Add(time.Second)) // it is short where the command was killed
		_, _ = io.ReadFull(c.Socket, make([]byte, r.IntN(8+len(q.stdout))))
	}
}

// kill kills launchers and commands.
func (s *soak) kill(quit <-chan struct{}) {
	every(30*time.Millisecond, quit, func() {
		pids := rig.Children(s.daemon.PID)
		for _, pid := range pids { // what those have started that stay
			pids = append(pids, rig.Children(pid)...)
		}
		if len(pids) > 0 {
			s.killOne(pids[rand.IntN(len(pids))])
		}
	})
}

// killOne stops a process first: then what it is will not change any more.
func (s *soak) killOne(pid int) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	// Between fork and execve it is the daemon still, which waits for it: leave it.
	if name := commandLine(pid)[0]; name != "ironwrap-launch" && name != s.bin+"/parrot" {
		return
	}
	if unix.PidfdSendSignal(fd, unix.SIGSTOP, nil, 0) != nil || !stopped(pid) {
		_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
		return
	}
	argv := commandLine(pid)
	launcher := argv[0] == "ironwrap-launch"
	if !launcher && argv[0] != s.bin+"/parrot" {
		_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
		return
	}
	death := &interval{from: time.Now()}
	s.mu.Lock()
	if launcher {
		s.launchersKilled++
		s.launcherDeaths = append(s.launcherDeaths, death)
	} else {
		s.commandsKilled++
		if argv[1] != abandoned {
			s.killed[argv[1]] = true
		}
	}
	s.mu.Unlock()
	if unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) != nil {
		s.fail("cannot kill %q", argv)
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000)
		if err == unix.EINTR {
			continue
		}
		if n == 0 || err != nil {
			s.fail("%q does not die: %v", argv, err)
		}
		break
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	death.to = time.Now()
}

// abandoned is the name of requests that nobody waits for.
const abandoned = "abandoned"

// stopped waits until all of a process stands still.
func stopped(pid int) bool {
	for range 2000 {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		all := len(tasks) > 0
		for _, task := range tasks {
			text, err := os.ReadFile(task)
			_, state, ok := bytes.Cut(text, []byte(") "))
			if err != nil || !ok || state[0] == 'Z' || state[0] == 'X' {
				return false
			}
			all = all && state[0] == 'T'
		}
		if all {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

func commandLine(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return append(strings.Split(string(text), "\x00"), "")
}

// change changes the policy: what allows "true" comes and goes, the files are
// touched, a key changes, or a broken version comes in between, which must change
// nothing.
func (s *soak) change(quit <-chan struct{}) {
	broken := false
	every(300*time.Millisecond, quit, func() {
		s.version.Lock()
		defer s.version.Unlock()
		s.changes++
		if broken {
			broken = false
			s.replace(s.policy.Conf, s.conf(false))
			return
		}
		switch rand.IntN(5) {
		case 0:
			s.sometimes = !s.sometimes
			s.replace(s.policy.Filters, s.filters())
		case 1:
			now := time.Now()
			if err := os.Chtimes(s.policy.Filters, now, now); err != nil {
				s.fail("%v", err)
			}
		case 2:
			s.replace(s.policy.Conf, s.conf(rand.IntN(2) == 0))
		case 3:
			broken = true
			s.replace(s.policy.Conf, s.conf(false)+"max_children=none\n")
		case 4:
			if err := syscall.Kill(s.daemon.PID, syscall.SIGHUP); err != nil {
				s.fail("the daemon: %v", err)
			}
		}
	})
	if broken {
		s.replace(s.policy.Conf, s.conf(false))
	}
}
