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
	"sync"
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
	"ip": "it needs a network namespace of its own; integration/oneshot/ip_test.go runs it", "tcpdump": "it needs traffic", "firejail": "a container may forbid it",
	"haproxy": "it is a daemon", "keepalived": "it is a daemon", "dnsmasq": "it is a daemon", "smbd": "it is a daemon", "conntrackd": "it is a daemon", "openvpn": "it needs a device", "dhclient": "it needs a network", "pppd": "it needs a line",
	"scp": "it waits for a server", "sftp": "it waits for a server", "ncat": "it waits for a connection", "nc.traditional": "it waits for a connection", "tcpclient": "it needs a server", "axfr-get": "it needs a server",
	"qemu-img": "it wants images; integration/sandbox/seccomp_test.go runs it", "debugfs": "it needs a disk", "exportfs": "it needs a server", "vtysh": "it needs a daemon", "privsep-helper": "it needs a service",
	"screen": "it needs a terminal", "tmux": "it needs a terminal", "journalctl": "it needs a terminal", "man": "it needs a terminal",
	"ovs-vsctl": "it needs a daemon", "ovs-ofctl": "it needs a daemon", "ovs-appctl": "it needs a daemon", "ovsdb-client": "it needs a daemon", "ovs-dpctl": "it needs a daemon",
	"iptables-save": "it needs the kernel's tables", "ip6tables-save": "it needs the kernel's tables", "iptables": "it needs the kernel's tables", "ip6tables": "it needs the kernel's tables", "iptables-legacy": "it needs the kernel's tables", "ip6tables-legacy": "it needs the kernel's tables", "iptables-restore": "it needs the kernel's tables", "ip6tables-restore": "it needs the kernel's tables",
	"gem": "it would change the machine", "npm": "it would change the machine", "microdnf": "no such machine", "zypper": "no such machine", "nerdctl": "it needs a daemon", "ctr": "it needs a daemon", "runc": "it needs a bundle", "crun": "it needs a bundle",
	"tcpserver": "it waits for a connection", "nmap": "it needs a network", "nmbd": "it is a daemon", "qemu-kvm": "it is a machine", "kvm": "it is a machine", "zip": "it needs an archive", "rename": "there are two programs of that name", "dbus-run-session": "it needs a daemon", "dbus-launch": "it needs a daemon",
	"torsocks": "it needs a service", "proxychains": "it needs a service", "numactl": "a container may forbid it", "perf": "a container may forbid it", "socat": "it waits for its other end", "ltrace": "it stops where tracing is forbidden",
	"vimdiff": "it needs a terminal", "jed": "it needs a terminal", "java": "it needs a class", "wish": "it needs a display", "bun": "not in Debian", "deno": "not in Debian", "csh": "not in Debian's base", "tcsh": "not in Debian's base", "fish": "not in Debian's base",
	"watch": "it needs a terminal",
	"vi":    "it needs a terminal", "vim": "it needs a terminal", "vim.basic": "it needs a terminal", "vim.tiny": "it needs a terminal", "nvim": "it needs a terminal", "ex": "it needs a terminal", "view": "it needs a terminal", "emacs": "it needs a terminal",
	"rsync {mine} {file}": "it passes over a file of the same size and time", "nsenter -t {pid} -m {mine} …": "a container may forbid it",
	"env LD_PRELOAD={mine} {cmd} …": "it needs a library", "env LD_AUDIT={mine} {cmd} …": "it needs a library", "env LD_LIBRARY_PATH={mine} {cmd} …": "it needs a library", "env -S {mine} …": "it is run by the row without -S",
	"strace -p {pid} …": "it needs a process that reads", "strace -o {file} {cmd} …": "its text is not that of here; integration runs it", "time -f {any} -o {file} {cmd} …": "its text is not that of here; integration runs it", "strace -E {ldpreload} {cmd} …": "it needs a library", "env -S {ldpreload} …": "it needs a library", "nohup {cmd} …": "it needs a terminal; integration runs it",
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
	if probe := newRehearsal(t, "true", way{}); probe.caged(context.Background(), "/bin/true").Run() != nil {
		fmt.Println("SKIP exposure: no machine of its own can be made here (namespaces, overlayfs): no row was run")
		t.Skip()
	}
	tried := map[string]int{}
	for program, rows := range byProgram(parts) {
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
		fmt.Println("SKIP exposure: not root: rows that take root's rights were not run")
	}
}

