package integration

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
)

var nobody = user{"nobody", 65534, 65534}

// served keeps asking as a client of root's until stop, each time on a connection of
// its own, and complains of every request that is not answered at once.
func (s *server) served() (stop func()) {
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
			if err := s.once(); err != nil {
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
func (s *server) once() error {
	conn, err := net.Dial("unix", s.path)
	// A client whose socket blocks waits in connect(2) while the queue is full.
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EAGAIN) && time.Now().Before(deadline); conn, err = net.Dial("unix", s.path) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	c := &rpc{TB: s.TB, conn: conn, in: bufio.NewReader(conn)}
	if err := c.authenticate(s.key, "sha256"); err != nil {
		return err
	}
	for _, request := range []string{`[null, "accept_connection", ["x"], {}]`, request("", "true")} {
		c.write([]byte(request))
		if answer, err := c.read(); err != nil || answer[2] != '#' || answer[3] != 'R' {
			return fmt.Errorf("%q, %v", answer, err)
		}
	}
	return nil
}

// crowd opens connections as a user and does nothing with them.
func (s *server) crowd(u user, n int) (conns []net.Conn) {
	s.Helper()
	as(u, nil, func() {
		for range n {
			c, err := net.Dial("unix", s.path)
			if err != nil {
				s.Errorf("connection %d as %s: %v", len(conns), u.name, err)
				return
			}
			conns = append(conns, c)
		}
	})
	s.conns = append(s.conns, conns...)
	return conns
}

// Without allow_users nobody but root and the one who started the daemon gets to
// the socket.
func TestDaemonUnreachable(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowTrue))
	before := s.settle()
	var err error
	as(nobody, []uint32{4, 27, 1000}, func() { _, err = net.Dial("unix", s.path) })
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("another user connects: %v", err)
	}
	// The group opens the directory alone: it may not connect.
	as(nobody, []uint32{caller.gid}, func() { _, err = net.Dial("unix", s.path) })
	if !errors.Is(err, syscall.EACCES) {
		t.Errorf("a member of the caller's group connects: %v", err)
	}
	as(caller, nil, func() { err = s.once() })
	if err != nil {
		t.Errorf("the caller: %v", err)
	}
	s.same(before)
}

func TestDaemonCrowd(t *testing.T) {
	for _, test := range []struct {
		name  string
		conf  string
		who   user
		says  bool // a challenge
		count string
	}{
		{"another user", "allow_users=daemon\nallow_groups=adm", nobody, false, "user"},
		{"the caller without the key", "allow_users=daemon", caller, true, "crowd"},
	} {
		t.Run(test.name, func(t *testing.T) {
			const n = 2000
			s := serve(t, daemonPolicy(t, allowTrue, test.conf))
			before := s.settle()
			stop := s.served()
			conns := s.crowd(test.who, n)
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
			s.dropAll()
			if count := s.same(before)[`ironwrap_connections_refused_total{reason="`+test.count+`"}`]; count < n-64-40 {
				t.Errorf("%v refusals are counted", count)
			}
		})
	}
}

// A caller without the key who connects all the time does not keep others out.
func TestDaemonStorm(t *testing.T) {
	s := serve(t, daemonPolicy(t, allowTrue))
	before := s.settle()
	var over atomic.Bool
	var storm sync.WaitGroup
	var count atomic.Int64
	for range 2 {
		storm.Go(func() {
			as(caller, nil, func() {
				for !over.Load() {
					if c, err := net.Dial("unix", s.path); err == nil {
						count.Add(1)
						time.AfterFunc(100*time.Millisecond, func() { c.Close() })
					}
				}
			})
		})
	}
	stop := s.served()
	time.Sleep(time.Second)
	stop()
	over.Store(true)
	storm.Wait()
	t.Logf("%d connections", count.Load())
	time.Sleep(100 * time.Millisecond) // until all are closed
	s.same(before)
}

// A length is no reason to take memory.
func TestDaemonLengths(t *testing.T) {
	s := serve(t, daemonPolicy(t, allowTrue))
	before := s.settle()
	memory := s.memory("VmHWM")
	virtual := s.memory("VmSize")
	for _, length := range []uint64{257, 1 << 20, 8 << 30, 1 << 62, 1 << 63, 1<<64 - 1} {
		head := binary.BigEndian.AppendUint64(nil, length)
		c := s.over(s.dial())
		if _, err := c.challenge(); err != nil {
			t.Fatal(err)
		}
		c.conn.Write(head)
		if rest, err := io.ReadAll(c.in); string(rest) != "" && string(rest) != string(frame([]byte("#FAILURE#"))) || err != nil {
			t.Errorf("before the key, %d: %q, %v", length, rest, err)
		}
		if length <= 64<<20 {
			continue
		}
		for name, c := range map[string]*rpc{"first request": s.manager(""), "request": s.client()} {
			c.conn.Write(head)
			if answer := c.reply(); !strings.HasPrefix(answer, `["#TRACEBACK", "`) || !strings.Contains(answer, "longer") {
				t.Errorf("%s, %d: %s", name, length, answer)
			}
			if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil {
				t.Errorf("%s, %d: then %q, %v", name, length, rest, err)
			}
		}
	}
	// As much as may be sent, announced and not sent.
	for range 50 {
		s.client().conn.Write(binary.BigEndian.AppendUint64(nil, 64<<20))
	}
	if err := s.once(); err != nil {
		t.Error(err)
	}
	if now := s.memory("VmHWM"); now > memory+16<<10 {
		t.Errorf("%d kB at the most, before %d", now, memory)
	}
	if now := s.memory("VmSize"); now > virtual+300<<10 {
		t.Errorf("%d kB of address space, before %d", now, virtual)
	}
	s.dropAll()
	s.same(before)
}

// Who reads slowly, or writes slowly, keeps nobody else waiting.
func TestDaemonSlow(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowTrue+"\ncat: CommandFilter, cat, root\nhead: CommandFilter, head, root"))
	before := s.settle()
	stop := s.served()
	for range 20 {
		// Never reads a reply that no buffer holds.
		s.client().write([]byte(request("", "head", "-c", "3000000", "/dev/zero")))
		// Stops in the middle of a request, of its length, of a challenge's answer.
		s.client().conn.Write(frame([]byte(request("", "true")))[:30])
		s.client().conn.Write([]byte{0, 0, 0})
		s.dial().Write([]byte{0})
	}
	// Goes on slowly all the time.
	slow := s.client()
	for _, b := range frame([]byte(request("", "true")))[:40] {
		slow.conn.Write([]byte{b})
		time.Sleep(25 * time.Millisecond)
	}
	stop()
	s.dropAll()
	s.same(before)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
