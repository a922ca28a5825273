// Package bpf tells what a seccomp filter answers: for one system call as the
// kernel would run it, or for all its possible arguments at once.
package bpf

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Call is struct seccomp_data, seccomp(2).
type Call struct {
	Number uint32
	Arch   uint32 // AUDIT_ARCH_*
	IP     uint64
	Args   [6]uint64
}

const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// bytes is c as a filter sees it on a little-endian machine.
func (c Call) bytes() (mem [64]byte) {
	binary.LittleEndian.PutUint32(mem[offNumber:], c.Number)
	binary.LittleEndian.PutUint32(mem[offArch:], c.Arch)
	binary.LittleEndian.PutUint64(mem[8:], c.IP)
	for i, a := range c.Args {
		binary.LittleEndian.PutUint64(mem[offArgs+8*i:], a)
	}
	return mem
}

// Answer is what filter returns for c: a SECCOMP_RET_* with its data. It is an
// error if filter has instructions that package seccomp would not let pass.
func Answer(filter []unix.SockFilter, c Call) (uint32, error) {
	mem := c.bytes()
	var acc uint32
	for pc := 0; pc < len(filter); pc++ {
		in := filter[pc]
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if in.K%4 != 0 || in.K >= 64 {
				return 0, fmt.Errorf("instruction %d loads at %d", pc, in.K)
			}
			acc = binary.LittleEndian.Uint32(mem[in.K:])
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= in.K
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(in.K)
		case unix.BPF_RET | unix.BPF_K:
			return in.K, nil
		default:
			test, ok := tests[in.Code]
			if !ok {
				return 0, fmt.Errorf("instruction %d has the code %#x", pc, in.Code)
			}
			if test.holds(acc, in.K) {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		}
	}
	return 0, fmt.Errorf("the filter ends without an answer")
}

// tests are the conditional jumps.
var tests = map[uint16]struct {
	name  string
	holds func(a, k uint32) bool
}{
	unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:  {"==", func(a, k uint32) bool { return a == k }},
	unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:  {">", func(a, k uint32) bool { return a > k }},
	unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:  {">=", func(a, k uint32) bool { return a >= k }},
	unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K: {"&", func(a, k uint32) bool { return a&k != 0 }},
}

// Known is what is known of an argument: where a bit of Mask is set, that of the
// argument is as in Value. The zero value knows nothing.
type Known struct{ Mask, Value uint64 }

// half is what is known of 32 bits.
type half struct{ mask, value uint32 }

func exactly(value uint32) half { return half{^uint32(0), value} }

// loaded is what is known of the word at an offset of struct seccomp_data.
func loaded(offset, arch, number uint32, args []Known) half {
	switch i := (int(offset) - offArgs) / 8; {
	case offset == offNumber:
		return exactly(number)
	case offset == offArch:
		return exactly(arch)
	case offset >= offArgs && i < len(args):
		shift := offset % 8 * 8
		mask, value := args[i].Mask>>shift, args[i].Value>>shift
		return half{uint32(mask), uint32(mask & value)}
	}
	return half{}
}

// tested is what a conditional jump may do: hold, or not, or either.
func (h half) tested(code uint16, k uint32) (yes, no bool) {
	least, most := h.value, h.value|^h.mask
	switch code {
	case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
		return h.value == k&h.mask, h.mask != ^uint32(0) || h.value != k
	case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
		return most > k, least <= k
	case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
		return most >= k, least < k
	}
	return most&k != 0, h.value&k == 0 // JSET
}

// Answers is all that filter may return for a system call of the number and
// architecture given, whatever its arguments are of which nothing is known, sorted. It
// may name an answer too many (that two tests of an argument contradict each other is
// not seen), but never one too few. The filter must be one that package seccomp lets
// pass.
func Answers(filter []unix.SockFilter, arch, number uint32, args ...Known) []uint32 {
	type state struct {
		pc  int
		acc half
	}
	var found []uint32
	seen := map[state]bool{}
	todo := []state{{}}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if s.pc >= len(filter) || seen[s] {
			continue
		}
		seen[s] = true
		in := filter[s.pc]
		next := state{s.pc + 1, s.acc}
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			next.acc = loaded(in.K, arch, number, args)
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			next.acc = half{s.acc.mask | ^in.K, s.acc.value & in.K}
		case unix.BPF_JMP | unix.BPF_JA:
			next.pc += int(in.K)
		case unix.BPF_RET | unix.BPF_K:
			found = append(found, in.K)
			continue
		default:
			yes, no := s.acc.tested(in.Code, in.K)
			if yes {
				todo = append(todo, state{next.pc + int(in.Jt), s.acc})
			}
			if next.pc += int(in.Jf); !no {
				continue
			}
		}
		todo = append(todo, next)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Name is an answer in words.
func Name(answer uint32) string {
	data := answer & unix.SECCOMP_RET_DATA
	switch answer & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_LOG:
		return "allow and log"
	case unix.SECCOMP_RET_ERRNO:
		if name := unix.ErrnoName(unix.Errno(data)); name != "" {
			return "refuse with " + name
		}
		return fmt.Sprintf("refuse with errno %d", data)
	case unix.SECCOMP_RET_TRAP:
		return "send SIGSYS"
	case unix.SECCOMP_RET_KILL_THREAD:
		return "kill the thread"
	case unix.SECCOMP_RET_KILL_PROCESS:
		return "kill the process"
	}
	return fmt.Sprintf("answer %#x", answer)
}

// Allows tells whether the system call is executed after this answer.
func Allows(answer uint32) bool {
	action := answer & unix.SECCOMP_RET_ACTION_FULL
	return action == unix.SECCOMP_RET_ALLOW || action == unix.SECCOMP_RET_LOG
}

// Text is the filter as a listing, a line for each instruction.
func Text(filter []unix.SockFilter) string {
	var b strings.Builder
	for pc, in := range filter {
		fmt.Fprintf(&b, "%5d  ", pc)
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			fmt.Fprintf(&b, "A = %s", field(in.K))
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			fmt.Fprintf(&b, "A = A & %#x", in.K)
		case unix.BPF_JMP | unix.BPF_JA:
			fmt.Fprintf(&b, "goto %d", pc+1+int(in.K))
		case unix.BPF_RET | unix.BPF_K:
			fmt.Fprintf(&b, "%s", Name(in.K))
		default:
			fmt.Fprintf(&b, "if A %s %#x goto %d else %d", tests[in.Code].name, in.K, pc+1+int(in.Jt), pc+1+int(in.Jf))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func field(offset uint32) string {
	switch {
	case offset == offNumber:
		return "number"
	case offset == offArch:
		return "arch"
	case offset < offArgs:
		return fmt.Sprintf("ip[%d]", offset-8)
	}
	half := "low"
	if offset%8 != 0 {
		half = "high"
	}
	return fmt.Sprintf("arg%d.%s", (offset-offArgs)/8, half)
}
