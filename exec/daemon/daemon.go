// Package daemon serves oslo.rootwrap's protocol: one process that has loaded the
// policy, decides about each request as the one-shot program does, and has a
// launcher become the command.
package daemon

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/sandbox"
)

const (
	spares      = 4                // launchers that wait
	keySize     = 32               // bytes, as the client reads them
	tellTime    = 10 * time.Second // for the starter to read where the socket is
	metricsTime = 10 * time.Second // between two writings of the metrics
)

// Daemon is the state of the one that runs.
type Daemon struct {
	name      string      // as it was called
	starter   exec.Caller // who may connect, and whose environment env_keep takes from
	key       []byte
	policies  *policies
	launchers *exec.Launchers
	socket    *socket
	calls     *callSocket // nil for none
	metrics   *metrics

	clients  *clients
	turns    turns        // commands that run
	memory   memory       // of messages
	refusals limiter      // of records of refused connections
	lastUsed atomic.Int64 // Unix time in ns of the last request

	stopping chan struct{} // closed when nothing more is begun
	stop     func()        // closes it
}

// Run serves until it is told to stop, or nobody has asked for a while. p is the
// policy of the rootwrap.conf at p.Path, which is read again when it changes.
func Run(name string, p *policy.Policy, starter exec.Caller) error {
	if err := settle(); err != nil {
		return err
	}
	starter.Accounts = new(account.Database)
	d := &Daemon{name: name, starter: starter, stopping: make(chan struct{})}
	d.metrics = newMetrics()
	d.clients = newClients(d.metrics)
	d.stop = sync.OnceFunc(func() {
		close(d.stopping)
		d.clients.interruptAll()
	})
	d.policies = newPolicies(p, d.reloaded)
	d.log().Warnings()

	// A client that is gone must not kill us when the path is printed, nor a limit of
	// the starter's when a record is written.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)

	var err error
	if d.launchers, err = exec.NewLaunchers(spares); err != nil {
		return err
	}
	defer d.launchers.Close()
	if err = d.listen(); err != nil {
		return err
	}
	defer d.socket.close()
	defer d.calls.close()
	if err := d.announce(); err != nil {
		return err
	}
	d.lastUsed.Store(time.Now().UnixNano())

	var accepting sync.WaitGroup
	accepting.Go(func() { d.accept(d.socket.UnixListener, d.serve) })
	if d.calls != nil {
		accepting.Go(func() { d.accept(d.calls.UnixListener, d.serveCall) })
	}
	d.wait(signals)

	// What runs is finished and answered first.
	d.stop()
	d.socket.close()
	d.calls.close()
	accepting.Wait()
	d.clients.stop()
	d.clients.Wait()
	d.metrics.write(d.policies.current(), d)
	return nil
}

// settle undoes what a starter could set to make the daemon fail half-way.
func settle() error {
	unix.Umask(0o022)
	// What was open before is nothing to launchers.
	if err := unix.CloseRange(3, 1<<32-1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("cannot mark descriptors close-on-exec (close_range, Linux 5.11): %w", err)
	}
	for _, resource := range []int{unix.RLIMIT_FSIZE, unix.RLIMIT_CPU, unix.RLIMIT_AS, unix.RLIMIT_DATA} {
		var limit unix.Rlimit
		err := unix.Getrlimit(resource, &limit)
		if err == nil && limit.Cur != limit.Max {
			limit.Cur = limit.Max
			err = unix.Setrlimit(resource, &limit)
		}
		if err != nil {
			return fmt.Errorf("cannot raise the resource limits (setrlimit): %w", err)
		}
	}
	return nil
}

// wait returns when it is time to stop.
func (d *Daemon) wait(signals <-chan os.Signal) {
	idle := time.NewTimer(0)
	defer idle.Stop()
	metrics := time.NewTicker(metricsTime)
	defer metrics.Stop()
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGHUP {
				return
			}
			d.policies.reload()
		case <-d.stopping:
			return
		case <-metrics.C:
			d.metrics.write(d.policies.current(), d)
			d.launchers.Trim()
		case <-idle.C:
			left, idling := d.idle()
			if idling && left <= 0 {
				return
			}
			idle.Reset(max(left, time.Second/10))
		}
	}
}

