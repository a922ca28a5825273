package daemon

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec/call"
	"ironwrap/integration/rig"
)

// ofLauncher is more than a launcher that stays takes in descriptors of the daemon's.
const ofLauncher = 6

// dial connects to a socket for calls, by the rights of uid.
func dial(t testing.TB, socket string, uid int) *net.UnixConn {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	become := func(id int) {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(id), ^uintptr(0)); errno != 0 {
			t.Fatal(errno)
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	become(uid)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: socket})
	become(0)
	f := os.NewFile(uintptr(fd), "call")
	defer f.Close()
	c, connErr := net.FileConn(f)
	if err != nil || connErr != nil {
		t.Fatalf("%v, %v", err, connErr)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.UnixConn)
}

// Who asks is who connected: neither who sends, nor what is sent.
func TestCallForgedCredentials(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell)
	socket := p.Calls(t)
	rig.Serve(t, p)
	const stranger = 54321
	null, dir := open(t, "/dev/null", unix.O_RDWR), open(t, "/", unix.O_PATH|unix.O_DIRECTORY)
	rights := unix.UnixRights(null, null, null, dir)
	root := unix.UnixCredentials(&unix.Ucred{Pid: int32(os.Getpid())})
	for _, tt := range []struct {
		name   string
		uid    int
		beside []byte
		ran    bool
	}{
		{"a stranger's connection that root writes to", stranger, rights, false},
		{"and root's credentials beside", stranger, append(root, rights...), false},
		{"credentials in the place of descriptors", int(rig.Caller.UID), root, false},
		{"the caller's", int(rig.Caller.UID), rights, true},
	} {
		marker := p.Dir + "/marker"
		c := dial(t, socket, tt.uid)
		_, err := c.Write(callMessage(t, "sh", "-c", "touch "+marker))
		if err == nil {
			_, _, err = c.WriteMsgUnix([]byte{call.FilesByte}, tt.beside, nil)
		}
		if err != nil && tt.ran {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		all, _ := io.ReadAll(c)
		if a := answered(t, all); a.Ran != tt.ran {
			t.Errorf("%s: %+v", tt.name, a)
		}
		if _, err := os.Stat(marker); (err == nil) != tt.ran {
			t.Errorf("%s: %v", tt.name, err)
		}
		os.Remove(marker)
	}
	// What the client says of itself is nothing to the daemon.
	c := rig.Calling(socket, "sh", "-c", "echo $SUDO_UID $LISTEN_PID $HOME")
	c.Env = []string{"SUDO_UID=0", "SUDO_USER=root", "LISTEN_PID=1", "HOME=/tmp", "USER=root"}
	if r := rig.RunCmd(t, c); r.Out != "/root\n" {
		t.Errorf("%v", r)
	}
}

// A directory counts as the client's when the client could enter it.
func TestCallWorkingDirectory(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell)
	conf, err := os.ReadFile(p.Conf)
	if err != nil {
		t.Fatal(err)
	}
	rig.Write(t, p.Conf, string(conf)+"audit_file="+p.Dir+"/audit\n")
	socket := p.Calls(t)
	rig.Serve(t, p)
	secret := p.Dir + "/secret"
	if err := os.Mkdir(secret, 0o700); err != nil {
		t.Fatal(err)
	}
	null, held := open(t, "/dev/null", unix.O_RDWR), open(t, secret, unix.O_PATH|unix.O_DIRECTORY)
	for mode, ran := range map[os.FileMode]bool{0o700: false, 0o711: true} {
		if err := os.Chmod(secret, mode); err != nil {
			t.Fatal(err)
		}
		// To hold it is not enough.
		c := dial(t, socket, int(rig.Caller.UID))
		askOn(t, c, callMessage(t, "sh", "-c", ":"), null, null, null, held)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		all, _ := io.ReadAll(c)
		if a := answered(t, all); a.Ran != ran || !ran && !strings.Contains(a.Why, "cannot enter the working directory: permission denied") {
			t.Errorf("%v: %+v", mode, a)
		}
	}
	// In the client's own mount namespace it may be anything, and is what the command has.
	c := exec.Command("/usr/bin/unshare", "--mount", "/bin/sh", "-c", `mount -t tmpfs none /etc; : >/etc/own; cd /etc; exec "$@"`, "sh", rig.OursCall, socket, "sh", "-c", "ls; ls /etc/passwd")
	if r := rig.RunCmd(t, c); r.Status != 0 || r.Out != "own\n/etc/passwd\n" {
		t.Errorf("%v", r)
	}
	// No record says where, since the daemon does not know.
	records, err := os.ReadFile(p.Dir + "/audit")
	if err != nil || strings.Count(string(records), " Executing ") != 3 || strings.Count(string(records), ` cwd=""`) != strings.Count(string(records), " cwd=") {
		t.Errorf("%v: %s", err, records)
	}
}

