package policy

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/policy/compiled"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

var trustLevels = map[string]trust.Level{"object": trust.Object, "parent": trust.Parent, "fixed": trust.Fixed, "ancestors": trust.Ancestors}

// compiledTree is a policy with each kind of source, and what was compiled of it.
func compiledTree(t *testing.T, level trust.Level, more string) (dir string, data []byte) {
	t.Helper()
	const ls = "[Filters]\nls: CommandFilter, ls, root\n"
	dir = tree(t, map[string]string{
		"etc/rootwrap.conf": "[DEFAULT]\nfilters_path=DIR/etc/a,DIR/etc/none,DIR/etc/b\nexec_dirs=/bin,DIR/bin\n" + more,
		"etc/a/a.filters":   ls,
		"etc/a/b.filters":   "[Filters]\nid: CommandFilter, id, root\n",
		"etc/b/c.filters":   "[Filters]\nnice: ChainingRegExpFilter, nice, root, nice\n",
		"share/link":        "[Filters]\ncat: CommandFilter, cat, root\n",
		"copy/link":         "[Filters]\ncat: CommandFilter, cat, root\n",
		"copy/a/a.filters":  ls,
		"copy/rootwrap":     "",
		"bin/tool":          "",

		"etc/b/sandbox.d/a.sandbox": "[Sandbox:ls]\nnice=3\n[Profile:p]\n",
	})
	if err := os.Symlink("../../share/link", dir+"/etc/b/link.filters"); err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(dir + "/etc/rootwrap.conf")
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir+"/copy/rootwrap.conf", string(conf))
	settle(t, dir)
	_, text, err := Read(dir+"/etc/rootwrap.conf", level, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	if text.Passing != "" {
		t.Fatal(text.Passing)
	}
	if data, err = compiled.Encode(text); err != nil {
		t.Fatal(err)
	}
	return dir, data
}

