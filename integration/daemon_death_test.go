package integration

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
)

// runs starts a command and waits until it says that it runs: script makes the file
// that {started} stands for.
func (s *server) runs(c *rpc, script string) {
	s.Helper()
	started := s.dir + "/started"
	os.Remove(started)
	if err := c.write([]byte(request("", "sh", "-c", strings.ReplaceAll(script, "{started}", "echo $$ >"+started+".new; mv "+started+".new "+started)))); err != nil {
		s.Fatal(err)
	}
	s.eventually("the command to run", func() bool { _, err := os.Stat(started); return err == nil })
}

func (s *server) commandPID() int {
	s.Helper()
	text, err := os.ReadFile(s.dir + "/started")
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
	p := daemonPolicy(t, allowShell)
	s := serve(t, p)
	before := s.settle()
	c := s.client()
	s.runs(c, "{started}; sleep 0.5; echo more; touch "+p.dir+"/finished")
	c.conn.Close()
	s.eventually("the command to finish", func() bool { _, err := os.Stat(p.dir + "/finished"); return err == nil })
	s.same(before)
}

// With kill_on_disconnect it ends, what it has started too, and what does not heed
// SIGTERM a little later.
func TestDaemonKillOnDisconnect(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowShell, "kill_on_disconnect=yes"))
	before := s.settle()
	for name, script := range map[string]string{
		"plain":        "{started}; exec sleep 300",
		"children":     "{started}; sleep 300 & sleep 300 | sleep 300",
		"ignores TERM": "trap '' TERM; {started}; sleep 300; sleep 300",
		"holds output": "sleep 300 & {started}; exit 0",
	} {
		c := s.client()
		s.runs(c, script)
		if name == "holds output" {
			s.eventually("the shell to end", func() bool {
				text, _ := os.ReadFile("/proc/" + strconv.Itoa(s.commandPID()) + "/stat")
				return strings.Contains(string(text), ") Z ")
			})
		}
		c.conn.Close()
		s.restsAs(before)
		if name != "holds output" {
			s.eventually(name+": all to end", func() bool {
				for _, process := range s.processes() {
					if strings.Contains(process, "sleep") {
						return false
					}
				}
				return true
			})
		}
	}
	// What is left in the background is not the client's any more, and not ours.
	for _, process := range s.processes() {
		if pid, rest, _ := strings.Cut(process, " "); strings.Contains(rest, "sleep") {
			n, _ := strconv.Atoi(pid)
			syscall.Kill(n, syscall.SIGKILL)
		}
	}
	s.same(before)
}

// Launchers that are killed while they wait are replaced; no request is lost, and
// none is run twice.
func TestDaemonLaunchersKilled(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowShell+"\necho: CommandFilter, echo, root"))
	before := s.settle()
	c := s.client()
	for range 20 {
		for _, pid := range s.below() {
			n, _ := strconv.Atoi(pid)
			syscall.Kill(n, syscall.SIGKILL)
		}
		if r := c.run("echo", "x"); r.status != 0 || r.out != "x\n" {
			t.Errorf("after all spares were killed: %v", r)
		}
	}
	// While requests run: each is answered, or said to have been killed.
	var clients sync.WaitGroup
	for range 4 {
		c := s.client()
		clients.Go(func() {
			for range 50 {
				r := c.run("echo", "x")
				switch {
				case r.status == 0 && r.out == "x\n" && r.err == "":
				case r.status == -9 && r.err == "" && (r.out == "" || r.out == "x\n"):
				case r.status == 97 && r.out == "" && strings.Contains(r.err, "the launcher of the command was killed, and the command with it"):
				case r.status == 97 && r.out == "" && strings.Contains(r.err, "the launcher ended before it took the command"): // several in turn
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
			for _, pid := range s.below() {
				n, _ := strconv.Atoi(pid)
				syscall.Kill(n, syscall.SIGKILL)
			}
		}
	}
	if r := c.run("echo", "x"); r.status != 0 {
		t.Error(r)
	}
	// Running commands.
	s.runs(c, "{started}; exec sleep 300")
	syscall.Kill(s.commandPID(), syscall.SIGKILL)
	if r := c.result(c.reply()); r.status != -9 || r.out != "" {
		t.Error(r)
	}
	s.dropAll()
	s.same(before)
}

// A daemon that is killed leaves no launcher behind, and no child of the commands
// it ran is anybody's but init's.
func TestDaemonKilled(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowShell))
	s.settle()
	c := s.client()
	s.runs(c, "{started}; exec sleep 300")
	var spares []string
	s.eventually("all spares", func() bool { spares = s.children(); return len(spares) == spareLaunchers })
	s.killed = true
	syscall.Kill(s.pid, syscall.SIGKILL)
	s.ends()
	command := s.commandPID()
	s.eventually("its launchers to end", func() bool {
		for _, pid := range spares {
			if n, _ := strconv.Atoi(pid); n != command && syscall.Kill(n, 0) == nil {
				return false
			}
		}
		return true
	})
	if rest, err := io.ReadAll(c.in); len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
	if err := syscall.Kill(command, syscall.SIGKILL); err != nil {
		t.Errorf("the command: %v", err)
	}
	os.RemoveAll(filepath.Dir(s.path)) // nobody else does
}
