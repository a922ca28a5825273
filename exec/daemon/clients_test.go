package daemon

import (
	"net"
	"slices"
	"testing"
)

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

// Once it is time to stop no connection begins anything.
func TestClientsStop(t *testing.T) {
	s := newClients(newMetrics())
	early, late := new(net.UnixConn), new(net.UnixConn)
	s.enter(early, 1)
	s.enter(late, 1)
	if !s.attend(early) {
		t.Error("not attended to")
	}
	s.stop()
	if s.attend(late) || s.enter(new(net.UnixConn), 1) {
		t.Error("attended to after the end")
	}
}
