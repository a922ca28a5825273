//go:build cgo

package compile

import (
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// NameOn is the name of a system call as a filter sees it, by AUDIT_ARCH_* and
// number, and the architecture as a profile has it. Either is "" where libseccomp
// does not know.
func NameOn(arch, number uint32) (name string, in specs.Arch) {
	switch arch {
	case unix.AUDIT_ARCH_X86_64:
		in = specs.ArchX86_64
		if number&x32 != 0 {
			in = specs.ArchX32
		}
	case unix.AUDIT_ARCH_I386:
		in = specs.ArchX86
	case unix.AUDIT_ARCH_AARCH64:
		in = specs.ArchAARCH64
	case unix.AUDIT_ARCH_ARM:
		in = specs.ArchARM
	default:
		return "", ""
	}
	name, err := seccomp.ScmpSyscall(number).GetNameByArch(archNames[in])
	if err != nil {
		return "", in
	}
	return name, in
}

// x32 marks the numbers of x32 on x86-64, and is part of them.
const x32 = 0x40000000