// rehearsal is one row with its files.
type rehearsal struct {
	way
	program string
	dir     string
	words   []string
}

var secret = strings.Repeat("AAAAAAAAAAAAAAAA AAAAAAA\n", 100)

func (r *rehearsal) path(name string) string { return filepath.Join(r.dir, name) }

// scratch is a directory that is removed. What is ended in its midst may write to it for a
// moment more.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ironwrap-rows-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var err error
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
		}
		t.Error(err)
	})
	return dir
}

func newRehearsal(t *testing.T, program string, w way) *rehearsal {
	t.Helper()
	r := &rehearsal{way: w, program: program, dir: scratch(t)}
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
	put("victim", "new\n", 0o644)
	os.Mkdir(r.path("into"), 0o755)
	if err := exec.Command("tar", "-C", r.dir, "-cf", r.path("new.tar"), "new", "victim").Run(); err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(strings.Trim(w.form, "… ")) {
		if word == "…" || strings.HasPrefix(word, "!-") {
			continue
		}
		word, _, _ = strings.Cut(word, "|")
		r.words = append(r.words, placeholder.ReplaceAllStringFunc(word, func(p string) string { return r.value(t, p[1:len(p)-1]) }))
	}
	if b, ok := material[program+" "+w.form]; ok && strings.HasPrefix(b.name, "into/") {
		r.bring(t, b.name, b.text)
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
		if r.power == Read {
			return r.dir
		}
		return r.path("into")
	case "shell":
		if r.kind() == "rbash" { // a slash is refused in the place of a command
			return "sh " + r.path("mark")
		}
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
	case "remote":
		return "127.0.0.1:x"
	case "new":
		return r.path("fresh")
	case "file", "name":
		switch {
		case r.power == Read || r.program == "xargs" || r.power == Run && (r.program == "split" || r.program == "tar" && strings.HasPrefix(r.form, "-c")):
			return r.path("secret")
		case r.program == "tar" && r.power == Run:
			return r.path("new.tar")
		}
		return r.path("target")
	case "mine", "from":
		return r.mine(t)
	}
	full, _ := candidates(name, nil)
	text := full[0]
	switch name {
	case "print1":
		return full[1]
	case "regex":
		return "A"
	case "initd", "any", "num", "pid", "mode", "print":
		return text
	}
	own := r.path("mark")
	if r.power != Run {
		own = r.mine(t)
	}
	text = strings.NewReplacer("/tmp/x", own, "/etc/shadow", r.path("secret"), "/etc/x", r.path("target")).Replace(text)
	return regexp.MustCompile(`\bid\b`).ReplaceAllString(text, r.path("mark"))
}

