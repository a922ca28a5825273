package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// services are those whose packages of Debian's are installed beside ours.
func services() []string {
	if all {
		return []string{"neutron", "nova", "cinder"}
	}
	return []string{"neutron"}
}

var debian struct {
	once sync.Once
	root string
}

// aDebian is the root of a Debian with the packages of the services, in which nothing
// runs. It is made once. Alone, neutron-common is unpacked without the 400 packages
// that neutron is made of: its root helper needs oslo.rootwrap, and its user.
func aDebian(t *testing.T) string {
	t.Helper()
	debian.once.Do(func() {
		root := dir + "/debian"
		packages := "sudo,procps,python3-oslo.rootwrap"
		if all {
			for _, service := range services() {
				packages += "," + service + "-common"
			}
		}
		do(t, "mmdebstrap", "--quiet", "--mode=root", "--variant=apt", "--include="+packages, "--skip=cleanup/apt",
			"--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\"", "--aptopt=APT::Keep-Downloaded-Packages \"true\"",
			"--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/man/*", "bookworm", root)
		copyTo(t, "calls.py", root+"/calls.py")
		if !all {
			where := root + "/var/cache/apt/archives"
			doIn(t, where, nil, "sh", "-c", "get() { apt-get -qq -o APT::Sandbox::User=root download neutron-common; }; get || { apt-get -qq update && get; }")
			must(t, root, "useradd", "--system", "neutron")
			again(t, root, "neutron")
			do(t, "install", "-m", "0755", "/bin/true", root+"/usr/bin/privsep-helper") // stands in for oslo.privsep's
			// What dpkg does with files in /etc when it configures.
			do(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$0"/neutron-common_*.deb | tar -C "$1" -x ./etc`, where, root)
		}
		name, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		write(t, root+"/etc/hosts", "127.0.0.1 localhost "+name+"\n", 0o644) // or sudo complains
		debian.root = root
	})
	if debian.root == "" {
		t.Fatal("there is no Debian to install into: see the first test")
	}
	do(t, "mount", "-t", "proc", "proc", debian.root+"/proc")
	t.Cleanup(func() {
		endAllIn(t, debian.root)
		do(t, "umount", debian.root+"/proc")
	})
	return debian.root
}

// again installs the service's own package once more.
func again(t *testing.T, root, service string) {
	t.Helper()
	deb := strings.TrimPrefix(glob(t, root+"/var/cache/apt/archives/"+service+"-common_*.deb")[0], root)
	if all {
		must(t, root, "dpkg", "-i", deb)
	} else {
		must(t, root, "dpkg", "--unpack", "--force-depends", deb)
	}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// in runs argv in root as user and returns the exit status and what it said.
func in(t *testing.T, root, user string, argv ...string) (status int, out string) {
	t.Helper()
	c := inside(root, user, argv...)
	text, err := c.CombinedOutput()
	if c.ProcessState == nil {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), string(text)
}

func inside(root, user string, argv ...string) *exec.Cmd {
	c := guarded(append([]string{"chroot", "--userspec=" + user, root}, argv...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "USER=" + user, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}
	c.WaitDelay = time.Second
	return c
}

// must is in for root, and for what must end well.
func must(t *testing.T, root string, argv ...string) string {
	t.Helper()
	status, out := in(t, root, "root", argv...)
	if status != 0 {
		t.Fatalf("%q: exit status %d\n%s", argv, status, out)
	}
	return out
}

// processes are those whose root directory is root, or below it.
func processes(t *testing.T, root string) (pids []int) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/root")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && (to == root || strings.HasPrefix(to, root+"/")) {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

func endAllIn(t *testing.T, root string) {
	t.Helper()
	for range 50 {
		pids := processes(t, root)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("processes are left in the Debian")
}

// answers looks who answers service through its sudoers line: "ironwrap" or "original".
func answers(t *testing.T, root, service string) string {
	t.Helper()
	conf := "/etc/" + service + "/rootwrap.conf"
	status, out := in(t, root, service, "sudo", "-n", service+"-rootwrap", conf, "no-such-command", "x")
	if status != 99 || !strings.Contains(out, service+"-rootwrap: Unauthorized command: no-such-command x (no filter matched)") {
		t.Fatalf("%s-rootwrap: exit status %d, %q", service, status, out)
	}
	if service == "neutron" {
		if status, out := in(t, root, service, "sudo", "-n", "neutron-rootwrap", conf, "sleep", "0"); status != 0 {
			t.Errorf("neutron-rootwrap sleep 0: exit status %d, %q", status, out)
		}
	}
	if strings.Contains(out, "ironwrapctl explain") {
		return "ironwrap"
	}
	return "original"
}

func answer(t *testing.T, root, want, when string) {
	t.Helper()
	for _, service := range services() {
		if got := answers(t, root, service); got != want {
			t.Errorf("%s: %s answers %s, not %s", when, got, service, want)
		}
	}
}

// put copies packages into root, and returns their paths there.
func put(t *testing.T, root, from, pattern string) (paths []string) {
	t.Helper()
	for _, deb := range glob(t, from+"/"+pattern) {
		do(t, "cp", deb, root+"/var/tmp/")
		paths = append(paths, "/var/tmp/"+filepath.Base(deb))
	}
	return paths
}

// files are the paths below root with type, mode and target, but for what dpkg, apt
// and the system's log say of themselves.
func files(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	for _, line := range strings.Split(do(t, "find", root, "-xdev", "-printf", "/%P %y %m %U:%G %l\n"), "\n") {
		path, _, _ := strings.Cut(line, " ")
		if !slices.ContainsFunc([]string{"/proc", "/var/lib/dpkg/", "/var/lib/apt/", "/var/cache/", "/var/log/", "/var/tmp/", "/tmp/", "/run/sudo", "/var/lib/sudo"}, func(own string) bool { return strings.HasPrefix(path, own) }) {
			found = append(found, line)
		}
	}
	slices.Sort(found)
	return found
}

func same(t *testing.T, before, after []string, when string) {
	t.Helper()
	for _, line := range after {
		if _, there := slices.BinarySearch(before, line); !there {
			t.Errorf("%s: left: %s", when, line)
		}
	}
	for _, line := range before {
		if _, there := slices.BinarySearch(after, line); !there {
			t.Errorf("%s: gone: %s", when, line)
		}
	}
}

func amd64(t *testing.T, root, from string) []string {
	return append(put(t, root, from, "*_amd64.deb"), put(t, root, from, "*_all.deb")...)
}

// TestDeb goes the way of a host: the original answers; then ironwrap, also when the
// service's own package is installed again; an upgrade, with calls in flight; the
// original again.
func TestDeb(t *testing.T) {
	built(t)
	root := aDebian(t)
	before := files(t, root)
	answer(t, root, "original", "before")

	packages := amd64(t, root, building.first)
	if all {
		must(t, root, append([]string{"apt-get", "install", "-y", "-qq", "-o", "Dpkg::Use-Pty=0", "--no-install-recommends"}, packages...)...)
	} else {
		must(t, root, append([]string{"dpkg", "-i"}, packages...)...) // apt wants what neutron-common depends on
	}
	answer(t, root, "ironwrap", "installed")

	for _, service := range services() {
		again(t, root, service)
	}
	answer(t, root, "ironwrap", "the service's own package installed again")

	upgrade(t, root)
	answer(t, root, "ironwrap", "upgraded")
	must(t, root, append([]string{"dpkg", "-i"}, amd64(t, root, building.newer)...)...)
	answer(t, root, "ironwrap", "the same installed again")
	readerGone(t, root)
	betweenVersions(t, root)

	// A daemon of one service that is there when all goes.
	stop := later(t, root, "daemon", "neutron-rootwrap-daemon", "sleep", "0")
	stop.running(t, 1)
	must(t, root, append([]string{"dpkg", "--remove"}, ours(t, root)...)...)
	answer(t, root, "original", "removed")
	stop.more(t, 3)
	for _, call := range stop.end(t) {
		if !strings.HasPrefix(call, "0 ") {
			t.Errorf("a call while ironwrap was removed: %s", call)
		}
	}
	must(t, root, append([]string{"dpkg", "--purge"}, ours(t, root)...)...)
	answer(t, root, "original", "purged")
	endAllIn(t, root)
	same(t, before, files(t, root), "purged")
	nothingOfOurs(t, root)
}

// ours are the packages of ours that dpkg knows of.
func ours(t *testing.T, root string) []string {
	t.Helper()
	return strings.Fields(must(t, root, "dpkg-query", "-W", "-f", "${Package}\n", "ironwrap*"))
}

func nothingOfOurs(t *testing.T, root string) {
	t.Helper()
	if out := must(t, root, "dpkg-divert", "--list"); strings.Contains(out, "ironwrap") {
		t.Errorf("diversions are left: %s", out)
	}
	if left, _ := filepath.Glob(root + "/var/lib/dpkg/info/ironwrap*"); len(left) > 0 {
		t.Errorf("dpkg keeps %q", left)
	}
}

// calling is a client that calls again and again.
type calling struct {
	root, stop, result string
	done               chan error
}

var callings int

func later(t *testing.T, root, how, wrapper string, command ...string) *calling {
	t.Helper()
	callings++
	c := &calling{root: root, stop: fmt.Sprintf("/tmp/stop%d", callings), result: fmt.Sprintf("/tmp/result%d", callings), done: make(chan error, 1)}
	client := inside(root, "neutron", append([]string{"python3", "/calls.py", how, c.stop, c.result, wrapper, "/etc/neutron/rootwrap.conf"}, command...)...)
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.done <- client.Wait() }()
	return c
}

func (c *calling) calls() []string {
	text, err := os.ReadFile(c.root + c.result)
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// running waits until n calls are done.
func (c *calling) running(t *testing.T, n int) {
	t.Helper()
	for began := time.Now(); len(c.calls()) < n; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("the client has made %d calls in a minute: %q", len(c.calls()), c.calls())
		}
	}
}

func (c *calling) more(t *testing.T, n int) { c.running(t, len(c.calls())+n) }

// end returns all calls, as calls.py writes them.
func (c *calling) end(t *testing.T) []string {
	t.Helper()
	if err := os.WriteFile(c.root+c.stop, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-c.done:
		if err != nil {
			t.Errorf("the client: %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the client does not end")
	}
	return c.calls()
}

// upgrade installs the newer version while clients call: through the daemon, one of them
// with a command that takes longer than the upgrade, and without.
func upgrade(t *testing.T, root string) {
	t.Helper()
	long := later(t, root, "daemon", "neutron-rootwrap-daemon", "sleep", "20")
	short := later(t, root, "daemon", "neutron-rootwrap-daemon", "sleep", "0")
	alone := later(t, root, "oneshot", "neutron-rootwrap", "sleep", "0")
	short.running(t, 3)
	alone.running(t, 3)
	sleeping := func() bool { // the long one's command
		for _, pid := range processes(t, root) {
			if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); string(text) == "sleep\x0020\x00" || string(text) == "/usr/bin/sleep\x0020\x00" || string(text) == "/bin/sleep\x0020\x00" {
				return true
			}
		}
		return false
	}
	for began := time.Now(); !sleeping(); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the long command does not start")
		}
	}
	must(t, root, append([]string{"dpkg", "-i"}, amd64(t, root, building.newer)...)...)
	if !sleeping() {
		t.Log("the long command ended while the packages were upgraded: it shows nothing")
	}
	short.more(t, 5)
	alone.more(t, 5)
	if err := os.WriteFile(root+long.stop, nil, 0o644); err != nil { // after this call
		t.Fatal(err)
	}
	for _, c := range []*calling{long, short, alone} {
		calls := c.end(t)
		for _, call := range calls {
			if !strings.HasPrefix(call, "0 ") {
				t.Errorf("a call during the upgrade, of %d: %s", len(calls), call)
			}
		}
		if len(calls) == 0 {
			t.Error("the client made no call")
		}
	}
	for _, pid := range processes(t, root) {
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if strings.HasSuffix(exe, "(deleted)") {
			t.Errorf("process %d is still %s", pid, exe)
		}
	}
	if out := must(t, root, "ironwrap", "--version"); !strings.Contains(out, newer) {
		t.Errorf("ironwrap --version: %q", out)
	}
	readerGone(t, root)
}

