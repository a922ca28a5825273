package daemon

import (
	"net"
	"slices"
	"sync"

	"ironwrap/exec"
)

const (
	// maxWaiting is how many connections may be there that have not shown the key
	// yet. One more takes the place of another, the oldest of the user who has most
	// of them: a client shows the key in no time, and a user who floods the socket
	// is in nobody's way but their own.
	maxWaiting = 64

	// maxClients is how many connections may be there at all. The client of oslo
	// keeps one for each of its threads.
	maxClients = 1024

	// maxOfUser is how many connections of one user may be served, so that some are left
	// for others. One that was closed counts until nothing is done for it any more: what
	// is looked at for a user may be slow on purpose.
	maxOfUser = maxClients - 16
)

// clients are the connections that there are.
type clients struct {
	sync.WaitGroup // one for each goroutine that serves
	metrics        *metrics

	mu      sync.Mutex
	all     map[*net.UnixConn]bool // whether it may wait for the answer of a command
	users   map[*net.UnixConn]int  // whose it is, until it leaves
	ofUser  map[int]int            // how many those of a user are
	waiting []waiting              // not authenticated, the oldest first
	waiters map[*net.UnixConn]*exec.Waiter
	stopped bool
}

type waiting struct {
	*net.UnixConn
	uid int
}

func newClients(m *metrics) *clients {
	return &clients{metrics: m, all: make(map[*net.UnixConn]bool), users: make(map[*net.UnixConn]int), ofUser: make(map[int]int), waiters: make(map[*net.UnixConn]*exec.Waiter)}
}

// enter takes a connection in, or tells that there are too many, of this user or of all. It closes one that
// comes when the daemon has stopped.
func (s *clients) enter(c *net.UnixConn, uid int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		c.Close()
		return true
	}
	if len(s.all) >= maxClients || s.ofUser[uid] >= maxOfUser {
		return false
	}
	s.all[c] = false
	s.users[c] = uid
	s.ofUser[uid]++
	if len(s.waiting) == maxWaiting {
		i := s.most()
		s.waiting[i].Close()
		// It counts no more, though whoever serves it may take a while to see it.
		delete(s.all, s.waiting[i].UnixConn)
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.metrics.refuse("crowd")
	}
	s.waiting = append(s.waiting, waiting{c, uid})
	return true
}

// most returns the index of the oldest that waits of the user who has most.
func (s *clients) most() int {
	count := make(map[int]int)
	user := s.waiting[0].uid
	for _, w := range s.waiting {
		if count[w.uid]++; count[w.uid] > count[user] {
			user = w.uid
		}
	}
	return slices.IndexFunc(s.waiting, func(w waiting) bool { return w.uid == user })
}

// authenticated takes a connection from those that wait.
func (s *clients) authenticated(c *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(c)
}

func (s *clients) forget(c *net.UnixConn) {
	if i := slices.IndexFunc(s.waiting, func(w waiting) bool { return w.UnixConn == c }); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// leave forgets a connection.
func (s *clients) leave(c *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(c)
	delete(s.all, c)
	if uid, ok := s.users[c]; ok {
		delete(s.users, c)
		if s.ofUser[uid]--; s.ofUser[uid] == 0 {
			delete(s.ofUser, uid)
		}
	}
}

// asks notes that commands may be run for a connection, or tells that none are any
// more.
func (s *clients) asks(c *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[c] = true
	return !s.stopped
}

// rests notes that nothing is run for a connection until it asks again, or tells that
// it cannot any more.
func (s *clients) rests(c *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[c] = false
	return !s.stopped
}

// waits notes by what a connection waits for its commands, nil for none.
func (s *clients) waits(c *net.UnixConn, w *exec.Waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiters[c] = w; w == nil {
		delete(s.waiters, c)
	}
}

// interrupt has one who waits for a command look up.
func (s *clients) interrupt(c *net.UnixConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.waiters[c]; w != nil {
		w.Interrupt()
	}
}

// interruptAll has all look up who wait for a command.
func (s *clients) interruptAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.waiters {
		w.Interrupt()
	}
}

// stop closes the connections that wait for no command. The others end by
// themselves when what runs is answered.
func (s *clients) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for c, asks := range s.all {
		if !asks {
			c.Close()
		}
	}
}
