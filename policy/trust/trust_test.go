package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const nobody = 65534

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not checked: files of other owners cannot be made without root")
	}
}

// tree makes a directory of root's under directories of root's. /tmp is not one.
func tree(t testing.TB) string {
	t.Helper()
	needRoot(t)
	base, err := os.MkdirTemp("/var/lib", "ironwrap-trust-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	return base
}

// plant makes objects in base, each told by a line:
//
//	dir|file|fifo|sock|dev  PATH MODE UID
//	link PATH UID TARGET          TARGET may begin with BASE
//	hard PATH UID OLD
//
// A file contains its own PATH.
func plant(t testing.TB, base string, lines ...string) {
	t.Helper()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range lines {
		f := strings.Split(line, " ")
		p := filepath.Join(base, f[1])
		switch f[0] {
		case "link":
			do(os.Symlink(strings.Replace(f[3], "BASE", base, 1), p))
			uid, err := strconv.Atoi(f[2])
			do(err)
			do(os.Lchown(p, uid, uid))
			continue
		case "hard":
			do(os.Link(filepath.Join(base, f[2]), p))
			continue
		case "dir":
			do(os.Mkdir(p, 0o700))
		case "file":
			do(os.WriteFile(p, []byte(f[1]), 0o600))
		case "fifo":
			do(unix.Mkfifo(p, 0o600))
		case "sock":
			do(unix.Mknod(p, unix.S_IFSOCK|0o600, 0))
		case "dev":
			do(unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5)))) // /dev/zero: reading it never ends
		default:
			t.Fatalf("unknown object %q", line)
		}
		mode, err := strconv.ParseUint(f[2], 8, 32)
		do(err)
		uid, err := strconv.Atoi(f[3])
		do(err)
		do(unix.Chown(p, uid, uid)) // before the mode: it clears set-id bits
		do(unix.Chmod(p, uint32(mode)))
	}
}

// within fails the test, with all stacks, when it does not end in time.
func within(t testing.TB, d time.Duration) {
	timer := time.AfterFunc(d, func() { panic(t.Name() + " hangs") })
	t.Cleanup(func() { timer.Stop() })
}

// checkErr fails unless err holds want, or is nil for an empty want, and is one
// line of printable text.
func checkErr(t *testing.T, what string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: refused: %v", what, err)
	case want != "" && err == nil:
		t.Errorf("%s: accepted; want an error with %q", what, want)
	case err == nil:
	case !strings.Contains(err.Error(), want):
		t.Errorf("%s: %v; want %q", what, err, want)
	case !oneLine(err.Error()):
		t.Errorf("%s: the error is not one printable line: %q", what, err)
	}
}

func oneLine(s string) bool {
	q := strconv.Quote(s)
	q = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1 : len(q)-1])
	return q == s && s != "" && strings.ToLower(s[:1]) == s[:1]
}

