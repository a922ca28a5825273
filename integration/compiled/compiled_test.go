package compiled

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ironwrap/integration/rig"
	"ironwrap/policy/compiled"
	"ironwrap/policy/store"
)

// anotherBuild puts programs of a build of its own into dir.
func anotherBuild(t *testing.T, dir string) {
	t.Helper()
	build := exec.Command("go", "build", "-ldflags", rig.Ldflags(dir), "-o", dir+"/", "./cmd/ironwrap", "./cmd/ironwrap-read")
	build.Dir, build.Env = rig.Root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Only what is intact, and of this build, configuration and moment is used: then no file
// of filters is opened, and no process started.
func TestCompiledIsUsed(t *testing.T) {
	rig.NeedStore(t)
	rig.Need(t, "strace", "/usr/bin/strace")
	p := rig.NewPolicy(t, rig.AllowTrue)
	for _, s := range rig.States {
		n := len(rig.States)
		if s == rig.Damaged {
			n = 40 // of these at least one is in what every call reads
		}
		read := 0
		for i := range n {
			rig.Finds(t, p.Conf, s, i)
			log := p.Dir + "/strace"
			if r := rig.Run(t, "/usr/bin/strace", "-f", "-o", log, rig.Ours, p.Conf, "true"); r.Status != 0 {
				t.Fatal(r)
			}
			text := rig.ReadFile(t, log)
			starts, opens := strings.Contains(text, "execve(\""+rig.Ours+"-read\""), strings.Contains(text, "\"test.filters\", O_RDONLY|")
			if starts {
				read++
			}
			if starts != opens {
				t.Errorf("%s: a process that reads: %v, the file is read: %v", s, starts, opens)
			}
			os.Remove(log)
		}
		switch {
		case s == rig.Kept && read > 0, s != rig.Kept && s != rig.Damaged && read < n, s == rig.Damaged && read == 0:
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
	rig.NeedStore(t)
	in := rig.SetuidInstallation(t, compiledTable, "allow_users="+rig.Caller.Name)
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
		for way, call := range map[string]func() rig.Result{
			"root":   func() rig.Result { return rig.Run(t, append([]string{in.Program, in.Conf}, words...)...) },
			"sudo":   func() rig.Result { return rig.ThroughSudo(t, rig.Ours, append([]string{in.Conf}, words...)...) },
			"setuid": func() rig.Result { return rig.RunCmd(t, in.Called(append([]string{in.Conf}, words...)...)) },
		} {
			got := map[rig.State]string{}
			for i, s := range rig.States {
				rig.Finds(t, in.Conf, s, i*17)
				if got[s] = call().String(); got[s] != got[rig.States[0]] {
					t.Errorf("%.80q, %s: %s: %s\n%s: %s", words, way, s, got[s], rig.States[0], got[rig.States[0]])
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
	rig.NeedStore(t)
	for way, keeps := range map[string]bool{"root": true, "sudo": true, "container": true, "limited": true, "setuid": false} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			in := rig.SetuidInstallation(t, rig.AllowTrue, "allow_users="+rig.Caller.Name)
			rig.Write(t, in.Conf, strings.Replace(rig.ReadFile(t, in.Conf), "use_syslog=True", "", 1))
			call := func() {
				t.Helper()
				rig.Pin(t, in.Conf, rig.AsIs)
				var r rig.Result
				switch way {
				case "root":
					r = rig.Run(t, rig.Ours, in.Conf, "true")
				case "sudo":
					r = rig.ThroughSudo(t, rig.Ours, in.Conf, "true")
				case "container":
					r = rig.Run(t, rig.Contained(rig.Ours, in.Conf, "true")...)
				case "limited":
					r = rig.Run(t, "/usr/bin/prlimit", "--cpu=60", "--nofile=10:100", "--memlock=0:0", "--nproc=1:500", rig.Ours, in.Conf, "true")
				case "setuid":
					r = rig.RunCmd(t, in.Called(in.Conf, "true"))
				}
				if r.Status != 0 || r.Err != "" {
					t.Error(r)
				}
			}
			written := time.Now()
			rig.Write(t, in.Filters, "[Filters]\n"+rig.AllowTrue+"\n")
			call()
			if rig.IsKept(in.Conf) && time.Since(written) < 2*time.Second {
				t.Error("kept, although a source changed a moment ago")
			}
			rig.Old(t, in.Conf)
			call()
			if rig.IsKept(in.Conf) != keeps {
				t.Errorf("kept: %v", !keeps)
			}
			if info, err := os.Lstat(store.Path(in.Conf)); keeps && (err != nil || info.Mode() != 0o600) {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			call()
			for _, name := range rig.Must(filepath.Glob(store.Dir + "/*.new-*")) {
				if pid := name[strings.LastIndexByte(name, '-')+1:]; rig.Must(os.Stat(name)) != nil {
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
	rig.NeedStore(t)
	p := rig.NewPolicy(t, rig.AllowTrue)
	rig.Pin(t, p.Conf, rig.AsIs)
	rig.Old(t, p.Conf)
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
			os.MkdirAll(p.Dir+"/empty", 0o755)
			expand := strings.NewReplacer("DIR", store.Dir, "TMP", p.Dir, "NAME", filepath.Base(store.Path(p.Conf))).Replace
			script := "set -e\n" + expand(c.script) + "\n" + `for n in 1 2 3; do "$@"; done; find ` + store.Dir + `/ -type f -printf '%f %m\n' 2>/dev/null || :`
			r := rig.Run(t, "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh", rig.Ours, p.Conf, "true")
			if want := expand(c.keeps); r.Status != 0 || r.Err != "" || r.Out != want {
				t.Errorf("%v, not %q", r, want)
			}
		})
	}
}

// A limit for files ends no call: what does not fit is not kept.
func TestCompiledLimitOfFiles(t *testing.T) {
	t.Parallel()
	p := rig.NewPolicy(t, rig.AllowTrue)
	rig.Pin(t, p.Conf, rig.AsIs)
	rig.Old(t, p.Conf)
	for _, limit := range []string{"0:0", "20:20", "20:unlimited"} {
		call := func() rig.Result { return rig.Run(t, "/usr/bin/prlimit", "--fsize="+limit, rig.Ours, p.Conf, "true") }
		r := call()
		if rig.IsKept(p.Conf) {
			t.Errorf("%s: it is kept", limit)
		}
		rig.Put(p.Conf, rig.Kept, 0)
		if other := call(); r.String() != other.String() {
			t.Errorf("%s: %v; with a policy that is kept: %v", limit, r, other)
		}
		rig.Put(p.Conf, rig.Absent, 0)
	}
}

// Two builds on one machine: each has its own, and obeys it alone.
func TestCompiledOfTwoBuilds(t *testing.T) {
	t.Parallel()
	rig.NeedStore(t)
	p := rig.NewPolicy(t, "id: CommandFilter, id, nobody")
	rig.Pin(t, p.Conf, rig.AsIs)
	other := p.Dir + "/other"
	anotherBuild(t, other)
	rig.Old(t, p.Conf)
	count := func() int {
		return len(rig.Must(filepath.Glob(store.Dir + "/" + strings.TrimSuffix(filepath.Base(store.Path(p.Conf)), filepath.Ext(store.Path(p.Conf))) + ".*")))
	}
	for i, program := range []string{rig.Ours, other + "/ironwrap", rig.Ours, other + "/ironwrap"} {
		if r := rig.Run(t, program, p.Conf, "id", "-u"); r.Out != "65534\n" {
			t.Error(r)
		}
		if n := count(); n != min(i, 1)+1 {
			t.Errorf("after call %d %d are kept", i, n)
		}
	}
	// That of the other under this one's name, which would allow nothing.
	text, err := rig.CompiledOf(p.Conf)
	if err != nil {
		t.Fatal(err)
	}
	text.Build, text.Lines = filepath.Base(other), nil
	if err := rig.Keep(store.Path(p.Conf), rig.Must(compiled.Encode(text))); err != nil {
		t.Fatal(err)
	}
	if r := rig.Run(t, rig.Ours, p.Conf, "id", "-u"); r.Out != "65534\n" {
		t.Error(r)
	}
}

// A daemon of the same configuration, which reads it once, and calls beside it.
func TestCompiledBesideDaemon(t *testing.T) {
	rig.NeedStore(t)
	p := rig.DaemonPolicy(t, "printf: CommandFilter, printf, nobody")
	s := rig.Serve(t, p)
	client := s.Client()
	for i, filters := range []string{"printf: CommandFilter, printf, nobody", "pr_ntf: CommandFilter, pr_ntf, nobody", "printf: CommandFilter, printf, nobody"} {
		rig.Write(t, p.Filters, "[Filters]\n"+filters+"\n")
		want := strings.HasPrefix(filters, "printf")
		for range len(rig.States) {
			if r := rig.Run(t, rig.Ours, p.Conf, "printf", "x"); (r.Out == "x") != want {
				t.Errorf("change %d: %v", i, r)
			}
		}
		s.Eventually("the daemon to obey it", func() bool { return (client.Run("printf", "x").Out == "x") == want })
	}
	s.DropAll()
}

// Changes by which the size stays the same, a thousand, each within a moment of the one
// before: the verdict is that of the files as they are, also where what is kept was right
// a moment ago.
func TestCompiledRace(t *testing.T) {
	t.Parallel()
	p := rig.NewPolicy(t, "id: CommandFilter, id, nobody")
	rig.Pin(t, p.Conf, rig.AsIs)
	file := []string{"[Filters]\nid: CommandFilter, id, nobody\n", "[Filters]\nno: CommandFilter, no, nobody\n"}
	for i := range 1000 {
		allowed := i/3%2 == 0
		text := file[map[bool]int{true: 0, false: 1}[allowed]]
		var err error
		switch {
		case i%3 == 0: // in place
			err = os.WriteFile(p.Filters, []byte(text), 0o644)
		case i%3 == 1: // by another file
			if err = os.WriteFile(p.Filters+".new", []byte(text), 0o644); err == nil {
				err = os.Rename(p.Filters+".new", p.Filters)
			}
		case i%6 == 2: // by one with its time stamp
			if err = os.WriteFile(p.Filters, []byte(text), 0o644); err == nil {
				err = os.Chtimes(p.Filters, time.Unix(1e9, 0), time.Unix(1e9, 0))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if r := rig.Run(t, rig.Ours, p.Conf, "id", "-u"); (r.Status == 0) != allowed {
			t.Fatalf("change %d: %v", i, r)
		}
		if i%5 == 0 {
			rig.Put(p.Conf, rig.Kept, i)
		}
	}
}

// What is kept is exchanged, cut and overwritten while calls read it.
func TestCompiledExchanged(t *testing.T) {
	t.Parallel()
	rig.NeedStore(t)
	p := rig.NewPolicy(t, "id: CommandFilter, id, nobody\n"+strings.Repeat("#\n", 100))
	for i := range 300 {
		name := fmt.Sprintf("no%d", i)
		rig.Write(t, fmt.Sprintf("%s/filters.d/%d.filters", p.Dir, i%7), "[Filters]\n"+name+": CommandFilter, "+name+", root\n")
	}
	rig.Pin(t, p.Conf, rig.AsIs)
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
			rig.Put(p.Conf, rig.States[n%len(rig.States)], n)
			path := store.Path(p.Conf)
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
		if r := rig.Run(t, rig.Ours, p.Conf, "id", "-u"); r.Out != "65534\n" || r.Err != "" {
			t.Errorf("allowed: %v", r)
		}
		if r := rig.Run(t, rig.Ours, p.Conf, "no-such"); r.Status != 99 {
			t.Errorf("refused: %v", r)
		}
	}
	close(stop)
	t.Logf("exchanged %d times", <-done)
}
