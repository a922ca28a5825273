package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/policy/compiled"
	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

const conf = "/etc/x/rootwrap.conf"

func TestMain(m *testing.M) {
	compiled.Build = "test"
	if times := os.Getenv("IRONWRAP_STORE_KEEP"); times != "" {
		keepOften(times)
		return
	}
	os.Exit(m.Run())
}

// long is when all sources of a test were left alone.
var long = time.Unix(1000, 0)

// policyOf is one whose rootwrap.conf says value, as often as to make it so long.
func policyOf(path, value string) *compiled.Policy {
	return &compiled.Policy{
		Build: compiled.Build, Path: path,
		Conf: &document.Document{Defaults: []document.Entry{{Key: "value", Value: value, Line: 1}}},
		Sources: []compiled.Source{
			{Kind: compiled.Conf, Path: path, Identity: trust.Identity{Ctime: 1, Local: true}},
			{Kind: compiled.Absent, Path: "/nowhere"},
		},
		Lines: []compiled.Line{{Entry: document.Entry{Key: "f", Value: value}, Words: []string{"f"}}},
	}
}

func keep(path, value string) error {
	p := policyOf(path, value)
	data, err := compiled.Encode(p)
	if err != nil {
		return err
	}
	return Keep(p, data, long)
}

// kept is what the configuration at path says, read as a call reads it.
func kept(path string) (string, error) {
	k, err := Open(path, nil)
	if err != nil {
		return "", err
	}
	defer k.Close()
	lines, err := k.Lines([]string{"f"})
	if err != nil {
		return "", err
	}
	if k.Path != path || len(lines) != 1 || lines[0].Value != k.Conf.Defaults[0].Value {
		return "", fmt.Errorf("of %s, with %v and %v", k.Path, lines, k.Conf)
	}
	return lines[0].Value, nil
}

// alone calls do on a thread of its own, whose mounts and umask are its own, with a tmpfs
// at /run.
func alone(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: NOT CHECKED what is kept, for only root keeps anything")
	}
	done := make(chan bool)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with its mounts
		whole := false
		defer func() { done <- whole }()
		for _, err := range []error{
			syscall.Unshare(syscall.CLONE_NEWNS),
			syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
			syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"),
		} {
			if err != nil {
				t.Errorf("cannot make a place for the test: %v", err)
				return
			}
		}
		do()
		whole = true
	}()
	if !<-done {
		t.FailNow()
	}
}