// Each row asks for a path at both levels. An empty error means accepted.
var fileTests = []struct {
	name      string
	objects   []string
	path      string
	parent    string
	ancestors string
}{
	{"plain", []string{"dir d 755 0", "file d/f 644 0"}, "d/f", "", ""},
	{"private", []string{"dir d 700 0", "file d/f 600 0"}, "d/f", "", ""},
	{"mode 0", []string{"file f 0 0"}, "f", "", ""},
	{"set-id bits", []string{"file f 6755 0"}, "f", "", ""},

	{"file of another", []string{"file f 644 65534"}, "f",
		`: it is owned by uid 65534, not root: look at what is in it, then run "chown root BASE/f"`, `: it is owned by uid 65534`},
	{"file of another, read-only", []string{"file f 400 65534"}, "f", "it is owned by uid 65534", "it is owned by uid 65534"},
	{"writable by group", []string{"file f 664 0"}, "f",
		`: it is writable by group (mode 0664): run "chmod go-w BASE/f"`, "it is writable by group (mode 0664)"},
	{"writable by others", []string{"file f 646 0"}, "f", "it is writable by others (mode 0646)", "it is writable by others"},
	{"writable by both", []string{"file f 666 0"}, "f", "it is writable by group and others (mode 0666)", "it is writable by group and others"},
	{"only writable", []string{"file f 20 0"}, "f", "it is writable by group (mode 0020)", "it is writable by group"},

	{"directory of another", []string{"dir d 755 65534", "file d/f 644 0"}, "d/f",
		`: its directory BASE/d is owned by uid 65534, not root: use a directory that only root can write to`, "directory BASE/d is owned by uid 65534"},
	{"directory writable by group", []string{"dir d 775 0", "file d/f 644 0"}, "d/f",
		`: its directory BASE/d is writable by group (mode 0775): run "chmod go-w BASE/d"`, "directory BASE/d is writable by group"},
	{"directory writable by others", []string{"dir d 757 0", "file d/f 644 0"}, "d/f", "its directory BASE/d is writable by others", "is writable by others"},
	{"sticky directory", []string{"dir d 1777 0", "file d/f 644 0"}, "d/f",
		"its directory BASE/d is writable by group and others (mode 1777): use a directory that only root can write to", "is writable by group and others (mode 1777)"},

	{"ancestor of another", []string{"dir u 755 65534", "dir u/d 755 0", "file u/d/f 644 0"}, "u/d/f",
		"", `: directory BASE/u is owned by uid 65534, not root: use a directory that only root can write to`},
	{"ancestor writable by group", []string{"dir u 775 0", "dir u/d 755 0", "file u/d/f 644 0"}, "u/d/f", "", "directory BASE/u is writable by group"},
	{"ancestor sticky", []string{"dir u 1777 0", "dir u/d 755 0", "file u/d/f 644 0"}, "u/d/f", "", "directory BASE/u is writable by group and others (mode 1777)"},

	{"hard link in a good directory", []string{"file f 644 0", "dir d 755 0", "hard d/h f"}, "d/h", "", ""},
	{"hard link to a file of another", []string{"dir u 755 65534", "file u/f 644 65534", "hard h u/f"}, "h", "it is owned by uid 65534", "it is owned by uid 65534"},
	{"hard link made by another", []string{"file f 644 0", "dir u 755 65534", "hard u/h f"}, "u/h", "its directory BASE/u is owned", "directory BASE/u is owned"},

	{"link", []string{"file f 644 0", "link l 0 f"}, "l", "", ""},
	{"absolute link", []string{"file f 644 0", "link l 0 BASE/f"}, "l", "", ""},
	{"link with slashes and dots", []string{"dir d 755 0", "file f 644 0", "link d/l 0 .././/f"}, "d/l", "", ""},
	{"link of another", []string{"file f 644 0", "link l 65534 f"}, "l",
		`: symbolic link BASE/l is owned by uid 65534, not root: look where it leads, then run "chown -h root BASE/l"`, "symbolic link BASE/l is owned by uid 65534, not root"},
	{"link to a file of another", []string{"file f 644 65534", "link l 0 f"}, "l",
		"cannot trust BASE/l: it leads to BASE/f, which is owned by uid 65534", "which is owned by uid 65534"},
	{"link to a file writable by group", []string{"file f 664 0", "link l 0 f"}, "l",
		"it leads to BASE/f, which is writable by group", "which is writable by group"},
	{"link in a directory of another", []string{"file f 644 0", "dir u 755 65534", "link u/l 0 BASE/f"}, "u/l",
		"directory BASE/u is owned by uid 65534", "directory BASE/u is owned by uid 65534"},
	{"link in a sticky directory", []string{"file f 644 0", "dir u 1777 0", "link u/l 0 BASE/f"}, "u/l",
		"directory BASE/u is writable by group and others", "directory BASE/u is writable by group and others"},
	{"link into a directory of another", []string{"dir u 755 65534", "file u/f 644 0", "link l 0 u/f"}, "l",
		"its directory BASE/u is owned", "directory BASE/u is owned"},
	{"link below a directory of another", []string{"dir u 755 65534", "dir u/d 755 0", "file u/d/f 644 0", "link l 0 u/d/f"}, "l",
		"", "directory BASE/u is owned"},
	{"link on the way", []string{"dir d 755 0", "file d/f 644 0", "link l 0 d"}, "l/f", "", ""},
	{"link of another on the way", []string{"dir d 755 0", "file d/f 644 0", "link l 65534 d"}, "l/f", "symbolic link BASE/l", "symbolic link BASE/l"},
	{"link on the way, in a directory of another", []string{"dir d 755 0", "file d/f 644 0", "dir u 755 65534", "link u/l 0 BASE/d"}, "u/l/f",
		"directory BASE/u is owned", "directory BASE/u is owned"},
	{"chain", []string{"file f 644 0", "link a 0 f", "link b 0 BASE/a", "link c 0 b"}, "c", "", ""},
	{"chain through a link of another", []string{"file f 644 0", "link a 0 f", "link b 65534 a", "link c 0 b"}, "c",
		"cannot trust BASE/c: symbolic link BASE/b is owned", "symbolic link BASE/b is owned"},
	{"chain through a directory of another", []string{"file f 644 0", "dir u 755 65534", "link u/a 0 ../f", "link b 0 u/a"}, "b",
		"directory BASE/u is owned", "directory BASE/u is owned"},
	{"dangling link", []string{"link l 0 gone/f"}, "l", "cannot open BASE/l: BASE/gone: no such file or directory", "no such file"},
	{"dangling link of another", []string{"link l 65534 gone"}, "l", "symbolic link BASE/l is owned", "symbolic link BASE/l is owned"},
	{"link to itself", []string{"link l 0 l"}, "l", "too many levels of symbolic links", "too many levels"},
	{"loop", []string{"link a 0 b", "link b 0 BASE/a"}, "a", "too many levels", "too many levels"},
	{"loop that grows", []string{"link a 0 a/a"}, "a", "too many levels", "too many levels"},
	{"link to a directory, with slash", []string{"dir d 755 0", "link l 0 d"}, "l/", "it leads to BASE/d, which is a directory", "which is a directory"},
	{"link that ends in a slash, to a file", []string{"file f 644 0", "link l 0 f/"}, "l", "BASE/f: not a directory", "not a directory"},

	{"dot dot", []string{"dir d 755 0", "file f 644 0"}, "d/../f", "", ""},
	{"dot dot out of a directory of another", []string{"dir u 755 65534", "file f 644 0"}, "u/../f", "", "directory BASE/u is owned"},
	{"dot dot after a link goes up from its target", []string{"dir d 755 0", "dir d/e 755 0", "file d/f 644 0", "file f 644 65534", "link l 0 d/e"}, "l/../f", "", ""},
	{"dot dot into a directory of another", []string{"dir u 755 65534", "dir u/d 755 0", "file u/f 644 0"}, "u/d/../f", "its directory BASE/u is owned", "directory BASE/u is owned"},
	{"dot dot through what is not there", []string{"file f 644 0"}, "gone/../f", "BASE/gone: no such file", "BASE/gone: no such file"},
	{"dot dot through a file", []string{"file f 644 0"}, "f/../f", "cannot open BASE/f/../f: not a directory", "not a directory"},
	{"more dot dots than directories", []string{"file f 644 0"}, "../../../../../../..BASE/f", "", ""},
	{"dots and slashes", []string{"dir d 755 0", "file d/f 644 0"}, ".//d/.///f", "", ""},
	{"file with slash", []string{"file f 644 0"}, "f/", "not a directory", "not a directory"},
	{"file with dot", []string{"file f 644 0"}, "f/.", "not a directory", "not a directory"},

	{"missing", nil, "f", "cannot open BASE/f: no such file or directory", "no such file"},
	{"missing directory", nil, "d/f", "cannot open BASE/d/f: BASE/d: no such file or directory", "no such file"},
	{"file on the way", []string{"file d 644 0"}, "d/f", "BASE/d: not a directory", "not a directory"},
	{"name too long", nil, strings.Repeat("n", 256), "file name too long", "file name too long"},

	{"directory", []string{"dir d 755 0"}, "d", "cannot read BASE/d: it is a directory, not a regular file", "it is a directory"},
	{"directory with slash", []string{"dir d 755 0"}, "d/", "it is a directory", "it is a directory"},
	{"directory by dot dot", []string{"dir d 755 0", "dir d/e 755 0"}, "d/e/..", "it is a directory", "it is a directory"},
	{"fifo", []string{"fifo p 644 0"}, "p", "it is a FIFO", "it is a FIFO"},
	{"fifo of another", []string{"fifo p 666 65534"}, "p", "it is a FIFO", "it is a FIFO"},
	{"link to a fifo", []string{"fifo p 644 0", "link l 0 p"}, "l", "it leads to BASE/p, which is a FIFO", "a FIFO"},
	{"socket", []string{"sock s 644 0"}, "s", "it is a socket", "it is a socket"},
	{"device", []string{"dev z 644 0"}, "z", "it is a device", "it is a device"},

	{"names to quote", []string{"file a\u00a0b\x01'\xff 664 0"}, "a\u00a0b\x01'\xff",
		`cannot trust "BASE/a\u00a0b\x01'\xff": it is writable by group (mode 0664): run "chmod go-w $'BASE/a\u00a0b\x01\'\xff'"`, "it is writable by group"},
}

