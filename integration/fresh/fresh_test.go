// Package fresh does what README.md asks for, to the letter, on a Debian 12 that has
// nothing else than what README.md takes for granted: as root, and as an ordinary user
// with sudo. It takes an hour.
package fresh

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ironwrap/integration/rig/debian"
)

var dir string // everything that is made lies here

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Println("SKIP integration/fresh: not root: README.md was not followed; run make test-fresh as root")
		os.Exit(0)
	}
	status := 1
	var err error
	if dir, err = os.MkdirTemp("/var/lib", "ironwrap-fresh-"); err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = debian.Install("mmdebstrap", "mmdebstrap")
	}
	if err != nil {
		fmt.Println("integration/fresh:", err)
	} else {
		status = m.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Println("integration/fresh:", err)
		status = 1
	}
	os.Exit(status)
}

// newcomer is somebody who has read README.md.
type newcomer struct {
	*testing.T
	root string // the directory of the Debian
	user string
	home string
}

// fresh makes a Debian with git, make and more packages, a user in it, and the source in
// the user's home.
func fresh(t *testing.T, user string, more ...string) *newcomer {
	n := &newcomer{t, filepath.Join(dir, user), user, "/root"}
	n.do("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--include="+strings.Join(append(more, "git", "make"), ","), "bookworm", n.root)
	n.write("/etc/hosts", "127.0.0.1 localhost fresh\n")
	n.write("/etc/apt/apt.conf.d/yes", "APT::Get::Assume-Yes \"true\";\n") // who is asked says yes
	if user != "root" {
		n.home = "/home/" + user
		n.do("chroot", n.root, "useradd", "--create-home", "--shell", "/bin/bash", user)
		n.write("/etc/sudoers.d/"+user, user+" ALL = (ALL:ALL) NOPASSWD: ALL\n")
	}
	// How this machine reaches Go's modules, and whose certificates it trusts.
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE"} {
		if value := strings.TrimSpace(n.do("go", "env", name)); value != "" {
			n.in(n.user, "/usr/local/go/bin/go env -w "+name+"='"+value+"'")
		}
	}
	own, _ := filepath.Glob("/usr/local/share/ca-certificates/*.crt")
	for _, path := range own {
		n.write(path, n.do("cat", path))
	}
	n.do("chroot", n.root, "sh", "-c", "! command -v update-ca-certificates >/dev/null || update-ca-certificates")
	n.do("sh", "-c", `mkdir -p "$1" && tar -C ../.. --exclude=./bin --exclude=./dist -c . | tar -C "$1" --no-same-owner -x`, "sh", n.root+n.home+"/ironwrap")
	n.do("chroot", n.root, "chown", "-R", user+":", n.home+"/ironwrap")
	return n
}

func (n *newcomer) write(path, text string) {
	n.Helper()
	if err := os.MkdirAll(filepath.Dir(n.root+path), 0o755); err != nil {
		n.Fatal(err)
	}
	if err := os.WriteFile(n.root+path, []byte(text), 0o644); err != nil {
		n.Fatal(err)
	}
}

// do runs a program of this machine, which must end well, and returns what it wrote.
func (n *newcomer) do(argv ...string) string {
	n.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		n.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// in has a user of the Debian log in and run a command, which must end well, and returns
// what it wrote.
func (n *newcomer) in(user, command string) string {
	n.Helper()
	goroot := strings.TrimSpace(n.do("go", "env", "GOROOT"))
	c := exec.Command("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--ipc", "--uts",
		"./stage.sh", n.root, goroot, user, command)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var out bytes.Buffer
	c.Stdout = io.Writer(&out)
	if testing.Verbose() {
		c.Stdout = io.MultiWriter(&out, os.Stdout)
	}
	c.Stderr = c.Stdout
	if err := c.Run(); err != nil {
		n.Fatalf("%s: %s: %v\n%s", user, command, err, &out)
	}
	return out.String()
}

// follow runs a command of README.md in the source, which leaves no process, no mount and
// no network behind.
func (n *newcomer) follow(command string) string {
	n.Helper()
	if !slices.Contains(commands(n.T), command) {
		n.Fatalf("README.md does not say %q", command)
	}
	const state = `{ cat /proc/self/mounts; ls /sys/class/net; for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; echo; done; }`
	out := n.in(n.user, "cd ironwrap && "+state+" >~/before && "+command+" && "+state+" >~/after")
	sorted := func(path string) string {
		lines := strings.Split(n.read(n.home+path), "\n")
		slices.Sort(lines) // processes come by their numbers
		return strings.Join(lines, "\n")
	}
	if before, after := sorted("/before"), sorted("/after"); before != after {
		n.Errorf("%s: mounts, links and processes before:\n%s\nafter:\n%s", command, before, after)
	}
	return out
}

func (n *newcomer) read(path string) string {
	n.Helper()
	return n.do("cat", n.root+path)
}

// commands are those of README.md.
func commands(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if command, ok := strings.CutPrefix(line, "    "); ok {
			list = append(list, strings.TrimSpace(command))
		}
	}
	return list
}

