package integration

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
	"unsafe"

	"golang.org/x/sys/unix"
)

// A client of the daemon's, written from the description of the protocol: what the
// daemon's own code believes of it does not go in here.

// rpc is a connection on which both sides have shown the key.
type rpc struct {
	testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// digests are the names that CPython allows.
var digests = map[string]func() hash.Hash{
	"md5": md5.New, "sha256": sha256.New, "sha384": sha512.New384,
	"sha3_256": func() hash.Hash { return sha3.New256() }, "sha3_384": func() hash.Hash { return sha3.New384() },
}

func mac(digest string, key, message []byte) []byte {
	h := hmac.New(digests[digest], key)
	h.Write(message)
	return h.Sum(nil)
}

func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(len(message))), message...)
}

// dial connects as root.
func (s *server) dial() net.Conn {
	s.Helper()
	c, err := net.Dial("unix", s.path)
	if err != nil {
		s.Fatal(err)
	}
	s.conns = append(s.conns, c)
	// No answer is a failure, and not the end of all tests.
	c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// as runs f in a thread that is another user's, as far as the kernel is asked. The
// thread ends with it.
func as(u user, groups []uint32, f func()) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good
		set := func(call uintptr, a, b, c uintptr) {
			if _, _, errno := unix.RawSyscall(call, a, b, c); errno != 0 {
				panic(fmt.Sprintf("cannot become uid %d: %v", u.uid, errno))
			}
		}
		list := append(slices.Clone(groups), 0) // so that it has an address
		if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0); errno != 0 {
			panic(errno)
		}
		set(unix.SYS_SETRESGID, uintptr(u.gid), uintptr(u.gid), uintptr(u.gid))
		set(unix.SYS_SETRESUID, uintptr(u.uid), uintptr(u.uid), uintptr(u.uid))
		f()
		done <- nil
	}()
	<-done
}

// client connects with the key, in the manner of Python up to 3.11 (digest "") or
// later, and asks for the object's methods to be called.
func (s *server) client(digest ...string) *rpc {
	s.Helper()
	c := s.manager(append(digest, "")[0])
	if answer := c.call(`[null, "accept_connection", ["test"], {}]`); answer != `["#RETURN", null]` {
		s.Fatalf("accept_connection: %s", answer)
	}
	return c
}

// over is a client on a connection.
func (s *server) over(c net.Conn) *rpc {
	return &rpc{TB: s.TB, conn: c, in: bufio.NewReader(c)}
}

// manager connects with the key.
func (s *server) manager(digest string) *rpc {
	s.Helper()
	c := s.over(s.dial())
	if err := c.authenticate(s.key, digest); err != nil {
		s.Fatal(err)
	}
	return c
}

// authenticate does the client's part of the handshake. Without the name of a
// digest it is that of Python up to 3.11.
func (c *rpc) authenticate(key []byte, digest string) error {
	challenge, err := c.challenge()
	if err != nil {
		return err
	}
	if digest == "" {
		err = c.write(mac("md5", key, challenge))
	} else {
		err = c.write(append([]byte("{"+digest+"}"), mac(digest, key, challenge)...))
	}
	if err != nil {
		return err
	}
	if verdict, err := c.read(); err != nil || string(verdict) != "#WELCOME#" {
		return fmt.Errorf("the daemon said %q, %v", verdict, err)
	}
	return c.prove(key, digest)
}

func (c *rpc) challenge() ([]byte, error) {
	message, err := c.read()
	if err != nil {
		return nil, err
	}
	challenge, ok := bytes.CutPrefix(message, []byte("#CHALLENGE#"))
	if !ok {
		return nil, fmt.Errorf("%q is no challenge", message)
	}
	return challenge, nil
}

// prove has the daemon prove that it has the key.
func (c *rpc) prove(key []byte, digest string) error {
	mine := make([]byte, 20)
	if digest != "" {
		mine = make([]byte, 40)
	}
	rand.Read(mine)
	want := "md5"
	if digest != "" {
		mine, want = append([]byte("{"+digest+"}"), mine...), digest
	}
	if err := c.write(append([]byte("#CHALLENGE#"), mine...)); err != nil {
		return err
	}
	answer, err := c.read()
	if err != nil {
		return err
	}
	proof := mac(want, key, mine)
	if digest != "" {
		proof = append([]byte("{"+digest+"}"), proof...)
	}
	if !bytes.Equal(answer, proof) {
		return fmt.Errorf("the daemon has not the key: %q is no answer to %q", answer, mine)
	}
	return c.write([]byte("#WELCOME#"))
}

func (c *rpc) write(message []byte) error {
	_, err := c.conn.Write(frame(message))
	return err
}

func (c *rpc) read() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint64(head[:]))
	_, err := io.ReadFull(c.in, message)
	return message, err
}

// call sends one request and returns the reply.
func (c *rpc) call(request string) string {
	c.Helper()
	if err := c.write([]byte(request)); err != nil {
		c.Fatal(err)
	}
	return c.reply()
}

func (c *rpc) reply() string {
	c.Helper()
	answer, err := c.read()
	if err != nil {
		c.Fatalf("no reply: %v", err)
	}
	return string(answer)
}

// request is run_one_command with words as Python's os.fsdecode and json.dumps
// make them.
func request(stdin string, argv ...string) string {
	list := make([]string, len(argv))
	for i, word := range argv {
		list[i] = pyString(word)
	}
	in := "null"
	if stdin != "" {
		in = pyString(stdin)
	}
	return `["1", "run_one_command", [[` + strings.Join(list, ", ") + `], ` + in + `], {}]`
}

// run has a command run.
func (c *rpc) run(argv ...string) result { c.Helper(); return c.feed("", argv...) }

func (c *rpc) feed(stdin string, argv ...string) result {
	c.Helper()
	return c.result(c.call(request(stdin, argv...)))
}

// result reads the reply to run_one_command. A command that a signal ended has
// the status -n.
func (c *rpc) result(reply string) (r result) {
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
	return result{status: status, out: c.pyBytes(value[1]), err: c.pyBytes(value[2])}
}

// refuses complains unless a request is answered with an error, which holds why,
// and the connection goes on.
func (c *rpc) refuses(why, request string) {
	c.Helper()
	answer := c.call(request)
	if !strings.HasPrefix(answer, `["#TRACEBACK", "`) || !strings.Contains(answer, why) || strings.Contains(answer, "goroutine") {
		c.Errorf("%.300q: not refused for %q: %.300q", request, why, answer)
	}
}
