package exec

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newWaiter(t *testing.T) *Waiter {
	t.Helper()
	w, err := NewWaiter()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// pair is a pipe that does not block, and its ends.
func pair(t *testing.T) (r, w *End) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	ends := [2]End{End(fds[0]), End(fds[1])}
	t.Cleanup(func() { ends[0].Close(); ends[1].Close() })
	return &ends[0], &ends[1]
}

func TestWaiter(t *testing.T) {
	w := newWaiter(t)
	end1, from1 := pair(t)
	end2, from2 := pair(t)
	r1, w1, r2, w2 := int(*end1), int(*from1), int(*end2), int(*from2)
	for _, fd := range []int{r1, r2} {
		if err := w.Add(fd); err != nil {
			t.Fatal(err)
		}
	}
	waits := func(what string, want ...int) {
		t.Helper()
		ready, err := w.Wait()
		got := slices.Sorted(slices.Values(ready))
		if !slices.Equal(got, want) || errors.Is(err, os.ErrDeadlineExceeded) != (len(want) == 0) || err != nil && len(want) > 0 {
			t.Errorf("%s: %v, %v, not %v", what, ready, err, want)
		}
	}
	soon := func() {
		t.Helper()
		if err := w.Until(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	soon()
	waits("nothing")
	soon()
	go unix.Write(w2, []byte("x")) // while it waits, or before
	waits("something to read", r2)
	waits("it was not read", r2)
	unix.Read(r2, make([]byte, 1))
	soon()
	waits("it was read")

	// An interrupt holds until it is undone, whenever it comes.
	w.Until(time.Time{})
	go w.Interrupt()
	waits("interrupted")
	waits("still")
	w.Until(time.Time{})
	unix.Write(w1, []byte("x"))
	unix.Write(w2, []byte("x"))
	waits("both", r1, r2)
	w.Remove(r1)
	waits("without one", r2)
	unix.Read(r2, make([]byte, 1))
	from2.Close()
	waits("the other end is closed", r2)
	w.Remove(r2)

	if err := w.AddWriter(w1); err != nil {
		t.Fatal(err)
	}
	waits("room", w1)
	for err := error(nil); err == nil; {
		_, err = unix.Write(w1, make([]byte, 64<<10))
	}
	soon()
	waits("no room")
	end1.Close()
	w.Until(time.Time{})
	waits("nobody reads", w1)
	if err := w.Add(-1); err == nil {
		t.Error("it waits for descriptor -1")
	}
}

// Those who wait hold no thread.
func TestWaiterThreads(t *testing.T) {
	const many = 200
	threads := func() int {
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := threads()
	waiters := make([]*Waiter, many)
	ended := make(chan error)
	for i := range waiters {
		w := newWaiter(t)
		waiters[i] = w
		go func() { _, err := w.Wait(); ended <- err }()
	}
	for range 100 {
		runtime.Gosched()
	}
	time.Sleep(50 * time.Millisecond)
	if after := threads(); after > before+many/4 {
		t.Errorf("%d threads before, %d with %d who wait", before, after, many)
	}
	for _, w := range waiters {
		w.Interrupt()
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	}
}
