package daemon

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"
)

// connections makes n pairs, and returns ours and theirs.
func connections(t testing.TB, n int) (ours, theirs []*net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: t.TempDir() + "/s", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range n {
		far, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
		if err != nil {
			t.Fatal(err)
		}
		near, err := l.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { near.Close(); far.Close() })
		ours, theirs = append(ours, near), append(theirs, far)
	}
	return ours, theirs
}

// closed tells whether we have closed the connection.
func closed(c *net.UnixConn) bool { return errors.Is(c.SetDeadline(time.Time{}), net.ErrClosed) }

// Of those that have not shown the key, one more takes the place of the oldest.
func TestClientsEviction(t *testing.T) {
	m := newMetrics()
	s := newClients(m)
	conns, _ := connections(t, maxWaiting+4)
	for _, c := range conns[:maxWaiting] {
		if !s.enter(c, 1) {
			t.Fatal("not let in")
		}
	}
	s.authenticated(conns[0]) // the oldest does not wait any more
	s.leave(conns[2])         // another is gone
	for i, c := range conns[maxWaiting:] {
		if !s.enter(c, 1) {
			t.Fatal("not let in")
		}
		// Two places were free, and then the oldest go: 1, 3.
		var gone []int
		for j, c := range conns {
			if closed(c) {
				gone = append(gone, j)
			}
		}
		if want := [][]int{nil, nil, {1}, {1, 3}}[i]; !slices.Equal(gone, want) {
			t.Errorf("with %d more: closed are %v, want %v", i+1, gone, want)
		}
	}
	if m.refused["crowd"] != 2 || len(s.waiting) != maxWaiting {
		t.Errorf("counted %d, %d wait", m.refused["crowd"], len(s.waiting))
	}
	for _, c := range conns {
		s.leave(c)
	}
	if len(s.all)+len(s.waiting) > 0 {
		t.Errorf("left are %d and %d", len(s.all), len(s.waiting))
	}
}

func TestClientsLimit(t *testing.T) {
	s := newClients(newMetrics())
	list := make([]*net.UnixConn, maxClients)
	for i := range list {
		list[i] = new(net.UnixConn)
		user := 1
		if i >= maxOfUser {
			user = 2
		}
		if i == maxOfUser && s.enter(new(net.UnixConn), 1) {
			t.Error("one too many of a user was let in")
		}
		if !s.enter(list[i], user) {
			t.Fatalf("number %d was not let in", i)
		}
		s.authenticated(list[i])
	}
	if s.enter(new(net.UnixConn), 2) {
		t.Error("one too many was let in")
	}
	s.leave(list[5])
	if !s.enter(list[5], 1) {
		t.Error("there was room, and it was not let in")
	}
}

// In the end those go that wait for no answer, whatever else they are about.
func TestClientsStop(t *testing.T) {
	s := newClients(newMetrics())
	conns, _ := connections(t, 4)
	for _, c := range conns[:3] {
		s.enter(c, 1)
	}
	s.authenticated(conns[1])
	s.authenticated(conns[2])
	if !s.asks(conns[2]) {
		t.Error("it may not ask")
	}
	s.stop()
	if !closed(conns[0]) || !closed(conns[1]) || closed(conns[2]) {
		t.Errorf("closed: %v %v %v", closed(conns[0]), closed(conns[1]), closed(conns[2]))
	}
	if s.enter(conns[3], 1); !closed(conns[3]) || s.asks(conns[1]) {
		t.Error("another came in")
	}
}

// Who floods the socket takes the places of their own connections, and none of the
// others' while these have fewer.
func TestClientsCrowd(t *testing.T) {
	s := newClients(newMetrics())
	other := new(net.UnixConn)
	if !s.enter(other, 2) {
		t.Fatal("refused")
	}
	var flood []*net.UnixConn
	for i := range 2 * maxClients {
		c := new(net.UnixConn)
		if flood = append(flood, c); !s.enter(c, 1) {
			t.Fatalf("connection %d is refused: there are %d", i, len(s.all))
		}
		if i >= maxWaiting-1 { // that which has gone is served no more
			s.leave(flood[i-maxWaiting+1])
		}
	}
	if len(s.waiting) != maxWaiting || len(s.all) != maxWaiting {
		t.Errorf("%d wait, of %d", len(s.waiting), len(s.all))
	}
	if s.waiting[0].UnixConn != other || s.waiting[1].UnixConn != flood[len(flood)-maxWaiting+1] {
		t.Error("others than the oldest of the flood had to go")
	}
	s.authenticated(other)
	if slices.ContainsFunc(s.waiting, func(w waiting) bool { return w.UnixConn == other }) || len(s.all) != maxWaiting {
		t.Error("one that has shown the key waits still")
	}
	for _, c := range append(flood, other) {
		s.leave(c)
	}
	if len(s.all)+len(s.waiting) > 0 {
		t.Errorf("%d, %d are left", len(s.all), len(s.waiting))
	}
}
