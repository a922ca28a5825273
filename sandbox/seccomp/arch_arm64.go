package seccomp

import "golang.org/x/sys/unix"

// Arch is this machine's AUDIT_ARCH_*.
const Arch uint32 = unix.AUDIT_ARCH_AARCH64