func TestFile(t *testing.T) {
	needRoot(t)
	within(t, 60*time.Second)
	for _, tt := range fileTests {
		t.Run(tt.name, func(t *testing.T) {
			base := tree(t)
			plant(t, base, tt.objects...)
			fill := strings.NewReplacer("BASE", base)
			path := base + "/" + fill.Replace(tt.path)
			for lvl, want := range map[Level]string{Parent: tt.parent, Ancestors: tt.ancestors, 0: tt.ancestors, -1: tt.ancestors, 99: tt.ancestors} {
				data, err := File(path, lvl)
				checkErr(t, fmt.Sprintf("level %d", lvl), err, fill.Replace(want))
				if err != nil && data != nil {
					t.Errorf("level %d: contents with an error: %q", lvl, data)
				}
				if want == "" && err == nil {
					real, _ := filepath.EvalSymlinks(path)
					if same, _ := os.ReadFile(real); !bytes.Equal(data, same) {
						t.Errorf("level %d: contents %q, want %q", lvl, data, same)
					}
				}
			}
		})
	}
	checkNoLeak(t)
}

// checkNoLeak fails when this process holds a descriptor into a test's tree.
func checkNoLeak(t *testing.T) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Logf("not checked: leaked descriptors: %v", err)
		return
	}
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if to == "/" || strings.HasPrefix(to, "/var/lib/ironwrap-trust-test-") {
			t.Errorf("descriptor %s of %s is left open", fd.Name(), to)
		}
	}
}

func TestLinkLimit(t *testing.T) {
	base := tree(t)
	plant(t, base, "file 0 644 0")
	for i := 1; i <= 41; i++ {
		plant(t, base, fmt.Sprintf("link %d 0 %d", i, i-1))
	}
	for i, want := range map[int]string{40: "", 41: "too many levels"} {
		path := fmt.Sprintf("%s/%d", base, i)
		_, err := File(path, Ancestors)
		checkErr(t, path, err, want)
		if _, kernel := os.ReadFile(path); (kernel == nil) != (err == nil) {
			t.Errorf("%s: the kernel says %v, we say %v", path, kernel, err)
		}
	}
}

