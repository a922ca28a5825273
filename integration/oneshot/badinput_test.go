package oneshot

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
)

// bad is a policy that allows touch(1), and a file that is there once it ran.
type bad struct {
	rig.Policy
	marker string
}

func newBad(t *testing.T, extra ...string) bad {
	t.Helper()
	p := rig.NewPolicy(t, "touch: CommandFilter, touch, root\nprintf: CommandFilter, printf, root", extra...)
	return bad{p, p.Dir + "/ran"}
}

// promptly runs a command that must answer within a second. The machine may be
// busy with other tests: so the second is one of its own time (user and system),
// the best of three tries counts, and a wait shows in ten seconds on the clock.
func promptly(t *testing.T, make func() *exec.Cmd) (r rig.Result) {
	t.Helper()
	var used time.Duration
	for range 3 {
		c := make()
		r = rig.RunCmd(t, c)
		used = c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		if used < time.Second && r.Elapsed < 10*time.Second {
			return r
		}
	}
	t.Errorf("it took %v, and used %v", r.Elapsed, used)
	return r
}

// touch asks for the command of a bad policy by way of a configuration path.
func (b bad) touch(t *testing.T, conf string, stdin string) rig.Result {
	t.Helper()
	return promptly(t, func() *exec.Cmd {
		c := exec.Command(rig.Ours, conf, "touch", b.marker)
		c.Dir, c.Env = b.Dir, []string{"PATH=/usr/bin:/bin"}
		if stdin != "" {
			f, err := os.Open(stdin)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			c.Stdin = f
		}
		return c
	})
}

// way is one in which commands are asked for: a program, and the word before the command.
type way struct {
	bad
	program, first string
}

func (w way) name() string { return filepath.Base(w.program) }

// inEachWay plays a test by the one-shot program, and by ironwrap-call.
func inEachWay(t *testing.T, b bad, test func(t *testing.T, b way)) {
	t.Helper()
	socket := b.Calls(t)
	rig.Serve(t, b.Policy)
	for _, w := range []way{{b, rig.Ours, b.Conf}, {b, rig.OursCall, socket}} {
		t.Run(w.name(), func(t *testing.T) { test(t, w) })
	}
}

// refused complains unless the program ended with that status and one clean line
// that begins and contains what is given, and the command did not run.
func (b bad) refused(t *testing.T, r rig.Result, status int, begin, contains string) {
	t.Helper()
	if _, err := os.Lstat(b.marker); err == nil {
		t.Errorf("the command ran: %v", r)
		os.Remove(b.marker)
	}
	if r.Status != status || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.HasPrefix(r.Err, begin) || !strings.Contains(r.Err, contains) {
		t.Errorf("not status %d and one line %q ... %q: %v", status, begin, contains, r)
	}
}

func (b bad) allowed(t *testing.T, r rig.Result) {
	t.Helper()
	if _, err := os.Lstat(b.marker); err != nil || r.Status != 0 || r.Err != "" {
		t.Errorf("the command did not run: %v", r)
	}
	os.Remove(b.marker)
}

// No argv at all, as pkexec got it (CVE-2021-4034), and no words to speak of.
func TestBadArgvCount(t *testing.T) { inEachWay(t, newBad(t), badArgvCount) }

func badArgvCount(t *testing.T, b way) {
	for name, script := range map[string]string{
		"argc 0":             "execve(args[0], [], [])",
		"argc 0 and environ": "execve(args[0], [], [b'PATH=/tmp', args[1], b'touch', args[2], b'GCONV_PATH=.'])",
		"empty name":         "execve(args[0], [b''], [])",
		"only a name":        "execve(args[0], [args[0]], [])",
		"no command":         "execve(args[0], [args[0], args[1]], [])",
		"two empty words":    "execve(args[0], [b'', b''], [])",
	} {
		t.Run(name, func(t *testing.T) {
			r := promptly(t, func() *exec.Cmd { return rig.Without(t, script, b.program, b.first, b.marker) })
			b.refused(t, r, 98, b.name()+": ", "No command specified")
		})
	}
	t.Run("empty name and a command", func(t *testing.T) {
		r := promptly(t, func() *exec.Cmd {
			return rig.Without(t, "execve(args[0], [b'', args[1], b'touch', args[2]], [])", b.program, b.first, b.marker)
		})
		b.allowed(t, r)
	})
	for _, word := range []string{"--version", "--help"} {
		// Only as the one and only argument.
		r := rig.Run(t, b.program, word, "touch", b.marker)
		b.refused(t, r, 97, b.name()+": ", "")
	}
}