// idle tells how long the daemon may go on without a request, and whether it is
// without one now.
func (d *Daemon) idle() (left time.Duration, idling bool) {
	timeout := d.policies.loaded().DaemonTimeout
	if timeout <= 0 || d.turns.count() > 0 {
		return time.Second, false
	}
	return time.Until(time.Unix(0, d.lastUsed.Load()).Add(time.Duration(timeout) * time.Second)), true
}

// listen makes the key and the sockets, or takes those that systemd has made.
func (d *Daemon) listen() (err error) {
	if d.socket, d.calls, err = activated(d.starter); err != nil {
		return err
	}
	if d.socket != nil {
		d.key, err = readKey(d.policies.loaded())
		return err
	}
	d.key = make([]byte, keySize)
	rand.Read(d.key) // it never fails, see its documentation
	if d.socket, err = newSocket(d.starter, d.policies.loaded()); err != nil {
		return err
	}
	if d.calls, err = d.listenCalls(); err != nil {
		d.socket.close()
	}
	return err
}

// announce tells the one who started the daemon where it is: its socket's path on
// one line, and the key. Then it closes its standard descriptors, which its starter
// may wait for.
func (d *Daemon) announce() error {
	if d.socket.activated {
		notify(d.starter, "READY=1")
		return nil
	}
	// Go opens /dev/null where a descriptor is closed.
	var out, null unix.Stat_t
	if err := errors.Join(unix.Fstat(1, &out), unix.Stat("/dev/null", &null)); err != nil || out.Rdev == null.Rdev && out.Mode&unix.S_IFMT == unix.S_IFCHR {
		return errors.New("cannot tell the client where the socket is: standard output is closed or /dev/null")
	}
	// A starter who does not read holds up no process of root's.
	if n, err := unix.Poll([]unix.PollFd{{Fd: 1, Events: unix.POLLOUT}}, int(tellTime.Milliseconds())); n == 0 || err != nil && err != unix.EINTR {
		return errors.Join(fmt.Errorf("cannot tell the client where the socket is: it did not read for %v", tellTime), err)
	}
	var failed error
	sandbox.Within(tellTime, func() { _, failed = unix.Write(1, append([]byte(d.socket.path+"\n"), d.key...)) })
	if failed != nil {
		return fmt.Errorf("cannot tell the client where the socket is: %w", failed)
	}
	fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open /dev/null: %w", err)
	}
	defer unix.Close(fd)
	for std := range 3 {
		if err := unix.Dup3(fd, std, 0); err != nil {
			return fmt.Errorf("cannot close descriptor %d: %w", std, err)
		}
	}
	return nil
}

func (d *Daemon) stopped() bool {
	select {
	case <-d.stopping:
		return true
	default:
		return false
	}
}

// accept takes connections until the socket is closed.
func (d *Daemon) accept(l *net.UnixListener, serve func(*net.UnixConn)) {
	for {
		c, err := l.AcceptUnix()
		switch {
		case err == nil:
			d.clients.Go(func() { serve(c) })
		case errors.Is(err, net.ErrClosed):
			return
		default:
			// Too many open files, or too little memory: it passes, and clients
			// wait in the queue of the socket meanwhile.
			d.metrics.refuse("resources")
			select {
			case <-time.After(100 * time.Millisecond):
			case <-d.stopping:
				return
			}
		}
	}
}

// reloaded is told of each attempt to load a changed policy.
func (d *Daemon) reloaded(p *policy.Policy, err error) {
	if err != nil {
		d.metrics.reload("failed")
		d.log().Event(audit.Error, fmt.Sprintf("the changed configuration cannot be used, the one before stays in force: %v", err))
		notify(d.starter, "STATUS=the changed configuration cannot be used: "+err.Error())
		return
	}
	d.metrics.reload("loaded")
	d.log().Event(audit.Info, "the configuration has changed and is in force now")
	d.log().Warnings()
	if err := d.socket.open(d.starter, p); err != nil {
		d.log().Event(audit.Error, fmt.Sprintf("cannot open the socket to those who may connect now: %v", err))
	}
	notify(d.starter, "STATUS=")
}

// log is for what concerns the daemon itself.
func (d *Daemon) log() *audit.Log { return audit.New(d.name, d.policies.loaded(), d.starter) }
