package daemon

import (
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// maxWaiting is how many connections may be there that have not shown the key
	// yet. One more takes the place of the oldest: a client shows it in no time.
	maxWaiting = 64

	// maxClients is how many connections may be there at all. The client of oslo
	// keeps one for each of its threads.
	maxClients = 1024
)

// clients are the connections that there are.
type clients struct {
	sync.WaitGroup // one for each goroutine that serves
	metrics        *metrics

	mu      sync.Mutex
	all     map[*net.UnixConn]bool
	waiting []*net.UnixConn // not authenticated, the oldest first
	stopped bool
}

func newClients(m *metrics) *clients {
	return &clients{metrics: m, all: make(map[*net.UnixConn]bool)}
}

// enter takes a connection in, or tells that there are too many.
func (s *clients) enter(c *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxClients || s.stopped {
		return false
	}
	s.all[c] = true
	if len(s.waiting) == maxWaiting {
		s.waiting[0].Close()
		s.waiting = s.waiting[1:]
		s.metrics.refuse("crowd")
	}
	s.waiting = append(s.waiting, c)
	return true
}

// authenticated takes a connection from those that wait.
func (s *clients) authenticated(c *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(c)
}

func (s *clients) forget(c *net.UnixConn) {
	if i := slices.Index(s.waiting, c); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// leave forgets a connection.
func (s *clients) leave(c *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(c)
	delete(s.all, c)
}

// stop ends the reading on all connections. What runs is answered still.
func (s *clients) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for c := range s.all {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // it may be closed already
	}
}
