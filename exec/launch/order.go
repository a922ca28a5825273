package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
)

// The daemon and a launcher talk over a socket pair (unix(7)). Each message is one
// byte that says what it is, four bytes of length, big endian, and as many bytes.
// Descriptors travel beside the first byte (SCM_RIGHTS).
const (
	// To the launcher.
	orderBecome = 'b' // become a command; the end of the stream is the answer
	orderStart  = 's' // start a command, and stay for others of its kind
	orderReap   = 'r' // let go of the command that has ended

	// Of the first two: a client's socket is in the place of the standard descriptors, and
	// who that is before the command.
	ofClient = 'a' - 'A'

	// From the launcher.
	replyStarted = 'p' // the process id
	replyEnded   = 'e' // the status, as in wait(2)
	replyExec    = 'x' // an ExecError: errno
	replySignal  = 'g' // a SignalError: errno, 0 for errExecuted
	replyOther   = 'o' // any other error: text
)

const (
	maxOrder       = 8 << 20 // bytes; execve(2) takes less
	maxDescriptors = 250     // SCM_MAX_FD is 253
	maxReply       = 8 << 10
)

// ErrGone tells that a launcher ended before it took the order: nothing was
// executed.
var ErrGone = errors.New("the launcher ended before it took the command")

// Order is one command for a launcher.
type Order struct {
	*Command
	Stdio  [3]int  // the command's standard descriptors, where they are no client's
	Client *Client // whose descriptors and directory are the command's; or nil
	Stay   bool    // start the command, and be ready for another one; it must be Plain
}

// Message is what carries an order: bytes, and the descriptors beside them.
func (o *Order) Message() (message []byte, fds []int, err error) {
	kind, body := byte(orderBecome), encode(o.Command)
	if o.Stay {
		kind = orderStart
	}
	fds = slices.Clone(o.Stdio[:])
	if o.Client != nil {
		kind -= ofClient
		fds = []int{o.Client.Socket}
		body = append(encodeClient(o.Client), body...)
	}
	fds = append(fds, descriptors(o.Command)...)
	if len(body) > maxOrder {
		return nil, nil, fmt.Errorf("cannot pass the arguments: %w", unix.E2BIG)
	}
	if len(fds) > maxDescriptors {
		return nil, nil, fmt.Errorf("cannot pass %d open files, at most %d: name fewer paths in pin_paths and read_only", len(fds), maxDescriptors)
	}
	return frame(kind, body), fds, nil
}

// Reap is the message that lets a launcher let go of the command that has ended.
func Reap() []byte { return frame(orderReap, nil) }

func frame(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))), body...)
}

// Reply is what a launcher says.
type Reply struct {
	Started int    // process id of the command, or 0
	Ended   bool   // the command has ended, with Status
	Status  uint32 // as in wait(2)
	Err     error  // why the command was not executed
}

// ReadReply reads what the launcher of c says next. io.EOF tells that it is not
// there any more, or has become the command.
func ReadReply(r io.Reader, c *Command) (Reply, error) {
	kind, body, err := readFrame(r, maxReply)
	if err != nil {
		return Reply{}, err
	}
	d := decoder{rest: body}
	var reply Reply
	switch kind {
	case replyStarted:
		reply.Started = d.small()
	case replyEnded:
		reply.Ended, reply.Status = true, d.id()
	case replyExec:
		reply.Err = &ExecError{c.Argv[0], unix.Errno(d.small())}
	case replySignal:
		if c.Signal == nil {
			return Reply{}, errMalformed
		}
		why := error(errExecuted)
		if errno := d.small(); errno != 0 {
			why = unix.Errno(errno)
		}
		reply.Err = &SignalError{c.Signal.Process.PID, c.Signal.Number, why}
	case replyOther:
		reply.Err = errors.New(filters.Prose(d.text()))
	default:
		return Reply{}, errMalformed
	}
	return reply, d.err
}

func readFrame(r io.Reader, longest uint32) (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length > longest {
		return 0, nil, errMalformed
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return head[0], body, err
}

// channel is a launcher's end of the socket.
type channel struct {
	fd     int
	rights []int // received, and not yet taken by an order
}

// Read is read(2), and takes the descriptors that come with the bytes.
func (c *channel) Read(buf []byte) (int, error) {
	rights := make([]byte, unix.CmsgSpace(4*maxDescriptors))
	n, m, flags, _, err := unix.Recvmsg(c.fd, buf, rights, unix.MSG_CMSG_CLOEXEC)
	switch {
	case err != nil:
		return 0, err
	case flags&unix.MSG_CTRUNC != 0:
		return 0, errMalformed
	case n == 0:
		return 0, io.EOF
	case m == 0:
		return n, nil
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return 0, err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return 0, err
		}
		c.rights = append(c.rights, fds...)
	}
	return n, nil
}

// order waits for the next order; nil tells to let go of the last command. io.EOF
// tells that there will be none.
func (c *channel) order() (*Order, error) {
	kind, body, err := readFrame(c, maxOrder)
	if err != nil {
		return nil, err
	}
	fds := c.rights
	c.rights = nil
	if kind == orderReap && len(body)+len(fds) == 0 {
		return nil, nil
	}
	o, used := &Order{}, 3
	if kind == orderBecome-ofClient || kind == orderStart-ofClient {
		kind, used, o.Client = kind+ofClient, 1, new(Client)
	}
	if kind != orderBecome && kind != orderStart || len(fds) < used {
		return nil, errMalformed
	}
	o.Stay = kind == orderStart
	if o.Client == nil {
		o.Stdio = [3]int(fds)
	} else if body, err = o.Client.decode(body); err != nil {
		return nil, err
	} else {
		o.Client.Socket = fds[0]
	}
	o.Command, err = decode(body, fds[used:])
	return o, err
}

// say sends a reply.
func (c *channel) say(kind byte, number uint64) { c.send(reply(kind, number)) }

func reply(kind byte, number uint64) []byte {
	e := encoder{}
	e.number(number)
	return frame(kind, e.b)
}

// send sends replies. Where the daemon is gone there is nobody left to tell.
func (c *channel) send(replies []byte) { _ = unix.Sendto(c.fd, replies, unix.MSG_NOSIGNAL, nil) }

// fail says why the command was not executed.
func (c *channel) fail(failure error) {
	var program *ExecError
	var signal *SignalError
	var errno unix.Errno
	switch {
	case errors.As(failure, &program) && errors.As(failure, &errno):
		c.say(replyExec, uint64(errno))
	case errors.As(failure, &signal) && errors.As(failure, &errno):
		c.say(replySignal, uint64(errno))
	case errors.Is(failure, errExecuted):
		c.say(replySignal, 0)
	default:
		text := failure.Error()
		e := encoder{}
		e.text(text[:min(len(text), maxReply-16)])
		c.send(frame(replyOther, e.b))
	}
}
