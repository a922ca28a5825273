package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/daemon/wire"
	"ironwrap/filters"
	"ironwrap/policy"
)

// handshake is how long a client may take to show that it has the key.
const handshake = 10 * time.Second

// objectID is the one object that clients can have: the peer makes a new one for
// each create, all alike.
const objectID = "1"

var objectMethods = []string{"run_one_command", "shutdown"}

// client is one connection.
type client struct {
	d      *Daemon
	raw    *net.UnixConn
	conn   *wire.Conn
	who    exec.Client
	groups []int
	let    *policy.Policy // the one that let it in

	held  *held              // of the message that was read last
	gone  context.Context    // done when the client has closed the connection, or its half of it
	leave context.CancelFunc // makes gone so
	left  chan struct{}      // closed when nobody can hear an answer any more
	done  chan struct{}      // closed when nobody answers any more

	requests chan incoming // that read has read; nil while nobody reads ahead
	fault    error         // why it cannot be read any more, once requests is closed

	fd     int          // of raw
	waiter *exec.Waiter // for the command that runs, and for raw; nil for none
}

// incoming is a message, and the memory that was given for it.
type incoming struct {
	message []byte
	held    *held
}

// serve does all that happens on one connection. To those who may not connect it
// says nothing.
func (d *Daemon) serve(c *net.UnixConn) {
	defer c.Close()
	defer func() {
		// A fault of ours costs one connection, and no other.
		if bug := recover(); bug != nil {
			d.metrics.refuse("bug")
			d.log().Event(audit.Error, fmt.Sprintf("internal error: %v: %s", bug, filters.Untrusted(debug.Stack())))
		}
	}()
	p := d.policies.current()
	who, groups, err := peer(c)
	if err == nil {
		err = d.mayConnect(p, who, groups)
	}
	if err != nil {
		d.refused("user", fmt.Sprintf("refused a connection of uid %d, process %d: %v", who.UID, who.PID, err))
		return
	}
	if !d.clients.enter(c, who.UID) {
		d.refused("full", fmt.Sprintf("refused a connection of uid %d, process %d: there are %d already, or %d of this user", who.UID, who.PID, maxClients, maxOfUser))
		return
	}
	defer d.clients.leave(c)

	conn, err := wire.NewConn(c, time.Now().Add(handshake))
	if err == nil {
		err = conn.Authenticate(d.key)
	}
	d.clients.authenticated(c)
	if errors.Is(err, net.ErrClosed) {
		return // by us: another took its place, which is counted, or it is the end
	}
	if err != nil {
		d.refused(reason(err), fmt.Sprintf("refused a connection of uid %d, process %d: %v", who.UID, who.PID, err))
		return
	}
	d.metrics.connected(1)
	defer d.metrics.connected(-1)
	s := &client{d: d, raw: c, conn: conn, who: who, groups: groups, let: p}
	conn.Admit = func(length int) (err error) {
		s.held, err = d.memory.reserve(d.stopping, who.UID, length)
		return err
	}
	// Whoever does not listen gets no answer.
	_ = s.first()
}

// reason is what a failed handshake counts as.
func reason(err error) string {
	switch {
	case errors.Is(err, wire.ErrKey):
		return "key"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "slow"
	}
	return "protocol"
}

// refused counts, and records where that is of use: not more than once a second.
func (d *Daemon) refused(reason, text string) {
	d.metrics.refuse(reason)
	if d.refusals.allow(time.Now()) {
		d.log().Event(audit.Error, text)
	}
}

// first answers the first request on a connection, which is for the manager, as
// Python calls it. All but one are the last, too.
func (s *client) first() error {
	message, err := s.conn.Read()
	h := s.held
	defer func() { h.shrink(0) }()
	if err != nil {
		return s.notRead(err)
	}
	call, err := wire.Parse(message)
	if err != nil {
		return s.conn.ReturnError(err.Error())
	}
	switch call.Method {
	case "dummy":
		return s.conn.Return()
	case "get_methods":
		return s.conn.ReturnMethods(objectMethods...)
	case "accept_connection":
		if err := s.conn.Return(); err != nil || !s.d.clients.asks(s.raw) {
			return err
		}
		h.shrink(0)
		return s.objects()
	}
	args, err := call.Strings()
	if err != nil {
		return s.conn.ReturnError(err.Error())
	}
	switch arg := strings.Join(args, " "); {
	case call.Method == "create" && arg == "rootwrap":
		return s.conn.ReturnObject(objectID, objectMethods...)
	case (call.Method == "incref" || call.Method == "decref") && arg == objectID:
		return s.conn.Return()
	}
	return s.conn.ReturnError(fmt.Sprintf("%s is not offered, or not with such arguments", filters.Untrusted(call.Method).Quote()))
}

