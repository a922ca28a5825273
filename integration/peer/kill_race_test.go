package peer

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// A process may execute another program after a KillFilter has looked at it: the
// record comes before the signal, and somebody who fills /dev/log decides when it
// is written. The signal must not reach that program.

// full is a system log that nobody reads, with no room left: who writes a record
// waits. drain makes room.
func full(t *testing.T, path string) (drain func()) {
	t.Helper()
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	var fillers []net.Conn
	for done := false; !done; {
		c, err := net.Dial("unixgram", path)
		if err != nil {
			t.Fatal(err)
		}
		fillers = append(fillers, c)
		done = true
		for {
			c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := c.Write([]byte("x")); err != nil {
				break
			}
			done = false
		}
	}
	t.Cleanup(func() {
		for _, c := range fillers {
			c.Close()
		}
	})
	return func() {
		buf := make([]byte, 1<<16)
		log.SetReadDeadline(time.Now().Add(time.Minute))
		go func() {
			for {
				if _, err := log.Read(buf); err != nil {
					return
				}
			}
		}()
	}
}

// sending tells whether a process waits in a system call that sends.
func sending(pid int) bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	number := strings.Fields(string(call))
	return err == nil && len(number) > 0 && (number[0] == fmt.Sprint(syscall.SYS_SENDTO) || number[0] == fmt.Sprint(syscall.SYS_WRITE) || number[0] == fmt.Sprint(syscall.SYS_SENDMSG))
}

var killRaceRuns = []struct {
	name    string
	next    string // what the process executes once it was looked at
	section string
	killed  bool
}{
	{name: "it executes another program", next: "exec {dir}/sbin/other 60"},
	{name: "it executes a set-user-id program", next: "exec {dir}/sbin/setuid 60"},
	{name: "it executes another program, and the sender may not look", next: "exec {dir}/sbin/other 60", section: "capabilities = CAP_KILL"},
	{name: "it executes its program once more", next: "exec {dir}/sbin/daemon -c 'read y'", killed: true},
	{name: "it goes on", next: "read y", killed: true},
	{name: "it goes on, and the sender may not look", next: "read y", section: "capabilities = CAP_KILL", killed: true},
	{name: "it goes on, and the sender is in a sandbox", next: "read y",
		section: "no_new_privs = yes\nprivate_tmp = yes\nlandlock_ro = /usr", killed: true},
}

func TestKillRace(t *testing.T) {
	for _, c := range killRaceRuns {
		t.Run(c.name, func(t *testing.T) {
			p := rig.NewPolicy(t, "kill: KillFilter, root, {dir}/sbin/daemon, -9", "use_syslog=True", "syslog_log_level=INFO")
			section := ""
			if c.section != "" {
				section = "[Sandbox:kill]\n" + c.section + "\n"
			}
			rig.Write(t, p.Filters, "[Filters]\nkill: KillFilter, root, "+p.Dir+"/sbin/daemon, -9\n"+section)
			s := &stage{TB: t, Policy: p, vars: map[string]string{"dir": p.Dir}}
			s.copyOf("/bin/dash", p.Dir+"/sbin/daemon")
			s.copyOf("/usr/bin/sleep", p.Dir+"/sbin/other")
			s.copyOf("/usr/bin/sleep", p.Dir+"/sbin/setuid")
			if err := os.Chmod(p.Dir+"/sbin/setuid", 0o4755); err != nil {
				t.Fatal(err)
			}

			target := exec.Command(p.Dir+"/sbin/daemon", "-c", "read x; "+s.expand(c.next))
			in, err := target.StdinPipe()
			if err == nil {
				err = target.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			gone := make(chan struct{})
			go func() { target.Wait(); close(gone) }()
			t.Cleanup(func() { target.Process.Kill(); <-gone })
			pid := fmt.Sprint(target.Process.Pid)
			before, _ := os.ReadFile("/proc/" + pid + "/cmdline")

			drain := full(t, p.Dir+"/socket")
			kill := exec.Command("/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", rig.LogHeard.Jail(p.Dir)+`exec "$@"`, "sh", rig.Ours, p.Conf, "kill", "-9", pid)
			kill.Dir = "/" // a directory of ours below /tmp is none in a private one
			kill.Env = []string{"PATH=/usr/sbin:/usr/bin"}
			kill.Stderr = &strings.Builder{}
			if err := kill.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { kill.Wait(); close(ended) }()
			s.wait("the record to be in the way", func() bool {
				select {
				case <-ended:
					t.Fatalf("not held up: %v, %v", kill.ProcessState, kill.Stderr)
				default:
				}
				exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", kill.Process.Pid))
				return exe == rig.Ours && sending(kill.Process.Pid)
			})
			in.Write([]byte("\n"))
			if strings.HasPrefix(c.next, "exec") {
				s.wait("the process to execute another program", func() bool {
					now, _ := os.ReadFile("/proc/" + pid + "/cmdline")
					return len(now) > 0 && string(now) != string(before)
				})
				time.Sleep(50 * time.Millisecond)
			}
			drain()
			<-ended
			if c.killed {
				select {
				case <-gone:
				case <-time.After(10 * time.Second):
					t.Errorf("the process lives: %v, %v", kill.ProcessState, kill.Stderr)
				}
				if !kill.ProcessState.Success() {
					t.Errorf("%v, %v", kill.ProcessState, kill.Stderr)
				}
				return
			}
			select {
			case <-gone:
				t.Errorf("another program was killed: %v", target.ProcessState)
			case <-time.After(200 * time.Millisecond):
			}
			if text := fmt.Sprint(kill.Stderr); kill.ProcessState.ExitCode() != 1 || !rig.OneLine(text) || !strings.Contains(text, "another program") {
				t.Errorf("%v, %q", kill.ProcessState, text)
			}
		})
	}
}
