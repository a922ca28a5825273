package trust

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func bash(command string) (string, error) {
	out, err := exec.Command("bash", "-c", command).CombinedOutput()
	return string(out), err
}

// Somebody exchanges what we open for something of his, all the time. What he
// put there must never be returned, and nothing may hang.
func TestRace(t *testing.T) {
	needRoot(t)
	for _, tt := range []struct {
		name    string
		objects []string
		path    string    // what is read: its contents are "good" or "evil"
		swap    [2]string // what is exchanged
		levels  []Level
	}{
		{"file", []string{"file good 644 0", "file evil 644 65534"},
			"good", [2]string{"good", "evil"}, []Level{Parent, Ancestors}},
		{"file writable by others", []string{"file good 644 0", "file evil 666 0"},
			"good", [2]string{"good", "evil"}, []Level{Parent}},
		{"file and fifo", []string{"file good 644 0", "fifo evil 666 65534"},
			"good", [2]string{"good", "evil"}, []Level{Parent}},
		{"file and fifo of root's", []string{"file good 644 0", "fifo evil 644 0"},
			"good", [2]string{"good", "evil"}, []Level{Parent}},
		{"file and device", []string{"file good 644 0", "dev evil 666 65534"},
			"good", [2]string{"good", "evil"}, []Level{Parent}},
		{"file and link of another to a file of root's", []string{"file good 644 0", "file evil 644 0", "link l 65534 evil"},
			"good", [2]string{"good", "l"}, []Level{Parent, Ancestors}},
		{"link", []string{"file good 644 0", "file evil 644 0", "link a 0 good", "link b 65534 evil"},
			"a", [2]string{"a", "b"}, []Level{Parent, Ancestors}},
		{"link on the way", []string{"dir d 755 0", "file d/good 644 0", "dir e 755 0", "file e/evil 644 0", "hard e/good e/evil", "link a 0 d", "link b 65534 e"},
			"a/good", [2]string{"a", "b"}, []Level{Parent, Ancestors}},
		{"directory", []string{"dir d 755 0", "file d/good 644 0", "dir e 755 65534", "file e/good 644 65534"},
			"d/good", [2]string{"d", "e"}, []Level{Parent, Ancestors}},
		{"directory with a file of root's", []string{"dir d 755 0", "file d/good 644 0", "dir e 755 65534", "file e/good 644 0"},
			"d/good", [2]string{"d", "e"}, []Level{Parent, Ancestors}},
		{"directory and link", []string{"dir d 755 0", "file d/good 644 0", "dir e 755 0", "file e/good 644 0", "link l 65534 e"},
			"d/good", [2]string{"d", "l"}, []Level{Parent, Ancestors}},
		{"directory in a directory of another", []string{"dir u 755 65534", "dir u/d 755 0", "file u/d/good 644 0", "dir u/e 755 65534", "file u/e/good 644 0"},
			"u/d/good", [2]string{"u/d", "u/e"}, []Level{Parent}},
		{"two levels up", []string{"dir d 755 0", "dir d/x 755 0", "file d/x/good 644 0", "dir e 755 65534", "dir e/x 755 65534", "file e/x/good 644 0"},
			"d/x/good", [2]string{"d", "e"}, []Level{Parent, Ancestors}},
	} {
		for _, lvl := range tt.levels {
			t.Run(fmt.Sprintf("%s/%d", tt.name, lvl), func(t *testing.T) {
				within(t, 60*time.Second)
				base := tree(t)
				plant(t, base, tt.objects...)
				path := base + "/" + tt.path
				good, err := File(path, lvl)
				if err != nil {
					t.Fatal(err)
				}
				stop := exchange(t, base+"/"+tt.swap[0], base+"/"+tt.swap[1])
				defer stop()

				var read, refused int
				begin := time.Now()
				for i := 0; ; i++ {
					spent := time.Since(begin)
					if read > 0 && refused > 0 && (i >= 4000 || spent > 250*time.Millisecond) {
						break
					}
					if spent > 10*time.Second {
						t.Fatalf("the race has not taken place: %d read, %d refused", read, refused)
					}
					switch data, err := File(path, lvl); {
					case err == nil && string(data) != string(good):
						t.Fatalf("call %d returned %q", i, data)
					case err == nil:
						read++
					case !oneLine(err.Error()):
						t.Fatalf("call %d: error %q", i, err)
					default:
						refused++
					}
				}
			})
		}
	}
	checkNoLeak(t)
}

