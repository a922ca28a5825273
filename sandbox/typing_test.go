package sandbox

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// data is struct seccomp_data, seccomp(2).
type data struct {
	nr, arch uint32
	ip       uint64
	args     [6]uint64
}

// eval runs a filter as the kernel does, which knows no other instructions than
// a filter of ours uses: anything else is an error, as is a jump or an end
// outside of the program.
func eval(program []unix.SockFilter, d data) (uint32, error) {
	mem := make([]byte, 64)
	binary.LittleEndian.PutUint32(mem, d.nr)
	binary.LittleEndian.PutUint32(mem[4:], d.arch)
	binary.LittleEndian.PutUint64(mem[8:], d.ip)
	for i, a := range d.args {
		binary.LittleEndian.PutUint64(mem[16+8*i:], a)
	}
	var acc uint32
	for pc := 0; pc < len(program); pc++ {
		switch in := program[pc]; in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if in.K%4 != 0 || in.K > 60 {
				return 0, fmt.Errorf("instruction %d: loads at %d", pc, in.K)
			}
			acc = binary.LittleEndian.Uint32(mem[in.K:])
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if acc == in.K {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			if acc&in.K != 0 {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case unix.BPF_RET | unix.BPF_K:
			return in.K, nil
		default:
			return 0, fmt.Errorf("instruction %d: unknown code %#x", pc, in.Code)
		}
	}
	return 0, fmt.Errorf("ran off the end")
}

const (
	pass   = uint32(unix.SECCOMP_RET_ALLOW)
	refuse = uint32(unix.SECCOMP_RET_ERRNO) | uint32(unix.EPERM)
)

// Other tables than the machine's own, so that the jumps are right for any.
var tables = map[string][]abi{
	runtime.GOARCH: abis,
	"none":         {},
	"one":          {{7, []uint32{16}}},
	"three":        {{7, []uint32{16}}, {8, []uint32{1, 2, 3, 4, 5}}, {9, []uint32{54, 55}}},
	"no number":    {{7, nil}, {8, []uint32{16}}},
}

// Every architecture, number and request of interest, and their neighbours:
// what the filter must say is what the comment of noTyping says.
func TestTypingFilter(t *testing.T) {
	for name, table := range tables {
		program := typingFilter(table)
		checkProgram(t, name, program)

		arches := []uint32{0, 7, 8, 9, 1<<32 - 1, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_AARCH64,
			unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_PPC64LE, unix.AUDIT_ARCH_X86_64 ^ 0x80000000, unix.AUDIT_ARCH_X86_64 ^ 0x40000000}
		numbers := []uint32{0, 1, 15, 17, 29, 53, 55, 59, 514, 1<<32 - 1, 0x40000000, 0x40000000 | 16, 0x40000000 | 514, 0x80000000 | 16}
		for _, a := range table {
			for _, n := range a.ioctls {
				numbers = append(numbers, n, n+1, n-1, n^0x40000000)
			}
		}
		requests := []uint64{0, 1, tiocsti, tioclinux, tiocsti - 1, tiocsti + 1, tioclinux - 1, tioclinux + 1, 0x5401, 0x5413, 0x541b, 0x541d,
			tiocsti | 0x10000, tiocsti<<16 | tiocsti, 1<<64 - 1, 1 << 32}
		for _, high := range []uint64{1, 0x80000000, 0xffffffff, tiocsti, tioclinux} {
			for _, low := range []uint64{0, tiocsti, tioclinux, 0x5401, 0x5413} {
				requests = append(requests, high<<32|low)
			}
		}

		seen := map[uint32]int{}
		for _, arch := range arches {
			i := slices.IndexFunc(table, func(a abi) bool { return a.arch == arch })
			for _, nr := range numbers {
				for _, request := range requests {
					want := pass
					switch {
					case i < 0:
						want = refuse
					case slices.Contains(table[i].ioctls, nr) && (uint32(request) == tiocsti || uint32(request) == tioclinux):
						want = refuse
					}
					// What the other arguments are must make no difference.
					for _, other := range []uint64{0, tiocsti, 1<<64 - 1} {
						d := data{nr, arch, other, [6]uint64{other, request, other, other, other, other}}
						got, err := eval(program, d)
						if err != nil || got != want {
							t.Fatalf("%s: arch %#x, number %#x, request %#x: %#x, %v, not %#x", name, arch, nr, request, got, err, want)
						}
						seen[got]++
					}
				}
			}
		}
		if len(table) > 0 && seen[pass] == 0 || seen[refuse] == 0 {
			t.Errorf("%s: %d passed and %d refused: one side was not tried", name, seen[pass], seen[refuse])
		}
	}
}

// checkProgram does what the kernel's checker does (bpf_check_classic): every
// jump lands inside, and no path runs off the end.
func checkProgram(t *testing.T, name string, program []unix.SockFilter) {
	t.Helper()
	if len(program) == 0 || len(program) > unix.BPF_MAXINSNS {
		t.Fatalf("%s: %d instructions", name, len(program))
	}
	for pc, in := range program {
		if in.Code&7 == unix.BPF_JMP {
			if pc+1+int(max(in.Jt, in.Jf)) >= len(program) {
				t.Errorf("%s: instruction %d jumps out of the program", name, pc)
			}
		}
	}
	if program[len(program)-1].Code != unix.BPF_RET|unix.BPF_K {
		t.Errorf("%s: the last instruction does not return", name)
	}
}

// The numbers are the kernel's own, and the machine's own architecture leads.
func TestAbis(t *testing.T) {
	own := map[string]abi{
		"amd64": {unix.AUDIT_ARCH_X86_64, []uint32{16, 0x40000010, 0x40000202}},
		"arm64": {unix.AUDIT_ARCH_AARCH64, []uint32{29}},
	}[runtime.GOARCH]
	if own.arch == 0 {
		t.Skipf("the table of %s is not checked: it is not known here", runtime.GOARCH)
	}
	if abis[0].arch != own.arch || !slices.Equal(abis[0].ioctls, own.ioctls) {
		t.Errorf("%#v, not %#v", abis[0], own)
	}
	// Both machines may run the programs of a 32-bit relative, whose ioctl is 54.
	if len(abis) != 2 || !slices.Equal(abis[1].ioctls, []uint32{54}) {
		t.Errorf("the 32-bit table: %#v", abis[1:])
	}
	if tiocsti != unix.TIOCSTI {
		t.Errorf("TIOCSTI is %#x, not %#x", tiocsti, unix.TIOCSTI)
	}
}