func TestPathRefused(t *testing.T) {
	for path, want := range map[string]string{
		"":                               "cannot open a file without a name",
		"etc/passwd":                     "cannot open etc/passwd: not an absolute path: begin it with /",
		"./etc/passwd":                   "not an absolute path",
		" /etc/passwd":                   "not an absolute path",
		"\n/etc/passwd":                  `cannot open "\n/etc/passwd": not an absolute path`,
		"/etc/passwd\x00":                `cannot open "/etc/passwd\x00": a path cannot hold a NUL byte`,
		"/etc\x00/passwd":                "a path cannot hold a NUL byte",
		"/" + strings.Repeat("a/", 2048): "file name too long",
		"/" + strings.Repeat("/", 1<<20): "file name too long",
	} {
		_, err := File(path, Parent)
		checkErr(t, "File", err, want)
		_, err = Dir(path, Parent)
		checkErr(t, "Dir", err, want)
		_, err = Executable(path, Parent, nobody)
		checkErr(t, "Executable", err, want)
		checkErr(t, "Stable", Stable(path), want)
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestErrorsIs(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir d 755 0", "file d/f 644 0", "file u 644 65534", "link gone 0 nowhere/x", "file w 666 0")
	for _, tt := range []struct {
		path            string
		missing, denied bool // File, Dir
		noexec          bool // Executable
	}{
		{"nowhere", true, false, false},
		{"nowhere/at/all", true, false, false},
		{"gone", true, false, false},
		{"d/f/x", false, false, false},
		{"u", false, false, false},
		{"w", false, false, false},
		{"d", false, false, true},
		{"d/f", false, false, true},
	} {
		path := base + "/" + tt.path
		_, ferr := File(path, Parent)
		_, derr := Dir(path+"/sub", Parent)
		_, xerr := Executable(path, Parent)
		if got := errors.Is(ferr, fs.ErrNotExist); got != tt.missing {
			t.Errorf("File %s: missing is %v: %v", tt.path, got, ferr)
		}
		if tt.missing && !errors.Is(derr, fs.ErrNotExist) {
			t.Errorf("Dir %s/sub: not missing: %v", tt.path, derr)
		}
		if got := errors.Is(xerr, fs.ErrNotExist); got != tt.missing {
			t.Errorf("Executable %s: missing is %v: %v", tt.path, got, xerr)
		}
		if got := errors.Is(ferr, fs.ErrPermission); got != tt.denied {
			t.Errorf("File %s: permission is %v: %v", tt.path, got, ferr)
		}
		if got := errors.Is(xerr, fs.ErrPermission); got != tt.noexec {
			t.Errorf("Executable %s: permission is %v: %v", tt.path, got, xerr)
		}
	}
}

// A caller who is not root (ironwrapctl) is told what he may not look at.
func TestUnreadable(t *testing.T) {
	base := tree(t)
	plant(t, base, "file secret 600 0", "dir d 700 0", "file d/f 644 0", "file open 644 0")
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its file system id
		if err := unix.Setfsuid(nobody); err != nil {
			t.Error(err)
			return
		}
		for path, want := range map[string]string{
			"secret": "cannot open BASE/secret: permission denied",
			"d/f":    "cannot open BASE/d/f: permission denied",
			"d/g":    "permission denied",
			"open":   "",
		} {
			_, err := File(base+"/"+path, Ancestors)
			checkErr(t, path, err, strings.ReplaceAll(want, "BASE", base))
			if want != "" && (!errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)) {
				t.Errorf("%s: not a permission error: %v", path, err)
			}
		}
		d, err := Dir(base+"/d", Ancestors)
		if err != nil {
			t.Error(err)
			return
		}
		defer d.Close()
		if _, err := d.Names(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("Names: not a permission error: %v", err)
		}
	}()
	<-done
}

func TestSize(t *testing.T) {
	base := tree(t)
	for size, want := range map[int64]string{
		0: "", 1: "", 4095: "", 4096: "", 1 << 20: "", MaxSize: "",
		MaxSize + 1: "cannot read BASE/f: it is larger than 16 MiB", 1 << 40: "larger than 16 MiB",
	} {
		path := base + "/f"
		os.Remove(path)
		plant(t, base, "file f 644 0")
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		data, err := File(path, Ancestors)
		checkErr(t, fmt.Sprint(size), err, strings.ReplaceAll(want, "BASE", base))
		if err == nil && int64(len(data)) != size {
			t.Errorf("%d bytes of %d", len(data), size)
		}
	}
}

// A file that grows is read to its end, and not past the limit.
func TestReadAll(t *testing.T) {
	within(t, 30*time.Second)
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size, hints := range map[int64][]int64{
		0: {0, 4096}, 1: {0, 1, 4096}, 5000: {0, 1, 4096, 4999, 5000, 1 << 40},
		MaxSize: {1}, MaxSize + 1: {1}, 1 << 40: {1},
	} {
		for i, told := range append(hints, hints...) {
			local := i < len(hints)
			if err := f.Truncate(size); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Seek(0, 0); err != nil {
				t.Fatal(err)
			}
			data, err := readAll(int(f.Fd()), told, local)
			if err != nil || size <= MaxSize && int64(len(data)) != size || size > MaxSize && len(data) <= MaxSize {
				t.Errorf("%d bytes told as %d, local %v: read %d, %v", size, told, local, len(data), err)
			}
		}
	}
}

// Some files have another size than stat(2) says, or none.
func TestSizeNotTold(t *testing.T) {
	const path = "/sys/kernel/notes" // sysfs
	want, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("not checked: a file of sysfs: %v", err)
	}
	got, err := File(path, Ancestors)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want %d bytes", len(got), err, len(want))
	}
}

