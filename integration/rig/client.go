package rig

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A client of the daemon's, written from the description of the protocol: what the
// daemon's own code believes of it does not go in here.

// RPC is a connection on which both sides have shown the key.
type RPC struct {
	testing.TB
	Conn net.Conn
	In   *bufio.Reader
}

// digests are the names that CPython allows.
var digests = map[string]func() hash.Hash{
	"md5": md5.New, "sha256": sha256.New, "sha384": sha512.New384,
	"sha3_256": func() hash.Hash { return sha3.New256() }, "sha3_384": func() hash.Hash { return sha3.New384() },
}

// Mac is the answer to a challenge of multiprocessing.connection.
func Mac(digest string, key, message []byte) []byte {
	h := hmac.New(digests[digest], key)
	h.Write(message)
	return h.Sum(nil)
}

// Frame puts a length before a message.
func Frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(len(message))), message...)
}

// Dial connects as root.
func (s *Server) Dial() net.Conn {
	s.Helper()
	c, err := net.Dial("unix", s.Path)
	if err != nil {
		s.Fatal(err)
	}
	s.Conns = append(s.Conns, c)
	// No answer is a failure, and not the end of all tests.
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// As runs f in a thread that is another user's, as far as the kernel is asked. The
// thread ends with it.
func As(u User, groups []uint32, f func()) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good
		set := func(call uintptr, a, b, c uintptr) {
			if _, _, errno := unix.RawSyscall(call, a, b, c); errno != 0 {
				panic(fmt.Sprintf("cannot become uid %d: %v", u.UID, errno))
			}
		}
		list := append(slices.Clone(groups), 0) // so that it has an address
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0); errno != 0 {
			panic(errno)
		}
		set(unix.SYS_SETRESGID, uintptr(u.GID), uintptr(u.GID), uintptr(u.GID))
		set(unix.SYS_SETRESUID, uintptr(u.UID), uintptr(u.UID), uintptr(u.UID))
		f()
		done <- nil
	}()
	<-done
}

// Client connects with the key, in the manner of Python up to 3.11 (digest "") or
// later, and asks for the object's methods to be called.
func (s *Server) Client(digest ...string) *RPC {
	s.Helper()
	c := s.Manager(append(digest, "")[0])
	if answer := c.Call(`[null, "accept_connection", ["test"], {}]`); answer != `["#RETURN", null]` {
		s.Fatalf("accept_connection: %s", answer)
	}
	return c
}

// Over is a client on a connection.
func (s *Server) Over(c net.Conn) *RPC {
	return &RPC{TB: s.TB, Conn: c, In: bufio.NewReader(c)}
}

// Manager connects with the key.
func (s *Server) Manager(digest string) *RPC {
	s.Helper()
	c := s.Over(s.Dial())
	if err := c.Authenticate(s.Key, digest); err != nil {
		s.Fatal(err)
	}
	return c
}

// Authenticate does the client's part of the handshake. Without the name of a
// digest it is that of Python up to 3.11.
func (c *RPC) Authenticate(key []byte, digest string) error {
	challenge, err := c.Challenge()
	if err != nil {
		return err
	}
	if digest == "" {
		err = c.Write(Mac("md5", key, challenge))
	} else {
		err = c.Write(append([]byte("{"+digest+"}"), Mac(digest, key, challenge)...))
	}
	if err != nil {
		return err
	}
	if verdict, err := c.Read(); err != nil || string(verdict) != "#WELCOME#" {
		return fmt.Errorf("the daemon said %q, %v", verdict, err)
	}
	return c.Prove(key, digest)
}

// Challenge is the daemon's.
func (c *RPC) Challenge() ([]byte, error) {
	message, err := c.Read()
	if err != nil {
		return nil, err
	}
	challenge, ok := bytes.CutPrefix(message, []byte("#CHALLENGE#"))
	if !ok {
		return nil, fmt.Errorf("%q is no challenge", message)
	}
	return challenge, nil
}

