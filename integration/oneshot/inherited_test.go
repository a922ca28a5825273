package oneshot

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

// What a caller can set that survives execve(2) (sandbox/inherited.go): a script of the
// caller's sets it and calls, and the command is asked what it is.

// numbers are the system calls of a Python script.
const numbers = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
x86 = os.uname().machine in ('x86_64', 'i686')
GETATTR, SETATTR = (315, 314) if x86 else (275, 274)
IOGET, IOSET = (252, 251) if x86 else (31, 30)
GETPOLICY, SETPOLICY = (239, 238) if x86 else (236, 237)
ADDKEY, KEYCTL = (248, 250) if x86 else (217, 219)
def prctl(*args):
    return libc.prctl(args[0], *[ctypes.c_ulong(a) for a in (args[1:] + (0, 0, 0, 0))[:4]])
def done(r):
    if r < 0: sys.exit('the test cannot set it: ' + os.strerror(ctypes.get_errno()))
def number(option):
    n = ctypes.c_int(-1)
    libc.prctl(option, ctypes.byref(n))
    return n.value
def sched(policy, nice=0, runtime=0, flags=0):
    attr = struct.pack('IIQiIQQQII', 56, policy, flags, nice, 0, runtime, 0, 0, 0, 0)
    done(libc.syscall(SETATTR, 0, attr, 0))
`

// selfPortrait prints what the command is, a name and a value a line.
const selfPortrait = numbers + `
attr = ctypes.create_string_buffer(56)
libc.syscall(GETATTR, 0, attr, 56, 0)
_, policy, flags, nice = struct.unpack('IIQi', attr.raw[:20])
mode = ctypes.c_int(-1)
libc.syscall(GETPOLICY, ctypes.byref(mode), None, 0, None, 0)
print('policy', policy)
print('reset-on-fork', flags & 1)
print('nice', nice)
print('slack', prctl(30))
print('personality', hex(libc.personality(0xffffffff)))
print('ioprio', libc.syscall(IOGET, 1, 0))
print('mempolicy', mode.value)
print('thp', prctl(42))
print('merge', max(prctl(68), 0))
print('flusher', max(prctl(58), 0))
print('mdwe', max(prctl(66), 0))
print('mce', prctl(34))
print('tsc', number(25))
print('subreaper', number(37))
print('pdeathsig', number(2))
print('securebits', prctl(27))
print('key', 'found' if libc.syscall(KEYCTL, 10, ctypes.c_long(-3), b'user', b'ironwrap', 0) > 0 else 'none')
print('affinity', len(os.sched_getaffinity(0)))
for line in open('/proc/self/limits'):
    if line.startswith('Max '): print(line[4:26].strip().replace(' ', '-'), *line[26:].split()[:2])
