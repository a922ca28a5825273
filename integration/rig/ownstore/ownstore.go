// Package ownstore gives tests and measurements a place of their own for compiled
// policies.
package ownstore

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"ironwrap/policy/store"
)

// Mount gives this process, and all that it starts, an empty directory in memory at
// store.Dir, whatever the machine has there: in a mount namespace of its own, which ends
// with the last of them. A namespace is that of one thread, so that Mount starts the
// program again, as the same process: it returns nil in there, and else why not. It is
// to be called before anything else is done.
func Mount() error {
	const mounted = "IRONWRAP_OWN_STORE"
	if os.Getenv(mounted) != "" {
		return os.Unsetenv(mounted)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := os.MkdirAll(store.Dir, 0o755); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	// What the machine mounts from here on is seen, and not the other way round.
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("cannot keep mounts to a namespace: %w", err)
	}
	if err := unix.Mount("compiled", store.Dir, "tmpfs", 0, "mode=0700"); err != nil {
		return fmt.Errorf("cannot mount a tmpfs at %s: %w", store.Dir, err)
	}
	return unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), mounted+"=1"))
}
