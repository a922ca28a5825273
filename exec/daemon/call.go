package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/call"
	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/sandbox"
)

// caller is one connection of ironwrap-call: one command, on the descriptors of the
// client, who says nothing more but which signals it got. The descriptors never come here.
type caller struct {
	d       *Daemon
	conn    *net.UnixConn
	raw     syscall.RawConn // of conn
	who     exec.Client
	groups  []int
	request call.Request

	gone  context.Context // done when the client is not there any more
	leave context.CancelFunc
	begun chan struct{} // closed when the descriptors are a launcher's: signals come behind them

	mu      sync.Mutex
	signals []syscall.Signal // that the command has not had yet
}

// serveCall does all that happens on one connection of ironwrap-call.
func (d *Daemon) serveCall(c *net.UnixConn) {
	defer c.Close()
	defer func() {
		// A fault of ours costs one connection, and no other.
		if bug := recover(); bug != nil {
			d.metrics.refuse("bug")
			d.log().Event(audit.Error, fmt.Sprintf("internal error: %v: %s", bug, filters.Untrusted(debug.Stack())))
		}
	}()
	who, groups, err := peer(c)
	// Again before the command is decided about, by the policy of that moment.
	if err == nil && d.mayCall(d.policies.loaded(), who, groups) != nil {
		err = d.mayCall(d.policies.current(), who, groups)
	}
	if err != nil {
		d.refused("user", fmt.Sprintf("refused a call of uid %d, process %d: %v", who.UID, who.PID, err))
		d.tell(c, exec.Unauthorized, err.Error())
		return
	}
	if !d.clients.enter(c, who.UID) {
		d.refused("full", fmt.Sprintf("refused a call of uid %d, process %d: there are %d already, or %d of this user", who.UID, who.PID, maxClients, maxOfUser))
		d.tell(c, exec.BadConfig, fmt.Sprintf("not run: the daemon has %d clients, or %d of uid %d, as many as it takes: try again later", maxClients, maxOfUser, who.UID))
		return
	}
	defer d.clients.leave(c)

	s := &caller{d: d, conn: c, who: who, groups: groups, begun: make(chan struct{})}
	held, err := s.read()
	defer func() { held.shrink(0) }()
	d.clients.authenticated(c)
	switch {
	case errors.Is(err, net.ErrClosed):
		return // by us: another took its place, which is counted, or it is the end
	case err != nil:
		d.refused(reason(err), fmt.Sprintf("refused a call of uid %d, process %d: %v", who.UID, who.PID, err))
		d.tell(c, exec.BadConfig, err.Error())
		return
	case !d.clients.asks(c):
		return
	}
	s.gone, s.leave = context.WithCancel(context.Background())
	defer s.leave()
	go s.listen()
	s.send(s.inTurn(held))
}

// mayCall returns nil for those who may connect. Whom the kernel cannot name is nobody:
// a user of a user namespace of whose ids this one has none (user_namespaces(7)), nor is a
// group one that stands for others.
func (d *Daemon) mayCall(p *policy.Policy, who exec.Client, groups []int) error {
	if who.UID == unknownUser() {
		return fmt.Errorf("uid %d stands for users of other user namespaces, who cannot be told apart: call from the daemon's, or map the user's id", who.UID)
	}
	if who.GID == unknownGroup() {
		who.GID = -1
	}
	return d.mayConnect(p, who, slices.DeleteFunc(slices.Clone(groups), func(g int) bool { return g == unknownGroup() }))
}

// The ids that stand for those which a user namespace does not have.
var (
	unknownUser  = sync.OnceValue(func() int { return overflow("/proc/sys/kernel/overflowuid") })
	unknownGroup = sync.OnceValue(func() int { return overflow("/proc/sys/kernel/overflowgid") })
)

func overflow(path string) int {
	text, err := os.ReadFile(path)
	id, parseErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || parseErr != nil {
		return 65534
	}
	return id
}

// tell answers that nothing is run.
func (d *Daemon) tell(c *net.UnixConn, status int, text string) {
	_ = c.SetWriteDeadline(time.Now().Add(handshake))
	// Whoever does not listen gets no answer.
	_, _ = c.Write(call.Answer{Status: uint32(status), Why: filters.Prose(text)}.Encode())
}

func (s *caller) send(a call.Answer) {
	_ = s.conn.SetWriteDeadline(time.Now().Add(handshake))
	_, _ = s.conn.Write(a.Encode())
}

