// Package seccomp reads compiled seccomp filters: what `ironwrapctl seccomp
// compile` made of a JSON profile. Nothing is interpreted here but a header of
// fixed size, since this is part of the program that runs with all rights; the
// JSON is read in package profile, and libseccomp is in package compile.
package seccomp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"

	"golang.org/x/sys/unix"
)

// The file, all numbers little-endian:
//
//	 0   8  magic
//	 8   4  version of this format
//	12   4  AUDIT_ARCH_* of the machine it was compiled for
//	16   4  version of libseccomp, a byte each: major, minor, micro
//	20   4  flags for seccomp(2)
//	24   4  number of instructions, n
//	28   4  length of the profile, m
//	32  8n  instructions, each struct sock_filter
//	..   8  FNV-1a of all that precedes
//	..   m  the profile
//
// The checksum is against damage: it is another whenever one byte is. Against forgery
// there is only the ownership of the file, which the caller has looked at. The profile is
// there as it was, so that nothing but a comparison tells whether it has changed, and so
// that none of the cryptography that package crypto sets up at each start is linked.
const (
	magic      = "\x00ironBPF"
	version    = 2
	headerSize = 32
	sumSize    = 8
	maxLength  = unix.BPF_MAXINSNS // the kernel's own limit
)

// MaxProfile is the size of the largest profile, in bytes.
const MaxProfile = 1 << 20

// MaxSize is the size of the largest file that Parse accepts, in bytes.
const MaxSize = headerSize + 8*maxLength + sumSize + MaxProfile

// knownFlags are those that a profile may ask for. TSYNC is not: a filter is for
// the one thread that becomes the command.
const knownFlags = unix.SECCOMP_FILTER_FLAG_LOG | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW

// Program is a compiled filter that the kernel of this machine would accept.
type Program struct {
	filter     []unix.SockFilter
	flags      uint32
	libseccomp [3]uint8
	profile    []byte
}

// New is the program of the given instructions, compiled by libseccomp (major,
// minor, micro) on this machine from profile, the bytes of the JSON file. It
// refuses what Parse would refuse.
func New(filter []unix.SockFilter, flags uint32, libseccomp [3]uint8, profile []byte) (*Program, error) {
	p := &Program{filter, flags, libseccomp, profile}
	return p, p.verify()
}

// Parse reads a file that Encode wrote, and nothing else: there is one file for
// each program, to the byte.
func Parse(data []byte) (*Program, error) {
	if len(data) < headerSize || string(data[:8]) != magic {
		return nil, errors.New("it is no compiled seccomp program")
	}
	if v := binary.LittleEndian.Uint32(data[8:]); v != version {
		return nil, fmt.Errorf("it has format %d, and this program reads format %d", v, version)
	}
	if a := binary.LittleEndian.Uint32(data[12:]); a != Arch {
		return nil, fmt.Errorf("it is for machines of audit architecture %#x, and this is one of %#x", a, Arch)
	}
	lib := data[16:20]
	if lib[3] != 0 {
		return nil, errors.New("its header is damaged")
	}
	n, m := binary.LittleEndian.Uint32(data[24:]), binary.LittleEndian.Uint32(data[28:])
	if n < 1 || n > maxLength {
		return nil, fmt.Errorf("it says to have %d instructions, not 1 to %d", n, maxLength)
	}
	if m > MaxProfile {
		return nil, fmt.Errorf("it says to be of a profile of %d bytes, and the largest has %d", m, MaxProfile)
	}
	body := headerSize + 8*int(n)
	profile := body + sumSize
	if len(data) != profile+int(m) {
		return nil, fmt.Errorf("it is %d bytes long, not %d", len(data), profile+int(m))
	}
	if checksum(data[:body]) != binary.LittleEndian.Uint64(data[body:]) {
		return nil, errors.New("it is damaged: its checksum is another")
	}

	p := &Program{
		filter:     make([]unix.SockFilter, n),
		flags:      binary.LittleEndian.Uint32(data[20:]),
		libseccomp: [3]uint8(lib),
		profile:    data[profile:],
	}
	for i := range p.filter {
		in := data[headerSize+8*i:]
		p.filter[i] = unix.SockFilter{
			Code: binary.LittleEndian.Uint16(in),
			Jt:   in[2],
			Jf:   in[3],
			K:    binary.LittleEndian.Uint32(in[4:]),
		}
	}
	return p, p.verify()
}

