package launch

import (
	"errors"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
)

// procDir opens the directory of a process in /proc until the test ends.
func procDir(t *testing.T, pid int) int {
	t.Helper()
	dir, err := unix.Open("/proc/"+strconv.Itoa(pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(dir) })
	return dir
}

// running is the file that a process runs.
func running(t *testing.T, dir int) filters.File {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstatat(dir, "exe", &st, 0); err != nil {
		t.Fatal(err)
	}
	return filters.File{Dev: st.Dev, Ino: st.Ino}
}

// shell starts script, which waits for a line from the test where it reads one.
func shell(t *testing.T, script string) (filters.Process, func()) {
	t.Helper()
	c := osexec.Command("/bin/sh", "-c", script)
	in, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	fd, err := unix.PidfdOpen(c.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	p := filters.Process{PID: c.Process.Pid, FD: fd, Dir: procDir(t, c.Process.Pid)}
	p.Exe = running(t, p.Dir)
	return p, func() { in.Write([]byte("\n")) }
}

// until waits for what must happen.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute in vain for %s", what)
		}
	}
}

// Whatever a process executes after the filter has looked at it, the signal is not
// for that: not even where the file is the same, and not where the sender may not
// look at the process itself.
func TestSignalNotAfterExecve(t *testing.T) {
	for name, script := range map[string]string{
		"another program":       "read x; exec /bin/sleep 60",
		"the same program":      "read x; exec /bin/sh -c 'exec 3</dev/null; read y'",
		"and back to the first": "read x; exec /usr/bin/env /bin/sh -c 'exec 3</dev/null; read y'",
	} {
		t.Run(name, func(t *testing.T) {
			p, proceed := shell(t, script)
			held, err := image(p)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(held)
			if err := send(&filters.Signal{Process: p}, held, false); err != nil {
				t.Errorf("before: %v", err)
			}
			old := cmdline(t, p.PID)
			proceed()
			until(t, "another program", func() bool {
				now := cmdline(t, p.PID)
				return now != "" && now != old && !strings.Contains(now, "env")
			})
			// Whoever reads about a process, ps(1) for one, keeps its address space a moment.
			until(t, "the address space to go", func() bool {
				return send(&filters.Signal{Process: filters.Process{FD: p.FD, Dir: -1}}, held, false) == errExecuted
			})
			if err := send(&filters.Signal{Process: p}, held, false); err != errExecuted {
				t.Errorf("afterwards: %v", err)
			}
			hidden := p
			hidden.Dir = -1 // as if the kernel did not let us look
			if err := send(&filters.Signal{Process: hidden}, held, false); err != errExecuted {
				t.Errorf("afterwards, by the address space alone: %v", err)
			}
			if name == "another program" {
				if _, err := image(p); err != errExecuted {
					t.Errorf("looked at only afterwards: %v", err)
				}
			}
		})
	}
}

// Between vfork(2) and execve(2) two processes have one address space: what one
// executes does not end it. The file tells then.
func TestSignalNotAfterExecveOfVfork(t *testing.T) {
	p, proceed := shell(t, "read x; exec /bin/sleep 60")
	proceed()
	until(t, "sleep", func() bool { return running(t, p.Dir) != p.Exe })
	// The address space of this test, which goes on, stands for one that is shared.
	dir := procDir(t, os.Getpid())
	held, err := image(filters.Process{Dir: dir, Exe: running(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	if err := send(&filters.Signal{Process: p}, held, false); err != errExecuted {
		t.Error(err)
	}
}

// A process that cannot be looked at gets no signal.
func TestSignalNotUnseen(t *testing.T) {
	p, _ := shell(t, "read x")
	held, err := image(p)
	if err != nil {
		t.Fatal(err)
	}
	unseen := p
	unseen.Dir = -1
	var why *unseenError
	if err := send(&filters.Signal{Process: unseen}, held, true); !errors.As(err, &why) {
		t.Errorf("by a process that may look: %v", err)
	}
	if err := send(&filters.Signal{Process: p}, -1, true); !errors.As(err, &why) {
		t.Errorf("without the address space: %v", err)
	}
	unix.Close(held)
	p.Dir = -1
	if fd, err := image(p); err == nil || errors.Is(err, errExecuted) {
		t.Errorf("%d, %v", fd, err)
	}
	gone, proceed := shell(t, "read x")
	held, err = image(gone)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	proceed()
	until(t, "its end", func() bool { return cmdline(t, gone.PID) == "" })
	if err := send(&filters.Signal{Process: gone}, held, false); err == nil {
		t.Error("a signal to a process that has ended")
	}
	if _, err := image(gone); err == nil {
		t.Errorf("looked at when it had ended: %v", err)
	}
}

func cmdline(t *testing.T, pid int) string {
	t.Helper()
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return ""
	}
	return string(data)
}