// read reads the request, with the memory that was given for it, and waits for the
// descriptors behind it. Any that come with the request are closed by the kernel, which
// read(2) hands none.
func (s *caller) read() (held *held, err error) {
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return nil, err
	}
	if err := s.conn.SetReadDeadline(time.Now().Add(handshake)); err != nil {
		return nil, err
	}
	var head [call.HeadSize]byte
	if _, err := io.ReadFull(s.conn, head[:]); err != nil {
		return nil, err
	}
	kind, length := call.Head(head)
	if call.Long(kind, length) {
		return nil, call.ErrMalformed
	}
	if held, err = s.d.memory.reserve(s.d.stopping, s.who.UID, int(length)); err != nil {
		return held, err
	}
	body := make([]byte, length)
	if err = s.conn.SetReadDeadline(time.Now().Add(handshake + time.Duration(length>>20)*time.Second)); err == nil {
		_, err = io.ReadFull(s.conn, body)
	}
	if err == nil {
		err = s.decode(held, body)
	}
	if err == nil {
		err = s.awaitFiles()
	}
	if err == nil {
		err = s.conn.SetReadDeadline(time.Time{})
	}
	return held, err
}

// listed is what a word or a variable takes in the lists that are made of them, in bytes.
const listed = 32

// decode reads the request, where there is memory for its lists.
func (s *caller) decode(h *held, body []byte) error {
	words, err := call.Words(body)
	if err != nil {
		return err
	}
	if !h.fit(cost(len(body)) + words*listed) {
		return &busyError{len(body)}
	}
	s.request, err = call.DecodeRequest(body)
	return err
}

