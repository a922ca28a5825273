package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A container with Docker's default capabilities, and no more.

const dockerCaps = "+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write"

// contained is a command in such a bounding set.
func contained(argv ...string) []string {
	return append([]string{"/usr/bin/setpriv", "--bounding-set=-all," + dockerCaps, "--inh-caps=-all"}, argv...)
}

func TestContainer(t *testing.T) {
	p := newPolicy(t, "id: CommandFilter, id, nobody\nsh: CommandFilter, sh, root\ntee: CommandFilter, tee, nobody")
	for name, argv := range map[string][]string{
		"as nobody":                {ours, p.conf, "id", "-u"},
		"the peer":                 {peer, p.conf, "id", "-u"},
		"nice 5":                   {"/usr/bin/nice", "-n", "5", ours, p.conf, "id", "-u"},
		"batch":                    {"/usr/bin/chrt", "--batch", "0", ours, p.conf, "id", "-u"},
		"lower priority of reads":  {"/usr/bin/ionice", "-c3", ours, p.conf, "id", "-u"},
		"OOM score":                {"/usr/bin/choom", "-n", "500", "--", ours, p.conf, "id", "-u"},
		"a small, harmless limit":  {"/usr/bin/prlimit", "--nproc=300:400", ours, p.conf, "id", "-u"},
		"guard of a service's":     {"/usr/bin/prlimit", "--cpu=60", "--as=1073741824", ours, p.conf, "id", "-u"},
		"session without terminal": {"/usr/bin/setsid", "--wait", ours, p.conf, "id", "-u"},
	} {
		if r := run(t, contained(argv...)...); r.status != 0 || r.out != "65534\n" || r.err != "" {
			t.Errorf("%s: %v", name, r)
		}
	}
	// As another user, and through sudo.
	c := contained("/usr/bin/setpriv", fmt.Sprint("--reuid=", caller.uid), fmt.Sprint("--regid=", caller.gid), "--clear-groups", "/usr/bin/sudo", "-n", ours, p.conf, "id", "-u")
	if r := run(t, c...); r.status != 0 || r.out != "65534\n" {
		t.Errorf("through sudo: %v", r)
	}
	in := setuidInstallation(t, "id: CommandFilter, id, nobody", "allow_users="+caller.name)
	c = contained("/usr/bin/setpriv", fmt.Sprint("--reuid=", caller.uid), fmt.Sprint("--regid=", caller.gid), "--clear-groups", in.program, in.conf, "id", "-u")
	if r := run(t, c...); r.status != 0 || r.out != "65534\n" {
		t.Errorf("setuid: %v", r)
	}
	// A knife that cannot be taken away.
	notRun(t, run(t, contained("/usr/bin/prlimit", "--nproc=1:1", ours, p.conf, "id", "-u")...), "RLIMIT_NPROC, which has the hard limit 1: operation not permitted: CAP_SYS_RESOURCE is missing here: ")
}

// The daemon, whose launchers have no terminal.
func TestContainerDaemon(t *testing.T) {
	p := daemonPolicy(t, "id: CommandFilter, id, nobody\n"+allowTrue)
	argv := contained()
	socket := p.calls(t)
	s := serveBy(t, p, "exec "+strings.Join(argv, " ")+` "$@"`)
	client := s.client()
	for range 3 {
		if r := client.run("id", "-u"); r.status != 0 || r.out != "65534\n" || r.err != "" {
			t.Errorf("%v", r)
		}
	}
	if r := runCmd(t, calling(socket, "id", "-u")); r.status != 0 || r.out != "65534\n" || r.err != "" {
		t.Errorf("by ironwrap-call: %v", r)
	}
	s.dropAll()
}

