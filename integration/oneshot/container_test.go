package oneshot

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

func TestContainer(t *testing.T) {
	p := rig.NewPolicy(t, "id: CommandFilter, id, nobody\nsh: CommandFilter, sh, root\ntee: CommandFilter, tee, nobody")
	for name, argv := range map[string][]string{
		"as nobody":                {rig.Ours, p.Conf, "id", "-u"},
		"the peer":                 {rig.Peer, p.Conf, "id", "-u"},
		"nice 5":                   {"/usr/bin/nice", "-n", "5", rig.Ours, p.Conf, "id", "-u"},
		"batch":                    {"/usr/bin/chrt", "--batch", "0", rig.Ours, p.Conf, "id", "-u"},
		"lower priority of reads":  {"/usr/bin/ionice", "-c3", rig.Ours, p.Conf, "id", "-u"},
		"OOM score":                {"/usr/bin/choom", "-n", "500", "--", rig.Ours, p.Conf, "id", "-u"},
		"a small, harmless limit":  {"/usr/bin/prlimit", "--nproc=300:400", rig.Ours, p.Conf, "id", "-u"},
		"guard of a service's":     {"/usr/bin/prlimit", "--cpu=60", "--as=1073741824", rig.Ours, p.Conf, "id", "-u"},
		"session without terminal": {"/usr/bin/setsid", "--wait", rig.Ours, p.Conf, "id", "-u"},
	} {
		if r := rig.Run(t, rig.Contained(argv...)...); r.Status != 0 || r.Out != "65534\n" || r.Err != "" {
			t.Errorf("%s: %v", name, r)
		}
	}
	// As another user, and through sudo.
	c := rig.Contained("/usr/bin/setpriv", fmt.Sprint("--reuid=", rig.Caller.UID), fmt.Sprint("--regid=", rig.Caller.GID), "--clear-groups", "/usr/bin/sudo", "-n", rig.Ours, p.Conf, "id", "-u")
	if r := rig.Run(t, c...); r.Status != 0 || r.Out != "65534\n" {
		t.Errorf("through sudo: %v", r)
	}
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, nobody", "allow_users="+rig.Caller.Name)
	c = rig.Contained("/usr/bin/setpriv", fmt.Sprint("--reuid=", rig.Caller.UID), fmt.Sprint("--regid=", rig.Caller.GID), "--clear-groups", in.Program, in.Conf, "id", "-u")
	if r := rig.Run(t, c...); r.Status != 0 || r.Out != "65534\n" {
		t.Errorf("setuid: %v", r)
	}
	// A knife that cannot be taken away.
	rig.NotRun(t, rig.Run(t, rig.Contained("/usr/bin/prlimit", "--nproc=1:1", rig.Ours, p.Conf, "id", "-u")...), "RLIMIT_NPROC, which has the hard limit 1: operation not permitted: CAP_SYS_RESOURCE is missing here: ")
}

// The daemon, whose launchers have no terminal.
func TestContainerDaemon(t *testing.T) {
	p := rig.DaemonPolicy(t, "id: CommandFilter, id, nobody\n"+rig.AllowTrue)
	argv := rig.Contained()
	socket := p.Calls(t)
	s := rig.ServeBy(t, p, "exec "+strings.Join(argv, " ")+` "$@"`)
	client := s.Client()
	for range 3 {
		if r := client.Run("id", "-u"); r.Status != 0 || r.Out != "65534\n" || r.Err != "" {
			t.Errorf("%v", r)
		}
	}
	if r := rig.RunCmd(t, rig.Calling(socket, "id", "-u")); r.Status != 0 || r.Out != "65534\n" || r.Err != "" {
		t.Errorf("by ironwrap-call: %v", r)
	}
	s.DropAll()
}

