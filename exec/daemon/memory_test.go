package daemon

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const mebi = 1 << 20

// asking asks for memory, and tells on the channel what came of it.
func asking(m *memory, uid, length int) <-chan error {
	answer := make(chan error, 1)
	go func() {
		_, err := m.reserve(nil, uid, length)
		answer <- err
	}()
	synctest.Wait()
	return answer
}

func answered(c <-chan error) bool { return len(c) > 0 }

func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		if h, err := m.reserve(nil, 1, small); h != nil || err != nil || m.used != 0 {
			t.Errorf("a small message: %v, %v", h, err)
		}
		first, err := m.reserve(nil, 1, 64*mebi)
		if err != nil {
			t.Fatal(err)
		}
		// The same user waits, another does not, and a third finds no more.
		second := asking(m, 1, 64*mebi)
		other := asking(m, 2, 64*mebi)
		third := asking(m, 3, 64*mebi)
		if answered(second) || !answered(other) || answered(third) || m.used > maxMemory {
			t.Errorf("%v, %v, %v, %d bytes", answered(second), answered(other), answered(third), m.used)
		}
		// Who wants less does not pass one that waits for all.
		less := asking(m, 4, 4*mebi)
		if answered(less) {
			t.Error("the order was not kept")
		}
		if h, err := m.reserve(nil, 1, small); h != nil || err != nil {
			t.Errorf("a small message: %v, %v", h, err)
		}
		first.shrink(first.bytes - 1)
		first.shrink(66 * mebi) // what the command gets
		first.shrink(67 * mebi) // no more than before
		if answered(second) {
			t.Error("more than a user's share")
		}
		first.shrink(0)
		first.shrink(0)
		synctest.Wait()
		if !answered(second) || answered(third) {
			t.Errorf("%v, %v", answered(second), answered(third))
		}
		time.Sleep(memoryPatience)
		synctest.Wait()
		var busy *busyError
		if err := <-third; !errors.As(err, &busy) || busy.length != 64*mebi {
			t.Error(err)
		}
		if !answered(less) {
			t.Error("one that has given up is in the way still")
		}
		if len(m.queue) != 0 {
			t.Errorf("%d wait", len(m.queue))
		}
	})
}

// A daemon that stops keeps nobody waiting.
func TestMemoryStops(t *testing.T) {
	m := &memory{}
	if _, err := m.reserve(nil, 1, 64*mebi); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	close(stop)
	begun := time.Now()
	if h, err := m.reserve(stop, 1, 64*mebi); h != nil || err == nil || time.Since(begun) > 5*time.Second {
		t.Errorf("%v, %v", h, err)
	}
	if len(m.queue) != 0 {
		t.Error("it waits still")
	}
}

// Whatever happens, all that is given is given back, and never more than there is.
func TestMemoryAddsUp(t *testing.T) {
	m := &memory{}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			for n := range 10 {
				h, err := m.reserve(nil, i%7, (i*37+n*101)%(60<<10)*100)
				if err != nil {
					t.Error(err)
					return
				}
				m.mu.Lock()
				if m.used > maxMemory || m.users[i%7] > maxShare {
					t.Errorf("%d bytes, %d of one user", m.used, m.users[i%7])
				}
				m.mu.Unlock()
				if h != nil {
					h.shrink(h.bytes / 2)
				}
				h.shrink(0)
			}
		})
	}
	all.Wait()
	if m.used != 0 || len(m.users) != 0 || len(m.queue) != 0 {
		t.Errorf("%d bytes, %v, %d wait", m.used, m.users, len(m.queue))
	}
}

// The longest message that is read fits into a user's share.
func TestMemoryFitsLongest(t *testing.T) {
	if n := cost(64 << 20); n > maxShare || n < 128<<20 {
		t.Errorf("%d of %d", n, maxShare)
	}
}

// What words really take is known only when they have been read.
func TestMemoryFits(t *testing.T) {
	m := &memory{}
	h, err := m.reserve(nil, 1, mebi)
	if err != nil || h.bytes != cost(mebi) {
		t.Fatal(h, err)
	}
	if !h.fit(10*mebi) || m.used != 10*mebi || m.users[1] != 10*mebi {
		t.Errorf("more: %+v, %d", h, m.used)
	}
	if h.fit(maxShare+1) || m.used != 10*mebi {
		t.Errorf("more than a user's share: %+v, %d", h, m.used)
	}
	if !h.fit(mebi) || m.used != mebi || m.users[1] != mebi {
		t.Errorf("less: %+v, %d", h, m.used)
	}
	for uid := 2; uid < 4; uid++ {
		other, err := m.reserve(nil, uid, mebi)
		if err != nil || !other.fit(maxShare-mebi) {
			t.Fatal(other, err)
		}
	}
	if h.fit(3 * mebi) {
		t.Errorf("more than there is: %d", m.used)
	}
	h.shrink(0)
	if m.users[1] != 0 {
		t.Error(m.users)
	}
	var none *held
	if !none.fit(mebi) {
		t.Error("a small message")
	}
}
