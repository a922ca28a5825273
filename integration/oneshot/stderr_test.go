package oneshot

import (
	"bytes"
	"fmt"
	"io"
	"net"
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

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

// Standard error is the caller's: whatever they make of it, and whatever they call the
// program, no process of root's waits for it, and what comes out of it is nobody's word
// but theirs.

// stuck makes what takes nothing: the file to write to, and what the caller keeps.
type stuck func(t *testing.T) (f *os.File)

func rawPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w = os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// fill writes until nothing more is taken.
func fill(t *testing.T, fd int) {
	t.Helper()
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 1} {
		for {
			if _, err := unix.Write(fd, make([]byte, size)); err == unix.EAGAIN {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

func pair(t *testing.T, kind int) *os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := os.NewFile(uintptr(fds[0]), "mine"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { mine.Close(); theirs.Close() })
	return theirs
}

var stuckEnds = map[string]stuck{
	"a full pipe": func(t *testing.T) *os.File {
		_, w := rawPipe(t)
		fill(t, int(w.Fd()))
		return w
	},
	"a full pipe with one byte of room": func(t *testing.T) *os.File {
		r, w := rawPipe(t)
		fill(t, int(w.Fd()))
		r.Read(make([]byte, 1))
		return w
	},
	"a terminal that ^S has stopped": func(t *testing.T) *os.File {
		master, slave := terminal(t)
		t.Cleanup(func() { master.Close(); slave.Close() })
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, slave.Fd(), unix.TCXONC, unix.TCOOFF); errno != 0 {
			t.Fatal(errno)
		}
		return slave
	},
	"a full pair of stream sockets": func(t *testing.T) *os.File {
		f := pair(t, unix.SOCK_STREAM)
		fill(t, int(f.Fd()))
		return f
	},
	"a full pair of datagram sockets": func(t *testing.T) *os.File {
		f := pair(t, unix.SOCK_DGRAM)
		fill(t, int(f.Fd()))
		return f
	},
	"a full FIFO that nobody reads": func(t *testing.T) *os.File {
		path := "/var/lib/" + rig.Caller.Name + "/fifo"
		os.Remove(path)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Remove(path) })
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		fill(t, int(f.Fd()))
		return f
	},
	"/dev/full": func(t *testing.T) *os.File {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	},
	"a file that must not grow": func(t *testing.T) *os.File {
		f, err := os.Create("/var/lib/" + rig.Caller.Name + "/grows")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close(); os.Remove(f.Name()) })
		return f
	},
}

