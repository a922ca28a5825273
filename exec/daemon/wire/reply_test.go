package wire

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// sent returns what reply puts on the wire: one message.
func sent(t testing.TB, reply func(*Conn) error) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan error, 1)
	go func() {
		c, err := NewConn(far, time.Now().Add(time.Minute))
		if err == nil {
			err = reply(c)
		}
		far.Close()
		done <- err
	}()
	c := &Conn{c: near, max: 1 << 30}
	m, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	if more, err := c.Read(); err == nil || len(more) > 0 {
		t.Fatalf("after the message came %q", more)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReplies(t *testing.T) {
	for want, reply := range map[string]func(*Conn) error{
		`["#RETURN", null]`:                             func(c *Conn) error { return c.Return() },
		`["#RETURN", ["1", ["a", "b"]]]`:                func(c *Conn) error { return c.ReturnObject("1", "a", "b") },
		`["#RETURN", ["a"]]`:                            func(c *Conn) error { return c.ReturnMethods("a") },
		`["#RETURN", []]`:                               func(c *Conn) error { return c.ReturnMethods() },
		`["#TRACEBACK", "a \"b\" \udcff\u000a"]`:        func(c *Conn) error { return c.ReturnError("a \"b\" \xff\n") },
		`["#RETURN", [-9, "", ""]]`:                     func(c *Conn) error { return c.ReturnResult(Result{Status: -9}) },
		`["#RETURN", [0, "a\u000a", "\udc80\u0000\\"]]`: func(c *Conn) error { return c.ReturnResult(Result{0, []byte("a\n"), []byte("\x80\x00\\")}) },
	} {
		if got := string(sent(t, reply)); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// comesBack fails unless Python reads r as it was.
func comesBack(t *testing.T, o *oracle, r Result) {
	t.Helper()
	message := sent(t, func(c *Conn) error { return c.ReturnResult(r) })
	var got struct {
		Error, Kind, Out, Err string
		Status                int
	}
	o.ask(t, 'r', message, &got)
	if got.Error != "" || got.Kind != "#RETURN" || got.Status != r.Status || got.Out != hex.EncodeToString(r.Stdout) || got.Err != hex.EncodeToString(r.Stderr) {
		t.Errorf("status %d, %d and %d bytes, came back as %d, %d, %d: %s", r.Status, len(r.Stdout), len(r.Stderr), got.Status, len(got.Out)/2, len(got.Err)/2, got.Error)
	}
}

func TestReturnResultPython(t *testing.T) {
	o := needPython(t)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	comesBack(t, o, Result{255, every, bytes.Repeat(every, 300)})

	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		out := make([]byte, random.IntN(50<<10))
		for i := range out {
			// Much of it UTF-8 of two to four bytes, whole and broken.
			if out[i] = byte(random.Uint32()); random.IntN(3) == 0 && i+4 < len(out) {
				copy(out[i:], "\U0001f600")
			}
		}
		comesBack(t, o, Result{random.IntN(300) - 40, out, out[:len(out)/3]})
	}
}

// A character of several bytes at the end of a piece, cut at each of its bytes; and
// bytes that look like the beginning or the middle of one.
func TestReturnResultPieces(t *testing.T) {
	o := needPython(t)
	for _, s := range []string{"é", "€", "😀", "\xf0\x9f\x98", "\x80\x80\x80\x80\x80", "\xe2\x82\xc3\xa9", "\xf0\x9f\xf0\x9f\x98\x80", "\xed\xa0\x80"} {
		var text []byte
		for n := range len(s) + 2 {
			text = append(text[:0], strings.Repeat("a", 16<<10-n)...)
			text = append(text, s...)
			text = append(text, strings.Repeat("b", 16<<10-len(s))...)
			text = append(text, strings.Repeat(s, 3)...)
			comesBack(t, o, Result{0, text, bytes.Repeat([]byte(s), 20<<10)})
		}
	}
}
