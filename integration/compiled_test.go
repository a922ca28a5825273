package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ironwrap/policy/compiled"
	"ironwrap/policy/store"
)

// What is kept of a policy between two calls saves work, and decides nothing: the states
// of states_test.go, one by one.

// needStore skips a test that says nothing where nothing can be kept.
func needStore(t *testing.T) {
	t.Helper()
	if !keeping {
		t.Skip("no tmpfs can be mounted here: what is kept of a policy was not looked at")
	}
}

// old waits until a policy may be kept.
func old(t *testing.T, conf string) {
	t.Helper()
	p, err := compiledOf(conf)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sources {
		time.Sleep(time.Until(s.Identity.Changed().Add(2100 * time.Millisecond)))
	}
}

// isKept tells that a file is there which the next call will find.
func isKept(conf string) bool {
	data, err := os.ReadFile(store.Path(conf))
	if err != nil {
		return false
	}
	book, err := compiled.Open(bytes.NewReader(data), int64(len(data)))
	return err == nil && book.Path == conf
}

// anotherBuild puts programs of a build of its own into dir.
func anotherBuild(t *testing.T, dir string) {
	t.Helper()
	build := exec.Command("go", "build", "-ldflags", ldflags(dir), "-o", dir+"/", "./cmd/ironwrap", "./cmd/ironwrap-read")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// finds has the next call find a state, and complains where that was not made.
func finds(t *testing.T, conf string, s state, n int) {
	t.Helper()
	pin(t, conf, s)
	if what := put(conf, s, n); strings.Contains(what, "but: ") {
		t.Fatal(what)
	}
}

// Only what is intact, and of this build, configuration and moment is used: then no file
// of filters is opened, and no process started.
func TestCompiledIsUsed(t *testing.T) {
	needStore(t)
	need(t, "strace", "/usr/bin/strace")
	p := newPolicy(t, allowTrue)
	for _, s := range states {
		n := len(states)
		if s == damaged {
			n = 40 // of these at least one is in what every call reads
		}
		read := 0
		for i := range n {
			finds(t, p.conf, s, i)
			log := p.dir + "/strace"
			if r := run(t, "/usr/bin/strace", "-f", "-o", log, ours, p.conf, "true"); r.status != 0 {
				t.Fatal(r)
			}
			text := readFile(t, log)
			starts, opens := strings.Contains(text, "execve(\""+ours+"-read\""), strings.Contains(text, "\"test.filters\", O_RDONLY|")
			if starts {
				read++
			}
			if starts != opens {
				t.Errorf("%s: a process that reads: %v, the file is read: %v", s, starts, opens)
			}
			os.Remove(log)
		}
		switch {
		case s == kept && read > 0, s != kept && s != damaged && read < n, s == damaged && read == 0:
			t.Errorf("%s: the files were read by %d of %d calls", s, read, n)
		}
	}
}

// compiledTable are commands of each kind.
const compiledTable = `id: CommandFilter, id, nobody
show: CommandFilter, python3, root
printf: RegExpFilter, printf, nobody, printf, [a-z%]+, (?!-).*
nice: ChainingRegExpFilter, nice, root, nice, -n, -?\d+
confined: EnvFilter, env, root, WORD=, python3
gone: CommandFilter, no-such-program, root
link: CommandFilter, /usr/bin/uname, nobody
bad: NoSuchFilter, id, root
[Sandbox:confined]
capabilities = CAP_CHOWN
no_new_privs = yes
umask = 0027
landlock_ro = /usr, /proc, /etc
`

// The same comes of a call whatever it finds.
func TestCompiledChangesNothing(t *testing.T) {
	t.Parallel()
	needStore(t)
	in := setuidInstallation(t, compiledTable, "allow_users="+caller.name)
	portrait := []string{"-I", "-S", "-c", "import os, sys\nprint(sys.argv, sorted(os.environ.items()), os.getcwd(), os.listdir('/proc/self/fd'))\n" +
		"print([l for l in open('/proc/self/status') if not l.startswith(('Pid', 'Tgid', 'NSpid', 'NStgid', 'NSpgid', 'PPid', 'SigQ', 'NSsid', 'Vm', 'Rss', 'nonvol', 'vol', 'Hugetlb', 'Cpus', 'Mems'))])\n" +
		"print(open('/proc/self/limits').read(), open('/proc/self/oom_score_adj').read())\n" +
		"try: os.wait()\nexcept ChildProcessError: print('no child')\n", "word", ""}
	for _, words := range [][]string{
		{"id"}, {"id", "-u"}, append([]string{"python3"}, portrait...), {"printf", "%s", "x"}, {"printf", "%s", "-x"}, {"printf"},
		{"nice", "-n", "3", "id", "-u"}, {"nice", "-n", "3", "mkfs"}, append([]string{"env", "WORD=x y", "python3"}, portrait...),
		{"no-such-program"}, {"uname"}, {"/usr/bin/uname"}, {"mkfs", "/dev/sda"}, {""}, {"/"}, {strings.Repeat("x", 5000)},
		slices.Repeat([]string{"id"}, 200),
	} {
		for way, call := range map[string]func() result{
			"root":   func() result { return run(t, append([]string{in.program, in.conf}, words...)...) },
			"sudo":   func() result { return throughSudo(t, ours, append([]string{in.conf}, words...)...) },
			"setuid": func() result { return runCmd(t, in.called(append([]string{in.conf}, words...)...)) },
		} {
			got := map[state]string{}
			for i, s := range states {
				finds(t, in.conf, s, i*17)
				if got[s] = call().String(); got[s] != got[states[0]] {
					t.Errorf("%.80q, %s: %s: %s\n%s: %s", words, way, s, got[s], states[0], got[states[0]])
					break
				}
			}
		}
	}
}

// Root's calls keep what they read, by whatever way; a stranger's call reads it, and
// writes nothing.
func TestCompiledIsKeptByRoot(t *testing.T) {
	t.Parallel()
	needStore(t)
	for way, keeps := range map[string]bool{"root": true, "sudo": true, "container": true, "limited": true, "setuid": false} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			in := setuidInstallation(t, allowTrue, "allow_users="+caller.name)
			write(t, in.conf, strings.Replace(readFile(t, in.conf), "use_syslog=True", "", 1))
			call := func() {
				t.Helper()
				pin(t, in.conf, asIs)
				var r result
				switch way {
				case "root":
					r = run(t, ours, in.conf, "true")
				case "sudo":
					r = throughSudo(t, ours, in.conf, "true")
				case "container":
					r = run(t, contained(ours, in.conf, "true")...)
				case "limited":
					r = run(t, "/usr/bin/prlimit", "--cpu=60", "--nofile=10:100", "--memlock=0:0", "--nproc=1:500", ours, in.conf, "true")
				case "setuid":
					r = runCmd(t, in.called(in.conf, "true"))
				}
				if r.status != 0 || r.err != "" {
					t.Error(r)
				}
			}
			written := time.Now()
			write(t, in.filters, "[Filters]\n"+allowTrue+"\n")
			call()
			if isKept(in.conf) && time.Since(written) < 2*time.Second {
				t.Error("kept, although a source changed a moment ago")
			}
			old(t, in.conf)
			call()
			if isKept(in.conf) != keeps {
				t.Errorf("kept: %v", !keeps)
			}
			if info, err := os.Lstat(store.Path(in.conf)); keeps && (err != nil || info.Mode() != 0o600) {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			call()
			for _, name := range must(filepath.Glob(store.Dir + "/*.new-*")) {
				if pid := name[strings.LastIndexByte(name, '-')+1:]; must(os.Stat(name)) != nil {
					if _, err := os.Stat("/proc/" + pid); err != nil {
						t.Errorf("%s was left behind", name)
					}
				}
			}
		})
	}
}

