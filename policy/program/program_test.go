package program

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/trust"
)

const theirs = 64711 // a uid of nobody in particular

// house is a directory of root's, with a home of somebody's in it.
//
//	bin/         exec_dirs; a/, an earlier one, is empty
//	home/        theirs
//	shared/      root's, writable by all and sticky
func house(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: whose files interpreters are was not checked")
	}
	dir, err := os.MkdirTemp("/var/lib", "iw-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(dir+"/a", 0o755), os.Mkdir(dir+"/bin", 0o755), os.Mkdir(dir+"/lib", 0o755), os.Mkdir(dir+"/home", 0o755), os.Chown(dir+"/home", theirs, theirs),
		os.Mkdir(dir+"/shared", 0o755), os.Chmod(dir+"/shared", os.ModeSticky|0o777),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func put(t *testing.T, path, text string, uid int) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755), os.Chown(path, uid, uid)); err != nil {
		t.Fatal(err)
	}
}

func TestFind(t *testing.T) {
	dir := house(t)
	in := func(s string) string { return strings.ReplaceAll(s, "DIR", dir) }
	loader := "/lib64/ld-linux-x86-64.so.2"
	file := func(name, text string) { put(t, in(name), in(text), 0) }
	elf := func(name, interpreter string, dynamic map[uint32]string) {
		for tag, s := range dynamic {
			dynamic[tag] = in(s)
		}
		put(t, in(name), string(narrow(in(interpreter), dynamic)), 0)
	}
	put(t, in("DIR/home/py"), "#!/bin/sh\n", theirs)
	put(t, in("DIR/home/rootspy"), "#!/bin/sh\n", 0)
	put(t, in("DIR/bin/theirspy"), "#!/bin/sh\n", theirs)
	put(t, in("DIR/lib/theirs.so"), "", theirs)
	put(t, in("DIR/caps/glibc-hwcaps/x86-64-v9/theirs.so"), "", theirs)
	put(t, in("DIR/given/tls/haswell/x.so"), "", 0)
	put(t, in("DIR/other/private/x.so"), "", theirs)
	put(t, in("DIR/plain/tls"), "", 0)
	file("DIR/around/x.so", "")
	file("DIR/lib/good.so", "")
	file("DIR/shared/lib/x", "")
	file("DIR/bin/mypy", "#!/bin/sh\n")
	for link, to := range map[string]string{"DIR/bin/homelink": "DIR/home/py", "DIR/bin/e": "/usr/bin/env", "DIR/lib/dangling.so": "DIR/home/none", "DIR/lib/nowhere.so": "DIR/lib/none", "DIR/bin/snake": "/usr/bin/python3", "DIR/around/tls": "."} {
		if err := os.Symlink(in(to), in(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(in("DIR/given/tls/haswell"), theirs, theirs); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(in("DIR/lib"), in("DIR/home/liblink")), os.Lchown(in("DIR/home/liblink"), theirs, theirs)); err != nil {
		t.Fatal(err)
	}
	n := 0
	next := func() string { n++; return in("DIR/bin/") + "t" + strings.Repeat("x", n) }
	script := func(text string) string { path := next(); put(t, path, in(text), 0); return path }
	program := func(interpreter string, dynamic map[uint32]string) string {
		path := next()
		elf(path, interpreter, dynamic)
		return path
	}
	file("DIR/bin/good", "#!DIR/bin/mypy\n")
	file("DIR/bin/middle", "#!DIR/home/py\n")
	run := func(path string) string {
		return program(loader, map[uint32]string{dtRunpath: path, dtNeeded: "libc.so.6"})
	}

	for _, c := range []struct{ name, path, refused string }{
		{"sh", script("#!/bin/sh\n"), ""},
		{"chain of root's", script("#!DIR/bin/good\n"), ""},
		{"no program at all", script("text"), ""},
		{"an interpreter of theirs", script("#!DIR/home/py -x\n"), "cannot use its interpreter DIR/home/py: "},
		{"in their directory", script("#! DIR/home/rootspy\n"), "directory DIR/home is owned by uid 64711"},
		{"their file in root's directory", script("#!DIR/bin/theirspy\n"), "it is owned by uid 64711"},
		{"by a link", script("#!DIR/bin/homelink\n"), "directory DIR/home is owned by uid 64711"},
		{"by dots", script("#!DIR/bin/../home/py\n"), "directory DIR/home is owned"},
		{"relative", script("#!py\n"), "caller's directory would decide"},
		{"dot", script("#!./py\n"), "caller's directory would decide"},
		{"nothing", script("#!"), "caller's directory would decide"},
		{"second in the chain", script("#!DIR/bin/middle\n"), "cannot use its interpreter DIR/bin/middle: cannot use its interpreter DIR/home/py: "},
		{"missing", script("#!/no/such\n"), "no such file"},
		{"a directory", script("#!/bin\n"), "a directory"},
		{"a file of /proc", script("#!/proc/self/exe\n"), "proc file system"},
		{"in /tmp", script("#!/tmp/ironwrap-no-such\n"), "directory /tmp is writable by group and others"},

		{"a script of theirs", script("#!/bin/sh DIR/home/py\n"), "cannot use what its first line names, DIR/home/py: its directory DIR/home is owned by uid 64711"},
		{"their file in root's directory, for another program", script("#!/usr/bin/nice DIR/bin/theirspy\n"), "it is owned by uid 64711"},
		{"a program of theirs, behind another", script("#!/usr/bin/env -S /usr/bin/nice -n 5 DIR/home/py\n"), "directory DIR/home is owned by uid 64711"},
		{"a directory of theirs", script("#!/usr/bin/perl -wIDIR/home\n"), "owned by uid 64711"},
		{"a file of theirs, in an option", script("#!/usr/bin/make --file=DIR/home/py\n"), "directory DIR/home is owned by uid 64711"},
		{"a file that they could put there", script("#!/usr/bin/make -fDIR/home/none\n"), "directory DIR/home is owned by uid 64711"},
		{"a relative script", script("#!/bin/sh lib/x\n"), "caller's directory would decide"},
		{"a script of root's", script("#!/bin/sh DIR/bin/good\n"), ""},
		{"a directory of root's", script("#!/usr/bin/perl -IDIR/lib -w\n"), ""},
		{"the root directory", script("#!/usr/bin/env -S /usr/bin/nice -n 5 /\n"), ""},
		{"nothing there", script("#!/usr/bin/make -fDIR/lib/none\n"), ""},
		{"a device", script("#!/usr/bin/make -f/dev/null\n"), ""},
		{"data", script("#!/usr/bin/make -d error_log=DIR/home/py\n"), ""},
		{"a word with a slash", script("#!/usr/bin/sed s/a/b/\n"), ""},
		{"an expression", script("#!/usr/bin/sed -es/a/b/\n"), ""},

		{"env, shortened", script("#!/usr/bin/env --split=DIR/home/py\n"), "cannot use its interpreter DIR/home/py: "},
		{"env, shortest", script("#!/usr/bin/env --s=homelink -x\n"), "directory DIR/home is owned"},
		{"env", script("#!/usr/bin/env mypy\n"), ""},
		{"env, of theirs", script("#!/usr/bin/env theirspy\n"), "cannot use its interpreter DIR/bin/theirspy: "},
		{"env, by a link", script("#!/usr/bin/env homelink\n"), "directory DIR/home is owned"},
		{"env by another name", script("#!DIR/bin/e homelink\n"), "directory DIR/home is owned"},
		{"env, absolute", script("#!/usr/bin/env DIR/home/py\n"), "directory DIR/home is owned"},
		{"env, relative", script("#!/usr/bin/env x/py\n"), "caller's directory would decide"},
		{"env, missing", script("#!/usr/bin/env no-such\n"), "its interpreter no-such is not found in exec_dirs"},
		{"env -S", script("#!/usr/bin/env -S mypy -I\n"), ""},
		{"env -S of theirs", script("#!/usr/bin/env -S A=1 homelink -I\n"), "directory DIR/home is owned"},
		{"env -S PATH", script("#!/usr/bin/env -S PATH=DIR/home py\n"), "set PATH"},
		{"env to a chain", script("#!/usr/bin/env middle\n"), "cannot use its interpreter DIR/home/py"},
		{"env of theirs", script("#!DIR/home/env mypy\n"), "directory DIR/home is owned"},

		{"loader of root's", program(loader, nil), ""},
		{"loader of theirs", program("DIR/home/py", nil), "cannot use its loader (PT_INTERP) DIR/home/py: its directory DIR/home is owned"},
		{"loader by a relative path", program("ld.so", nil), "its loader ld.so (PT_INTERP) is not named by an absolute path"},
		{"static", program("", map[uint32]string{dtRunpath: "DIR/home"}), ""},
		{"an interpreter with a loader of theirs", script("#!" + program("DIR/home/py", nil) + "\n"), "cannot use its loader"},

		{"runpath of root's", run("DIR/lib"), ""},
		{"origin of root's", run("$ORIGIN/../lib"), ""},
		{"runpath of theirs", run("DIR/home"), "it takes libraries (RUNPATH) from DIR/home: it is owned by uid 64711"},
		{"rpath of theirs", program(loader, map[uint32]string{dtRpath: "DIR/home"}), "DIR/home: it is owned by uid 64711"},
		{"second of theirs", run("/lib:DIR/home"), "DIR/home: it is owned"},
		{"origin of theirs", run("$ORIGIN/../home"), "is owned by uid 64711"},
		{"braces", run("${ORIGIN}/../home/x"), "is owned by uid 64711"},
		{"below theirs, missing", run("DIR/home/none/lib"), "directory DIR/home is owned"},
		{"missing, root's", run("DIR/none/lib:/no/such"), ""},
		{"missing, below a file", run("DIR/bin/mypy/lib"), ""},
		{"missing in /tmp", run("/tmp/ironwrap-no-such/lib"), "(RUNPATH) from /tmp/ironwrap-no-such/lib: "},
		{"root's in a sticky directory", run("DIR/shared/lib"), ""},
		{"a link of theirs", run("DIR/home/liblink"), "directory DIR/home is owned"},
		{"empty", run(""), ""},
		{"an empty entry", run("/lib:"), "not an absolute path"},
		{"relative runpath", run("lib"), "not an absolute path"},
		{"relative, lib token", run("$LIB/x"), "not an absolute path"},
		{"lib token", run("DIR/home/$LIB"), "directory DIR/home is owned"},
		{"lib token of root's", run("/usr/$LIB/none"), ""},
		{"platform token", run("DIR/home/${PLATFORM}"), "directory DIR/home is owned"},
		{"unknown token", run("$HOME/lib"), "not an absolute path"},
		{"their library in root's directory", program(loader, map[uint32]string{dtRunpath: "DIR/lib", dtNeeded: "theirs.so"}), "theirs.so: it is owned by uid 64711"},
		{"their library in a subdirectory", program(loader, map[uint32]string{dtRunpath: "DIR/caps", dtNeeded: "theirs.so"}), "theirs.so: it is owned by uid 64711"},
		{"their subdirectory", program(loader, map[uint32]string{dtRunpath: "DIR/given", dtNeeded: "x.so"}), "it is owned by uid 64711"},
		{"a subdirectory of another name", program(loader, map[uint32]string{dtRunpath: "DIR/other", dtNeeded: "x.so"}), ""},
		{"a link around", program(loader, map[uint32]string{dtRunpath: "DIR/around", dtNeeded: "x.so"}), ""},
		{"a file of that name", program(loader, map[uint32]string{dtRunpath: "DIR/plain", dtNeeded: "x.so"}), ""},
		{"root's library", program(loader, map[uint32]string{dtRunpath: "DIR/lib", dtNeeded: "good.so"}), ""},
		{"a link into theirs where nothing is", program(loader, map[uint32]string{dtRunpath: "DIR/lib", dtNeeded: "dangling.so"}), "directory DIR/home is owned"},
		{"a link to nowhere", program(loader, map[uint32]string{dtRunpath: "DIR/lib", dtNeeded: "nowhere.so"}), ""},
		{"needed by a path", program(loader, map[uint32]string{dtNeeded: "DIR/lib/good.so"}), ""},
		{"needed by a path of theirs", program(loader, map[uint32]string{dtNeeded: "DIR/home/x.so"}), "cannot use its library DIR/home/x.so: its directory DIR/home is owned"},
		{"needed by a relative path", program(loader, map[uint32]string{dtNeeded: "./x.so"}), "a path that is not absolute"},
		{"needed beside it", program(loader, map[uint32]string{dtNeeded: "$ORIGIN/../home/x.so"}), "is owned by uid 64711"},
		{"needed beside it, missing", program(loader, map[uint32]string{dtNeeded: "$ORIGIN/x.so"}), ""},
		{"filter library of theirs", program(loader, map[uint32]string{dtFilter: "DIR/home/x.so"}), "DIR/home is owned"},
		{"auxiliary library of theirs", program(loader, map[uint32]string{dtAuxiliary: "DIR/home/x.so"}), "DIR/home is owned"},
		{"audit library of theirs", program(loader, map[uint32]string{dtAudit: "a.so:DIR/home/x.so"}), "DIR/home is owned"},
		{"depaudit library of theirs", program(loader, map[uint32]string{dtDepAudit: "DIR/home/x.so"}), "DIR/home is owned"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, level := range []trust.Level{trust.Fixed, trust.Ancestors} {
				if level == trust.Ancestors && strings.Contains(c.name, "sticky") {
					continue
				}
				f := Finder{Dirs: []string{in("DIR/a"), in("DIR/bin")}, Level: level, Owners: []uint32{0}}
				for _, name := range []string{c.path, filepath.Base(c.path)} {
					p, err := f.Find(name)
					switch {
					case c.refused == "" && (err != nil || p.Path != c.path || p.Others != ""):
						t.Errorf("level %d: %+v, %v", level, p, err)
					case c.refused != "" && (err == nil || p != Program{} || !strings.Contains(err.Error(), in(c.refused)) || strings.Contains(err.Error(), "\n")):
						t.Errorf("level %d: %+v, %v; not %s", level, p, err, in(c.refused))
					}
				}
			}
		})
	}

	loop := next()
	put(t, loop, "#!"+loop+"\n", 0)
	if _, err := (Finder{Level: trust.Fixed, Owners: []uint32{0}}).Find(loop); err == nil || !strings.Contains(err.Error(), "too many interpreters") {
		t.Errorf("a loop: %v", err)
	}

	// What is the run-as user's own may run as that user, and is named.
	own := Finder{Dirs: []string{in("DIR/bin")}, Level: trust.Fixed, Owners: []uint32{0, theirs}}
	for path, want := range map[string]string{
		script("#!DIR/bin/theirspy\n"): in("DIR/bin/theirspy is owned by uid 64711"),
		in("DIR/bin/theirspy"):         in("DIR/bin/theirspy is owned by uid 64711"),
		program(loader, map[uint32]string{dtRunpath: "DIR/lib", dtNeeded: "theirs.so"}): in("DIR/lib/theirs.so is owned by uid 64711"),
		in("DIR/bin/good"): "",
	} {
		if p, err := own.Find(path); err != nil || p.Others != want {
			t.Errorf("%s: %+v, %v; not %q", path, p, err, want)
		}
	}
	if _, err := own.Find(script("#!DIR/home/py\n")); err == nil {
		t.Error("their directory decides what runs as them, and is taken; a program in it is not")
	}

	// env(1) goes on where the user may not look: a second one of the name counts too.
	put(t, in("DIR/a/twice"), "#!/bin/sh\n", 0)
	put(t, in("DIR/bin/twice"), "#!/bin/sh\n", theirs)
	twice := Finder{Dirs: []string{in("DIR/a"), in("DIR/bin")}, Level: trust.Fixed, Owners: []uint32{0}}
	if _, err := twice.Find(script("#!/usr/bin/env twice\n")); err == nil || !strings.Contains(err.Error(), in("DIR/bin/twice: it is owned by uid 64711")) {
		t.Errorf("a second interpreter of theirs: %v", err)
	}
	if _, err := twice.Find("twice"); err != nil { // that one is executed by its path
		t.Errorf("the first program: %v", err)
	}

	// A script is not what its name says.
	put(t, in("DIR/bin/sh"), "#!/usr/bin/python3\n", 0)
	for _, args := range []string{"-c x", "-I", ""} {
		if p, err := own.Find(in("DIR/bin/sh")); err != nil || p.Called(filters.Words(strings.Fields(args))).Personal == "" {
			t.Errorf("python called sh, %s: %+v, %v", args, p, err)
		}
	}
	os.Remove(in("DIR/bin/sh"))

	// A program that has an interpreter in it is one.
	for needed, want := range map[string]string{"libpython3.11.so.1.0": "by libpython3.11.so.1.0,", "libperl.so.5.36": "by libperl.so.5.36,", "libc.so.6": ""} {
		if p, err := own.Find(program(loader, map[uint32]string{dtNeeded: needed})); err != nil || !strings.HasSuffix(p.Personal, want) || (p.Personal == "") != (want == "") {
			t.Errorf("needs %s: %+v, %v", needed, p, err)
		}
	}
	elf("DIR/bin/python3", loader, map[uint32]string{dtNeeded: "libpython3.11.so.1.0"})
	if p, err := own.Find(script("#!DIR/bin/python3 -I\n")); err != nil || p.Personal != "" {
		t.Errorf("python3 -I with a library of its own: %+v, %v", p, err)
	}

	// Which interpreters read what is the user's.
	for text, want := range map[string]string{
		"#!/usr/bin/python3\n":                "python3",
		"#!/usr/bin/python3 -I\n":             "",
		"#!/usr/bin/python3 -s\n":             "",
		"#!/usr/bin/python3 -E\n":             "python3",
		"#!/usr/bin/python3 -Es\n":            "",
		"#!/usr/bin/python3 -Ii\n":            "python3", // interactive in the end: startup files
		"#!/usr/bin/env -S python3 -I -E\n":   "",
		"#!/usr/bin/env -S python3 -m x -I\n": "python3",
		"#!/usr/bin/env python3\n":            "python3",
		"#!/usr/bin/env -S snake\n":           "snake",
		"#!DIR/bin/snake\n":                   "snake",
		"#!/usr/bin/perl\n":                   "perl",
		"#!/bin/sh\n":                         "",
		"#!/bin/sh -e\n":                      "",
		"#!/bin/bash -l\n":                    "bash",
		"#!/bin/bash -i\n":                    "bash",
		"#!/bin/bash --login\n":               "bash",
		"#!/bin/bash \x00\n":                  "",
		"#!/bin/bash -c\n":                    "bash",
		"#!/bin/bash\n":                       "",
		"#!/usr/bin/env -S python3 -I -m x\n": "",
	} {
		f := Finder{Dirs: []string{in("DIR/bin"), "/usr/bin"}, Level: trust.Fixed, Owners: []uint32{0}}
		if p, err := f.Find(script(text)); err != nil || p.Personal != want {
			t.Errorf("%q: %+v, %v; not %q", text, p, err, want)
		}
	}
	for path, want := range map[string]string{in("DIR/bin/snake"): "snake", "/usr/bin/python3": "python3", "/bin/sh": "sh", "/bin/true": ""} {
		if p, err := own.Find(path); err != nil || p.Personal != want {
			t.Errorf("%s: %+v, %v; not %q", path, p, err, want)
		}
	}
}

// A Python of a virtual environment runs what is in there before it runs a script.
func TestVirtualEnvironment(t *testing.T) {
	dir := house(t)
	const site = "/v/lib/python3.11/site-packages"
	if err := errors.Join(os.MkdirAll(dir+"/v/bin", 0o755), os.Symlink("/usr/bin/python3", dir+"/v/bin/python3"), os.MkdirAll(dir+"/base/bin", 0o755)); err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/script", "#!"+dir+"/v/bin/python3 -I\n", 0)
	reset := func() {
		os.RemoveAll(dir + "/v/lib")
		os.RemoveAll(dir + "/v/bin/pyvenv.cfg")
		put(t, dir+"/v/pyvenv.cfg", "home = "+dir+"/base/bin\nversion = 3.11\n", 0)
		put(t, dir+site+"/x.pth", "", 0)
		put(t, dir+site+"/package.py", "", 0)
		os.Chown(dir+"/v", 0, 0)
	}
	for _, c := range []struct {
		name, refused string
		do            func()
	}{
		{"root's", "", func() {}},
		{"none", "", func() { os.Remove(dir + "/v/pyvenv.cfg"); os.Chown(dir+site, theirs, -1) }},
		{"their site-packages", site + ": it is owned by uid 64711", func() { os.Chown(dir+site, theirs, -1) }},
		{"their .pth", "it is owned by uid 64711", func() { os.Chown(dir+site+"/x.pth", theirs, -1) }},
		{"their sitecustomize", "it is owned by uid 64711", func() { put(t, dir+site+"/sitecustomize.py", "", theirs) }},
		{"their dist-packages", "python3/dist-packages: it is owned by uid 64711", func() {
			os.MkdirAll(dir+"/v/local/lib/python3/dist-packages", 0o755)
			os.Chown(dir+"/v/local/lib/python3/dist-packages", theirs, -1)
		}},
		{"their pyvenv.cfg", "pyvenv.cfg: it is owned by uid 64711", func() { os.Chown(dir+"/v/pyvenv.cfg", theirs, -1) }},
		{"their pyvenv.cfg, beside it", "pyvenv.cfg: it is owned by uid 64711", func() { os.Remove(dir + "/v/pyvenv.cfg"); put(t, dir+"/v/bin/pyvenv.cfg", "", theirs) }},
		{"their base", "/home: it is owned by uid 64711", func() { put(t, dir+"/v/pyvenv.cfg", "version = 3\nHome="+dir+"/home\n", 0) }},
		{"a place for a pyvenv.cfg of theirs", "which others than root could put there", func() { os.Remove(dir + "/v/pyvenv.cfg"); os.Chown(dir+"/v", theirs, -1) }},
	} {
		reset()
		c.do()
		_, err := Finder{Level: trust.Parent, Owners: []uint32{0}}.Find(dir + "/script")
		if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%s: %v; not %q", c.name, err, c.refused)
		}
	}
}

