package review

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ironwrap/integration/rig"
	"ironwrap/policy/review/exposure"
)

// loft is what a caller has who tries prefixes: a directory of theirs, with a root
// directory in it, a library, and a program, each of which leaves a mark where it runs.
type loft struct {
	dir string
}

func newLoft(t *testing.T) *loft {
	t.Helper()
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	l := &loft{dir: dir}
	sources := map[string]string{
		"mark.go": "package main\nimport \"os\"\nfunc main() { for _, p := range []string{\"" + dir + "/mark\", \"/mark\"} { os.WriteFile(p, nil, 0o644) } }\n",
		"idle.go": "package main\nimport (\"os\"; \"time\")\nfunc main() { os.Stdout.WriteString(\"here\\n\"); time.Sleep(time.Minute) }\n",
		"mark.c":  "#include <fcntl.h>\n__attribute__((constructor)) static void mark(void) { open(\"" + dir + "/mark\", O_CREAT, 0644); }\n",
	}
	for name, text := range sources {
		rig.Write(t, dir+"/"+name, text)
	}
	os.MkdirAll(dir+"/tree/usr/bin", 0o755)
	os.Mkdir(dir+"/tree/etc", 0o755)
	rig.Write(t, dir+"/tree/etc/passwd", "root:x:0:0:root:/:/bin/sh\n") // chroot(8) looks there
	for _, argv := range [][]string{
		{"go", "build", "-o", dir + "/tree/usr/bin/ls", dir + "/mark.go"},
		{"go", "build", "-o", dir + "/tree/idle", dir + "/idle.go"},
		{"gcc", "-shared", "-fPIC", "-o", dir + "/mark.so", dir + "/mark.c"},
	} {
		c := exec.Command(argv[0], argv[1:]...)
		c.Dir, c.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GO111MODULE=off")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	rig.Write(t, dir+"/script", "#!/bin/sh\n: > "+dir+"/mark\ncat > /dev/null\n")
	os.Chmod(dir+"/script", 0o755)
	os.MkdirAll(dir+"/here", 0o755)
	return l
}

// away starts a process of the caller's in other namespaces, and returns its id.
func (l *loft) away(t *testing.T, argv ...string) string {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatalf("%v says nothing: %v", argv, err)
	}
	return fmt.Sprint(c.Process.Pid)
}

// marked tells whether something of the caller's ran, and forgets it.
func (l *loft) marked() bool {
	found := false
	for _, p := range []string{l.dir + "/mark", l.dir + "/tree/mark"} {
		if os.Remove(p) == nil {
			found = true
		}
	}
	return found
}

