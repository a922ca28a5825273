package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"ironwrap/integration/rig/sized"
)

const (
	peerProgram = "/usr/bin/oslo-rootwrap"
	peerDaemon  = "/usr/bin/oslo-rootwrap-daemon"
)

// scene is the directory with all that is measured.
type scene struct {
	dir     string // of root's
	starter starter
	ours    build
	base    *build // to be compared with; nil without BASE
	skipped []string

	once sync.Once
	undo []func() // last first, when the scene is closed
}

// build is a directory with the privileged programs.
type build string

func (b build) ironwrap() string { return string(b) + "/ironwrap" }
func (b build) daemon() string   { return string(b) + "/ironwrap-daemon" }
func (b build) call() string     { return string(b) + "/ironwrap-call" }
func (b build) reader() string   { return string(b) + "/ironwrap-read" } // a build may have none

// newScene copies all programs, those of ours out of bin and, unless it is empty, base.
func newScene(base string) (*scene, error) {
	for file, pkg := range map[string]string{peerProgram: "python3-oslo.rootwrap", "/usr/bin/sudo": "sudo", "/usr/bin/doas": "opendoas"} {
		if err := install(pkg, file); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-bench-")
	if err != nil {
		return nil, err
	}
	s := &scene{dir: dir, starter: starter{dir + "/starter"}}
	s.undo = append(s.undo, func() { os.RemoveAll(dir) })
	s.closeOnSignal()
	if err := s.fill(base); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// close takes away all that was made, once.
func (s *scene) close() {
	s.once.Do(func() {
		for _, f := range slices.Backward(s.undo) {
			f()
		}
	})
}

// closeOnSignal closes the scene, and then ends the program, when it is told to end.
func (s *scene) closeOnSignal() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		told := <-c
		s.close()
		fmt.Fprintln(os.Stderr, "bench:", told)
		os.Exit(1)
	}()
}

func (s *scene) fill(base string) error {
	if err := buildHelpers(s.dir); err != nil {
		return err
	}
	for to, from := range map[string]string{"new": "bin", "base": base} {
		if from == "" {
			continue
		}
		b := build(s.dir + "/" + to)
		names := []string{"ironwrap", "ironwrap-read", "ironwrap-daemon", "ironwrap-launch"}
		if to == "new" {
			names = append(names, "ironwrap-call")
		}
		if _, err := os.Stat(build(from).reader()); err != nil {
			names = slices.Delete(names, 1, 2)
		}
		for _, name := range names {
			if err := replicate(from+"/"+name, string(b)+"/"+name, 0o700); err != nil {
				return fmt.Errorf("cannot copy a program to measure: %w", err)
			}
		}
		if to == "new" {
			s.ours = b
		} else {
			s.base = &b
		}
	}
	for _, name := range []string{"setpriv", "doas", "sudo"} {
		if err := replicate("/usr/bin/"+name, s.dir+"/"+name, os.ModeSetuid|0o755); err != nil {
			return err
		}
	}
	if err := install("sudo-rs", "/usr/bin/sudo-rs"); err != nil {
		s.skipped = append(s.skipped, "sudo-rs: this release of Debian has no such package")
	} else if err := replicate("/usr/bin/sudo-rs", s.dir+"/sudo-rs", os.ModeSetuid|0o755); err != nil {
		return err
	}
	return compileProfile(s.dir)
}

// install sees to it that file, of the Debian package pkg, is there.
func install(pkg, file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	var out []byte
	var err error
	for _, args := range [][]string{{"install", "-y", "--no-install-recommends", pkg}, {"update"}, {"install", "-y", "--no-install-recommends", pkg}} {
		c := exec.Command("apt-get", args...)
		c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err = c.CombinedOutput(); err == nil && args[0] == "install" {
			return nil
		}
	}
	return fmt.Errorf("cannot install %s: %v\n%s", pkg, err, out)
}

// policy writes a policy of so many filters, of which the last ones are those given, and
// returns the path of its rootwrap.conf, whose end is extra.
func (s *scene) policy(name string, count int, last []string, extra string) (conf string, err error) {
	return sized.Policy(s.dir+"/"+name, count, last, extra)
}

func compileProfile(dir string) error {
	text, err := os.ReadFile("profiles/default.json")
	if err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/default.json", text, 0o644); err != nil {
		return err
	}
	ctl, err := filepath.Abs("bin/ironwrapctl")
	if err != nil {
		return err
	}
	if out, err := exec.Command(ctl, "seccomp", "compile", dir+"/default.json").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot compile the profile: %v\n%s", err, out)
	}
	return nil
}

// allowDoas lets root use doas without a password, until the scene is closed.
func (s *scene) allowDoas() error {
	const path = "/etc/doas.conf"
	old, err := os.ReadFile(path)
	s.undo = append(s.undo, func() {
		if err == nil {
			os.WriteFile(path, old, 0o600)
		} else {
			os.Remove(path)
		}
	})
	return os.WriteFile(path, []byte("permit nopass root\n"), 0o600)
}
