package machine

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/policy/trust"
)

// This test's program, called with this variable, sleeps: as a process to look
// at, from whatever file it was copied to.
const sleeps = "IRONWRAP_TEST_SLEEPS=1"

// With this one it looks at process 1.
const looks = "IRONWRAP_TEST_LOOKS=1"

func TestMain(m *testing.M) {
	if slices.Contains(os.Environ(), sleeps) {
		fmt.Println("here")
		time.Sleep(time.Minute)
		os.Exit(0)
	}
	if slices.Contains(os.Environ(), looks) {
		p, err := New(nil, trust.Parent).Process(1)
		if err == nil {
			fmt.Printf("%+v\n", p)
		} else {
			fmt.Println(err)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// sleeper copies the program to path.
func sleeper(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	data, err := os.ReadFile(self)
	must(t, err)
	must(t, os.WriteFile(path, data, 0o755))
}

// start runs a command until the test ends, and returns when it is up.
func start(t *testing.T, c *exec.Cmd) int {
	t.Helper()
	c.Env = []string{sleeps, "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	line := make([]byte, 4)
	if _, err := out.Read(line); err != nil || string(line) != "here" {
		t.Fatalf("%q did not start: %q, %v", c.Args, line, err)
	}
	return c.Process.Pid
}

// process looks at a process that must be there.
func process(t *testing.T, pid int) filters.Process {
	t.Helper()
	p, err := New(nil, trust.Parent).Process(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p.FD); unix.Close(p.Dir) })
	if p.PID != pid {
		t.Errorf("process %d, not %d", p.PID, pid)
	}
	// The descriptor is that process's, and no child of ours gets it.
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", p.FD))
	if err != nil || !strings.Contains(string(info), fmt.Sprintf("\nPid:\t%d\n", pid)) {
		t.Errorf("descriptor %d is not process %d: %s, %v", p.FD, pid, info, err)
	}
	if flags, err := unix.FcntlInt(uintptr(p.FD), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor %d: flags %d, %v", p.FD, flags, err)
	}
	return p
}

// isFile tells whether got is the file at path.
func isFile(t *testing.T, got filters.File, path string) bool {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return got == filters.File{Dev: uint64(st.Dev), Ino: st.Ino, Links: uint64(st.Nlink), UID: st.Uid, Mode: st.Mode & 0o7777}
}

func TestProcess(t *testing.T) {
	needRoot(t)
	dir := tree(t, "d/")
	path := dir + "/sleeper"
	sleeper(t, path)
	p := process(t, start(t, exec.Command(path)))
	if !isFile(t, p.Exe, path) || p.Link.Raw() != path || !p.SameRoot {
		t.Errorf("%+v", p)
	}

	// By way of a symbolic link, a hard link, another name for its directory.
	must(t, os.Symlink(path, dir+"/link"))
	if p := process(t, start(t, exec.Command(dir+"/link"))); p.Link.Raw() != path {
		t.Errorf("through a link: %+v", p)
	}
	if p := process(t, start(t, exec.Command(dir+"/d/../sleeper"))); p.Link.Raw() != path {
		t.Errorf("through ..: %+v", p)
	}
	must(t, os.Link(path, dir+"/second"))
	if p := process(t, start(t, exec.Command(dir+"/second"))); p.Link.Raw() != dir+"/second" || p.Exe.Links != 2 || !isFile(t, p.Exe, path) {
		t.Errorf("through a hard link: %+v", p)
	}
	must(t, os.Remove(dir+"/second"))

	// A name is only a name: a process may call itself what it likes
	// (argv[0], comm), and run a file of any name.
	c := exec.Command(path)
	c.Args[0] = "/usr/sbin/dnsmasq"
	if p := process(t, start(t, c)); p.Link.Raw() != path {
		t.Errorf("with a forged argv[0]: %+v", p)
	}
	for _, name := range []string{"x (deleted)", "a) 1 (x\n", "with\nbreak", "\xff\xfe", strings.Repeat("x", 250)} {
		odd := dir + "/" + name
		sleeper(t, odd)
		if p := process(t, start(t, exec.Command(odd))); p.Link.Raw() != odd || p.Exe.Links != 1 || !isFile(t, p.Exe, odd) {
			t.Errorf("%.20q: %+v", name, p)
		}
	}

	// Somebody else's file, and somebody else's process.
	must(t, os.Chown(dir+"/x (deleted)", 65534, 65534))
	c = exec.Command(dir + "/x (deleted)")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if p := process(t, start(t, c)); p.Exe.UID != 65534 || p.Exe.Mode != 0o755 {
		t.Errorf("nobody's: %+v", p)
	}
}

func TestProcessWhoseFileIsGone(t *testing.T) {
	needRoot(t)
	dir := tree(t)
	path := dir + "/sleeper"
	sleeper(t, path)
	pid := start(t, exec.Command(path))
	first := process(t, pid)

	must(t, os.Rename(path, dir+"/renamed"))
	if p := process(t, pid); p.Link.Raw() != dir+"/renamed" || p.Exe != first.Exe {
		t.Errorf("renamed: %+v", p)
	}
	must(t, os.Rename(dir+"/renamed", path))

	// A package upgrade: a new file takes the name.
	sleeper(t, path+".new")
	must(t, os.Rename(path+".new", path))
	p := process(t, pid)
	if p.Link.Raw() != path+" (deleted)" || p.Exe.Links != 0 || p.Exe.Ino != first.Exe.Ino || p.Exe.Dev != first.Exe.Dev {
		t.Errorf("replaced: %+v", p)
	}
	if isFile(t, p.Exe, path) {
		t.Error("replaced: it is taken for the new file")
	}
	must(t, os.Remove(path))
	if p := process(t, pid); p.Link.Raw() != path+" (deleted)" || p.Exe.Links != 0 {
		t.Errorf("removed: %+v", p)
	}

	// With another name left, the kernel still says deleted, but the file has a name.
	sleeper(t, path)
	pid = start(t, exec.Command(path))
	must(t, os.Link(path, dir+"/other"))
	must(t, os.Remove(path))
	if p := process(t, pid); p.Link.Raw() != path+" (deleted)" || p.Exe.Links != 1 || !isFile(t, p.Exe, dir+"/other") {
		t.Errorf("one of two names removed: %+v", p)
	}

	// A file that never had a name (memfd_create(2)).
	fd, err := unix.MemfdCreate("/usr/sbin/dnsmasq", 0)
	must(t, err)
	defer unix.Close(fd)
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	_, err = unix.Write(fd, self)
	must(t, err)
	pid = start(t, exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)))
	if p := process(t, pid); !strings.HasPrefix(p.Link.Raw(), "/memfd:") || p.Exe.Links != 0 || p.Exe.Dev == first.Exe.Dev {
		t.Errorf("without a name: %+v", p)
	}
}