// material is what the caller brings, by program, or by program and form: a file's name,
// or a directory with it, and what is in it. MARK is a program of the caller's.
var material = map[string]struct{ name, text string }{
	"python": {"script.py", "import os; os.system('MARK < /dev/null')\n"}, "perl": {"script", "system 'MARK < /dev/null';\n"}, "ruby": {"script", "system 'MARK < /dev/null'\n"},
	"awk": {"script", "BEGIN{system(\"MARK < /dev/null\")}\n"}, "sed": {"script", "1e MARK < /dev/null\n"}, "make": {"script", "all:\n\tMARK < /dev/null\n"}, "lua": {"script", "os.execute('MARK')\n"},
	"node": {"script", "require('child_process').execSync('MARK < /dev/null')\n"}, "php": {"script", "<?php system('MARK');\n"}, "tclsh": {"script", "exec MARK < /dev/null\n"},
	"git --exec-path={mine} x …": {"bin/git-x", "#!/bin/sh\nexec MARK\n"}, "gdb": {"script", "shell MARK\n"},
	"rbash": {"script", "sh MARK\n"}, "troff": {"script", ".sy MARK\n"}, "nroff": {"script", ".sy MARK\n"}, "pic": {"script", ".PS\nsh X MARK X\n.PE\n"},
	"rake": {"Rakefile", "system 'MARK < /dev/null'\ntask :default\n"}, "sqlite3": {"script", ".shell MARK\n"}, "rustc": {"x.rs", "fn main() {}\n"}, "rustdoc": {"x.rs", "//! ```\n//! std::process::Command::new(\"MARK\").status().unwrap();\n//! ```\n"},
	"run-parts {mine}": {"parts/part", "#!/bin/sh\nexec MARK\n"}, "update-ca-certificates": {"parts/part", "#!/bin/sh\nexec MARK\n"}, "make -C {mine} …": {"project/Makefile", "all:\n\tMARK < /dev/null\n"},
	"rsync -r --delete {mine}/ {dir}": {"empty/x", ""}, "ssh -F {mine} {any} …": {"config", "ProxyCommand MARK\n"}, "scp -F {mine} {remote} {dest}": {"config", "ProxyCommand MARK\n"}, "sftp -F {mine} {any}": {"config", "ProxyCommand MARK\n"},
	"ssh-copy-id": {"key.pub", "ssh-ed25519 AAAA x\n"}, "systemd-tmpfiles --create {mine} …": {"x.conf", "f+ TARGET 0777 - - - new\n"}, "systemd-tmpfiles --remove {mine} …": {"x.conf", "r TARGET\n"}, "systemd-tmpfiles --clean {mine} …": {"x.conf", "e INTO - - - 0\n"},
	"expect": {"script", "exec MARK < /dev/null\n"}, "cmake … -P {mine} …": {"script", "execute_process(COMMAND MARK)\n"}, "cmake {mine} …": {"project/CMakeLists.txt", "execute_process(COMMAND MARK)\n"}, "cmake … -S {mine} …": {"project/CMakeLists.txt", "execute_process(COMMAND MARK)\n"},
	"dc": {"script", "!MARK < /dev/null\n"}, "debugfs -f {mine}": {"script", "!MARK < /dev/null\n"}, "cowsay": {"script", "system 'MARK < /dev/null';\n"}, "cpan": {"script", "system 'MARK < /dev/null';\n"}, "exiftool … -config {mine} …": {"script", "system 'MARK < /dev/null';\n"},
	"clisp": {"script", "(ext:shell \"MARK\")\n"}, "byebug": {"script", "system 'MARK'\n"}, "ferm": {"script", "@def $x = `MARK`;\n"}, "autoconf": {"script", "esyscmd(MARK)\n"}, "autoreconf": {"project/configure.ac", "esyscmd(MARK)\nAC_INIT([x],[1])\nAC_OUTPUT\n"},
	"easyrsa": {"script", "MARK\n"}, "elvish": {"script", "MARK\n"}, "fish": {"script", "MARK < /dev/null\n"}, "emacs": {"script", "(shell-command \"MARK\")\n"}, "ex": {"script", ":silent !MARK\n:q\n"}, "fio": {"script", "[x]\nsize=4k\nexec_prerun=MARK\n"}, "dracut": {"script", "MARK\n"},
	"apt -c {mine} update …": {"script", "APT::Update::Pre-Invoke {\"MARK\";};\n"}, "apt-mark !-s !--simulate !--dry-run -c {mine} hold {package}": {"script", "Dir::Bin::dpkg \"MARK\";\n"},
	"facter … --custom-dir={mine} …": {"facts/x.rb", "system 'MARK'\n"}, "facter … --custom-dir {mine} …": {"facts/x.rb", "system 'MARK'\n"}, "facter … --external-dir={mine} …": {"facts/x", "#!/bin/sh\nexec MARK\n"}, "facter … --external-dir {mine} …": {"facts/x", "#!/bin/sh\nexec MARK\n"},
	"composer": {"project/composer.json", "{\"scripts\": {\"x\": \"MARK\", \"pre-install-cmd\": \"MARK\"}}\n"}, "curl -K {mine} …": {"config", "url=\"file:///bin/true\"\n"},
	"dnsmasq !--test --conf-file={mine} …": {"config", "conf-script=MARK\n"}, "chronyd !-p -f {mine} …": {"config", "pidfile TARGET\n"},
	"as -o {file} {mine} …": {"x.s", ".ascii \"new\"\n"}, "utmpdump -r -o {file} {mine}": {"dump", "[1] [00001] [new ] [new     ] [new         ] [new                 ] [127.0.0.1      ] [2026-01-01T00:00:00,000000+00:00]\n"},
	"msgen -o {file} {mine} …": {"x.po", messages}, "msgfmt -o {file} {mine} …": {"x.po", messages}, "msginit -i {mine} -l en --no-translator -o {file} …": {"x.po", messages}, "lua -l {any} …": {"into/x.lua", "os.execute('MARK < /dev/null')\n"}, "luajit -l {any} …": {"into/x.lua", "os.execute('MARK < /dev/null')\n"}, "luac -o {file} {mine}": {"x.lua", "print(1)\n"},
	"gpg --yes -o {file} --dearmor {mine}": {"x.asc", "-----BEGIN PGP MESSAGE-----\n\nbmV3Cg==\n-----END PGP MESSAGE-----\n"},
	"gnuplot":                              {"script", "system 'MARK < /dev/null'\n"}, "guile": {"script", "(system \"MARK < /dev/null\")\n"}, "lftp": {"script", "!MARK < /dev/null\n"}, "m4": {"script", "esyscmd(MARK < /dev/null)\n"}, "makeinfo": {"script", "system 'MARK < /dev/null';\n"},
	"mysql": {"script", "\\! MARK < /dev/null\n"}, "irb": {"script", "system 'MARK < /dev/null'\n"}, "groff": {"script", ".sy MARK\n"}, "hg": {"script", "[alias]\nx = !MARK\n"}, "gs": {"script", "(%pipe%MARK) (w) file closefile quit\n"},
	"git apply {mine} …": {"x.patch", change}, "find -files0-from {from} … -exec {shells} … ; …": {"list", "MARK\x00"}, "find -files0-from {from} … -exec {shells} … {} + …": {"list", "MARK\x00"}, "find -type f -exec {shells} … {} + …": {"into/part", "exec MARK\n"},
	"tic": {"x", "x|y,\n\tam,\n"}, "truncate": {"empty", ""}, "veritysetup": {"big", strings.Repeat("new\n", 4096)}, "zic": {"x", "Zone x 0 - x\n"}, "xxd -r {mine} {file}": {"hex", "00000000: 6e65 770a  new.\n"},
}