// The name that the program is called by goes to standard error, and is what the
// caller likes (CVE-2012-0809, CVE-2023-6246).
func TestBadName(t *testing.T) { inEachWay(t, newBad(t), badName) }

func badName(t *testing.T, b way) {
	for name, c := range map[string]struct{ argv0, shown string }{
		"plain":         {"/opt/x/nova-rootwrap", "nova-rootwrap"},
		"relative":      {"a/b/c-rootwrap", "c-rootwrap"},
		"another's":     {"/usr/bin/sudo", ""},
		"format":        {"%n%s%x%d%!", ""},
		"line break":    {"a\nb\r\n", ""},
		"escape":        {"\x1b[31mred\x07", ""},
		"bidirectional": {"\u202egnp.exe", ""},
		"not utf-8":     {"\xff\xfe\x80", ""},
		"backslash":     {`a\b`, ""},
		"long":          {strings.Repeat("x", 64<<10), ""},
		"very long":     {strings.Repeat("\x01", 128<<10-1), ""},
		"a tag":         {"sshd[1]: Accepted password for root", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.shown == "" {
				c.shown = b.name()
			}
			r := promptly(t, func() *exec.Cmd {
				cmd := exec.Command(b.program, b.first, "unknown")
				cmd.Args[0] = c.argv0
				cmd.Env = []string{"PATH=/usr/bin:/bin"}
				return cmd
			})
			b.refused(t, r, 99, c.shown+": Unauthorized command: unknown ", ": Unauthorized command: unknown (no filter matched)")

			// The command is none the worse for it.
			r = promptly(t, func() *exec.Cmd {
				cmd := exec.Command(b.program, b.first, "touch", b.marker)
				cmd.Args[0] = c.argv0
				cmd.Env = []string{"PATH=/usr/bin:/bin"}
				return cmd
			})
			b.allowed(t, r)
		})
	}
}

// Every word arrives as it was given, byte by byte (CVE-2021-3156).
func TestWordsArriveUnchanged(t *testing.T) { inEachWay(t, newBad(t), wordsArriveUnchanged) }