// The same path in another mount namespace or below another root is another
// file; what is looked at is the file.
func TestProcessElsewhere(t *testing.T) {
	needRoot(t)
	dir := tree(t, "root/bin/")
	path, evil := dir+"/sleeper", dir+"/evil"
	sleeper(t, path)
	sleeper(t, evil)
	c := exec.Command("unshare", "--mount", "sh", "-c", `mount --bind "$1" "$0" && exec "$0"`, path, evil)
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Errorf("no mount namespaces here: %v: %s", err, out)
	} else {
		p := process(t, start(t, c))
		if p.Link.Raw() != path || isFile(t, p.Exe, path) || !isFile(t, p.Exe, evil) || !p.SameRoot {
			t.Errorf("another mount namespace: %+v", p)
		}
	}

	sleeper(t, dir+"/root/bin/sleeper")
	if dynamic(t, path) {
		t.Log("this test's program is not static (-race): another root was not tried")
	} else {
		c = exec.Command("/bin/sleeper")
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Chroot: dir + "/root"}
		p := process(t, start(t, c))
		if p.SameRoot || p.Link.Raw() != dir+"/root/bin/sleeper" || !isFile(t, p.Exe, dir+"/root/bin/sleeper") {
			t.Errorf("another root: %+v", p)
		}
	}

	// Another process id namespace: we have one id for it, it has another.
	out, err := exec.Command("unshare", "--pid", "--fork", "--kill-child", "true").CombinedOutput()
	if err != nil {
		t.Errorf("no process id namespaces here: %v: %s", err, out)
		return
	}
	c = exec.Command("unshare", "--pid", "--fork", "--kill-child", path)
	parent := start(t, c)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	must(t, err)
	var child int
	if _, err := fmt.Sscan(string(children), &child); err != nil {
		t.Fatalf("%q: %v", children, err)
	}
	if p := process(t, child); p.Link.Raw() != path || !p.SameRoot {
		t.Errorf("another process id namespace: %+v", p)
	}
}

