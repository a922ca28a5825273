package rig

import (
	"bufio"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
)

//go:embed oracle.py
var oracleSource string

// Oracle is a Python process that holds the filters of one rootwrap.Conf and
// answers with what oslo.rootwrap's own code says.
type Oracle struct {
	T        testing.TB
	In       io.Writer
	out      *bufio.Reader
	Filters  []PeerFilter `json:"filters"`
	ExecDirs []string     `json:"exec_dirs"`
}

// PeerFilter is a filter as the peer read it. The last of a policy is the
// implicit privsep-helper.
type PeerFilter struct {
	Name, Class, Exec, RunAs string
	Args                     []string // the fields after the run-as user
}

// PeerAnswer is what the peer makes of one command. Words are hex digits.
type PeerAnswer struct {
	Verdict     string            `json:"verdict"` // allow, deny, not-executable, crash
	Filter      *int              `json:"filter"`
	Leaf        *int              `json:"leaf"`         // that the nested command matched
	Command     []string          `json:"command"`      // what the peer runs
	LeafCommand []string          `json:"leaf_command"` // what the leaf by itself would run
	Env         map[string]string `json:"env"`
	Error       string            `json:"error"`
}

// StartOracle loads conf in a process with the environment env.
func StartOracle(t testing.TB, conf string, env ...string) *Oracle {
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
	o := &Oracle{T: t, In: in, out: bufio.NewReaderSize(out, 1<<20)}
	t.Cleanup(func() {
		in.Close()
		if err := c.Wait(); err != nil {
			t.Errorf("the peer's process: %v\n%s", err, complaints)
		}
	})
	o.Read(o)
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

func (o *Oracle) Read(to any) {
	o.T.Helper()
	line, err := o.out.ReadBytes('\n')
	if err != nil {
		o.T.Fatalf("the peer's process does not answer: %v", err)
	}
	if err := json.Unmarshal(line, to); err != nil {
		o.T.Fatalf("the peer's process answers %q: %v", line, err)
	}
}

// PeerQuestion is a command that is put before the filters of one rootwrap.Conf; "" for
// the oracle's own.
type PeerQuestion struct {
	Conf string
	Argv []string
}

// Ask is askAll, of any configuration.
func (o *Oracle) Ask(questions []PeerQuestion) []PeerAnswer {
	o.T.Helper()
	done := make(chan error)
	go func() {
		requests := json.NewEncoder(o.In)
		for _, q := range questions {
			words := make([]string, len(q.Argv))
			for i, w := range q.Argv {
				words[i] = hex.EncodeToString([]byte(w))
			}
			if err := requests.Encode(map[string]any{"conf": q.Conf, "argv": words}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	answers := make([]PeerAnswer, len(questions))
	for i := range answers {
		a := &answers[i]
		o.Read(a)
		a.Command, a.LeafCommand = Unhex(o.T, a.Command), Unhex(o.T, a.LeafCommand)
		env := make(map[string]string, len(a.Env))
		for name, value := range a.Env {
			both := Unhex(o.T, []string{name, value})
			env[both[0]] = both[1]
		}
		a.Env = env
	}
	if err := <-done; err != nil {
		o.T.Fatalf("the peer's process is gone: %v", err)
	}
	return answers
}

func Unhex(t testing.TB, words []string) []string {
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