// uids are the four user ids of a process; "" when it has ended.
func uids(pid int) string {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || bytes.Contains(status, []byte("State:\tZ")) {
		return ""
	}
	_, rest, _ := strings.Cut(string(status), "\nUid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

// Every way to be refused, into everything that takes nothing: the process that waits is
// the caller's, who can kill it, and after a few seconds there is none.
func TestStderrHoldsNothingUp(t *testing.T) {
	in := rig.SetuidInstallation(t, "true: CommandFilter, true, root\nnothing: CommandFilter, /etc/passwd, root\nbad: CommandFilter, /usr/bin/id, nosuchuser", "allow_users="+rig.Caller.Name)
	stranger := rig.User{Name: "nobody", UID: 65534, GID: 65534}
	theirs := func(u rig.User) string { return strings.TrimSuffix(strings.Repeat(fmt.Sprint(u.UID, "\t"), 4), "\t") }
	for end, make := range stuckEnds {
		t.Run(end, func(t *testing.T) {
			f := make(t)
			var all sync.WaitGroup
			for name, c := range map[string]struct {
				who    rig.User
				args   []string
				status int
			}{
				"not in allow_users":        {stranger, []string{in.Conf, "true"}, 99},
				"another configuration":     {stranger, []string{"/etc/passwd", "true"}, 97},
				"no configuration":          {stranger, []string{in.Dir + "/none", "true"}, 97},
				"no command":                {stranger, []string{in.Conf}, 98},
				"nothing":                   {stranger, nil, 98},
				"no filter":                 {rig.Caller, []string{in.Conf, "mkfs", strings.Repeat("x", 10000)}, 99},
				"no program":                {rig.Caller, []string{in.Conf, "/etc/passwd"}, 96},
				"no such user":              {rig.Caller, []string{in.Conf, "id"}, 97},
				"--help":                    {stranger, []string{"--help"}, 0},
				"--version":                 {stranger, []string{"--version"}, 0},
				"a legitimate call besides": {rig.Caller, []string{in.Conf, "true"}, 0},
			} {
				p := in.As(c.who.UID, c.who.GID, nil, c.args...)
				p.Stdout, p.Stderr = f, f
				if strings.HasSuffix(end, "must not grow") {
					p = in.Attack(t, "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\nexecve(args[0], args, [])\n", c.args...)
					p.SysProcAttr.Credential = &syscall.Credential{Uid: c.who.UID, Gid: c.who.GID}
					p.Dir, p.Stdout, p.Stderr = "/", f, f
				}
				// To lift this limit for the command takes CAP_SYS_RESOURCE.
				limited := strings.HasSuffix(end, "must not grow") && c.status == 0
				if err := p.Start(); err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					ended := time.AfterFunc(20*time.Second, func() { p.Process.Kill() })
					// Half a second is a hundred calls.
					time.Sleep(2 * time.Second)
					if have := uids(p.Process.Pid); have != "" && have != theirs(c.who) {
						t.Errorf("%s: a process of uids %q waits, not %q", name, have, theirs(c.who))
					}
					p.Wait()
					ws := p.ProcessState.Sys().(syscall.WaitStatus)
					if !ended.Stop() || !(ws.Exited() && (ws.ExitStatus() == c.status || limited && ws.ExitStatus() == 97) || ws.Signaled() && ws.Signal() == syscall.SIGALRM) {
						t.Errorf("%s: %v, not %d or ended by the kernel's timer", name, p.ProcessState, c.status)
					}
				})
			}
			all.Wait()
		})
	}
	// Closed.
	for _, fds := range []string{"2>&-", ">&- 2>&-", "<&- >&- 2>&-"} {
		if r := rig.RunAs(t, stranger2(), "/bin/sh", "-c", in.Program+" "+in.Conf+" true "+fds); r.Status != 99 {
			t.Errorf("%s: %v", fds, r)
		}
	}
}

// stranger2 is one who has a directory to stand in.
func stranger2() rig.User { return rig.User{Name: "misc", UID: 65534, GID: 65534} }

// Who waits can be killed by their caller, as any process of theirs.
func TestStderrWaitsAreTheCallers(t *testing.T) {
	in := rig.SetuidInstallation(t, "true: CommandFilter, true, root", "allow_users="+rig.Caller.Name)
	f := stuckEnds["a full pipe"](t)
	p := in.As(65534, 65534, nil, in.Conf, "true")
	p.Stderr = f
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Wait()
	for end := time.Now().Add(20 * time.Second); uids(p.Process.Pid) != "65534\t65534\t65534\t65534"; {
		if have := uids(p.Process.Pid); have == "" || time.Now().After(end) {
			p.Process.Kill()
			t.Fatalf("it is of uids %q: %v", have, p.Wait())
		}
	}
	rig.As(rig.User{Name: "nobody", UID: 65534, GID: 65534}, nil, func() {
		for name, look := range map[string]func() error{
			"trace":  func() error { return unix.PtraceAttach(p.Process.Pid) },
			"memory": func() error { _, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", p.Process.Pid)); return err },
			"environment": func() error {
				_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.Process.Pid))
				return err
			},
			"descriptors": func() error { _, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid)); return err },
		} {
			if err := look(); err == nil {
				t.Errorf("its %s is the caller's too", name)
			}
		}
		if err := unix.Kill(p.Process.Pid, unix.SIGKILL); err != nil {
			t.Errorf("the caller cannot kill it: %v", err)
		}
	})
}