// exchange swaps two names until stop is called.
func exchange(t *testing.T, a, b string) (stop func()) {
	var end atomic.Bool
	done := make(chan error)
	go func() {
		for !end.Load() {
			if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() {
		end.Store(true)
		if err := <-done; err != nil {
			t.Errorf("exchange: %v", err)
		}
	}
}

// An entry is read from the directory that was opened, whatever stands at its
// path by then.
func TestDirectoryRace(t *testing.T) {
	within(t, 60*time.Second)
	base := tree(t)
	plant(t, base, "dir d 755 0", "file d/f 644 0", "dir e 755 0", "file e/f 644 0")
	stop := exchange(t, base+"/d", base+"/e")
	defer stop()
	seen := map[string]int{}
	begin := time.Now()
	for i := 0; i < 4000 && time.Since(begin) < time.Second || len(seen) < 2; i++ {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("the race has not taken place: %v", seen)
		}
		d, err := Dir(base+"/d", Ancestors)
		if err != nil {
			t.Fatal(err)
		}
		first, err1 := d.File("f")
		second, err2 := d.File("f")
		if err1 != nil || err2 != nil || string(first) != string(second) {
			t.Fatalf("one directory, two files: %q %v, %q %v", first, err1, second, err2)
		}
		var st unix.Stat_t
		if err := unix.Fstat(d.fd, &st); err != nil {
			t.Fatal(err)
		}
		d.Close()
		seen[string(first)]++
	}
}

// inOwnMounts runs f in a thread with a mount namespace of its own, which ends
// with it.
func inOwnMounts(t *testing.T, f func()) {
	t.Helper()
	needRoot(t)
	skip := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		defer func() { skip <- err }() // even if f ends by t.Fatal
		if err == nil {
			f()
		}
	}()
	if err := <-skip; err != nil {
		t.Skipf("not checked: mounts: no mount namespace: %v", err)
	}
}

// A file of /proc is not to be had under another name either.
func TestProcElsewhere(t *testing.T) {
	base := tree(t)
	plant(t, base, "file f 644 0", "dir d 755 0", "dir p 755 0")
	inOwnMounts(t, func() {
		for from, to := range map[string]string{"/proc/self/cmdline": "f", "/proc/sys/kernel": "d"} {
			if err := unix.Mount(from, base+"/"+to, "", unix.MS_BIND, ""); err != nil {
				t.Error(err)
				return
			}
		}
		if err := unix.Mount("proc", base+"/p", "proc", 0, ""); err != nil {
			t.Error(err)
			return
		}
		for _, lvl := range []Level{Parent, Ancestors} {
			_, err := File(base+"/f", lvl)
			checkErr(t, "f", err, "it is in a proc file system")
			_, err = Dir(base+"/d", lvl)
			checkErr(t, "d", err, "it is in a proc file system")
			_, err = File(base+"/p/self/cmdline", lvl)
			checkErr(t, "p", err, "directory "+base+"/p is in a proc file system")
		}
	})
}

// A file system of another type is as good as that of /.
func TestOtherFileSystem(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir d 755 0")
	inOwnMounts(t, func() {
		if err := unix.Mount("tmpfs", base+"/d", "tmpfs", 0, "mode=755"); err != nil {
			t.Error(err)
			return
		}
		plant(t, base, "file d/f 644 0", "dir d/u 755 65534", "file d/u/f 644 0", "file top 644 0", "link d/l 0 ../top")
		for path, want := range map[string]string{"d/f": "", "d/l": "", "d/../top": "", "d/u/f": "directory BASE/d/u is owned"} {
			_, err := File(base+"/"+path, Ancestors)
			checkErr(t, path, err, strings.ReplaceAll(want, "BASE", base))
		}
		d, err := Dir(base+"/d/..", Ancestors) // the mount point's directory, not the mount's
		if err != nil {
			t.Error(err)
			return
		}
		defer d.Close()
		if _, err := d.File("top"); err != nil {
			t.Error(err)
		}
	})
}