func TestCalled(t *testing.T) {
	for line, personal := range map[string]bool{
		"python3": true, "python3 /x": true, "python3 -I": false, "python3 -I /x -E": false, "python3 -c -I": true, "python3 -Is -c x": false, "python3 -s -c x": true, "python3 -s -m x": true, "python3 -s /x": false, "python3 -s -I -m x": false, "python3 -E /x": true,
		"python3 -m x -I": true, "python3 /x -I": true, "python3 -Wd -I": true, "python3 --help -I": true,
		"sh": false, "sh -c x": false, "sh -ec x": false, "sh -l": true, "sh -lc x": true, "sh --login": true, "sh -i": true, "sh /x -l": false,
		"bash": true, "bash /x": false, "bash -c x": true, "bash -e /x": false, "bash -l /x": true, "bash -s": true, "bash -O x": true,
		"zsh": true, "zsh -f": false, "zsh -c x": true, "tcsh -f /x": false, "perl -T /x": true, "busybox sh": true, "node /x": true,
	} {
		words := strings.Fields(line)
		p := Program{Personal: words[0], direct: interpreterName(words[0])}.Called(filters.Words(words[1:]))
		if (p.Personal != "") != personal {
			t.Errorf("%s: %+v", line, p)
		}
	}
	if p := (Program{Personal: "python3"}).Called(filters.Words([]string{"-I"})); p.Personal == "" {
		t.Error("a script's arguments are none of its interpreter's")
	}
}