// settle waits until the clock of time stamps in dir goes on: nothing that is changed
// within one step of it is ever kept.
func settle(t *testing.T, dir string) {
	t.Helper()
	stamp := func() time.Time {
		if err := os.WriteFile(dir+"/clock", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(dir + "/clock")
		info, err := os.Stat(dir + "/clock")
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	for first := stamp(); !stamp().After(first); {
		time.Sleep(time.Millisecond)
	}
}

func openTree(t *testing.T, dir string, data []byte, level trust.Level, line string) (*Policy, error) {
	t.Helper()
	book, err := compiled.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return Open(book, dir+"/etc/rootwrap.conf", level, words(line), nil)
}

// TestStale changes each source in each way: what was compiled before holds no more.
func TestStale(t *testing.T) {
	files := []string{"etc/rootwrap.conf", "etc/a/a.filters", "etc/b/sandbox.d/a.sandbox", "etc/b/link.filters"} // the last is a link to share/link
	for name, script := range map[string]string{
		"another content of the same length":  `sed -i.x 's/ls/sl/; s/cat/tac/; s/bin/nib/' "$F"; rm -f "$F.x"`,
		"written in place, the same length":   `tr lc xy <"$F" >$D/new; cat $D/new >"$F"`,
		"written in place, the time set back": `touch -r "$F" $D/time; tr lc xy <"$F" >$D/new; cat $D/new >"$F"; touch -r $D/time "$F"`,
		"longer":                              `echo >>"$F"`,
		"shorter":                             `truncate -s -1 "$F"`,
		"emptied":                             `: >"$F"`,
		"written again with what it was":      `cat "$F" >$D/new; cat $D/new >"$F"`,
		"touched":                             `touch "$F"`,
		"the time set":                        `touch -d 2001-01-01 "$F"`,
		"another mode":                        `chmod 640 "$F"`,
		"writable by others":                  `chmod 666 "$F"`,
		"writable by group":                   `chmod 664 "$F"`,
		"of another":                          `chown 65534 "$F"`,
		"of another group":                    `chgrp 65534 "$F"`,
		"another name":                        `ln -L "$F" $D/name`,
		"replaced by a copy":                  `cp -L --preserve=all "$F" $D/new; mv $D/new "$F"`,
		"replaced by a link to a copy":        `cp -L --preserve=all "$F" $D/new; ln -sf $D/new "$F"`,
		"replaced by a link to nothing":       `ln -sf nothing "$F"`,
		"replaced by a link of another's":     `ln -sf $D/copy/link "$F"; chown -h 65534 "$F"`,
		"replaced by a FIFO":                  `rm "$F"; mkfifo "$F"`,
		"replaced by a directory":             `rm "$F"; mkdir "$F"`,
		"removed":                             `rm "$F"`,
		"moved away and back":                 `mv "$F" "$F.x"; mv "$F.x" "$F"`,
		"renamed":                             `mv "$F" "$(dirname "$F")/0.filters"`,
		"hidden by a mount":                   `mount --bind $D/copy/link "$F"`,
		"hidden by a mount of its copy":       `cp -L --preserve=all "$F" $D/new; mount --bind $D/new "$F"`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, file := range files {
				stale(t, trust.Parent, "", strings.ReplaceAll(script, "$F", "$D/"+file))
			}
		})
	}
	for name, script := range map[string]string{
		"what a link leads to is written":    `echo >>$D/share/link`,
		"what a link leads to is replaced":   `cp -p $D/copy/link $D/share/new; mv $D/share/new $D/share/link`,
		"a link leads to another file":       `ln -sf $D/copy/link $D/etc/b/link.filters`,
		"a directory on the way is another":  `mv $D/share $D/away; mv $D/copy $D/share`,
		"that of rootwrap.conf is another":   `cp -a $D/etc $D/new; mv $D/etc $D/away; mv $D/new $D/etc`,
		"a new file of filters":              `printf '[Filters]\nrm: CommandFilter, rm, root\n' >$D/etc/a/0.filters`,
		"a new empty file of filters":        `: >$D/etc/b/0.filters`,
		"a new link to a file of filters":    `ln -s $D/copy/link $D/etc/a/z.filters`,
		"a new link to nothing":              `ln -s nothing $D/etc/a/z.filters`,
		"a file of no filters":               `: >$D/etc/a/README`, // it could be told apart, and is not
		"a new directory there":              `mkdir $D/etc/a/x.filters`,
		"a directory that was not there":     `mkdir $D/etc/none`,
		"a file that was not there":          `: >$D/etc/none`,
		"a link that was not there":          `ln -s b $D/etc/none`,
		"a directory is another":             `mv $D/etc/a $D/etc/away; mv $D/copy/a $D/etc/a`,
		"a directory is a copy":              `cp -a $D/etc/a $D/etc/new; mv $D/etc/a $D/etc/away; mv $D/etc/new $D/etc/a`,
		"a directory is a link to a copy":    `cp -a $D/etc/a $D/etc/new; mv $D/etc/a $D/etc/away; ln -s new $D/etc/a`,
		"a directory is a file":              `rm -r $D/etc/a; : >$D/etc/a`,
		"a directory is gone":                `mv $D/etc/a $D/etc/away`,
		"a directory is empty":               `rm $D/etc/a/*`,
		"a directory is hidden by a mount":   `mount --bind $D/copy/a $D/etc/a`,
		"a directory is hidden by an empty":  `mount -t tmpfs -o mode=755 none $D/etc/a`,
		"a directory is of another":          `chown 65534 $D/etc/a`,
		"a directory is of another group":    `chgrp 65534 $D/etc/a`,
		"a directory has another mode":       `chmod 711 $D/etc/b`,
		"a directory is writable by others":  `chmod 777 $D/etc/a`,
		"a directory is writable and sticky": `chmod 1777 $D/etc/b`,
		"a file there and gone again":        `: >$D/etc/a/x; rm $D/etc/a/x`,
		"the same, with the time set back":   `touch -r $D/etc/a $D/time; mv $D/etc/a/a.filters $D/etc/a/c.filters; touch -r $D/time $D/etc/a`,
		"all is gone":                        `rm -r $D/etc`,
		"a new file of sections":             `: >$D/etc/b/sandbox.d/b.sandbox`,
		"the directory of sections is gone":  `rm -r $D/etc/b/sandbox.d`,
		"it is a copy":                       `cp -a $D/etc/b/sandbox.d $D/etc/new; rm -r $D/etc/b/sandbox.d; mv $D/etc/new $D/etc/b/sandbox.d`,
		"it is of another":                   `chown 65534 $D/etc/b/sandbox.d`,
		"rootwrap.conf has other paths":      `sed -i 's/none/copy/' $D/etc/rootwrap.conf`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, level := range []trust.Level{trust.Object, trust.Parent, trust.Ancestors} {
				stale(t, level, "", script)
			}
		})
	}
	// What is above a file counts as far up as the level says, whatever it was compiled under.
	for name, c := range map[string]struct {
		level        trust.Level
		more, script string
	}{
		"writable directory above":                   {trust.Ancestors, "", `chmod 777 $D`},
		"directory above of another":                 {trust.Ancestors, "", `chown 65534 $D`},
		"sticky directory above":                     {trust.Ancestors, "", `chmod 1777 $D`},
		"writable directory above, strict_paths":     {trust.Object, "strict_paths=yes\n", `chmod 777 $D`},
		"writable directory above, fixed":            {trust.Fixed, "", `chmod 777 $D`},
		"writable directory of rootwrap.conf":        {trust.Parent, "", `chmod 777 $D/etc`},
		"directory of rootwrap.conf of another":      {trust.Parent, "", `chown 65534 $D/etc`},
		"directory of what a link leads to":          {trust.Parent, "", `chmod 777 $D/share`},
		"directory of a link of another's":           {trust.Object, "", `chown 65534 $D/etc/b`},
		"another name of rootwrap.conf":              {trust.Object, "", `ln $D/etc/rootwrap.conf $D/name`},
		"another name, and its directory another's":  {trust.Object, "", `ln $D/etc/rootwrap.conf $D/name; chown 65534 $D/etc`},
		"another name of a file of filters":          {trust.Object, "", `ln $D/etc/a/a.filters $D/name`},
		"a directory that is no more to be searched": {trust.Ancestors, "", `chmod 700 $D/etc; chown 65534 $D/etc`},
	} {
		t.Run(name, func(t *testing.T) { stale(t, c.level, c.more, c.script) })
	}
}