// Encode is the file of p.
func (p *Program) Encode() []byte {
	data := make([]byte, 0, headerSize+8*len(p.filter)+sumSize+len(p.profile))
	data = append(data, magic...)
	data = binary.LittleEndian.AppendUint32(data, version)
	data = binary.LittleEndian.AppendUint32(data, Arch)
	data = append(append(data, p.libseccomp[:]...), 0)
	data = binary.LittleEndian.AppendUint32(data, p.flags)
	data = binary.LittleEndian.AppendUint32(data, uint32(len(p.filter)))
	data = binary.LittleEndian.AppendUint32(data, uint32(len(p.profile)))
	for _, in := range p.filter {
		data = binary.LittleEndian.AppendUint16(data, in.Code)
		data = append(data, in.Jt, in.Jf)
		data = binary.LittleEndian.AppendUint32(data, in.K)
	}
	data = binary.LittleEndian.AppendUint64(data, checksum(data))
	return append(data, p.profile...)
}

func checksum(data []byte) uint64 {
	sum := fnv.New64a()
	sum.Write(data) // it never fails
	return sum.Sum64()
}

// Check tells whether p was compiled from profile, the bytes of the JSON file.
func (p *Program) Check(profile []byte) error {
	if !bytes.Equal(profile, p.profile) {
		return errors.New("the profile has changed since it was compiled")
	}
	return nil
}

// Filter is the instructions, for seccomp(2).
func (p *Program) Filter() []unix.SockFilter { return p.filter }

// Flags are the SECCOMP_FILTER_FLAG_* for seccomp(2): LOG and SPEC_ALLOW, as the
// profile has them.
func (p *Program) Flags() uint32 { return p.flags }

// Libseccomp is the version of the library that compiled p.
func (p *Program) Libseccomp() string {
	return fmt.Sprintf("%d.%d.%d", p.libseccomp[0], p.libseccomp[1], p.libseccomp[2])
}

// verify holds p against what the kernel accepts (bpf_check_classic and
// seccomp_check_filter, linux/kernel/seccomp.c), and less: only the instructions
// that libseccomp writes, and only answers that need nobody else to act on them.
func (p *Program) verify() error {
	if p.flags&^uint32(knownFlags) != 0 {
		return fmt.Errorf("it asks for unknown flags %#x of seccomp(2)", p.flags)
	}
	n := len(p.filter)
	if n < 1 || n > maxLength {
		return fmt.Errorf("it has %d instructions, not 1 to %d", n, maxLength)
	}
	if len(p.profile) > MaxProfile {
		return fmt.Errorf("its profile is larger than %d bytes", MaxProfile)
	}
	for i, in := range p.filter {
		left := uint32(n - i - 1) // instructions after this one
		bad := func(what string) error { return fmt.Errorf("its instruction %d %s", i, what) }
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if in.K%4 != 0 || in.K >= dataSize {
				return bad("loads from outside of struct seccomp_data")
			}
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
		case unix.BPF_JMP | unix.BPF_JA:
			if in.K >= left {
				return bad("jumps out of the program")
			}
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K,
			unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K,
			unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K,
			unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			if uint32(max(in.Jt, in.Jf)) >= left {
				return bad("jumps out of the program")
			}
		case unix.BPF_RET | unix.BPF_K:
			switch in.K & unix.SECCOMP_RET_ACTION_FULL {
			case unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_LOG, unix.SECCOMP_RET_ERRNO,
				unix.SECCOMP_RET_TRAP, unix.SECCOMP_RET_KILL_THREAD, unix.SECCOMP_RET_KILL_PROCESS:
			default:
				return bad("answers with an action that would need a tracer")
			}
		default:
			return bad(fmt.Sprintf("has the code %#x, which is not for filters", in.Code))
		}
	}
	if p.filter[n-1].Code != unix.BPF_RET|unix.BPF_K {
		return errors.New("it does not end with an answer")
	}
	return nil
}

// dataSize is the size of struct seccomp_data, seccomp(2).
const dataSize = 64
