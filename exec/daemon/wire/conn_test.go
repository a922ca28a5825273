package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

// pair returns both ends of a connection, the first as after Authenticate.
func pair(t testing.TB, stall time.Duration) (*Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return &Conn{c: ours, max: MaxMessage, stall: stall}, theirs
}

func framed(length uint64, text string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, length), text...)
}

func TestReadByteByByte(t *testing.T) {
	c, far := pair(t, Stall)
	go func() {
		for _, b := range append(framed(5, "hello"), framed(0, "")...) {
			far.Write([]byte{b})
		}
		far.Close()
	}()
	for _, want := range []string{"hello", ""} {
		if got, err := c.Read(); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := c.Read(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

// What ends in the middle of a message is no message.
func TestReadCutShort(t *testing.T) {
	whole := framed(5, "hello")
	for n := 1; n < len(whole); n++ {
		c, far := pair(t, Stall)
		far.Write(whole[:n])
		far.Close()
		if got, err := c.Read(); err == nil {
			t.Errorf("%d bytes: read %q", n, got)
		}
	}
}

func TestReadTooLong(t *testing.T) {
	for _, tt := range []struct {
		max, length uint64
		long        bool
	}{
		{MaxUnauthenticated, MaxUnauthenticated, false},
		{MaxUnauthenticated, MaxUnauthenticated + 1, true},
		{MaxMessage, MaxMessage + 1, true},
		{MaxMessage, 8 << 30, true},
		{MaxMessage, 1 << 63, true},
		{MaxMessage, 1<<64 - 1, true},
	} {
		c, far := pair(t, Stall)
		c.max = tt.max
		far.Write(framed(tt.length, ""))
		far.Close()
		_, err := c.Read()
		var long *TooLongError
		if errors.As(err, &long) != tt.long || tt.long && (long.Length != tt.length || long.Max != tt.max) {
			t.Errorf("%d of %d: %v", tt.length, tt.max, err)
		}
	}
}

// Long messages, at and around the sizes at which the buffer grows.
func TestReadLong(t *testing.T) {
	for _, size := range []int{4<<10 - 1, 4 << 10, 4<<10 + 1, 16 << 10, 16<<10 + 1, 1 << 20, 5<<20 + 3} {
		c, far := pair(t, Stall)
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 7 / 3)
		}
		w, err := NewConn(far, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		go w.Write(want)
		if got, err := c.Read(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came, %v", size, len(got), err)
		}
	}
}

// Who announces much and sends little is given little memory.
func TestReadTakesMemoryAsBytesCome(t *testing.T) {
	c, far := pair(t, Stall)
	far.Write(framed(60<<20, "0123456789"))
	far.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.Read()
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("a message was read that never came")
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<10 {
		t.Errorf("%d bytes were taken for 10", taken)
	}
}

// Between messages there is no limit; within one it must go on.
func TestReadStall(t *testing.T) {
	const stall = 50 * time.Millisecond
	c, far := pair(t, stall)
	go func() {
		time.Sleep(4 * stall)
		far.Write(framed(2, "ab"))
		far.Write(framed(2, "c"))
	}()
	if got, err := c.Read(); err != nil || string(got) != "ab" {
		t.Fatalf("after a silence: %q, %v", got, err)
	}
	if _, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a message that stands still: %v", err)
	}
}

// A reader that is slow is waited for, one that takes nothing is not.
func TestWriteStall(t *testing.T) {
	const stall, size = 300 * time.Millisecond, 2 << 20
	c, far := pair(t, stall)
	done := make(chan error)
	go func() { done <- c.Write(make([]byte, size)) }()
	began, read := time.Now(), 0
	for buf := make([]byte, 64<<10); read < size/2; {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		read += n
		time.Sleep(stall / 8)
	}
	if took := time.Since(began); took < 2*stall {
		t.Fatalf("the reader was not slow: %v", took)
	}
	select {
	case err := <-done:
		t.Fatalf("a slow reader was given up: %v", err)
	default:
	}
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a reader that stands still: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(framed(5, "hello"))
	f.Add(append(framed(0, ""), framed(3, "abc")...))
	f.Add(framed(1<<63, "x"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		near, far := net.Pipe()
		defer near.Close()
		go func() {
			far.Write(stream)
			far.Close()
		}()
		c := &Conn{c: near, max: MaxMessage}
		for rest := stream; ; {
			got, err := c.Read()
			whole := len(rest) >= 8 && binary.BigEndian.Uint64(rest) <= uint64(len(rest)-8)
			if (err == nil) != whole {
				t.Fatalf("read %q, %v where %q was left", got, err, rest)
			}
			if err != nil {
				return
			}
			n := binary.BigEndian.Uint64(rest)
			if !bytes.Equal(got, rest[8:8+n]) {
				t.Fatalf("read %q of %q", got, rest)
			}
			rest = rest[8+n:]
		}
	})
}