// A directory that cannot be written to, or is not there, costs time and nothing else.
func TestCompiledCannotBeKept(t *testing.T) {
	t.Parallel()
	needStore(t)
	p := newPolicy(t, allowTrue)
	pin(t, p.conf, asIs)
	old(t, p.conf)
	for name, c := range map[string]struct {
		script string
		keeps  string // what find(1) shows afterwards
	}{
		"read-only":        {"mount -t tmpfs -o ro,mode=0700 none DIR", ""},
		"full":             {"mount -t tmpfs -o mode=0700,size=4k none DIR; printf %4096s x > DIR/x", "x 644\n"},
		"no inodes":        {"mount -t tmpfs -o mode=0700,nr_inodes=1 none DIR", ""},
		"others may write": {"mount -t tmpfs -o mode=0770 none DIR", ""},
		"somebody's":       {"mount -t tmpfs -o mode=0700,uid=1234 none DIR", ""},
		"a parent's":       {"mount -t tmpfs -o mode=755 none /run; mkdir -m 0777 /run/ironwrap; mkdir -m 0700 DIR", ""},
		"not in memory":    {"mkdir -p TMP/disk; mount --bind TMP/disk DIR", ""},
		"no /run":          {"mount --bind TMP/empty /run", ""},
		"an empty /run":    {"mount -t tmpfs -o mode=755 none /run; umask 0177", "NAME 600\n"},
		"a link":           {"mount -t tmpfs -o mode=755 none /run; mkdir -m 755 /run/ironwrap; mkdir -m 0700 /run/other; ln -s ../other DIR", "NAME 600\n"},
		"a world's /run":   {"mount -t tmpfs -o mode=1777 none /run", ""},
		"a file":           {"mount -t tmpfs -o mode=755 none /run; mkdir -m 755 /run/ironwrap; touch DIR", ""},
	} {
		t.Run(name, func(t *testing.T) {
			os.MkdirAll(p.dir+"/empty", 0o755)
			expand := strings.NewReplacer("DIR", store.Dir, "TMP", p.dir, "NAME", filepath.Base(store.Path(p.conf))).Replace
			script := "set -e\n" + expand(c.script) + "\n" + `for n in 1 2 3; do "$@"; done; find ` + store.Dir + `/ -type f -printf '%f %m\n' 2>/dev/null || :`
			r := run(t, "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh", ours, p.conf, "true")
			if want := expand(c.keeps); r.status != 0 || r.err != "" || r.out != want {
				t.Errorf("%v, not %q", r, want)
			}
		})
	}
}

