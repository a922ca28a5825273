package daemon

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"ironwrap/integration/rig/parrot"
	"ironwrap/integration/rig/rootwrapclient"
)

// client asks until enough answers have been checked.
func (s *soak) client(r *rand.Rand) {
	var c *rootwrapclient.Client
	leave := func() {
		if c != nil {
			c.Close()
			c = nil
		}
	}
	defer leave()
	for s.left.Add(-1) >= 0 && !s.failed.Load() {
		if r.IntN(20) == 0 {
			s.breakOff(r)
			s.broken.Add(1)
		}
		if r.IntN(50) == 0 {
			leave()
		}
		if c == nil {
			var err error
			if c, err = rootwrapclient.Dial(s.daemon.Path, s.daemon.Key); err != nil {
				s.fail("cannot connect: %v", err)
				return
			}
		}
		if !s.ask(r, c) {
			return
		}
		s.answers.Add(1)
	}
}

// ask has one request answered, of a random kind.
func (s *soak) ask(r *rand.Rand, c *rootwrapclient.Client) bool {
	switch kind := r.IntN(100); {
	case kind < 60:
		return s.try(c, s.parrot(r))
	case kind < 70:
		stdin := anyBytes(r, anySize(r))
		return s.try(c, asked{argv: []string{"cat"}, stdin: stdin, stdout: stdin})
	case kind < 80:
		// Its input is not read.
		list := anyWords(r)
		out := strings.Join(list, "\n") + "\n"
		return s.try(c, asked{argv: append([]string{"printf", "%s\n"}, list...), stdin: anyBytes(r, anySize(r)), stdout: []byte(out)})
	case kind < 87:
		s.refused.Add(1)
		return s.try(c, asked{argv: append([]string{"refused"}, anyWords(r)...), stdin: anyBytes(r, anySize(r)), status: 99})
	case kind < 89:
		return s.try(c, asked{argv: []string{s.bin + "/missing"}, status: 96})
	case kind < 92:
		s.version.RLock()
		defer s.version.RUnlock()
		want := asked{argv: []string{"true"}}
		if !s.sometimes {
			want.status = 99
		}
		return s.try(c, want)
	case kind < 93:
		// More than max_output: the answer says so.
		s.cut.Add(1)
		return s.try(c, s.order(r, parrot.Order{Seed: r.Uint64(), Out: soakOutput/2 + r.IntN(soakOutput/2), Err: soakOutput/2 + r.IntN(soakOutput/2)}, nil))
	default:
		s.malformed.Add(1)
		bad := []string{`[`, `[1]`, `["1", "run_one_command", [["cat", 1], null], {}]`, `["1", "run_one_command", [["cat\u0000"], null], {}]`,
			`["1", "run_one_command", [[], null], {}]`, `["2", "run_one_command", [["cat"], null], {}]`, `["1", "debug_info", [], {}]`}
		message := bad[r.IntN(len(bad))]
		got, err := c.Call([]byte(message))
		var remote *rootwrapclient.RemoteError
		if !errors.As(err, &remote) {
			s.fail("%s: %+v, %v", message, got, err)
			return false
		}
		return true
	}
}

// asked is what is asked, and what must be answered.
type asked struct {
	name           string // of those that may be killed
	argv           []string
	stdin          []byte
	status         int
	stdout, stderr []byte
}

func (s *soak) parrot(r *rand.Rand) asked {
	o := parrot.Order{Seed: r.Uint64()}
	if r.IntN(2) == 0 {
		o.Out = anySize(r)
	}
	if r.IntN(4) == 0 {
		o.Err = min(anySize(r), soakOutput-o.Out-1000)
	}
	if r.IntN(8) == 0 {
		o.Sleep = r.IntN(30)
	}
	switch r.IntN(8) {
	case 0:
		o.Status = r.IntN(256)
	case 1:
		o.Status = -[]int{1, 2, 9, 15}[r.IntN(4)]
	}
	var stdin []byte
	if r.IntN(2) == 0 {
		stdin = anyBytes(r, min(anySize(r), max(0, soakOutput-o.Out-o.Err-20_000)))
	}
	return s.order(r, o, stdin)
}

func (s *soak) order(r *rand.Rand, o parrot.Order, stdin []byte) asked {
	name := fmt.Sprintf("request-%d", s.number.Add(1))
	list := anyWords(r)
	q := asked{name: name, argv: append([]string{s.bin + "/parrot", name, o.String()}, list...), stdin: stdin, status: o.Status}
	q.stdout, q.stderr = o.Say(list, stdin)
	return q
}

