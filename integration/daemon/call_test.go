package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec/call"
	"ironwrap/integration/rig"
)

// What the one-shot says is said, word for word but for the name, with the same status.
func TestCallAnswersAsTheOneShot(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell+"\nid: CommandFilter, id, daemon\ngone: CommandFilter, /usr/bin/gone, root\nfile: CommandFilter, /etc/passwd, root\n"+
		"nobody: CommandFilter, true, iw-no-such-user\nnice: RegExpFilter, nice, root, nice, -n, \\d+, id", "env_keep=KEPT")
	socket := p.Calls(t)
	rig.Serve(t, p)
	for _, words := range [][]string{
		{"sh", "-c", "echo out; echo err >&2; exit 3"}, {"sh", "-c", "kill -TERM $$"}, {"sh", "-c", "kill -SEGV $$"}, {"sh", "-c", "kill -KILL $$"},
		{"id"}, {"id", "-nG"}, {"ls"}, {"gone"}, {"/usr/bin/gone"}, {"/etc/passwd"}, {"true"}, {""}, {"nice", "-n", "5", "id"}, {"nice", "-n", "x", "id"},
		{"sh", "-c", `printf '%s|' "$@"`, "sh", "", " ", "\n", "\xff\xfe", "é", "--"}, {"sh", "-c", "pwd; echo $KEPT $OTHER; umask"},
		{"sh", "-c", "cat"}, {"sh", strings.Repeat("x", 131071)}, append([]string{"sh", "-c", "echo $#"}, slices.Repeat([]string{"x"}, 20000)...),
	} {
		ask := func(argv ...string) rig.Result {
			c := exec.Command(argv[0], argv[1:]...)
			c.Dir, c.Stdin = "/var/lib/"+rig.Caller.Name, strings.NewReader("given\n")
			c.Env = []string{"PATH=/usr/bin:/bin", "KEPT=kept", "OTHER=other"}
			r := rig.RunCmd(t, c)
			r.Err = strings.ReplaceAll(r.Err, "ironwrap-call: ", "ironwrap: ")
			r.Elapsed, r.UsageMaxRSS = 0, 0
			return r
		}
		want := ask(append([]string{rig.Ours, p.Conf}, words...)...)
		if got := ask(append([]string{rig.OursCall, socket}, words...)...); got != want {
			t.Errorf("%.60q:\n got %v\nwant %v", words, got, want)
		}
	}
	if r := rig.RunCmd(t, exec.Command(rig.OursCall, socket)); r.Status != 98 || !rig.OneCleanLine(r.Err) {
		t.Errorf("no command: %v", r)
	}
}

// Who may not ask is told so, and runs nothing; nor does whoever asks for somebody else's
// daemon, or none.
func TestCallStrangers(t *testing.T) {
	marker := ""
	p := rig.DaemonPolicy(t, rig.AllowShell)
	socket := p.Calls(t)
	marker = p.Dir + "/marker"
	rig.Serve(t, p)
	touch := []string{"sh", "-c", "touch " + marker}
	refused := func(name string, c *exec.Cmd, status int, says string) {
		t.Helper()
		r := rig.RunCmd(t, c)
		if _, err := os.Stat(marker); err == nil {
			t.Errorf("%s: it ran", name)
			os.Remove(marker)
		}
		if r.Status != status || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, says) {
			t.Errorf("%s: %v", name, r)
		}
	}
	as := func(uid uint32, socket string) *exec.Cmd {
		c := rig.Calling(socket, touch...)
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: uid}
		return c
	}
	refused("another user", as(54321, socket), 99, "may not call ironwrap")
	refused("nobody", as(65534, socket), 99, "other user namespaces")
	// A process of another user namespace, whose ids are none of ours.
	inside := exec.Command("/bin/sh", "-c", `exec "$@"`, "sh", rig.OursCall, socket)
	inside.Args = append(inside.Args, touch...)
	inside.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Credential: nil}
	refused("another user namespace", inside, 97, "this user namespace has no id for its user")
	refused("no socket", as(rig.Caller.UID, p.Dir+"/none.call"), 97, "cannot reach the daemon")
	refused("no such instance", as(rig.Caller.UID, "iw-no-such-instance"), 97, "/run/ironwrap/iw-no-such-instance.call")
	refused("a configuration without a daemon", as(rig.Caller.UID, "/etc/iw-no-such/rootwrap.conf"), 97, "/run/ironwrap/iw-no-such.call")

	// A socket that somebody else made gets no descriptor.
	theirs := "/var/lib/" + rig.Caller.Name + "/theirs.call"
	old := syscall.Umask(0)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: theirs, Net: "unix"})
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Listened to by root in this process; so have a process of the caller's do it.
	l.Close()
	listen := exec.Command("/usr/bin/python3", "-c", "import socket,sys,os\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\nos.chmod(sys.argv[1],0o777)\ns.listen()\nprint('ok',flush=True)\ns.accept()[0].recv(10)", theirs)
	listen.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}}
	out, err := listen.StdoutPipe()
	if err == nil {
		err = listen.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer listen.Process.Kill()
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	refused("a socket of the caller's", exec.Command(rig.OursCall, append([]string{theirs}, touch...)...), 97, "is not root's")
}

