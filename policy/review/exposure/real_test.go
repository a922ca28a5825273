package exposure

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// untried are programs, and rows by program and form, that are not run here, and why.
var untried = map[string]string{
	"crontab": "it would change the machine's crontab", "at": "it needs a daemon", "dpkg": "it needs a package", "rpm": "it needs a package",
	"apt": "it would change the machine", "apt-get": "it would change the machine", "aptitude": "it would change the machine", "yum": "no such machine", "dnf": "no such machine",
	"pip": "it would change the machine", "pip3": "it would change the machine", "docker": "it needs a daemon", "podman": "it needs an image",
	"systemctl": "it would change the machine", "systemd-run": "it needs systemd", "systemd-nspawn": "it needs a container", "service": "it needs an init system", "invoke-rc.d": "it needs an init system",
	"sudo": "it needs its own configuration", "doas": "it needs its own configuration", "pkexec": "it needs a daemon", "su": "it needs a session", "sg": "it needs a group", "gosu": "not in Debian's base",
	"ip": "it needs a network namespace of its own; integration/ip_test.go runs it", "tcpdump": "it needs traffic", "firejail": "a container may forbid it",
	"haproxy": "it is a daemon", "keepalived": "it is a daemon", "dnsmasq": "it is a daemon", "smbd": "it is a daemon", "conntrackd": "it is a daemon", "openvpn": "it needs a device", "dhclient": "it needs a network", "pppd": "it needs a line",
	"wget": "it needs a server", "scp": "it waits for a server", "sftp": "it waits for a server", "ncat": "it waits for a connection", "nc.traditional": "it waits for a connection", "tcpclient": "it needs a server", "axfr-get": "it needs a server",
	"qemu-img": "it wants images; integration/seccomp_test.go runs it", "debugfs": "it needs a disk", "exportfs": "it needs a server", "vtysh": "it needs a daemon", "privsep-helper": "it needs a service",
	"screen": "it needs a terminal", "tmux": "it needs a terminal", "journalctl": "it needs a terminal", "man": "it needs a terminal",
	"ovs-vsctl": "it needs a daemon", "ovs-ofctl": "it needs a daemon", "ovs-appctl": "it needs a daemon", "ovsdb-client": "it needs a daemon", "ovs-dpctl": "it needs a daemon",
	"iptables-save": "it needs the kernel's tables", "ip6tables-save": "it needs the kernel's tables", "iptables": "it needs the kernel's tables", "ip6tables": "it needs the kernel's tables", "iptables-legacy": "it needs the kernel's tables", "ip6tables-legacy": "it needs the kernel's tables", "iptables-restore": "it needs the kernel's tables", "ip6tables-restore": "it needs the kernel's tables",
	"gem": "it would change the machine", "npm": "it would change the machine", "microdnf": "no such machine", "zypper": "no such machine", "nerdctl": "it needs a daemon", "ctr": "it needs a daemon", "runc": "it needs a bundle", "crun": "it needs a bundle", "batch": "it needs a daemon",
	"tcpserver": "it waits for a connection", "nmap": "it needs a network", "nmbd": "it is a daemon", "qemu-kvm": "it is a machine", "kvm": "it is a machine", "zip": "it needs an archive", "rename": "there are two programs of that name", "dbus-run-session": "it needs a daemon", "dbus-launch": "it needs a daemon",
	"torsocks": "it needs a service", "proxychains": "it needs a service", "numactl": "a container may forbid it", "perf": "a container may forbid it", "socat": "it waits for its other end", "ltrace": "it stops where tracing is forbidden",
	"vimdiff": "it needs a terminal", "jed": "it needs a terminal", "java": "it needs a class", "guile": "its scripts are not those of here", "wish": "it needs a display", "bun": "not in Debian", "deno": "not in Debian", "csh": "not in Debian's base", "tcsh": "not in Debian's base", "fish": "not in Debian's base",
	"watch": "it needs a terminal",
	"vi":    "it needs a terminal", "vim": "it needs a terminal", "vim.basic": "it needs a terminal", "vim.tiny": "it needs a terminal", "nvim": "it needs a terminal", "ex": "it needs a terminal", "view": "it needs a terminal", "emacs": "it needs a terminal",
	"curl -o {file} {url}": "it needs a server", "curl -s -o {file} {url}": "it needs a server", "rsync {mine} {file}": "it passes over a file of the same size and time", "nsenter -t {pid} -m {mine} …": "a container may forbid it",
	"env LD_PRELOAD={mine} {cmd} …": "it needs a library", "env LD_AUDIT={mine} {cmd} …": "it needs a library", "env LD_LIBRARY_PATH={mine} {cmd} …": "it needs a library", "env -S {mine} …": "it is run by the row without -S",
	"strace -o {file} {cmd} …": "its text is not that of here; integration runs it", "time -f {any} -o {file} {cmd} …": "its text is not that of here; integration runs it", "strace -E {ldpreload} {cmd} …": "it needs a library", "env -S {ldpreload} …": "it needs a library", "nohup {cmd} …": "it needs a terminal; integration runs it",
	"strace -e {poke} {cmd} …": "which call it is depends on the machine; integration runs it", "strace --inject={poke} {cmd} …": "which call it is depends on the machine; integration runs it",
	"nsenter -t {pid} -r {cmd} …": "it needs a tree; integration runs it", "nsenter --root={mine} {cmd} …": "it needs a tree; integration runs it", "nsenter -t {pid} -a {cmd} …": "a container may forbid it",
	"gdb --args {cmd} …": "it needs a terminal", "bwrap": "a container may forbid it", "proot": "it needs a tree", "envdir": "it needs a library",
	"unshare -R {mine} {cmd} …": "it needs a tree", "nsenter -t {pid} -m {cmd} …": "a container may forbid it", "nsenter --mount={any} {cmd} …": "a container may forbid it",
	"find {file} … -ok {mine} … ; …": "it asks", "find {name} … -fprintf {file} {any} …": "its text is not that of here",
	"chmod {seen} {file}": "root reads it anyway",
	"patch":               "its row needs a patch of that very file", "setcap": "a container may forbid it", "setfacl": "a file system may have none", "logrotate": "it wants logs", "unzip": "it needs an archive", "zsh": "not in Debian's base",
}