const messages = "msgid \"new\"\nmsgstr \"new\"\n"

// compressors print a file compressed, and with -d as it was.
var compressors = fieldSet("gzip bzip2 xz zstd lz4 brotli compress lzma lzip lzop")

// kinds are the kinds of what is brought for programs that are like another.
var kinds = map[string]string{"python3": "python", "pypy": "python", "pypy3": "python", "pdb": "python", "pdb3": "python", "pygmentize": "python", "nodejs": "node", "luajit": "lua", "gsed": "sed", "mawk": "awk", "gawk": "awk", "nawk": "awk", "original-awk": "awk",
	"mariadb": "mysql", "hping3": "tclsh", "gmake": "make", "rzsh": "rbash", "cowthink": "cowsay", "apt-get": "apt", "autoheader": "autoconf"}

// said is what programs are told on their standard input.
var said = map[string]string{"msgexec": messages, "msgfilter": messages, "pdb": "c\n", "pdb3": "c\n", "ssh-keygen": "y\n",
	"ssh-keygen ": "TARGET\ny\n\n\n", "git apply": change, "xargs cp|mv /dev/null": "TARGET\n", "tar -x -C {dir} !-f": "new.tar",
	"qemu-io {file} !-c !-r !-s": "close\nopen -o driver=raw TARGET\nwrite -P 65 0 512\n", "qemu-io ": "open -o driver=raw TARGET\nwrite -P 65 0 512\n",
}

const change = "--- /dev/null\n+++ b/fresh\n@@ -0,0 +1 @@\n+new\n"