// What a section asks for and cannot have is refused, and the capability is named.
func TestContainerSections(t *testing.T) {
	dir := newPolicy(t, "").dir
	profile := profileIn(t, dir)
	for _, c := range []struct{ lines, user, without, why string }{
		{"seccomp = " + profile, "root", "", "cannot install the seccomp profile: permission denied: CAP_SYS_ADMIN is missing here: set no_new_privs = yes"},
		{"seccomp = " + profile, "nobody", "", "CAP_SYS_ADMIN is missing here: "},
		{"landlock_ro = /", "root", "", "cannot enter the Landlock ruleset: operation not permitted: CAP_SYS_ADMIN is missing here: set no_new_privs = yes"},
		{"private_tmp = yes", "root", "", "(unshare): operation not permitted: CAP_SYS_ADMIN is missing here: "},
		{"private_network = yes", "nobody", "", "(unshare): operation not permitted: CAP_SYS_ADMIN is missing here: "},
		{"capabilities = CAP_NET_ADMIN", "nobody", "", "cannot set the capabilities: operation not permitted: CAP_NET_ADMIN is missing here: "},
		{"capabilities = none", "root", ",-setpcap", "cannot drop capabilities from the bounding set: capability 0: operation not permitted: CAP_SETPCAP is missing here: "},
		{"nice = -3", "root", "", "cannot set the nice value: permission denied: CAP_SYS_NICE is missing here: "},
		{"oom_score_adj = -5", "root", "", "cannot set the OOM score: permission denied: CAP_SYS_RESOURCE is missing here: "},
		{"rlimit_nproc = 100000000", "root", "", "limit 6 to 100000000: operation not permitted: CAP_SYS_RESOURCE is missing here: "},
	} {
		p := confined(t, "id: CommandFilter, id, "+c.user, c.lines)
		argv := contained(ours, p.conf, "id", "-u")
		argv[1] += c.without
		notRun(t, run(t, argv...), c.why)
	}
	for _, lines := range []string{
		"no_new_privs = yes\nseccomp = " + profile, "no_new_privs = yes\nlandlock_ro = /", "no_new_privs = yes", "capabilities = none",
		"capabilities = CAP_CHOWN", "private_keyring = yes", "memory_deny_write_execute = yes", "nice = 3\noom_score_adj = 100\nrlimit_nproc = 70",
	} {
		for user, uid := range map[string]string{"root": "0\n", "nobody": "65534\n"} {
			p := confined(t, "id: CommandFilter, id, "+user, lines)
			if r := run(t, contained(ours, p.conf, "id", "-u")...); r.status != 0 || r.out != uid {
				t.Errorf("%s, %q: %v", user, lines, r)
			}
		}
	}
}

// typist types into the terminal that it finds, by each descriptor and by taking the
// terminal for its own in a session of its own.
const typistInContainer = `
import fcntl, os, sys, termios
def type(fd):
    try:
        for c in b'touch %s\n': fcntl.ioctl(fd, termios.TIOCSTI, bytes([c]))
        return 'typed'
    except OSError as e: return e.strerror
said = [type(fd) for fd in (0, 1, 2)]
try: said.append(type(os.open('/dev/tty', os.O_RDWR)))
except OSError: pass
if os.fork() == 0:
    try:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        said = [type(0)]
    except OSError as e: said = [e.strerror]
    os.write(1, ('typist: ' + ', '.join(said) + '\n').encode())
    os._exit(0)
os.wait()
print('typist:', ', '.join(said))
`

