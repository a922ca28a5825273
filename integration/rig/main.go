// Package rig is what the tests that run the real programs stand on: as root, on the real
// kernel, with the peer (Debian's python3-oslo.rootwrap) beside them. What the tests need
// they install or make, and remove afterwards. Each room beside this one holds what it
// shows by its name.
package rig

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"ironwrap/integration/rig/debian"
	"ironwrap/integration/rig/ownstore"
	"ironwrap/policy/compiled"
)

// What Main has made.
var (
	Root   string // the top of the repository
	Ours   string // bin/ironwrap, copied to a directory that everybody may enter
	Caller User   // an unprivileged user who may call both programs through sudo

	OursDaemon, OursLaunch, OursCall string // beside ours
)

// Peer is the original.
const Peer = "/usr/bin/oslo-rootwrap"

// Main is the TestMain of each room.
func Main(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.fuzzworker"); f != nil && f.Value.String() == "true" {
		// A worker may be killed before it has cleaned up: it makes nothing.
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fmt.Println("SKIP integration: not root: no privileged behaviour was checked; run make test as root")
		os.Exit(0)
	}
	if err := ownstore.Mount(); err != nil {
		fmt.Println("SKIP integration: no call finds a compiled policy:", err)
	} else {
		Keeping = true
	}
	unignore()
	status := 1
	clean, err := prepare()
	if err != nil {
		fmt.Println("integration:", err)
	} else {
		status = m.Run()
	}
	clean()
	os.Exit(status)
}

// unignore has all that is started begin with the default action of the signals that
// whoever started the tests ignores (nohup, a job in the background): execve(2) leaves
// them ignored, but not caught. The tests ignore them themselves.
func unignore() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// prepare builds the programs, and makes the caller and what lets them use sudo.
func prepare() (clean func(), err error) {
	var undo []func()
	clean = func() {
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	if Root, err = filepath.Abs("../.."); err != nil {
		return clean, err
	}
	if err := debian.Install("python3-oslo.rootwrap", Peer); err != nil {
		return clean, err
	}
	if err := debian.Install("sudo", "/usr/bin/sudo"); err != nil {
		return clean, err
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-bin-")
	if err != nil {
		return clean, err
	}
	undo = append(undo, func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	Ours = filepath.Join(dir, "ironwrap")
	OursDaemon, OursLaunch, OursCall = Ours+"-daemon", Ours+"-launch", Ours+"-call"
	compiled.Build = filepath.Base(dir)
	build := exec.Command("go", "build", "-ldflags", Ldflags(dir), "-o", dir+"/", "./cmd/ironwrap", "./cmd/ironwrap-read", "./cmd/ironwrap-daemon", "./cmd/ironwrap-launch", "./cmd/ironwrap-call")
	build.Dir, build.Env = Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return clean, fmt.Errorf("cannot build ironwrap: %v\n%s", err, out)
	}
	for _, program := range []string{OursLaunch, Ours + "-read"} { // as they are installed
		if err := os.Chmod(program, 0o700); err != nil {
			return clean, err
		}
	}

	who, remove, err := addUser(fmt.Sprintf("iwtest%d", os.Getpid()))
	if err != nil {
		return clean, err
	}
	Caller, undo = who, append(undo, remove)
	line := fmt.Sprintf("%[1]s ALL = (root) NOPASSWD: %s, %s, %s\nDefaults:%[1]s !requiretty, !lecture\n", Caller.Name, Ours, OursDaemon, Peer)
	path, err := sudoers(Caller.Name, []byte(line))
	undo = append(undo, func() { os.Remove(path) })
	if err != nil {
		return clean, err
	}
	return clean, nil
}

// Ldflags are those of a build of its own in dir. A copy of ironwrap elsewhere reads by
// the same ironwrap-read.
func Ldflags(dir string) string {
	return "-X ironwrap/exec/reading.Program=" + dir + "/ironwrap-read -X ironwrap/policy/compiled.Build=" + filepath.Base(dir)
}
