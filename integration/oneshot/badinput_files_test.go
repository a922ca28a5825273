package oneshot

import (
	"fmt"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ironwrap/integration/rig"
)

const incorrect = "ironwrap: Incorrect configuration file: "

// Contents that are no configuration.
func contents() map[string]string {
	binary, err := os.ReadFile("/bin/true")
	if err != nil {
		binary = nil
	}
	noise := make([]byte, 64<<10)
	rand.New(rand.NewSource(1)).Read(noise)
	utf16 := "\xff\xfe"
	for _, c := range "[DEFAULT]\nfilters_path=/etc\n" {
		utf16 += string([]byte{byte(c), 0})
	}
	return map[string]string{
		"a program":               string(binary),
		"random bytes":            string(noise),
		"utf-16":                  utf16,
		"byte order mark":         "\ufeff[DEFAULT]\n",
		"nul":                     "[DEFAULT]\nx=a\x00b\n",
		"only nuls":               strings.Repeat("\x00", 4096),
		"latin-1":                 "[DEFAULT]\nx=caf\xe9\n",
		"overlong utf-8":          "[DEFAULT]\nx=\xc0\xaf\n",
		"surrogate":               "[DEFAULT]\nx=\xed\xa0\x80\n",
		"truncated header":        "[DEFAU",
		"truncated key":           "[DEFAULT]\nfilters_pa",
		"no header":               "filters_path=/etc\n",
		"no delimiter":            "[DEFAULT]\nfilters_path\n",
		"escape sequence":         "[DEFAULT]\n\x1b[2J\x1b]0;pwned\x07\n",
		"long line":               "[DEFAULT]\n" + strings.Repeat("x", 1<<20) + "\n",
		"long line of controls":   "[DEFAULT]\n" + strings.Repeat("\x1b", 1<<20) + "\n",
		"long header":             "[" + strings.Repeat("x", 1<<20),
		"a bad last line":         "[DEFAULT]\n" + strings.Repeat("# nothing\n", 100000) + "bad\n",
		"100,000 bad lines":       "[DEFAULT]\n" + strings.Repeat("bad\n", 100000),
		"a value without end":     "[DEFAULT]\nx=1\n" + strings.Repeat(" more\n", 100000),
		"larger than the limit":   "[DEFAULT]\n" + strings.Repeat("#234567\n", 17<<17),
		"xml":                     "<?xml version=\"1.0\"?><a/>\n",
		"shell":                   "#!/bin/sh\nfilters_path=/etc\n",
		"only carriage returns":   "[DEFAULT]\rfilters_path\r",
		"a sandbox section":       "[DEFAULT]\nfilters_path=/etc\n[Sandbox]\nno_such_key=x\n",
		"a sandbox for one":       "[DEFAULT]\nfilters_path=/etc\n[Sandbox:touch]\nno_such_key=x\n",
		"a default key with a nl": "[DEFAULT]\nfilters_path = /etc\n =\n[x]\n]\n",
	}
}