// The script that an interpreter is told to run is a program too.
func TestCalledWithScript(t *testing.T) {
	dir := house(t)
	put(t, dir+"/bin/roots", "", 0)
	put(t, dir+"/bin/theirs", "", theirs)
	put(t, dir+"/home/roots", "", 0)
	if err := os.Symlink(dir+"/home/roots", dir+"/bin/link"); err != nil {
		t.Fatal(err)
	}
	for line, why := range map[string]string{
		"sh DIR/bin/roots": "", "sh -e DIR/bin/roots DIR/bin/theirs": "", "python3 -I DIR/bin/roots": "", "sh -c DIR/home/x": "", "sh -ec x": "", "sh -s x": "", "python3 -I -c x": "", "python3 -I -m x": "", "sh": "", "true home/x": "", "sh DIR/none": "", "sh DIR/none/x": "",
		"sh DIR/bin/theirs": "owned by uid 64711", "bash -e DIR/bin/theirs": "owned by uid 64711", "python3 -I DIR/bin/theirs": "owned by uid 64711", "python3 -Es DIR/home/roots": "directory DIR/home is owned", "dash DIR/bin/link": "directory DIR/home is owned",
		"zsh -f DIR/bin/theirs": "owned by uid 64711", "sh DIR/home/none": "directory DIR/home is owned", "sh DIR/bin": "a directory", "sh x": "caller's directory", "python3 -I ./x": "caller's directory", "sh DIR/bin/../home/roots": "directory DIR/home is owned",
	} {
		words := strings.Fields(strings.ReplaceAll(line, "DIR", dir))
		p := Program{Personal: "x", direct: interpreterName(words[0])}
		if !isPersonal(p.direct) {
			p.direct = ""
		}
		p = p.Called(filters.Words(words[1:]))
		if (p.Script == "") != (why == "") || !strings.Contains(p.Script, strings.ReplaceAll(why, "DIR", dir)) || why != "" && !strings.Contains(p.Theirs("u"), p.Script) {
			t.Errorf("%s: %q, not %q", line, p.Script, why)
		}
	}
}

