package sandbox

import "golang.org/x/sys/unix"

var abis = []abi{
	{unix.AUDIT_ARCH_AARCH64, []uint32{unix.SYS_IOCTL}},
	{unix.AUDIT_ARCH_ARM, []uint32{54}},
}