// TestExposureChains: prefixes to commands of other filters that are said to give
// something away do it, when ironwrap runs them; and those do not that are said not to.
func TestExposureChains(t *testing.T) {
	rig.Need(t, "strace", "/usr/bin/strace")
	rig.Need(t, "time", "/usr/bin/time")
	rig.Need(t, "gcc", "/usr/bin/gcc")
	l := newLoft(t)
	mounts := l.away(t, "unshare", "-m", "sh", "-c", "mount --bind "+l.dir+"/tree/usr/bin/ls /usr/bin/ls && exec "+l.dir+"/tree/idle")
	rooted := l.away(t, "chroot", l.dir+"/tree", "/idle")
	ns := fmt.Sprintf("iwchain%d", os.Getpid())
	if r := rig.Run(t, "ip", "netns", "add", ns); r.Status != 0 {
		t.Fatal(r)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	rig.Write(t, l.dir+"/words", "old")
	os.Symlink(l.dir+"/target", l.dir+"/here/nohup.out")
	tmp := l.dir // where the caller may put things, as the table has it: /tmp

	was := func(path, text string) func() bool {
		return func() bool {
			data, err := os.ReadFile(path)
			os.Remove(path)
			return err == nil && strings.Contains(string(data), text)
		}
	}
	for _, c := range []struct {
		pattern  string
		words    []string
		band     string // of the prefix
		power    string
		terminal bool
		seen     func() bool
	}{
		{"chroot, .*", []string{"chroot", l.dir + "/tree", "ls"}, "root", exposure.Run, false, l.marked},
		{"chroot, --userspec=root, /tmp/.*", []string{"chroot", "--userspec=root", tmp + "/tree", "ls"}, "root", exposure.Run, false, l.marked},
		{"unshare, -R, .*", []string{"unshare", "-R", l.dir + "/tree", "ls"}, "root", exposure.Run, false, l.marked},
		{"nsenter, -t, \\d+, -m", []string{"nsenter", "-t", mounts, "-m", "ls"}, "root", exposure.Run, false, l.marked},
		{"nsenter, -t, \\d+, -a", []string{"nsenter", "-t", mounts, "-a", "ls"}, "root", exposure.Run, false, l.marked},
		{"nsenter, --mount=.*", []string{"nsenter", "--mount=/proc/" + mounts + "/ns/mnt", "ls"}, "root", exposure.Run, false, l.marked},
		{"nsenter, -t, \\d+, -r", []string{"nsenter", "-t", rooted, "-r", "ls"}, "root", exposure.Run, false, l.marked},
		{"nsenter, --root=.*", []string{"nsenter", "--root=" + l.dir + "/tree", "ls"}, "root", exposure.Run, false, l.marked},
		{"nsenter, --net=.*", []string{"nsenter", "--net=/run/netns/" + ns, "ls", "/sys"}, "medium", exposure.Namespace, false, func() bool { return !l.marked() }},
		{"ip, netns, exec, .*", []string{"ip", "netns", "exec", ns, "ls", "/sys/class/net"}, "medium", exposure.Namespace, false, func() bool { return !l.marked() }},
		{"env, [A-Z_]+=.*", []string{"env", "LD_PRELOAD=" + l.dir + "/mark.so", "ls"}, "root", exposure.Code, false, l.marked},
		{"env, -S, .*", []string{"env", "-S", l.dir + "/script", "ls"}, "root", exposure.Run, false, l.marked},
		{"env, -S, LD_[A-Z]+=.*", []string{"env", "-S", "LD_PRELOAD=" + l.dir + "/mark.so", "ls"}, "root", exposure.Code, false, l.marked},
		{"env, PERL5OPT=.*", []string{"env", "PERL5OPT=-Mx", "ls"}, "little", "", false, func() bool { return !l.marked() }}, // no filter has perl
		{"env, LC_ALL=[A-Z]+", []string{"env", "LC_ALL=C", "ls"}, "little", "", false, func() bool { return !l.marked() }},
		{"strace, -o, .*", []string{"strace", "-o", "|" + l.dir + "/script", "ls"}, "root", exposure.Run, false, l.marked},
		{"strace, -o, .*", []string{"strace", "-o", l.dir + "/trace", "ls", "words-of-mine"}, "root", exposure.Write, false, was(l.dir+"/trace", "words-of-mine")},
		{"strace, -E, .*", []string{"strace", "-E", "LD_PRELOAD=" + l.dir + "/mark.so", "ls"}, "root", exposure.Code, false, l.marked},
		{"time, -f, .*, -o, .*", []string{"time", "-f", "words-of-mine", "-o", l.dir + "/words", "ls"}, "root", exposure.Write, false, was(l.dir+"/words", "words-of-mine")},
		{"flock, .*", []string{"flock", l.dir + "/new", "ls"}, "medium", exposure.Services, false, func() bool { _, err := os.Stat(l.dir + "/new"); return err == nil }},
		{"watch", []string{"watch", "ls", "; " + l.dir + "/script"}, "root", exposure.Run, true, l.marked},
		{"nohup", []string{"nohup", "ls", l.dir + "/script"}, "low", exposure.Destroy, true, was(l.dir+"/target", "script")},
		{"nice, -n, \\d+", []string{"nice", "-n", "5", "ls"}, "little", "", false, func() bool { return !l.marked() }},
		{"timeout, \\d+", []string{"timeout", "5", "ls"}, "little", "", false, func() bool { return !l.marked() }},
		{"iw-prefix", nil, "not assessed", exposure.Arguments, false, nil},
	} {
		name, _, _ := strings.Cut(c.pattern, ",")
		p := rig.NewPolicy(t, "prefix: ChainingRegExpFilter, "+name+", root, "+c.pattern+"\nls: CommandFilter, ls, root", "privsep_contexts=none", "env_keep=TERM")
		f := byName(assessed(t, p.Conf))["prefix"]
		if f.Band != c.band {
			t.Errorf("%s: %s, want %s: %+v", c.pattern, f.Band, c.band, f.Cells)
		}
		direct := false
		for _, cell := range f.Cells {
			direct = direct || cell.Power == c.power && cell.Extent != exposure.Implied
		}
		if c.power != "" && !direct {
			t.Errorf("%s: does not give away %s: %+v", c.pattern, c.power, f.Cells)
		}
		if c.words == nil {
			continue
		}
		argv := append([]string{rig.Ours, p.Conf}, c.words...)
		if c.terminal {
			argv = onOwnTerminal(t, p, argv)
		}
		cmd := exec.Command("timeout", append([]string{"5"}, argv...)...)
		cmd.Dir, cmd.Env = l.dir+"/here", []string{"PATH=/usr/bin:/bin", "TERM=vt100"}
		out, err := cmd.CombinedOutput()
		if !c.seen() {
			t.Errorf("%s: %q: nothing of it is seen: %v\n%s", c.pattern, c.words, err, out)
		}
	}
}

// onOwnTerminal is a command line for the same on a terminal of its own.
func onOwnTerminal(t *testing.T, p rig.Policy, argv []string) []string {
	quoted := make([]string, len(argv))
	for i, w := range argv {
		quoted[i] = "'" + w + "'"
	}
	path := filepath.Join(p.Dir, "line")
	rig.Write(t, path, strings.Join(quoted, " ")+"\n")
	return []string{"script", "-qec", "sh " + path, "/dev/null"}
}

// TestExposureTracer: a tracer that writes to the memory of a program has it open another
// file.
func TestExposureTracer(t *testing.T) {
	rig.Need(t, "strace", "/usr/bin/strace")
	p := rig.NewPolicy(t, "prefix: ChainingRegExpFilter, strace, root, strace, -e, .*\ncat: RegExpFilter, cat, root, cat, a.txt", "privsep_contexts=none")
	if f := byName(assessed(t, p.Conf))["prefix"]; f.Band != "root" {
		t.Errorf("%+v", f.Cells)
	}
	dir := t.TempDir()
	rig.Write(t, dir+"/a.txt", "public\n")
	rig.Write(t, dir+"/b.txt", "secret\n")
	deadline := time.Now().Add(time.Minute)
	for call := 1; call < 40 && time.Now().Before(deadline); call++ { // which of its calls opens the file
		r := rig.StartIn(t, dir, p, "strace", "-e", fmt.Sprintf("inject=openat:poke_enter=@arg2=622e74787400:when=%d", call), "cat", "a.txt")
		if strings.Contains(r.Out, "secret") {
			return
		}
	}
	t.Error("the program opened nothing but its own file")
}
