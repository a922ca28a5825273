package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net"
	"strings"
	"testing"
	"time"
)

var key = []byte("0123456789abcdef0123456789abcdef")

// Both sides, with CPython's own code at the other end and with what 3.12 does.
func TestAuthenticatePython(t *testing.T) {
	o := needPython(t)
	type question struct {
		Path   string `json:"path"`
		Server bool   `json:"server"`
		Key    string `json:"key"`
		Kind   string `json:"kind"`
		Digest string `json:"digest"`
	}
	for _, server := range []bool{false, true} {
		for _, kind := range []string{"own", "new/md5", "new/sha256", "new/sha384", "new/sha3_256", "new/sha3_384"} {
			for _, theirs := range [][]byte{key, bytes.Repeat([]byte("x"), 32), {}} {
				name, digest, _ := strings.Cut(kind, "/")
				t.Run(fmt.Sprintf("server=%v/%s/key=%.1s", server, kind, theirs), func(t *testing.T) {
					l, err := net.Listen("unix", t.TempDir()+"/s")
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					result := make(chan error, 1)
					go func() {
						raw, err := l.Accept()
						if err != nil {
							result <- err
							return
						}
						defer raw.Close()
						c, err := NewConn(raw, time.Now().Add(time.Minute))
						if err == nil && server {
							err = c.AuthenticateClient(key)
						} else if err == nil {
							err = c.Authenticate(key)
						}
						if err == nil {
							var m []byte
							if m, err = c.Read(); err == nil && len(m) != 300 {
								err = fmt.Errorf("a message of %d bytes came", len(m))
							}
						}
						result <- err
					}()
					q, _ := json.Marshal(question{l.Addr().String(), server, fmt.Sprintf("%x", theirs), name, digest})
					var answer struct{ Error string }
					o.ask(t, 'a', q, &answer)
					err = <-result
					if bytes.Equal(theirs, key) {
						if err != nil || answer.Error != "" {
							t.Errorf("here %v, there %q", err, answer.Error)
						}
						return
					}
					if err == nil || answer.Error == "" {
						t.Errorf("with a wrong key: here %v, there %q", err, answer.Error)
					}
				})
			}
		}
	}
}

// script plays a client that sends what it is told to, and returns what became of
// the handshake and what the client was sent.
func script(t *testing.T, answer func(challenge []byte) []byte, ownChallenge []byte) (sent [][]byte, err error) {
	t.Helper()
	c, far := pair(t, 0)
	c.max = MaxUnauthenticated
	done := make(chan error, 1)
	go func() {
		err := c.Authenticate(key)
		c.Close()
		done <- err
	}()
	client := &Conn{c: far, max: MaxMessage}
	read := func() []byte {
		m, err := client.Read()
		if err == nil {
			sent = append(sent, m)
		}
		return m
	}
	m := read()
	message, ok := bytes.CutPrefix(m, []byte("#CHALLENGE#"))
	if !ok {
		t.Fatalf("the first message is %q", m)
	}
	client.Write(answer(message))
	if string(read()) == "#WELCOME#" && ownChallenge != nil {
		client.Write(ownChallenge)
		if read() != nil {
			client.Write([]byte("#WELCOME#"))
		}
	} else {
		far.Close()
	}
	return sent, <-done
}

func mac(h func() hash.Hash, message []byte) []byte {
	m := hmac.New(h, key)
	m.Write(message)
	return m.Sum(nil)
}

