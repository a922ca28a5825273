package daemon

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// On SIGTERM what runs is finished and answered, and nothing more begun.
func TestDaemonTerminated(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, rig.AllowShell)
	for name, end := range map[string]func(*rig.Server){
		"SIGTERM":  func(s *rig.Server) { syscall.Kill(s.Pid, syscall.SIGTERM) },
		"SIGINT":   func(s *rig.Server) { syscall.Kill(s.Pid, syscall.SIGINT) },
		"shutdown": func(s *rig.Server) { s.Client().Call(`["1", "shutdown", [], {}]`) },
	} {
		s := rig.Serve(t, p)
		settle(s)
		resting, first, c := s.Client(), s.Manager(""), s.Client()
		s.Dial()
		s.Dial().Write([]byte{0, 0})
		runs(s, c, "{started}; sleep 1; echo done")
		end(s)
		s.Eventually("the socket to go", func() bool { _, err := net.Dial("unix", s.Path); return err != nil })
		if r := c.Result(c.Reply()); r.Status != 0 || r.Out != "done\n" {
			t.Errorf("%s: %v", name, r)
		}
		for _, c := range []*rig.RPC{c, resting, first} {
			c.Write([]byte(rig.Request("", "sh", "-c", "touch "+p.Dir+"/late")))
			if rest, err := io.ReadAll(c.In); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: then %q, %v", name, rest, err)
			}
		}
		s.Ends()
		s.NothingLeft()
		if _, err := os.Stat(p.Dir + "/late"); err == nil {
			t.Errorf("%s: a request that came later was run", name)
		}
	}
}

// A daemon that is to end waits for no command that nobody waits for, whether the
// client went before or goes after.
func TestDaemonTerminatedClientGone(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, rig.AllowShell)
	for name, end := range map[string]func(*rig.Server, *rig.RPC){
		"before": func(s *rig.Server, c *rig.RPC) {
			c.Conn.Close()
			time.Sleep(50 * time.Millisecond)
			syscall.Kill(s.Pid, syscall.SIGTERM)
		},
		"after": func(s *rig.Server, c *rig.RPC) {
			syscall.Kill(s.Pid, syscall.SIGTERM)
			time.Sleep(200 * time.Millisecond)
			c.Conn.Close()
		},
	} {
		s := rig.Serve(t, p)
		settle(s)
		c := s.Client()
		runs(s, c, "{started}; sleep 300; sleep 300")
		end(s, c)
		select {
		case <-s.Gone:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the daemon waits for a command that nobody waits for", name)
			syscall.Kill(-commandPID(s), syscall.SIGKILL)
		}
		s.Ends()
		s.NothingLeft()
	}
}

// A daemon that is to end waits for no client that has the key and says nothing,
// or little at a time.
func TestDaemonTerminatedSlowClient(t *testing.T) {
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue))
	settle(s)
	half, slow := s.Manager(""), halfWay(s)
	message := rig.Frame([]byte(`[null, "accept_connection", ["x"], {}]`))
	half.Conn.Write(message[:1])
	slow.Conn.Write(rig.Frame([]byte("#CHALL"))[:9])
	stop := make(chan struct{})
	go func() {
		for i := 1; i < len(message); i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				half.Conn.Write(message[i : i+1])
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	syscall.Kill(s.Pid, syscall.SIGTERM)
	select {
	case <-s.Gone:
	case <-time.After(8 * time.Second):
		t.Error("the daemon waits for a client that writes slowly")
	}
	close(stop)
	s.Ends()
}

// What a command leaves in the background may hold its output: the client waits,
// as with the peer, but not the daemon that is to end.
func TestDaemonBackground(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, rig.AllowShell)
	s := rig.Serve(t, p)
	before := settle(s)
	c := s.Client()
	if r := c.Run("sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"); r.Status != 0 {
		t.Error(r)
	} else {
		n, _ := strconv.Atoi(strings.TrimSpace(r.Out))
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Errorf("what was left in the background does not run: %v", err)
		}
	}
	start := time.Now()
	if r := c.Run("sh", "-c", "(sleep 1; echo late) & echo first"); r.Out != "first\nlate\n" || time.Since(start) < time.Second {
		t.Error(r)
	}
	restsAs(s, with(before, 1))
	runs(s, c, "sleep 300 & echo $!; {started}")
	syscall.Kill(s.Pid, syscall.SIGTERM)
	r := c.Result(c.Reply())
	if n, err := strconv.Atoi(strings.TrimSpace(r.Out)); err != nil || r.Status != 0 {
		t.Error(r)
	} else {
		syscall.Kill(n, syscall.SIGKILL)
	}
	s.Ends()
	s.NothingLeft()
}

// A request that has not begun when the daemon is told to stop is not answered, so
// that the client asks another one; and it is not run.
func TestDaemonTooLate(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, rig.AllowShell, "max_children=1")
	s := rig.Serve(t, p)
	settle(s)
	first, queued, late := s.Client(), s.Client(), s.Client()
	runs(s, first, "{started}; sleep 1; echo done")
	mark := p.Dir + "/mark"
	touch := []byte(rig.Request("", "sh", "-c", "echo >>"+mark))
	if err := queued.Write(touch); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(s.Pid, syscall.SIGTERM)
	s.Eventually("the socket to be gone", func() bool { _, err := os.Stat(s.Path); return err != nil })
	_ = late.Write(touch) // the connection may be closed already
	if r := first.Result(first.Reply()); r.Status != 0 || r.Out != "done\n" {
		t.Errorf("what ran: %v", r)
	}
	for _, c := range []*rig.RPC{queued, late} {
		if rest, _ := io.ReadAll(c.In); len(rest) > 0 {
			t.Errorf("answered: %q", rest)
		}
	}
	s.Ends()
	if _, err := os.Stat(mark); err == nil {
		t.Error("run after the daemon was told to stop")
	}
}