// must are programs that every Debian has: their rows are always run.
var must = strings.Fields("sh bash dash perl awk mawk sed env nohup nice setsid timeout xargs ionice find tar split chmod chown chgrp cp mv dd tee ln install cat head tail tac od base64 sort uniq grep cmp diff rm unlink truncate shred gzip run-parts start-stop-daemon flock taskset chrt chroot script date du")

// TestRows runs the rows whose effect can be seen, with the real programs: what is
// said to run a program ran it, and so on. Everything happens in a directory of the
// test's own.
func TestRows(t *testing.T) {
	tried := map[string]int{}
	for program, rows := range table {
		if untried[program] != "" || regexp.MustCompile(`^(lv|vg|pv)`).MatchString(program) { // integration runs lvs
			continue
		}
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		for i, w := range rows {
			if untried[program+" "+w.form] != "" {
				continue
			}
			// A bare … is for terminals and daemons.
			if !slices.Contains([]string{Run, Code, Write, Read, Owner, Destroy}, w.power) || w.form == "…" || strings.Contains(w.form, "{disk}") || strings.Contains(w.form, "{free}") {
				continue
			}
			if w.power == Owner && os.Geteuid() != 0 || program == "chroot" && os.Geteuid() != 0 {
				continue // takes root
			}
			t.Run(fmt.Sprintf("%s %d", program, i), func(t *testing.T) {
				t.Parallel()
				newRehearsal(t, program, w).run(t, path)
			})
			tried[program]++
		}
	}
	for _, program := range must {
		if tried[program] == 0 && os.Geteuid() == 0 {
			t.Errorf("no row of %s was run", program)
		}
	}
	t.Logf("rows of %d programs", len(tried))
	if os.Geteuid() != 0 {
		fmt.Println("SKIP exposure: not root: rows about owners and modes were not run")
	}
}

