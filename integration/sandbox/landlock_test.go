package sandbox

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

func TestSandboxLandlockFiles(t *testing.T) {
	for _, user := range []string{"root", "nobody"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			p := rig.NewPolicy(t, "")
			d := p.Dir
			for _, f := range []string{"ro/f", "rw/f", "rw/g", "rw/sub/f", "no/f", "single", "sibling"} {
				rig.Write(t, d+"/"+f, "text\n")
			}
			if out, err := exec.Command("/bin/chown", "-R", "nobody", d+"/ro", d+"/rw", d+"/no", d+"/single", d+"/sibling").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			rig.Write(t, p.Filters, fmt.Sprintf("[Filters]\nsh: CommandFilter, sh, %[2]s\n[Sandbox:sh]\nlandlock_ro = /usr, %[1]s/ro, %[1]s/single\nlandlock_rw = %[1]s/rw, /dev/null\n", d, user))
			answers(t, "/", p,
				"yes cat "+d+"/ro/f", "yes ls "+d+"/ro", "yes cat "+d+"/single",
				"no echo x > "+d+"/ro/f", "no : > "+d+"/ro/new", "no rm "+d+"/ro/f", "no mkdir "+d+"/ro/dir", "no echo x > "+d+"/single",
				"no truncate -s 0 "+d+"/ro/f", "no ln -s x "+d+"/ro/link", "no mv "+d+"/rw/g "+d+"/ro/g", "no ln "+d+"/ro/f "+d+"/rw/hard",
				"yes cat "+d+"/rw/f", "yes echo x >> "+d+"/rw/f", "yes : > "+d+"/rw/new", "yes mkdir "+d+"/rw/dir", "yes rm "+d+"/rw/new",
				"yes mv "+d+"/rw/g "+d+"/rw/sub/g", "yes truncate -s 0 "+d+"/rw/sub/f",
				"no cat "+d+"/no/f", "no ls "+d+"/no", "no echo x > "+d+"/no/f", "no cat "+d+"/sibling", "no ls "+d, "no ls /",
				"no cat /etc/passwd", "no cat /proc/self/status", "no : > /tmp/ironwrap-landlock",
			)
			// A relative path leads around nothing.
			answers(t, d+"/no", p, "no cat f", "no : > new", "yes cat ../ro/f", "no : > ../ro/new")
		})
	}
	// Without reading the program itself nothing can be executed at all.
	for _, lines := range []string{"landlock_ro = none", "landlock_rw = /etc"} {
		r := rig.Start(t, rig.Confined(t, "id: CommandFilter, id, root", lines), "id")
		if r.Status != 96 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, "permission denied") {
			t.Errorf("%s: %v", lines, r)
		}
	}
	rig.NotRun(t, rig.Start(t, rig.Confined(t, "id: CommandFilter, id, root", "landlock_ro = /, /nonexistent/x"), "id"), `cannot open "/nonexistent/x" for a Landlock rule`)
}

// python is a policy for Python programs, which can make the system calls that
// the shell's tools do not.
func python(t testing.TB, lines string) rig.Policy {
	t.Helper()
	return rig.Confined(t, "python: CommandFilter, /usr/bin/python3, root", lines)
}

const trySockets = `
import socket, sys
def attempt(what, port):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(5)
    try:
        if what == 'bind':
            s.bind(('127.0.0.1', port))
            s.listen()
        else:
            s.connect(('127.0.0.1', port))
        print(what, port, 'yes')
        return s
    except OSError as e:
        print(what, port, e.strerror)
held = [attempt(*a) for a in eval(sys.argv[1])]
`