// A service that owns /etc/NAME can mount there, through fusermount3(1), a file
// system that calls everything root's.
func TestFUSE(t *testing.T) {
	within(t, 60*time.Second)
	base := tree(t)
	plant(t, base, "dir u 755 0", "link l 0 u/f", "file hold 644 0")
	skip := ""
	inOwnMounts(t, func() {
		dev, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
		if err != nil {
			skip = fmt.Sprintf("no /dev/fuse: %v", err)
			return
		}
		defer dev.Close()
		mnt := base + "/u"
		opts := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other", dev.Fd(), nobody, nobody)
		if err := unix.Mount("liar", mnt, "fuse", unix.MS_NOSUID|unix.MS_NODEV, opts); err != nil {
			skip = fmt.Sprintf("cannot mount FUSE: %v", err)
			return
		}
		defer unix.Unmount(mnt, unix.MNT_DETACH)

		// The server is a process of its own, and alone holds the device: should
		// anything go wrong, it dies and every request ends.
		server := exec.Command(os.Args[0])
		server.Env = append(os.Environ(), fuseServer+"=1")
		server.ExtraFiles = []*os.File{dev}
		server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := server.Start(); err != nil {
			t.Error(err)
			return
		}
		dev.Close()
		defer func() { server.Process.Kill(); server.Wait() }()

		// The lie works on those who ask only for owner and mode.
		var st, dir unix.Stat_t
		data := make([]byte, 10)
		fd, err := unix.Open(mnt+"/f", unix.O_RDONLY|unix.O_CLOEXEC, 0) // os.ReadFile would poll it
		if err != nil {
			t.Errorf("the FUSE file system does not work: %v", err)
			return
		}
		n, err := unix.Read(fd, data)
		unix.Close(fd)
		if err != nil || string(data[:n]) != "evil" {
			t.Errorf("the FUSE file system does not work: %q, %v", data[:n], err)
			return
		}
		if err := unix.Stat(mnt+"/f", &st); err != nil || st.Uid != 0 || st.Mode != unix.S_IFREG|0o755 {
			t.Errorf("the FUSE file system does not lie: %+v, %v", st, err)
		}
		if err := unix.Stat(mnt, &dir); err != nil || dir.Uid != 0 || dir.Mode != unix.S_IFDIR|0o755 {
			t.Errorf("the FUSE file system does not lie: %+v, %v", dir, err)
		}

		const want = "is in a FUSE file system"
		for _, lvl := range []Level{Parent, Ancestors} {
			for _, path := range []string{mnt + "/f", base + "/l"} {
				_, err := File(path, lvl)
				checkErr(t, path, err, want)
				_, err = Executable(path, lvl)
				checkErr(t, path, err, want)
				checkErr(t, path, Stable(path), want)
			}
			_, err := Dir(mnt, lvl)
			checkErr(t, mnt, err, want)
		}

		// A rule of root's may be about what lies in it, but no link in it leads away.
		if to, err := os.Readlink(mnt + "/l"); err != nil || to != "/" {
			t.Errorf("the FUSE file system does not lie: link to %q, %v", to, err)
		}
		for path, leads := range map[string]string{"": "", "/f": "/f", "/new": "/new", "/l": "no", "/l/": "no", "/l/etc": "no", "/./l/etc/..": "no"} {
			got, err := Canonical(mnt + path)
			if leads == "no" {
				checkErr(t, path, err, "symbolic link "+mnt+"/l lies in "+mnt+", which is in a FUSE file system")
			} else if checkErr(t, path, err, ""); got != mnt+leads {
				t.Errorf("%s leads to %q", path, got)
			}
		}
	})
	if skip != "" {
		t.Skip("not checked: FUSE: " + skip)
	}
}

