package sandbox

import "golang.org/x/sys/unix"

// guardedSpaces has x32 as abis has it.
func guardedSpaces() []guardedCalls {
	const x32 = 0x40000000
	return []guardedCalls{
		{unix.AUDIT_ARCH_X86_64, everywhere(0, everywhere(x32,
			unix.SYS_OPEN_BY_HANDLE_AT, x32|unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, x32|unix.SYS_FANOTIFY_INIT)...), []uint32{unix.SYS_SETNS, x32 | unix.SYS_SETNS}},
		{unix.AUDIT_ARCH_I386, everywhere(0, 342, 338), []uint32{346}},
	}
}