// A caller with a limit of twenty processes has no more than that, none of root's.
func TestStderrCountsForTheCaller(t *testing.T) {
	in := rig.SetuidInstallation(t, "true: CommandFilter, true, root")
	const script = `
import resource, time
resource.setrlimit(resource.RLIMIT_NPROC, (20, 20))
r, w = os.pipe()
os.set_blocking(w, False)
try:
    while True: os.write(w, b'x' * 4096)
except BlockingIOError: pass
os.set_blocking(w, True)
null = os.open('/dev/null', os.O_RDWR)
kids = []
for i in range(60):
    try: pid = os.fork()
    except BlockingIOError:
        time.sleep(0.05)
        continue
    if pid == 0:
        os.dup2(w, 2)
        os.dup2(null, 1)
        execve(args[0], args, [])
    kids.append(pid)
    time.sleep(0.03) # while it is root's it does not count
time.sleep(1)
def owner(pid):
    try: text = open('/proc/%d/status' % pid).read()
    except OSError: return None
    return None if 'State:\tZ' in text else text.split('\nUid:\t')[1].split('\n')[0]
have = [o for o in map(owner, kids) if o]
print('root', sum(o.split()[0] == '0' for o in have), 'all', len(have))
time.sleep(7)
print('left', len([o for o in map(owner, kids) if o]))
`
	c := in.Attack(t, script, in.Conf, "true")
	r := rig.RunCmd(t, c)
	var ofRoot, all, left int
	if n, _ := fmt.Sscanf(r.Out, "root %d all %d\nleft %d\n", &ofRoot, &all, &left); n != 3 || ofRoot > 0 || all > 30 || left > 0 { // of 60
		t.Errorf("%v", r)
	}
}

// The watchdog needs no writable descriptor.
func TestStderrAndTheWatchdog(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute: that the watchdog ends what waits was not checked")
	}
	t.Parallel()
	names := make([]string, 20) // each of them five seconds of a name service
	for i := range names {
		names[i] = fmt.Sprintf("remote%d", i)
	}
	in := rig.SetuidInstallation(t, "true: CommandFilter, true, root", "allow_users="+strings.Join(names, ","))
	getent := filepath.Join(in.Dir, "bin", "getent")
	rig.Write(t, getent, "#!/bin/sh\necho $$ >>"+in.Dir+"/asked\nexec sleep 1000\n")
	os.Chmod(getent, 0o755)
	full := stuckEnds["a full pipe"](t)
	_, slave := terminal(t)
	defer slave.Close()
	var said bytes.Buffer
	r, w := rawPipe(t)
	var all sync.WaitGroup
	for name, f := range map[string]*os.File{"a full pipe": full, "a pipe that is read": w} {
		// Blocked and ignored signals are inherited.
		p := in.Attack(t, "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nexecve(args[0], args, [])\n", in.Conf, "true")
		p.Stderr = f
		start := time.Now()
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			ended := time.AfterFunc(90*time.Second, func() { p.Process.Kill() })
			p.Wait()
			if !ended.Stop() || time.Since(start) < 50*time.Second || p.ProcessState.ExitCode() != 97 {
				t.Errorf("%s: %v after %v", name, p.ProcessState, time.Since(start))
			}
		})
	}
	all.Wait()
	w.Close()
	io.Copy(&said, r)
	asked := strings.Fields(rig.ReadFile(t, in.Dir+"/asked"))
	rig.Until(t, "nobody who was asked is left", func() bool {
		return !slices.ContainsFunc(asked, func(pid string) bool {
			line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			return string(line) == "sleep\x001000\x00"
		})
	})
	if len(asked) < 2 {
		t.Errorf("%q were asked", asked)
	}
	if !rig.OneCleanLine(said.String()) || !strings.HasPrefix(said.String(), "iw-rootwrap: nothing was executed: waited 1m0s for a file or a name service") {
		t.Errorf("%q", said.String())
	}
}

// believer is a socket that asks the kernel who writes, as journald's is.
type believer struct {
	*testing.T
	*net.UnixConn
	path string
}

func newBeliever(t *testing.T) *believer {
	t.Helper()
	path := fmt.Sprintf("/var/lib/%s/log%d", rig.Caller.Name, time.Now().UnixNano())
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); os.Remove(path) })
	os.Chmod(path, 0o666)
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return &believer{t, c, path}
}

type attributed struct {
	uid, gid uint32
	text     string
}

// heard returns what has come.
func (b *believer) heard() (list []attributed) {
	b.Helper()
	b.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	for {
		text, oob := make([]byte, 1<<16), make([]byte, 1<<10)
		n, m, _, _, err := b.ReadMsgUnix(text, oob)
		if err != nil {
			return list
		}
		messages, err := unix.ParseSocketControlMessage(oob[:m])
		if err != nil || len(messages) != 1 {
			b.Fatalf("%v, %v", messages, err)
		}
		who, err := unix.ParseUnixCredentials(&messages[0])
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, attributed{who.Uid, who.Gid, string(text[:n])})
	}
}

