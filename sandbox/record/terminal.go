package record

import "golang.org/x/sys/unix"

// Foreground tells that this process is in the foreground of a terminal, which
// sends ^C and ^\ to its children by itself (credentials(7)).
func Foreground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