// callMessage is what ironwrap-call sends.
func callMessage(t testing.TB, words ...string) []byte {
	t.Helper()
	b, err := call.Request{Argv: words, CPU: ^uint64(0), Memory: ^uint64(0)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// askOn sends a message, and the descriptors behind it.
func askOn(t testing.TB, c *net.UnixConn, message []byte, fds ...int) {
	t.Helper()
	_, err := c.Write(message)
	if err == nil {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		_, _, err = c.WriteMsgUnix([]byte{call.FilesByte}, rights, nil)
	}
	if err != nil && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) { // there is an answer already
		t.Fatal(err)
	}
}

// open opens a file for a test, as a descriptor.
func open(t testing.TB, path string, flags int) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// What comes with descriptors that are not three streams and a directory runs nothing,
// and nothing of it stays in the daemon.
func TestCallDescriptors(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell)
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	marker := p.Dir + "/marker"
	null, dir, byPath := open(t, "/dev/null", unix.O_RDWR), open(t, "/", unix.O_PATH|unix.O_DIRECTORY), open(t, "/etc/passwd", unix.O_PATH)
	readable := open(t, "/", unix.O_RDONLY|unix.O_DIRECTORY)
	message := callMessage(t, "sh", "-c", "touch "+marker)
	before := rest(s)
	for name, fds := range map[string][]int{
		"none": nil, "one": {null}, "three": {null, null, null}, "five": {null, null, null, dir, null}, "many": slices.Repeat([]int{null}, 253),
		"a directory for input": {readable, null, null, dir}, "a directory for output": {null, readable, null, dir}, "a directory by path": {null, null, dir, dir},
		"a file by path": {byPath, null, null, dir}, "no directory": {null, null, null, null}, "a file for the directory": {null, null, null, byPath},
	} {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		askOn(t, c, message, fds...)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		all, err := io.ReadAll(c)
		c.Close()
		if a := answered(t, all); a.Ran || a.Status != 97 || !strings.HasPrefix(a.Why, "not run: ") {
			t.Errorf("%s: %v, %+v", name, err, a)
		}
		if _, err := os.Stat(marker); err == nil {
			t.Errorf("%s: it ran", name)
			os.Remove(marker)
		}
		s.Eventually("the descriptors of "+name+" to be gone", func() bool { return descriptorsOf(s.Pid) <= before })
	}

	// More that come before or later reach nobody.
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	message = callMessage(t, "sh", "-c", "sleep 1")
	for _, part := range [][]byte{message[:2], message[2:9], message[9:], {call.FilesByte}, {byte(syscall.SIGUSR1)}} {
		rights := unix.UnixRights(int(w.Fd()))
		if part[0] == call.FilesByte {
			rights = unix.UnixRights(null, null, null, dir)
		}
		if _, _, err := c.WriteMsgUnix(part, rights, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	all, _ := io.ReadAll(c)
	if a := answered(t, all); !a.Ran {
		t.Errorf("descriptors that come beside others: %+v", a)
	}
	r.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("somebody holds a descriptor that came so: %v", err)
	}
}

// rest is how many descriptors the daemon has when nothing is to be done.
func rest(s *rig.Server) int {
	s.Helper()
	s.Eventually("its launchers", func() bool { return len(children(s)) == spareLaunchers })
	time.Sleep(100 * time.Millisecond)
	return descriptorsOf(s.Pid)
}

func descriptorsOf(pid int) int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(list)
}