func TestInterpreterName(t *testing.T) {
	for path, want := range map[string]string{
		"/usr/bin/python3.11": "python", "python": "python", "/x/pypy3": "pypy", "lua5.4": "lua", "tclsh8.6": "tclsh", "guile-3.0": "guile", "php8.2": "php", "python3.11d": "python", "perl5.36.0": "perl",
		"ruby3.1": "ruby", "node18": "node", "ksh93": "ksh93", "2to3": "2to3", "platform-python3.6": "platform-python", "python3-config": "python3-config", "/bin/true": "true", "": "", "R": "R", "vim.basic": "vim.basic", "sqlite3": "sqlite", "gpg2": "gpg", "vim.gtk3": "vim.gtk3",
	} {
		if got := interpreterName(path); got != want {
			t.Errorf("%q: %q, not %q", path, got, want)
		}
	}
}

// A program that may be executed but not read, by who explains a policy.
func TestUnreadable(t *testing.T) {
	dir := house(t)
	put(t, dir+"/bin/x", "#!"+dir+"/home/py\n", 0)
	if err := os.Chmod(dir+"/bin/x", 0o711); err != nil {
		t.Fatal(err)
	}
	if _, err := (Finder{Level: trust.Fixed, Owners: []uint32{0}}).Find(dir + "/bin/x"); err == nil {
		t.Error("root reads it all the same")
	}
}
