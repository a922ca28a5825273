package daemon

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"ironwrap/exec"
	"ironwrap/exec/daemon/wire"
	"ironwrap/policy"
)

const (
	// cutStatus is the exit status of a command that ended well but printed more
	// than could be kept: EX_IOERR of sysexits.h.
	cutStatus = 74

	// grace is how long a command has between SIGTERM and SIGKILL, and how long its
	// output is waited for that was printed before it ended.
	grace = 5 * time.Second
)

// attend feeds a command and collects what it prints until it has ended and closed
// its output, as the peer does. The error is not nil where it was not executed.
//
// A command whose client is gone goes on to its end, but for two cases, in which
// it is ended: the policy says so (kill_on_disconnect), or the daemon stops, which
// waits for nothing that nobody waits for.
func (s *client) attend(p *exec.Process, in *input, rules *policy.Policy) (wire.Result, error) {
	defer p.Close()
	if len(in.data) == 0 {
		p.Stdin.Close()
	} else {
		go func() {
			_, err := p.Stdin.Write(in.data) // a command need not read all
			p.Stdin.Close()
			if err == nil {
				in.taken()
			}
		}()
	}
	out := &output{left: rules.MaxOutput}
	var readers sync.WaitGroup
	var stdout, stderr []byte
	readers.Go(func() { stdout = out.collect(p.Stdout) })
	readers.Go(func() { stderr = out.collect(p.Stderr) })
	drained := make(chan struct{})
	go func() {
		readers.Wait()
		close(drained)
	}()

	s.watch(p, drained, rules.KillOnDisconnect)

	// Whoever holds the pipes still is not waited for.
	p.Stdout.Close()
	p.Stderr.Close()
	readers.Wait()
	status, err := p.Wait()
	if err != nil {
		return wire.Result{}, err
	}
	result := wire.Result{Status: status.ExitStatus(), Stdout: stdout, Stderr: stderr}
	if status.Signaled() {
		result.Status = -int(status.Signal())
	}
	if out.lost > 0 {
		result.Stderr = fmt.Appendf(stderr, "\n%s: %d bytes of the output are missing here: the command printed more than the %d that max_output allows\n",
			s.d.name, out.lost, rules.MaxOutput)
		if result.Status == 0 {
			result.Status = cutStatus
		}
	}
	return result, nil
}

// watch returns when the command has ended, and its output too or nobody waits for
// that.
func (s *client) watch(p *exec.Process, drained <-chan struct{}, kill bool) {
	// Each becomes nil when it has happened.
	ended, gone, stopping := p.Done(), s.gone.Done(), (<-chan struct{})(s.d.stopping)
	var timer <-chan time.Time
	ending := false
	for {
		unwanted := gone == nil && (kill || stopping == nil)
		if unwanted && !ending {
			ending = true
			p.Kill(syscall.SIGTERM)
			timer = time.After(grace)
		}
		if ended == nil && (drained == nil || unwanted) {
			return
		}
		// What it left in the background holds its output, and may for ever.
		if ended == nil && stopping == nil && timer == nil {
			timer = time.After(grace)
		}
		select {
		case <-ended:
			ended = nil
		case <-drained:
			drained = nil
		case <-gone:
			gone = nil
		case <-stopping:
			stopping = nil
		case <-timer:
			if ended == nil {
				return
			}
			p.Kill(syscall.SIGKILL)
			timer = nil
		}
	}
}

// output is what a command printed, on both descriptors together as much as left
// says. What is beyond that is read, for the command must not stand still, and
// lost.
type output struct {
	mu   sync.Mutex
	left int
	lost int64
}

// collect reads to the end.
func (o *output) collect(f *os.File) (text []byte) {
	for {
		text = slices.Grow(text, 4<<10)
		n, err := f.Read(text[len(text):cap(text)])
		kept := o.keep(n)
		text = text[:len(text)+kept]
		if err != nil {
			return text
		}
		if kept < n {
			break
		}
	}
	discard := make([]byte, 64<<10)
	for {
		n, err := f.Read(discard)
		o.keep(n)
		if err != nil {
			return text
		}
	}
}

// keep tells how many of n bytes that were read fit. When not all do, no byte does
// from then on.
func (o *output) keep(n int) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	kept := min(n, o.left)
	o.left -= kept
	o.lost += int64(n - kept)
	return kept
}
