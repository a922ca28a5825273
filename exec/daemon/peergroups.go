package daemon

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// peerGroups returns the supplementary groups of the other end (SO_PEERGROUPS,
// Linux 4.13), which x/sys has no function for.
func peerGroups(fd int) ([]int, error) {
	size := uint32(4 * 32)
	for {
		ids := make([]uint32, size/4+1)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&ids[0])), uintptr(unsafe.Pointer(&size)), 0)
		if errno == unix.ERANGE && size > uint32(4*len(ids)-4) {
			continue // size is what it takes
		}
		if errno != 0 {
			return nil, errno
		}
		groups := make([]int, size/4)
		for i := range groups {
			groups[i] = int(ids[i])
		}
		return groups, nil
	}
}
