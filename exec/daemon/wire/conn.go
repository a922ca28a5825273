// Package wire is the protocol that oslo_rootwrap.client speaks: Python's
// multiprocessing.managers, with JSON in the place of pickle, on a Unix stream
// socket. Framing, authentication of both generations, requests and replies; what
// a request means is for package daemon.
package wire

import (
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

const (
	// MaxUnauthenticated is the longest message before authentication, in bytes,
	// as in CPython.
	MaxUnauthenticated = 256

	// MaxMessage is the longest request, in bytes.
	MaxMessage = 64 << 20

	// Stall is how long a message that has begun may stand still, either way.
	// Between messages a client may be silent for ever.
	Stall = 30 * time.Second

	// slowest is how many bytes of a message must come in a second, on the average
	// and after the first Stall: who holds memory for it must use it.
	slowest = 1 << 20
)

// Conn carries messages: eight bytes of length, big endian, and as many bytes.
// One goroutine may read while another writes.
type Conn struct {
	c     net.Conn
	max   uint64
	stall time.Duration // 0 before authentication
	until time.Time     // when the message that has begun must be here

	// Admit is asked before memory is taken for a message of so many bytes, if it is
	// not nil. With its error the message is not read, and the connection cannot be
	// read any more.
	Admit func(length int) error
}

// NewConn takes a connection on which nothing was said yet. Until Authenticate has
// succeeded all must be over by deadline.
func NewConn(c net.Conn, deadline time.Time) (*Conn, error) {
	if err := c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	return &Conn{c: c, max: MaxUnauthenticated}, nil
}

// Close ends the connection. A Read or Write under way returns an error.
func (c *Conn) Close() error { return c.c.Close() }

// TooLongError tells that the length before a message was more than allowed. What
// follows on the connection cannot be understood any more.
type TooLongError struct{ Length, Max uint64 }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("a message of %d bytes is longer than the %d that are read", e.Length, e.Max)
}

// Read returns the next message; io.EOF tells that there is none, for the other
// side has closed the connection. Memory is taken as bytes come, not as they are
// announced.
func (c *Conn) Read() ([]byte, error) {
	var head [8]byte
	n, err := c.c.Read(head[:])
	if err != nil {
		return nil, err
	}
	c.until = time.Now().Add(c.stall)
	if err := c.fill(head[n:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint64(head[:])
	if length > c.max {
		return nil, &TooLongError{length, c.max}
	}
	if c.Admit != nil {
		if err := c.Admit(int(length)); err != nil {
			return nil, err
		}
	}
	c.until = time.Now().Add(c.stall + time.Duration(length/slowest)*time.Second)
	message := make([]byte, min(length, 4<<10))
	for have := uint64(0); ; {
		if err := c.fill(message[have:]); err != nil {
			return nil, err
		}
		if have = uint64(len(message)); have == length {
			break
		}
		more := make([]byte, min(length, 4*have))
		copy(more, message)
		message = more
	}
	if c.stall > 0 {
		return message, c.c.SetReadDeadline(time.Time{})
	}
	return message, nil
}

// fill reads to the end of buf. Some of it must come within each time of stall, and
// all of the message in time.
func (c *Conn) fill(buf []byte) error {
	for len(buf) > 0 {
		if c.stall > 0 {
			deadline := time.Now().Add(c.stall)
			if c.until.Before(deadline) {
				deadline = c.until
			}
			if err := c.c.SetReadDeadline(deadline); err != nil {
				return err
			}
		}
		n, err := c.c.Read(buf)
		if err != nil {
			return err
		}
		buf = buf[n:]
	}
	return nil
}

// write sends one message, the pieces of which come one by one; length is that
// of all together.
func (c *Conn) write(length int, pieces func(yield func([]byte) error) error) error {
	buf := binary.BigEndian.AppendUint64(make([]byte, 0, min(8+length+1, bufferSize)), uint64(length))
	err := pieces(func(piece []byte) error {
		for len(piece) > 0 {
			n := min(len(piece), cap(buf)-len(buf))
			buf, piece = append(buf, piece[:n]...), piece[n:]
			if len(buf) == cap(buf) {
				if err := c.send(buf); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.send(buf)
}

const bufferSize = 32 << 10

// Write sends one message.
func (c *Conn) Write(message []byte) error {
	return c.write(len(message), func(yield func([]byte) error) error { return yield(message) })
}

// send writes all of buf, some of it within each time of stall.
func (c *Conn) send(buf []byte) error {
	if c.stall == 0 {
		_, err := c.c.Write(buf)
		return err
	}
	for len(buf) > 0 {
		if err := c.c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return err
		}
		n, err := c.c.Write(buf)
		buf = buf[n:]
		// A slow reader has taken some: that is progress.
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() && n > 0 {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}