// TCP ports, by a listener on the loopback interface of a network of the
// command's own.
func TestSandboxLandlockPorts(t *testing.T) {
	for _, c := range []struct{ lines, attempts, want string }{
		{"", "('bind', 7001), ('connect', 7001), ('connect', 7002)", "bind 7001 yes\nconnect 7001 yes\nconnect 7002 Connection refused\n"},
		{"landlock_tcp_bind = 7001", "('bind', 7001), ('bind', 7002), ('bind', 0), ('connect', 7001)",
			"bind 7001 yes\nbind 7002 Permission denied\nbind 0 Permission denied\nconnect 7001 yes\n"},
		{"landlock_tcp_bind = none", "('bind', 7001), ('connect', 7001)", "bind 7001 Permission denied\nconnect 7001 Connection refused\n"},
		{"landlock_tcp_connect = 7001", "('bind', 7001), ('bind', 7002), ('connect', 7001), ('connect', 7002)",
			"bind 7001 yes\nbind 7002 yes\nconnect 7001 yes\nconnect 7002 Permission denied\n"},
		{"landlock_tcp_connect = none\nlandlock_tcp_bind = 7001, 7003", "('bind', 7003), ('connect', 7003)", "bind 7003 yes\nconnect 7003 Permission denied\n"},
	} {
		t.Run(strings.ReplaceAll(c.lines, "\n", ", "), func(t *testing.T) {
			t.Parallel()
			r := rig.Start(t, python(t, "private_network = yes\n"+c.lines), "python3", "-c", trySockets, "["+c.attempts+"]")
			if r.Status != 0 || r.Out != c.want {
				t.Errorf("%v, not %q", r, c.want)
			}
		})
	}
}

// Landlock judges by the mounts that something was opened through. Those of a
// namespace that the caller made put a directory of root's below one that a rule allows.
func TestLandlockForeignMounts(t *testing.T) {
	s := newScenery(t)
	for _, c := range []struct{ name, hand, command string }{
		{"a directory as standard input", `os.dup2(os.open("@home/x", os.O_RDONLY), 0)`, "cat /proc/self/fd/0/f"},
		{"its mere name", `os.dup2(os.open("@home/x", os.O_PATH), 2)`, "tee -a /dev/fd/2/f"},
		{"a file that is only named", `os.dup2(os.open("@home/x/f", os.O_PATH), 0)`, "cat /dev/stdin"},
		{"a file opened for reading", `os.dup2(os.open("@home/x/g", os.O_RDONLY), 2)`, "tee -a /dev/fd/2"},
		{"the working directory", `os.chdir("@home/x")`, "cat f"},
		{"above the working directory", `os.chdir("@home/x/sub")`, "cat ../f"},
	} {
		// What is open comes back from the namespace over a socket.
		script := "mkdir @home/x; python3 -c '" + strings.TrimSpace(libc) + `
import socket
up, down = socket.socketpair()
pid = os.fork()
if pid == 0:
    uid = os.getuid()
    if libc.unshare(0x10020000) != 0: os._exit(1)
    open("/proc/self/setgroups", "w").write("deny"); open("/proc/self/uid_map", "w").write("0 %d 1" % uid)
    if libc.mount(b"@hidden", b"@home/x", None, 4096, None) != 0: os._exit(1)
    ` + c.hand + `
    socket.send_fds(down, [b"x"], [0, 2, os.open(".", os.O_PATH)])
    os._exit(0)
down.close()
_, fds, _, _ = socket.recv_fds(up, 1, 3)
for fd, to in (fds[0], 0), (fds[1], 2): os.dup2(fd, to)
os.fchdir(fds[2])
sys.stdout.flush()
os.execvp("sh", ["sh", "-c", "echo x | $W ` + c.command + `" if "tee" in "` + c.command + `" else "$W ` + c.command + `"])
'`
		for _, mode := range []string{"sudo", "setuid"} {
			s.confine("capabilities = none")
			prepare := func() (bool, rig.Result) {
				s.reset()
				rig.Write(s, s.hidden+"/g", "public\n")
				if err := os.Mkdir(s.hidden+"/sub", 0o755); err != nil {
					t.Fatal(err)
				}
				before := s.written()
				r := s.shell(mode, script)
				return strings.Contains(r.Out, "SECRET") || s.written() != before, r
			}
			if hit, r := prepare(); !hit {
				t.Errorf("%s, %s: without rules it does nothing: %v", mode, c.name, r)
			}
			for _, lines := range []string{"capabilities = none\nno_new_privs = yes\n", "", "read_only = @ro\n"} {
				s.confine(lines + "landlock_ro = /usr, /lib, /lib64, /etc\nlandlock_rw = " + s.u)
				if hit, r := prepare(); hit || r.Out != "" {
					t.Errorf("%s, %s, %q: %v", mode, c.name, lines, r)
				}
			}
		}
	}
	// What is of this namespace goes on working.
	s.confine("landlock_ro = /usr, /lib, /lib64, /etc, /proc\nlandlock_rw = " + s.u)
	s.reset()
	for script, want := range map[string]string{
		"$W cat <@home/f": "first\nsecond\n", "cd @home; $W cat f": "first\nsecond\n", "echo hi | $W cat": "hi\n", "$W ls /dev/stdin/ <@home": "f\n",
		"cp @home/f @home/t; exec 3<@home/t; rm @home/t; $W cat <&3": "first\nsecond\n", "$W cat </proc/sys/kernel/ostype": "Linux\n", "$W cat </dev/null; echo $?": "0\n",
	} {
		if r := s.shell("setuid", script); r.Out != want {
			t.Errorf("%s: %v", script, r)
		}
	}
}