func TestProc(t *testing.T) {
	base := tree(t)
	plant(t, base, "file f 755 0", "link self 0 /proc/self", "link env 0 /proc/self/environ", "link fd 0 /dev/fd")
	good, err := os.Open(base + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer good.Close()
	pid := os.Getpid()
	for _, path := range []string{
		fmt.Sprintf("/proc/self/fd/%d", good.Fd()),
		fmt.Sprintf("/proc/%d/fd/%d", pid, good.Fd()),
		fmt.Sprintf("/dev/fd/%d", good.Fd()),
		fmt.Sprintf("%s/fd/%d", base, good.Fd()),
		"/proc/self/exe", fmt.Sprintf("/proc/%d/exe", pid), base + "/self/exe",
		"/proc/self/root" + base + "/f", fmt.Sprintf("/proc/%d/root%s/f", pid, base),
		"/proc/self/cwd/trust.go", fmt.Sprintf("/proc/%d/cwd/trust.go", pid),
		"/proc/thread-self/root/etc/passwd",
		fmt.Sprintf("/proc/%d/environ", pid), fmt.Sprintf("/proc/%d/cmdline", pid), base + "/env",
		"/proc/self/../version", "/proc/version", "/proc/mounts", "/proc/1/mounts",
	} {
		const want = "is in a proc file system"
		for _, lvl := range []Level{Parent, Ancestors} {
			_, err := File(path, lvl)
			checkErr(t, "File "+path, err, want)
			if dir := filepath.Dir(path); dir != base {
				_, err = Dir(dir, lvl)
				checkErr(t, "Dir "+dir, err, want)
			}
			_, err = Executable(path, lvl)
			checkErr(t, "Executable "+path, err, want)
		}
		checkErr(t, "Stable "+path, Stable(path), want)
	}
}

// The group bits of the mode are the mask of the ACL.
func TestACL(t *testing.T) {
	base := tree(t)
	plant(t, base, "file f 644 0", "file r 644 0", "dir d 755 0", "file d/f 644 0")
	acl := func(name string, perm byte) {
		entry := func(tag, perm byte, id uint32) []byte { // linux/posix_acl_xattr.h
			return []byte{tag, 0, perm, 0, byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)}
		}
		none := ^uint32(0)
		value := slices.Concat([]byte{2, 0, 0, 0},
			entry(0x01, 7, none), entry(0x02, perm, nobody), entry(0x04, 5, none), entry(0x10, perm, none), entry(0x20, 5, none))
		if err := unix.Setxattr(base+"/"+name, "system.posix_acl_access", value, 0); err != nil {
			t.Skipf("not checked: ACLs: %v", err)
		}
	}
	acl("f", 6)
	acl("r", 4)
	_, err := File(base+"/f", Parent)
	checkErr(t, "ACL that lets nobody write", err, `it is writable by group (mode 0765): run "chmod go-w `)
	_, err = File(base+"/r", Parent)
	checkErr(t, "ACL that lets nobody read", err, "")

	_, err = File(base+"/d/f", Ancestors)
	checkErr(t, "before the ACL", err, "")
	acl("d", 7)
	_, err = File(base+"/d/f", Parent)
	checkErr(t, "directory with an ACL", err, "its directory "+base+"/d is writable by group")

	// What the message says to do must help.
	if err := os.Chmod(base+"/f", 0o745); err != nil {
		t.Fatal(err)
	}
	_, err = File(base+"/f", Parent)
	checkErr(t, "after chmod go-w", err, "")
}

// A lease makes open(2) wait for its holder; we do not wait.
func TestLease(t *testing.T) {
	within(t, 60*time.Second)
	base := tree(t)
	plant(t, base, "file f 644 0")
	f, err := os.OpenFile(base+"/f", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Skipf("not checked: leases: %v", err)
	}
	begin := time.Now()
	_, err = File(base+"/f", Parent)
	checkErr(t, "lease", err, "resource temporarily unavailable")
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("waited %v", d)
	}
}

