// Package rootwrapclient is a client of oslo.rootwrap's daemon and of
// ironwrap-daemon, for tests and benchmarks. It shares the framing and the
// authentication with the daemon, but has its own JSON: what a daemon writes is
// read by other code than its own.
package rootwrapclient

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"ironwrap/exec/daemon/wire"
)

// Daemon is a running daemon that Start started.
type Daemon struct {
	Path string // of its socket
	Key  []byte
	PID  int

	cmd    *exec.Cmd
	stderr bytes.Buffer
}

// Start runs a daemon, and reads where it listens, as the client in Python does.
func Start(argv ...string) (*Daemon, error) {
	d := &Daemon{Key: make([]byte, 32), cmd: exec.Command(argv[0], argv[1:]...)}
	d.cmd.Stderr = &d.stderr
	stdin, err := d.cmd.StdinPipe() // the peer waits for nothing on it, but has it
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	d.PID = d.cmd.Process.Pid
	r := bufio.NewReader(stdout)
	if d.Path, err = r.ReadString('\n'); err == nil {
		_, err = io.ReadFull(r, d.Key)
	}
	if err != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		return nil, fmt.Errorf("%s did not tell where it listens: %w: %s", argv[0], err, &d.stderr)
	}
	d.Path = strings.TrimSuffix(d.Path, "\n")
	return d, nil
}

// Stop ends the daemon, which finishes first what runs.
func (d *Daemon) Stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return d.cmd.Wait()
}

// Usage is the processor time of the daemon and of its children, once it stopped.
func (d *Daemon) Usage() time.Duration {
	return d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime()
}

// Client is one connection that carries requests to run commands.
type Client struct {
	// Socket is what the connection consists of, for tests that break it.
	Socket net.Conn

	conn   *wire.Conn
	object string
}

// Result is what became of a command.
type Result struct {
	Status         int // exit status; -n where signal n killed it
	Stdout, Stderr []byte
}

// RemoteError is an answer that holds no result.
type RemoteError struct{ Kind, Text string }

func (e *RemoteError) Error() string { return e.Kind + ": " + e.Text }

// Dial connects, as the client in Python does: one connection to have an object
// made, and another one to call its method.
func Dial(path string, key []byte) (*Client, error) {
	_, first, err := connect(path, key)
	if err != nil {
		return nil, err
	}
	defer first.Close()
	reply, err := call(first, `[null, "create", ["rootwrap"], {}]`)
	if err != nil {
		return nil, err
	}
	var object []json.RawMessage
	var ident string
	if err := json.Unmarshal(reply, &object); err != nil || len(object) == 0 || json.Unmarshal(object[0], &ident) != nil {
		return nil, fmt.Errorf("create returned %.100q", reply)
	}
	socket, second, err := connect(path, key)
	if err != nil {
		return nil, err
	}
	if _, err := call(second, `[null, "accept_connection", ["rootwrapclient"], {}]`); err != nil {
		second.Close()
		return nil, err
	}
	return &Client{socket, second, ident}, nil
}

