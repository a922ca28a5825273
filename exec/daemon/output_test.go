package daemon

import (
	"bytes"
	"os"
	"sync"
	"testing"
)

// collected is what is kept of what two descriptors carry.
func collected(t *testing.T, limit int, stdout, stderr func(w *os.File)) (out, errs []byte, lost int64) {
	t.Helper()
	o := &output{left: limit}
	var all sync.WaitGroup
	for _, d := range []struct {
		write func(*os.File)
		to    *[]byte
	}{{stdout, &out}, {stderr, &errs}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() { *d.to = o.collect(r); r.Close() })
		all.Go(func() { d.write(w); w.Close() })
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