func TestBadContents(t *testing.T) {
	b := newBad(t)
	conf, err := os.ReadFile(b.Conf)
	if err != nil {
		t.Fatal(err)
	}
	filters, err := os.ReadFile(b.Filters)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range contents() {
		t.Run("rootwrap.conf/"+name, func(t *testing.T) {
			rig.Write(t, b.Conf, text)
			defer rig.Write(t, b.Conf, string(conf))
			b.refused(t, b.touch(t, b.Conf, ""), 97, incorrect+b.Conf, "")
		})
		t.Run("filters/"+name, func(t *testing.T) {
			// Beside the file that allows the command: one bad file spoils all.
			extra := b.Dir + "/filters.d/zzz.filters"
			rig.Write(t, extra, text)
			defer os.Remove(extra)
			b.refused(t, b.touch(t, b.Conf, ""), 97, incorrect+extra, "")
		})
	}

	// Only in rootwrap.conf.
	for name, c := range map[string]struct{ text, why string }{
		"empty":             {"", "has no filters_path"},
		"only a section":    {"[DEFAULT]\n", "has no filters_path"},
		"in the wrong case": {"[default]\nfilters_path=" + b.Dir + "/filters.d\n", "has no filters_path"},
		"elsewhere":         {"[x]\nfilters_path=" + b.Dir + "/filters.d\n", "has no filters_path"},
		"twice":             {string(conf) + "filters_path=/etc\n", ""},
		"two sections":      {string(conf) + "[x]\n[x]\n", ""},
		"relative filters":  {"[DEFAULT]\nfilters_path=filters.d\n", "not an absolute path"},
		"empty filters":     {"[DEFAULT]\nfilters_path=\n", "not an absolute path"},
		"yes or no":         {string(conf) + "use_syslog=maybe\n", "is not yes or no"},
		"number":            {string(conf) + "daemon_timeout=ten\n", "is not a number"},
		"large number":      {string(conf) + "rlimit_nofile=99999999999999999999\n", "is not a number"},
		"facility":          {string(conf) + "syslog_log_facility=moon\n", "is not a syslog facility"},
		"level":             {string(conf) + "syslog_log_level=LOUD\n", "is not a log level"},
		"env_keep":          {string(conf) + "env_keep=LD_PRELOAD\n", "LD_PRELOAD"},
	} {
		t.Run("rootwrap.conf only/"+name, func(t *testing.T) {
			rig.Write(t, b.Conf, c.text)
			defer rig.Write(t, b.Conf, string(conf))
			b.refused(t, b.touch(t, b.Conf, ""), 97, incorrect+b.Conf, c.why)
		})
	}

	// A filters file that says nothing spoils nothing, but allows nothing.
	for name, text := range map[string]string{
		"empty": "", "no section": "[Other]\ntouch: CommandFilter, touch, root\n", "comments": "# x\n; y\n", "only a header": "[Filters]",
	} {
		t.Run("filters only/"+name, func(t *testing.T) {
			rig.Write(t, b.Filters, text)
			defer rig.Write(t, b.Filters, string(filters))
			b.refused(t, b.touch(t, b.Conf, ""), 99, "ironwrap: Unauthorized command: touch ", "(no filter matched)")
		})
	}
	b.allowed(t, b.touch(t, b.Conf, "")) // all was put back
}

// Things that are not regular files, where a file or a directory should be.
func oddities(t *testing.T, dir string) map[string]func(path string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func(path string){
		"missing":          func(path string) {},
		"fifo":             func(path string) { must(syscall.Mkfifo(path, 0o644)) },
		"directory":        func(path string) { must(os.Mkdir(path, 0o755)) },
		"character device": func(path string) { must(syscall.Mknod(path, syscall.S_IFCHR|0o644, 1<<8|5)) }, // zero(4)
		"block device":     func(path string) { must(syscall.Mknod(path, syscall.S_IFBLK|0o644, 7<<8)) },
		"socket": func(path string) {
			// The name of a socket may be 107 bytes long.
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
			must(err)
			l.SetUnlinkOnClose(false)
			l.Close()
		},
		"link to itself": func(path string) { must(os.Symlink(filepath.Base(path), path)) },
		"loop of two": func(path string) {
			must(os.Symlink(path, dir+"/loop"))
			must(os.Symlink(dir+"/loop", path))
		},
		"dangling link":            func(path string) { must(os.Symlink(dir+"/nowhere", path)) },
		"link to a device":         func(path string) { must(os.Symlink("/dev/zero", path)) },
		"link to a directory":      func(path string) { must(os.Symlink("/etc", path)) },
		"link to standard input":   func(path string) { must(os.Symlink("/dev/stdin", path)) },
		"link into proc":           func(path string) { must(os.Symlink("/proc/self/environ", path)) },
		"link to the kernel's log": func(path string) { must(os.Symlink("/proc/kmsg", path)) },
		"link to memory":           func(path string) { must(os.Symlink("/proc/self/mem", path)) },
		"huge": func(path string) {
			must(os.WriteFile(path, nil, 0o644))
			must(os.Truncate(path, 1<<40))
		},
		"group-writable": func(path string) {
			must(os.WriteFile(path, []byte("[Filters]\n"), 0o644))
			must(os.Chmod(path, 0o664))
		},
		"somebody's": func(path string) {
			must(os.WriteFile(path, []byte("[Filters]\n"), 0o644))
			must(os.Chown(path, 65534, 0))
		},
	}
}

