package integration

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
)

// On SIGTERM what runs is finished and answered, and nothing more begun.
func TestDaemonTerminated(t *testing.T) {
	t.Parallel()
	p := daemonPolicy(t, allowShell)
	for name, end := range map[string]func(*server){
		"SIGTERM":  func(s *server) { syscall.Kill(s.pid, syscall.SIGTERM) },
		"SIGINT":   func(s *server) { syscall.Kill(s.pid, syscall.SIGINT) },
		"shutdown": func(s *server) { s.client().call(`["1", "shutdown", [], {}]`) },
	} {
		s := serve(t, p)
		s.settle()
		resting, first, c := s.client(), s.manager(""), s.client()
		s.dial()
		s.dial().Write([]byte{0, 0})
		s.runs(c, "{started}; sleep 1; echo done")
		end(s)
		s.eventually("the socket to go", func() bool { _, err := net.Dial("unix", s.path); return err != nil })
		if r := c.result(c.reply()); r.status != 0 || r.out != "done\n" {
			t.Errorf("%s: %v", name, r)
		}
		for _, c := range []*rpc{c, resting, first} {
			c.write([]byte(request("", "sh", "-c", "touch "+p.dir+"/late")))
			if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: then %q, %v", name, rest, err)
			}
		}
		s.ends()
		s.nothingLeft()
		if _, err := os.Stat(p.dir + "/late"); err == nil {
			t.Errorf("%s: a request that came later was run", name)
		}
	}
}

// A daemon that is to end waits for no command that nobody waits for, whether the
// client went before or goes after.
func TestDaemonTerminatedClientGone(t *testing.T) {
	t.Parallel()
	p := daemonPolicy(t, allowShell)
	for name, end := range map[string]func(*server, *rpc){
		"before": func(s *server, c *rpc) {
			c.conn.Close()
			time.Sleep(50 * time.Millisecond)
			syscall.Kill(s.pid, syscall.SIGTERM)
		},
		"after": func(s *server, c *rpc) {
			syscall.Kill(s.pid, syscall.SIGTERM)
			time.Sleep(200 * time.Millisecond)
			c.conn.Close()
		},
	} {
		s := serve(t, p)
		s.settle()
		c := s.client()
		s.runs(c, "{started}; sleep 300; sleep 300")
		end(s, c)
		select {
		case <-s.gone:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: the daemon waits for a command that nobody waits for", name)
			syscall.Kill(-s.commandPID(), syscall.SIGKILL)
		}
		s.ends()
		s.nothingLeft()
	}
}

// A daemon that is to end waits for no client that has the key and says nothing,
// or little at a time.
func TestDaemonTerminatedSlowClient(t *testing.T) {
	s := serve(t, daemonPolicy(t, allowTrue))
	s.settle()
	half, slow := s.manager(""), s.halfWay()
	message := frame([]byte(`[null, "accept_connection", ["x"], {}]`))
	half.conn.Write(message[:1])
	slow.conn.Write(frame([]byte("#CHALL"))[:9])
	stop := make(chan struct{})
	go func() {
		for i := 1; i < len(message); i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				half.conn.Write(message[i : i+1])
			}
		}
	}()
	time.Sleep(50 * time.Millisecond)
	syscall.Kill(s.pid, syscall.SIGTERM)
	select {
	case <-s.gone:
	case <-time.After(8 * time.Second):
		t.Error("the daemon waits for a client that writes slowly")
	}
	close(stop)
	s.ends()
}

// What a command leaves in the background may hold its output: the client waits,
// as with the peer, but not the daemon that is to end.
func TestDaemonBackground(t *testing.T) {
	t.Parallel()
	p := daemonPolicy(t, allowShell)
	s := serve(t, p)
	before := s.settle()
	c := s.client()
	if r := c.run("sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"); r.status != 0 {
		t.Error(r)
	} else {
		n, _ := strconv.Atoi(strings.TrimSpace(r.out))
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Errorf("what was left in the background does not run: %v", err)
		}
	}
	start := time.Now()
	if r := c.run("sh", "-c", "(sleep 1; echo late) & echo first"); r.out != "first\nlate\n" || time.Since(start) < time.Second {
		t.Error(r)
	}
	s.restsAs(with(before, 1))
	s.runs(c, "sleep 300 & echo $!; {started}")
	syscall.Kill(s.pid, syscall.SIGTERM)
	r := c.result(c.reply())
	if n, err := strconv.Atoi(strings.TrimSpace(r.out)); err != nil || r.status != 0 {
		t.Error(r)
	} else {
		syscall.Kill(n, syscall.SIGKILL)
	}
	s.ends()
	s.nothingLeft()
}

// A request that has not begun when the daemon is told to stop is not answered, so
// that the client asks another one; and it is not run.
func TestDaemonTooLate(t *testing.T) {
	t.Parallel()
	p := daemonPolicy(t, allowShell, "max_children=1")
	s := serve(t, p)
	s.settle()
	first, queued, late := s.client(), s.client(), s.client()
	s.runs(first, "{started}; sleep 1; echo done")
	mark := p.dir + "/mark"
	touch := []byte(request("", "sh", "-c", "echo >>"+mark))
	if err := queued.write(touch); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(s.pid, syscall.SIGTERM)
	s.eventually("the socket to be gone", func() bool { _, err := os.Stat(s.path); return err != nil })
	_ = late.write(touch) // the connection may be closed already
	if r := first.result(first.reply()); r.status != 0 || r.out != "done\n" {
		t.Errorf("what ran: %v", r)
	}
	for _, c := range []*rpc{queued, late} {
		if rest, _ := io.ReadAll(c.in); len(rest) > 0 {
			t.Errorf("answered: %q", rest)
		}
	}
	s.ends()
	if _, err := os.Stat(mark); err == nil {
		t.Error("run after the daemon was told to stop")
	}
}
