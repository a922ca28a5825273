package seccomp

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/sandbox/seccomp/bpf"
)

// passing tells whether the kernel runs the call.
func passing(answer uint32) bool {
	action := answer & unix.SECCOMP_RET_ACTION_FULL
	return action == unix.SECCOMP_RET_ALLOW || action == unix.SECCOMP_RET_LOG
}

// some is a program that makes a few numbers of calls, and values of an argument, end in
// any of the answers.
func some(r *rand.Rand, answers []uint32) *Program {
	answer := func() unix.SockFilter { return unix.SockFilter{Code: ret, K: answers[r.IntN(len(answers))]} }
	program := []unix.SockFilter{{Code: load, K: 0}}
	for range r.IntN(4) {
		program = append(program,
			unix.SockFilter{Code: equal, K: r.Uint32N(6), Jf: 1},
			answer())
	}
	if r.IntN(2) == 0 {
		program = append(program,
			unix.SockFilter{Code: load, K: 16},
			unix.SockFilter{Code: and, K: 3},
			unix.SockFilter{Code: equal, K: r.Uint32N(4), Jt: 1},
			unix.SockFilter{Code: ja, K: 1},
			answer())
	}
	p, err := New(append(program, answer()), uint32(r.IntN(2))*unix.SECCOMP_FILTER_FLAG_LOG, [3]uint8{2, 5, 4}, []byte("{}"))
	if err != nil {
		panic(err)
	}
	return p
}

// Both passes what each of the two passes, records what one of them records, and answers
// otherwise as one of them does.
func TestBoth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all := []uint32{allow, allow, eperm, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_ERRNO | 38, unix.SECCOMP_RET_TRAP}
	seen := map[uint32]int{}
	for range 5000 {
		p, q := some(r, all[:2+r.IntN(len(all)-1)]), some(r, all[:2+r.IntN(len(all)-1)])
		both, err := p.Both(q)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(both.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if again.Flags() != p.Flags()|q.Flags() {
			t.Fatalf("flags %#x", again.Flags())
		}
		for nr := range uint32(7) {
			for arg := range uint64(5) {
				call := bpf.Call{Number: nr, Arch: Arch, Args: [6]uint64{arg}}
				var answers [3]uint32
				for i, filter := range [][]unix.SockFilter{p.Filter(), q.Filter(), again.Filter()} {
					if answers[i], err = bpf.Answer(filter, call); err != nil {
						t.Fatal(err)
					}
				}
				want := answers[0]
				switch {
				case !passing(answers[0]):
				case !passing(answers[1]), answers[0] == allow:
					want = answers[1]
				}
				if answers[2] != want {
					t.Fatalf("%+v: %#x and %#x make %#x", call, answers[0], answers[1], answers[2])
				}
				seen[want]++
			}
		}
	}
	for _, answer := range all {
		if seen[answer] == 0 {
			t.Errorf("%#x was no answer", answer)
		}
	}
}

// One profile twice is that profile, and what is too long for the kernel is an error.
func TestBothLength(t *testing.T) {
	of := func(answer uint32, length int) *Program {
		program := []unix.SockFilter{}
		for range length {
			program = append(program, unix.SockFilter{Code: ret, K: answer})
		}
		p, err := New(program, 0, [3]uint8{2, 5, 4}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		p, q *Program
		want int // 0 for an error
	}{
		{of(allow, 4000), of(allow, 4000), 4000},
		{of(allow, 2048), of(eperm, 2048), 4096},
		{of(allow, 2048), of(eperm, 2049), 0},
		{of(eperm, 4000), of(allow, 4000), 4000},
		{of(unix.SECCOMP_RET_LOG, 1), of(allow, 1), 2},
	} {
		both, err := c.p.Both(c.q)
		if (err == nil) != (c.want > 0) || err == nil && len(both.Filter()) != c.want {
			t.Errorf("%d and %d instructions: %v", len(c.p.Filter()), len(c.q.Filter()), err)
		}
	}
}