// rehearsal is one row with its files.
type rehearsal struct {
	way
	program string
	dir     string
	words   []string
}

const secret = "AAAAAAAAAAAAAAAAAAAAAAAA\n"

func (r *rehearsal) path(name string) string { return filepath.Join(r.dir, name) }

func newRehearsal(t *testing.T, program string, w way) *rehearsal {
	t.Helper()
	r := &rehearsal{way: w, program: program, dir: t.TempDir()}
	put := func(name, text string, mode fs.FileMode) {
		if err := os.WriteFile(r.path(name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	put("mark", "#!/bin/sh\n: > "+r.path("ran")+"\nhead -c 1 > /dev/null\n", 0o755)
	put("secret", secret, 0o600)
	put("target", "old\n", 0o600)
	put("dest", "", 0o666)
	put("new", "new\n", 0o644)
	os.Mkdir(r.path("into"), 0o755)
	if err := exec.Command("tar", "-C", r.dir, "-cf", r.path("new.tar"), "new").Run(); err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(strings.Trim(w.form, "… ")) {
		if word == "…" || strings.HasPrefix(word, "!-") {
			continue
		}
		r.words = append(r.words, placeholder.ReplaceAllStringFunc(word, func(p string) string { return r.value(t, p[1:len(p)-1]) }))
	}
	if w.form == "PATH={mine} {cmd} …" {
		r.words = []string{"PATH=" + r.dir, "mark"}
	}
	if program == "chroot" {
		r.words = []string{"/", r.path("mark")}
	}
	return r
}

// value is what stands for a placeholder here.
func (r *rehearsal) value(t *testing.T, name string) string {
	switch name {
	case "dest":
		return r.path("dest")
	case "dir":
		return r.path("into")
	case "shell":
		return r.path("mark")
	case "user":
		if r.program == "runuser" {
			return "root" // nobody else may search the directory
		}
		return "nobody"
	case "pipe":
		return "|" + r.path("mark")
	case "group":
		return "nogroup"
	case "new":
		return r.path("fresh")
	case "file", "name":
		switch {
		case r.power == Read || r.program == "xargs" || r.program == "split" && r.power == Run || r.program == "tar" && strings.HasPrefix(r.form, "-cf"):
			return r.path("secret")
		case r.program == "tar":
			return r.path("new.tar")
		}
		return r.path("target")
	case "mine":
		return r.mine(t)
	}
	full, _ := candidates(name, nil)
	if wordsNZ[name] != nil {
		full = wordsNZ[name]
	}
	text := full[0]
	switch name {
	case "print1":
		return full[1]
	case "regex":
		return "A"
	case "initd", "any", "num", "pid", "mode", "print":
		return text
	}
	return regexp.MustCompile(`\bid\b`).ReplaceAllString(text, r.path("mark"))
}

// mine is what the caller brings: a program, a script, contents, an archive.
func (r *rehearsal) mine(t *testing.T) string {
	mark := r.path("mark")
	scripts := map[string]string{
		"python": "import os; os.system('" + mark + " < /dev/null')\n", "perl": "system '" + mark + " < /dev/null';\n", "ruby": "system '" + mark + "'\n",
		"awk": "BEGIN{system(\"" + mark + " < /dev/null\")}\n", "sed": "1e " + mark + " < /dev/null\n", "make": "all:\n\t" + mark + " < /dev/null\n", "lua": "os.execute('" + mark + "')\n",
		"node": "require('child_process').execSync('" + mark + " < /dev/null')\n", "php": "<?php system('" + mark + "');\n", "tclsh": "exec " + mark + " < /dev/null\n",
	}
	kind := family(r.program)
	switch kind {
	case "python3", "pypy":
		kind = "python"
	case "nodejs":
		kind = "node"
	case "luajit":
		kind = "lua"
	case "gsed":
		kind = "sed"
	case "mawk", "gawk", "nawk", "original-awk":
		kind = "awk"
	case "gmake":
		kind = "make"
	}
	write := func(name, text string, mode fs.FileMode) string {
		os.MkdirAll(filepath.Dir(r.path(name)), 0o755)
		if err := os.WriteFile(r.path(name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return r.path(name)
	}
	switch {
	case kind == "make" && strings.HasPrefix(r.form, "-C"):
		return filepath.Dir(write("project/Makefile", scripts["make"], 0o644))
	case r.program == "run-parts":
		return filepath.Dir(write("parts/part", "#!/bin/sh\nexec "+mark+"\n", 0o755))
	case r.power == Write && slices.Contains([]string{"tar", "bsdtar", "cpio", "7z", "7za", "7zr"}, r.program):
		return r.path("new.tar")
	case r.power == Run && scripts[kind] != "":
		return write("script", scripts[kind], 0o644)
	case r.power == Run || r.power == Code:
		return mark
	case r.power == Owner && strings.Contains(r.form, "--reference"):
		path := write("reference", "", 0o644)
		os.Chmod(path, 0o4777)
		os.Chown(path, 65534, 65534)
		os.Chmod(path, 0o4777)
		return path
	}
	return r.path("new")
}

func (r *rehearsal) run(t *testing.T, path string) {
	if why, said := r.try(t, append([]string{path}, r.words...)); why != "" {
		t.Errorf("%s %q: %s\n%s", r.program, r.words, why, said)
	}
}

// try runs a command, and tells which effect was not seen, and what it said.
func (r *rehearsal) try(t *testing.T, argv []string) (why, said string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	before, err := os.Stat(r.path("target"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir, c.WaitDelay = r.path("into"), time.Second
	os.WriteFile(r.path("into/victim"), nil, 0o644)
	c.Env = append(os.Environ(), "LC_ALL=C")
	c.Stdin = strings.NewReader("new\n")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	runErr := c.Run()
	return r.missing(before, out.Bytes()), fmt.Sprintf("(%v)\n%s", runErr, out.Bytes())
}

// missing tells which effect was not seen; "" if it was.
func (r *rehearsal) missing(before os.FileInfo, out []byte) string {
	text := func(name string) string { data, _ := os.ReadFile(r.path(name)); return string(data) }
	after, err := os.Stat(r.path("target"))
	switch r.power {
	case Run, Code:
		if _, err := os.Stat(r.path("ran")); err != nil {
			return "no program of the caller's ran"
		}
	case Read:
		got := string(out) + text("dest")
		if r.form == "-c {file}" {
			c := exec.Command(r.program, "-dc")
			c.Stdin = bytes.NewReader(out)
			plain, _ := c.Output()
			got = string(plain)
		}
		if !regexp.MustCompile(`\b101\b|AAAA|4141|040501|QUFBQUFB|IFAUCQKB`).MatchString(got) {
			return "the file was not read"
		}
	case Write:
		written := text("target") + text("fresh") + text("into/new") + text("targetaa")
		if !strings.Contains(written, "new") && !strings.HasPrefix(written, "xold") {
			return "nothing was written"
		}
	case Owner:
		dest, _ := os.Stat(r.path("dest"))
		same := err == nil && after.Mode() == before.Mode() && owner(after) == owner(before)
		if same && dest.Mode()&fs.ModeSetuid == 0 {
			return "neither owner nor mode changed"
		}
	case Destroy:
		_, gone := os.Stat(r.path("into/victim"))
		if err == nil && text("target") == "old\n" && gone == nil {
			return "nothing was destroyed"
		}
	}
	return ""
}

func owner(info os.FileInfo) [2]uint32 {
	s := info.Sys().(*syscall.Stat_t)
	return [2]uint32{s.Uid, s.Gid}
}