// packages is how many are installed.
func (n *newcomer) packages() int {
	return strings.Count(n.do("chroot", n.root, "dpkg-query", "-W", "-f", "x"), "x")
}

// traces are the files that are nobody's but a test's or a demonstration's.
func (n *newcomer) traces() string {
	n.Helper()
	return n.do("sh", "-c", `cd "$0"; find tmp var/tmp srv etc/ironwrap -mindepth 1 2>/dev/null | sort; find etc/sudoers.d -mindepth 1 ! -name README
		cut -d: -f1 etc/passwd | grep '^iw'; find . -xdev -name '*ironwrap*' ! -path ".$1/*" | sort`, n.root, n.home)
}

// ran is what the demonstration and the tests say when all is well.
func (n *newcomer) ran() {
	n.Helper()
	if out := n.follow("make run"); !regexp.MustCompile(`(?m)^(\d{2,}) calls, (\d+) as expected`).MatchString(out) || strings.Contains(out, "NOT AS EXPECTED") {
		n.Errorf("make run: %s", out)
	}
}

// tested has make test run and hold what it announces.
func (n *newcomer) tested() {
	n.Helper()
	traces, packages := n.traces(), n.packages()
	out := n.follow("make test")
	said := regexp.MustCompile(`(?m)^make test: .* (\d+) GB`).FindStringSubmatch(out)
	if said == nil {
		n.Fatalf("it does not say what it takes: %s", out)
	}
	most, _ := strconv.Atoi(said[1])
	n.Logf("it announced %s", said[0])
	kB, _, _ := strings.Cut(n.do("du", "-skx", n.root), "\t")
	if used, err := strconv.Atoi(kB); err != nil || used > most<<20 {
		n.Errorf("%d MB are in use now, %v", used>>10, err)
	}
	n.Logf("%s kB are in use now", kB)
	added := n.packages() - packages
	n.Logf("%d packages were added", added)
	if said := regexp.MustCompile(`up to (\d+) packages`).FindStringSubmatch(out); said != nil {
		if limit, _ := strconv.Atoi(said[1]); added > limit {
			n.Errorf("it announced %d packages at most", limit)
		}
	}
	if after := n.traces(); after != traces {
		n.Errorf("before:\n%s\nafter:\n%s", traces, after)
	}
}

func TestRoot(t *testing.T) {
	n := fresh(t, "root")
	n.ran()
	n.tested()
}

func TestUser(t *testing.T) {
	n := fresh(t, "dev", "sudo")
	n.ran()
	n.tested()
}

// TestPackages: a host with neutron's root helper asks ironwrap with its next call when
// README.md's lines have been followed, and the original when ironwrap is purged.
func TestPackages(t *testing.T) {
	n := fresh(t, "root", "sudo", "neutron-common")
	const call = "sudo -n neutron-rootwrap /etc/neutron/rootwrap.conf"
	answers := func(who string) {
		t.Helper()
		n.in("neutron", call+" sleep 0")
		if out := n.in("neutron", "! "+call+" no-such-command"); strings.Contains(out, "ironwrapctl explain") != (who == "ironwrap") || !strings.Contains(out, "Unauthorized command") {
			t.Errorf("not answered by %s: %s", who, out)
		}
	}
	answers("oslo.rootwrap")
	before := n.packages()
	for _, command := range commands(t) {
		if strings.HasPrefix(command, "make deps packages") || strings.HasPrefix(command, "apt install") {
			n.follow(command)
		}
	}
	answers("ironwrap")
	if out := n.in("root", "ironwrapctl doctor neutron || true"); !regexp.MustCompile(`(?m)^ *ok +.*neutron-rootwrap`).MatchString(out) {
		t.Errorf("doctor says %s", out)
	}
	n.in("root", "apt purge ironwrap-neutron ironwrapctl ironwrap")
	answers("oslo.rootwrap")
	if after := n.packages(); after != before {
		t.Logf("%d packages stay that were there to build with", after-before)
	}
}
