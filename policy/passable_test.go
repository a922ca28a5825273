package policy

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ironwrap/filters"
)

// executes tells whether execve(2) takes words and variables with a stack limit.
func executes(t *testing.T, words []filters.Untrusted, env []filters.Var, stack uint64) bool {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &before); err != nil {
		t.Fatal(err)
	}
	if before.Max < stack {
		t.Skipf("the hard stack limit here, %d, is too low: what execve(2) takes was not compared", before.Max)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_STACK, &syscall.Rlimit{Cur: stack, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_STACK, &before)
	argv, vars := make([]string, len(words)), make([]string, len(env))
	for i, w := range words {
		argv[i] = w.Raw()
	}
	for i, v := range env {
		vars[i] = v.Name.Raw() + "=" + v.Value.Raw()
	}
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{Env: vars})
	if err == syscall.E2BIG {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		t.Fatal(err)
	}
	return true
}

func repeated(word string, n int) []filters.Untrusted {
	return append([]filters.Untrusted{"/bin/true"}, slices.Repeat([]filters.Untrusted{filters.Untrusted(word)}, n)...)
}

// The kernel decides what fits: at the last word that it takes, ours takes it, and
// the next one both refuse.
func TestFitsAsTheKernel(t *testing.T) {
	env := []filters.Var{{Name: "LANG", Value: "C.UTF-8"}, {Name: "A", Value: ""}}
	for _, c := range []struct {
		stack uint64
		word  string
	}{
		{8 << 20, ""}, {8 << 20, "x"}, {8 << 20, strings.Repeat("x", 1000)}, {8 << 20, strings.Repeat("x", 100_000)},
		{512 << 10, "x"}, {512 << 10, strings.Repeat("x", 4000)}, {32 << 20, strings.Repeat("x", 5000)}, {64 << 20, strings.Repeat("x", 5000)},
	} {
		fits := func(n int) bool { return Fits(repeated(c.word, n), env, c.stack) == nil }
		low, high := 1, 700_000 // fits, and does not
		for high-low > 1 {
			if n := (low + high) / 2; fits(n) {
				low = n
			} else {
				high = n
			}
		}
		for n, want := range map[int]bool{low: true, high: false} {
			if got := executes(t, repeated(c.word, n), env, c.stack); got != want {
				t.Errorf("stack %d, %d words of %d bytes: the kernel says %v", c.stack, n, len(c.word), got)
			}
		}
	}
}

func TestPassable(t *testing.T) {
	longest := filters.Untrusted(strings.Repeat("x", 32*os.Getpagesize()-1))
	if !executes(t, []filters.Untrusted{"/bin/true", longest}, nil, 8<<20) || executes(t, []filters.Untrusted{"/bin/true", longest + "x"}, nil, 8<<20) {
		t.Errorf("the kernel does not take words of %d bytes at most", len(longest))
	}
	for _, c := range []struct {
		words []filters.Untrusted
		want  string
	}{
		{[]filters.Untrusted{"true", longest}, ""},
		{[]filters.Untrusted{longest, longest}, ""},
		{repeated("", 600_000), ""},
		{repeated(string(longest), 47), ""},
		{[]filters.Untrusted{"true", "a", longest + "x"}, fmt.Sprintf("word 2 has %d bytes, execve(2) takes %d at most", len(longest)+1, len(longest))},
		{[]filters.Untrusted{longest + "x"}, "word 0 has "},
		{repeated(string(longest), 48), "49 words and 0 variables take "},
		{repeated("", 700_000), "700001 words and 0 variables take 6300018 bytes, execve(2) takes 6291456 at most"},
	} {
		err := Passable(c.words)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d words: %v, not %q", len(c.words), err, c.want)
		}
		var long *TooLongError
		if err != nil && (!errors.As(err, &long) || !strings.HasPrefix(err.Error(), "cannot pass the arguments: argument list too long: ")) {
			t.Errorf("%v", err)
		}
	}
	if err := Fits([]filters.Untrusted{"/x"}, []filters.Var{{Name: "A", Value: longest[2:]}}, 8<<20); err != nil {
		t.Error(err)
	}
	err := Fits([]filters.Untrusted{"/x"}, []filters.Var{{Name: "A", Value: longest[1:]}}, 8<<20)
	if err == nil || !strings.Contains(err.Error(), "variable A has ") {
		t.Error(err)
	}
}

// What execve(2) cannot take is put before no filter, nor is anything when nobody
// waits any more.
func TestNoFilterIsAsked(t *testing.T) {
	asked := 0
	counting := countingFilter{asked: &asked}
	p := &Policy{Filters: []Entry{{Filter: counting}, {Filter: counting}}}
	long := []filters.Untrusted{"true", filters.Untrusted(strings.Repeat("x", 1<<20))}
	if d := p.Decide(Request{Argv: long, Machine: newMachine()}); d.Verdict != TooLong || d.Filter != nil || d.Argv != nil || d.Why == "" || asked != 0 {
		t.Errorf("%+v, %d filters were asked", d, asked)
	}
	gone := make(chan struct{})
	close(gone)
	if d := p.Decide(Request{Argv: filters.Words([]string{"true"}), Machine: newMachine(), GivenUp: gone}); d.Verdict != Denied || d.Why != noneWaits || asked != 0 {
		t.Errorf("%+v, %d filters were asked", d, asked)
	}
	half := make(chan struct{})
	counting.then = func() { close(half) }
	p.Filters[0].Filter = counting
	if d := p.Decide(Request{Argv: filters.Words([]string{"true"}), Machine: newMachine(), GivenUp: half}); d.Verdict != Denied || d.Why != noneWaits || asked != 1 {
		t.Errorf("%+v, %d filters were asked", d, asked)
	}
}

type countingFilter struct {
	asked *int
	then  func()
}

func (countingFilter) Exec() string  { return "true" }
func (countingFilter) RunAs() string { return "root" }
func (c countingFilter) Match([]filters.Untrusted, filters.Machine) filters.Match {
	*c.asked++
	if c.then != nil {
		c.then()
	}
	return filters.Match{}
}