func TestDir(t *testing.T) {
	needRoot(t)
	within(t, 60*time.Second)
	for _, tt := range []struct {
		name              string
		objects           []string
		path              string
		parent, ancestors string
	}{
		{"plain", []string{"dir d 755 0"}, "d", "", ""},
		{"slash", []string{"dir d 755 0"}, "d//", "", ""},
		{"dot", []string{"dir d 755 0"}, "d/.", "", ""},
		{"dot dot", []string{"dir d 755 0", "dir d/e 755 0"}, "d/e/..", "", ""},
		{"of another", []string{"dir d 755 65534"}, "d", `: it is owned by uid 65534, not root: use a directory that only root can write to`, "it is owned"},
		{"of another, slash", []string{"dir d 755 65534"}, "d/", "directory BASE/d is owned", "directory BASE/d is owned"},
		{"writable by group", []string{"dir d 775 0"}, "d", "it is writable by group (mode 0775)", "it is writable"},
		{"sticky", []string{"dir d 1777 0"}, "d", "it is writable by group and others (mode 1777): use a directory that only root can write to", "it is writable"},
		{"parent of another", []string{"dir u 755 65534", "dir u/d 755 0"}, "u/d", "its directory BASE/u is owned", "directory BASE/u is owned"},
		{"parent of another, slash", []string{"dir u 755 65534", "dir u/d 755 0"}, "u/d/", "its directory BASE/u is owned", "directory BASE/u is owned"},
		{"parent of another, dot", []string{"dir u 755 65534", "dir u/d 755 0"}, "u/d/.", "its directory BASE/u is owned", "directory BASE/u is owned"},
		{"parent of another, dot dot", []string{"dir u 755 65534", "dir u/d 755 0", "dir u/d/e 755 0"}, "u/d/e/..", "its directory BASE/u is owned", "directory BASE/u is owned"},
		{"parent of another, link with dot", []string{"dir u 755 65534", "dir u/d 755 0", "link l 0 u/d/."}, "l", "its directory BASE/u is owned", "directory BASE/u is owned"},
		{"grandparent of another", []string{"dir u 755 65534", "dir u/c 755 0", "dir u/c/d 755 0"}, "u/c/d", "", "directory BASE/u is owned"},
		{"link", []string{"dir d 755 0", "link l 0 d"}, "l", "", ""},
		{"link, slash", []string{"dir d 755 0", "link l 0 d"}, "l/", "", ""},
		{"link to /", []string{"link l 0 /"}, "l", "", ""},
		{"link to .", []string{"link l 0 ."}, "l", "", ""},
		{"link of another", []string{"dir d 755 0", "link l 65534 d"}, "l", "symbolic link BASE/l is owned", "symbolic link BASE/l is owned"},
		{"dangling", []string{"link l 0 d"}, "l", "no such file", "no such file"},
		{"file", []string{"file d 644 0"}, "d", "cannot open BASE/d: not a directory", "not a directory"},
		{"link to a file", []string{"file f 644 0", "link l 0 f"}, "l", "cannot open BASE/l: BASE/f: not a directory", "not a directory"},
		{"fifo", []string{"fifo d 644 0"}, "d", "not a directory", "not a directory"},
		{"device", []string{"dev d 644 0"}, "d", "not a directory", "not a directory"},
		{"missing", nil, "d", "cannot open BASE/d: no such file or directory", "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := tree(t)
			plant(t, base, tt.objects...)
			for lvl, want := range map[Level]string{Parent: tt.parent, Ancestors: tt.ancestors} {
				d, err := Dir(base+"/"+tt.path, lvl)
				checkErr(t, fmt.Sprintf("level %d", lvl), err, strings.ReplaceAll(want, "BASE", base))
				if err == nil {
					real, _ := filepath.EvalSymlinks(base + "/" + tt.path)
					if d.real != real {
						t.Errorf("opened %s, want %s", d.real, real)
					}
					d.Close()
				}
			}
		})
	}
	checkNoLeak(t)

	for _, root := range []string{"/", "//", "/.", "/..", "/../.."} {
		d, err := Dir(root, Ancestors)
		if err != nil {
			t.Errorf("%s: %v", root, err)
			continue
		}
		if names, err := d.Names(); err != nil || !slices.Contains(names, "etc") {
			t.Errorf("%s: %q, %v", root, names, err)
		}
		if _, err := d.File("etc"); err == nil || !strings.Contains(err.Error(), "etc: it is a directory") {
			t.Errorf("%s: etc: %v", root, err)
		}
		d.Close()
	}
}

