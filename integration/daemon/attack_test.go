package daemon

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

var nobody = rig.User{Name: "nobody", UID: 65534, GID: 65534}

// served keeps asking as a client of root's until stop, each time on a connection of
// its own, and complains of every request that is not answered at once.
func served(s *rig.Server) (stop func()) {
	s.Helper()
	quit, ended := make(chan struct{}), make(chan struct{})
	requests := 0
	go func() {
		defer close(ended)
		for {
			select {
			case <-quit:
				if requests > 2 {
					return
				}
			default:
			}
			start := time.Now()
			if err := once(s); err != nil {
				s.Errorf("request %d meanwhile: %v", requests, err)
				return
			}
			if took := time.Since(start); took > 10*time.Second {
				s.Errorf("request %d meanwhile took %v", requests, took)
			}
			requests++
		}
	}()
	return func() {
		close(quit)
		<-ended
		s.Logf("%d requests were served meanwhile", requests)
	}
}

// once is one request on a connection of its own.
func once(s *rig.Server) error {
	conn, err := net.Dial("unix", s.Path)
	// A client whose socket blocks waits in connect(2) while the queue is full.
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EAGAIN) && time.Now().Before(deadline); conn, err = net.Dial("unix", s.Path) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c := &rig.RPC{TB: s.TB, Conn: conn, In: bufio.NewReader(conn)}
	if err := c.Authenticate(s.Key, "sha256"); err != nil {
		return err
	}
	for _, request := range []string{`[null, "accept_connection", ["x"], {}]`, rig.Request("", "true")} {
		c.Write([]byte(request))
		if answer, err := c.Read(); err != nil || answer[2] != '#' || answer[3] != 'R' {
			return fmt.Errorf("%q, %v", answer, err)
		}
	}
	return nil
}

// crowd opens connections as a user and does nothing with them.
func crowd(s *rig.Server, u rig.User, n int) (conns []net.Conn) {
	s.Helper()
	rig.As(u, nil, func() {
		for range n {
			c, err := net.Dial("unix", s.Path)
			if err != nil {
				s.Errorf("connection %d as %s: %v", len(conns), u.Name, err)
				return
			}
			conns = append(conns, c)
		}
	})
	s.Conns = append(s.Conns, conns...)
	return conns
}

// Without allow_users nobody but root and the one who started the daemon gets to
// the socket.
func TestDaemonUnreachable(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue))
	before := settle(s)
	var err error
	rig.As(nobody, []uint32{4, 27, 1000}, func() { _, err = net.Dial("unix", s.Path) })
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("another user connects: %v", err)
	}
	// The group opens the directory alone: it may not connect.
	rig.As(nobody, []uint32{rig.Caller.GID}, func() { _, err = net.Dial("unix", s.Path) })
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("a member of the caller's group connects: %v", err)
	}
	rig.As(rig.Caller, nil, func() { err = once(s) })
	if err != nil {
		t.Errorf("the caller: %v", err)
	}
	same(s, before)
}

func TestDaemonCrowd(t *testing.T) {
	for _, test := range []struct {
		name  string
		conf  string
		who   rig.User
		says  bool // a challenge
		count string
	}{
		{"another user", "allow_users=daemon\nallow_groups=adm", nobody, false, "user"},
		{"the caller without the key", "allow_users=daemon", rig.Caller, true, "crowd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const n = 2000
			s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue, test.conf))
			before := settle(s)
			stop := served(s)
			conns := crowd(s, test.who, n)
			// The daemon closes all but a few, at once.
			heard, open := 0, 0
			deadline := time.Now().Add(3 * time.Second)
			for _, c := range conns {
				c.SetReadDeadline(later(deadline, time.Now().Add(20*time.Millisecond)))
				text, err := io.ReadAll(c)
				if heard += len(text); errors.Is(err, os.ErrDeadlineExceeded) {
					open++
					deadline = time.Time{}
				}
			}
			if !test.says && open > 0 || open > 64 {
				t.Errorf("%d connections stay open", open)
			}
			stop()
			if !test.says && heard > 0 {
				t.Errorf("those who may not connect heard %d bytes", heard)
			}
			s.DropAll()
			if count := same(s, before)[`ironwrap_connections_refused_total{reason="`+test.count+`"}`]; count < n-64-40 {
				t.Errorf("%v refusals are counted", count)
			}
		})
	}
}