// stale demands that after a script what was compiled before is no policy, to nobody.
func stale(t *testing.T, level trust.Level, more, script string) {
	t.Helper()
	dir, data := compiledTree(t, level, more)
	defer os.RemoveAll(dir)
	alone(func() {
		for _, line := range []string{"ls", "rm"} {
			if _, err := openTree(t, dir, data, level, line); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
		}
		run(t, dir, script)
		for _, line := range []string{"ls", "rm"} {
			p, err := openTree(t, dir, data, level, line)
			switch {
			case err == nil:
				t.Errorf("level %d: after %s the old policy holds: %q", level, script, list(p))
			case !errors.Is(err, ErrStale) || strings.Contains(err.Error(), "\n"):
				t.Errorf("level %d: after %s: %v", level, script, err)
			}
		}
	})
}

func run(t *testing.T, dir, script string) {
	t.Helper()
	c := exec.Command("sh", "-euc", script)
	c.Env = append(os.Environ(), "D="+dir)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// alone calls do on a thread of its own, whose mounts are its own.
func alone(do func()) {
	done := make(chan any)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with its mounts
		var failure any = "the test was ended"
		defer func() { done <- failure }()
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			panic(err)
		}
		if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			panic(err)
		}
		do()
		failure = nil
	}()
	if <-done != nil {
		runtime.Goexit()
	}
}

// TestNotStale: what does not concern a policy leaves it as it is, and what is looked at
// anew is as the files would have it.
func TestNotStale(t *testing.T) {
	for name, script := range map[string]string{
		"nothing":                            `:`,
		"the files are read":                 `cat $D/etc/rootwrap.conf $D/etc/*/*.filters`,
		"they are read by another time":      `touch -a $D/elsewhere; find $D -type f -exec cat {} + >/dev/null`,
		"a file beside rootwrap.conf":        `: >$D/etc/neutron.conf; chown 65534 $D/etc/neutron.conf`,
		"a file elsewhere is touched":        `touch $D/copy/rootwrap.conf $D/copy`,
		"a file beside what a link leads to": `: >$D/share/x`,
		"a directory of programs is another": `chmod 777 $D/bin`,
		"a directory of programs is gone":    `rm -r $D/bin`,
		"a program more":                     `: >$D/bin/ls; chmod 755 $D/bin/ls`,
		"a mount elsewhere":                  `mount -t tmpfs none $D/copy`,
	} {
		t.Run(name, func(t *testing.T) {
			for at, level := range trustLevels {
				dir, data := compiledTree(t, level, "")
				alone(func() {
					run(t, dir, script)
					all, err := Load(dir+"/etc/rootwrap.conf", level, inifile.Parse)
					if err != nil {
						t.Fatal(err)
					}
					l := law{all: all}
					for _, line := range []string{"ls", "rm", "nice ls x", "cat"} {
						p, err := openTree(t, dir, data, level, line)
						if err != nil {
							t.Fatalf("level %s: %v", at, err)
						}
						l.hold(t, p, words(line))
					}
				})
			}
		})
	}
}

// What was compiled under one level is opened under each other as the files would be read.
func TestOpenLevels(t *testing.T) {
	for _, script := range []string{`:`, `chown 65534 $D/etc`, `chmod 777 $D/etc`, `chmod 777 $D`, `chmod 1777 $D`, `chown 65534 $D`, `chmod 777 $D/share`, `chmod 777 $D/etc/b`} {
		for made := range trustLevels {
			dir, _ := compiledTree(t, trust.Object, "")
			run(t, dir, script)
			settle(t, dir)
			_, text, err := Read(dir+"/etc/rootwrap.conf", trustLevels[made], inifile.Parse)
			if err != nil {
				continue
			}
			data, err := compiled.Encode(text)
			if err != nil {
				t.Fatal(err)
			}
			for as, level := range trustLevels {
				_, loaded := Load(dir+"/etc/rootwrap.conf", level, inifile.Parse)
				_, opened := openTree(t, dir, data, level, "ls")
				if (loaded == nil) != (opened == nil) {
					t.Errorf("after %s, compiled at level %s, read at level %s: %v; opened: %v", script, made, as, loaded, opened)
				}
			}
		}
	}
}