func TestDirectory(t *testing.T) {
	within(t, 60*time.Second)
	base := tree(t)
	plant(t, base, "dir d 755 0", "dir e 755 0", "dir u 755 65534",
		"file d/b.filters 644 0", "file d/a.filters 644 0", "file d/\xffodd\x01 644 0", "file d/.hidden 644 0",
		"file d/theirs 644 65534", "file d/wide 666 0", "fifo d/fifo 644 0", "dir d/sub 755 0", "file d/sub/f 644 0",
		"file e/f 644 0", "link d/up 0 ../e/f", "link d/abs 0 BASE/e/f", "link d/near 0 a.filters", "link d/theirlink 65534 a.filters",
		"file u/f 644 0", "link d/out 0 ../u/f", "link d/gone 0 nowhere", "link d/loop 0 loop",
		"file d/prog 755 0", "file d/noexec 644 0", "file d/venv 755 65534", "link d/run 0 prog")
	for i := range 2000 {
		if err := os.WriteFile(fmt.Sprintf("%s/e/%04d", base, 2000-i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	d, err := Dir(base+"/d/", Ancestors)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 { // listing leaves nothing behind
		names, err := d.Names()
		want := []string{".hidden", "a.filters", "abs", "b.filters", "fifo", "gone", "loop", "near", "noexec", "out", "prog",
			"run", "sub", "theirlink", "theirs", "up", "venv", "wide", "\xffodd\x01"}
		if err != nil || !slices.Equal(names, want) {
			t.Errorf("names %q, %v; want %q", names, err, want)
		}
	}
	for name, want := range map[string]string{
		"a.filters": "", "b.filters": "", ".hidden": "", "\xffodd\x01": "", "up": "", "abs": "", "near": "",
		"theirs": "cannot trust BASE/d/theirs: it is owned by uid 65534", "wide": "it is writable by group and others",
		"fifo": "it is a FIFO", "sub": "it is a directory", "theirlink": "symbolic link BASE/d/theirlink is owned",
		"out": "directory BASE/u is owned", "gone": "no such file", "missing": "cannot open BASE/d/missing: no such file", "loop": "too many levels",
		"": "not the name of a directory entry", ".": "not the name of a directory entry", "..": "not the name of a directory entry",
		"sub/f": "not the name of a directory entry", "../e/f": "not the name of a directory entry",
		base + "/e/f": "not the name of a directory entry", "a.filters\x00": "not the name of a directory entry", "sub/": "not the name of",
	} {
		data, err := d.File(name)
		checkErr(t, name, err, strings.ReplaceAll(want, "BASE", base))
		if err == nil {
			if same, _ := os.ReadFile(base + "/d/" + name); !bytes.Equal(data, same) {
				t.Errorf("%q: contents %q", name, data)
			}
		}
	}
	for name, want := range map[string]string{
		"prog": "", "run": "", "noexec": "not executable (mode 0644)", "venv": "it is owned by uid 65534, not root: ", "fifo": "a FIFO", "a/b": "not the name of",
	} {
		id, err := d.Executable(name)
		checkErr(t, name, err, want)
		if err == nil && id.Path != base+"/d/prog" {
			t.Errorf("%s is %s", name, id.Path)
		}
	}
	if _, err := d.Executable("venv", nobody); err != nil {
		t.Error(err)
	}

	many, err := Dir(base+"/e", Parent)
	if err != nil {
		t.Fatal(err)
	}
	names, err := many.Names()
	if err != nil || len(names) != 2001 || !slices.IsSorted(names) {
		t.Errorf("%d names, sorted %v, %v", len(names), slices.IsSorted(names), err)
	}

	// Other things may come to stand at the path; the directory stays what it is.
	for _, step := range []error{
		os.Rename(base+"/e", base+"/old"),
		os.Mkdir(base+"/e", 0o755),
		os.WriteFile(base+"/e/f", []byte("another"), 0o644),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if data, err := many.File("f"); err != nil || string(data) != "e/f" {
		t.Errorf("after the swap: %q, %v", data, err)
	}
	// But not one that root has given away since.
	if err := os.Chown(base+"/old", nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := many.File("f"); err == nil {
		t.Error("the directory is another's now, and trusted")
	}
	many.Close()
	if _, err := many.File("f"); err == nil {
		t.Error("a closed directory works")
	}
}

func TestExecutable(t *testing.T) {
	needRoot(t)
	within(t, 60*time.Second)
	for _, tt := range []struct {
		name    string
		objects []string
		path    string
		owners  []uint32
		want    string
	}{
		{"plain", []string{"file x 755 0"}, "x", nil, ""},
		{"set-id", []string{"file x 6755 0"}, "x", nil, ""},
		{"only for its owner", []string{"file x 100 0"}, "x", nil, ""},
		{"only for others", []string{"file x 1 0"}, "x", nil, ""},
		{"no x bit", []string{"file x 644 0"}, "x", nil, `cannot execute BASE/x: permission denied: it is not executable (mode 0644): if it is a program, run "chmod a+x BASE/x"`},
		{"directory", []string{"dir x 755 0"}, "x", nil, "cannot execute BASE/x: permission denied: it is a directory, not a regular file"},
		{"fifo", []string{"fifo x 755 0"}, "x", nil, "it is a FIFO"},
		{"socket", []string{"sock x 755 0"}, "x", nil, "it is a socket"},
		{"device", []string{"dev x 755 0"}, "x", nil, "it is a device"},
		{"missing", nil, "x", nil, "no such file"},
		{"of another", []string{"file x 755 65534"}, "x", nil, `it is owned by uid 65534, not root: look at what is in it, then run "chown root BASE/x"`},
		{"of another, other owner allowed", []string{"file x 755 65534"}, "x", []uint32{0, 7}, `it is owned by uid 65534, not root or uid 7: look at what is in it, then run`},
		{"of an owner", []string{"file x 755 65534"}, "x", []uint32{7, 65534}, ""},
		{"of root, owner allowed", []string{"file x 755 0"}, "x", []uint32{65534}, ""},
		{"of an owner, no x bit", []string{"file x 644 65534"}, "x", []uint32{65534}, "not executable"},
		{"writable by group", []string{"file x 775 0"}, "x", nil, "it is writable by group (mode 0775)"},
		{"of an owner, writable by others", []string{"file x 757 65534"}, "x", []uint32{65534}, "it is writable by others (mode 0757)"},
		{"untrusted before not executable", []string{"file x 666 0"}, "x", nil, "it is writable by"},
		{"directory of an owner", []string{"dir d 755 65534", "file d/x 755 65534"}, "d/x", []uint32{65534}, "directory BASE/d is owned by uid 65534"},
		{"link of an owner", []string{"file y 755 0", "link x 65534 y"}, "x", []uint32{65534}, "symbolic link BASE/x is owned by uid 65534"},
		{"links", []string{"dir d 755 0", "file d/y 755 0", "link e 0 d", "link x 0 e/../d/./y"}, "x", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := tree(t)
			plant(t, base, tt.objects...)
			for _, lvl := range []Level{Parent, Ancestors} {
				id, err := Executable(base+"/"+tt.path, lvl, tt.owners...)
				checkErr(t, fmt.Sprintf("level %d", lvl), err, strings.ReplaceAll(tt.want, "BASE", base))
				if err != nil {
					if id != (ID{}) {
						t.Errorf("an id with an error: %+v", id)
					}
					continue
				}
				real, _ := filepath.EvalSymlinks(base + "/" + tt.path)
				var st unix.Stat_t
				if err := unix.Lstat(real, &st); err != nil {
					t.Fatal(err)
				}
				if want := (ID{real, uint64(st.Dev), st.Ino, st.Mode & 0o7777, st.Uid}); id != want {
					t.Errorf("%+v, want %+v", id, want)
				}
			}
		})
	}
	checkNoLeak(t)
}

func TestStable(t *testing.T) {
	within(t, 60*time.Second)
	base := tree(t)
	plant(t, base, "dir d 755 0", "dir u 755 65534", "dir w 775 0", "dir u/d 755 0",
		"file d/theirs 666 65534", "file d/f 644 0", "fifo d/p 666 65534", "file u/f 644 0", "file w/f 644 0", "file u/d/f 644 0",
		"link d/l 0 theirs", "link d/bad 65534 f", "link d/out 0 ../u/f", "link u/in 0 ../d/f", "link way 0 d", "link badway 65534 d")
	for path, want := range map[string]string{
		"d/f": "", "d/theirs": "", "d/p": "", "d/l": "", "way/f": "", "d": "", "u": "", "d/../d/f": "",
		"u/f":      "cannot trust BASE/u/f: its directory BASE/u is owned by uid 65534",
		"w/f":      "directory BASE/w is writable by group",
		"u/d/f":    "directory BASE/u is owned",
		"u/in":     "directory BASE/u is owned",
		"u/../d/f": "directory BASE/u is owned",
		"d/bad":    "symbolic link BASE/d/bad is owned",
		"d/out":    "directory BASE/u is owned",
		"badway/f": "symbolic link BASE/badway is owned",
		"u/":       "directory BASE/u is owned", // u itself is passed
		"d/gone":   "no such file",
	} {
		checkErr(t, path, Stable(base+"/"+path), strings.ReplaceAll(want, "BASE", base))
	}
	checkNoLeak(t)
}

// What every machine has, so that something is checked without root too.
func TestSystem(t *testing.T) {
	for _, lvl := range []Level{Parent, Ancestors} {
		want, err := os.ReadFile("/etc/passwd")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := File("/etc/passwd", lvl); err != nil || !bytes.Equal(got, want) {
			t.Errorf("/etc/passwd: %d bytes, %v", len(got), err)
		}
		id, err := Executable("/bin/sh", lvl)
		real, _ := filepath.EvalSymlinks("/bin/sh")
		if err != nil || id.Path != real || id.Mode&0o111 == 0 {
			t.Errorf("/bin/sh: %+v, %v; want %s", id, err, real)
		}
		d, err := Dir("/usr/bin", lvl)
		if err != nil {
			t.Fatal(err)
		}
		if names, err := d.Names(); err != nil || !slices.Contains(names, "env") {
			t.Errorf("/usr/bin: %d names, %v", len(names), err)
		}
		d.Close()
	}
	if err := Stable("/etc/passwd"); err != nil {
		t.Error(err)
	}
	if err := Stable("/tmp/x"); err == nil {
		t.Error("a path in /tmp is stable")
	}
}

func TestShowAndShell(t *testing.T) {
	for _, tt := range []struct{ path, show, shell string }{
		{"/etc/nova/rootwrap.d", "/etc/nova/rootwrap.d", "/etc/nova/rootwrap.d"},
		{"/a b", "/a b", "'/a b'"},
		{"/it's", "/it's", `'/it'\''s'`},
		{"/$(id)`;&|<>*?[~#!", "/$(id)`;&|<>*?[~#!", "'/$(id)`;&|<>*?[~#!'"},
		{"/é", "/é", "'/é'"},
		{`/a"b`, `"/a\"b"`, `$'/a\"b'`},
		{`/a\b`, `"/a\\b"`, `$'/a\\b'`},
		{"/a\nb", `"/a\nb"`, `$'/a\nb'`},
		{"/\x1b[31m'", `"/\x1b[31m'"`, `$'/\x1b[31m\''`},
		{"/\xff\xfe0", `"/\xff\xfe0"`, `$'/\xff\xfe0'`},
		{"/\u202e", `"/\u202e"`, `$'/\u202e'`},
		{"/\u2028", `"/\u2028"`, `$'/\u2028'`},
	} {
		if got := show(tt.path); got != tt.show {
			t.Errorf("show(%q) = %s, want %s", tt.path, got, tt.show)
		}
		if got := shell(tt.path); got != tt.shell {
			t.Errorf("shell(%q) = %s, want %s", tt.path, got, tt.shell)
		}
	}
}

// The commands that messages suggest, given to a shell, lead to acceptance.
func TestSuggestions(t *testing.T) {
	base := tree(t)
	plant(t, base, "dir d' 777 0", "file d'/a\"b\x01\xff'$x 666 65534", "link l 65534 d'/a\"b\x01\xff'$x")
	run := regexp.MustCompile(`run "(.*)"$`)
	for range 10 {
		_, err := File(base+"/l", Ancestors)
		if err == nil {
			return
		}
		m := run.FindStringSubmatch(err.Error())
		if m == nil {
			t.Fatalf("no suggestion: %v", err)
		}
		if out, err := bash(m[1]); err != nil {
			t.Fatalf("%s: %v: %s", m[1], err, out)
		}
	}
	t.Error("ten suggestions were not enough")
}