// What a section asks for and cannot have is refused, and the capability is named.
func TestContainerSections(t *testing.T) {
	dir := rig.NewPolicy(t, "").Dir
	profile := rig.ProfileIn(t, dir)
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
		p := rig.Confined(t, "id: CommandFilter, id, "+c.user, c.lines)
		argv := rig.Contained(rig.Ours, p.Conf, "id", "-u")
		argv[1] += c.without
		rig.NotRun(t, rig.Run(t, argv...), c.why)
	}
	for _, lines := range []string{
		"no_new_privs = yes\nseccomp = " + profile, "no_new_privs = yes\nlandlock_ro = /", "no_new_privs = yes", "capabilities = none",
		"capabilities = CAP_CHOWN", "private_keyring = yes", "memory_deny_write_execute = yes", "nice = 3\noom_score_adj = 100\nrlimit_nproc = 70",
	} {
		for user, uid := range map[string]string{"root": "0\n", "nobody": "65534\n"} {
			p := rig.Confined(t, "id: CommandFilter, id, "+user, lines)
			if r := rig.Run(t, rig.Contained(rig.Ours, p.Conf, "id", "-u")...); r.Status != 0 || r.Out != uid {
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
	rig.Need(t, "bsdutils", "/usr/bin/script")
	p := rig.NewPolicy(t, "python3: CommandFilter, /usr/bin/python3, nobody")
	typed := p.Dir + "/typed"
	rig.Write(t, p.Dir+"/typist.py", strings.ReplaceAll(typistInContainer, "%s", typed))
	quoted := strings.Join(rig.Contained(rig.Ours, p.Conf, "python3", "-I", "-S", p.Dir+"/typist.py"), " ")
	// script(1) runs a shell on a terminal, which leads its session whatever $SHELL is, and
	// reads what was typed.
	on := func(line string) rig.Result {
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
		r := rig.RunCmd(t, c)
		if _, err := os.Stat(typed); (err == nil) != strings.HasPrefix(line, "/usr/bin/setpriv --reuid") {
			t.Errorf("%s: root's shell ran what was typed, or should have: %v", line, r)
		}
		return r
	}
	// This is what the typist does where nothing is in its way.
	on("/usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/python3 -I -S " + p.Dir + "/typist.py")
	// A job of its own, of a shell and of sudo (use_pty). It leaves its process group first.
	for _, line := range []string{quoted, strings.Join(rig.Contained("/usr/bin/sudo", "-n", rig.Ours, p.Conf, "python3", "-I", "-S", p.Dir+"/typist.py"), " ")} {
		if r := on(line); strings.Count(r.Out, "typist: Operation not permitted") != 2 || !strings.Contains(r.Out, "status: 0") {
			t.Errorf("leader of a group: %v", r)
		}
	}
	// Who leads others, or the session, cannot.
	for _, line := range []string{"exec " + quoted, quoted + " | cat"} {
		if r := on(line); !strings.Contains(r.Out, "cannot forbid typing into terminals (seccomp): it takes CAP_SYS_ADMIN, which is missing here: set no_new_privs = yes") || strings.Contains(r.Out, "typist: ") {
			t.Errorf("%s: %v", line, r)
		}
	}
	// Another member of the job can.
	if r := on("(" + quoted + "; exit 3)"); strings.Contains(r.Out, "typed") && !strings.Contains(r.Out, "python3") || strings.Count(r.Out, "typist: Operation not permitted") != 2 || !strings.Contains(r.Out, "status: 3") {
		t.Errorf("member: %v", r)
	}
	// A terminal that is nobody's could be taken: one without a session.
	master, slave := ptyPair(t)
	defer master.Close()
	c := exec.Command(rig.Contained(rig.Ours)[0], rig.Contained(rig.Ours, p.Conf, "python3", "-I", "-S", p.Dir+"/typist.py")[1:]...)
	c.Stdin = slave
	if r := rig.RunCmd(t, c); r.Status != 97 || !strings.Contains(r.Err, "it takes CAP_SYS_ADMIN") {
		t.Errorf("a terminal without a session: %v", r)
	}
	// With no_new_privs there is the filter.
	rig.Write(t, p.Filters, "[Filters]\npython3: CommandFilter, /usr/bin/python3, nobody\n[Sandbox:python3]\nno_new_privs = yes\n")
	if r := on(quoted); strings.Count(r.Out, "typist: Operation not permitted") != 2 || !strings.Contains(r.Out, "status: 0") {
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

// The tests of the command's context, with these capabilities.
func TestContainerSuite(t *testing.T) {
	rig.RunContained(t, "^(TestContext|TestContextClosedDescriptors|TestContextHardLimits)$", "^$", 26)
}
