package daemon

import (
	"bytes"
	"os"
	"testing"
	"time"
)

// A reader that waits for more on one descriptor must not hold room that the other
// one needs, nor may less be kept than max_output allows.
func TestOutputIsKeptToTheLastByte(t *testing.T) {
	const limit = 10 << 10
	for _, printed := range []struct{ stdout, stderr, late, lost int }{
		{5000, limit - 5000, 0, 0},
		{5000, limit - 5001, 1, 0},
		{5000, limit - 5000, 1, 1},
		{0, limit + 7, 100, 107},
		{3 * limit, 2 * limit, 5, 4*limit + 5},
	} {
		o := &output{left: limit}
		var kept [2][]byte
		var ends [2]*os.File
		done := make(chan struct{}, 2)
		for i := range 2 {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			ends[i] = w
			go func() {
				kept[i] = o.collect(r)
				r.Close()
				done <- struct{}{}
			}()
		}
		text := bytes.Repeat([]byte("0123456789"), limit)
		ends[0].Write(text[:printed.stdout])
		time.Sleep(20 * time.Millisecond) // so that the reader waits
		ends[1].Write(text[:printed.stderr])
		ends[1].Close()
		<-done
		ends[0].Write(text[printed.stdout:][:printed.late])
		ends[0].Close()
		<-done
		all := printed.stdout + printed.stderr + printed.late
		if o.lost != int64(printed.lost) || len(kept[0])+len(kept[1]) != min(limit, all) ||
			!bytes.HasPrefix(text, kept[0]) || !bytes.HasPrefix(text, kept[1]) {
			t.Errorf("%+v: kept %d and %d bytes, lost %d", printed, len(kept[0]), len(kept[1]), o.lost)
		}
	}
}