// serveLies is a FUSE server (linux/fuse.h) for a directory of root's with one
// file "f" of root's and a link "l" of root's, which leads to /. It ends when the file system is unmounted.
func serveLies(dev int) {
	le := binary.LittleEndian
	attr := func(node uint64) []byte { // struct fuse_attr
		b := make([]byte, 88)
		le.PutUint64(b[0:], node)
		le.PutUint32(b[60:], unix.S_IFDIR|0o755)
		switch node {
		case 2:
			le.PutUint64(b[8:], 4)
			le.PutUint32(b[60:], unix.S_IFREG|0o755)
		case 3:
			le.PutUint64(b[8:], 1)
			le.PutUint32(b[60:], unix.S_IFLNK|0o777)
		}
		le.PutUint32(b[64:], 1)
		return b
	}
	buf := make([]byte, 1<<17)
	for {
		n, err := retry(func() (int, error) { return unix.Read(dev, buf) })
		if err == unix.ENOENT { // the asker has gone
			continue
		}
		if err != nil || n < 40 {
			return
		}
		var out []byte
		errno := unix.Errno(0)
		switch node := le.Uint64(buf[16:]); le.Uint32(buf[4:]) {
		case 2, 36, 42: // FORGET, INTERRUPT, BATCH_FORGET want no answer
			continue
		case 26: // INIT
			out = make([]byte, 64)
			le.PutUint32(out[0:], 7)
			le.PutUint32(out[4:], 31)
			le.PutUint32(out[20:], 4096)
			le.PutUint32(out[24:], 1)
		case 1: // LOOKUP
			found := map[string]uint64{"f\x00": 2, "l\x00": 3}[string(buf[40:n])]
			if found == 0 {
				errno = unix.ENOENT
				break
			}
			out = make([]byte, 40)
			le.PutUint64(out, found)
			out = append(out, attr(found)...)
		case 3: // GETATTR
			out = append(make([]byte, 16), attr(node)...)
		case 5: // READLINK
			out = []byte("/")
		case 14, 27: // OPEN, OPENDIR
			out = make([]byte, 16)
		case 15: // READ
			if le.Uint64(buf[48:]) == 0 {
				out = []byte("evil")
			}
		case 17: // STATFS
			out = make([]byte, 80)
		case 18, 25, 29: // RELEASE, FLUSH, RELEASEDIR
		default:
			errno = unix.ENOSYS
		}
		head := make([]byte, 16)
		le.PutUint32(head[0:], uint32(16+len(out)))
		le.PutUint32(head[4:], uint32(-int32(errno)))
		copy(head[8:], buf[8:16])
		unix.Write(dev, append(head, out...))
	}
}

// calls are what TestSystemCalls counts the system calls of.
var calls = []struct {
	name string
	max  int
	call func(base string, d *Directory) error
}{
	{"File, Parent", 9, func(base string, _ *Directory) error { _, err := File(base+"/d/f", Parent); return err }},
	{"File, Ancestors", 21, func(base string, _ *Directory) error { _, err := File(base+"/d/f", Ancestors); return err }},
	{"File through a link, Parent", 17, func(base string, _ *Directory) error { _, err := File(base+"/l", Parent); return err }},
	{"Executable, Parent", 5, func(base string, _ *Directory) error { _, err := Executable(base+"/d/f", Parent); return err }},
	{"Open, Fixed", 20, func(base string, _ *Directory) error { p, err := Open(base+"/d/f", Fixed); p.Close(); return err }},
	{"Stable", 17, func(base string, _ *Directory) error { return Stable(base + "/d/f") }},
	{"Dir, Parent", 7, func(base string, _ *Directory) error { d, err := Dir(base+"/d", Parent); d.Close(); return err }},
	{"Names", 4, func(_ string, d *Directory) error { _, err := d.Names(); return err }},
	{"Directory.File", 6, func(_ string, d *Directory) error { _, err := d.File("f"); return err }},
	{"Look, Object", 6, func(base string, _ *Directory) error { _, err := Look(base+"/d/f", Object); return err }},
	{"Directory.Look", 2, func(_ string, d *Directory) error { _, err := d.Look("f"); return err }},
	{"Directory.Executable", 2, func(_ string, d *Directory) error { _, err := d.Executable("f"); return err }},
}

// In the environment of a child these make it something else than a test.
const (
	fuseServer = "IRONWRAP_TEST_FUSE_SERVER"
	tracedTree = "IRONWRAP_TEST_TRACED_TREE"
)

func TestMain(m *testing.M) {
	if os.Getenv(fuseServer) != "" {
		serveLies(3)
		os.Exit(0)
	}
	if base := os.Getenv(tracedTree); base != "" {
		makeCalls(base)
	}
	os.Exit(m.Run())
}

