package bpf

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	and   = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	ja    = unix.BPF_JMP | unix.BPF_JA
	equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	above = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	least = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	bit   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	ret   = unix.BPF_RET | unix.BPF_K
)

func TestAnswer(t *testing.T) {
	c := Call{Number: 0x11, Arch: 0x22, IP: 0x3333333344444444, Args: [6]uint64{0x5555555566666666, 0, 0, 0, 0, 0x7777777788888888}}
	for _, test := range []struct {
		offset, and uint32
		jump        uint16
		k           uint32
		want        bool
	}{
		{0, ^uint32(0), equal, 0x11, true},
		{0, ^uint32(0), equal, 0x12, false},
		{4, ^uint32(0), equal, 0x22, true},
		{8, ^uint32(0), equal, 0x44444444, true},
		{12, ^uint32(0), equal, 0x33333333, true},
		{16, ^uint32(0), equal, 0x66666666, true},
		{20, ^uint32(0), equal, 0x55555555, true},
		{56, ^uint32(0), equal, 0x88888888, true},
		{60, ^uint32(0), equal, 0x77777777, true},
		{60, 0xff00, equal, 0x7700, true},
		{60, ^uint32(0), above, 0x77777776, true},
		{60, ^uint32(0), above, 0x77777777, false},
		{56, ^uint32(0), above, 0x7fffffff, true}, // unsigned
		{60, ^uint32(0), least, 0x77777777, true},
		{60, ^uint32(0), least, 0x77777778, false},
		{60, ^uint32(0), bit, 0x80000001, true},
		{60, ^uint32(0), bit, 0x88888888, false},
	} {
		filter := []unix.SockFilter{
			{Code: load, K: test.offset},
			{Code: and, K: test.and},
			{Code: ja, K: 1},
			{Code: ret, K: 99},
			{Code: test.jump, K: test.k, Jf: 1},
			{Code: ret, K: 1},
			{Code: ret, K: 2},
		}
		want := uint32(2)
		if test.want {
			want = 1
		}
		if got, err := Answer(filter, c); err != nil || got != want {
			t.Errorf("%+v: %d, %v", test, got, err)
		}
	}
	for _, bad := range [][]unix.SockFilter{nil, {{Code: load}}, {{Code: load, K: 64}, {Code: ret}}, {{Code: load, K: 3}, {Code: ret}}, {{Code: 0xffff}, {Code: ret}}, {{Code: ja, K: 9}, {Code: ret}}} {
		if got, err := Answer(bad, c); err == nil {
			t.Errorf("%v: %d", bad, got)
		}
	}
}

// Answers never misses one that Answer gives, in programs made up by chance.
func TestAnswersMissNone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	several, fewer := 0, 0
	for range 2000 {
		filter := make([]unix.SockFilter, 3+r.IntN(30))
		for i := range filter {
			in := unix.SockFilter{Code: []uint16{load, and, ja, equal, above, least, bit, ret}[r.IntN(8)], K: uint32(r.IntN(4))}
			left := len(filter) - i - 1
			switch in.Code {
			case load:
				in.K = uint32(4 * r.IntN(16))
			case ja:
				in.K = uint32(r.IntN(max(left, 1)))
			case equal, above, least, bit:
				in.Jt, in.Jf = uint8(r.IntN(max(left, 1))), uint8(r.IntN(max(left, 1)))
			}
			if left == 0 {
				in = unix.SockFilter{Code: ret, K: 7}
			}
			filter[i] = in
		}
		for range 8 {
			c := Call{Number: uint32(r.IntN(4)), Arch: uint32(r.IntN(4))}
			for i := range c.Args {
				c.Args[i] = uint64(r.IntN(4))<<32 | uint64(r.IntN(4))
			}
			all := Answers(filter, c.Arch, c.Number)
			one, err := Answer(filter, c)
			if err != nil || !slices.Contains(all, one) {
				t.Fatalf("%s\n%+v: %d, %v is not among %d", Text(filter), c, one, err, all)
			}
			if len(all) > 1 {
				several++
			}
			// What is known of the arguments takes answers away, and never the right one.
			known := make([]Known, r.IntN(7))
			for i := range known {
				known[i].Mask = uint64(r.IntN(8))<<32 | uint64(r.IntN(8))
				known[i].Value = c.Args[i] & known[i].Mask
			}
			some := Answers(filter, c.Arch, c.Number, known...)
			if !slices.Contains(some, one) || slices.ContainsFunc(some, func(a uint32) bool { return !slices.Contains(all, a) }) {
				t.Fatalf("%s\n%+v, of which %v is known: %d is not among %d, of %d", Text(filter), c, known, one, some, all)
			}
			if len(some) < len(all) {
				fewer++
			}
		}
	}
	if several == 0 || fewer == 0 {
		t.Error("no program had several answers: nothing was tried")
	}
}

