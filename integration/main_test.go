// Package integration runs the real programs, as root, on the real kernel, with
// the peer (Debian's python3-oslo.rootwrap) beside them. What the tests need they
// install or make, and remove afterwards.
package integration

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/ownstore"
	"ironwrap/policy/compiled"
)

var (
	root   string // the top of the repository
	ours   string // bin/ironwrap, copied to a directory that everybody may enter
	caller user   // an unprivileged user who may call both programs through sudo

	oursDaemon, oursLaunch, oursCall string // beside ours
)

const peer = "/usr/bin/oslo-rootwrap"

type user struct {
	name     string
	uid, gid uint32
}

func TestMain(m *testing.M) {
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
		keeping = true
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
	if root, err = filepath.Abs(".."); err != nil {
		return clean, err
	}
	if err := install("python3-oslo.rootwrap", peer); err != nil {
		return clean, err
	}
	if err := install("sudo", "/usr/bin/sudo"); err != nil {
		return clean, err
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-bin-")
	if err != nil {
		return clean, err
	}
	undo = append(undo, func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	ours = filepath.Join(dir, "ironwrap")
	oursDaemon, oursLaunch, oursCall = ours+"-daemon", ours+"-launch", ours+"-call"
	compiled.Build = filepath.Base(dir)
	build := exec.Command("go", "build", "-ldflags", ldflags(dir), "-o", dir+"/", "./cmd/ironwrap", "./cmd/ironwrap-read", "./cmd/ironwrap-daemon", "./cmd/ironwrap-launch", "./cmd/ironwrap-call")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return clean, fmt.Errorf("cannot build ironwrap: %v\n%s", err, out)
	}
	for _, program := range []string{oursLaunch, ours + "-read"} { // as they are installed
		if err := os.Chmod(program, 0o700); err != nil {
			return clean, err
		}
	}

	caller.name = fmt.Sprintf("iwtest%d", os.Getpid())
	if out, err := exec.Command("useradd", "--create-home", "--home-dir", "/var/lib/"+caller.name, "--shell", "/bin/sh", caller.name).CombinedOutput(); err != nil {
		return clean, fmt.Errorf("cannot add user %s: %v\n%s", caller.name, err, out)
	}
	undo = append(undo, func() { exec.Command("userdel", "--remove", caller.name).Run() })
	st, err := os.Stat("/var/lib/" + caller.name)
	if err != nil {
		return clean, err
	}
	sys := st.Sys().(*syscall.Stat_t)
	caller.uid, caller.gid = sys.Uid, sys.Gid

	sudoers := "/etc/sudoers.d/" + caller.name
	line := fmt.Sprintf("%[1]s ALL = (root) NOPASSWD: %s, %s, %s\nDefaults:%[1]s !requiretty, !lecture\n", caller.name, ours, oursDaemon, peer)
	if err := os.WriteFile(sudoers, []byte(line), 0o440); err != nil {
		return clean, err
	}
	undo = append(undo, func() { os.Remove(sudoers) })
	return clean, nil
}

// ldflags are those of a build of its own in dir. A copy of ironwrap elsewhere reads by
// the same ironwrap-read.
func ldflags(dir string) string {
	return "-X ironwrap/exec/reading.Program=" + dir + "/ironwrap-read -X ironwrap/policy/compiled.Build=" + filepath.Base(dir)
}

var installing sync.Mutex

// install sees to it that file, of the Debian package pkg, is there.
func install(pkg, file string) error {
	installing.Lock()
	defer installing.Unlock()
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	apt := func(args ...string) ([]byte, error) {
		c := exec.Command("apt-get", args...)
		c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		return c.CombinedOutput()
	}
	args := []string{"install", "-y", "--no-install-recommends", pkg}
	out, err := apt(args...)
	if err != nil {
		apt("update")
		out, err = apt(args...)
	}
	if err != nil {
		return fmt.Errorf("cannot install %s: %v\n%s", pkg, err, out)
	}
	return nil
}

// need is install for a test: without the package the test fails.
func need(t testing.TB, pkg, file string) {
	t.Helper()
	if err := install(pkg, file); err != nil {
		t.Fatal(err)
	}
}

// policy is a configuration of a test's own: a directory of root's that everybody
// may enter, with rootwrap.conf and filters.d/test.filters.
type policy struct{ dir, conf, filters string }

// newPolicy writes filters (the lines of section [Filters]) and rootwrap.conf;
// extra lines go to its [DEFAULT]. It lies below /var/lib, where every directory
// is root's, and which is gone when the test ends.
func newPolicy(t testing.TB, filters string, extra ...string) policy {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := policy{dir, dir + "/rootwrap.conf", dir + "/filters.d/test.filters"}
	conf := "[DEFAULT]\nfilters_path=" + dir + "/filters.d\n"
	if !strings.Contains(strings.Join(extra, "\n"), "exec_dirs") {
		conf += "exec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n"
	}
	write(t, p.conf, conf+strings.Join(extra, "\n")+"\n")
	write(t, p.filters, "[Filters]\n"+filters+"\n")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// write makes a file of root's, 0644, and the directories above it, 0755.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// result is what a program did.
type result struct {
	status      int // exit status; 128+n when killed by signal n, as a shell has it
	out, err    string
	elapsed     time.Duration
	usageMaxRSS int64 // kB
}

func (r result) String() string {
	return fmt.Sprintf("status %d, standard output %q, standard error %q", r.status, r.out, r.err)
}

// run starts argv as this process's user (root) and waits, at most a minute.
func run(t testing.TB, argv ...string) result {
	t.Helper()
	return runCmd(t, exec.Command(argv[0], argv[1:]...))
}

// runAs starts argv as an unprivileged user, in the user's home directory.
func runAs(t testing.TB, u user, argv ...string) result {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = "/var/lib/" + u.name
	c.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + c.Dir, "USER=" + u.name}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.gid}}
	return runCmd(t, c)
}

// throughSudo calls program (ours or peer) as the unprivileged caller does.
func throughSudo(t testing.TB, program string, args ...string) result {
	t.Helper()
	return runAs(t, caller, append([]string{"/usr/bin/sudo", "-n", program}, args...)...)
}

func runCmd(t testing.TB, c *exec.Cmd) result {
	t.Helper()
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	next(t, c.Args)
	c.WaitDelay = 5 * time.Second
	start := time.Now()
	if err := c.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", c.Path, err)
	}
	timer := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	err := c.Wait()
	timer.Stop()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("cannot wait for %s: %v", c.Path, err)
	}
	r := result{out: out.String(), err: errOut.String(), elapsed: time.Since(start)}
	ws := c.ProcessState.Sys().(syscall.WaitStatus)
	if r.status = ws.ExitStatus(); ws.Signaled() {
		r.status = 128 + int(ws.Signal())
	}
	if ru, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.usageMaxRSS = ru.Maxrss
	}
	return r
}