// answered reads an answer, and that nothing is behind it.
func answered(t testing.TB, all []byte) call.Answer {
	t.Helper()
	if len(all) < call.HeadSize {
		t.Errorf("no answer: %q", all)
		return call.Answer{}
	}
	kind, length := call.Head([call.HeadSize]byte(all))
	if int(length) != len(all)-call.HeadSize {
		t.Errorf("not one answer: %q", all)
		return call.Answer{}
	}
	a, err := call.DecodeAnswer(kind, all[call.HeadSize:])
	if err != nil {
		t.Error(err)
	}
	return a
}

// A client that goes away at any step leaves nothing, and has run nothing unless it had
// said all.
func TestCallClientsThatDie(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell)
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	marker := p.Dir + "/marker"
	null, dir := open(t, "/dev/null", unix.O_RDWR), open(t, "/", unix.O_PATH|unix.O_DIRECTORY)
	message := append(callMessage(t, "sh", "-c", "echo >"+marker), call.FilesByte)
	before := rest(s)
	for n := 0; n < len(message); n++ {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			if _, _, err := c.WriteMsgUnix(message[:n], unix.UnixRights(null, null, null, dir), nil); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
	}
	for _, garbage := range []string{"\x00\x00\x00\x00\x00", "GET / HTTP/1.0\r\n\r\n", "c\xff\xff\xff\xff", "c\x00\x80\x00\x01", "s\x00\x00\x00\x00", string(message[:5]) + strings.Repeat("\xff", len(message)-6), string(message[:len(message)-1]) + "g"} {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.WriteMsgUnix([]byte(garbage), unix.UnixRights(null, null, null, dir), nil); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		all, err := io.ReadAll(c)
		if a := answered(t, all); a.Ran || a.Status != 97 {
			t.Errorf("%q: %v, %+v", garbage, err, a)
		}
		c.Close()
	}
	s.Eventually("the connections to be gone", func() bool { return descriptorsOf(s.Pid) <= before })
	if _, err := os.Stat(marker); err == nil {
		t.Error("a request that was not whole has run")
	}
	alive(s)
	if r := rig.RunCmd(t, rig.Calling(socket, "sh", "-c", "echo still here")); r.Out != "still here\n" {
		t.Errorf("%v", r)
	}
}

// startedCall starts a call whose command says its process id first.
func startedCall(t *testing.T, c *exec.Cmd) (pid int) {
	t.Helper()
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	var line []byte
	for b := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")); line = append(line, b[0]) {
		if _, err := out.Read(b); err != nil {
			t.Fatalf("%v after %q", err, line)
		}
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(line)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// there tells whether a process runs, and is no zombie.
func there(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// Signals reach the command's process group, and it ends with its client.
func TestCallSignals(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell+"\nbash: CommandFilter, bash, root\n[Sandbox:bash]\nsurvive = yes")
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	for _, number := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2} {
		c := rig.Calling(socket, "sh", "-c", "echo $$; exec sleep 1000")
		pid := startedCall(t, c)
		if err := c.Process.Signal(number); err != nil {
			t.Fatal(err)
		}
		err := c.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() || exit.Sys().(syscall.WaitStatus).Signal() != number {
			t.Errorf("%v: the client ended with %v", number, err)
		}
		if there(pid) {
			t.Errorf("%v: the command is there", number)
		}
	}
	// One that is caught is the command's to answer, and its children get it too.
	c := rig.Calling(socket, "sh", "-c", "trap 'exit 42' TERM; echo $$; sleep 1000")
	startedCall(t, c)
	c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); c.ProcessState.ExitCode() != 42 {
		t.Errorf("a caught SIGTERM: %v", err)
	}
	// Stop and go on, as a job of a shell's: of a process group whose parent is of another.
	c = rig.Calling(socket, "sh", "-c", "echo $$; sleep 1; exit 7")
	c.SysProcAttr.Setpgid = true
	pid := startedCall(t, c)
	state := func(pid int) string {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return rig.Fields(string(status))["State"] + " "
	}
	c.Process.Signal(syscall.SIGTSTP)
	s.Eventually("both to stop", func() bool { return state(pid)[0] == 'T' && state(c.Process.Pid)[0] == 'T' })
	time.Sleep(1500 * time.Millisecond)
	c.Process.Signal(syscall.SIGCONT)
	if err := c.Wait(); c.ProcessState.ExitCode() != 7 {
		t.Errorf("stopped and continued: %v", err)
	}

	for _, tt := range []struct{ name, shell, script string }{
		{"it", "sh", "echo $$; exec sleep 1000"},
		{"one that ignores SIGTERM", "sh", "trap '' TERM; echo $$; while :; do sleep 1; done"},
		{"one that has stopped itself", "sh", "echo $$; kill -STOP $$; sleep 1000"},
	} {
		c := rig.Calling(socket, tt.shell, "-c", tt.script)
		pid := startedCall(t, c)
		c.Process.Kill()
		c.Wait()
		s.Eventually(tt.name+" to be ended without its client", func() bool { return !there(pid) })
	}
	// With survive it goes on, and has what it was given.
	out := p.Dir + "/out"
	c = rig.Calling(socket, "bash", "-c", "echo $$; sleep 2; echo done > "+out)
	startedCall(t, c)
	c.Process.Kill()
	c.Wait()
	s.Eventually("the command to go on without its client", func() bool { _, err := os.Stat(out); return err == nil })
}