// connected is a script for without: standard error becomes a socket to the believer.
const connected = "import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.connect(args[0])\nos.dup2(s.fileno(), 2)\nargs = args[1:]\n"

// What a socket to the system log is told has the caller's name on it, not root's, and
// begins with no name of the caller's choice.
func TestStderrIsNoRecordOfRoots(t *testing.T) {
	in := rig.SetuidInstallation(t, "true: CommandFilter, true, root\nbroken: NoSuchFilter, x, root\nnone: CommandFilter, /etc/passwd, root", "allow_users="+rig.Caller.Name)
	// Warnings go to standard error where there is no system log.
	warns := rig.NewPolicy(t, "true: CommandFilter, true, root\nbroken: NoSuchFilter, x, root")
	loud := strings.Replace(string(rig.Must(os.ReadFile(in.Conf))), "use_syslog=True", "use_syslog=False", 1)
	noisy := in.Dir + "/noisy.conf"
	rig.Write(t, noisy, loud)

	b := newBeliever(t)
	check := func(name string, least int, prefix string) {
		t.Helper()
		list := b.heard()
		if len(list) < least {
			t.Errorf("%s: only %v came", name, list)
		}
		for _, a := range list {
			if a.uid != rig.Caller.UID || a.gid != rig.Caller.GID {
				t.Errorf("%s: said by uid %d, gid %d: %.200q", name, a.uid, a.gid, a.text)
			}
			if !strings.HasPrefix(a.text, prefix+": ") || !rig.OneCleanLine(a.text) || len(a.text) > 4096 {
				t.Errorf("%s: %.200q", name, a.text)
			}
		}
	}
	for name, c := range map[string]struct{ argv0, says string }{
		"journald's form":   {"<86>ironwrap[4711]: (nova > root) Executing rm ... ruid=0 sudo_uid=1001", "ironwrap"},
		"a priority alone":  {"<0>", "ironwrap"},
		"a line break":      {"x-rootwrap\n<86>sudo: forged", "ironwrap"},
		"an escape":         {"\x1b[2J-rootwrap", "ironwrap"},
		"empty":             {"", "ironwrap"},
		"long":              {strings.Repeat("x", 100000) + "-rootwrap", "ironwrap"},
		"another program":   {"sudo", "ironwrap"},
		"another's pid":     {"nova-rootwrap[1]", "ironwrap"},
		"words":             {"root > root Executing x-rootwrap", "ironwrap"},
		"a suffix alone":    {"-rootwrap", "ironwrap"},
		"below a directory": {"/a b/<86>x/nova-rootwrap", "nova-rootwrap"},
		"a package's":       {"nova-rootwrap", "nova-rootwrap"},
		"its own":           {"/usr/bin/ironwrap", "ironwrap"},
	} {
		for _, words := range [][]string{{in.Conf, "mkfs"}, {in.Conf, "/etc/passwd"}, {"/etc/passwd", "true"}, {}, {in.Conf, "mkfs", strings.Repeat("x ", 50000)}, {noisy, "true"}} {
			argv := append([]string{b.path, in.Program, c.argv0}, words...)
			r := rig.RunCmd(t, attackAs(in, t, rig.Caller, connected+"execve(args[0], args[1:], [])\n", argv...))
			if r.Out != "" || r.Err != "" {
				t.Errorf("%s: %v", name, r)
			}
			check(fmt.Sprintf("%s, %.60q", name, words), 1, c.says)
		}
	}
	// A stranger needs no right to call.
	stranger := attackAs(in, t, rig.User{Name: rig.Caller.Name, UID: 65534, GID: 65534}, connected+"execve(args[0], [b'<86>ironwrap[1]: forged'] + args[2:], [])\n", b.path, in.Program, "", in.Conf, "true")
	stranger.Dir = "/"
	rig.RunCmd(t, stranger)
	if list := b.heard(); len(list) != 1 || list[0].uid != 65534 || !strings.HasPrefix(list[0].text, "ironwrap: ") {
		t.Errorf("a stranger: %v", list)
	}

	// Through sudo, where the name is sudo's.
	for name, words := range map[string][]string{
		"no filter": {rig.Ours, in.Conf, "mkfs"}, "no file": {rig.Ours, "/none", "mkfs"}, "no words": {rig.Ours}, "a warning": {rig.Ours, warns.Conf, "true"},
		"the daemon": {rig.OursDaemon, "/none"}, "the daemon, a word too many": {rig.OursDaemon, in.Conf, "x"},
	} {
		argv := append([]string{b.path, "/usr/bin/sudo", "/usr/bin/sudo", "-n"}, words...)
		rig.RunCmd(t, attackAs(in, t, rig.Caller, connected+"execve(args[0], args[1:], [])\n", argv...))
		check("sudo, "+name, 1, filepath.Base(words[0]))
	}
}

