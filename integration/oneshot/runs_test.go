package oneshot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ironwrap/integration/rig"
)

// What runs when a program of root's is executed: its interpreters, its loader, its
// libraries. Who decides about one of those decides what runs as root.

// yard is a policy with a program "tool" of root's in {dir}/bin, and a directory of the
// caller's with what they would have run.
type yard struct {
	testing.TB
	rig.Policy
	theirs string // the caller's directory
	setuid *rig.Installation
	daemon *rig.Server
}

// newYard has the policy through sudo and the daemon, and where it is setuid.
func newYard(t *testing.T, filters string, sections string) *yard {
	t.Helper()
	y := &yard{TB: t, Policy: rig.DaemonPolicy(t, filters+"\n"+sections)}
	y.theirs = y.Dir + "/theirs"
	for _, err := range []error{os.Mkdir(y.Dir+"/lib", 0o755), os.Mkdir(y.theirs, 0o755), os.Chown(y.theirs, int(rig.Caller.UID), int(rig.Caller.GID))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	y.setuid = rig.SetuidInstallation(t, filters+"\n"+sections, "allow_users="+rig.Caller.Name, "exec_dirs="+y.Dir+"/bin,/usr/sbin,/usr/bin,/sbin,/bin")
	y.daemon = rig.Serve(t, y.Policy)
	return y
}

func (y *yard) expand(s string) string {
	return strings.NewReplacer("{dir}", y.Dir, "{theirs}", y.theirs).Replace(s)
}

// put makes an executable file, of the caller's below {theirs}, else of root's.
func (y *yard) put(path, text string) {
	y.Helper()
	path = y.expand(path)
	os.Remove(path)
	rig.Write(y, path, y.expand(text))
	err := os.Chmod(path, 0o755)
	if err == nil && strings.HasPrefix(path, y.theirs) {
		err = os.Chown(path, int(rig.Caller.UID), int(rig.Caller.GID))
	}
	if err != nil {
		y.Fatal(err)
	}
}

// cc compiles C with gcc to the file at path, of root's.
func (y *yard) cc(path, source string, flags ...string) {
	y.Helper()
	rig.Need(y, "gcc", "/usr/bin/gcc")
	rig.Need(y, "libc6-dev", "/usr/include/stdio.h")
	os.MkdirAll(filepath.Dir(y.expand(path)), 0o755)
	args := []string{"-o", y.expand(path), "-x", "c", "-", "-x", "none"}
	for _, f := range flags {
		args = append(args, y.expand(f))
	}
	c := exec.Command("/usr/bin/gcc", args...)
	c.Stdin, c.Dir = strings.NewReader(source), y.Dir
	if out, err := c.CombinedOutput(); err != nil {
		y.Fatalf("gcc: %v\n%s", err, out)
	}
}

// give makes a file the caller's.
func (y *yard) give(path string) {
	y.Helper()
	if err := os.Lchown(y.expand(path), int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
		y.Fatal(err)
	}
}

// each calls the program in every way that there is.
func (y *yard) each(words ...string) (ours map[string]rig.Result) {
	y.Helper()
	ours = map[string]rig.Result{"sudo": rig.ThroughSudo(y, oursPath(), append([]string{y.Conf}, words...)...)}
	c := y.setuid.Called(append([]string{y.setuid.Conf}, words...)...)
	c.Dir = y.theirs
	ours["setuid"] = rig.RunCmd(y, c)
	byDaemon := y.daemon.Client()
	ours["daemon"] = byDaemon.Run(words...)
	byDaemon.Conn.Close()
	return ours
}

func oursPath() string { return rig.Ours }

// evil prints whose rights the caller's code has.
const evil = "#!/bin/sh\necho evil $(id -u)\n"

const evilC = "#include <stdio.h>\n#include <unistd.h>\n__attribute__((constructor)) static void evil(void) { printf(\"evil %d\\n\", getuid()); fflush(stdout); }\nint good(void) { return 0; }\n"

const goodC = "int good(void) { return 7; }\n"

const mainC = "#include <stdio.h>\nint good(void);\nint main(void) { printf(\"good %d\\n\", good()); return 0; }\n"

// TestRunsOthers: root's program, of which a part is the caller's.
func TestRunsOthers(t *testing.T) {
	y := newYard(t, "tool: CommandFilter, tool, root\nnice: ChainingRegExpFilter, nice, root, nice", "")
	y.put("{theirs}/py", evil)
	y.put("{dir}/bin/link-to-theirs", "x")
	os.Remove(y.expand("{dir}/bin/link-to-theirs"))
	for link, to := range map[string]string{"{dir}/bin/link-to-theirs": "{theirs}/py", "{dir}/bin/environment": "/usr/bin/env"} {
		if err := os.Symlink(y.expand(to), y.expand(link)); err != nil {
			t.Fatal(err)
		}
	}
	y.put("{dir}/bin/middle", "#!{theirs}/py\n")
	y.put("{dir}/bin/given", evil)
	y.give("{dir}/bin/given")
	y.cc("{theirs}/libevil.so", evilC, "-shared", "-fPIC")
	y.give("{theirs}/libevil.so")
	y.cc("{dir}/lib/libevil.so", goodC, "-shared", "-fPIC")
	if err := os.Mkdir(y.theirs+"/roots", 0o755); err != nil { // root's, where the caller can put another
		t.Fatal(err)
	}
	y.cc("{theirs}/roots/libevil.so", evilC, "-shared", "-fPIC")
	loader := "/lib64/ld-linux-x86-64.so.2"
	if _, err := os.Stat(loader); err != nil {
		t.Fatal("the tests of loaders are for amd64: ", err)
	}
	copied := rig.Must(os.ReadFile(loader))
	y.put("{theirs}/ld.so", string(copied))
	link := func(flags ...string) func() {
		return func() {
			os.RemoveAll(y.Dir + "/lib/glibc-hwcaps")
			os.RemoveAll(y.Dir + "/lib/tls")
			y.cc("{dir}/bin/tool", mainC, append([]string{"-L{dir}/lib", "-levil"}, flags...)...)
		}
	}
	// One for a kind of processor, of which a part is given away.
	capable := func(dir, given string) func() {
		return func() {
			link("-Wl,-rpath,{dir}/lib")()
			os.MkdirAll(y.Dir+"/lib/"+dir, 0o755)
			y.cc("{dir}/lib/"+dir+"/libevil.so", evilC, "-shared", "-fPIC")
			y.give("{dir}/lib/" + dir + given)
		}
	}
	script := func(text string) func() { return func() { y.put("{dir}/bin/tool", text) } }

	for _, c := range []struct {
		name   string
		make   func()
		why    string // with which ours refuses
		theirs string // what the peer prints; "-" for what is not run by it
	}{
		{"venv", script("#!{theirs}/py\n"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"with an option", script("#! {theirs}/py -x\n"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"by a link of root's", script("#!{dir}/bin/link-to-theirs\n"), "is owned by uid", "evil 0\n"},
		{"a file given away in root's directory", script("#!{dir}/bin/given\n"), "it is owned by uid", "evil 0\n"},
		{"second in the chain", script("#!{dir}/bin/middle\n"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"env with a path", script("#!/usr/bin/env {theirs}/py\n"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"env, shortened", script("#!/usr/bin/env --split={theirs}/py\n"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"behind another program", script("#!/usr/bin/nice {theirs}/py\n"), "cannot use what its first line names, {theirs}/py: ", "evil 0\n"},
		{"env -S with another program", script("#!/usr/bin/env -S nice {theirs}/py\n"), "cannot use what its first line names, {theirs}/py: ", "evil 0\n"},
		{"packages of a virtual environment", func() {
			y.put("{dir}/v/pyvenv.cfg", "home = /usr/bin\n")
			os.Mkdir(y.Dir+"/v/bin", 0o755)
			os.Symlink("/usr/bin/python3", y.Dir+"/v/bin/python3")
			y.put("{dir}/v/"+sitePackages(t)+"/evil.pth", "import os; os.write(1, b'evil %d' % os.getuid()); os._exit(0)\n")
			if r := rig.Run(t, "/usr/bin/chown", "-R", rig.Caller.Name, y.Dir+"/v/lib"); r.Status != 0 {
				t.Fatal(r)
			}
			y.put("{dir}/bin/tool", "#!{dir}/v/bin/python3 -I\n")
		}, "it runs Python code from {dir}/v/lib", "evil 0"},
		{"a script for the interpreter", script("#!/bin/sh {theirs}/py\n"), "cannot use what its first line names, {theirs}/py: ", "evil 0\n"},
		{"env, by exec_dirs", script("#!/usr/bin/env given\n"), "cannot use its interpreter {dir}/bin/given: ", "-"},
		{"env -S", script("#!/usr/bin/env -S A=1 {theirs}/py -x\n"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"env -S PATH", script("#!/usr/bin/env -S PATH={theirs}:/usr/bin:/bin py\n"), "makes env(1) set PATH", "evil 0\n"},
		{"env by another name", script("#!{dir}/bin/environment {theirs}/py\n"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"no newline", script("#!{theirs}/py"), "cannot use its interpreter {theirs}/py: ", "evil 0\n"},
		{"relative", script("#!py\n"), "the caller's directory would decide", "-"},

		{"RUNPATH", link("-Wl,-rpath,{theirs}"), "it takes libraries (RUNPATH) from {theirs}: it is owned by uid", "evil 0\ngood 0\n"},
		{"RPATH", link("-Wl,--disable-new-dtags,-rpath,{theirs}"), "it takes libraries (RUNPATH) from {theirs}: ", "evil 0\ngood 0\n"},
		{"RUNPATH, for a kind of processor", capable("glibc-hwcaps/x86-64-v2", "/libevil.so"), "glibc-hwcaps/x86-64-v2/libevil.so: it is owned by uid", "evil 0\ngood 0\n"},
		{"RUNPATH, for a kind of processor, its directory", capable("glibc-hwcaps/x86-64-v2", ""), "glibc-hwcaps/x86-64-v2: it is owned by uid", "evil 0\ngood 0\n"},
		{"RUNPATH, tls", capable("tls/x86_64", "/libevil.so"), "tls/x86_64/libevil.so: it is owned by uid", "-"}, // only before glibc 2.37
		{"RUNPATH, second", link("-Wl,-rpath,/none:{theirs}"), "it takes libraries (RUNPATH) from {theirs}: ", "evil 0\ngood 0\n"},
		{"RUNPATH below theirs", link("-Wl,-rpath,{theirs}/roots"), "directory {theirs} is owned by uid", "evil 0\ngood 0\n"},
		{"RUNPATH below theirs, not made yet", link("-Wl,-rpath,{theirs}/none:{dir}/lib"), "directory {theirs} is owned by uid", "good 7\n"},
		{"RUNPATH from ORIGIN", link("-Wl,-rpath,$ORIGIN/../theirs"), "is owned by uid", "evil 0\ngood 0\n"},
		{"RUNPATH, empty", link("-Wl,-rpath,:{dir}/lib"), "not an absolute path", "good 7\n"},
		{"RUNPATH, relative", link("-Wl,-rpath,lib:{dir}/lib"), "not an absolute path", "good 7\n"},
		{"RUNPATH, /tmp", link("-Wl,-rpath,/tmp/ironwrap-none:{dir}/lib"), "/tmp/ironwrap-none", "good 7\n"},
		{"loader", link("-Wl,--dynamic-linker,{theirs}/ld.so", "-Wl,-rpath,{dir}/lib"), "cannot use its loader (PT_INTERP) {theirs}/ld.so: ", "good 7\n"},
		{"needed by a path", func() { y.cc("{dir}/bin/tool", mainC, "{theirs}/libevil.so") }, "cannot use its library {theirs}/libevil.so: ", "evil 0\ngood 0\n"},
		{"an interpreter with a RUNPATH", func() {
			y.cc("{dir}/bin/interpreter", mainC, "-L{dir}/lib", "-levil", "-Wl,-rpath,{theirs}")
			y.put("{dir}/bin/tool", "#!{dir}/bin/interpreter\n")
		}, "cannot use its interpreter {dir}/bin/interpreter: it takes libraries (RUNPATH) from {theirs}", "evil 0\ngood 0\n"},
		{"a library given away in root's directory", func() {
			y.cc("{dir}/lib2/libevil.so", evilC, "-shared", "-fPIC")
			y.give("{dir}/lib2/libevil.so")
			link("-Wl,-rpath,{dir}/lib2")()
		}, "it takes libraries (RUNPATH) from {dir}/lib2: ", "evil 0\ngood 0\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove(y.Dir + "/bin/tool")
			c.make()
			if c.theirs != "-" {
				if r := rig.ThroughSudo(t, rig.Peer, y.Conf, "tool"); r.Out != c.theirs || r.Status != 0 {
					t.Errorf("the peer: %v; not %q", r, c.theirs)
				}
			}
			for way, r := range y.each("tool") {
				if r.Status != 96 || r.Out != "" || way != "daemon" && (!rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, y.expand(c.why))) {
					t.Errorf("%s: %v; not 96 and %q", way, r, y.expand(c.why))
				}
			}
			// Behind a prefix it is no more root's.
			if r := rig.ThroughSudo(t, oursPath(), y.Conf, "nice", "tool"); r.Status != 99 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, y.expand(c.why)) {
				t.Errorf("nested: %v; not 99 and %q", r, y.expand(c.why))
			}
		})
	}

	rig.Need(t, "python3-minimal", "/usr/bin/python3")
	if err := os.Symlink("/usr/bin/python3", y.Dir+"/bin/link-to-python"); err != nil {
		t.Fatal(err)
	}
	y.put("{dir}/bin/roots", "#!/bin/sh -e\n. \"$1\"\n")
	for _, c := range []struct {
		name  string
		make  func()
		out   string
		alone bool
	}{
		{"sh", script("#!/bin/sh\necho fine $(id -u)\n"), "fine 0\n", false},
		{"no first line", func() { y.cc("{dir}/bin/tool", "#include <stdio.h>\nint main(void) { puts(\"fine\"); }", "-static") }, "fine\n", false},
		{"python3", script("#!/usr/bin/python3\nprint('fine')\n"), "fine\n", false},
		{"python3 -I", script("#!/usr/bin/python3 -I\nprint('fine')\n"), "fine\n", false},
		{"env python3", script("#!/usr/bin/env python3\nprint('fine')\n"), "fine\n", false},
		{"env -S", script("#!/usr/bin/env -S python3 -I -B\nprint('fine')\n"), "fine\n", false},
		{"a link of root's", script("#!/usr/bin/env link-to-python\nprint('fine')\n"), "fine\n", true},
		{"chain of root's", script("#!{dir}/bin/roots\necho fine\n"), "fine\n", false},
		{"RUNPATH", link("-Wl,-rpath,{dir}/lib"), "good 7\n", false},
		{"RUNPATH from ORIGIN", link("-Wl,-rpath,$ORIGIN/../lib"), "good 7\n", false},
		{"RUNPATH with what does not exist", link("-Wl,-rpath,/opt/none/lib:{dir}/none:$ORIGIN/../lib"), "good 7\n", false},
		{"needed by a path", func() { y.cc("{dir}/bin/tool", mainC, "{dir}/lib/libevil.so") }, "good 7\n", false},
		{"loader", link("-Wl,--dynamic-linker,"+loader, "-Wl,-rpath,{dir}/lib"), "good 7\n", false},
	} {
		t.Run("neighbour "+c.name, func(t *testing.T) {
			os.Remove(y.Dir + "/bin/tool")
			c.make()
			ours := y.each("tool")
			if !c.alone { // the peer keeps the caller's PATH
				ours["peer"] = rig.ThroughSudo(t, rig.Peer, y.Conf, "tool")
			}
			for way, r := range ours {
				if r.Status != 0 || r.Out != c.out || r.Err != "" {
					t.Errorf("%s: %v; not %q", way, r, c.out)
				}
			}
		})
	}

	// env(1) would look in the PATH of an EnvFilter.
	rig.Write(t, y.Filters, "[Filters]\ntool: EnvFilter, env, root, PATH="+y.theirs+", tool\n")
	y.put("{theirs}/python3", "#!/bin/sh\necho evil\n")
	y.put("{dir}/bin/tool", "#!/usr/bin/env python3\nprint('fine')\n")
	if r := rig.ThroughSudo(t, rig.Peer, y.Conf, "env", "PATH="+y.theirs, "tool"); r.Out != "evil\n" {
		t.Errorf("the peer: %v", r)
	}
	if r := rig.ThroughSudo(t, rig.Ours, y.Conf, "env", "PATH="+y.theirs, "tool"); r.Status != 96 || r.Out != "" || !strings.Contains(r.Err, "in PATH, which the filter sets") {
		t.Errorf("PATH of a filter: %v", r)
	}
}

// sitePackages is where Python's packages are below a prefix.
func sitePackages(t *testing.T) string {
	rig.Need(t, "python3-minimal", "/usr/bin/python3")
	return strings.TrimSpace(rig.Run(t, "/usr/bin/python3", "-c", "import sys; print('lib/python%d.%d/site-packages' % sys.version_info[:2])").Out)
}

// TestRunsWithCapabilities: what another user can change gets no capabilities that the
// user does not have.
func TestRunsWithCapabilities(t *testing.T) {
	secret := func(y *yard) string {
		path := y.Dir + "/secret"
		rig.Write(y, path, "secret\n")
		if err := os.Chmod(path, 0o600); err != nil {
			y.Fatal(err)
		}
		return path
	}
	filters := fmt.Sprintf("tool: CommandFilter, tool, %[1]s\npinned: PathFilter, shown, %[1]s, /var/lib\npython: CommandFilter, python3, %[1]s\ndash: CommandFilter, dash, %[1]s\nnice: ChainingRegExpFilter, nice, %[1]s, nice\nplain: CommandFilter, plain, %[1]s", rig.Caller.Name)
	const section = "\ncapabilities = CAP_DAC_OVERRIDE\n"
	y := newYard(t, filters, "[Sandbox:tool]"+section+"[Sandbox:pinned]\npin_paths = yes"+section+"[Sandbox:python]"+section+"[Sandbox:dash]"+section)
	path := secret(y)
	show := "cat " + path + " && grep CapEff /proc/self/status\n"
	cat := "import sys\nprint(open(sys.argv[1] if len(sys.argv) > 1 else '" + path + "').read())\n"
	for _, base := range []string{"tool", "shown", "plain"} {
		y.put("{dir}/bin/"+base, "x")
	}
	rig.Need(t, "python3-minimal", "/usr/bin/python3")
	// What the user has in the home: it runs when Python starts.
	site := sitePackages(t)
	local := "/var/lib/" + rig.Caller.Name + "/.local"
	if err := os.MkdirAll(local+"/"+site, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(local) })
	rig.Write(t, local+"/"+site+"/usercustomize.py", "print('evil', open('"+path+"').read())\n")
	if r := rig.Run(t, "/usr/bin/chown", "-R", rig.Caller.Name, local); r.Status != 0 {
		t.Fatal(r)
	}

	for _, c := range []struct {
		name, why string
		make      func()
		words     []string
	}{
		{"their own program", "/bin/tool is owned by uid", func() { y.put("{dir}/bin/tool", "#!/bin/sh\n"+show); y.give("{dir}/bin/tool") }, rig.Words("tool")},
		{"behind a prefix", "/bin/tool is owned by uid", func() { y.put("{dir}/bin/tool", "#!/bin/sh\n"+show); y.give("{dir}/bin/tool") }, rig.Words("nice tool")},
		{"their own interpreter", "/bin/given is owned by uid", func() {
			y.put("{dir}/bin/given", "#!/bin/sh\n"+show)
			y.give("{dir}/bin/given")
			y.put("{dir}/bin/tool", "#!{dir}/bin/given\n")
		}, rig.Words("tool")},
		{"their own interpreter by env", "/bin/given is owned by uid", func() { y.put("{dir}/bin/tool", "#!/usr/bin/env given\n") }, rig.Words("tool")},
		{"their own library", "libevil.so is owned by uid", func() {
			y.cc("{dir}/lib/libevil.so", evilC, "-shared", "-fPIC")
			y.cc("{dir}/bin/tool", mainC, "-L{dir}/lib", "-levil", "-Wl,-rpath,{dir}/lib")
			y.give("{dir}/lib/libevil.so")
		}, rig.Words("tool")},
		{"python", "python3 can load code from the home of", func() { y.put("{dir}/bin/tool", "#!/usr/bin/python3\n"+cat) }, rig.Words("tool")},
		{"python by env", "python3 can load code", func() { y.put("{dir}/bin/tool", "#!/usr/bin/env python3\n"+cat) }, rig.Words("tool")},
		{"python -E", "python3 can load code", func() { y.put("{dir}/bin/tool", "#!/usr/bin/python3 -E\n"+cat) }, rig.Words("tool")},
		{"python by another name", "snake can load code", func() {
			os.Symlink("/usr/bin/python3", y.Dir+"/bin/snake")
			y.put("{dir}/bin/tool", "#!{dir}/bin/snake\n"+cat)
		}, rig.Words("tool")},
		{"perl", "perl can load code", func() { y.put("{dir}/bin/tool", "#!/usr/bin/perl\n") }, rig.Words("tool")},
		{"a login shell", "bash can load code", func() { y.put("{dir}/bin/tool", "#!/bin/bash -l\n"+show) }, rig.Words("tool")},
		{"pinned", "python3 can load code", func() { y.put("{dir}/bin/shown", "#!/usr/bin/python3\n"+cat) }, []string{"shown", y.Dir + "/secret"}},
		{"python itself", "python3 can load code", func() {}, []string{"python3", "-c", cat}},
		{"python itself, a script", "python3 can load code", func() {}, []string{"python3", "/none", "-I"}},
		{"python itself, modules of the caller's directory", "python3 can load code", func() {}, []string{"python3", "-s", "-c", "import x"}},
		{"python itself, their script", "the script that it runs is not root's alone: cannot trust " + y.theirs, func() { y.put("{theirs}/x", cat); y.give("{theirs}/x") }, []string{"python3", "-I", y.theirs + "/x"}},
		{"a shell, their script", "/bin/given: it is owned by uid", func() { y.put("{dir}/bin/given", show); y.give("{dir}/bin/given") }, []string{"dash", "-e", y.Dir + "/bin/given"}},
		{"a shell, a script of the caller's directory", "the caller's directory would decide", func() {}, rig.Words("dash x")},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.make()
			for way, r := range y.each(c.words...) {
				if r.Status != 97 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, ": cannot give capabilities to ") || !strings.Contains(r.Err, c.why) {
					t.Errorf("%s: %v; not 97 and %q", way, r, c.why)
				}
			}
		})
	}

	y.cc("{dir}/lib/libroots.so", goodC, "-shared", "-fPIC")
	for _, c := range []struct {
		name, out string
		make      func()
		words     []string
	}{
		{"root's program", "secret\n", func() {
			y.cc("{dir}/bin/tool", "#include <stdio.h>\nint main(void) { int c; FILE *f = fopen(\""+path+"\", \"r\"); while (f && (c = getc(f)) != EOF) putchar(c); return !f; }")
		}, rig.Words("tool")},
		{"root's shell script", "secret\n", func() { y.put("{dir}/bin/tool", "#!/bin/sh -e\ncat "+path+"\n") }, rig.Words("tool")},
		{"root's bash script", "secret\n", func() { y.put("{dir}/bin/tool", "#!/bin/bash\ncat "+path+"\n") }, rig.Words("tool")},
		{"python3 -I", "secret\n\n", func() { y.put("{dir}/bin/tool", "#!/usr/bin/python3 -I\n"+cat) }, rig.Words("tool")},
		{"python3 -s", "secret\n\n", func() { y.put("{dir}/bin/tool", "#!/usr/bin/python3 -s\n"+cat) }, rig.Words("tool")},
		{"env -S python3 -I", "secret\n\n", func() { y.put("{dir}/bin/tool", "#!/usr/bin/env -S python3 -I\n"+cat) }, rig.Words("tool")},
		{"pinned", "secret\n\n", func() { y.put("{dir}/bin/shown", "#!/usr/bin/python3 -I\n"+cat) }, []string{"shown", path}},
		{"a shell, root's script", "secret\n", func() { y.put("{dir}/bin/shown", "cat "+path+"\n") }, []string{"dash", y.Dir + "/bin/shown"}},
		{"python itself, root's script", "secret\n\n", func() { y.put("{dir}/bin/shown", cat) }, []string{"python3", "-s", y.Dir + "/bin/shown"}},
		{"python itself, with -I", "secret\n\n", func() {}, []string{"python3", "-I", "-c", cat}},
		{"their own program, without capabilities", "CapEff:\t0000000000000000\n", func() {
			y.put("{dir}/bin/plain", "#!/bin/sh\ncat "+path+" 2>/dev/null\ngrep CapEff /proc/self/status\n")
			y.give("{dir}/bin/plain")
		}, rig.Words("plain")},
		{"their own interpreter, without capabilities", "CapEff:\t0000000000000000\n", func() {
			y.put("{dir}/bin/given", "#!/bin/sh\ngrep CapEff /proc/self/status\n")
			y.give("{dir}/bin/given")
			y.put("{dir}/bin/plain", "#!{dir}/bin/given\n")
		}, rig.Words("plain")},
	} {
		t.Run("neighbour "+c.name, func(t *testing.T) {
			c.make()
			for way, r := range y.each(c.words...) {
				if r.Status != 0 || r.Out != c.out || r.Err != "" {
					t.Errorf("%s: %v; not %q", way, r, c.out)
				}
			}
		})
	}

	// That the file in the home is read at all, where nothing keeps it out.
	y.put("{dir}/bin/plain", "#!/usr/bin/python3\n")
	if r := rig.ThroughSudo(t, rig.Ours, y.Conf, "plain"); !strings.Contains(r.Err, "usercustomize") {
		t.Errorf("the user's own modules are not loaded, and nothing was shown: %v", r)
	}
	// Root needs no leave to be given what it has.
	rig.Write(t, y.Filters, "[Filters]\ntool: CommandFilter, tool, root\n[Sandbox:tool]"+section)
	y.put("{dir}/bin/tool", "#!/usr/bin/python3\nprint('fine')\n")
	if r := rig.ThroughSudo(t, rig.Ours, y.Conf, "tool"); r.Status != 0 || r.Out != "fine\n" {
		t.Errorf("as root: %v", r)
	}
}

// TestRunsReports: what the configuration leads to that is not as it should be, and
// must keep nothing else from running (R6 to R9, R11).
func TestRunsReports(t *testing.T) {
	p := rig.NewPolicy(t, "id: CommandFilter, id, root\ngone: CommandFilter, no-such-program, root\nip: IpNetnsExecFilter, ip, root\ntool: CommandFilter, tool, root")
	theirs := "/var/lib/" + rig.Caller.Name + "/" + filepath.Base(p.Dir)
	if err := os.MkdirAll(theirs+"/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(theirs) })
	os.WriteFile(theirs+"/bin/tool", []byte(evil), 0o755)
	os.WriteFile(theirs+"/bin/id", []byte(evil), 0o755)
	base := string(rig.Must(os.ReadFile(p.Conf)))
	conf := func(from, to string) {
		t.Helper()
		os.Remove(p.Conf)
		rig.Write(t, p.Conf, strings.Replace(base, from, to, 1))
	}
	peerIsFine := func(t *testing.T, words ...string) {
		t.Helper()
		if r := rig.ThroughSudo(t, rig.Peer, append([]string{p.Conf}, words...)...); r.Status != 0 {
			t.Errorf("the peer: %v", r)
		}
	}
	fine := func(t *testing.T) {
		t.Helper()
		peerIsFine(t, "id", "-u")
		if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "id", "-u"); r.Status != 0 || r.Out != "0\n" || r.Err != "" {
			t.Errorf("%v", r)
		}
	}

	t.Run("nested program that is not installed", func(t *testing.T) {
		for _, program := range []string{rig.Peer, rig.Ours} {
			r := rig.ThroughSudo(t, program, p.Conf, "ip", "netns", "exec", "ns", "no-such-program")
			if r.Status != 99 || program == rig.Ours && (!rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, "filter gone matches the nested command, but its program no-such-program cannot be executed: not found in exec_dirs")) {
				t.Errorf("%s: %v", program, r)
			}
		}
		ctl := rig.Ctl(t)
		r := rig.Run(t, ctl, "explain", p.Conf, "ip", "netns", "exec", "ns", "no-such-program")
		if first, _, _ := strings.Cut(r.Out, "\n"); r.Status != 99 || !strings.Contains(first, "filter gone matches the nested command, but its program no-such-program cannot be executed: not found in exec_dirs") || strings.Contains(r.Out, "near miss") {
			t.Errorf("explain: %v", r)
		}
	})

	// exec_dirs. The peer runs what is there; here it is passed over, and the rest works.
	for name, dir := range map[string]string{"itself theirs": theirs + "/bin", "below theirs": theirs + "/roots", "writable by all": p.Dir + "/open", "by a link": p.Dir + "/link"} {
		t.Run("exec_dirs "+name, func(t *testing.T) {
			os.Symlink(theirs+"/bin", p.Dir+"/link")
			for _, d := range []string{theirs + "/roots", p.Dir + "/open"} {
				os.MkdirAll(d, 0o755)
				os.WriteFile(d+"/tool", []byte(evil), 0o755)
			}
			os.Chmod(p.Dir+"/open", 0o777)
			for _, d := range []string{theirs, theirs + "/bin"} {
				os.Chown(d, int(rig.Caller.UID), int(rig.Caller.GID))
			}
			conf("exec_dirs=/usr/sbin", "exec_dirs="+dir+",/usr/sbin")
			if r := rig.ThroughSudo(t, rig.Peer, p.Conf, "tool"); r.Out != "evil 0\n" {
				t.Errorf("the peer: %v", r)
			}
			for _, strict := range []string{"", "strict_paths=yes\n"} {
				conf("exec_dirs=/usr/sbin", strict+"exec_dirs="+dir+",/usr/sbin")
				if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "id", "-u"); r.Status != 0 || r.Out != "0\n" || r.Err != "" {
					t.Errorf("another program: %v", r)
				}
				r := rig.ThroughSudo(t, rig.Ours, p.Conf, "tool")
				if r.Status != 96 || r.Out != "" || !rig.OneCleanLine(r.Err) || !strings.Contains(r.Err, "not found in exec_dirs, of which 1 cannot be searched (ironwrapctl check names them): "+dir+" is not searched: ") {
					t.Errorf("what is there: %v", r)
				}
			}
			rig.Write(t, p.Dir+"/filters.d/path.filters", "[Filters]\nprint: CommandFilter, printenv, root\n")
			if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "printenv", "PATH"); r.Out != "/usr/sbin:/usr/bin:/sbin:/bin\n" {
				t.Errorf("PATH: %v", r)
			}
			os.Remove(p.Dir + "/filters.d/path.filters")
		})
	}
	t.Run("exec_dirs, all of them", func(t *testing.T) {
		// An empty PATH would mean the caller's directory.
		conf("exec_dirs=/usr/sbin,/usr/bin,/sbin,/bin", "exec_dirs="+theirs+"/bin")
		rig.Write(t, p.Dir+"/filters.d/path.filters", "[Filters]\nfind: CommandFilter, /usr/bin/nice, root\n")
		defer os.Remove(p.Dir + "/filters.d/path.filters")
		c := exec.Command("/usr/bin/sudo", "-n", rig.Ours, p.Conf, "nice", "tool")
		c.Dir = theirs + "/bin"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: rig.Caller.UID, Gid: rig.Caller.GID}}
		if r := rig.RunCmd(t, c); r.Status != 127 || strings.Contains(r.Out, "evil") {
			t.Errorf("%v", r)
		}
	})

	// filters_path.
	conf("", "")
	filters := p.Dir + "/filters.d/"
	for name, make := range map[string]func() error{
		"dangling link":          func() error { return os.Symlink("nowhere", filters+"z.filters") },
		"dangling absolute link": func() error { return os.Symlink("/no/such/file", filters+"z.filters") },
		"directory":              func() error { return os.Mkdir(filters+"z.filters", 0o755) },
		"FIFO":                   func() error { return syscall.Mkfifo(filters+"z.filters", 0o644) },
	} {
		t.Run("filters "+name, func(t *testing.T) {
			if err := make(); err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(filters + "z.filters")
			fine(t)
		})
	}
	t.Run("filters link that the caller can fill", func(t *testing.T) {
		// Whoever may take a file of filters away, and bring it back, decides which
		// filter comes first.
		if err := os.Symlink(theirs+"/z.filters", filters+"a.filters"); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(filters + "a.filters")
		peerIsFine(t, "id", "-u")
		if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "id", "-u"); r.Status != 97 || r.Out != "" || !strings.Contains(r.Err, filters+"a.filters: ") {
			t.Errorf("%v", r)
		}
	})
	t.Run("no directory of filters", func(t *testing.T) {
		conf("filters_path="+p.Dir+"/filters.d", "filters_path="+p.Dir+"/none,/no/such")
		helper := []string{"privsep-helper", "--privsep_context", "os_brick.privileged.default", "--privsep_sock_path", "/none"}
		os.MkdirAll(p.Dir+"/sbin", 0o755)
		os.WriteFile(p.Dir+"/sbin/privsep-helper", []byte("#!/bin/sh\necho \"$@\"\n"), 0o755)
		text := string(rig.Must(os.ReadFile(p.Conf)))
		os.Remove(p.Conf)
		rig.Write(t, p.Conf, strings.Replace(text, "exec_dirs=", "exec_dirs="+p.Dir+"/sbin,", 1))
		want := strings.Join(helper[1:], " ") + "\n"
		for _, program := range []string{rig.Peer, rig.Ours} {
			if r := rig.ThroughSudo(t, program, append([]string{p.Conf}, helper...)...); r.Status != 0 || r.Out != want || r.Err != "" {
				t.Errorf("%s: %v", program, r)
			}
			if r := rig.ThroughSudo(t, program, p.Conf, "id"); r.Status != 99 {
				t.Errorf("%s: %v", program, r)
			}
		}
		// Who can make it makes nothing that counts.
		conf("filters_path="+p.Dir+"/filters.d", "filters_path="+theirs+"/filters.d")
		if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "id"); r.Status != 99 {
			t.Errorf("not made yet: %v", r)
		}
		if err := os.MkdirAll(theirs+"/filters.d", 0o755); err != nil {
			t.Fatal(err)
		}
		rig.Write(t, theirs+"/filters.d/x.filters", "[Filters]\nid: CommandFilter, id, root\n")
		os.Chown(theirs+"/filters.d", int(rig.Caller.UID), int(rig.Caller.GID))
		if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "id"); r.Status != 97 || r.Out != "" {
			t.Errorf("made by the caller: %v", r)
		}
	})
}

// TestRunsSetuidExecDirs: passed over where it is setuid, too.
func TestRunsSetuidExecDirs(t *testing.T) {
	in := rig.SetuidInstallation(t, "id: CommandFilter, id, root\ntool: CommandFilter, tool, root", "allow_users="+rig.Caller.Name, "exec_dirs=/var/lib/"+rig.Caller.Name+",/usr/bin")
	tool := "/var/lib/" + rig.Caller.Name + "/tool"
	os.WriteFile(tool, []byte(evil), 0o755)
	defer os.Remove(tool)
	if r := rig.RunCmd(t, in.Called(in.Conf, "id", "-u")); r.Status != 0 || r.Out != "0\n" {
		t.Errorf("%v", r)
	}
	if r := rig.RunCmd(t, in.Called(in.Conf, "tool")); r.Status != 96 || r.Out != "" || !strings.Contains(r.Err, "not found in exec_dirs, of which 1 cannot be searched") {
		t.Errorf("%v", r)
	}
}
