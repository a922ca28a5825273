package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

// A private view (read_only, private_tmp) against whoever calls: they choose the
// descriptors, the working directory, and run other processes beside the command.

// scenery is what a view covers, or not: a tree of root's and one of the caller's, and
// a file in the machine's /tmp. Its policy is called by sudo and as a setuid program.
type scenery struct {
	*testing.T
	in     *rig.Installation
	ro, u  string // of root's, which the views make read-only; of the caller's
	hidden string // a directory in /tmp
}

func newScenery(t *testing.T) *scenery {
	t.Helper()
	s := &scenery{T: t, in: rig.SetuidInstallation(t, "", "allow_users="+rig.Caller.Name)}
	s.ro, s.u = s.in.Dir+"/ro", s.in.Dir+"/u"
	// Without a system log, which is the installation's own.
	rig.Write(t, s.in.Dir+"/sudo.conf", "[DEFAULT]\nfilters_path="+s.in.Dir+"/filters.d\nexec_dirs=/usr/sbin,/usr/bin,/sbin,/bin\n")
	hidden, err := os.MkdirTemp("/tmp", "iwhidden")
	if err != nil {
		t.Fatal(err)
	}
	s.hidden = hidden
	t.Cleanup(func() { os.RemoveAll(hidden) })
	if err := os.Chmod(hidden, 0o755); err != nil {
		t.Fatal(err)
	}
	s.reset()
	return s
}

// confine sets the sandbox of all commands; @ro in its lines is s.ro.
func (s *scenery) confine(lines string) {
	s.Helper()
	text, sections := "[Filters]\ntail: CommandFilter, tail, root\n", ""
	for _, name := range []string{"cat", "chmod", "chown", "echo", "head", "ls", "nsenter", "sh", "tee", "truncate", "python3", "tty"} {
		text += fmt.Sprintf("%s: CommandFilter, %[1]s, root\n", name)
		sections += fmt.Sprintf("[Sandbox:%s]\n%s\n", name, strings.ReplaceAll(lines, "@ro", s.ro))
	}
	text += sections
	rig.Write(s, s.in.Filters, text)
}

func (s *scenery) reset() {
	s.Helper()
	for _, dir := range []string{s.ro, s.u, s.hidden + "/."} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			os.RemoveAll(dir + "/" + e.Name())
		}
	}
	rig.Write(s, s.ro+"/f", "first\nsecond\n")
	rig.Write(s, s.hidden+"/f", "SECRET\n")
	rig.Write(s, s.u+"/f", "first\nsecond\n")
	for path, uid := range map[string]uint32{s.hidden + "/f": 0, s.u: rig.Caller.UID, s.u + "/f": rig.Caller.UID} {
		if err := os.Chown(path, int(uid), int(uid)); err != nil {
			s.Fatal(err)
		}
	}
	if err := os.Chmod(s.hidden+"/f", 0o600); err != nil {
		s.Fatal(err)
	}
}

// state is what no command may change.
func (s *scenery) state() string {
	s.Helper()
	text := ""
	for _, dir := range []string{s.ro, s.hidden} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			s.Fatal(err)
		}
		for _, e := range entries {
			var st unix.Stat_t
			if err := unix.Lstat(dir+"/"+e.Name(), &st); err != nil {
				s.Fatal(err)
			}
			text += fmt.Sprintf("%s/%s %o %d %q\n", dir, e.Name(), st.Mode, st.Uid, rig.ReadFile(s, dir+"/"+e.Name()))
		}
	}
	return text
}

// shell runs a script of the caller's. In it $W calls ironwrap, and @ro, @home and
// @hidden are the places.
func (s *scenery) shell(mode, script string) rig.Result {
	s.Helper()
	w := "/usr/bin/sudo -n " + rig.Ours + " " + s.in.Dir + "/sudo.conf"
	if mode == "setuid" {
		w = s.in.Program + " " + s.in.Conf
	}
	c := exec.Command("/bin/sh", "-c", strings.NewReplacer("@ro", s.ro, "@home", s.u, "@hidden", s.hidden).Replace(script))
	c.Dir = "/"
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "W=" + w}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}, Setpgid: true}
	defer func() {
		if c.Process != nil {
			syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // what it left
		}
	}()
	return rig.RunCmd(s, c)
}