`

// inheritance is one thing that a caller sets.
type inheritance struct {
	name, set string
	key, want string // of the portrait
	root      bool   // only root can set it
	once      bool   // a child of the peer's does not have it, or sudo's does not
	dies      bool   // or ironwrap dies before anything runs
	instead   string // what is acceptable, too: nothing ran, and standard error holds this
}

var inheritances = []inheritance{
	{name: "timer slack", set: "done(prctl(29, 10**15))", key: "slack", want: "50000"},
	{name: "timer slack of a nanosecond", set: "done(prctl(29, 1))", key: "slack", want: "50000"},
	{name: "UNAME26", set: "done(libc.personality(0x0020000))", key: "personality", want: "0x0"},
	{name: "PER_LINUX32", set: "done(libc.personality(8))", key: "personality", want: "0x0"},
	{name: "WHOLE_SECONDS, STICKY_TIMEOUTS, ADDR_NO_RANDOMIZE", set: "done(libc.personality(0x6040000))", key: "personality", want: "0x0"},
	{name: "SCHED_IDLE", set: "sched(5)", key: "policy", want: "0"},
	{name: "SCHED_BATCH, nice", set: "sched(3, 7)", key: "policy", want: "0"},
	{name: "nice of a batch process", set: "sched(3, 7)", key: "nice", want: "0"},
	{name: "reset-on-fork", set: "sched(0, 0, 0, 1)", key: "reset-on-fork", want: "0", once: true},
	{name: "SCHED_FIFO", set: "os.sched_setscheduler(0, 1, os.sched_param(1))", key: "policy", want: "0", root: true},
	{name: "slack after SCHED_FIFO", set: "os.sched_setscheduler(0, 1, os.sched_param(1))", key: "slack", want: "50000", root: true},
	{name: "I/O priority, idle", set: "done(libc.syscall(IOSET, 1, 0, 3 << 13))", key: "ioprio", want: "0"},
	{name: "I/O priority, lowest", set: "done(libc.syscall(IOSET, 1, 0, (2 << 13) + 7))", key: "ioprio", want: "0"},
	{name: "memory policy, bind", set: "done(libc.syscall(SETPOLICY, 2, ctypes.byref(ctypes.c_ulong(1)), 64))", key: "mempolicy", want: "0"},
	{name: "memory policy, local", set: "done(libc.syscall(SETPOLICY, 4, None, 0))", key: "mempolicy", want: "0"},
	{name: "huge pages", set: "done(prctl(41, 1))", key: "thp", want: "0"},
	{name: "page merging", set: "done(prctl(67, 1))", key: "merge", want: "0"},
	{name: "machine checks, early", set: "done(prctl(33, 1, 1))", key: "mce", want: "2"},
	{name: "machine checks, late", set: "done(prctl(33, 1, 0))", key: "mce", want: "2"},
	{name: "time stamp counter", set: "done(prctl(26, 2))", key: "tsc", want: "1", once: true, dies: true},
	{name: "reaper", set: "done(prctl(36, 1))", key: "subreaper", want: "0", once: true},
	{name: "parent death signal", set: "done(prctl(1, 9))", key: "pdeathsig", want: "0", once: true},
	{name: "securebits", set: "done(prctl(28, 0x44))", key: "securebits", want: "0", root: true}, // NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE
	{name: "SECBIT_NOROOT", set: "done(prctl(28, 1))", key: "securebits", want: "0", root: true, instead: "CAP_SETGID is missing here"},
	{name: "session keyring", set: "done(libc.syscall(KEYCTL, 1, None))\ndone(libc.syscall(ADDKEY, b'user', b'ironwrap', b'secret', 6, ctypes.c_long(-3)))",
		key: "key", want: "none"},
	{name: "affinity, which stays", set: "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})", key: "affinity", want: "1", once: true},
	{name: "memory that is not executable", set: "done(prctl(65, 1))", key: "mdwe", want: "0",
		instead: "cannot reset what else is inherited: memory that is never both writable and executable (PR_SET_MDWE): the caller has set it, and it cannot be unset: "},
}

// portrait reads what the command said of itself.
func portrait(out string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		m[key] = value
	}
	return m
}

// shows complains unless the command ran as it should, or nothing ran.
func (i inheritance) shows(t *testing.T, r rig.Result) {
	t.Helper()
	if i.instead != "" && r.Status != 0 && r.Out == "" && strings.Contains(r.Err, i.instead) {
		return
	}
	if i.dies && r.Status == 128+int(syscall.SIGSEGV) && r.Out == "" {
		return
	}
	if have := portrait(r.Out); r.Status != 0 || r.Err != "" || have[i.key] != i.want {
		t.Errorf("%s is %q, not %q: %v", i.key, have[i.key], i.want, r)
	}
}

const callIt = "\nexecve(args[0], args, [b'PATH=/usr/bin:/bin', b'GOTRACEBACK=none'])\n"

func TestInherited(t *testing.T) {
	peers := rig.NewPolicy(t, "python3: CommandFilter, /usr/bin/python3, nobody")
	_, held := rig.Bounding(t)
	for _, user := range []string{"root", "nobody"} {
		allow := "python3: CommandFilter, /usr/bin/python3, " + user
		in, sudoed := rig.SetuidInstallation(t, allow, "allow_users="+rig.Caller.Name), rig.NewPolicy(t, allow)
		for _, i := range inheritances {
			t.Run(user+"/"+i.name, func(t *testing.T) {
				t.Parallel()
				script := numbers + i.set + callIt
				ask := []string{"python3", "-I", "-S", "-c", selfPortrait}
				// A service that root starts.
				c := rig.Without(t, script, append([]string{rig.Ours, sudoed.Conf}, ask...)...)
				if i.key == "key" { // whose keys are its own, unless it is somebody's sudo
					c = rig.Without(t, script[:len(script)-len(callIt)]+"\nexecve(args[0], args, [b'SUDO_UID=65534'])\n", append([]string{rig.Ours, sudoed.Conf}, ask...)...)
				}
				i.shows(t, rig.RunCmd(t, c))
				if i.root {
					return
				}
				if i.name != "page merging" || held>>unix.CAP_SYS_RESOURCE&1 == 1 {
					i.shows(t, rig.RunCmd(t, in.Attack(t, script, append([]string{in.Conf}, ask...)...)))
				}
				sudo := func(program, conf string) rig.Result {
					c := rig.Without(t, script, append([]string{"/usr/bin/sudo", "-n", program, conf}, ask...)...)
					c.Dir = "/var/lib/" + rig.Caller.Name
					c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}}
					return rig.RunCmd(t, c)
				}
				i.shows(t, sudo(rig.Ours, sudoed.Conf))
				// The peer hands it on.
				if user == "root" && !i.once {
					if r := sudo(rig.Peer, peers.Conf); r.Status != 0 || portrait(r.Out)[i.key] == i.want {
						t.Errorf("the peer hands it on no more: %v", r)
					}
				}
			})
		}
	}
}

// A daemon does not keep what its starter was for all its clients, in a launcher that
// stays, and in one that becomes the command.
func TestInheritedByDaemon(t *testing.T) {
	p := rig.DaemonPolicy(t, "")
	script, want := numbers, map[string]string{}
	for _, i := range inheritances {
		if i.instead == "" && !i.dies && i.name != "affinity, which stays" {
			script += i.set + "\n"
			want[i.key] = i.want
		}
	}
	script += "execve(args[0], args, [b'PATH=/usr/bin:/bin', b'SUDO_UID=" + strconv.Itoa(int(rig.Caller.UID)) + "', b'SUDO_GID=" + strconv.Itoa(int(rig.Caller.GID)) + "'])\n"
	c := rig.Without(t, script, rig.OursDaemon, p.Conf)
	c.Dir = "/"
	s := rig.Await(t, p, c)
	for _, user := range []string{"root", "nobody"} {
		rig.Write(t, p.Filters, "[Filters]\npython3: CommandFilter, /usr/bin/python3, "+user+"\n"+rig.AllowTrue+"\n")
		client := s.Client()
		for range 2 {
			r := client.Run("python3", "-I", "-S", "-c", selfPortrait)
			have := portrait(r.Out)
			for key, value := range want {
				if key == "pdeathsig" && user == "root" {
					value = "9" // the launcher's: who kills it kills the command
				}
				if have[key] != value {
					t.Errorf("%s: %s is %q, not %q: %v", user, key, have[key], value, r)
				}
			}
		}
	}
	// The daemon is no reaper, nor slow.
	slack, err := os.ReadFile(fmt.Sprintf("/proc/%d/timerslack_ns", s.Pid))
	if err != nil || string(slack) != "50000\n" {
		t.Errorf("the daemon's slack: %q, %v", slack, err)
	}
	s.DropAll()
}

// No command of the daemon's finds a key that another has left in its session.
func TestInheritedKeysBetweenCommands(t *testing.T) {
	p := rig.DaemonPolicy(t, "python3: CommandFilter, /usr/bin/python3, root\n"+rig.AllowTrue)
	s := rig.Serve(t, p)
	client := s.Client()
	rig.As(rig.Caller, nil, func() {
		c := s.Dial()
		other := s.Over(c)
		if err := other.Authenticate(s.Key, ""); err != nil {
			t.Error(err)
			return
		}
		other.Call(`[null, "accept_connection", ["test"], {}]`)
		client = other
	})
	leave := numbers + "done(libc.syscall(ADDKEY, b'user', b'ironwrap', b'secret', 6, ctypes.c_long(-3)))\n" + selfPortrait
	for range 3 {
		if r := client.Run("python3", "-I", "-S", "-c", leave); portrait(r.Out)["key"] != "found" {
			t.Errorf("its own key: %v", r)
		}
		if r := client.Run("python3", "-I", "-S", "-c", selfPortrait); portrait(r.Out)["key"] != "none" {
			t.Errorf("a key of an earlier command's: %v", r)
		}
	}
	s.DropAll()
}

// A new session keyring leads to the keys of the user who the command runs as, as no
// session keyring at all does; private_keyring says otherwise.
func TestInheritedUserKeys(t *testing.T) {
	const add = numbers + "done(libc.syscall(ADDKEY, b'user', b'ironwrap', b'secret', 6, ctypes.c_long(-4)))\n"
	const drop = numbers + "k = libc.syscall(KEYCTL, 10, ctypes.c_long(-4), b'user', b'ironwrap', 0)\nlibc.syscall(KEYCTL, 9, k, ctypes.c_long(-4))\n"
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for _, script := range []string{add, drop} {
		c := exec.Command("/usr/bin/python3", "-I", "-S", "-c", script)
		c.SysProcAttr = nobody
		if script == drop {
			defer c.Run()
			continue
		}
		if r := rig.RunCmd(t, c); r.Status != 0 {
			t.Fatal(r)
		}
	}
	for lines, want := range map[string]string{"": "found", "private_keyring = yes": "none"} {
		p := rig.NewPolicy(t, "python3: CommandFilter, /usr/bin/python3, nobody\n[Sandbox:python3]\n"+lines)
		if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "python3", "-I", "-S", "-c", selfPortrait); portrait(r.Out)["key"] != want {
			t.Errorf("%q: the user's key: %v", lines, r)
		}
	}
	// The caller's own is kept where the section says so, and root's is root's.
	script := numbers + "done(libc.syscall(KEYCTL, 1, None))\ndone(libc.syscall(ADDKEY, b'user', b'ironwrap', b'secret', 6, ctypes.c_long(-3)))" + callIt
	p := rig.NewPolicy(t, "python3: CommandFilter, /usr/bin/python3, root\n[Sandbox:python3]\nprivate_keyring = no")
	c := rig.Without(t, script, "/usr/bin/sudo", "-n", rig.Ours, p.Conf, "python3", "-I", "-S", "-c", selfPortrait)
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}}
	c.Dir = "/var/lib/" + rig.Caller.Name
	if r := rig.RunCmd(t, c); portrait(r.Out)["key"] != "found" {
		t.Errorf("private_keyring = no: %v", r)
	}
	p = rig.NewPolicy(t, "python3: CommandFilter, /usr/bin/python3, root")
	if r := rig.RunCmd(t, rig.Without(t, script, rig.Ours, p.Conf, "python3", "-I", "-S", "-c", selfPortrait)); portrait(r.Out)["key"] != "found" {
		t.Errorf("root's own: %v", r)
	}
}

// The attack as it was reported: root's sleep 1 took 24 seconds, and so could our own
// wait for a name service.
func TestInheritedTimerSlackWait(t *testing.T) {
	p := rig.NewPolicy(t, "sleep: CommandFilter, sleep, root\nuname: CommandFilter, uname, root")
	r := rig.RunCmd(t, rig.Without(t, numbers+"done(prctl(29, 10**15))"+callIt, rig.Ours, p.Conf, "sleep", "1"))
	if r.Status != 0 || r.Elapsed > 5*time.Second {
		t.Errorf("sleep 1 took %v: %v", r.Elapsed, r)
	}
	want := rig.Run(t, "/usr/bin/uname", "-rm")
	if r := rig.RunCmd(t, rig.Without(t, numbers+"done(libc.personality(0x0020008))"+callIt, rig.Ours, p.Conf, "uname", "-rm")); r.Out != want.Out {
		t.Errorf("uname: %v, not %v", r, want)
	}
}

// What cannot be unset is not refused where the section says that it may be so.
func TestInheritedMDWE(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root\n[Sandbox:id]\nmemory_deny_write_execute = yes", "allow_users="+rig.Caller.Name)
	r := rig.RunCmd(t, in.Attack(t, numbers+"done(prctl(65, 1))"+callIt, in.Conf, "id", "-u"))
	if r.Status != 0 || r.Out != "0\n" {
		t.Errorf("%v", r)
	}
}