func TestBadFiles(t *testing.T) {
	b := newBad(t)
	for name, create := range oddities(t, b.Dir) {
		t.Run("rootwrap.conf/"+name, func(t *testing.T) {
			path := b.Dir + "/odd.conf"
			create(path)
			defer os.RemoveAll(path)
			defer os.Remove(b.Dir + "/loop")
			b.refused(t, b.touch(t, path, b.Conf), 97, incorrect+path, "")
		})
		if name == "missing" {
			continue
		}
		t.Run("filters/"+name, func(t *testing.T) {
			path := b.Dir + "/filters.d/odd.filters"
			create(path)
			defer os.RemoveAll(path)
			defer os.Remove(b.Dir + "/loop")
			switch name {
			case "directory", "fifo", "character device", "block device", "socket", "dangling link", "link to a directory", "link to a device":
				b.allowed(t, b.touch(t, b.Conf, "")) // no file: passed over, as by the peer
			default:
				b.refused(t, b.touch(t, b.Conf, ""), 97, incorrect+path, "")
			}
		})
		t.Run("beside the filters/"+name, func(t *testing.T) {
			path := b.Dir + "/filters.d/README"
			create(path)
			defer os.RemoveAll(path)
			defer os.Remove(b.Dir + "/loop")
			b.allowed(t, b.touch(t, b.Conf, ""))
		})
	}
}

func TestBadDirectories(t *testing.T) {
	b := newBad(t)
	for name, create := range oddities(t, b.Dir) {
		if name == "directory" {
			continue
		}
		path := b.Dir + "/odd"
		conf := b.Dir + "/odd.conf"
		t.Run("filters_path/"+name, func(t *testing.T) {
			create(path)
			defer os.RemoveAll(path)
			defer os.Remove(b.Dir + "/loop")
			rig.Write(t, conf, "[DEFAULT]\nfilters_path="+path+"\n")
			switch name {
			case "link to a directory", "missing", "dangling link": // of root's: empty, or as good as
				b.refused(t, b.touch(t, conf, ""), 99, "ironwrap: Unauthorized command: ", "")
				return
			}
			b.refused(t, b.touch(t, conf, ""), 97, incorrect+conf+":2: ", path)
		})
		t.Run("exec_dirs/"+name, func(t *testing.T) {
			create(path)
			defer os.RemoveAll(path)
			defer os.Remove(b.Dir + "/loop")
			rig.Write(t, conf, "[DEFAULT]\nfilters_path="+b.Dir+"/filters.d\nexec_dirs="+path+",/usr/bin\n")
			b.allowed(t, b.touch(t, conf, "")) // passed over
		})
	}
	for name, c := range map[string]struct{ value, why string }{
		"relative":         {"bin", `"bin" is not an absolute path`},
		"dot":              {"/usr/bin,.", `"." is not an absolute path`},
		"blank":            {"/usr/bin, ,/bin", `"" is not an absolute path`},
		"colon":            {"/usr/bin:/bin", "it holds a colon"},
		"sticky":           {"/tmp,/usr/bin", ""},
		"process's own":    {"/proc/self/cwd,/usr/bin", ""},
		"descriptor":       {"/dev/fd/0,/usr/bin", ""},
		"through a file":   {"/etc/passwd/bin,/usr/bin", ""},
		"a very long name": {"/" + strings.Repeat("x", 5000) + ",/usr/bin", ""},
	} {
		t.Run("exec_dirs value/"+name, func(t *testing.T) {
			conf := b.Dir + "/odd.conf"
			rig.Write(t, conf, "[DEFAULT]\nfilters_path="+b.Dir+"/filters.d\nexec_dirs="+c.value+"\n")
			if c.why == "" { // passed over
				b.allowed(t, b.touch(t, conf, ""))
				return
			}
			b.refused(t, b.touch(t, conf, ""), 97, incorrect+conf+":3: exec_dirs: ", c.why)
		})
	}
}