// neverAnswers serves a file (FUSE) which can be opened; whatever else is asked of it is
// not answered.
const neverAnswers = `
import ctypes, os, struct, sys
fd = os.open('/dev/fuse', os.O_RDWR)
options = b'fd=%d,rootmode=100666,user_id=0,group_id=0,allow_other' % fd
if ctypes.CDLL(None, use_errno=True).mount(b'iw', os.fsencode(sys.argv[1]), b'fuse', 6, options):
    sys.exit('mount: ' + os.strerror(ctypes.get_errno()))
print('mounted', flush=True)
while True:
    request = os.read(fd, 1 << 17)
    length, opcode, unique = struct.unpack('<IIQ', request[:16])
    reply = {26: struct.pack('<IIIIHHIIHHI', 7, 31, 0, 0, 12, 9, 4096, 1, 1, 0, 0) + bytes(28), 14: bytes(16)}.get(opcode)
    if reply is not None:
        os.write(fd, struct.pack('<IiQ', 16 + len(reply), 0, unique) + reply)
`

// manyCalls asks for a command 200 times, on a file.
const manyCalls = `
import array, base64, os, socket, sys, time
path, message, file = sys.argv[1], base64.b64decode(sys.argv[2]), sys.argv[3]
slow, here, calls = os.open(file, os.O_RDWR), os.open('/', os.O_PATH), []
for _ in range(200):
    c = socket.socket(socket.AF_UNIX)
    c.connect(path)
    c.sendall(message)
    c.sendmsg([b'f'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [slow, slow, slow, here]))])
    calls.append(c)
print('asked', flush=True)
time.sleep(60)
`

// A file whose server, which may be the caller's, answers nothing holds up its own caller
// and nobody else, however many calls there are; and not for longer than the server is
// there.
func TestCallSlowFiles(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell, "allow_users=daemon")
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	before := rest(s)
	file := p.Dir + "/slow"
	rig.Write(t, file, "")
	server := exec.Command("/usr/bin/python3", "-c", neverAnswers, file)
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	end := func() { server.Process.Kill(); server.Wait(); unix.Unmount(file, unix.MNT_DETACH) }
	defer end()
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatalf("cannot mount: %v", err)
	}
	// By another process: whoever holds the file cannot start a program.
	message := base64.StdEncoding.EncodeToString(callMessage(t, "sh", "-c", ":"))
	hold := exec.Command("/usr/bin/python3", "-c", manyCalls, socket, message, file)
	hold.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}}
	holds, err := hold.StdoutPipe()
	if err == nil {
		err = hold.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Wait()
	defer hold.Process.Kill()
	if _, err := holds.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c := rig.Calling(socket, "sh", "-c", "echo others go on")
		c.SysProcAttr.Credential, c.Dir = &syscall.Credential{Uid: 1, Gid: 1}, "/"
		r := rig.RunCmd(t, c)
		if r.Out != "others go on\n" || r.Elapsed > 10*time.Second {
			t.Errorf("%v after %v", r, r.Elapsed)
		}
	}
	alive(s)
	end()
	s.Eventually("all to be let go", func() bool { return descriptorsOf(s.Pid) <= before+200*ofLauncher })
}