// hits tells whether a script got around the view.
func (s *scenery) hits(mode, script string) (bool, rig.Result) {
	s.Helper()
	s.reset()
	before := s.state()
	r := s.shell(mode, script)
	return s.state() != before || strings.Contains(r.Out+r.Err, "SECRET") || strings.Contains(r.Out, s.hidden[len("/tmp/"):]), r
}

const (
	// What docs/configuration.md and ironwrapctl check recommend, and what a command
	// with all rights of root's has.
	tightView = "read_only = /\nprivate_tmp = yes\ncapabilities = none\nno_new_privs = yes\nmemory_deny_write_execute = yes"
	wideView  = "read_only = @ro\nprivate_tmp = yes"
)

// libc has the calls that neither the shell's tools nor Python have.
const libc = `
import ctypes, os, sys, fcntl
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(ctypes.c_long(number), *[a if isinstance(a, (bytes, ctypes.Array, ctypes.Structure)) else ctypes.c_long(a) for a in args])
def write(path, dir=None):
    with open(os.open(path, os.O_WRONLY | os.O_APPEND, dir_fd=dir), "w") as f: f.write("x")
`

func python3(body string) string {
	return "$W python3 -c '" + strings.TrimSpace(libc) + "\n" + strings.TrimSpace(body) + "\n'"
}