func wordsArriveUnchanged(t *testing.T, b way) {
	var all []byte
	for i := 1; i < 256; i++ {
		all = append(all, byte(i))
	}
	every := func() (words []string) {
		for _, c := range all {
			words = append(words, string([]byte{c}), "a"+string([]byte{c}), string([]byte{c})+"z")
		}
		return words
	}()
	large := func(n, size int) (words []string) {
		r := rand.New(rand.NewSource(2))
		for range n {
			w := make([]byte, size)
			r.Read(w)
			words = append(words, strings.ReplaceAll(string(w), "\x00", "\x01"))
		}
		return words
	}
	for name, words := range map[string][]string{
		"empty words":        {"", "", "x", "", ""},
		"each byte":          every,
		"all bytes":          {string(all), string(all) + string(all)},
		"backslash at end":   {`\`, `\\`, `a\`, "'", `"`, `\'`, "$(id)", "`id`", "a\\\nb", "-s\\"},
		"options":            {"--", "-", "--help", "--version", "-c", "--root", "%s", "%n"},
		"not utf-8":          {"\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\u202e", "\u0000"[:0] + "\u0085"},
		"20,000 words":       slices.Repeat([]string{"a", "", "\xff"}, 7000)[:20000],
		"16 words of 120 kB": large(16, 120<<10),
	} {
		t.Run(name, func(t *testing.T) {
			r := promptly(t, func() *exec.Cmd {
				c := exec.Command(b.program, append([]string{b.first, "printf", `%s\0`}, words...)...)
				c.Env = []string{"PATH=/usr/bin:/bin"}
				return c
			})
			want := strings.Join(words, "\x00") + "\x00"
			if r.Status != 0 || r.Err != "" || r.Out != want {
				t.Errorf("%d bytes arrived, sha256 %x, not %d, %x; status %d, %.300q", len(r.Out), sha256.Sum256([]byte(r.Out)),
					len(want), sha256.Sum256([]byte(want)), r.Status, r.Err)
			}
		})
	}

	// What does not fit into the command's own limits is said, and nothing runs.
	t.Run("too much", func(t *testing.T) {
		r := promptly(t, func() *exec.Cmd {
			return rig.Without(t, "import resource\n"+
				"resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"+
				"execve(args[0], [args[0], args[1], b'touch', args[2]] + [b'x' * 100000] * 40, [])", b.program, b.first, b.marker)
		})
		if strings.Contains(r.Err, "not allowed to raise") || strings.HasPrefix(r.Err, "execve:") {
			t.Skipf("this machine's hard stack limit is too low: too many words were not checked: %s", r.Err)
		}
		b.refused(t, r, 97, b.name()+": cannot pass the arguments: argument list too long: 42 words and 6 variables take ", "execve(2) takes 2097152 at most")
	})

	// Refused words are shown, on one line, with nothing that a terminal obeys.
	for name, words := range map[string][]string{"each byte": every, "all bytes": {string(all)}, "large": large(3, 100<<10)} {
		t.Run("refused/"+name, func(t *testing.T) {
			r := promptly(t, func() *exec.Cmd { return exec.Command(b.program, append([]string{b.first, "unknown"}, words...)...) })
			b.refused(t, r, 99, b.name()+": Unauthorized command: unknown ", "(no filter matched)")
		})
	}
}

// fixed is the environment of a command that runs as root, whatever the caller's.
func fixed(t *testing.T) []string {
	t.Helper()
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(passwd, []byte("\n"))
	f := strings.Split(string(line), ":")
	if f[0] != "root" || len(f) != 7 {
		t.Fatalf("the first line of /etc/passwd is not root's: %q", line)
	}
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + f[5], "USER=root", "LOGNAME=root", "SHELL=" + f[6]}
}

// Nothing in the caller's environment reaches the command or changes what
// ironwrap does.
func TestHostileEnvironment(t *testing.T) {
	p := rig.NewPolicy(t, "cat: CommandFilter, cat, root")
	inEachWay(t, bad{Policy: p}, hostileEnvironment)
}