func TestAuthenticateAnswers(t *testing.T) {
	good := append([]byte("#CHALLENGE#"), make([]byte, 20)...)
	wrong := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	for name, tt := range map[string]struct {
		answer func([]byte) []byte
		want   error // nil for let in
	}{
		"the old form":               {func(m []byte) []byte { return mac(md5.New, m) }, nil},
		"md5 by name":                {func(m []byte) []byte { return append([]byte("{md5}"), mac(md5.New, m)...) }, nil},
		"sha256":                     {func(m []byte) []byte { return append([]byte("{sha256}"), mac(sha256.New, m)...) }, nil},
		"old, one bit wrong":         {func(m []byte) []byte { return wrong(mac(md5.New, m)) }, ErrKey},
		"sha256, one bit wrong":      {func(m []byte) []byte { return wrong(append([]byte("{sha256}"), mac(sha256.New, m)...)) }, ErrKey},
		"over the random bytes only": {func(m []byte) []byte { return append([]byte("{sha256}"), mac(sha256.New, m[8:])...) }, ErrKey},
		"sha256 cut to 16":           {func(m []byte) []byte { return mac(sha256.New, m)[:16] }, ErrKey},
		"sha256 cut, by name":        {func(m []byte) []byte { return append([]byte("{sha256}"), mac(sha256.New, m)[:16]...) }, ErrKey},
		"md5 said to be sha256":      {func(m []byte) []byte { return append([]byte("{sha256}"), mac(md5.New, m)...) }, ErrKey},
		"sha256 without its name":    {func(m []byte) []byte { return mac(sha256.New, m) }, errProtocol},
		"20 bytes":                   {func(m []byte) []byte { return append(mac(md5.New, m), 0, 0, 0, 0) }, ErrKey},
		"15 bytes":                   {func(m []byte) []byte { return mac(md5.New, m)[:15] }, errProtocol},
		"nothing":                    {func(m []byte) []byte { return nil }, errProtocol},
		"only a name":                {func(m []byte) []byte { return []byte("{sha256}") }, ErrKey},
		"a digest that is not there": {func(m []byte) []byte { return append([]byte("{sha1}"), make([]byte, 20)...) }, errProtocol},
		"an empty name":              {func(m []byte) []byte { return append([]byte("{}"), mac(md5.New, m)...) }, errProtocol},
		"no end of a name":           {func(m []byte) []byte { return []byte("{sha256") }, errProtocol},
		"our challenge back":         {func(m []byte) []byte { return m }, ErrKey},
	} {
		sent, err := script(t, tt.answer, good)
		if tt.want == nil {
			if err != nil || len(sent) != 3 || !bytes.Equal(sent[2], mac(md5.New, make([]byte, 20))) {
				t.Errorf("%s: %v, sent %q", name, err, sent)
			}
			continue
		}
		if !errors.Is(err, tt.want) || len(sent) != 2 || string(sent[1]) != "#FAILURE#" {
			t.Errorf("%s: %v, want %v; sent %q", name, err, tt.want, sent)
		}
	}

	if _, err := script(t, func([]byte) []byte { return make([]byte, 257) }, good); err == nil || !strings.Contains(err.Error(), "257") {
		t.Errorf("a response of 257 bytes: %v", err)
	}
}

// Challenges of a client that has shown the key.
func TestAuthenticateChallenges(t *testing.T) {
	right := func(m []byte) []byte { return mac(md5.New, m) }
	for name, tt := range map[string]struct {
		challenge string
		want      []byte // nil: an error
	}{
		"the old form":         {"#CHALLENGE#" + strings.Repeat("a", 20), mac(md5.New, []byte(strings.Repeat("a", 20)))},
		"the new form":         {"#CHALLENGE#{sha256}" + strings.Repeat("a", 40), append([]byte("{sha256}"), mac(sha256.New, []byte("{sha256}"+strings.Repeat("a", 40)))...)},
		"md5 by name":          {"#CHALLENGE#{md5}" + strings.Repeat("a", 40), append([]byte("{md5}"), mac(md5.New, []byte("{md5}"+strings.Repeat("a", 40)))...)},
		"braces of 20 bytes":   {"#CHALLENGE#{sha256}" + strings.Repeat("a", 12), mac(md5.New, []byte("{sha256}"+strings.Repeat("a", 12)))},
		"21 bytes":             {"#CHALLENGE#" + strings.Repeat("a", 21), nil},
		"an unknown digest":    {"#CHALLENGE#{sha512}" + strings.Repeat("a", 40), nil},
		"nothing":              {"#CHALLENGE#", nil},
		"no challenge":         {strings.Repeat("a", 20), nil},
		"longer than allowed":  {"#CHALLENGE#{sha256}" + strings.Repeat("a", 250), nil},
		"as long as allowed":   {"#CHALLENGE#{sha256}" + strings.Repeat("a", 237), append([]byte("{sha256}"), mac(sha256.New, []byte("{sha256}"+strings.Repeat("a", 237)))...)},
		"WELCOME out of order": {"#WELCOME#", nil},
	} {
		sent, err := script(t, right, []byte(tt.challenge))
		if tt.want == nil {
			if err == nil || len(sent) != 2 {
				t.Errorf("%s: %v, sent %q", name, err, sent)
			}
			continue
		}
		if err != nil || len(sent) != 3 || !bytes.Equal(sent[2], tt.want) {
			t.Errorf("%s: %v, sent %q", name, err, sent)
		}
	}
}

// No two challenges are alike, and each has the form of Python 3.12.
func TestChallenge(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		sent, _ := script(t, func([]byte) []byte { return nil }, nil)
		m := string(sent[0])
		if seen[m] || len(m) != len("#CHALLENGE#{sha256}")+40 || !strings.HasPrefix(m, "#CHALLENGE#{sha256}") {
			t.Fatalf("%q", m)
		}
		seen[m] = true
	}
}

// Who is silent is not waited for.
func TestAuthenticateDeadline(t *testing.T) {
	_, far := pair(t, 0)
	c, err := NewConn(far, time.Now().Add(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Authenticate(key); err == nil {
		t.Error("it was let in")
	}
}