// Each was tried without a view first, where it must succeed: else it is no attack.
func TestViewAttacks(t *testing.T) {
	s := newScenery(t)
	outside := func(start, path string) string {
		return start + " >/dev/null 2>&1 & echo x | $W tee -a " + path
	}
	type attack struct{ name, script string }
	attacks := []attack{
		{"a directory as standard error", "echo x | $W tee -a /proc/self/fd/2@ro/f 2</"},
		{"a directory as standard input", "$W sh -c 'echo x > /proc/self/fd/0/new' <@ro"},
		{"a directory as standard output", "$W sh -c 'echo x > /dev/fd/1/new' 1<@ro"},
		{"the parent of a directory", "$W sh -c 'echo x >> /dev/fd/2/../../@ro/f' 2</tmp"},
		{"the machine's /tmp as standard error", "$W ls /proc/self/fd/2/ 2</tmp"},
		{"a file in the machine's /tmp", "$W cat /dev/fd/2@hidden/f 2</"},
		{"a directory only named", "python3 -c 'import os; os.dup2(os.open(\"/\", os.O_PATH), 2); os.execvp(\"sh\", [\"sh\", \"-c\", \"echo x | $W tee -a /dev/fd/2@ro/f\"])'"},
		{"a file only named", "python3 -c 'import os; os.dup2(os.open(\"@ro/f\", os.O_PATH), 2); os.execvp(\"sh\", [\"sh\", \"-c\", \"echo x | $W tee -a /dev/fd/2\"])'"},
		{"a file opened for reading as standard error", "echo x | $W tee -a /dev/fd/2 2<@ro/f"},
		{"as standard input", "$W sh -c 'echo x >> /dev/stdin' <@ro/f"},
		{"as standard output", "$W sh -c 'echo x >> /dev/fd/1' 1<@ro/f"},
		{"twice", "$W sh -c 'echo x >> /dev/fd/2' <@ro/f 2<&0"},
		{"its mode", "$W chmod 4777 /dev/stdin <@ro/f"},
		{"its owner", "$W chown 65534 /dev/fd/2 2<@ro/f"},
		{"its length", "$W truncate -s 0 /proc/self/fd/0 <@ro/f"},
		{"by descriptor", python3("os.fchmod(0, 0o4777)") + " <@ro/f"},
		{"its attributes", "setfattr 2>&1 | head -n 0; " + python3("os.utime(0, (1, 1)); os.fchown(0, 65534, -1)") + " <@ro/f"},
		{"of the thread", "$W sh -c 'echo x >> /proc/thread-self/fd/0' <@ro/f"},

		{"the root directory of another process", outside("sleep 60", "/proc/$!/root@ro/f")},
		{"that of its thread", outside("sleep 60", "/proc/$!/task/$!/root@ro/f")},
		{"its working directory", outside("cd @ro; sleep 60", "/proc/$!/cwd/f")},
		{"its file", outside("sleep 60 3<@ro/f", "/proc/$!/fd/3")},
		{"its file in a directory", outside("sleep 60 3</", "/proc/$!/fd/3@ro/f")},
		{"root's process from another filter", "$W tail --pid=$$ -f /dev/null >/dev/null 2>&1 & sleep 0.3; $W sh -c 'for p in $(pidof tail); do echo x >> /proc/$p/root@ro/f; done'"},
		{"the parent", "$W sh -c 'echo x >> /proc/$PPID/root@ro/f'"},
		{"what is mapped", "python3 -c '\nimport mmap, time\nf = open(\"@ro/f\")\nm = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\nopen(\"@home/at\", \"w\").write([l.split()[0] for l in open(\"/proc/self/maps\") if \"@ro/f\" in l][0])\ntime.sleep(60)' >/dev/null 2>&1 & " +
			"until [ -s @home/at ]; do sleep 0.1; done; A=$(cat @home/at | sed 's/\\b0*\\([0-9a-f]\\)/\\1/g'); $W sh -c \"echo x >> /proc/$!/map_files/$A\""},

		{"the machine's namespace", "sleep 60 >/dev/null 2>&1 & $W nsenter --target $! --mount sh -c 'echo x >> @ro/f'"},
		{"that of the caller, open", "$W nsenter --mount=/dev/stdin sh -c 'echo x >> @ro/f' </proc/self/ns/mnt"},
		{"a namespace beside", "$W python3 -c '\nimport fcntl, os, ctypes\nfd = os.open(\"/proc/self/ns/mnt\", os.O_RDONLY)\nclass Info(ctypes.Structure): _fields_ = [(\"size\", ctypes.c_uint), (\"n\", ctypes.c_uint), (\"id\", ctypes.c_ulong)]\n" +
			"libc = ctypes.CDLL(None)\nwhile True:\n    fd = fcntl.ioctl(fd, 0x8010b70c, bytearray(16))\n    libc.setns(fd, 0x20000)\n    try: open(\"@ro/f\", \"a\").write(\"x\")\n    except OSError: pass\n'"},
		{"unmounting", "$W sh -c 'umount @ro; umount -l /tmp; umount -l /tmp; cat @hidden/f; echo x >> @ro/f'"},
		{"remounting", "$W sh -c 'mount -o remount,bind,rw @ro; echo x >> @ro/f'"},
		{"remounting all", "$W sh -c 'mount -o remount,bind,rw /; echo x >> @ro/f'"},
		{"binding", "$W sh -c 'mount --bind / /mnt; echo x >> /mnt@ro/f'"},
		{"moving", "$W sh -c 'mount --move @ro /mnt; echo x >> @ro/f'"},
		{"making it writable", python3(`
call(442, -100, b"@ro", 0, (ctypes.c_ulong * 4)(0, 1, 0, 0), 32)
write("@ro/f")`)},
		{"a writable copy", python3(`
tree = call(428, -100, b"/", 1 | 0x8000)
call(442, tree, b"", 0x1000 | 0x8000, (ctypes.c_ulong * 4)(0, 1, 0, 0), 32)
write("/proc/self/fd/%d@ro/f" % tree)`)},
		{"another root", "$W sh -c 'mount --bind / /mnt && cd /mnt && pivot_root . mnt; echo x >> @ro/f'"},
		{"a handle", python3(`
class Handle(ctypes.Structure): _fields_ = [("size", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_char * 128)]
h, mount = Handle(128), ctypes.c_int()
assert libc.name_to_handle_at(-100, b"@ro/f", ctypes.byref(h), ctypes.byref(mount), 0) == 0
fd = libc.open_by_handle_at(os.open("/usr", os.O_RDONLY), ctypes.byref(h), os.O_WRONLY | os.O_APPEND)
os.write(fd, b"x")`)},

		{"what others open", "(while sleep 0.1; do cat @ro/f; done) >/dev/null 2>&1 & " + python3(`
group = call(300 if os.uname().machine == "x86_64" else 262, 0, os.O_RDWR)
assert group >= 0 and libc.fanotify_mark(group, 1, ctypes.c_ulong(0x20), -100, b"@ro/f") == 0
event = os.read(group, 24)
os.fchmod(int.from_bytes(event[16:20], "little"), 0o4777)`)},
		{"a directory that others open", "(while sleep 0.1; do ls @ro; done) >/dev/null 2>&1 & " + python3(`
group = call(300 if os.uname().machine == "x86_64" else 262, 0, os.O_RDONLY)
assert group >= 0 and libc.fanotify_mark(group, 1, ctypes.c_ulong(0x20 | 0x40000000), -100, b"@ro") == 0
event = os.read(group, 24)
write("f", int.from_bytes(event[16:20], "little"))`)},

		{"the working directory", "cd @ro && $W sh -c 'echo x >> f'"},
		{"the working directory of another process", "(cd @ro; exec sleep 60) >/dev/null 2>&1 & sleep 0.1; cd /proc/$!/cwd && $W sh -c 'echo x >> f'"},
		{"the machine's /tmp as working directory", "cd @hidden && $W cat f"},
		{"the parent of the working directory", "cd @hidden && $W cat ../..@hidden/f"},
	}
	if !rig.FirstProcesses() { // NS_MNT_GET_NEXT is for that pid namespace alone
		attacks = slices.DeleteFunc(attacks, func(a attack) bool { return a.name == "a namespace beside" })
	}
	for _, mode := range []string{"sudo", "setuid"} {
		s.confine("private_mounts = yes")
		if hit, r := s.hits(mode, "$W cat @ro/f"); hit {
			t.Fatalf("%s: reading alone is no attack: %v", mode, r)
		}
		for _, a := range attacks {
			if hit, r := s.hits(mode, a.script); !hit {
				t.Errorf("%s, %s: without a view it does nothing: %v", mode, a.name, r)
			}
		}
		for _, lines := range []string{tightView, wideView, "landlock_rw = /\n" + wideView} {
			s.confine(lines)
			for _, a := range attacks {
				if hit, r := s.hits(mode, a.script); hit {
					t.Errorf("%s, %s: around\n%s\n%v\n%s", mode, a.name, lines, r, s.state())
				}
			}
		}
	}
}

