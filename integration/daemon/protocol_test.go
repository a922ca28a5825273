package daemon

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha512"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// Both generations of Python's handshake, and what is between them: each side may
// choose the form of its own challenge, and an old client answers a new challenge
// in the old way.
func TestDaemonHandshake(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue))
	before := settle(s)
	for _, theirs := range []string{"", "md5", "sha256", "sha384", "sha3_256", "sha3_384"} {
		for _, mine := range []string{"", "md5", "sha256", "sha384", "sha3_256", "sha3_384"} {
			c := s.Over(s.Dial())
			challenge, err := c.Challenge()
			if err != nil || !bytes.HasPrefix(challenge, []byte("{sha256}")) || len(challenge) != 48 {
				t.Fatalf("challenge %q, %v", challenge, err)
			}
			answer := rig.Mac("md5", s.Key, challenge)
			if theirs != "" {
				answer = append([]byte("{"+theirs+"}"), rig.Mac(theirs, s.Key, challenge)...)
			}
			c.Write(answer)
			if verdict, err := c.Read(); string(verdict) != "#WELCOME#" {
				t.Fatalf("answer by %q: %q, %v", theirs, verdict, err)
			}
			if err := c.Prove(s.Key, mine); err != nil {
				t.Fatalf("challenge by %q: %v", mine, err)
			}
			if answer := c.Call(`[null, "accept_connection", ["x"], {}]`); answer != `["#RETURN", null]` {
				t.Fatal(answer)
			}
			if r := c.Run("true"); r.Status != 0 {
				t.Errorf("%q, %q: %v", theirs, mine, r)
			}
			c.Conn.Close()
		}
	}
	same(s, before)
}

// Nobody is served who has not shown the key, in the form that is asked for.
func TestDaemonHandshakeRefused(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue))
	before := settle(s)
	other := bytes.Repeat([]byte{7}, 32)
	braces := func(name string, mac []byte) []byte { return append([]byte("{"+name+"}"), mac...) }
	for name, answer := range map[string]func(challenge []byte) []byte{
		"empty":               func(c []byte) []byte { return nil },
		"another key, md5":    func(c []byte) []byte { return rig.Mac("md5", other, c) },
		"another key, sha256": func(c []byte) []byte { return braces("sha256", rig.Mac("sha256", other, c)) },
		"no key":              func(c []byte) []byte { return rig.Mac("md5", nil, c) },
		"prefix left out":     func(c []byte) []byte { return braces("sha256", rig.Mac("sha256", s.Key, c[8:])) },
		"prefix left out, md5": func(c []byte) []byte {
			return rig.Mac("md5", s.Key, c[8:])
		},
		"a byte less":       func(c []byte) []byte { return braces("sha256", rig.Mac("sha256", s.Key, c)[:31]) },
		"a byte more":       func(c []byte) []byte { return append(braces("sha256", rig.Mac("sha256", s.Key, c)), 0) },
		"a byte less, md5":  func(c []byte) []byte { return rig.Mac("md5", s.Key, c)[:15] },
		"a byte more, md5":  func(c []byte) []byte { return append(rig.Mac("md5", s.Key, c), 0) },
		"four more, md5":    func(c []byte) []byte { return append(rig.Mac("md5", s.Key, c), 0, 0, 0, 0) },
		"no mac":            func(c []byte) []byte { return []byte("{sha256}") },
		"no name":           func(c []byte) []byte { return braces("", rig.Mac("sha256", s.Key, c)) },
		"no end of name":    func(c []byte) []byte { return append([]byte("{sha256"), rig.Mac("sha256", s.Key, c)...) },
		"name in capitals":  func(c []byte) []byte { return braces("SHA256", rig.Mac("sha256", s.Key, c)) },
		"name of another":   func(c []byte) []byte { return braces("sha384", rig.Mac("sha256", s.Key, c)) },
		"name with a blank": func(c []byte) []byte { return braces("sha256 ", rig.Mac("sha256", s.Key, c)) },
		"bare sha256":       func(c []byte) []byte { return rig.Mac("sha256", s.Key, c) },
		"digest not allowed": func(c []byte) []byte {
			h := hmac.New(sha512.New, s.Key)
			h.Write(c)
			return braces("sha512", h.Sum(nil))
		},
		"unknown digest": func(c []byte) []byte { return braces("none", nil) },
		"256 bytes":      func(c []byte) []byte { return make([]byte, 256) },
		"257 bytes":      func(c []byte) []byte { return make([]byte, 257) },
		"welcome":        func(c []byte) []byte { return []byte("#WELCOME#") },
		"the challenge":  func(c []byte) []byte { return append([]byte("#CHALLENGE#"), c...) },
		"a request":      func(c []byte) []byte { return []byte(`[null, "dummy", [], {}]`) },
	} {
		c := s.Over(s.Dial())
		challenge, err := c.Challenge()
		if err != nil {
			t.Fatal(err)
		}
		c.Write(answer(challenge))
		if verdict, err := c.Read(); err == nil && string(verdict) != "#FAILURE#" {
			t.Errorf("%s: %q", name, verdict)
		}
		notServed(c, name)
	}

	// Who has shown the key must let the daemon show it, too.
	for name, message := range map[string]string{
		"no challenge": `[null, "dummy", [], {}]`, "empty": "", "challenge of 5 bytes": "#CHALLENGE#abcde", "challenge of none": "#CHALLENGE#",
		"unknown digest": "#CHALLENGE#{none}" + strings.Repeat("x", 40), "over 256 bytes": "#CHALLENGE#{sha256}" + strings.Repeat("x", 238),
	} {
		c := halfWay(s)
		c.Write([]byte(message))
		notServed(c, name)
	}
	for _, last := range []string{"#FAILURE#", "", "#WELCOME", "#WELCOME#x", `[null, "dummy", [], {}]`} {
		c := halfWay(s)
		c.Write([]byte("#CHALLENGE#" + strings.Repeat("x", 20)))
		if answer, err := c.Read(); err != nil || !bytes.Equal(answer, rig.Mac("md5", s.Key, []byte(strings.Repeat("x", 20)))) {
			t.Errorf("%q, %v", answer, err)
		}
		c.Write([]byte(last))
		notServed(c, "last word "+last)
	}
	if r := s.Client().Run("true"); r.Status != 0 {
		t.Error(r)
	}
	s.DropAll()
	same(s, before)
}