// Slow clients and many of them hold up nobody else.
func TestCallFlood(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell, "allow_users=daemon")
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	before := rest(s)
	message := callMessage(t, "sh", "-c", ":")
	null, dir := open(t, "/dev/null", unix.O_RDWR), open(t, "/", unix.O_PATH|unix.O_DIRECTORY)
	var slow []*net.UnixConn
	for i := range 2 * 1024 {
		c := dial(t, socket, int(rig.Caller.UID))
		slow = append(slow, c)
		switch i % 3 {
		case 1: // with descriptors, and never all of it
			_, _, _ = c.WriteMsgUnix(message[:3], unix.UnixRights(null, null, null, dir), nil)
		case 2:
			_, _ = c.Write(message)
		}
	}
	for _, uid := range []uint32{1, rig.Caller.UID} {
		c := rig.Calling(socket, "sh", "-c", "echo others go on")
		c.SysProcAttr.Credential, c.Dir = &syscall.Credential{Uid: uid, Gid: uid}, "/"
		if r := rig.RunCmd(t, c); r.Out != "others go on\n" || r.Elapsed > 10*time.Second {
			t.Errorf("uid %d: %v after %v", uid, r, r.Elapsed)
		}
	}
	for _, c := range slow {
		c.Close()
	}
	s.Eventually("all to be let go", func() bool { return descriptorsOf(s.Pid) <= before+2*ofLauncher })
}

// Requests take no more memory than they are given, and variables none while a command runs.
func TestCallMemory(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell)
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	null, dir := open(t, "/dev/null", unix.O_RDWR), open(t, "/", unix.O_PATH|unix.O_DIRECTORY)
	for name, tt := range map[string]struct {
		env []string
		ran bool
	}{
		"millions of empty variables": {make([]string, 7<<20), false},
		"long variables":              {slices.Repeat([]string{"A=" + strings.Repeat("x", 100_000)}, 60), true},
	} {
		message, err := call.Request{Argv: []string{"sh", "-c", "sleep 2"}, Env: tt.env, CPU: ^uint64(0), Memory: ^uint64(0)}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 40 {
			c := dial(t, socket, int(rig.Caller.UID))
			all.Go(func() {
				askOn(t, c, message, null, null, null, dir)
				c.SetReadDeadline(time.Now().Add(time.Minute))
				text, _ := io.ReadAll(c)
				if a := answered(t, text); a.Ran != tt.ran {
					t.Errorf("%s: %+v", name, a)
				}
			})
		}
		all.Wait()
	}
	peak, _ := strconv.Atoi(strings.Fields(rig.Fields(string(rig.Must(os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid)))))["VmHWM"])[0])
	if peak > 500<<10 {
		t.Errorf("the daemon had %d KiB", peak)
	}
	t.Logf("the daemon had %d KiB at most", peak)
}

// A client that dies while its command is decided about, begun, or running takes it along.
func TestCallClientsThatDieLater(t *testing.T) {
	p := rig.DaemonPolicy(t, rig.AllowShell+"\nbash: CommandFilter, bash, root\n[Sandbox:bash]\nno_new_privs = yes")
	socket := p.Calls(t)
	s := rig.Serve(t, p)
	before := rest(s)
	for _, shell := range []string{"sh", "bash"} {
		for after := time.Duration(0); after < 40*time.Millisecond; after += 500 * time.Microsecond {
			c := rig.Calling(socket, shell, "-c", "sleep 1000; :")
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(after)
			c.Process.Kill()
			c.Wait()
		}
	}
	s.Eventually("the commands to be ended", func() bool { return len(s.Processes()) == len(s.Below()) && len(children(s)) == spareLaunchers })
	s.Eventually("all to be let go", func() bool { return descriptorsOf(s.Pid) <= before+160*ofLauncher })
}
