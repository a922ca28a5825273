package daemon

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// maxMemory is how many bytes all messages of clients may take together, from
	// their arrival until the command has them.
	maxMemory = 320 << 20

	// maxShare is how much of it one user may have: half, so that nobody alone is in
	// the way of others. The longest message there may be fits.
	maxShare = maxMemory / 2

	// small is the length of a message, in bytes, that is taken in any case: those of
	// services that run commands without much input. There are maxClients at most.
	small = 4 << 10

	// memoryPatience is how long a message waits for memory: longer than one that is
	// not sent can hold it (wire.Stall, and a second for each MiB).
	memoryPatience = 2 * time.Minute

	// much is from how many bytes on what becomes free is given back to the machine at
	// once; else the collector of garbage would let twice the limit pile up.
	much = 1 << 20
)

// memory is what messages may take. Who comes first is served first, but where a user
// has their share already others pass. The zero memory is ready.
type memory struct {
	mu    sync.Mutex
	used  int
	users map[int]int // user id -> bytes
	queue []*wanted

	lists sync.Mutex // held while the lists of a long message are made, some 25 MiB at most
}

type wanted struct {
	uid, bytes int
	given      chan struct{} // closed when it is given
}

// held is memory that was given. A nil one is of a small message.
type held struct {
	from       *memory
	uid, bytes int
}

// cost is what a message of so many bytes takes: itself, and what is made of it. Short
// words take more, as lists; those are of one message at a time (memory.lists), and
// what is left of them is accounted for afterwards (held.fit).
func cost(length int) int { return 2 * length }

// reserve waits for memory for a message of so many bytes, for some time, or until
// stop is closed.
func (m *memory) reserve(stop <-chan struct{}, uid, length int) (*held, error) {
	if length <= small {
		return nil, nil
	}
	w := &wanted{uid, cost(length), make(chan struct{})}
	m.mu.Lock()
	m.queue = append(m.queue, w)
	m.give()
	m.mu.Unlock()
	timer := time.NewTimer(memoryPatience)
	defer timer.Stop()
	select {
	case <-w.given:
		return &held{m, uid, w.bytes}, nil
	case <-timer.C:
	case <-stop:
	}
	if m.forget(w) {
		return &held{m, uid, w.bytes}, nil
	}
	return nil, &busyError{length}
}

// busyError tells that there was no memory for a message, which was not read.
type busyError struct{ length int }

func (e *busyError) Error() string {
	return fmt.Sprintf("not run: a message of %d bytes found no memory, since other messages take it: try again later, or send less input at a time", e.length)
}

// forget takes one that gives up out of the queue, or tells that it was given.
func (m *memory) forget(w *wanted) (given bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.queue {
		if m.queue[i] == w {
			m.queue = append(m.queue[:i], m.queue[i+1:]...)
			m.give() // it may have been in the way
			return false
		}
	}
	return true
}

// give serves those who wait, as far as there is memory. The lock is held.
func (m *memory) give() {
	if m.users == nil {
		m.users = make(map[int]int)
	}
	waiting := m.queue[:0]
	full, over := false, map[int]bool{}
	for _, w := range m.queue {
		switch {
		case full || over[w.uid]:
		case m.users[w.uid]+w.bytes > maxShare:
			over[w.uid] = true
		case m.used+w.bytes > maxMemory:
			full = true // nobody passes, or who wants much would wait for ever
		default:
			m.used += w.bytes
			m.users[w.uid] += w.bytes
			close(w.given)
			continue
		}
		waiting = append(waiting, w)
	}
	clear(m.queue[len(waiting):])
	m.queue = waiting
}

// fit makes what is held so many bytes: it gives back the rest, or takes more, if there
// is any, without waiting.
func (h *held) fit(bytes int) bool {
	if h == nil || bytes <= h.bytes {
		h.shrink(bytes)
		return true
	}
	m := h.from
	m.mu.Lock()
	defer m.mu.Unlock()
	more := bytes - h.bytes
	if m.used+more > maxMemory || m.users[h.uid]+more > maxShare {
		return false
	}
	h.bytes += more
	m.used += more
	m.users[h.uid] += more
	return true
}

// shrink gives back all but so many bytes. What was in them must be out of reach.
func (h *held) shrink(left int) {
	if h == nil {
		return
	}
	m := h.from
	m.mu.Lock()
	free := h.bytes - left
	if free > 0 {
		h.bytes = left
	}
	m.mu.Unlock()
	if free <= 0 {
		return
	}
	if free >= much {
		debug.FreeOSMemory()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= free
	if m.users[h.uid] -= free; m.users[h.uid] == 0 {
		delete(m.users, h.uid)
	}
	m.give()
}

// input is what goes to a command's standard input.
type input struct {
	data []byte
	held *held
	rest int // bytes of held that are not data's
}

// taken lets go of the data, which the command has. What fits into a pipe it may not
// have yet.
func (in *input) taken() {
	const pipe = 64 << 10
	if len(in.data) > pipe {
		in.data = nil
		in.held.shrink(in.rest)
	}
}