// throughProcessutils is how services run commands, by the real oslo.concurrency.
const throughProcessutils = `
import os, subprocess, sys, threading, time
from oslo_concurrency import processutils
def ask(*words, **more):
    return processutils.execute(*words, run_as_root=True, root_helper=sys.argv[1], **more)
every = bytes(range(256)) * 1000
assert ask('sh', '-c', 'cat; cat >&2', process_input=every, binary=True) == (every, b'')
assert ask('sh', '-c', 'echo out; echo err >&2') == ('out\n', 'err\n')
assert ask('sh', '-c', 'pwd', cwd='/usr')[0] == '/usr\n'
assert ask('sh', '-c', 'exit 3', check_exit_code=[0, 3]) == ('', '')
for words, status in (['sh', '-c', 'exit 5'], 5), (['sh', '-c', 'kill -TERM $$'], -15), (['mkfs'], 99), (['none'], 96):
    try:
        ask(*words)
        sys.exit('it ran: %r' % words)
    except processutils.ProcessExecutionError as e:
        assert e.exit_code == status, (words, e.exit_code, e.stderr)
# A service that cancels: by a signal, and by SIGKILL after a timeout.
def gone(path):
    pid = int(open(path).read())
    for _ in range(100):
        try:
            if open('/proc/%d/stat' % pid).read().split()[2] == 'Z':
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
for how in 'terminate', 'kill':
    path = sys.argv[2] + '/' + how
    def cancel(process):
        def end():
            while not os.path.exists(path) or not open(path).read().endswith('\n'):
                time.sleep(0.01)
            getattr(process, how)()
        threading.Thread(target=end).start()
    try:
        ask('sh', '-c', 'echo $$ >' + path + '; exec sleep 1000', on_execute=cancel)
        sys.exit('it was not cancelled')
    except processutils.ProcessExecutionError as e:
        assert e.exit_code in (-15, -9), e.exit_code
    assert gone(path), how
# Its own timeout ends nothing, by whatever helper: who waited has to.
path, held = sys.argv[2] + '/timeout', []
try:
    ask('sh', '-c', 'echo $$ >' + path + '; exec sleep 1000', timeout=2, on_execute=held.append)
    sys.exit('it did not time out')
except subprocess.TimeoutExpired:
    held[0].terminate()
assert held[0].wait() == -15 and gone(path), held[0].returncode
try:
    processutils.execute('true', run_as_root=True, root_helper=sys.argv[1].split()[0] + ' /nowhere.call')
    sys.exit('it ran without a daemon')
except processutils.ProcessExecutionError as e:
    assert e.exit_code == 97, e.exit_code
print('all well')
`

func TestCallProcessutils(t *testing.T) {
	t.Parallel()
	rig.Need(t, "python3-oslo.concurrency", "/usr/lib/python3/dist-packages/oslo_concurrency/processutils.py")
	p := rig.DaemonPolicy(t, rig.AllowShell+"\nnone: CommandFilter, /nowhere/none, root")
	socket := p.Calls(t)
	rig.Serve(t, p)
	if r := rig.RunAs(t, rig.Caller, "/usr/bin/python3", "-c", throughProcessutils, rig.OursCall+" "+socket, p.Dir); r.Out != "all well\n" {
		t.Errorf("%v", r)
	}
}