// mine is what the caller brings: a program, a script, a library, contents, an archive.
func (r *rehearsal) mine(t *testing.T) string {
	mark := r.path("mark")
	b, ok := material[r.kind()+" "+r.form]
	if !ok && (r.power == Run || r.power == Code || scriptless[r.kind()]) {
		b, ok = material[r.kind()]
	}
	switch {
	case ok:
		return r.bring(t, b.name, b.text)
	case r.program == "strip":
		return "/bin/true"
	case slices.Contains([]string{Write, Destroy}, r.power) && strings.Contains(r.form, "-C") && family(r.program) == "tar", r.power == Write && slices.Contains([]string{"bsdtar", "cpio", "7z", "7za", "7zr"}, r.program):
		return r.path("new.tar")
	case r.program == "zstd" && strings.HasPrefix(r.form, "-d"):
		if err := exec.Command("zstd", "-q", r.path("new")).Run(); err != nil {
			t.Fatal(err)
		}
		return r.path("new.zst")
	case r.power == Code && strings.Contains(r.how, "library"):
		return r.library(t)
	case r.power == Run || r.power == Code:
		return mark
	case r.power == Owner && strings.Contains(r.form, "--reference"):
		path := r.bring(t, "reference", "")
		os.Chmod(path, 0o4777)
		os.Chown(path, 65534, 65534)
		os.Chmod(path, 0o4777)
		return path
	case r.power == Owner:
		os.Chmod(r.path("new"), fs.ModeSetuid|0o755)
	}
	return r.path("new")
}

// scriptless are programs to which the caller brings the same for each power.
var scriptless = fieldSet("truncate tic veritysetup zic rustc rustdoc")

func (r *rehearsal) kind() string {
	kind := family(r.program)
	if k, ok := kinds[kind]; ok {
		return k
	}
	return kind
}

func (r *rehearsal) bring(t *testing.T, name, text string) string {
	os.MkdirAll(filepath.Dir(r.path(name)), 0o755)
	if err := os.WriteFile(r.path(name), []byte(r.filled(text)), 0o755); err != nil {
		t.Fatal(err)
	}
	top, _, _ := strings.Cut(name, "/")
	return r.path(top)
}

func (r *rehearsal) filled(text string) string {
	return strings.NewReplacer("MARK", r.path("mark"), "TARGET", r.path("target"), "INTO", r.path("into")).Replace(text)
}

// library is one that leaves the mark when it is loaded.
func (r *rehearsal) library(t *testing.T) string {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no compiler")
	}
	c := exec.Command("cc", "-shared", "-fPIC", "-x", "c", "-o", r.path("x.so"), "-")
	c.Stdin = strings.NewReader(`#include <fcntl.h>
__attribute__((constructor)) static void ran(void) { open("` + r.path("ran") + `", O_CREAT | O_WRONLY, 0644); }
int C_GetFunctionList(void) { return 1; }
`)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r.path("x.so")
}

// input is what the program reads.
func (r *rehearsal) input() string {
	text, ok := said[r.program+" "+r.form]
	if !ok {
		text, ok = said[r.program]
	}
	switch {
	case text == "new.tar":
		data, _ := os.ReadFile(r.path(text))
		return string(data)
	case ok:
		return r.filled(text)
	case r.power != Run || strings.Contains(r.form, "{mine}") || strings.Contains(r.form, "{shell}"):
		return "new\n"
	}
	if b, ok := material[r.kind()]; ok {
		return r.filled(b.text)
	}
	return r.path("mark") + "\n"
}

func (r *rehearsal) run(t *testing.T, path string) {
	if os.Geteuid() != 0 && strings.Contains(strings.Join(r.words, " "), "http://x/") {
		t.Skip("not root: no machine of its own with a server")
	}
	why, said := r.try(t, func(ctx context.Context) *exec.Cmd { return r.caged(ctx, path) })
	if absent := helper.FindStringSubmatch(said); why != "" && absent != nil {
		if _, err := exec.LookPath(absent[1]); err != nil {
			t.Skipf("%s is not there, which %s executes", absent[1], r.program)
		}
	}
	switch {
	case why == "":
	case os.Geteuid() != 0 && rootAlone.MatchString(said):
		t.Skip("not root")
	default:
		t.Errorf("%s %q: %s\n%s", r.program, r.words, why, said)
	}
}