// A limit for files ends no call: what does not fit is not kept.
func TestCompiledLimitOfFiles(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, allowTrue)
	pin(t, p.conf, asIs)
	old(t, p.conf)
	for _, limit := range []string{"0:0", "20:20", "20:unlimited"} {
		call := func() result { return run(t, "/usr/bin/prlimit", "--fsize="+limit, ours, p.conf, "true") }
		r := call()
		if isKept(p.conf) {
			t.Errorf("%s: it is kept", limit)
		}
		put(p.conf, kept, 0)
		if other := call(); r.String() != other.String() {
			t.Errorf("%s: %v; with a policy that is kept: %v", limit, r, other)
		}
		put(p.conf, absent, 0)
	}
}

// Two builds on one machine: each has its own, and obeys it alone.
func TestCompiledOfTwoBuilds(t *testing.T) {
	t.Parallel()
	needStore(t)
	p := newPolicy(t, "id: CommandFilter, id, nobody")
	pin(t, p.conf, asIs)
	other := p.dir + "/other"
	anotherBuild(t, other)
	old(t, p.conf)
	count := func() int {
		return len(must(filepath.Glob(store.Dir + "/" + strings.TrimSuffix(filepath.Base(store.Path(p.conf)), filepath.Ext(store.Path(p.conf))) + ".*")))
	}
	for i, program := range []string{ours, other + "/ironwrap", ours, other + "/ironwrap"} {
		if r := run(t, program, p.conf, "id", "-u"); r.out != "65534\n" {
			t.Error(r)
		}
		if n := count(); n != min(i, 1)+1 {
			t.Errorf("after call %d %d are kept", i, n)
		}
	}
	// That of the other under this one's name, which would allow nothing.
	text, err := compiledOf(p.conf)
	if err != nil {
		t.Fatal(err)
	}
	text.Build, text.Lines = filepath.Base(other), nil
	if err := keep(store.Path(p.conf), must(compiled.Encode(text))); err != nil {
		t.Fatal(err)
	}
	if r := run(t, ours, p.conf, "id", "-u"); r.out != "65534\n" {
		t.Error(r)
	}
}

