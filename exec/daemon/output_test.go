package daemon

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/exec"
)

// collected is what is kept of what two descriptors carry.
func collected(t *testing.T, limit int, stdout, stderr func(w *os.File)) (out, errs []byte, lost int64) {
	t.Helper()
	o := &output{left: limit}
	waiter, err := exec.NewWaiter()
	if err != nil {
		t.Fatal(err)
	}
	defer waiter.Close()
	var all sync.WaitGroup
	var ends [2]exec.End
	texts := [2]*[]byte{&out, &errs}
	for i, write := range []func(*os.File){stdout, stderr} {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			t.Fatal(err)
		}
		ends[i] = exec.End(fds[0])
		if err := waiter.Add(fds[0]); err != nil {
			t.Fatal(err)
		}
		w := os.NewFile(uintptr(fds[1]), "pipe")
		all.Go(func() { write(w); w.Close() })
	}
	for ends[0] >= 0 || ends[1] >= 0 {
		ready, err := waiter.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range ready {
			for i := range ends {
				if fd == int(ends[i]) {
					ended := false
					if *texts[i], ended = o.collect(ends[i], *texts[i]); ended {
						ends[i].Close()
					}
				}
			}
		}
	}
	all.Wait()
	return out, errs, o.lost
}

func prints(n int) func(*os.File) {
	return func(w *os.File) { w.Write(bytes.Repeat([]byte("x"), n)) }
}

func TestOutputLimit(t *testing.T) {
	for _, tt := range []struct{ limit, out, err int }{
		{1, 0, 0}, {1, 1, 0}, {1, 2, 0}, {1, 0, 2}, {10, 5, 5}, {10, 6, 5}, {4096, 4096, 0}, {4096, 4095, 1}, {4096, 4096, 1},
		{1 << 20, 1 << 20, 0}, {1 << 20, 1<<20 + 1, 0}, {1 << 20, 3 << 20, 3 << 20}, {100_000, 50_000, 50_000},
	} {
		out, errs, lost := collected(t, tt.limit, prints(tt.out), prints(tt.err))
		if want := tt.out + tt.err; len(out) > tt.out || len(errs) > tt.err || len(out)+len(errs) != min(want, tt.limit) || int(lost) != max(0, want-tt.limit) {
			t.Errorf("%+v: kept %d and %d, lost %d", tt, len(out), len(errs), lost)
		}
	}
}

// What one descriptor might print takes nothing from what the other does print.
func TestOutputLimitIsForBoth(t *testing.T) {
	const limit = 8 << 10
	silent := make(chan struct{})
	out, _, lost := collected(t, limit,
		func(w *os.File) {
			for range limit {
				w.Write([]byte("x"))
			}
			close(silent)
		},
		func(w *os.File) { <-silent })
	if len(out) != limit || lost != 0 {
		t.Errorf("kept %d bytes of %d, lost %d", len(out), limit, lost)
	}
}

// Memory is taken for what is kept, not for what is printed.
func TestOutputMemory(t *testing.T) {
	out, _, lost := collected(t, 1<<20, func(w *os.File) {
		block := make([]byte, 1<<20)
		for range 200 {
			w.Write(block)
		}
	}, prints(0))
	if len(out) != 1<<20 || cap(out) > 2<<20 || lost != 199<<20 {
		t.Errorf("kept %d in %d, lost %d", len(out), cap(out), lost)
	}
}