var (
	// What a shell says of a program that its script executes.
	helper = regexp.MustCompile(`(?m): (?:exec: )?([\w.-]+): not found$`)
	// What programs say where the row takes root's rights.
	rootAlone = regexp.MustCompile(`(?i)operation not permitted|permission denied|must be root|are you root|non-root users`)
)

// try runs a command, and tells which effect was not seen, and what it said. A command that
// goes on for long has ended when its effect is seen.
func (r *rehearsal) try(t *testing.T, command func(context.Context) *exec.Cmd) (why, said string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	before, err := os.Stat(r.path("target"))
	if err != nil {
		t.Fatal(err)
	}
	c := command(ctx)
	c.WaitDelay = time.Second
	os.WriteFile(r.path("into/victim"), nil, 0o644)
	c.Env = append(os.Environ(), "LC_ALL=C")
	c.Stdin = strings.NewReader(r.input())
	var out output
	c.Stdout, c.Stderr = &out, &out
	ended := make(chan error)
	go func() { ended <- c.Run() }()
	for {
		select {
		case err := <-ended:
			return r.missing(before, out.bytes()), fmt.Sprintf("(%v)\n%s", err, out.bytes())
		case <-time.After(100 * time.Millisecond):
			if r.missing(before, out.bytes()) == "" {
				cancel()
			}
		}
	}
}

// output is what a command has written so far.
type output struct {
	sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.Lock()
	defer o.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

func (o *output) bytes() []byte {
	o.Lock()
	defer o.Unlock()
	return slices.Clone(o.text)
}

// caged is the command in a machine of its own, which is thrown away: rows that would
// change this one, or stop it, are run like all others. Only the rehearsal's directory is
// the same inside and outside.
func (r *rehearsal) caged(ctx context.Context, path string) *exec.Cmd {
	if os.Geteuid() != 0 {
		c := exec.CommandContext(ctx, path, r.words...)
		c.Dir = r.path("into")
		return c
	}
	return exec.CommandContext(ctx, "setsid", slices.Concat([]string{"unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts", "sh", "-c", cage, "sh", r.dir, path}, r.words)...)
}

const cage = `
set -e
dir=$1
shift
ip link set lo up || true
mkdir -p "$dir/cage"
mount -t tmpfs cage "$dir/cage"
cd "$dir/cage"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/cage/upper,workdir=$dir/cage/work" root
mkdir -p "root$dir"
mount --bind "$dir" "root$dir"
mount -t proc proc root/proc
for name in sys sysrq-trigger; do
	[ -e root/proc/$name ] || continue
	mount --bind root/proc/$name root/proc/$name
	mount -o remount,bind,ro root/proc/$name
done
mount -t tmpfs run root/run
mount -t tmpfs dev root/dev
for name in null zero full random urandom tty; do
	: > root/dev/$name
	mount --bind /dev/$name root/dev/$name
done
ln -s /proc/self/fd root/dev/fd
ln -s /proc/self/fd/0 root/dev/stdin
ln -s /proc/self/fd/1 root/dev/stdout
mkdir root/dev/pts root/dev/shm
mount -t devpts -o ptmxmode=666,newinstance devpts root/dev/pts
ln -s pts/ptmx root/dev/ptmx
case $* in *http://x/*) # a server of the caller's: it leaves what it is sent in dest
	echo 127.0.0.1 x >> root/etc/hosts
	perl -MIO::Socket::INET -e '
		$listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:80", Listen => 9) or die $!;
		exit if fork;
		open STDOUT, ">/dev/null";
		open STDERR, ">/dev/null";
		while ($c = $listener->accept) {
			open $dest, ">>", "$ARGV[0]/dest";
			for ($got = ""; $got !~ /\r\n\r\n(.*)/s || length $1 < ($got =~ /content-length: (\d+)/i)[0]; print $dest $text) {
				sysread $c, $text, 65536 or last;
				$got .= $text;
			}
			close $dest;
			print $c "HTTP/1.1 200 OK\r\nETag: \"new\"\r\nSet-Cookie: new=new; Max-Age=9\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnew\n";
			close $c;
		}' "$dir"
esac
exec setpriv --bounding-set -sys_module,-sys_boot,-sys_time,-sys_rawio chroot root sh -c 'cd "$1/into" && shift && exec "$@"' sh "$dir" "$@"
`

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
		if strings.Contains(r.form, "-c {file}") && compressors[r.program] {
			c := exec.Command(r.program, "-dc")
			c.Stdin = bytes.NewReader(out)
			plain, _ := c.Output()
			got = string(plain)
		}
		if !regexp.MustCompile(`\b101\b|(?i:aaaa)|4141|040501|QUFBQUFB|IFAUCQKB`).MatchString(got) {
			return "the file was not read"
		}
	case Write:
		if !r.written() {
			return "nothing was written"
		}
	case Owner:
		dest, _ := os.Stat(r.path("dest"))
		same := err == nil && after.Mode() == before.Mode() && owner(after) == owner(before)
		if same && dest.Mode()&fs.ModeSetuid == 0 && owner(dest)[0] == 0 {
			return "neither owner nor mode changed"
		}
	case Destroy:
		if victim, err2 := os.Stat(r.path("into/victim")); err == nil && text("target") == "old\n" && err2 == nil && victim.Size() == 0 {
			return "nothing was destroyed"
		}
	}
	return ""
}