// awaitFiles waits for the byte that the descriptors are beside, and leaves both where
// they are.
func (s *caller) awaitFiles() error {
	var next [1]byte
	var n int
	var failed error
	err := s.raw.Read(func(fd uintptr) bool {
		n, _, failed = unix.Recvfrom(int(fd), next[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return failed != unix.EAGAIN && failed != unix.EINTR
	})
	switch err = errors.Join(err, failed); {
	case err != nil:
		return err
	case n == 0:
		return io.ErrUnexpectedEOF
	case next[0] != call.FilesByte:
		return call.ErrMalformed
	}
	return nil
}

// listen takes in the signals that the client got, until it is gone.
func (s *caller) listen() {
	defer s.d.clients.interrupt(s.conn)
	defer s.leave()
	if !s.stays() {
		return
	}
	var buf [64]byte
	for {
		n, err := s.conn.Read(buf[:])
		if errors.Is(err, os.ErrDeadlineExceeded) && s.conn.SetReadDeadline(time.Time{}) == nil {
			continue // begin said so
		}
		if err != nil || n == 0 {
			return
		}
		for _, b := range buf[:n] {
			if !slices.Contains(call.Signals, unix.Signal(b)) {
				return // it is no client of ours
			}
			s.mu.Lock()
			// What has not been taken from a while ago is not worth keeping.
			if len(s.signals) < cap(buf) {
				s.signals = append(s.signals, syscall.Signal(b))
			}
			s.mu.Unlock()
		}
		s.d.clients.interrupt(s.conn)
	}
}

// stays waits until the descriptors have been taken, and reads nothing: they lie before
// the signals. It tells whether the client is there still.
func (s *caller) stays() (yes bool) {
	err := s.raw.Read(func(fd uintptr) bool {
		select {
		case <-s.begun:
			yes = true
			return true
		default:
		}
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		return err != nil && err != unix.EINTR || n > 0
	})
	return yes || errors.Is(err, os.ErrDeadlineExceeded) // which is begin's doing
}

// begin has listen take in signals.
func (s *caller) begin() {
	select {
	case <-s.begun:
	default:
		close(s.begun)
		_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // who waits looks up
	}
}

// got returns the signals since the last time.
func (s *caller) got() []syscall.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.signals
	s.signals = nil
	return list
}

// inTurn runs the command when its turn has come.
func (s *caller) inTurn(h *held) call.Answer {
	d := s.d
	d.lastUsed.Store(time.Now().UnixNano())
	defer func() { d.lastUsed.Store(time.Now().UnixNano()) }()
	ctx, cancel := context.WithTimeout(s.gone, patience)
	defer cancel()
	turn, err := d.turns.enter(ctx, s.who.UID, d.policies.loaded())
	if err != nil {
		d.metrics.request("busy", "", 0)
		return s.not(exec.BadConfig, err.Error())
	}
	defer func() { turn.leave(d.policies.loaded()) }()
	if d.stopped() {
		return s.not(exec.BadConfig, "not run: "+errStopping.Error())
	}
	return s.run(h)
}

func (s *caller) not(status int, text string) call.Answer {
	return call.Answer{Status: uint32(status), Why: filters.Prose(text)}
}

// run decides, and carries it out.
func (s *caller) run(h *held) call.Answer {
	d := s.d
	if len(s.request.Argv) == 0 {
		return s.not(exec.NoCommand, "No command specified")
	}
	p := d.policies.current() // of now: a request may have waited
	who := d.starter
	who.Client, who.Env = &s.who, filters.Words(s.request.Env)
	who.Dir, who.Guards = "", guards(s.request) // the directory is seen by the launcher alone
	j := d.judgement(p, who, filters.Words(s.request.Argv))
	defer j.close()
	kept := len(s.request.Argv) * listed // for records
	for _, word := range s.request.Argv {
		kept += len(word)
	}
	s.request = call.Request{}
	if err := d.mayCall(p, s.who, s.groups); err != nil {
		j.refuse("denied", audit.NotAllowed, err.Error())
		return s.not(exec.Unauthorized, err.Error())
	}
	if !j.decide(s.gone.Done()) {
		return s.not(j.status, j.text)
	}
	who.Env, j.caller.Env = nil, nil
	survives := j.decision.Survives()
	var status syscall.WaitStatus
	err := j.carryOut(s.gone, func() (err error) {
		process, err := s.spawn(j.plan)
		if err == nil {
			h.shrink(cost(kept))
			d.metrics.launched(time.Since(j.began))
			status, err = s.attend(process, survives)
		}
		return err
	})
	if err != nil {
		return s.not(j.status, j.text)
	}
	return call.Answer{Ran: true, Status: uint32(status)}
}

// guards are the limits that the client has around it for the command's sake.
func guards(r call.Request) (list []sandbox.Limit) {
	for resource, hard := range map[int]uint64{unix.RLIMIT_CPU: r.CPU, unix.RLIMIT_AS: r.Memory} {
		if l, ok := sandbox.Guard(resource, hard); ok {
			list = append(list, l)
		}
	}
	return list
}

// spawn has a launcher take the descriptors, and run the command.
func (s *caller) spawn(p *exec.Plan) (process *exec.Process, err error) {
	client := &launch.Client{UID: uint32(s.who.UID), GID: uint32(s.who.GID)}
	for _, g := range s.groups {
		client.Groups = append(client.Groups, uint32(g))
	}
	controlErr := s.raw.Control(func(fd uintptr) {
		client.Socket = int(fd)
		process, err = s.d.launchers.SpawnOn(p, client)
	})
	return process, errors.Join(err, controlErr)
}

// attend passes signals on until the command has ended, and ends it when the client is
// gone. The error is that it was not executed.
func (s *caller) attend(p *exec.Process, survives bool) (syscall.WaitStatus, error) {
	defer p.Close()
	w := p.Waiter
	s.d.clients.waits(s.conn, w)
	defer s.d.clients.waits(s.conn, nil)
	var deadline time.Time // of the command; zero for none
	ending, killed := false, false
	for {
		// First, since what interrupts from now on is seen by Wait.
		if err := w.Until(deadline); err != nil {
			p.Kill(syscall.SIGKILL)
			return 0, fmt.Errorf("cannot wait for the command, which was killed: %w", err)
		}
		for _, signal := range s.got() {
			// The command's process group has no parent in its session, and SIGTSTP does
			// not stop one that is orphaned (setpgid(2)).
			if signal == syscall.SIGTSTP {
				signal = syscall.SIGSTOP
			}
			p.Kill(signal)
		}
		if p.Begun() {
			s.begin()
		}
		if p.Ended() {
			return p.Wait()
		}
		if !ending && s.gone.Err() != nil && (!survives || s.d.stopped()) {
			ending, deadline = true, time.Now().Add(grace)
			p.Kill(syscall.SIGTERM)
			p.Kill(syscall.SIGCONT) // one that is stopped would not notice
			continue
		}
		ready, err := w.Wait()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if ending && !time.Now().Before(deadline) {
				// Where it is not enough, a descriptor of the client's holds the launcher.
				if killed {
					p.KillLauncher()
				}
				p.Kill(syscall.SIGKILL)
				killed, deadline = true, time.Now().Add(grace)
			}
		case err != nil:
			p.Kill(syscall.SIGKILL)
			return 0, fmt.Errorf("cannot wait for the command, which was killed: %w", err)
		}
		if len(ready) > 0 {
			p.Listen()
		}
	}
}
