package sandbox

import "golang.org/x/sys/unix"

// x32 calls come with the architecture of x86-64, the bit 0x40000000, and for
// ioctl either number.
var abis = []abi{
	{unix.AUDIT_ARCH_X86_64, []uint32{unix.SYS_IOCTL, 0x40000000 | unix.SYS_IOCTL, 0x40000000 | 514}},
	{unix.AUDIT_ARCH_I386, []uint32{54}},
}