// A daemon of the same configuration, which reads it once, and calls beside it.
func TestCompiledBesideDaemon(t *testing.T) {
	needStore(t)
	p := daemonPolicy(t, "printf: CommandFilter, printf, nobody")
	s := serve(t, p)
	client := s.client()
	for i, filters := range []string{"printf: CommandFilter, printf, nobody", "pr_ntf: CommandFilter, pr_ntf, nobody", "printf: CommandFilter, printf, nobody"} {
		write(t, p.filters, "[Filters]\n"+filters+"\n")
		want := strings.HasPrefix(filters, "printf")
		for range len(states) {
			if r := run(t, ours, p.conf, "printf", "x"); (r.out == "x") != want {
				t.Errorf("change %d: %v", i, r)
			}
		}
		s.eventually("the daemon to obey it", func() bool { return (client.run("printf", "x").out == "x") == want })
	}
	s.dropAll()
}

// Changes by which the size stays the same, a thousand, each within a moment of the one
// before: the verdict is that of the files as they are, also where what is kept was right
// a moment ago.
func TestCompiledRace(t *testing.T) {
	t.Parallel()
	p := newPolicy(t, "id: CommandFilter, id, nobody")
	pin(t, p.conf, asIs)
	file := []string{"[Filters]\nid: CommandFilter, id, nobody\n", "[Filters]\nno: CommandFilter, no, nobody\n"}
	for i := range 1000 {
		allowed := i/3%2 == 0
		text := file[map[bool]int{true: 0, false: 1}[allowed]]
		var err error
		switch {
		case i%3 == 0: // in place
			err = os.WriteFile(p.filters, []byte(text), 0o644)
		case i%3 == 1: // by another file
			if err = os.WriteFile(p.filters+".new", []byte(text), 0o644); err == nil {
				err = os.Rename(p.filters+".new", p.filters)
			}
		case i%6 == 2: // by one with its time stamp
			if err = os.WriteFile(p.filters, []byte(text), 0o644); err == nil {
				err = os.Chtimes(p.filters, time.Unix(1e9, 0), time.Unix(1e9, 0))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if r := run(t, ours, p.conf, "id", "-u"); (r.status == 0) != allowed {
			t.Fatalf("change %d: %v", i, r)
		}
		if i%5 == 0 {
			put(p.conf, kept, i)
		}
	}
}

// What is kept is exchanged, cut and overwritten while calls read it.
func TestCompiledExchanged(t *testing.T) {
	t.Parallel()
	needStore(t)
	p := newPolicy(t, "id: CommandFilter, id, nobody\n"+strings.Repeat("#\n", 100))
	for i := range 300 {
		name := fmt.Sprintf("no%d", i)
		write(t, fmt.Sprintf("%s/filters.d/%d.filters", p.dir, i%7), "[Filters]\n"+name+": CommandFilter, "+name+", root\n")
	}
	pin(t, p.conf, asIs)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { done <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			put(p.conf, states[n%len(states)], n)
			path := store.Path(p.conf)
			if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
				switch n % 3 {
				case 0:
					os.Truncate(path, info.Size()*int64(n%10)/10)
				case 1:
					if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
						f.WriteAt([]byte("x"), int64(n*7919)%info.Size())
						f.Close()
					}
				}
			}
		}
	}()
	for range 300 {
		if r := run(t, ours, p.conf, "id", "-u"); r.out != "65534\n" || r.err != "" {
			t.Errorf("allowed: %v", r)
		}
		if r := run(t, ours, p.conf, "no-such"); r.status != 99 {
			t.Errorf("refused: %v", r)
		}
	}
	close(stop)
	t.Logf("exchanged %d times", <-done)
}