func hostileEnvironment(t *testing.T, p way) {
	fifo := p.Dir + "/" + p.name() + ".fifo"
	if err := syscall.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	want := strings.Join(fixed(t), "\x00") + "\x00"
	for name, env := range map[string][]string{
		"none": {},
		"loaders": {"LD_PRELOAD=" + p.Dir + "/evil.so", "LD_LIBRARY_PATH=" + p.Dir, "LD_AUDIT=" + p.Dir + "/evil.so", "LD_DEBUG=all",
			"GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A", "GCONV_PATH=" + p.Dir, "LOCPATH=" + p.Dir, "NLSPATH=" + p.Dir},
		"interpreters": {"PYTHONPATH=" + p.Dir, "PYTHONHOME=" + p.Dir, "PYTHONINSPECT=1", "BASH_ENV=" + fifo, "ENV=" + fifo, "PERL5OPT=-Mevil",
			"RUBYOPT=-revil", "NODE_OPTIONS=--require=evil", "BASH_FUNC_cat%%=() { id; }", "SHELLOPTS=xtrace", "PS4=$(id)", "IFS=/"},
		"zone is a fifo":       {"TZ=" + fifo},
		"zone is shadow":       {"TZ=:/etc/shadow", "TZDIR=/etc"},
		"path twice":           {"PATH=" + p.Dir, "PATH=/tmp"},
		"fixed names":          {"HOME=/tmp", "USER=x", "LOGNAME=x", "SHELL=/tmp/x", "LANG=x", "PATH=.", "LC_ALL=x", "LANGUAGE=x"},
		"no equals sign":       {"PATH", "", "=", "=x", "LD_PRELOAD"},
		"runtime: collector":   {"GOGC=1", "GOMEMLIMIT=1"},
		"runtime: off":         {"GOGC=off", "GOMEMLIMIT=off", "GOMAXPROCS=1", "GORACE=x", "GOCOVERDIR=" + p.Dir},
		"runtime: processors":  {"GOMAXPROCS=64"},
		"runtime: traceback":   {"GOTRACEBACK=crash"},
		"runtime: debug":       {"GODEBUG=asyncpreemptoff=1,cgocheck=1,madvdontneed=0,dontfreezetheworld=1,execerrdot=0,osfinderr=1"},
		"1 MB":                 slices.Repeat([]string{"X=" + strings.Repeat("x", 100000)}, 10),
		"20,000 variables":     slices.Repeat([]string{"A=b"}, 20000),
		"every byte":           {"X=" + strings.Repeat("\xff\x01\n", 100), "\xff\n=x"},
		"sudo's":               {"SUDO_UID=0", "SUDO_USER=root\nx", "SUDO_GID=-1", "SUDO_COMMAND=" + strings.Repeat("x", 1000)},
		"sudo's, out of range": {"SUDO_UID=99999999999999999999999"},
	} {
		t.Run(name, func(t *testing.T) {
			r := promptly(t, func() *exec.Cmd {
				var list strings.Builder // os/exec would remove what is twice or odd
				for i, v := range env {
					if i > 0 {
						list.WriteByte(0)
					}
					list.WriteString(v)
				}
				path := p.Dir + "/environment"
				rig.Write(t, path, list.String())
				count := ""
				if len(env) == 0 {
					count = "env = []\n"
				}
				return rig.Without(t, "env = open(args[2], 'rb').read().split(b'\\0')\n"+count+
					"execve(args[0], [args[0], args[1], b'cat', b'/proc/self/environ'], env)", p.program, p.first, path)
			})
			if r.Status != 0 || r.Err != "" || r.Out != want {
				t.Errorf("the environment is %.2000q, not %q; status %d, %.2000q", r.Out, want, r.Status, r.Err)
			}
		})
	}

	// What the Go runtime itself prints or refuses before main cannot be helped,
	// and hurts nobody: the command runs as ever, or not at all.
	for _, v := range []string{
		"GODEBUG=inittrace=1,gctrace=1", "GODEBUG=schedtrace=1", "GOMEMLIMIT=x", "GODEBUG=sbrk=1", "GODEBUG=gcstoptheworld=2", "GODEBUG=cgocheck=2", "GOGC=-5",
		"GODEBUG=" + strings.Repeat("x=1,", 20000),
	} {
		t.Run(fmt.Sprintf("%.30s", v), func(t *testing.T) {
			r := promptly(t, func() *exec.Cmd {
				c := exec.Command(p.program, p.first, "cat", "/proc/self/environ")
				c.Env = []string{v}
				return c
			})
			if r.Status == 0 && r.Out != want || r.Status != 0 && r.Out != "" {
				t.Errorf("%v", r)
			}
		})
	}
}

// Users that nobody can become: each is refused, none becomes root
// (CVE-2019-14287).
func TestBadRunAs(t *testing.T) {
	for _, name := range []string{
		"nosuchuser", "-1", "4294967295", "4294967296", "#-1", "#0", "0", "00", "65534", "root:", "ROOT", "+root", "-root", "r\u043eot", "root\x7f", "%s", "*",
		"../root", strings.Repeat("x", 100000),
	} {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			b := newBad(t)
			rig.Write(t, b.Filters, "[Filters]\ntouch: CommandFilter, touch, "+name+"\n")
			b.refused(t, b.touch(t, b.Conf, ""), 97, "ironwrap: cannot run as ", "touch")
		})
	}
	t.Run("none", func(t *testing.T) {
		b := newBad(t)
		rig.Write(t, b.Filters, "[Filters]\ntouch: CommandFilter, touch,\n")
		r := b.touch(t, b.Conf, "")
		// The filter is skipped with a warning, as the peer does.
		if lines := strings.Split(r.Err, "\n"); r.Status != 99 || len(lines) != 3 || !strings.Contains(lines[0], "skipping filter touch") {
			t.Errorf("%v", r)
		}
		if _, err := os.Lstat(b.marker); err == nil {
			t.Error("the command ran")
		}
	})
}