// attackAs is attack without the program as the first argument.
func attackAs(in *rig.Installation, t *testing.T, u rig.User, script string, args ...string) *exec.Cmd {
	t.Helper()
	c := rig.Without(t, script, args...)
	c.Dir = "/var/lib/" + u.Name
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID}}
	return c
}

// A word is one word in a message, whatever stands in it.
func TestStderrWords(t *testing.T) {
	p := rig.NewPolicy(t, "true: CommandFilter, true, root")
	for _, c := range []struct {
		words, quoted []string
		peers         string // what the peer makes of them
	}{
		{[]string{"passwd", "root", "ruid=33", "cwd=/var/www", "#"}, []string{"passwd", "root", `"ruid=33"`, `"cwd=/var/www"`, `"#"`}, "passwd root ruid=33 cwd=/var/www #"},
		{[]string{"x", "a b", ""}, []string{"x", `"a b"`, `""`}, "x a b "},
		{[]string{"x", "(no filter matched); nova-rootwrap: all is well"}, []string{"x", `"(no filter matched); nova-rootwrap: all is well"`}, "x (no filter matched); nova-rootwrap: all is well"},
		{[]string{"x", "\x1b[2J\nroot"}, []string{"x", `"\x1b[2J\nroot"`}, "x \x1b[2J\nroot"},
		{[]string{"x", "uid\u00a0=0", "\u202egnp"}, []string{"x", `"uid\u00a0=0"`, `"\u202egnp"`}, "x uid\u00a0=0 \u202egnp"},
		{[]string{"/sbin/mkfs.ext4", "-L", "a_b", "user@host:/dev/vg-1/lv+2,x%"}, []string{"/sbin/mkfs.ext4", "-L", "a_b", "user@host:/dev/vg-1/lv+2,x%"}, "/sbin/mkfs.ext4 -L a_b user@host:/dev/vg-1/lv+2,x%"},
	} {
		want := "ironwrap: Unauthorized command: " + strings.Join(c.quoted, " ") + " (no filter matched); ironwrapctl explain tells why\n"
		if r := rig.ThroughSudo(t, rig.Ours, append([]string{p.Conf}, c.words...)...); r.Status != 99 || r.Err != want {
			t.Errorf("%q: %v, not %q", c.words, r, want)
		}
		if r := rig.ThroughSudo(t, rig.Peer, append([]string{p.Conf}, c.words...)...); r.Status != 99 || !strings.Contains(r.Err, "Unauthorized command: "+c.peers+" (no filter matched)") {
			t.Errorf("the peer, %q: %v", c.words, r)
		}
	}
	// However long, a line is one that a pipe takes whole.
	for _, word := range []string{strings.Repeat("x", 100000), strings.Repeat("\x01", 100000), strings.Repeat("é", 50000)} {
		r := rig.ThroughSudo(t, rig.Ours, p.Conf, "mkfs", word)
		if r.Status != 99 || !rig.OneCleanLine(r.Err) || len(r.Err) > 4096 || !strings.Contains(r.Err, "... (cut: 2 words, "+strconv.Itoa(len("mkfs")+len(word)+2)+" bytes) (no filter matched)") {
			t.Errorf("%d bytes: %.300q", len(r.Err), r.Err)
		}
	}
}