// halfWay is a connection on which the client alone has shown the key.
func halfWay(s *rig.Server) *rig.RPC {
	s.Helper()
	c := s.Over(s.Dial())
	challenge, err := c.Challenge()
	if err != nil {
		s.Fatal(err)
	}
	c.Write(rig.Mac("md5", s.Key, challenge))
	if verdict, err := c.Read(); string(verdict) != "#WELCOME#" {
		s.Fatalf("%q, %v", verdict, err)
	}
	return c
}

// notServed complains if there is an answer to a request.
func notServed(c *rig.RPC, what string) {
	c.Helper()
	c.Write([]byte(`[null, "accept_connection", ["x"], {}]`)) // it may be closed already
	c.Write([]byte(rig.Request("", "true")))
	c.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if answer, err := io.ReadAll(c.In); len(answer) > 0 || os.IsTimeout(err) {
		c.Errorf("%s: answered %q, %v", what, answer, err)
	}
	c.Conn.Close()
}

// Requests may come in any pieces, and before the answer to the one before.
func TestDaemonFraming(t *testing.T) {
	t.Parallel()
	s := rig.Serve(t, rig.DaemonPolicy(t, rig.AllowTrue+"\ncat: CommandFilter, cat, root\necho: CommandFilter, echo, root"))
	before := settle(s)
	c := s.Client()
	for _, b := range rig.Frame([]byte(rig.Request("in", "cat"))) {
		if _, err := c.Conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.Result(c.Reply()); r.Out != "in" {
		t.Error(r)
	}
	var many []byte
	for i := range 100 {
		many = append(many, rig.Frame([]byte(rig.Request("", "echo", fmt.Sprint(i))))...)
	}
	go c.Conn.Write(many)
	for i := range 100 {
		if r := c.Result(c.Reply()); r.Out != fmt.Sprintln(i) {
			t.Errorf("%d: %v", i, r)
		}
	}
	// Two in one packet, the second of which has an error.
	c.Conn.Write(append(rig.Frame([]byte(rig.Request("", "true"))), rig.Frame([]byte("[]"))...))
	if r := c.Result(c.Reply()); r.Status != 0 {
		t.Error(r)
	}
	if answer := c.Reply(); !strings.HasPrefix(answer, `["#TRACEBACK"`) {
		t.Error(answer)
	}
	large := strings.Repeat("0123456789abcde\n", 1<<18)
	if r := c.Feed(large, "cat"); r.Out != large || r.Status != 0 {
		t.Errorf("4 MB became %d bytes, status %d, %q", len(r.Out), r.Status, r.Err)
	}
	// The end of the stream in a message is the end of the connection.
	half := s.Client()
	half.Conn.Write(rig.Frame([]byte(rig.Request("", "true")))[:20])
	half.Conn.(*net.UnixConn).CloseWrite()
	if rest, err := io.ReadAll(half.In); len(rest) > 0 || err != nil {
		t.Errorf("half a request: %q, %v", rest, err)
	}
	// A client that says no more still hears.
	last := s.Client()
	last.Write([]byte(rig.Request("", "echo", "last")))
	last.Conn.(*net.UnixConn).CloseWrite()
	if r := last.Result(last.Reply()); r.Out != "last\n" {
		t.Error(r)
	}
	s.DropAll()
	same(s, before)
}