// A user has all capabilities in a user namespace of their making, and there finds
// mounts that no view covers. Such namespaces are entered by what opens them: a handle
// of the kernel's (Linux 6.18), without any capability.
func TestViewNamespaceByHandle(t *testing.T) {
	s := newScenery(t)
	handles := namespaceHandles(t)
	script := python3(`
for h in "` + handles + `".split():
    fd = libc.open_by_handle_at(-10003, ctypes.create_string_buffer(bytes.fromhex(h) + bytes(16)), os.O_RDONLY) # FD_NSFS_ROOT
    if fd >= 0: libc.setns(fd, 0)
write("@ro/f")`)
	for _, mode := range []string{"sudo", "setuid"} {
		for _, capabilities := range []string{"", "capabilities = none\n", "capabilities = none\nno_new_privs = yes\n"} {
			s.confine(capabilities + "private_mounts = yes")
			if hit, r := s.hits(mode, script); !hit {
				t.Fatalf("%s: without a view it does nothing: %v", mode, r)
			}
			for _, view := range []string{wideView, "read_only = /", "read_only = @ro\nlandlock_rw = /"} {
				s.confine(capabilities + view)
				if hit, r := s.hits(mode, script); hit {
					t.Errorf("%s, %q: %v\n%s", mode, capabilities+view, r, s.state())
				}
			}
		}
	}
}

// namespaceHandles starts a process of root's in namespaces of its own and returns the
// handles (struct file_handle, in hexadecimal) of its user and its mount namespace.
func namespaceHandles(t *testing.T) string {
	t.Helper()
	c := exec.Command("unshare", "--user", "--map-root-user", "--mount", "/usr/bin/python3", "-c", libc+`
for kind in "user", "mnt":
    h = ctypes.create_string_buffer(b"\x80" + bytes(135)) # handle_bytes: 128
    fd, mount = os.open("/proc/self/ns/" + kind, os.O_RDONLY), ctypes.c_int()
    if libc.name_to_handle_at(fd, b"", h, ctypes.byref(mount), 0x1000) != 0: print("none"); sys.exit()
    print(h.raw[:8 + h.raw[0]].hex(), end=" ")
print(flush=True)
sys.stdin.read()`)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if line = strings.TrimSpace(line); line == "none" {
		t.Skip("this kernel gives no handles of namespaces (Linux 6.18): that none leads out of a view was not checked")
	}
	return line
}