// The path of the configuration itself.
func TestBadConfigurationPaths(t *testing.T) {
	b := newBad(t)
	for _, path := range []string{
		"", "-", ".", "..", "rootwrap.conf", "./rootwrap.conf", "filters.d/../rootwrap.conf", " " + b.Conf, "file://" + b.Conf,
		"--help=x", "--config", "-c", "~/rootwrap.conf", "rootwrap.conf\n/etc/passwd",
		"/", "//", "/..", "/etc", "/etc/", "/dev/zero", "/dev/null", "/dev/full", "/dev/random", "/dev/tty", "/dev/stdin", "/dev/fd/0",
		"/proc/self/environ", "/proc/self/cmdline", "/proc/self/fd/0", "/proc/thread-self/fd/0", "/proc/self/cwd/rootwrap.conf",
		"/proc/self/root" + b.Conf, "/proc/1/environ", "/proc/kcore", "/proc/kmsg", "/sys/kernel/profiling",
		b.Conf + "/", b.Conf + "/.", b.Conf + "/..", b.Conf + "/x", b.Conf + "\n", b.Conf + " ", b.Conf + "\x1b[2J", b.Dir + "/no\xff\xfesuch",
		"/nonexistent/rootwrap.conf", "/" + strings.Repeat("a/", 3000), "/" + strings.Repeat("x", 300), "/" + strings.Repeat("x", 100000),
		"/var/lib/%s%n%d", "/var/lib/\u202eevil",
	} {
		// /dev/tty can be opened without a terminal no more than a FIFO's end.
		r := b.touch(t, path, b.Conf)
		b.refused(t, r, 97, incorrect, "")
	}
	// These are the very file.
	for _, path := range []string{b.Conf, "/" + b.Conf, b.Dir + "/./rootwrap.conf", b.Dir + "/filters.d/../rootwrap.conf"} {
		b.allowed(t, b.touch(t, path, ""))
	}
}

// What is large but right works, within a second.
func TestLargeButRight(t *testing.T) {
	b := newBad(t)
	conf, err := os.ReadFile(b.Conf)
	if err != nil {
		t.Fatal(err)
	}
	var many strings.Builder
	many.WriteString("[Filters]\n")
	for i := range 100000 {
		fmt.Fprintf(&many, "f%d: CommandFilter, /usr/bin/program%d, root\n", i, i)
	}
	filters := many.String() + "touch: CommandFilter, touch, root\n"
	for name, c := range map[string]struct{ conf, filters string }{
		"100,000 comments":      {string(conf) + strings.Repeat("# a comment\n", 100000), ""},
		"100,000 keys":          {string(conf) + keys(100000), ""},
		"100,000 sections":      {string(conf) + sections(100000), ""},
		"a value of 1 MB":       {string(conf) + "x=" + strings.Repeat("x", 1<<20) + "\n", ""},
		"100,000 blank lines":   {strings.Repeat("\n", 100000) + string(conf), ""},
		"100,000 filters":       {"", filters},
		"100,000 filter lines":  {"", "[Filters]\n" + strings.Repeat("; a comment\n", 100000) + "touch: CommandFilter, touch, root\n"},
		"a filter of 1 MB":      {"", "[Filters]\nx: CommandFilter, /" + strings.Repeat("x", 1<<20) + ", root\ntouch: CommandFilter, touch, root\n"},
		"a pattern of 1 MB":     {"", "[Filters]\nx: RegExpFilter, x, root, x, " + strings.Repeat("x", 1<<20) + "\ntouch: CommandFilter, touch, root\n"},
		"100,000 words of one":  {"", "[Filters]\nx: RegExpFilter, x, root" + strings.Repeat(", x", 100000) + "\ntouch: CommandFilter, touch, root\n"},
		"one name 100,000 time": {"", "[Filters]\n" + strings.Repeat("x: CommandFilter, x, root\n", 100000) + "touch: CommandFilter, touch, root\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newBad(t)
			if c.conf != "" {
				rig.Write(t, p.Conf, strings.ReplaceAll(c.conf, b.Dir, p.Dir))
			}
			if c.filters != "" {
				rig.Write(t, p.Filters, c.filters)
			}
			p.allowed(t, p.touch(t, p.Conf, ""))
		})
	}
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key%d = value\n", i)
	}
	return b.String()
}