// Output is the caller's own: the daemon does not grow, and sees none of it.
func TestCallMuchOutput(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell)
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	c := rig.Calling(socket, "sh", "-c", "head -c 1073741824 /dev/zero")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, out)
	if waitErr := c.Wait(); n != 1<<30 || err != nil || waitErr != nil {
		t.Errorf("%d bytes, %v, %v", n, err, waitErr)
	}
	peak, _ := strconv.Atoi(strings.Fields(rig.Fields(string(rig.Must(os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid)))))["VmHWM"])[0])
	if peak > 64<<10 {
		t.Errorf("the daemon had %d KiB", peak)
	}
}

// A launcher that somebody has killed is not the caller's fault: another runs the command,
// on the same descriptors.
func TestCallKilledLaunchers(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell+"\nbash: CommandFilter, bash, root\n[Sandbox:bash]\nno_new_privs = yes")
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	t.Cleanup(func() { // the daemon waits for its launchers when it ends
		for _, pid := range s.Below() {
			n, _ := strconv.Atoi(pid)
			syscall.Kill(n, syscall.SIGCONT)
		}
	})
	for range 10 {
		for _, shell := range []string{"sh", "bash"} {
			for _, pid := range s.Below() {
				n, _ := strconv.Atoi(pid)
				syscall.Kill(n, syscall.SIGSTOP) // it takes no order any more
			}
			c := rig.Calling(socket, shell, "-c", "cat; pwd")
			c.Stdin = strings.NewReader("given\n")
			answered := make(chan struct{})
			go func() {
				for { // what was told to stop may stop later
					select {
					case <-answered:
						return
					case <-time.After(50 * time.Millisecond):
					}
					for _, pid := range s.Below() {
						n, _ := strconv.Atoi(pid)
						if state, _ := os.ReadFile("/proc/" + pid + "/stat"); strings.Contains(string(state), ") T ") {
							syscall.Kill(n, syscall.SIGKILL)
						}
					}
				}
			}()
			r := rig.RunCmd(t, c)
			close(answered)
			if r.Status != 0 || r.Out != "given\n"+c.Dir+"\n" {
				t.Errorf("%s: %v", shell, r)
			}
		}
	}
}

// A daemon that finishes what runs leaves the next one's socket alone.
func TestCallNextDaemon(t *testing.T) {
	t.Parallel()
	p := rig.DaemonPolicy(t, rig.AllowShell)
	socket := p.Calls(t)
	old := rig.Serve(t, p)
	c := rig.Calling(socket, "sh", "-c", "echo $$; sleep 2; exit 7")
	startedCall(t, c)
	syscall.Kill(old.Pid, syscall.SIGTERM)
	old.Eventually("the socket to be gone", func() bool { _, err := os.Stat(socket); return err != nil })
	rig.Serve(t, p)
	if c.Wait(); c.ProcessState.ExitCode() != 7 {
		t.Errorf("%v", c.ProcessState)
	}
	old.Ends()
	if r := rig.RunCmd(t, rig.Calling(socket, "sh", "-c", "echo the next")); r.Out != "the next\n" {
		t.Errorf("%v", r)
	}
}

// Many commands at once, and long ones of one user, are in nobody's way.
func TestCallMany(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell, "max_children=1100", "max_user_children=1020", "allow_users=daemon")
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	const many = 1000
	ends := make(chan error, many)
	gate := p.Dir + "/gate"
	if err := unix.Mkfifo(gate, 0o666); err != nil {
		t.Fatal(err)
	}
	for range many {
		c := rig.Calling(socket, "sh", "-c", "read x < "+gate)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { ends <- c.Wait() }()
	}
	s.Eventually("all to run", func() bool {
		text, _ := os.ReadFile(p.Metrics())
		return regexp.MustCompile(`(?m)^ironwrap_running_commands\{.*} 1000$`).Match(text)
	})
	other := rig.Calling(socket, "sh", "-c", "echo others go on")
	other.SysProcAttr.Credential = &syscall.Credential{Uid: 1, Gid: 1}
	other.Dir = "/"
	if r := rig.RunCmd(t, other); r.Out != "others go on\n" {
		t.Errorf("%v", r)
	}
	w, err := os.OpenFile(gate, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range many {
		if _, err := w.WriteString("\n"); err != nil {
			t.Fatal(err)
		}
		if err := <-ends; err != nil {
			t.Error(err)
		}
	}
}