// readerGone: the reader of the version before is kept no longer than the upgrade lasts.
func readerGone(t *testing.T, root string) {
	t.Helper()
	if found, _ := filepath.Glob(root + "/usr/lib/ironwrap/*.old"); len(found) > 0 {
		t.Errorf("left of the upgrade: %q", found)
	}
}

// betweenVersions has two programs of one version meet, as they do while dpkg replaces one
// after the other, and looks what becomes of calls.
func betweenVersions(t *testing.T, root string) {
	t.Helper()
	// A daemon that began with the launcher before.
	client := later(t, root, "daemon", "neutron-rootwrap-daemon", "sleep", "0")
	client.running(t, 2)
	of := func(program string) (pids []int) {
		for _, pid := range processes(t, root) {
			if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); strings.HasSuffix(exe, program) {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	daemons := of("/usr/bin/ironwrap-daemon")
	must(t, root, "sh", "-c", "cd /usr/lib/ironwrap && cp -p ironwrap-launch new && mv new ironwrap-launch")
	must(t, root, "/var/lib/dpkg/info/ironwrap.postinst", "configure", newer)
	client.more(t, 3)
	for _, call := range client.end(t) {
		if !strings.HasPrefix(call, "0 ") {
			t.Errorf("a call by a daemon with another launcher: %s", call)
		}
	}
	for _, pid := range of("/usr/bin/ironwrap-daemon") {
		if slices.Contains(daemons, pid) {
			t.Errorf("the daemon %d goes on with the launcher before", pid)
		}
	}
	if len(daemons) == 0 {
		t.Error("there was no daemon")
	}

	// A call with the reader of another version, from first to last and for a while.
	reader := root + "/usr/lib/ironwrap/ironwrap-read"
	control := t.TempDir()
	do(t, "dpkg-deb", "-x", glob(t, building.first+"/ironwrap_*_amd64.deb")[0], control)
	older := func() {
		do(t, "cp", "-p", control+"/usr/lib/ironwrap/ironwrap-read", reader+".new")
		do(t, "mv", reader+".new", reader)
	}
	call := func() (int, string) {
		// Whatever is kept holds no more.
		must(t, root, "touch", "/etc/neutron/rootwrap.conf")
		return in(t, root, "neutron", "sudo", "-n", "neutron-rootwrap", "/etc/neutron/rootwrap.conf", "sleep", "0")
	}
	do(t, "cp", "-p", reader, reader+".ours")
	older()
	if status, out := call(); status != 97 || !strings.Contains(out, "install both programs of one build") {
		t.Errorf("with another version's reader: %d, %q", status, out)
	}
	do(t, "ln", reader+".ours", reader+".old")
	if status, out := call(); status != 0 {
		t.Errorf("with another version's reader, and ours as the one before: %d, %q", status, out)
	}
	do(t, "rm", reader+".old")
	timer := time.AfterFunc(time.Second, func() { os.Rename(reader+".ours", reader) })
	if status, out := call(); status != 0 {
		t.Errorf("with another version's reader for a second: %d, %q", status, out)
	}
	if timer.Stop() {
		t.Error("the call did not wait")
		os.Rename(reader+".ours", reader)
	}
}