// A caller without the key who connects all the time does not keep others out.
func TestDaemonStorm(t *testing.T) {
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue))
	before := settle(s)
	var over atomic.Bool
	var storm sync.WaitGroup
	var count atomic.Int64
	for range 2 {
		storm.Go(func() {
			rig.As(rig.Caller, nil, func() {
				for !over.Load() {
					if c, err := net.Dial("unix", s.Path); err == nil {
						count.Add(1)
						time.AfterFunc(100*time.Millisecond, func() { c.Close() })
					}
				}
			})
		})
	}
	stop := served(s)
	time.Sleep(time.Second)
	stop()
	over.Store(true)
	storm.Wait()
	t.Logf("%d connections", count.Load())
	time.Sleep(100 * time.Millisecond) // until all are closed
	same(s, before)
}

// A length is no reason to take memory.
func TestDaemonLengths(t *testing.T) {
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue))
	before := settle(s)
	resident := memory(s, "VmHWM")
	virtual := memory(s, "VmSize")
	for _, length := range []uint64{257, 1 << 20, 8 << 30, 1 << 62, 1 << 63, 1<<64 - 1} {
		head := binary.BigEndian.AppendUint64(nil, length)
		c := s.Over(s.Dial())
		if _, err := c.Challenge(); err != nil {
			t.Fatal(err)
		}
		c.Conn.Write(head)
		if rest, err := io.ReadAll(c.In); string(rest) != "" && string(rest) != string(rig.Frame([]byte("#FAILURE#"))) || err != nil {
			t.Errorf("before the key, %d: %q, %v", length, rest, err)
		}
		if length <= 64<<20 {
			continue
		}
		for name, c := range map[string]*rig.RPC{"first request": s.Manager(""), "request": s.Client()} {
			c.Conn.Write(head)
			if answer := c.Reply(); !strings.HasPrefix(answer, `["#TRACEBACK", "`) || !strings.Contains(answer, "longer") {
				t.Errorf("%s, %d: %s", name, length, answer)
			}
			if rest, err := io.ReadAll(c.In); len(rest) > 0 || err != nil {
				t.Errorf("%s, %d: then %q, %v", name, length, rest, err)
			}
		}
	}
	// As much as may be sent, announced and not sent.
	for range 50 {
		s.Client().Conn.Write(binary.BigEndian.AppendUint64(nil, 64<<20))
	}
	if err := once(s); err != nil {
		t.Error(err)
	}
	if now := memory(s, "VmHWM"); now > resident+16<<10 {
		t.Errorf("%d kB at the most, before %d", now, resident)
	}
	if now := memory(s, "VmSize"); now > virtual+300<<10 {
		t.Errorf("%d kB of address space, before %d", now, virtual)
	}
	s.DropAll()
	same(s, before)
}

// Who reads slowly, or writes slowly, keeps nobody else waiting.
func TestDaemonSlow(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue+"\ncat: CommandFilter, cat, root\nhead: CommandFilter, head, root"))
	before := settle(s)
	stop := served(s)
	for range 20 {
		// Never reads a reply that no buffer holds.
		s.Client().Write([]byte(rig.Request("", "head", "-c", "3000000", "/dev/zero")))
		// Stops in the middle of a request, of its length, of a challenge's answer.
		s.Client().Conn.Write(rig.Frame([]byte(rig.Request("", "true")))[:30])
		s.Client().Conn.Write([]byte{0, 0, 0})
		s.Dial().Write([]byte{0})
	}
	// Goes on slowly all the time.
	slow := s.Client()
	for _, b := range rig.Frame([]byte(rig.Request("", "true")))[:40] {
		slow.Conn.Write([]byte{b})
		time.Sleep(25 * time.Millisecond)
	}
	stop()
	s.DropAll()
	same(s, before)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