// anyWords are arguments of all bytes that an argument can have.
func anyWords(r *rand.Rand) []string {
	list := make([]string, r.IntN(6))
	for i := range list {
		list[i] = string(bytes.ReplaceAll(anyBytes(r, r.IntN(40)), []byte{0}, []byte("\u20ac")))
	}
	return list
}

func anySize(r *rand.Rand) int {
	if r.IntN(40) == 0 {
		return r.IntN(300_000)
	}
	return r.IntN([]int{1, 100, 1000, 5_000, 20_000}[r.IntN(5)])
}

// anyBytes is half text and half any bytes.
func anyBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.NativeEndian.AppendUint64(b, r.Uint64())
	}
	b = b[:n]
	if r.IntN(2) == 0 {
		for i := range b {
			b[i] = "abc \"\\\n\t/ {}"[b[i]%12]
		}
	}
	return b
}

// try asks and checks the answer.
func (s *soak) try(c *rootwrapclient.Client, q asked) bool {
	began := time.Now()
	_ = c.Socket.SetReadDeadline(began.Add(2 * time.Minute)) // an answer that never comes is a finding
	got, err := c.Run(q.argv, q.stdin)
	if err == nil {
		err = s.check(q, got, interval{began, time.Now()})
	}
	if err != nil {
		s.fail("%.300q: %v", q.argv, err)
		return false
	}
	return true
}

func (s *soak) check(q asked, got rootwrapclient.Result, when interval) error {
	s.mu.Lock()
	killed := s.killed[q.name]
	delete(s.killed, q.name)
	s.mu.Unlock()
	if killed {
		got.Stderr = cutText.ReplaceAll(got.Stderr, nil)
		if got.Status != -9 || !bytes.HasPrefix(q.stdout, got.Stdout) || !bytes.HasPrefix(q.stderr, got.Stderr) {
			return fmt.Errorf("it was killed, and the answer is %s", brief(got))
		}
		return nil
	}
	if lost := len(q.stdout) + len(q.stderr) - soakOutput; lost > 0 {
		q = q.cut(lost, len(got.Stdout))
	}
	if got.Status == q.status && bytes.Equal(got.Stdout, q.stdout) && bytes.Equal(got.Stderr, q.stderr) {
		return nil
	}
	// A launcher was killed that had read the order, before it became the command.
	if got.Status == -9 && len(got.Stdout)+len(got.Stderr) == 0 && s.launcherDied(when) {
		return nil
	}
	// One was killed that had started the command.
	if got.Status == 97 && len(got.Stdout) == 0 && string(got.Stderr) == "ironwrap-daemon: the launcher of the command was killed, and the command with it\n" && s.launcherDied(when) {
		return nil
	}
	return fmt.Errorf("the answer is %s, not %s", brief(got), brief(rootwrapclient.Result{Status: q.status, Stdout: q.stdout, Stderr: q.stderr}))
}

var cutText = regexp.MustCompile(`\nironwrap-daemon: \d+ bytes of the output are missing here: [^\n]+\n$`)

// cut is what remains of the answer where lost bytes did not fit, and out is how
// much of standard output did: that is for the two pipes to settle.
func (q asked) cut(lost, out int) asked {
	out = min(out, len(q.stdout))
	err := max(0, min(soakOutput-out, len(q.stderr)))
	q.stdout = q.stdout[:out]
	q.stderr = fmt.Appendf(bytes.Clone(q.stderr[:err]), "\nironwrap-daemon: %d bytes of the output are missing here: the command printed more than the %d that max_output allows\n",
		lost, soakOutput)
	if q.status == 0 {
		q.status = 74
	}
	return q
}

func brief(r rootwrapclient.Result) string {
	return fmt.Sprintf("%d, %d bytes %.60q, %d bytes %.200q", r.Status, len(r.Stdout), r.Stdout, len(r.Stderr), r.Stderr)
}

// launcherDied tells whether a launcher was killed within a request's time, of which
// no other request has made use.
func (s *soak) launcherDied(when interval) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, death := range s.launcherDeaths {
		if death.from.Before(when.to) && (death.to.IsZero() || death.to.After(when.from)) {
			s.launcherDeaths = append(s.launcherDeaths[:i], s.launcherDeaths[i+1:]...)
			s.hit++
			return true
		}
	}
	return false
}