// What cannot be made to hold is refused with one line that says what it is.
func TestViewRefusals(t *testing.T) {
	s := newScenery(t)
	for _, mode := range []string{"sudo", "setuid"} {
		for _, lines := range []string{tightView, wideView} {
			s.confine(lines)
			for script, why := range map[string]string{
				"$W cat </":                 "standard input (descriptor 0): it is a directory",
				"$W cat </proc/self/ns/mnt": "standard input (descriptor 0): it is a namespace",
				"$W cat </proc/self/ns/net": "it is a namespace",
				"cd /tmp; $W echo ran":      `the working directory "/tmp" is not there any more`,
				"cd @hidden; $W echo ran":   "the working directory ",
				"python3 -c 'import os; os.dup2(os.open(\"@ro/f\", os.O_PATH), 0); os.execvp(\"sh\", [\"sh\", \"-c\", \"exec $W echo ran\"])'": "standard input (descriptor 0): it is a descriptor that only names a file (O_PATH)",
			} {
				r := s.shell(mode, script)
				if r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, why) {
					t.Errorf("%s, %s: not status 97 and one line with %q: %v", mode, script, why, r)
				}
			}
		}
	}
	// What the view covers cannot be changed through what is open, and the command is
	// told so.
	s.confine(tightView)
	for _, script := range []string{
		"$W chmod 666 /dev/stdin </dev/null", "$W chmod 666 /dev/fd/2 2>/dev/null; $W chmod 666 /dev/stdout >/dev/null", "$W chmod 644 /dev/stdin <@ro/f", "$W sh -c 'echo x >> /dev/stdin' <@ro/f",
	} {
		if r := s.shell("sudo", script); !strings.Contains(r.Err, "Read-only file system") {
			t.Errorf("%s: %v", script, r)
		}
	}
	// Namespaces and directories are nothing to a command without a view.
	s.confine("private_mounts = yes\ncapabilities = none")
	if r := s.shell("sudo", "$W echo ran </; $W echo ran </proc/self/ns/mnt"); r.Out != "ran\nran\n" {
		t.Errorf("%v", r)
	}
}