// makeCalls is the traced process: every call stands between two marks.
func makeCalls(base string) {
	runtime.LockOSThread()
	d, err := Dir(base+"/d", Parent)
	mark := func() { unix.Access("/ironwrap-mark", 0) }
	for _, c := range calls {
		if err == nil {
			mark()
			err = c.call(base, d)
		}
	}
	mark()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Ten paths are looked at before each command: the price is bounded.
func TestSystemCalls(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir d 755 0", "file d/f 755 0", "link l 0 d/f")
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("not checked: the number of system calls: no strace")
	}
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(strace, "-f", "-qq", "-o", log, os.Args[0])
	cmd.Env = append(os.Environ(), tracedTree+"="+base)
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "ptrace") {
			t.Skipf("not checked: the number of system calls: %s", out)
		}
		t.Fatalf("%v: %s", err, out)
	}
	trace, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}

	pid := ""
	lines := strings.Split(string(trace), "\n")
	for _, line := range lines {
		if strings.Contains(line, "ironwrap-mark") {
			pid, _, _ = strings.Cut(line, " ")
			break
		}
	}
	var made [][]string
	for _, line := range lines {
		who, what, _ := strings.Cut(line, " ")
		what = strings.TrimSpace(what)
		name, _, _ := strings.Cut(what, "(")
		switch {
		case pid == "" || who != pid || strings.HasPrefix(what, "<...") || strings.HasPrefix(what, "---"):
		case strings.Contains(what, "ironwrap-mark"):
			made = append(made, nil)
		case len(made) == 0:
		case name == "futex" || name == "rt_sigreturn" || name == "tgkill" || name == "getpid" || name == "madvise" || name == "mmap" ||
			name == "nanosleep" || name == "sched_yield" || name == "epoll_pwait" || name == "write" || name == "sigaltstack" || name == "rt_sigprocmask":
			// Go's runtime
		default:
			made[len(made)-1] = append(made[len(made)-1], what)
		}
	}
	if len(made) != len(calls)+1 {
		t.Fatalf("%d marks in the trace, want %d:\n%s", len(made), len(calls)+1, trace)
	}
	for i, c := range calls {
		t.Logf("%s: %d", c.name, len(made[i]))
		if n := len(made[i]); n == 0 || n > c.max {
			t.Errorf("%s: %d system calls, want 1 to %d:\n\t%s", c.name, n, c.max, strings.Join(made[i], "\n\t"))
		}
	}
}

func BenchmarkFile(b *testing.B) {
	base := tree(b)
	plant(b, base, "dir d 755 0", "file d/f 644 0", "link l 0 d/f")
	for name, lvl := range map[string]Level{"Parent": Parent, "Ancestors": Ancestors} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := File(base+"/d/f", lvl); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("Link", func(b *testing.B) {
		for b.Loop() {
			if _, err := File(base+"/l", Ancestors); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Directory", func(b *testing.B) {
		d, err := Dir(base+"/d", Ancestors)
		if err != nil {
			b.Fatal(err)
		}
		defer d.Close()
		for b.Loop() {
			if _, err := d.File("f"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("os.ReadFile", func(b *testing.B) { // what it costs to check nothing
		for b.Loop() {
			if _, err := os.ReadFile(base + "/d/f"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDir(b *testing.B) {
	base := tree(b)
	plant(b, base, "dir d 755 0", "file d/a 644 0", "file d/b 644 0")
	for b.Loop() {
		d, err := Dir(base+"/d", Ancestors)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Names(); err != nil {
			b.Fatal(err)
		}
		d.Close()
	}
}

func BenchmarkExecutable(b *testing.B) {
	for b.Loop() {
		if _, err := Executable("/bin/sh", Ancestors); err != nil {
			b.Fatal(err)
		}
	}
}

// A volume of Kubernetes': 0777, mounted read-only, files that links lead to. No advice
// is to change what cannot be changed.
func TestReadOnlyAdvice(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir v 755 0")
	inOwnMounts(t, func() {
		if err := unix.Mount("tmpfs", base+"/v", "tmpfs", 0, "mode=777"); err != nil {
			t.Error(err)
			return
		}
		plant(t, base, "dir v/..1 755 0", "file v/..1/f 666 0", "file v/..1/theirs 644 65534", "link v/..data 0 ..1", "link v/f 0 ..data/f")
		if err := unix.Mount("", base+"/v", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
			return
		}
		_, err := Dir(base+"/v", Object)
		checkErr(t, "the volume", err, "it is writable by group and others (mode 0777): it is mounted read-only: mount each file in it by itself (Kubernetes: subPath), or put them into the image")
		_, err = File(base+"/v/f", Object)
		checkErr(t, "a file by its link", err, "directory "+base+"/v is writable by group and others (mode 0777): it is mounted read-only: mount each file")
		_, err = File(base+"/v/..1/f", Object)
		checkErr(t, "a file", err, "it is writable by group and others (mode 0666): it is mounted read-only: set the mode where it comes from (Kubernetes: defaultMode: 0444)")
		_, err = File(base+"/v/..1/theirs", Object)
		checkErr(t, "a file of another", err, "it is owned by uid 65534, not root: it is mounted read-only: let it be root's where it comes from")
	})
}