func sh(t *testing.T, script string) {
	t.Helper()
	c := exec.Command("sh", "-euc", script)
	c.Env = append(os.Environ(), "D="+Dir, "F="+Dir+"/"+name(conf))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// onDisk makes a directory that is on no tmpfs.
func onDisk(t *testing.T) string {
	t.Helper()
	disk, err := os.MkdirTemp("/var/lib", "ironwrap-store-")
	if err != nil {
		t.Skipf("NOT CHECKED: what is on a disk: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(disk) })
	if err := os.Chmod(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if inMemory(disk) {
		t.Errorf("NOT CHECKED: what is on a disk: /var/lib is on a tmpfs")
	}
	return disk
}

func entries(t *testing.T) (names []string) {
	t.Helper()
	list, err := os.ReadDir(Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func mustKeep(t *testing.T, path, value string) {
	t.Helper()
	if err := keep(path, value); err != nil {
		t.Fatal(err)
	}
	if got, err := kept(path); err != nil || got != value {
		t.Fatalf("kept %.20q, got %.20q, %v", value, got, err)
	}
}

func TestKeep(t *testing.T) {
	alone(t, func() {
		if _, err := Open(conf, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("where nothing was ever kept: %v", err)
		}
		if err := Remove(conf); err != nil {
			t.Errorf("where nothing was ever kept: %v", err)
		}
		// The umask that a caller has set is none of ours.
		syscall.Umask(0o777)
		mustKeep(t, conf, "one")
		for path, want := range map[string]os.FileMode{parent: 0o755, Dir: 0o700, Dir + "/" + name(conf): 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}
		syscall.Umask(0)
		mustKeep(t, conf, "two")
		mustKeep(t, "/etc/y/rootwrap.conf", "three")
		if err := Remove(conf); err != nil {
			t.Fatal(err)
		}
		if _, err := kept(conf); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("what was removed: %v", err)
		}
		if got, err := kept("/etc/y/rootwrap.conf"); got != "three" || err != nil {
			t.Errorf("%q, %v: another configuration's was removed", got, err)
		}
	})
}

// A build without a name keeps nothing, and obeys nothing.
func TestNoBuild(t *testing.T) {
	alone(t, func() {
		defer func(build string) { compiled.Build = build }(compiled.Build)
		compiled.Build = ""
		if err := keep(conf, "x"); !errors.Is(err, ErrNotKept) {
			t.Errorf("kept: %v", err)
		}
		p := policyOf(conf, "x")
		data, err := compiled.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		sh(t, "mkdir -p $D; chmod 700 $D")
		if err := os.WriteFile(Dir+"/"+name(conf), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(conf, nil); !errors.Is(err, ErrNone) {
			t.Errorf("opened: %v", err)
		}
		compiled.Build = "another"
		if _, err := Open(conf, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("opened by another build: %v", err)
		}
		if err := os.WriteFile(Path(conf), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(conf, nil); !errors.Is(err, compiled.ErrDamaged) {
			t.Errorf("opened by another build, under its name: %v", err)
		}
	})
}

// TestDistrust: what somebody besides root can have written, or may have put there, is not
// obeyed, and nothing of it is waited for.
func TestDistrust(t *testing.T) {
	for what, script := range map[string]string{
		"file of another":                  `chown 65534 $F`,
		"file writable by group":           `chmod 660 $F`,
		"file writable by others":          `chmod 602 $F`,
		"file with another name":           `ln $F $D/other`,
		"link to a file":                   `mv $F /run/file; ln -s /run/file $F`,
		"link to a file of the directory":  `mv $F $D/file; ln -s file $F`,
		"link to nothing":                  `ln -sf nothing $F`,
		"FIFO":                             `rm $F; mkfifo -m 600 $F`,
		"directory":                        `rm $F; mkdir -m 700 $F`,
		"device":                           `rm $F; mknod -m 600 $F c 1 5`,
		"file of a mount that is no tmpfs": `cp $F $T/f; mount --bind $T/f $F`,
		"directory of another":             `chown 65534 $D`,
		"directory writable by group":      `chmod 770 $D`,
		"directory writable by others":     `chmod 702 $D`,
		"directory sticky":                 `chmod 1777 $D`,
		"link of another's to it":          `mv $D /run/d; ln -s /run/d $D; chown -h 65534 $D`,
		"link to one of another's":         `mv $D /run/d; ln -s /run/d $D; chown 65534 /run/d`,
		"link into a sticky directory":     `mkdir -m 1777 /run/tmp; mv $D /run/tmp/d; ln -s /run/tmp/d $D`,
		"parent of another":                `chown 65534 /run/ironwrap`,
		"parent writable by others":        `chmod 777 /run/ironwrap`,
		"parent sticky":                    `chmod 1777 /run/ironwrap`,
		"parent a link into a sticky one":  `mkdir -m 1777 /run/tmp; mv /run/ironwrap /run/tmp/i; ln -s /run/tmp/i /run/ironwrap`,
		"/run writable by others":          `chmod 1777 /run`,
		"directory that is no tmpfs":       `cp $F $T; mount --bind $T $D`,
		"directory that is a file":         `rm -r $D; : >$D`,
		"no directory":                     `rm -r $D`,
		"empty file":                       `: >$F`,
		"other file":                       `head -c 100000 /dev/urandom >$F`,
		"text":                             `echo "[Filters]" >$F`,
		"file of zeros":                    `s=$(stat -c %s $F); : >$F; truncate -s $s $F`,
		"huge file with a hole":            `truncate -s 1T $F`,
	} {
		t.Run(what, func(t *testing.T) {
			disk := onDisk(t)
			alone(t, func() {
				mustKeep(t, conf, "x")
				sh(t, "T="+disk+"; "+script)
				began := time.Now()
				if got, err := kept(conf); err == nil {
					t.Errorf("it is obeyed: %q", got)
				} else if strings.Contains(err.Error(), "\n") {
					t.Errorf("%q is no line", err)
				}
				if d := time.Since(began); d > 20*time.Second {
					t.Errorf("it took %v", d)
				}
				// Keeping puts right what root alone has in hand, and leaves all else.
				if err := keep(conf, "y"); err != nil {
					if _, err := kept(conf); err == nil {
						t.Errorf("not kept, and obeyed now")
					}
				} else if got, err := kept(conf); got != "y" || err != nil {
					t.Errorf("kept, and it is %q, %v", got, err)
				}
			})
		})
	}
}

// A link of root's in directories of root's is root's word.
func TestLinkOfRoot(t *testing.T) {
	alone(t, func() {
		mustKeep(t, conf, "x")
		sh(t, "mv $D /run/elsewhere; ln -s /run/elsewhere $D")
		if got, err := kept(conf); got != "x" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// What gets shorter or is written over while a call reads it is an error: a mapped file
// would have killed the call.
func TestCutWhileRead(t *testing.T) {
	for _, size := range []int64{0, 1, 100, 40_000} {
		alone(t, func() {
			mustKeep(t, conf, strings.Repeat("x", 50_000))
			k, err := Open(conf, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer k.Close()
			if err := os.Truncate(Dir+"/"+name(conf), size); err != nil {
				t.Fatal(err)
			}
			if lines, err := k.Lines([]string{"f"}); !errors.Is(err, compiled.ErrDamaged) {
				t.Errorf("cut to %d bytes: %d lines, %v", size, len(lines), err)
			}
		})
	}
	// What is replaced or removed is still read as it was.
	alone(t, func() {
		mustKeep(t, conf, "old")
		k, err := Open(conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		mustKeep(t, conf, "new")
		if err := Remove(conf); err != nil {
			t.Fatal(err)
		}
		if lines, err := k.Lines([]string{"f"}); err != nil || lines[0].Value != "old" {
			t.Errorf("%v, %v", lines, err)
		}
	})
}

// Where nothing can be written the old file stays, whole, and nothing is left over.
func TestCannotWrite(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	limit := func(n uint64) func() {
		var old unix.Rlimit
		_ = unix.Getrlimit(unix.RLIMIT_FSIZE, &old)
		_ = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: old.Max})
		return func() { _ = unix.Setrlimit(unix.RLIMIT_FSIZE, &old) }
	}
	for what, c := range map[string]struct {
		script string
		limit  func() func()
		want   error
	}{
		"no space":            {"mount -t tmpfs -o mode=700,size=8k none $D", nil, unix.ENOSPC},
		"no space at all":     {"mount -t tmpfs -o mode=700,size=4k none $D", nil, unix.ENOSPC},
		"no inode":            {"mount -t tmpfs -o mode=700,nr_inodes=2 none $D", nil, unix.ENOSPC},
		"read-only":           {"mount -t tmpfs -o mode=700 none $D", nil, unix.EROFS},
		"limit of 0 bytes":    {":", func() func() { return limit(0) }, ErrNotKept},
		"limit of 5000 bytes": {":", func() func() { return limit(5000) }, ErrNotKept},
		"directory in place":  {"mkdir -m 755 $F", nil, unix.EISDIR},
	} {
		t.Run(what, func(t *testing.T) {
			alone(t, func() {
				sh(t, "mkdir -p -m 755 /run/ironwrap; mkdir -m 700 $D; "+c.script)
				if c.want != unix.EISDIR {
					mustKeep(t, conf, "old")
				}
				if c.want == unix.EROFS {
					sh(t, "mount -o remount,ro $D")
				}
				undo := func() {}
				if c.limit != nil {
					undo = c.limit()
				}
				err := keep(conf, long)
				undo()
				if !errors.Is(err, c.want) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
				if names := entries(t); len(names) != 1 {
					t.Errorf("left over: %q", names)
				}
				if got, err := kept(conf); c.want != unix.EISDIR && (got != "old" || err != nil) {
					t.Errorf("the old one is %q, %v", got, err)
				}
			})
		})
	}
}

// Where the directories cannot be made it is not the tmpfs that is said to be wanting.
func TestCannotMakeDirectory(t *testing.T) {
	for script, want := range map[string]error{
		"mount -o remount,ro /run":                         unix.EROFS,
		"mount -t tmpfs -o mode=755,nr_inodes=1 none /run": unix.ENOSPC,
		": >/run/ironwrap":                                 unix.ENOTDIR,
	} {
		alone(t, func() {
			sh(t, script)
			if err := keep(conf, "x"); !errors.Is(err, want) || errors.Is(err, ErrNotKept) {
				t.Errorf("%s: %v", script, err)
			}
		})
	}
}

// Where there is no tmpfs nothing is made, and nothing kept.
func TestNoTmpfs(t *testing.T) {
	disk := onDisk(t)
	alone(t, func() {
		sh(t, "mount --bind "+disk+" /run")
		if err := keep(conf, "x"); !errors.Is(err, ErrNotKept) {
			t.Errorf("%v", err)
		}
		if names, _ := os.ReadDir("/run"); len(names) > 0 {
			t.Errorf("made: %v", names)
		}
		sh(t, "mkdir -p -m 755 /run/ironwrap; mkdir -m 700 $D")
		if err := keep(conf, "x"); !errors.Is(err, ErrNotKept) {
			t.Errorf("%v", err)
		}
		if names := entries(t); len(names) > 0 {
			t.Errorf("made: %v", names)
		}
		sh(t, "mount -t tmpfs -o mode=700 none $D")
		mustKeep(t, conf, "x")
	})
}

// The directory does not grow without end: not by configurations, nor by what writers
// leave that are killed.
func TestFull(t *testing.T) {
	alone(t, func() {
		for i := range 300 {
			mustKeep(t, fmt.Sprintf("/etc/%d.conf", i), "x")
			if n := len(entries(t)); n > 256 {
				t.Fatalf("%d files", n)
			}
		}
		mustKeep(t, conf, "x")
		mustKeep(t, "/etc/y", "y")
		mine := fmt.Sprintf("%s%s%d", name(conf), unfinished, os.Getpid())
		for _, left := range []string{mine, name(conf) + unfinished + "1", name(conf) + unfinished + "999999999"} {
			if err := os.WriteFile(Dir+"/"+left, []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		theirs := name("/etc/y") + unfinished + "1"
		if err := os.WriteFile(Dir+"/"+theirs, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		mustKeep(t, conf, "new")
		for _, n := range entries(t) {
			if strings.Contains(n, unfinished) && n != theirs {
				t.Errorf("left over: %s", n)
			}
		}
		if got, err := kept("/etc/y"); got != "y" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// keepOften is a process that writes, as often as is asked or for ever.
func keepOften(times string) {
	n, err := strconv.Atoi(times)
	for i := 0; err == nil && i != n; i++ {
		value := strings.Repeat(fmt.Sprintf("%d-%d ", os.Getpid(), i), 10_000)
		// Another writer may remove what this one has not finished.
		if err = keep(conf, value); errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writer(times int) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "IRONWRAP_STORE_KEEP="+strconv.Itoa(times))
	c.Stderr = os.Stderr
	return c
}

// Whenever one reads, there is a whole file that some writer has kept, or it was replaced
// that very moment; and there is one at the end.
func TestWritersAtOnce(t *testing.T) {
	alone(t, func() {
		mustKeep(t, conf, "first")
		var writers []*exec.Cmd
		for range 3 {
			c := writer(150)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			writers = append(writers, c)
		}
		done := make(chan error)
		for _, c := range writers {
			go func() { done <- c.Wait() }()
		}
		var reads, replaced int
		for running := len(writers); running > 0; {
			select {
			case err := <-done:
				running--
				if err != nil {
					t.Errorf("a writer: %v", err)
				}
			default:
				reads++
				if err := whole(); err != nil && strings.Contains(err.Error(), "it has 0 names") {
					replaced++
				} else if err != nil {
					t.Error(err)
				}
			}
		}
		if replaced > reads/2 {
			t.Errorf("%d of %d reads met a file that was being replaced", replaced, reads)
		}
		if err := whole(); err != nil {
			t.Error(err)
		}
		if names := entries(t); len(names) != 1 {
			t.Errorf("left over: %q", names)
		}
	})
}

// whole is an error unless what is kept is what one writer wrote.
func whole() error {
	got, err := kept(conf)
	if first, _, _ := strings.Cut(got, " "); err == nil && first != "first" && got != strings.Repeat(first+" ", 10_000) {
		err = errors.New("it is a mixture of two")
	}
	return err
}

// A writer that is killed leaves the old file or the new one, and what it leaves besides
// goes with the next.
func TestKilledWriters(t *testing.T) {
	alone(t, func() {
		mustKeep(t, conf, "first")
		r := rand.New(rand.NewPCG(1, 1))
		for range 40 {
			c := writer(-1)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(5+r.IntN(20)) * time.Millisecond)
			_ = c.Process.Kill()
			_ = c.Wait()
			if err := whole(); err != nil {
				t.Error(err)
			}
			if names := entries(t); len(names) > 2 {
				t.Errorf("left over: %q", names)
			}
		}
		mustKeep(t, conf, "last")
		if names := entries(t); len(names) != 1 {
			t.Errorf("left over: %q", names)
		}
	})
}

// TestNotKept: each reason for which keeping would be a guess.
func TestNotKept(t *testing.T) {
	began := time.Unix(100_000, 500)
	source := func(changed time.Time, local bool) compiled.Source {
		return compiled.Source{Kind: compiled.File, Path: "/etc/x/d/a.filters", Identity: trust.Identity{Ctime: changed.UnixNano(), Local: local}}
	}
	old := began.Add(-time.Hour)
	for what, c := range map[string]struct {
		change func(p *compiled.Policy)
		want   string // in the reason; empty where it is kept
	}{
		"all is well":               {func(p *compiled.Policy) { p.Sources = append(p.Sources, source(old, true)) }, ""},
		"just long enough":          {func(p *compiled.Policy) { p.Sources = append(p.Sources, source(began.Add(-trust.Settled), true)) }, ""},
		"not long enough":           {func(p *compiled.Policy) { p.Sources = append(p.Sources, source(began.Add(1-trust.Settled), true)) }, "/etc/x/d/a.filters was changed a moment ago"},
		"changed while it was read": {func(p *compiled.Policy) { p.Sources = append(p.Sources, source(began.Add(time.Millisecond), true)) }, "a.filters was changed"},
		"the clock was set back":    {func(p *compiled.Policy) { p.Sources = append(p.Sources, source(began.Add(24*time.Hour), true)) }, "later than the clock says"},
		"the clock is before 1970":  {func(p *compiled.Policy) { p.Sources[0].Identity.Ctime = -1 }, ""},
		"on NFS":                    {func(p *compiled.Policy) { p.Sources = append(p.Sources, source(old, false)) }, "a.filters is on a file system that"},
		"rootwrap.conf on NFS":      {func(p *compiled.Policy) { p.Sources[0].Identity.Local = false }, conf + " is on a file system that"},
		"rootwrap.conf too new":     {func(p *compiled.Policy) { p.Sources[0].Identity.Ctime = began.UnixNano() }, conf + " was changed"},
		"a link to nothing":         {func(p *compiled.Policy) { p.Passing = "/etc/x/d/z.filters leads to no file" }, "z.filters leads to no file"},
		"no build":                  {func(p *compiled.Policy) { p.Build = "" }, "this build has no name"},
	} {
		p := policyOf(conf, "x")
		c.change(p)
		why := settled(p, began)
		if (c.want == "") != (why == nil) || why != nil && (!strings.Contains(why.Error(), c.want) || !errors.Is(why, ErrNotKept)) {
			t.Errorf("%s: %v", what, why)
		}
		if errors.Is(why, ErrTooNew) != (c.want != "" && strings.Contains(why.Error(), "was changed")) {
			t.Errorf("%s: is it too new? %v", what, why)
		}
		if c.want == "" {
			continue
		}
		alone(t, func() {
			data, err := compiled.Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := Keep(p, data, began); !errors.Is(err, ErrNotKept) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", what, err)
			}
			if _, err := os.Lstat(parent); err == nil {
				t.Errorf("%s: a directory was made", what)
			}
		})
	}
}

// Each path has a file of its own, and none is obeyed as another's.
func TestNames(t *testing.T) {
	deep := strings.Repeat("/directory", 200)
	paths := []string{"", "/", "/etc/x/rootwrap.conf", "/etc/x-rootwrap.conf", "/etc-x/rootwrap.conf", "/etc/x/rootwrap.conf/", "/etc//x/rootwrap.conf", "/etc/x/rootwrap.con",
		deep, deep + "/a", deep + "/b", "/b" + deep, deep[:160], deep[:161], deep[:159], "/\xff\xfe", "/a\nb", "/..", "/.", "/" + strings.Repeat("ä", 100)}
	seen := map[string]string{}
	for _, p := range paths {
		n := name(p)
		if other, twice := seen[n]; twice {
			t.Errorf("%q and %q are both %q", p, other, n)
		}
		seen[n] = p
		if len(n)+len(unfinished)+20 > 255 || strings.ContainsAny(n, "/\x00") || n == "." || n == ".." {
			t.Errorf("%q: %q is no name", p, n)
		}
	}
	alone(t, func() {
		for i, p := range paths {
			mustKeep(t, p, fmt.Sprint(i))
		}
		for i, p := range paths {
			if got, err := kept(p); got != fmt.Sprint(i) || err != nil {
				t.Errorf("%q: %q, %v", p, got, err)
			}
		}
		// Should two paths have one name, the path in the file tells whose it is.
		if err := os.Rename(Dir+"/"+name(deep), Dir+"/"+name(conf)); err != nil {
			t.Fatal(err)
		}
		k, err := Open(conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if k.Path != deep {
			t.Errorf("it says that it is %q", k.Path)
		}
	})
}

// Nothing stays open.
func TestNoLeak(t *testing.T) {
	alone(t, func() {
		mustKeep(t, conf, "x")
		count := func() int {
			list, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		before := count()
		for range 20 {
			_ = keep(conf, "x")
			_, _ = kept(conf)
			_, _ = kept("/etc/none")
			_ = keep("/etc/"+strings.Repeat("x", 5000), "x")
		}
		sh(t, ": >$F")
		_, _ = kept(conf)
		sh(t, "chmod 777 $D")
		_, _ = kept(conf)
		_ = keep(conf, "x")
		if after := count(); after != before {
			t.Errorf("%d descriptors, then %d", before, after)
		}
	})
}