func connect(path string, key []byte) (net.Conn, *wire.Conn, error) {
	socket, err := net.Dial("unix", path)
	if err != nil {
		return nil, nil, err
	}
	conn, err := wire.NewConn(socket, time.Now().Add(30*time.Second))
	if err == nil {
		err = conn.AuthenticateClient(key)
	}
	if err != nil {
		socket.Close()
		return nil, nil, err
	}
	return socket, conn, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Run has a command run; stdin may be nil. A *RemoteError leaves the connection
// usable, any other error does not.
func (c *Client) Run(argv []string, stdin []byte) (Result, error) {
	return c.Call(c.Request(argv, stdin))
}

// Request is the message for Run.
func (c *Client) Request(argv []string, stdin []byte) []byte {
	b := append(quote([]byte{'['}, []byte(c.object)), `, "run_one_command", [[`...)
	for i, word := range argv {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = quote(b, []byte(word))
	}
	b = append(b, "], "...)
	if stdin == nil {
		b = append(b, "null"...)
	} else {
		b = quote(b, stdin)
	}
	return append(b, "], {}]"...)
}

// Call sends a message, and reads the answer as one to run_one_command.
func (c *Client) Call(message []byte) (Result, error) {
	reply, err := call(c.conn, string(message))
	if err != nil {
		return Result{}, err
	}
	var parts []json.RawMessage
	var r Result
	if err := json.Unmarshal(reply, &parts); err != nil || len(parts) != 3 {
		return r, fmt.Errorf("run_one_command returned %.100q", reply)
	}
	r.Status, err = strconv.Atoi(string(parts[0]))
	if err == nil {
		r.Stdout, err = unquote(parts[1])
	}
	if err == nil {
		r.Stderr, err = unquote(parts[2])
	}
	return r, err
}

// Send sends a message and waits for nothing.
func (c *Client) Send(message []byte) error { return c.conn.Write(message) }

// call sends a request and returns what came back behind "#RETURN".
func call(conn *wire.Conn, request string) (json.RawMessage, error) {
	if err := conn.Write([]byte(request)); err != nil {
		return nil, err
	}
	reply, err := conn.Read()
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(reply) {
		return nil, fmt.Errorf("the answer is not UTF-8: %.100q", reply)
	}
	var parts []json.RawMessage
	var kind string
	if err := json.Unmarshal(reply, &parts); err != nil || len(parts) != 2 || json.Unmarshal(parts[0], &kind) != nil {
		return nil, fmt.Errorf("the answer is not a kind and a value: %.100q", reply)
	}
	if kind != "#RETURN" {
		text := string(parts[1])
		if b, err := unquote(parts[1]); err == nil {
			text = string(b)
		}
		return nil, &RemoteError{kind, text}
	}
	return parts[1], nil
}

// quote appends text as json.dumps does after os.fsdecode: ASCII alone, and U+DC00
// and the byte for each that is not UTF-8.
func quote(b, text []byte) []byte {
	b = append(b, '"')
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			b = unicode(b, 0xdc00+uint16(text[0]))
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r >= ' ' && r < utf8.RuneSelf:
			b = append(b, byte(r))
		default:
			for _, unit := range utf16.AppendRune(nil, r) {
				b = unicode(b, unit)
			}
		}
		text = text[n:]
	}
	return append(b, '"')
}

func unicode(b []byte, unit uint16) []byte {
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[unit>>12], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
}

var errString = errors.New("no string as Python writes one")

// unquote is the inverse, what os.fsencode makes of json.loads: it reads UTF-16
// units one by one, of which those that are no pair have to stand for a byte.
func unquote(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return nil, errString
	}
	raw = raw[1 : len(raw)-1]
	text := make([]byte, 0, len(raw))
	high := rune(0) // a first half, of which the second must follow
	for len(raw) > 0 {
		unit, n := rune(raw[0]), 1
		escaped := false
		if raw[0] == '\\' {
			if len(raw) < 2 {
				return nil, errString
			}
			n = 2
			if raw[1] == 'u' {
				if len(raw) < 6 {
					return nil, errString
				}
				v, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
				if err != nil {
					return nil, errString
				}
				unit, n, escaped = rune(v), 6, true
			} else {
				i := strings.IndexByte(`"\/bfnrt`, raw[1])
				if i < 0 {
					return nil, errString
				}
				unit = rune("\"\\/\b\f\n\r\t"[i])
			}
		}
		raw = raw[n:]
		switch low := escaped && unit >= 0xdc00 && unit < 0xe000; {
		case high != 0 && low:
			text = utf8.AppendRune(text, utf16.DecodeRune(high, unit))
			high = 0
			continue
		case high != 0:
			return nil, errString
		case low && unit >= 0xdc80 && unit <= 0xdcff:
			text = append(text, byte(unit-0xdc00))
		case low:
			return nil, errString
		case escaped && unit >= 0xd800 && unit < 0xdc00:
			high = unit
		case escaped:
			text = utf8.AppendRune(text, unit)
		default: // a byte of UTF-8, or a short escape
			text = append(text, byte(unit))
		}
	}
	if high != 0 {
		return nil, errString
	}
	return text, nil
}
