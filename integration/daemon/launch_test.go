package daemon

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/integration/rig"
	"ironwrap/sandbox"
)

// orderToTouch is what the daemon would send to a launcher for it to make path, with
// three descriptors beside it.
func orderToTouch(t testing.TB, path string) []byte {
	t.Helper()
	order, _, err := (&launch.Order{Command: &launch.Command{
		Argv: filters.Words([]string{"/usr/bin/touch", path}),
		Spec: sandbox.Spec{Umask: 0o022, NoFile: 1024, Capabilities: sandbox.Capabilities{All: true}},
	}}).Message()
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// give sends an order, and /dev/null thrice for the command's standard descriptors.
func give(t testing.TB, socket int, order []byte) {
	t.Helper()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	if err := unix.Sendmsg(socket, order, unix.UnixRights(fd, fd, fd), nil, unix.MSG_NOSIGNAL); err != nil {
		t.Fatal(err)
	}
}

func socketPair(t testing.TB) (near, far *os.File) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far = os.NewFile(uintptr(pair[0]), "near"), os.NewFile(uintptr(pair[1]), "far")
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// launchBy starts a program of root's with a launcher's descriptor, on which an
// order waits.
func launchBy(t testing.TB, order []byte, argv ...string) rig.Result {
	t.Helper()
	near, far := socketPair(t)
	give(t, int(near.Fd()), order)
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir, c.Env, c.ExtraFiles = "/", []string{"PATH=/usr/bin:/bin"}, []*os.File{far}
	return rig.RunCmd(t, c)
}

// attacker makes descriptor 3 what its first argument says, with an order waiting
// on it as far as there can be one, and starts a program that has it.
const attacker = `
import json, os, socket, subprocess, sys, threading
mode, order, dir, where, *argv = sys.argv[1:]
order = bytes.fromhex(order)
os.chdir(dir)
def listening(name):
    s = socket.socket(socket.AF_UNIX)
    s.bind(name)
    s.listen()
    return s
null = os.open('/dev/null', os.O_RDWR)
def give(s):
    socket.send_fds(s, [order], [null] * 3)
def pair(kind=socket.SOCK_STREAM, family=socket.AF_UNIX):
    near, far = socket.socketpair(family, kind)
    give(near)
    return near, far
stdin = subprocess.DEVNULL
if mode == 'file':
    open('order', 'wb').write(order)
    keep = fd = open('order', 'r+b')
elif mode == 'pipe':
    r, w = os.pipe()
    os.write(w, order)
    fd = os.fdopen(r, 'rb')
elif mode == 'pair':
    keep, fd = pair()
elif mode == 'closed pair':
    keep, fd = pair()
    keep.close()
elif mode == 'packets':
    keep, fd = pair(socket.SOCK_SEQPACKET)
elif mode == 'datagrams':
    keep, fd = pair(socket.SOCK_DGRAM)
elif mode == 'tcp':
    s = socket.create_server(('127.0.0.1', 0))
    fd = socket.create_connection(s.getsockname())
    keep = s.accept()[0]
    keep.sendall(order)
elif mode in ('connected', 'accepted', 'connected abstract', 'accepted abstract'):
    name = '\0ironwrap-test-%d' % os.getpid() if 'abstract' in mode else 'listen-%d' % os.getpid()
    s = listening(name)
    a = socket.socket(socket.AF_UNIX)
    a.connect(name)
    b = s.accept()[0]
    keep, fd = (b, a) if 'connected' in mode else (a, b)
    give(keep)
elif mode == 'connected to root':
    fd = socket.socket(socket.AF_UNIX)
    fd.connect(where)
elif mode == 'listening':
    fd = listening('listen-%d' % os.getpid())
elif mode == 'unconnected':
    fd = socket.socket(socket.AF_UNIX)
elif mode == 'standard input':
    keep, stdin = pair()
    fd = open('/dev/null')
else:
    raise ValueError(mode)
os.dup2(fd.fileno(), 3, inheritable=True)
r = subprocess.run(argv, pass_fds=[3], stdin=stdin, capture_output=True, timeout=50)
print(json.dumps([r.returncode, r.stdout.decode(), r.stderr.decode()]))
`

// Whatever a sudoers line lets a caller do with the installed programs, a launcher
// takes an order from nobody but the daemon that has started it.
func TestDaemonForgedOrders(t *testing.T) {
	p := rig.DaemonPolicy(t, "launch: CommandFilter, "+rig.OursLaunch+", root\n"+rig.AllowTrue)
	mark := p.Dir + "/mark"
	order := orderToTouch(t, mark)
	executed := func() bool {
		_, err := os.Stat(mark)
		os.Remove(mark)
		return err == nil
	}

	// The control: the order is good, and so is the way.
	if r := launchBy(t, order, rig.OursLaunch); r.Status != 0 || !executed() {
		t.Fatalf("a good order is not carried out: %v", r)
	}

	refused := func(what string, r rig.Result, why string) {
		t.Helper()
		if executed() {
			t.Errorf("%s: it was executed", what)
		}
		if r.Status != 1 || r.Out != "" || !rig.OneLine(r.Err) || !strings.Contains(r.Err, why) {
			t.Errorf("%s: not status 1 and %q: %v", what, why, r)
		}
	}
	const notOurs = "ironwrap-launch: not started by ironwrap-daemon, which alone can use it: "
	// By root, with a pair that another process than the parent has made.
	refused("from a shell", launchBy(t, order, "/bin/sh", "-c", rig.OursLaunch+"; exit $?"), notOurs)
	refused("below another process", launchBy(t, order, "/usr/bin/env", "-i", "/bin/sh", "-c", rig.OursLaunch+" --serve 3; exit $?"), notOurs)
	refused("in another process id namespace", launchBy(t, order, "/usr/bin/unshare", "--pid", "--fork", rig.OursLaunch), notOurs)
	refused("not as root", launchBy(t, order, "/usr/bin/setpriv", "--reuid", "65534", "--", "/bin/sh", "-c", "exec "+copyFor(t, rig.OursLaunch)), "not run as root")
	r := rig.Run(t, rig.OursLaunch)
	refused("by root, with nothing", r, notOurs)

	// A listener of root's that gives the order to whoever connects.
	listener, err := net.Listen("unix", p.Dir+"/listener")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.Chmod(p.Dir+"/listener", 0o666); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			null, _ := os.OpenFile("/dev/null", os.O_RDWR, 0)
			fd := int(null.Fd())
			c.(*net.UnixConn).WriteMsgUnix(order, unix.UnixRights(fd, fd, fd), nil)
			null.Close()
		}
	}()

	s := rig.Serve(t, p)
	before := settle(s)
	dir := filepath.Join("/var/lib", rig.Caller.Name)
	for _, pty := range []string{"!use_pty", "use_pty"} {
		rule := fmt.Sprintf("%[1]s ALL = (ALL) NOPASSWD: SETENV: %[2]s, %[3]s, %[4]s\nDefaults:%[1]s closefrom_override, %[5]s, !env_reset\n", rig.Caller.Name, rig.OursLaunch, rig.OursDaemon, rig.Ours, pty)
		rig.Sudoers(t, rig.Caller.Name+"-forged", rule)
		forge := func(mode, where string, argv ...string) rig.Result {
			t.Helper()
			sudo := append([]string{"/usr/bin/sudo", "-n", "-C", "4"}, argv...)
			r := rig.RunAs(t, rig.Caller, append([]string{"/usr/bin/python3", "-Ssc", attacker, mode, hex.EncodeToString(order), dir, where}, sudo...)...)
			var got rig.Result
			if err := json.Unmarshal([]byte(r.Out), &[]any{&got.Status, &got.Out, &got.Err}); err != nil {
				t.Fatalf("%s: the attacker failed: %v", mode, r)
			}
			got.Err = strings.ReplaceAll(got.Err, "\r\n", "\n")
			return got
		}
		for _, mode := range rig.Words("file pipe pair tcp packets datagrams connected accepted listening unconnected") {
			refused(mode+", "+pty, forge(mode, "", rig.OursLaunch), notOurs)
		}
		if pty == "!use_pty" { // who the parent is makes no difference to what follows
			continue
		}
		for _, mode := range []string{"closed pair", "connected abstract", "accepted abstract", "standard input"} {
			refused(mode+", "+pty, forge(mode, "", rig.OursLaunch), notOurs)
		}
		refused("root's listener, "+pty, forge("connected to root", p.Dir+"/listener", rig.OursLaunch), notOurs)
		refused("connection to the daemon, "+pty, forge("connected to root", s.Path, rig.OursLaunch), notOurs)
		refused("any arguments, "+pty, forge("pair", "", rig.OursLaunch, "--help", p.Conf, "3", "true"), notOurs)
		refused("any environment, "+pty, forge("pair", "", "LISTEN_FDS=1", "LISTEN_PID=1", "GODEBUG=x=1", "GOTRACEBACK=crash", "SUDO_UID=0", rig.OursLaunch), notOurs)

		// The other programs start a launcher of the caller's no better.
		for _, argv := range [][]string{{rig.Ours, p.Conf, rig.OursLaunch}, {rig.Ours, p.Conf, "ironwrap-launch"}} {
			for _, mode := range []string{"pair", "standard input"} {
				refused(fmt.Sprintf("%q with %s, %s", argv, mode, pty), forge(mode, "", argv...), notOurs)
			}
		}
		for _, argv := range [][]string{
			{"LISTEN_FDS=1", "LISTEN_PID=1", "NOTIFY_SOCKET=" + dir + "/x", rig.OursDaemon, dir + "/own.conf"}, {rig.OursDaemon, "/dev/fd/3"}, {rig.OursDaemon, "/proc/self/fd/3"}} {
			if err := os.WriteFile(dir+"/own.conf", []byte("[DEFAULT]\nfilters_path="+dir+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			os.Chown(dir+"/own.conf", int(rig.Caller.UID), int(rig.Caller.GID))
			for _, mode := range []string{"file", "pair"} {
				if r := forge(mode, "", argv...); r.Status != 97 || r.Out != "" || !rig.OneLine(r.Err) || executed() {
					t.Errorf("%q with %s, %s: %v", argv, mode, pty, r)
				}
			}
		}
	}
	// A launcher that is a command of the daemon's, with the order for its input.
	for _, word := range []string{rig.OursLaunch, "ironwrap-launch"} {
		refused("command of the daemon's", s.Client().Feed(string(order), word), notOurs)
	}
	s.DropAll()
	same(s, before)

	// An order that is cut, or garbled, is carried out by nobody.
	for what, bad := range map[string][]byte{"cut": order[:len(order)-1], "a byte more": append(append([]byte(nil), order...), 0), "twice": append(append([]byte(nil), order...), order...),
		"no order": order[:5], "half a length": order[:3], "another format": append(append(append([]byte(nil), order[:5]...), 9), order[6:]...)} {
		near, far := socketPair(t)
		give(t, int(near.Fd()), bad)
		unix.Shutdown(int(near.Fd()), unix.SHUT_WR)
		c := exec.Command(rig.OursLaunch)
		c.ExtraFiles = []*os.File{far}
		r := rig.RunCmd(t, c)
		if ok := executed(); ok != (what == "a byte more" || what == "twice") {
			t.Errorf("%s: executed: %v; %v", what, ok, r)
		}
	}
}

// copyFor makes a copy of a program that everybody may execute.
func copyFor(t testing.TB, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := dir + "/" + filepath.Base(program)
	if out, err := exec.Command("/bin/sh", "-c", `cp "$1" "$2"; chmod 755 "$2" "${2%/*}"`, "sh", program, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}
