package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// withoutEventlet is a sitecustomize module (see Python's module site): import eventlet
// fails, as where it is not installed.
const withoutEventlet = "import sys\nsys.modules['eventlet'] = None\n"

// hidden marks the process that has the mount namespace of hideEventlet.
const hidden = "IRONWRAP_BENCH_HIDDEN"

// hideEventlet has the peer always measured in the same way: it imports eventlet where
// that is installed, and then takes ten times as long. The process starts itself again in
// a mount namespace of its own, in which Python cannot import it.
func hideEventlet() error {
	if os.Getenv(hidden) == "" {
		runtime.LockOSThread()
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			return fmt.Errorf("cannot make a mount namespace: %w", err)
		}
		return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), hidden+"=1"))
	}
	os.Unsetenv(hidden)
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make the mounts private: %w", err)
	}
	where, err := exec.Command("/usr/bin/python3", "-c", "import os, sitecustomize; print(os.path.realpath(sitecustomize.__file__))").Output()
	if err != nil {
		return fmt.Errorf("cannot find Python's sitecustomize.py, to hide eventlet: %w", err)
	}
	f, err := os.CreateTemp("", "sitecustomize")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // the mount keeps the file
	if _, err = f.WriteString(withoutEventlet); err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = syscall.Mount(f.Name(), strings.TrimSpace(string(where)), "", syscall.MS_BIND, "")
	}
	if err != nil {
		return fmt.Errorf("cannot hide eventlet: %w", err)
	}
	if err := exec.Command("/usr/bin/python3", "-c", "import eventlet").Run(); err == nil {
		return fmt.Errorf("eventlet was hidden, and Python imports it all the same")
	}
	return nil
}