// Number and architecture are followed, arguments are not.
func TestAnswersExact(t *testing.T) {
	filter := []unix.SockFilter{
		{Code: load, K: 4}, {Code: equal, K: 5, Jt: 1}, {Code: ret, K: 1},
		{Code: load, K: 0}, {Code: bit, K: 8, Jf: 1}, {Code: ret, K: 2},
		{Code: load, K: 16}, {Code: equal, K: 9, Jf: 1}, {Code: ret, K: 3}, {Code: ret, K: 4},
	}
	for _, c := range []struct {
		arch, number uint32
		want         []uint32
	}{{4, 0, []uint32{1}}, {5, 8, []uint32{2}}, {5, 7, []uint32{3, 4}}} {
		if got := Answers(filter, c.arch, c.number); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// What is known of an argument decides what asks for that, bit by bit.
func TestAnswersKnown(t *testing.T) {
	filter := []unix.SockFilter{ // openat(2): arg2 & O_ACCMODE == 0 is allowed, and O_RDWR|O_CLOEXEC
		{Code: load, K: 32}, {Code: and, K: 3}, {Code: equal, K: 0, Jf: 1}, {Code: ret, K: 1},
		{Code: load, K: 36}, {Code: equal, K: 0, Jf: 3}, {Code: load, K: 32}, {Code: equal, K: 0x80002, Jf: 1}, {Code: ret, K: 2}, {Code: ret, K: 3},
	}
	for _, c := range []struct {
		flags Known
		want  []uint32
	}{
		{Known{}, []uint32{1, 2, 3}},
		{Known{3, 0}, []uint32{1}},
		{Known{3, 1}, []uint32{3}},
		{Known{3, 2}, []uint32{2, 3}},
		{Known{0x243, 0x42}, []uint32{3}},
		{Known{^uint64(0), 0x80002}, []uint32{2}},
		{Known{^uint64(0), 1<<32 | 0x80002}, []uint32{3}},
	} {
		if got := Answers(filter, 0, 0, Known{}, Known{}, c.flags); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %d, want %d", c.flags, got, c.want)
		}
	}
}

func TestText(t *testing.T) {
	want := `    0  A = arch
    1  A = number
    2  A = ip[4]
    3  A = arg0.low
    4  A = arg5.high
    5  A = A & 0xff
    6  if A >= 0x3 goto 8 else 7
    7  goto 8
    8  refuse with EPERM
    9  refuse with errno 4000
   10  allow and log
   11  kill the process
`
	if got := Text([]unix.SockFilter{
		{Code: load, K: 4}, {Code: load, K: 0}, {Code: load, K: 12}, {Code: load, K: 16}, {Code: load, K: 60}, {Code: and, K: 255},
		{Code: least, K: 3, Jt: 1}, {Code: ja, K: 0},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | 1}, {Code: ret, K: unix.SECCOMP_RET_ERRNO | 4000}, {Code: ret, K: unix.SECCOMP_RET_LOG}, {Code: ret, K: unix.SECCOMP_RET_KILL_PROCESS},
	}); got != want {
		t.Errorf("\n%s", got)
	}
	for answer, allowed := range map[uint32]bool{
		unix.SECCOMP_RET_ALLOW: true, unix.SECCOMP_RET_LOG: true, unix.SECCOMP_RET_ERRNO: false, unix.SECCOMP_RET_TRAP: false, unix.SECCOMP_RET_KILL_THREAD: false,
		unix.SECCOMP_RET_KILL_PROCESS: false, unix.SECCOMP_RET_TRACE: false, unix.SECCOMP_RET_USER_NOTIF: false, 0x12340000: false,
	} {
		if Allows(answer) != allowed || strings.HasPrefix(Name(answer), "allow") != allowed {
			t.Errorf("%s: %v", Name(answer), Allows(answer))
		}
	}
}