// Prove has the daemon prove that it has the key.
func (c *RPC) Prove(key []byte, digest string) error {
	mine := make([]byte, 20)
	if digest != "" {
		mine = make([]byte, 40)
	}
	rand.Read(mine)
	want := "md5"
	if digest != "" {
		mine, want = append([]byte("{"+digest+"}"), mine...), digest
	}
	if err := c.Write(append([]byte("#CHALLENGE#"), mine...)); err != nil {
		return err
	}
	answer, err := c.Read()
	if err != nil {
		return err
	}
	proof := Mac(want, key, mine)
	if digest != "" {
		proof = append([]byte("{"+digest+"}"), proof...)
	}
	if !bytes.Equal(answer, proof) {
		return fmt.Errorf("the daemon has not the key: %q is no answer to %q", answer, mine)
	}
	return c.Write([]byte("#WELCOME#"))
}

// Write sends a message.
func (c *RPC) Write(message []byte) error {
	_, err := c.Conn.Write(Frame(message))
	return err
}

// Read receives one.
func (c *RPC) Read() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.In, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint64(head[:]))
	_, err := io.ReadFull(c.In, message)
	return message, err
}

// Call sends one request and returns the reply.
func (c *RPC) Call(request string) string {
	c.Helper()
	if err := c.Write([]byte(request)); err != nil {
		c.Fatal(err)
	}
	return c.Reply()
}

// Reply is the next message, which must come.
func (c *RPC) Reply() string {
	c.Helper()
	answer, err := c.Read()
	if err != nil {
		c.Fatalf("no reply: %v", err)
	}
	return string(answer)
}

// Request is run_one_command with words as Python's os.fsdecode and json.dumps
// make them.
func Request(stdin string, argv ...string) string {
	list := make([]string, len(argv))
	for i, word := range argv {
		list[i] = PyString(word)
	}
	in := "null"
	if stdin != "" {
		in = PyString(stdin)
	}
	return `["1", "run_one_command", [[` + strings.Join(list, ", ") + `], ` + in + `], {}]`
}

// Run has a command run.
func (c *RPC) Run(argv ...string) Result { c.Helper(); return c.Feed("", argv...) }

// Feed is Run with a standard input.
func (c *RPC) Feed(stdin string, argv ...string) Result {
	c.Helper()
	return c.Result(c.Call(Request(stdin, argv...)))
}

// Result reads the reply to run_one_command. A command that a signal ended has
// the status -n.
func (c *RPC) Result(reply string) (r Result) {
	c.Helper()
	var kind string
	var value []json.RawMessage
	if err := json.Unmarshal([]byte(reply), &[]any{&kind, &value}); err != nil || kind != "#RETURN" || len(value) != 3 {
		c.Fatalf("no result: %.1000q", reply)
	}
	status, err := strconv.Atoi(string(value[0]))
	if err != nil {
		c.Fatalf("no status: %.1000q", reply)
	}
	return Result{Status: status, Out: c.pyBytes(value[1]), Err: c.pyBytes(value[2])}
}

// PyString is the JSON string that Python makes of bytes: surrogateescape, and
// nothing but ASCII.
func PyString(b string) string {
	var out strings.Builder
	for len(b) > 0 {
		r, size := utf8.DecodeRuneInString(b)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&out, `\udc%02x`, b[0])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case r < ' ' || r > '~' || r == '"' || r == '\\':
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		b = b[size:]
	}
	return `"` + out.String() + `"`
}

// pyBytes is the reverse of pyString.
func (c *RPC) pyBytes(raw json.RawMessage) string {
	c.Helper()
	var units []uint16 // UTF-16, in which every escape is one
	for i := 1; i < len(raw)-1; i++ {
		if raw[i] != '\\' {
			r, size := utf8.DecodeRune(raw[i:])
			units = utf16.AppendRune(units, r)
			i += size - 1
			continue
		}
		if i++; raw[i] != 'u' {
			units = append(units, uint16(map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', '"': '"', '\\': '\\', '/': '/'}[raw[i]]))
			continue
		}
		n, err := strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
		if err != nil {
			c.Fatalf("%.20q: %v", raw[i:], err)
		}
		units = append(units, uint16(n))
		i += 4
	}
	var out []byte
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if i+1 < len(units) && utf16.IsSurrogate(r) && utf16.DecodeRune(r, rune(units[i+1])) != utf8.RuneError {
			r = utf16.DecodeRune(r, rune(units[i+1]))
			i++
		}
		switch {
		case r >= 0xdc80 && r <= 0xdcff:
			out = append(out, byte(r))
		case utf16.IsSurrogate(r):
			c.Fatalf("U+%04X stands for nothing", r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return string(out)
}
