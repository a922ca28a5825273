package integration

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
)

// Both generations of Python's handshake, and what is between them: each side may
// choose the form of its own challenge, and an old client answers a new challenge
// in the old way.
func TestDaemonHandshake(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowTrue))
	before := s.settle()
	for _, theirs := range []string{"", "md5", "sha256", "sha384", "sha3_256", "sha3_384"} {
		for _, mine := range []string{"", "md5", "sha256", "sha384", "sha3_256", "sha3_384"} {
			c := s.over(s.dial())
			challenge, err := c.challenge()
			if err != nil || !bytes.HasPrefix(challenge, []byte("{sha256}")) || len(challenge) != 48 {
				t.Fatalf("challenge %q, %v", challenge, err)
			}
			answer := mac("md5", s.key, challenge)
			if theirs != "" {
				answer = append([]byte("{"+theirs+"}"), mac(theirs, s.key, challenge)...)
			}
			c.write(answer)
			if verdict, err := c.read(); string(verdict) != "#WELCOME#" {
				t.Fatalf("answer by %q: %q, %v", theirs, verdict, err)
			}
			if err := c.prove(s.key, mine); err != nil {
				t.Fatalf("challenge by %q: %v", mine, err)
			}
			if answer := c.call(`[null, "accept_connection", ["x"], {}]`); answer != `["#RETURN", null]` {
				t.Fatal(answer)
			}
			if r := c.run("true"); r.status != 0 {
				t.Errorf("%q, %q: %v", theirs, mine, r)
			}
			c.conn.Close()
		}
	}
	s.same(before)
}

// Nobody is served who has not shown the key, in the form that is asked for.
func TestDaemonHandshakeRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowTrue))
	before := s.settle()
	other := bytes.Repeat([]byte{7}, 32)
	braces := func(name string, mac []byte) []byte { return append([]byte("{"+name+"}"), mac...) }
	for name, answer := range map[string]func(challenge []byte) []byte{
		"empty":               func(c []byte) []byte { return nil },
		"another key, md5":    func(c []byte) []byte { return mac("md5", other, c) },
		"another key, sha256": func(c []byte) []byte { return braces("sha256", mac("sha256", other, c)) },
		"no key":              func(c []byte) []byte { return mac("md5", nil, c) },
		"prefix left out":     func(c []byte) []byte { return braces("sha256", mac("sha256", s.key, c[8:])) },
		"prefix left out, md5": func(c []byte) []byte {
			return mac("md5", s.key, c[8:])
		},
		"a byte less":       func(c []byte) []byte { return braces("sha256", mac("sha256", s.key, c)[:31]) },
		"a byte more":       func(c []byte) []byte { return append(braces("sha256", mac("sha256", s.key, c)), 0) },
		"a byte less, md5":  func(c []byte) []byte { return mac("md5", s.key, c)[:15] },
		"a byte more, md5":  func(c []byte) []byte { return append(mac("md5", s.key, c), 0) },
		"four more, md5":    func(c []byte) []byte { return append(mac("md5", s.key, c), 0, 0, 0, 0) },
		"no mac":            func(c []byte) []byte { return []byte("{sha256}") },
		"no name":           func(c []byte) []byte { return braces("", mac("sha256", s.key, c)) },
		"no end of name":    func(c []byte) []byte { return append([]byte("{sha256"), mac("sha256", s.key, c)...) },
		"name in capitals":  func(c []byte) []byte { return braces("SHA256", mac("sha256", s.key, c)) },
		"name of another":   func(c []byte) []byte { return braces("sha384", mac("sha256", s.key, c)) },
		"name with a blank": func(c []byte) []byte { return braces("sha256 ", mac("sha256", s.key, c)) },
		"bare sha256":       func(c []byte) []byte { return mac("sha256", s.key, c) },
		"digest not allowed": func(c []byte) []byte {
			h := hmac.New(sha512.New, s.key)
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
		c := s.over(s.dial())
		challenge, err := c.challenge()
		if err != nil {
			t.Fatal(err)
		}
		c.write(answer(challenge))
		if verdict, err := c.read(); err == nil && string(verdict) != "#FAILURE#" {
			t.Errorf("%s: %q", name, verdict)
		}
		c.notServed(name)
	}

	// Who has shown the key must let the daemon show it, too.
	for name, message := range map[string]string{
		"no challenge": `[null, "dummy", [], {}]`, "empty": "", "challenge of 5 bytes": "#CHALLENGE#abcde", "challenge of none": "#CHALLENGE#",
		"unknown digest": "#CHALLENGE#{none}" + strings.Repeat("x", 40), "over 256 bytes": "#CHALLENGE#{sha256}" + strings.Repeat("x", 238),
	} {
		c := s.halfWay()
		c.write([]byte(message))
		c.notServed(name)
	}
	for _, last := range []string{"#FAILURE#", "", "#WELCOME", "#WELCOME#x", `[null, "dummy", [], {}]`} {
		c := s.halfWay()
		c.write([]byte("#CHALLENGE#" + strings.Repeat("x", 20)))
		if answer, err := c.read(); err != nil || !bytes.Equal(answer, mac("md5", s.key, []byte(strings.Repeat("x", 20)))) {
			t.Errorf("%q, %v", answer, err)
		}
		c.write([]byte(last))
		c.notServed("last word " + last)
	}
	if r := s.client().run("true"); r.status != 0 {
		t.Error(r)
	}
	s.dropAll()
	s.same(before)
}

