package daemon

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// runs starts a command and waits until it says that it runs: script makes the file
// that {started} stands for.
func runs(s *rig.Server, c *rig.RPC, script string) {
	s.Helper()
	started := s.Dir + "/started"
	os.Remove(started)
	if err := c.Write([]byte(rig.Request("", "sh", "-c", strings.ReplaceAll(script, "{started}", "echo $$ >"+started+".new; mv "+started+".new "+started)))); err != nil {
		s.Fatal(err)
	}
	s.Eventually("the command to run", func() bool { _, err := os.Stat(started); return err == nil })
}

func commandPID(s *rig.Server) int {
	s.Helper()
	text, err := os.ReadFile(s.Dir + "/started")
	if err != nil {
		s.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		s.Fatal(err)
	}
	return pid
}

// A command whose client has gone goes on, as with the peer.
func TestDaemonClientGone(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, rig.AllowShell)
	s := rig.Serve(t, p)
	before := settle(s)
	c := s.Client()
	runs(s, c, "{started}; sleep 0.5; echo more; touch "+p.Dir+"/finished")
	c.Conn.Close()
	s.Eventually("the command to finish", func() bool { _, err := os.Stat(p.Dir + "/finished"); return err == nil })
	same(s, before)
}

// With kill_on_disconnect it ends, what it has started too, and what does not heed
// SIGTERM a little later.
func TestDaemonKillOnDisconnect(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell, "kill_on_disconnect=yes"))
	before := settle(s)
	for name, script := range map[string]string{
		"plain":        "{started}; exec sleep 300",
		"children":     "{started}; sleep 300 & sleep 300 | sleep 300",
		"ignores TERM": "trap '' TERM; {started}; sleep 300; sleep 300",
		"holds output": "sleep 300 & {started}; exit 0",
	} {
		c := s.Client()
		runs(s, c, script)
		if name == "holds output" {
			s.Eventually("the shell to end", func() bool {
				text, _ := os.ReadFile("/proc/" + strconv.Itoa(commandPID(s)) + "/stat")
				return strings.Contains(string(text), ") Z ")
			})
		}
		c.Conn.Close()
		restsAs(s, before)
		if name != "holds output" {
			s.Eventually(name+": all to end", func() bool {
				for _, process := range s.Processes() {
					if strings.Contains(process, "sleep") {
						return false
					}
				}
				return true
			})
		}
	}
	// What is left in the background is not the client's any more, and not ours.
	for _, process := range s.Processes() {
		if pid, rest, _ := strings.Cut(process, " "); strings.Contains(rest, "sleep") {
			n, _ := strconv.Atoi(pid)
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
	same(s, before)
}

// Launchers that are killed while they wait are replaced; no request is lost, and
// none is run twice.
func TestDaemonLaunchersKilled(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell+"\necho: CommandFilter, echo, root"))
	before := settle(s)
	c := s.Client()
	for range 20 {
		for _, pid := range s.Below() {
			n, _ := strconv.Atoi(pid)
			syscall.Kill(n, syscall.SIGKILL)
		}
		if r := c.Run("echo", "x"); r.Status != 0 || r.Out != "x\n" {
			t.Errorf("after all spares were killed: %v", r)
		}
	}
	// While requests run: each is answered, or said to have been killed.
	var clients sync.WaitGroup
	for range 4 {
		c := s.Client()
		clients.Go(func() {
			for range 50 {
				r := c.Run("echo", "x")
				switch {
				case r.Status == 0 && r.Out == "x\n" && r.Err == "":
				case r.Status == -9 && r.Err == "" && (r.Out == "" || r.Out == "x\n"):
				case r.Status == 97 && r.Out == "" && strings.Contains(r.Err, "the launcher of the command was killed, and the command with it"):
				case r.Status == 97 && r.Out == "" && strings.Contains(r.Err, "the launcher ended before it took the command"): // several in turn
				default:
					t.Errorf("%v", r)
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { clients.Wait(); close(over) }()
	for killing := true; killing; {
		select {
		case <-over:
			killing = false
		case <-time.After(3 * time.Millisecond):
			for _, pid := range s.Below() {
				n, _ := strconv.Atoi(pid)
				syscall.Kill(n, syscall.SIGKILL)
			}
		}
	}
	if r := c.Run("echo", "x"); r.Status != 0 {
		t.Error(r)
	}
	// Running commands.
	runs(s, c, "{started}; exec sleep 300")
	syscall.Kill(commandPID(s), syscall.SIGKILL)
	if r := c.Result(c.Reply()); r.Status != -9 || r.Out != "" {
		t.Error(r)
	}
	s.DropAll()
	same(s, before)
}

// A daemon that is killed leaves no launcher behind, and no child of the commands
// it ran is anybody's but init's.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowShell))
	settle(s)
	c := s.Client()
	runs(s, c, "{started}; exec sleep 300")
	var spares []string
	s.Eventually("all spares", func() bool { spares = children(s); return len(spares) == spareLaunchers })
	s.Killed = true
	syscall.Kill(s.Pid, syscall.SIGKILL)
	s.Ends()
	command := commandPID(s)
	s.Eventually("its launchers to end", func() bool {
		for _, pid := range spares {
			if n, _ := strconv.Atoi(pid); n != command && syscall.Kill(n, 0) == nil {
				return false
			}
		}
		return true
	})
	if rest, err := io.ReadAll(c.In); len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if err := syscall.Kill(command, syscall.SIGKILL); err != nil {
		t.Errorf("the command: %v", err)
	}
	os.RemoveAll(filepath.Dir(s.Path)) // nobody else does
}