// A command with a terminal: it runs where it cannot type, and else nothing does.
func TestContainerTerminal(t *testing.T) {
	if off, err := os.ReadFile("/proc/sys/dev/tty/legacy_tiocsti"); err == nil && strings.TrimSpace(string(off)) == "0" {
		t.Skip("dev.tty.legacy_tiocsti is 0: the kernel refuses TIOCSTI by itself, and the other ways were not checked")
	}
	need(t, "bsdutils", "/usr/bin/script")
	p := newPolicy(t, "python3: CommandFilter, /usr/bin/python3, nobody")
	typed := p.dir + "/typed"
	write(t, p.dir+"/typist.py", strings.ReplaceAll(typistInContainer, "%s", typed))
	quoted := strings.Join(contained(ours, p.conf, "python3", "-I", "-S", p.dir+"/typist.py"), " ")
	// script(1) runs a shell on a terminal, which leads its session whatever $SHELL is, and
	// reads what was typed.
	on := func(line string) result {
		t.Helper()
		os.Remove(typed)
		c := exec.Command("/usr/bin/script", "-qec", "exec /bin/sh", "/dev/null")
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(300 * time.Millisecond)
			fmt.Fprintf(in, "%s; echo status: $?\n", line)
			time.Sleep(3 * time.Second)
			fmt.Fprint(in, "exit\n")
			in.Close()
		}()
		r := runCmd(t, c)
		if _, err := os.Stat(typed); (err == nil) != strings.HasPrefix(line, "/usr/bin/setpriv --reuid") {
			t.Errorf("%s: root's shell ran what was typed, or should have: %v", line, r)
		}
		return r
	}
	// This is what the typist does where nothing is in its way.
	on("/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -I -S " + p.dir + "/typist.py")
	// A job of its own, of a shell and of sudo (use_pty). It leaves its process group first.
	for _, line := range []string{quoted, strings.Join(contained("/usr/bin/sudo", "-n", ours, p.conf, "python3", "-I", "-S", p.dir+"/typist.py"), " ")} {
		if r := on(line); strings.Count(r.out, "typist: Operation not permitted") != 2 || !strings.Contains(r.out, "status: 0") {
			t.Errorf("leader of a group: %v", r)
		}
	}
	// Who leads others, or the session, cannot.
	for _, line := range []string{"exec " + quoted, quoted + " | cat"} {
		if r := on(line); !strings.Contains(r.out, "cannot forbid typing into terminals (seccomp): it takes CAP_SYS_ADMIN, which is missing here: set no_new_privs = yes") || strings.Contains(r.out, "typist: ") {
			t.Errorf("%s: %v", line, r)
		}
	}
	// Another member of the job can.
	if r := on("(" + quoted + "; exit 3)"); strings.Contains(r.out, "typed") && !strings.Contains(r.out, "python3") || strings.Count(r.out, "typist: Operation not permitted") != 2 || !strings.Contains(r.out, "status: 3") {
		t.Errorf("member: %v", r)
	}
	// A terminal that is nobody's could be taken: one without a session.
	master, slave := ptyPair(t)
	defer master.Close()
	c := exec.Command(contained(ours)[0], contained(ours, p.conf, "python3", "-I", "-S", p.dir+"/typist.py")[1:]...)
	c.Stdin = slave
	if r := runCmd(t, c); r.status != 97 || !strings.Contains(r.err, "it takes CAP_SYS_ADMIN") {
		t.Errorf("a terminal without a session: %v", r)
	}
	// With no_new_privs there is the filter.
	write(t, p.filters, "[Filters]\npython3: CommandFilter, /usr/bin/python3, nobody\n[Sandbox:python3]\nno_new_privs = yes\n")
	if r := on(quoted); strings.Count(r.out, "typist: Operation not permitted") != 2 || !strings.Contains(r.out, "status: 0") {
		t.Errorf("no_new_privs: %v", r)
	}
}

func ptyPair(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// The tests of the command's context and of the known holes, with these capabilities.
// What needs more is listed.
func TestContainerSuite(t *testing.T) {
	if os.Getenv(inContainer) != "" {
		t.Fatal("a container in a container")
	}
	argv := contained(must(os.Executable()), "-test.v", "-test.run", "^(TestContext|TestContextClosedDescriptors|TestContextHardLimits|TestCompliance)$", "-test.skip", needsMore)
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), inContainer+"=1")
	out, err := c.CombinedOutput()
	if passed := strings.Count(string(out), "--- PASS: "); err != nil || passed < 150 {
		var lines []string
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "===") && !strings.Contains(line, "--- PASS") {
				lines = append(lines, line)
			}
		}
		t.Errorf("%d passed: %v\n%s", passed, err, strings.Join(lines, ""))
	}
}

// needsMore are tests of this suite that themselves need what the container has not:
// namespaces for the attempt (CAP_SYS_ADMIN), a terminal, for which there are tests
// above, or the nice value that is left there (CAP_SYS_NICE), likewise.
const needsMore = "^TestCompliance$/^(A32|A33|B5|B6)$" +
	"|^TestCompliance$/^A31$/^id_that" +
	"|^TestCompliance$/^A36$/^(every_process|the_caller's_process_group)$" +
	"|^TestCompliance$/^B4$/^nice_value$"

const inContainer = "IRONWRAP_TEST_CONTAINED"