// halfWay is a connection on which the client alone has shown the key.
func (s *server) halfWay() *rpc {
	s.Helper()
	c := s.over(s.dial())
	challenge, err := c.challenge()
	if err != nil {
		s.Fatal(err)
	}
	c.write(mac("md5", s.key, challenge))
	if verdict, err := c.read(); string(verdict) != "#WELCOME#" {
		s.Fatalf("%q, %v", verdict, err)
	}
	return c
}

// notServed complains if there is an answer to a request.
func (c *rpc) notServed(what string) {
	c.Helper()
	c.write([]byte(`[null, "accept_connection", ["x"], {}]`)) // it may be closed already
	c.write([]byte(request("", "true")))
	c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if answer, err := io.ReadAll(c.in); len(answer) > 0 || os.IsTimeout(err) {
		c.Errorf("%s: answered %q, %v", what, answer, err)
	}
	c.conn.Close()
}

// Requests may come in any pieces, and before the answer to the one before.
func TestDaemonFraming(t *testing.T) {
	t.Parallel()
	s := serve(t, daemonPolicy(t, allowTrue+"\ncat: CommandFilter, cat, root\necho: CommandFilter, echo, root"))
	before := s.settle()
	c := s.client()
	for _, b := range frame([]byte(request("in", "cat"))) {
		if _, err := c.conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.result(c.reply()); r.out != "in" {
		t.Error(r)
	}
	var many []byte
	for i := range 100 {
		many = append(many, frame([]byte(request("", "echo", fmt.Sprint(i))))...)
	}
	go c.conn.Write(many)
	for i := range 100 {
		if r := c.result(c.reply()); r.out != fmt.Sprintln(i) {
			t.Errorf("%d: %v", i, r)
		}
	}
	// Two in one packet, the second of which has an error.
	c.conn.Write(append(frame([]byte(request("", "true"))), frame([]byte("[]"))...))
	if r := c.result(c.reply()); r.status != 0 {
		t.Error(r)
	}
	if answer := c.reply(); !strings.HasPrefix(answer, `["#TRACEBACK"`) {
		t.Error(answer)
	}
	large := strings.Repeat("0123456789abcde\n", 1<<18)
	if r := c.feed(large, "cat"); r.out != large || r.status != 0 {
		t.Errorf("4 MB became %d bytes, status %d, %q", len(r.out), r.status, r.err)
	}
	// The end of the stream in a message is the end of the connection.
	half := s.client()
	half.conn.Write(frame([]byte(request("", "true")))[:20])
	half.conn.(*net.UnixConn).CloseWrite()
	if rest, err := io.ReadAll(half.in); len(rest) > 0 || err != nil {
		t.Errorf("half a request: %q, %v", rest, err)
	}
	// A client that says no more still hears.
	last := s.client()
	last.write([]byte(request("", "echo", "last")))
	last.conn.(*net.UnixConn).CloseWrite()
	if r := last.result(last.reply()); r.out != "last\n" {
		t.Error(r)
	}
	s.dropAll()
	s.same(before)
}