// What a view must not take away.
func TestViewNeighbours(t *testing.T) {
	rig.Need(t, "bsdutils", "/usr/bin/script")
	s := newScenery(t)
	for _, mode := range []string{"sudo", "setuid"} {
		for _, lines := range []string{tightView, wideView} {
			s.confine(lines)
			for script, want := range map[string]string{
				"$W cat <@ro/f":                "first\nsecond\n",
				"$W cat <@home/f":              "first\nsecond\n",
				"$W cat /dev/stdin <@ro/f":     "first\nsecond\n",
				"{ read x; $W cat; } <@ro/f":   "second\n",
				"{ read x; $W cat; } <@home/f": "second\n",
				"{ echo a; $W echo b; echo c; } >@home/new; cat @home/new":                          "a\nb\nc\n",
				"{ echo a; $W sh -c 'echo b; echo d >&2'; echo c; } >@home/new 2>&1; cat @home/new": "a\nb\nd\nc\n",
				"echo a >@home/new; $W echo b >>@home/new; echo c >>@home/new; cat @home/new":       "a\nb\nc\n",
				"exec 3<>@home/new; $W echo b >&3; echo c >&3; cat @home/new":                       "b\nc\n",
				"echo hi | $W cat | cat":                                     "hi\n",
				"mkfifo @home/p; echo hi >@home/p & $W cat <@home/p":         "hi\n",
				"$W cat </dev/null >/dev/null 2>/dev/null; echo $?":          "0\n",
				"$W head -c 4 </dev/zero | tr '\\0' z":                       "zzzz",
				"$W echo hi 2>/dev/full":                                     "hi\n",
				"cp @home/f @home/t; exec 3<@home/t; rm @home/t; $W cat <&3": "first\nsecond\n",
				"python3 -c 'import os, sys; fd = os.memfd_create(\"x\"); os.write(fd, b\"hi\"); os.lseek(fd, 0, 0); os.dup2(fd, 0); sys.stdout.flush(); os.execvp(\"sh\", [\"sh\", \"-c\", \"$W cat\"])'":      "hi",
				"python3 -c 'import os, socket; a, b = socket.socketpair(); a.send(b\"hi\"); a.shutdown(1); os.dup2(b.fileno(), 0); os.execvp(\"sh\", [\"sh\", \"-c\", \"$W cat\"])'":                           "hi",
				"python3 -c 'import os, fcntl; fd = os.open(\"@ro/f\", os.O_RDONLY | os.O_NONBLOCK); os.dup2(fd, 0); os.execvp(\"sh\", [\"sh\", \"-c\", \"$W sh -c \\\"grep flags /proc/self/fdinfo/0\\\"\"])'": "flags:\t0104000\n",
				// What ends its standard input script(1) sends on as ^D, and waits for somebody to read it.
				"mkfifo @home/q; script -qec \"$W tty\" /dev/null <>@home/q | tr -d '\\r' | sed 's/^.*\\(.dev.*[^0-9]\\)[0-9]*$/\\1/'": "/dev/pts/\n",
				// The command's own processes see each other.
				"$W sh -c 'sleep 5 & ls /proc/$!/root/usr >/dev/null && readlink /proc/$!/cwd; kill $!'": "/\n",
				// Files move and are linked between directories.
				"$W sh -c 'mkdir /tmp/a /tmp/b; echo x >/tmp/a/f; ln /tmp/a/f /tmp/b/g && cat /tmp/b/g'": "x\n",
				python3(`
os.mkdir("/tmp/a"); os.mkdir("/tmp/b"); open("/tmp/a/f", "w").write("x")
os.rename("/tmp/a/f", "/tmp/b/f"); print(os.listdir("/tmp/b"))`): "['f']\n",
			} {
				s.reset()
				if r := s.shell(mode, script); r.Out != want {
					t.Errorf("%s, %s\n%s: %v, not %q", mode, lines, script, r, want)
				}
			}
		}
		// What the view leaves as it is keeps its place for all who have it open.
		s.confine(wideView)
		s.reset()
		if r := s.shell(mode, "{ $W head -n 1; cat; } <@home/f"); r.Out != "first\nsecond\n" {
			t.Errorf("%s: %v", mode, r)
		}
	}
	// Its own sandbox rules let a command move files where they did.
	s.confine("private_tmp = yes\nlandlock_ro = /usr, /lib, /lib64, /etc\nlandlock_rw = @ro, /dev/null")
	if r := s.shell("sudo", python3(`
os.mkdir("@ro/a"); os.mkdir("@ro/b"); open("@ro/a/f", "w").write("x")
os.rename("@ro/a/f", "@ro/b/f"); os.link("@ro/b/f", "@ro/a/g"); print(os.listdir("@ro/b"))`)); r.Out != "['f']\n" {
		t.Errorf("%v", r)
	}
}

// The daemon's launchers get the places with the order.
func TestViewDaemon(t *testing.T) {
	p := rig.DaemonPolicy(t, "")
	for _, dir := range []string{"/ro", "/u"} {
		rig.Write(t, p.Dir+dir+"/f", "text\n")
	}
	if err := os.Chown(p.Dir+"/u", int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/", p.Dir+"/u/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(p.Dir+"/u/link", int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
		t.Fatal(err)
	}
	rig.Write(t, p.Filters, "[Filters]\nsh: CommandFilter, sh, root\ncat: CommandFilter, cat, root\n[Sandbox:sh]\nread_only = "+p.Dir+"/ro\nprivate_tmp = yes\n"+
		"[Sandbox:cat]\nlandlock_ro = "+p.Dir+"/u/link\n")
	s := rig.Serve(t, p)
	r := s.Client().Feed("", "sh", "-c", "ls -A /tmp; echo x > "+p.Dir+"/ro/f; echo y >> /proc/$PPID/root"+p.Dir+"/ro/f; echo ended")
	if r.Status != 0 || r.Out != "ended\n" || rig.ReadFile(t, p.Dir+"/ro/f") != "text\n" {
		t.Errorf("%v", r)
	}
	r = s.Client().Feed("", "cat", p.Dir+"/ro/f")
	if r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, p.Dir+"/u/link") {
		t.Errorf("a link of the caller's: %v", r)
	}
}