// Warnings are written while the process is root's: into what takes them, never into what
// does not, and the command runs as it would.
func TestStderrWarnings(t *testing.T) {
	in := rig.SetuidInstallation(t, "echo: CommandFilter, echo, root\nbroken: NoSuchFilter, x, root", "allow_users="+rig.Caller.Name)
	rig.Write(t, in.Conf, strings.Replace(string(rig.Must(os.ReadFile(in.Conf))), "use_syslog=True", "use_syslog=False", 1))
	if r := rig.RunCmd(t, in.Called(in.Conf, "echo", "here")); r.Status != 0 || r.Out != "here\n" || !rig.OneCleanLine(r.Err) || !strings.HasPrefix(r.Err, "iw-rootwrap: "+in.Filters+":3: ") {
		t.Errorf("a pipe: %v", r)
	}
	for end, make := range stuckEnds {
		if strings.HasPrefix(end, "a file") {
			continue
		}
		f := make(t)
		c := in.Called(in.Conf, "echo", "here")
		out := rig.Must(os.CreateTemp("/var/lib", "ironwrap-out-"))
		defer os.Remove(out.Name())
		c.Stdout, c.Stderr = out, f
		start := time.Now()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(20*time.Second, func() { c.Process.Kill() })
		err := c.Wait()
		timer.Stop()
		if text := rig.Must(os.ReadFile(out.Name())); err != nil || string(text) != "here\n" || time.Since(start) > 10*time.Second {
			t.Errorf("%s: %v, %q after %v", end, err, text, time.Since(start))
		}
	}
	// A command may take longer than any deadline of ours.
	rig.Write(t, in.Filters, "[Filters]\nsleep: CommandFilter, sleep, root\n")
	if r := rig.RunCmd(t, in.Called(in.Conf, "sleep", "5")); r.Status != 0 {
		t.Errorf("a command of five seconds: %v", r)
	}
}

// Nor does the Go runtime hold a process of root's up, when it dies of a limit or a signal
// of the caller's and says so at length.
func TestStderrOfADyingRuntime(t *testing.T) {
	in := rig.SetuidInstallation(t, "true: CommandFilter, true, root", "allow_users="+rig.Caller.Name)
	full := stuckEnds["a full pipe"](t)
	var list []*exec.Cmd
	for kb := 68 << 10; kb < 80<<10; kb += 96 {
		c := in.Attack(t, fmt.Sprintf("import resource\nresource.setrlimit(resource.RLIMIT_DATA, (%d, %[1]d))\nexecve(args[0], args + [b'y' * 100000] * 10, [])\n", kb<<10), in.Conf, "mkfs")
		c.Stderr = full
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	time.Sleep(6 * time.Second)
	for _, c := range list {
		// Before it is root's it is the caller's, who can kill it, though it has root's rights.
		if have := uids(c.Process.Pid); strings.HasPrefix(have, "0\t") {
			t.Errorf("a process of uids %q waits", have)
		}
		c.Process.Kill()
		c.Wait()
	}

	for _, name := range []string{"ABRT", "SYS", "XCPU", "XFSZ", "QUIT", "TERM", "HUP", "PIPE", "ALRM", "USR1", "CHLD", "PROF"} {
		for _, word := range []string{"true", "mkfs"} {
			c := in.Attack(t, "import signal\ns = signal.SIG"+name+"\nsignal.pthread_sigmask(signal.SIG_BLOCK, [s])\nos.kill(os.getpid(), s)\nexecve(args[0], args, [])\n", in.Conf, word)
			r := rig.RunCmd(t, c)
			if strings.Contains(r.Err, "goroutine") || strings.Contains(r.Err, "PC=") || r.Err != "" && !rig.OneCleanLine(r.Err) {
				t.Errorf("SIG%s pending, %s: %v", name, word, r)
			}
		}
	}
}

// Through sudo as well; the peer waits as long as its caller likes.
func TestStderrThroughSudo(t *testing.T) {
	p := rig.NewPolicy(t, "true: CommandFilter, true, root")
	for program, waits := range map[string]bool{rig.Ours: false, rig.Peer: true} {
		c := exec.Command("/usr/bin/sudo", "-n", program, p.Conf, "mkfs")
		c.Dir, c.Env = "/", []string{"PATH=/usr/bin:/bin"}
		c.Stderr = stuckEnds["a full pipe"](t)
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case <-ended:
			if waits {
				t.Errorf("%s does not wait", program)
			}
		case <-time.After(15 * time.Second):
			if !waits {
				t.Errorf("%s waits", program)
			}
			syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			<-ended
		}
	}
}
