//go:build cgo

package exposure

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// passageArg begins the command line of this test program where it is to do a deed.
const passageArg = "do-a-deed"

func init() {
	if len(os.Args) != 4 || os.Args[1] != passageArg {
		return
	}
	attempt := attempts[os.Args[2]]
	if os.Args[2] == elsewhereCall {
		attempt = goElsewhere
	}
	if err := attempt(os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, os.Args[2]+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// errno is what a raw call came to.
func errno(_, _ uintptr, e unix.Errno) error {
	if e != 0 {
		return e
	}
	return nil
}

func text(s string) uintptr {
	p, _ := unix.BytePtrFromString(s)
	return uintptr(unsafe.Pointer(p))
}

const here = ^uintptr(99) // AT_FDCWD

// writes opens a file in some way, and writes to it.
func writes(open func(dir string) (fd uintptr, err error)) func(dir string) error {
	return func(dir string) error {
		fd, err := open(dir)
		if err == nil {
			_, err = unix.Write(int(fd), []byte("new"))
		}
		return err
	}
}

func opening(call uintptr, args func(dir string) [4]uintptr) func(string) error {
	return writes(func(dir string) (uintptr, error) {
		a := args(dir)
		fd, _, e := unix.Syscall6(call, a[0], a[1], a[2], a[3], 0, 0)
		return fd, errno(0, 0, e)
	})
}

func puts(call uintptr, args func(dir string) [5]uintptr) func(string) error {
	return func(dir string) error {
		a := args(dir)
		return errno(unix.Syscall6(call, a[0], a[1], a[2], a[3], a[4], 0))
	}
}

// sleeper is a process of root's outside of the sandbox: the scene has started it.
func sleeper(dir string) (pid uintptr) {
	data, _ := os.ReadFile(dir + "/pid")
	fmt.Sscan(string(data), &pid)
	return pid
}

func ended(dir string) error {
	for range 50 {
		if data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", sleeper(dir))); err != nil || strings.Contains(string(data), ") Z ") {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("the process lives")
}

func kills(send func(pid uintptr) error) func(string) error {
	return func(dir string) error {
		if err := send(sleeper(dir)); err != nil {
			return err
		}
		return ended(dir)
	}
}

// attempts do what passages are said to do, in a directory with the files target and mine,
// each by the one call.
var attempts = map[string]func(dir string) error{
	"openat 2&3=1": opening(unix.SYS_OPENAT, func(d string) [4]uintptr { return [4]uintptr{here, text(d + "/target"), unix.O_WRONLY} }),
	"openat 2&3=2": opening(unix.SYS_OPENAT, func(d string) [4]uintptr {
		return [4]uintptr{here, text(d + "/target"), unix.O_RDWR | unix.O_CREAT | unix.O_APPEND, 0o600}
	}),
	"open 1&3=1": opening(unix.SYS_OPEN, func(d string) [4]uintptr { return [4]uintptr{text(d + "/target"), unix.O_WRONLY} }),
	"open 1&3=2": opening(unix.SYS_OPEN, func(d string) [4]uintptr { return [4]uintptr{text(d + "/target"), unix.O_RDWR} }),
	"creat":      opening(unix.SYS_CREAT, func(d string) [4]uintptr { return [4]uintptr{text(d + "/target"), 0o600} }),
	"openat2": writes(func(d string) (uintptr, error) {
		fd, err := unix.Openat2(unix.AT_FDCWD, d+"/target", &unix.OpenHow{Flags: unix.O_WRONLY})
		return uintptr(fd), err
	}),
	"open_by_handle_at 2&3=1": writes(byHandle(unix.O_WRONLY)),
	"open_by_handle_at 2&3=2": writes(byHandle(unix.O_RDWR)),
	"fanotify_init 1&3=2":     writes(byEvent),

	"rename":   puts(unix.SYS_RENAME, func(d string) [5]uintptr { return [5]uintptr{text(d + "/mine"), text(d + "/target")} }),
	"renameat": puts(unix.SYS_RENAMEAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/mine"), here, text(d + "/target")} }),
	"renameat2": puts(unix.SYS_RENAMEAT2, func(d string) [5]uintptr {
		return [5]uintptr{here, text(d + "/mine"), here, text(d + "/target"), unix.RENAME_EXCHANGE}
	}),
	"link":                 puts(unix.SYS_LINK, func(d string) [5]uintptr { return [5]uintptr{text(d + "/mine"), text(d + "/new")} }),
	"linkat":               puts(unix.SYS_LINKAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/mine"), here, text(d + "/new")} }),
	"symlink":              puts(unix.SYS_SYMLINK, func(d string) [5]uintptr { return [5]uintptr{text(d + "/mine"), text(d + "/new")} }),
	"symlinkat":            puts(unix.SYS_SYMLINKAT, func(d string) [5]uintptr { return [5]uintptr{text(d + "/mine"), here, text(d + "/new")} }),
	"unlink":               puts(unix.SYS_UNLINK, func(d string) [5]uintptr { return [5]uintptr{text(d + "/target")} }),
	"unlinkat":             puts(unix.SYS_UNLINKAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/target")} }),
	"truncate":             puts(unix.SYS_TRUNCATE, func(d string) [5]uintptr { return [5]uintptr{text(d + "/target")} }),
	"openat 2&0x200=0x200": puts(unix.SYS_OPENAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/target"), unix.O_RDONLY | unix.O_TRUNC} }),

	"openat 2&0100=0100": puts(unix.SYS_OPENAT, func(d string) [5]uintptr {
		return [5]uintptr{here, text(d + "/new"), unix.O_RDONLY | unix.O_CREAT, 0o666}
	}),
	"open 1&0100=0100":          puts(unix.SYS_OPEN, func(d string) [5]uintptr { return [5]uintptr{text(d + "/new"), unix.O_RDONLY | unix.O_CREAT, 0o666} }),
	"mknod 1&0170000=0":         puts(unix.SYS_MKNOD, func(d string) [5]uintptr { return [5]uintptr{text(d + "/new"), 0o666} }),
	"mknod 1&0170000=0100000":   puts(unix.SYS_MKNOD, func(d string) [5]uintptr { return [5]uintptr{text(d + "/new"), unix.S_IFREG | 0o666} }),
	"mknod 1&0170000=0010000":   puts(unix.SYS_MKNOD, func(d string) [5]uintptr { return [5]uintptr{text(d + "/new"), unix.S_IFIFO | 0o666} }),
	"mknodat 2&0170000=0":       puts(unix.SYS_MKNODAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/new"), 0o666} }),
	"mknodat 2&0170000=0100000": puts(unix.SYS_MKNODAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/new"), unix.S_IFREG | 0o666} }),
	"mknodat 2&0170000=0010000": puts(unix.SYS_MKNODAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/new"), unix.S_IFIFO | 0o666} }),
	"mkdir":                     puts(unix.SYS_MKDIR, func(d string) [5]uintptr { return [5]uintptr{text(d + "/new"), 0o777} }),
	"mkdirat":                   puts(unix.SYS_MKDIRAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/new"), 0o777} }),

	"chmod":    puts(unix.SYS_CHMOD, func(d string) [5]uintptr { return [5]uintptr{text(d + "/target"), 0o4777} }),
	"fchmodat": puts(unix.SYS_FCHMODAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/target"), 0o4777} }),
	"452":      puts(452, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/target"), 0o4777} }),
	"fchmod": func(d string) error {
		f, err := os.Open(d + "/target")
		if err != nil {
			return err
		}
		return errno(unix.Syscall(unix.SYS_FCHMOD, f.Fd(), 0o4777, 0))
	},
	"chown":     puts(unix.SYS_CHOWN, func(d string) [5]uintptr { return [5]uintptr{text(d + "/target"), 1, 1} }),
	"lchown":    puts(unix.SYS_LCHOWN, func(d string) [5]uintptr { return [5]uintptr{text(d + "/target"), 1, 1} }),
	"fchownat":  puts(unix.SYS_FCHOWNAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/target"), 1, 1} }),
	"setxattr":  puts(unix.SYS_SETXATTR, func(d string) [5]uintptr { return [5]uintptr{text(d + "/target"), text("trusted.x"), text("x"), 1} }),
	"lsetxattr": puts(unix.SYS_LSETXATTR, func(d string) [5]uintptr { return [5]uintptr{text(d + "/target"), text("trusted.x"), text("x"), 1} }),
	"openat 2&0101=0101 3&04000=04000": func(d string) error {
		fd, err := unix.Open(d+"/new", unix.O_WRONLY|unix.O_CREAT, 0o4755)
		if err != nil {
			return err
		}
		unix.Write(fd, []byte("new"))
		var st unix.Stat_t
		if unix.Fstat(fd, &st); st.Mode&unix.S_ISUID == 0 {
			return errors.New("the bit is gone")
		}
		return nil
	},

	"mount": puts(unix.SYS_MOUNT, func(d string) [5]uintptr { return [5]uintptr{text(d + "/mine"), text(d + "/target"), 0, unix.MS_BIND} }),
	"move_mount": func(d string) error {
		fd, err := unix.OpenTree(unix.AT_FDCWD, d+"/mine", unix.OPEN_TREE_CLONE)
		if err != nil {
			return err
		}
		return unix.MoveMount(fd, "", unix.AT_FDCWD, d+"/target", unix.MOVE_MOUNT_F_EMPTY_PATH)
	},
	"mknod 1&0170000=060000":   puts(unix.SYS_MKNOD, func(d string) [5]uintptr { return [5]uintptr{text(d + "/new"), unix.S_IFBLK | 0o666, 7<<8 | 99} }),
	"mknodat 2&0170000=060000": puts(unix.SYS_MKNODAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/new"), unix.S_IFBLK | 0o666, 7<<8 | 99} }),
	"mknodat 2&0170000=020000": puts(unix.SYS_MKNODAT, func(d string) [5]uintptr { return [5]uintptr{here, text(d + "/new"), unix.S_IFCHR | 0o666, 1<<8 | 1} }),

	"process_vm_writev": func(d string) error { // into the first memory that can be written
		maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", sleeper(d)))
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(maps), "\n") {
			var from, to uintptr
			var mode string
			if fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); strings.HasPrefix(mode, "rw") {
				_, err := unix.ProcessVMWritev(int(sleeper(d)), []unix.Iovec{{Base: &[]byte{0}[0], Len: 1}}, []unix.RemoteIovec{{Base: from, Len: 1}}, 0)
				return err
			}
		}
		return errors.New("no memory can be written")
	},
	"ptrace": func(d string) error {
		return errno(unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, sleeper(d), 0, 0, 0, 0))
	},
	"pidfd_getfd": func(d string) error {
		fd, err := unix.PidfdOpen(int(sleeper(d)), 0)
		if err != nil {
			return err
		}
		_, err = unix.PidfdGetfd(fd, 0, 0)
		return err
	},
	"connect": func(d string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			fd = 0 // one that the caller has handed over
		}
		return unix.Connect(fd, &unix.SockaddrUnix{Name: d + "/socket"})
	},

	"kill":   kills(func(pid uintptr) error { return errno(unix.RawSyscall(unix.SYS_KILL, pid, 9, 0)) }),
	"tkill":  kills(func(pid uintptr) error { return errno(unix.RawSyscall(unix.SYS_TKILL, pid, 9, 0)) }),
	"tgkill": kills(func(pid uintptr) error { return errno(unix.RawSyscall(unix.SYS_TGKILL, pid, pid, 9)) }),
	"pidfd_send_signal": kills(func(pid uintptr) error {
		fd, err := unix.PidfdOpen(int(pid), 0)
		if err == nil {
			err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		}
		return err
	}),
	"fcntl 1=10": kills(func(pid uintptr) error { // a pipe that gets ready signals its owner
		var p [2]int
		if err := unix.Pipe(p[:]); err != nil {
			return err
		}
		for _, c := range [][2]uintptr{{unix.F_SETOWN, pid}, {10, uintptr(unix.SIGKILL)}, {unix.F_SETFL, unix.O_ASYNC}} {
			if err := errno(unix.Syscall(unix.SYS_FCNTL, uintptr(p[0]), c[0], c[1])); err != nil {
				return err
			}
		}
		_, err := unix.Write(p[1], []byte("x"))
		return err
	}),
	"socket 0=16": puts(unix.SYS_SOCKET, func(string) [5]uintptr { return [5]uintptr{unix.AF_NETLINK, unix.SOCK_RAW} }),
	"socket 0=17": puts(unix.SYS_SOCKET, func(string) [5]uintptr { return [5]uintptr{unix.AF_PACKET, unix.SOCK_RAW} }),
	"setns": func(d string) error {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", sleeper(d)), unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		return unix.Setns(fd, unix.CLONE_NEWNET)
	},
	"umount2": func(d string) error { return unix.Unmount(d+"/mounted", 0) },
}

// elsewhereCall is no passage: it enters a mount namespace that somebody outside sends it,
// and reads a file there.
const elsewhereCall = "elsewhere"

func goElsewhere(dir string) error {
	runtime.LockOSThread()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(socket, &unix.SockaddrUnix{Name: dir + "/socket"}); err != nil {
		return err
	}
	rights := make([]byte, unix.CmsgSpace(4))
	if _, _, _, _, err := unix.Recvmsg(socket, make([]byte, 1), rights, 0); err != nil {
		return err
	}
	fd := *(*int32)(unsafe.Pointer(&rights[unix.CmsgLen(0)]))
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // setns(2) wants no others to share it
		return err
	}
	if err := unix.Setns(int(fd), unix.CLONE_NEWNS); err != nil {
		return err
	}
	text, err := os.ReadFile(dir + "/open/below/file")
	if err == nil {
		fmt.Print(string(text))
	}
	return err
}

func byHandle(flags int) func(dir string) (uintptr, error) {
	return func(dir string) (uintptr, error) {
		handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, dir+"/target", 0)
		if err != nil {
			return 0, err
		}
		top, err := unix.Open(dir, unix.O_RDONLY, 0)
		if err != nil {
			return 0, err
		}
		fd, err := unix.OpenByHandleAt(top, handle, flags)
		return uintptr(fd), err
	}
}

// byEvent is told that the file was opened, and gets it, opened for writing.
func byEvent(dir string) (uintptr, error) {
	group, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF, unix.O_RDWR)
	if err != nil {
		return 0, err
	}
	if err := unix.FanotifyMark(group, unix.FAN_MARK_ADD, unix.FAN_OPEN, unix.AT_FDCWD, dir+"/target"); err != nil {
		return 0, err
	}
	if _, err := unix.Open(dir+"/target", unix.O_RDONLY, 0); err != nil {
		return 0, err
	}
	var event [unix.FAN_EVENT_METADATA_LEN]byte
	if _, err := unix.Read(group, event[:]); err != nil {
		return 0, err
	}
	return uintptr((*unix.FanotifyEventMetadata)(unsafe.Pointer(&event[0])).Fd), nil
}

// TestPassages: each call does the deed by itself where a profile refuses all others of
// it, and none does where all are refused. So no way is forgotten that is said to be one.
func TestPassages(t *testing.T) {
	g := newGround(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	deed := g.dir + "/deed"
	if err := os.WriteFile(deed, self, 0o755); err != nil {
		t.Fatal(err)
	}
	tried := map[string]bool{}
	for _, p := range passages {
		if attempts[p.call] == nil {
			continue
		}
		tried[p.call] = true
		t.Run(p.deed+" "+p.call, func(t *testing.T) {
			t.Parallel()
			var others, all []Syscall
			for _, o := range callsOf[p.deed] {
				if all = append(all, o.Syscall); o.Syscall != parseCall(p.call) {
					others = append(others, o.Syscall)
				}
			}
			safe := strings.NewReplacer(" ", "-", "&", "-", "=", "-").Replace(p.deed + "-" + p.call)
			for _, c := range []struct {
				profile string
				left    bool
			}{{g.without(t, "but-"+safe, others), true}, {g.without(t, "none-"+safe, all), false}} {
				conf, e := g.policy(t, "CommandFilter, "+deed+", root", "seccomp = "+c.profile)
				if l := newConfinement(e, g.machine()).deed(p.deed, need{any: true}); (l.factor == 1) != c.left {
					t.Errorf("%s: %v is said to be left: %s", c.profile, l.factor, l.why)
				}
				if out, err := perform(t, g, conf, deed, p.call); (err == nil) != c.left {
					t.Errorf("%s: %v\n%s", c.profile, err, out)
				}
			}
		})
	}
	for call := range attempts {
		if !tried[call] {
			t.Errorf("%s is no passage", call)
		}
	}
}

// perform has a deed done in a directory with what it needs.
func perform(t *testing.T, g *ground, conf, deed, call string) ([]byte, error) {
	dir, err := os.MkdirTemp(g.dir, "deed-")
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(dir+"/target", []byte("old"), 0o600)
	os.WriteFile(dir+"/mine", []byte("mine"), 0o644)
	os.Mkdir(dir+"/mounted", 0o755)
	listener, err := net.Listen("unix", dir+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	before := "mount -t tmpfs none " + dir + "/mounted; sleep 30 & echo $! > " + dir + "/pid"
	argv := g.call(conf, before, []string{deed, passageArg, call, dir}, "kill -9 %1 2>/dev/null; exit $status")
	c := exec.Command(argv[0], argv[1:]...)
	return c.CombinedOutput()
}

// TestConfinedFree: where no deed is said to be left that makes root of whoever chooses
// the program, none of them can be done. Each power that is said to be gone is.
func TestConfinedFree(t *testing.T) {
	g := newGround(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	deed := g.dir + "/deed"
	if err := os.WriteFile(deed, self, 0o755); err != nil {
		t.Fatal(err)
	}
	sections := g.general()
	bare := "seccomp = " + g.refusing(t, rulers...)
	sections["no ruler"] = bare
	sections["no ruler, capabilities"] = bare + "\ncapabilities = none"
	sections["files only"] = "seccomp = " + g.refusing(t, "mode", "owner", "attribute", "daemon", "socket", "process", "module", "bpf", "kexec", "ports", "drive", "node", "mount", "remount", "enter", "starve", "kill") + "\nlandlock_ro = /\nlandlock_rw = /dev/null\ncapabilities = none"
	sections["read-only, no daemons"] = "seccomp = " + g.refusing(t, "daemon", "module", "bpf", "kexec", "ports", "drive", "write") + "\nread_only = /\ncapabilities = none"
	tight := 0
	for name, section := range sections {
		conf, e := g.policy(t, "CommandFilter, "+deed+", root", section)
		c := newConfinement(e, g.machine())
		if c.rules() == "" {
			tight++
		}
		for _, p := range passages {
			left := c.deed(p.deed, need{any: true}).factor
			ruler := c.rules() == "" && slices.Contains(rulers, p.deed)
			switch {
			case attempts[p.call] == nil || left == 1 || left > 0 && !ruler:
				continue
			case p.deed == "netlink" || p.deed == "set-id" && p.call == "openat2": // the attempt is less than the deed
				continue
			}
			t.Run(name+" "+p.call, func(t *testing.T) {
				t.Parallel()
				if out, err := perform(t, g, conf, deed, p.call); err == nil {
					t.Errorf("%v of %s is said to be left, and it was done: %s", left, p.deed, out)
				}
			})
		}
	}
	if tight < 4 {
		t.Errorf("%d sections leave no way to be root", tight)
	}
}

// TestConfinedElsewhere: who may enter another mount namespace finds other directories
// below the paths of Landlock's keys there. Without CAP_SYS_ADMIN that is no way.
func TestConfinedElsewhere(t *testing.T) {
	g := newGround(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, deed := g.dir+"/other", g.dir+"/deed"
	for _, name := range []string{"open", "open/below", "closed"} {
		os.Mkdir(dir+"/"+name, 0o755)
	}
	os.WriteFile(dir+"/closed/file", []byte("secret"), 0o600)
	if err := os.WriteFile(deed, self, 0o755); err != nil {
		t.Fatal(err)
	}
	outside := exec.Command("unshare", "-Urm", "sh", "-c", "mount --bind "+dir+"/closed "+dir+"/open/below && echo done && exec sleep 60")
	said, err := outside.StdoutPipe()
	if err == nil {
		err = outside.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Wait()
	defer outside.Process.Kill()
	if n, _ := said.Read(make([]byte, 8)); n == 0 {
		t.Fatal("whoever is outside has made no namespace")
	}
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", outside.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/socket"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.AcceptUnix()
			if err != nil {
				return
			}
			c.WriteMsgUnix([]byte("x"), unix.UnixRights(int(namespace.Fd())), nil)
			c.Close()
		}
	}()
	landlock := "landlock_ro = /usr, /lib, /lib64, /bin, /proc, /sys, " + deed + ", " + dir + "/open\n"
	for more, reads := range map[string]bool{
		"":                                    true,
		"capabilities = CAP_CHOWN":            false,
		"private_tmp = yes":                   false,
		"seccomp = " + g.refusing(t, "enter"): false,
	} {
		conf, e := g.policy(t, "CommandFilter, "+deed+", root", landlock+more)
		if got := newConfinement(e, g.machine()).elsewhere(need{any: true}); got != reads {
			t.Errorf("%q: it is said that it may be elsewhere: %v", more, got)
		}
		argv := g.call(conf, "", []string{deed, passageArg, elsewhereCall, dir}, "")
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if (err == nil && strings.Contains(string(out), "secret")) != reads {
			t.Errorf("%q: %v\n%s", more, err, out)
		}
	}
}