// notRead answers a message that was refused for its length, or for want of memory,
// since the client waits for an answer.
func (s *client) notRead(err error) error {
	var long *wire.TooLongError
	var busy *busyError
	if errors.As(err, &long) || errors.As(err, &busy) {
		return s.conn.ReturnError(err.Error())
	}
	return err
}

// objects answers calls of the object's methods until the client goes away, or the
// daemon stops.
func (s *client) objects() error {
	s.gone, s.leave = context.WithCancel(context.Background())
	defer s.leave()
	s.left, s.done = make(chan struct{}), make(chan struct{})
	defer close(s.done)
	raw, err := s.raw.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { s.fd = int(fd) })
	}
	if err != nil {
		return err
	}
	for {
		r, err := s.next()
		if err != nil {
			return s.notRead(err)
		}
		err = s.answer(r.message, r.held)
		r.held.shrink(0)
		if err != nil {
			return err
		}
	}
}

// next is the next request.
func (s *client) next() (incoming, error) {
	if s.requests != nil {
		select {
		case r, ok := <-s.requests:
			if !ok {
				return r, s.fault
			}
			return r, nil
		case <-s.d.stopping:
			return incoming{}, errStopping
		}
	}
	if !s.d.clients.rests(s.raw) {
		return incoming{}, errStopping
	}
	s.held = nil
	message, err := s.conn.Read()
	if err == nil && !s.d.clients.asks(s.raw) {
		err = errStopping
	}
	if err != nil {
		s.held.shrink(0)
		return incoming{}, err
	}
	return incoming{message, s.held}, nil
}

// readAhead has another goroutine read requests from now on, if none does: so that a
// client that goes away is noticed while its request is worked at.
func (s *client) readAhead() {
	if s.requests != nil {
		return
	}
	s.requests = make(chan incoming)
	if s.waiter != nil {
		s.waiter.Remove(s.fd)
	}
	go s.read()
}

// read reads requests ahead of need, one at most.
func (s *client) read() {
	for {
		s.held = nil
		message, err := s.conn.Read()
		r := incoming{message, s.held}
		if err != nil {
			r.held.shrink(0)
			// Of a deadline of ours the client knows nothing, nor of a message that was
			// not read: it waits for the answer still.
			var busy *busyError
			if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &busy) {
				s.leave()
				s.d.clients.interrupt(s.raw)
				if hungUp(s.raw) {
					close(s.left)
				}
			}
			s.fault = err
			close(s.requests)
			return
		}
		select {
		case s.requests <- r:
		case <-s.done:
			r.message = nil
			r.held.shrink(0)
			return
		}
	}
}

// waits has w wait for the client, too: for more to come from it, or its end.
func (s *client) waits(w *exec.Waiter) error {
	s.waiter = w
	s.d.clients.waits(s.raw, w)
	if s.requests != nil {
		return nil
	}
	return w.Add(s.fd)
}

// waitsNoMore undoes waits.
func (s *client) waitsNoMore() {
	if s.requests == nil {
		s.waiter.Remove(s.fd)
	}
	s.d.clients.waits(s.raw, nil)
	s.waiter = nil
}

// size is what words take, in bytes.
func size(words []filters.Untrusted) int {
	n := 32 * len(words)
	for _, w := range words {
		n += len(w)
	}
	return n
}

// parse takes a message apart, down to the words of a command. From then on as much
// memory is held as they take.
func (s *client) parse(message []byte, h *held) (call wire.Call, argv []filters.Untrusted, stdin []byte, err error) {
	if h != nil {
		s.d.memory.lists.Lock()
		defer s.d.memory.lists.Unlock()
	}
	if call, err = wire.Parse(message); err != nil || call.Ident != objectID || call.Method != "run_one_command" {
		return call, nil, nil, err
	}
	length := len(message)
	if argv, stdin, err = call.Command(); err == nil && !h.fit(size(argv)+len(stdin)) {
		err = &busyError{length}
	}
	return call, argv, stdin, err
}

// answer answers one call of a method. An error is that of the connection.
func (s *client) answer(message []byte, h *held) error {
	call, argv, stdin, err := s.parse(message, h)
	switch {
	case err != nil:
	case call.Ident != objectID:
		err = fmt.Errorf("there is no object %s", filters.Untrusted(call.Ident).Quote())
	case call.Method == "shutdown":
		// What systemd started is not the client's to end.
		if !s.d.socket.activated {
			defer s.d.stop()
		}
		return s.conn.Return()
	case call.Method == "run_one_command":
		if h != nil { // what is long may take long to decide about
			s.readAhead()
		}
		result, err := s.inTurn(argv, &input{data: stdin, held: h, rest: size(argv)})
		if err != nil {
			return err
		}
		return s.conn.ReturnResult(result)
	default:
		err = fmt.Errorf("%s is not offered", filters.Untrusted(call.Method).Quote())
	}
	s.d.metrics.request("malformed", "", 0)
	return s.conn.ReturnError(err.Error())
}