// written is what is in the files of the hidden directory.
func (s *scenery) written() string {
	return rig.ReadFile(s, s.hidden+"/f") + rig.ReadFile(s, s.hidden+"/g")
}

// What Landlock keeps within the sandbox, and what it does not look at: the table in
// docs/security.md says so.
func TestSandboxLandlockScope(t *testing.T) {
	name := fmt.Sprintf("ironwrap-scope-%d", os.Getpid())
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sleeper := exec.Command("/usr/bin/sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		sleeper.Process.Kill()
		sleeper.Wait()
	}()
	script := fmt.Sprintf(`
import os, signal, socket
def attempt(what, f):
    try:
        f()
        print(what, 'yes')
    except OSError as e:
        print(what, e.strerror)
attempt('abstract', lambda: socket.socket(socket.AF_UNIX).connect('\0%s'))
attempt('signal', lambda: os.kill(%d, 0))
child = os.fork()
if child == 0:
    signal.pause()
attempt('child', lambda: os.kill(child, signal.SIGKILL))
`, name, sleeper.Process.Pid)
	const no = "Operation not permitted"
	for lines, want := range map[string][2]string{
		"":                                      {"yes", "yes"},
		"landlock_scope = none":                 {"yes", "yes"},
		"landlock_scope = signal":               {"yes", no},
		"landlock_scope = abstract_unix_socket": {no, "yes"},
		"landlock_scope = abstract_unix_socket, signal\nlandlock = best-effort":              {no, no},
		"landlock_scope = signal\nlandlock_tcp_bind = 1\nlandlock_ro = /\nprivate_tmp = yes": {"yes", no},
		"private_tmp = yes": {"yes", "yes"},
	} {
		if r := rig.Start(t, python(t, lines), "python3", "-c", script); r.Status != 0 || r.Out != fmt.Sprintf("abstract %s\nsignal %s\nchild yes\n", want[0], want[1]) {
			t.Errorf("%s: %v, not %q", lines, r, want)
		}
	}
	rig.NotRun(t, rig.Start(t, python(t, "landlock_scope = ptrace"), "python3", "-c", script), "landlock_scope")

	// An older kernel.
	s := rig.SandboxScene(t, "old", "root", "landlock_scope = signal")
	rig.RefusedWith(t, s.Play(t, "landlock_create_ruleset:retval=5:when=1"), 97, "", "cannot set up the sandbox of filter cp: this kernel has no Landlock, or not enough of it")

	// What the documentation says that it does not stop.
	p := rig.NewPolicy(t, "")
	rig.Write(t, p.Dir+"/f", "text\n")
	rig.Write(t, p.Filters, "[Filters]\npython: CommandFilter, /usr/bin/python3, root\n[Sandbox:python]\nlandlock_ro = /usr, /lib, /lib64, /etc\nlandlock_rw = none\n")
	if r := rig.Start(t, p, "python3", "-c", "import os; os.chmod('"+p.Dir+"/f', 0o600); os.chown('"+p.Dir+"/f', 65534, 0); os.utime('"+p.Dir+"/f', (1, 1)); print('done')"); r.Out != "done\n" {
		t.Errorf("docs/security.md says that chmod, chown and utime pass: %v", r)
	}
}