// written tells that there is a file with other contents than before, or a new link. One
// that is gone, or empty, is not written.
func (r *rehearsal) written() (yes bool) {
	files, _ := filepath.Glob(r.path("target*"))
	for _, top := range append(files, r.path("fresh"), r.path("into")) {
		filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil || d.IsDir():
				return nil
			case d.Type() != 0: // a link, or a FIFO
				yes = true
				return nil
			}
			data, _ := os.ReadFile(path)
			yes = yes || len(data) > 0 && string(data) != "old\n"
			return nil
		})
	}
	return yes
}

func owner(info os.FileInfo) [2]uint32 {
	s := info.Sys().(*syscall.Stat_t)
	return [2]uint32{s.Uid, s.Gid}
}

// TestWitnesses: what audit shows for filters with words of their own is a command that
// runs the caller's.
func TestWitnesses(t *testing.T) {
	if newRehearsal(t, "true", way{}).caged(context.Background(), "/bin/true").Run() != nil {
		fmt.Println("SKIP exposure: no machine of its own can be made here (namespaces, overlayfs): no witness was run")
		t.Skip()
	}
	for i, line := range []string{
		"tar, .*, .*, .*", "tar, -czf, /dev/null, .*, .*", "tar, -df, .*, .*", "tar, -tf, .*, .*", "tar, -xf, x, .*", "tar, -z, .*, .*, .*",
		"tar, -I.*, -cf, /dev/null, /etc/hostname", "tar, -cf, /dev/null, --checkpoint=1, --checkpoint-a=.*, .*", "tar, -tf, x, --checkpoint=1, --checkpoint-action=.*", "tar, -tf, .*, --rsh-c=.*",
		"install, --strip-program=.*, -s, /etc/hostname, y", "install, --strip-program=.*, -s, -t, ., /etc/hostname", "flock, y, .*", "find, /etc/hostname, -exec, .*, ;", "sort, --compress-program=.*, -S, 1, ../secret",
	} {
		program, _, _ := strings.Cut(line, ",")
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		t.Run(fmt.Sprintf("%s %d", program, i), func(t *testing.T) {
			t.Parallel()
			cell := cellOf(Of(entry(t, fmt.Sprintf("RegExpFilter, %s, root, %s", program, line)), Machine{}), Run)
			if cell == nil {
				t.Fatal("it runs nothing")
			}
			r := newRehearsal(t, program, way{power: Run, form: "{mine}"})
			if err := os.Rename(r.path("new.tar"), r.path("into/x")); err != nil {
				t.Fatal(err)
			}
			r.words = nil
			for _, word := range cell.Example[1:] {
				r.words = append(r.words, ownCommand.ReplaceAllString(strings.Replace(word.Raw(), "h:x", "127.0.0.1:x", 1), "${1}"+r.path("mark")))
			}
			r.run(t, path)
		})
	}
}

// ownCommand is a command of the caller's in an example, behind an option or alone.
var ownCommand = regexp.MustCompile(`(^|=|I)(id|/tmp/x|x/x)$`)