// dynamic tells whether a program needs an interpreter, which another root has not.
func dynamic(t *testing.T, path string) bool {
	t.Helper()
	f, err := elf.Open(path)
	must(t, err)
	defer f.Close()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

func TestProcessRefuses(t *testing.T) {
	needRoot(t)
	m := New(nil, trust.Parent)
	path := tree(t) + "/sleeper"
	sleeper(t, path)
	refused := func(name string, pid int) {
		t.Helper()
		before := descriptors(t)
		p, err := m.Process(pid)
		if after := descriptors(t); after != before {
			t.Errorf("%s: %d descriptors, and %d afterwards", name, before, after)
		}
		if err == nil {
			t.Errorf("%s: %+v", name, p)
			unix.Close(p.FD)
			return
		}
		if p != (filters.Process{}) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), fmt.Sprintf("process %d: ", pid)) {
			t.Errorf("%s: %+v, %q", name, p, err)
		}
	}

	for _, pid := range []int{0, -1, -os.Getpid(), 1 << 22, 1<<22 + 1, 1<<31 - 1, 1 << 31} {
		refused("no process id", pid)
	}

	// Ended, and not yet waited for; then waited for.
	c := exec.Command("/bin/true")
	must(t, c.Start())
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
		must(t, err)
		if strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("true does not end")
		}
	}
	refused("a zombie", c.Process.Pid)
	c.Wait()
	refused("a process that is gone", c.Process.Pid)

	// A thread is not a process: kill(2) would hit the whole of it.
	pid := start(t, exec.Command(path))
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	must(t, err)
	if len(tasks) < 2 {
		t.Error("the process has only one thread: threads were not tried")
	}
	for _, task := range tasks {
		var tid int
		fmt.Sscan(task.Name(), &tid)
		if tid != pid {
			refused("a thread", tid)
		}
	}

	// The kernel's own threads run no file.
	if comm, err := os.ReadFile("/proc/2/comm"); err == nil && strings.TrimSpace(string(comm)) == "kthreadd" {
		refused("a kernel thread", 2)
	} else {
		t.Log("process 2 is no kernel thread here: none was tried")
	}
}

// Who may not look at a process gets an error, not half an answer.
func TestProcessUnprivileged(t *testing.T) {
	needRoot(t)
	path := tree(t) + "/looks"
	sleeper(t, path)
	c := exec.Command(path)
	c.Env = []string{looks}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := c.CombinedOutput()
	if err != nil || string(out) != "cannot look at process 1: it runs no program: permission denied\n" {
		t.Errorf("%q, %v", out, err)
	}
}

// Process ids change hands while they are looked at; the answer is about one
// process all the time, or an error.
func TestProcessRace(t *testing.T) {
	needRoot(t)
	m := New(nil, trust.Parent)
	for range 50 {
		c := exec.Command("/bin/true")
		must(t, c.Start())
		go c.Wait()
		p, err := m.Process(c.Process.Pid)
		if err != nil {
			continue
		}
		if l := p.Link.Raw(); l != "/usr/bin/true" && l != "/bin/true" && !strings.HasSuffix(l, filepath.Base(os.Args[0])) {
			t.Errorf("%+v", p)
		}
		unix.Close(p.FD)
		unix.Close(p.Dir)
	}
}

// Close lets go of every process that was looked at, and may be called again.
func TestCloseLetsGo(t *testing.T) {
	count := func() (n int) {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range list {
			// Those of these two processes: others come and go with other tests.
			to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
			info, _ := os.ReadFile("/proc/self/fdinfo/" + fd.Name())
			for _, pid := range []int{os.Getpid(), os.Getppid()} {
				if strings.Contains(string(info), fmt.Sprintf("Pid:\t%d\n", pid)) || to == fmt.Sprintf("/proc/%d", pid) {
					n++
				}
			}
		}
		return n
	}
	m := New(nil, trust.Object)
	before := count()
	for _, pid := range []int{os.Getpid(), os.Getppid(), os.Getppid()} { // asked again, the same is told
		if p, err := m.Process(pid); err != nil || p.PID != pid {
			t.Fatal(p, err)
		}
	}
	// A process that cannot be looked at leaves nothing open.
	if p, err := m.Process(1 << 22); err == nil {
		t.Fatal(p)
	}
	if got := count(); got != before+4 {
		t.Fatalf("%d descriptors before, %d while two processes are held", before, got)
	}
	m.Close()
	m.Close()
	if got := count(); got != before {
		t.Errorf("%d descriptors before, %d after", before, got)
	}
}
