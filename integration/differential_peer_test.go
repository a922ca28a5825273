package integration

import (
	"bufio"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
)

//go:embed differential_oracle.py
var oracleSource string

// oracle is a Python process that holds the filters of one rootwrap.conf and
// answers with what oslo.rootwrap's own code says.
type oracle struct {
	t        testing.TB
	in       io.Writer
	out      *bufio.Reader
	Filters  []peerFilter `json:"filters"`
	ExecDirs []string     `json:"exec_dirs"`
}

// peerFilter is a filter as the peer read it. The last of a policy is the
// implicit privsep-helper.
type peerFilter struct {
	Name, Class, Exec, RunAs string
	Args                     []string // the fields after the run-as user
}

// peerAnswer is what the peer makes of one command. Words are hex digits.
type peerAnswer struct {
	Verdict     string            `json:"verdict"` // allow, deny, not-executable, crash
	Filter      *int              `json:"filter"`
	Leaf        *int              `json:"leaf"`         // that the nested command matched
	Command     []string          `json:"command"`      // what the peer runs
	LeafCommand []string          `json:"leaf_command"` // what the leaf by itself would run
	Env         map[string]string `json:"env"`
	Error       string            `json:"error"`
}

// startOracle loads conf in a process with the environment env.
func startOracle(t testing.TB, conf string, env ...string) *oracle {
	t.Helper()
	c := exec.Command("/usr/bin/python3", "-c", oracleSource, conf)
	c.Env = append([]string{"LANG=C.UTF-8"}, env...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	complaints := new(tail)
	c.Stderr = complaints
	if err := c.Start(); err != nil {
		t.Fatalf("cannot start the peer: %v", err)
	}
	o := &oracle{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("the peer's process: %v\n%s", err, complaints)
		}
	})
	o.read(o)
	return o
}

// tail keeps the beginning of what is written to it.
type tail []byte

func (b *tail) Write(p []byte) (int, error) {
	if len(*b) < 4<<10 {
		*b = append(*b, p...)
	}
	return len(p), nil
}

func (b *tail) String() string { return string(*b) }

func (o *oracle) read(to any) {
	o.t.Helper()
	line, err := o.out.ReadBytes('\n')
	if err != nil {
		o.t.Fatalf("the peer's process does not answer: %v", err)
	}
	if err := json.Unmarshal(line, to); err != nil {
		o.t.Fatalf("the peer's process answers %q: %v", line, err)
	}
}

// askAll puts commands before the peer. They are written while it answers, so
// that neither waits for the other.
func (o *oracle) askAll(commands [][]string) []peerAnswer {
	o.t.Helper()
	questions := make([]peerQuestion, len(commands))
	for i, argv := range commands {
		questions[i] = peerQuestion{"", argv}
	}
	return o.ask(questions)
}

// peerQuestion is a command that is put before the filters of one rootwrap.conf; "" for
// the oracle's own.
type peerQuestion struct {
	conf string
	argv []string
}

// ask is askAll, of any configuration.
func (o *oracle) ask(questions []peerQuestion) []peerAnswer {
	o.t.Helper()
	done := make(chan error)
	go func() {
		requests := json.NewEncoder(o.in)
		for _, q := range questions {
			words := make([]string, len(q.argv))
			for i, w := range q.argv {
				words[i] = hex.EncodeToString([]byte(w))
			}
			if err := requests.Encode(map[string]any{"conf": q.conf, "argv": words}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	answers := make([]peerAnswer, len(questions))
	for i := range answers {
		a := &answers[i]
		o.read(a)
		a.Command, a.LeafCommand = unhex(o.t, a.Command), unhex(o.t, a.LeafCommand)
		env := make(map[string]string, len(a.Env))
		for name, value := range a.Env {
			both := unhex(o.t, []string{name, value})
			env[both[0]] = both[1]
		}
		a.Env = env
	}
	if err := <-done; err != nil {
		o.t.Fatalf("the peer's process is gone: %v", err)
	}
	return answers
}

// strings asks for words that Python's re matches with pattern (and perhaps some
// that it does not), made from the pattern itself.
func (o *oracle) strings(pattern string, count, seed int) (list []string) {
	o.t.Helper()
	if err := json.NewEncoder(o.in).Encode(map[string]any{"pattern": pattern, "count": count, "seed": seed}); err != nil {
		o.t.Fatalf("the peer's process is gone: %v", err)
	}
	o.read(&list)
	return unhex(o.t, list)
}

func unhex(t testing.TB, words []string) []string {
	t.Helper()
	list := make([]string, len(words))
	for i, w := range words {
		b, err := hex.DecodeString(w)
		if err != nil {
			t.Fatalf("the peer's process answers %q: %v", w, err)
		}
		list[i] = string(b)
	}
	return list
}