func sections(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[section%d]\n", i)
	}
	return b.String()
}

// A directory of a service's above a file of root's is tolerated, since packages
// have it so; strict_paths tolerates it nowhere. Above a program it never is.
func TestStrictPaths(t *testing.T) {
	b := newBad(t)
	service := b.Dir + "/service"
	for _, dir := range []string{"bin", "filters.d", "etc"} {
		if err := os.MkdirAll(service+"/"+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(service, int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
		t.Fatal(err)
	}
	tool := service + "/bin/tool"
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n: > \""+b.marker+"\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	plain := "filters_path=" + b.Dir + "/filters.d\nexec_dirs=/usr/bin\n"
	rig.Write(t, b.Filters, "[Filters]\ntool: CommandFilter, "+tool+", root\ntouch: CommandFilter, touch, root\n")
	rig.Write(t, service+"/filters.d/x.filters", "[Filters]\ntouch: CommandFilter, touch, root\n")

	for name, c := range map[string]struct {
		conf, text, command string
		status              int
	}{
		"filters_path":  {b.Conf, "filters_path=" + service + "/filters.d\nexec_dirs=/usr/bin\n", "touch", 97},
		"rootwrap.conf": {service + "/etc/rootwrap.conf", plain, "touch", 97},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(extra string) rig.Result {
				rig.Write(t, c.conf, "[DEFAULT]\n"+c.text+extra)
				return rig.Run(t, rig.Ours, c.conf, c.command, b.marker)
			}
			b.allowed(t, ask(""))
			b.refused(t, ask("strict_paths=yes\n"), c.status, "ironwrap: ", service)
			b.allowed(t, ask("strict_paths=no\n"))
		})
	}
	t.Run("exec_dirs", func(t *testing.T) { // passed over in any case
		for _, extra := range []string{"", "strict_paths=yes\n"} {
			rig.Write(t, b.Conf, "[DEFAULT]\nfilters_path="+b.Dir+"/filters.d\nexec_dirs="+service+"/bin,/usr/bin\n"+extra)
			b.allowed(t, rig.Run(t, rig.Ours, b.Conf, "touch", b.marker))
		}
	})
	t.Run("program", func(t *testing.T) {
		for _, extra := range []string{"", "strict_paths=yes\n"} {
			rig.Write(t, b.Conf, "[DEFAULT]\n"+plain+extra)
			b.refused(t, rig.Run(t, rig.Ours, b.Conf, "tool"), 96, "ironwrap: ", service)
		}
	})
	t.Run("program in exec_dirs", func(t *testing.T) {
		rig.Write(t, b.Conf, "[DEFAULT]\nfilters_path="+b.Dir+"/filters.d\nexec_dirs="+service+"/bin\n")
		rig.Write(t, b.Filters, "[Filters]\ntool: CommandFilter, tool, root\n")
		b.refused(t, rig.Run(t, rig.Ours, b.Conf, "tool"), 96, "ironwrap: ", "not found in exec_dirs")
	})
}
