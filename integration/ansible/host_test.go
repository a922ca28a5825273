// Package ansible plays the role of packaging/ansible against hosts that end with the
// test: this machine below a layer in memory, in a mount namespace of the tests' own.
package ansible

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig/ownstore"
)

// built is what make install makes, and its tarball.
var built, tarball, repository string

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Geteuid() != 0 {
		fmt.Println("SKIP integration/ansible: not root: the role was not played; run make test as root")
		os.Exit(0)
	}
	if err := ownstore.Mount(); err != nil {
		fmt.Println("integration/ansible:", err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "ironwrap-ansible-")
	if err == nil {
		err = prepare(dir)
	}
	status := 1
	if err == nil {
		status = m.Run()
	} else {
		fmt.Println("integration/ansible:", err)
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

func prepare(dir string) (err error) {
	if repository, err = filepath.Abs("../.."); err != nil {
		return err
	}
	for program, pkg := range map[string]string{"ansible-playbook": "ansible-core", "sudo": "sudo", "dpkg-deb": "dpkg"} {
		if err := install(program, pkg); err != nil {
			return err
		}
	}
	built, tarball = dir+"/tree", dir+"/ironwrap.tar"
	make := exec.Command("make", "install", "DESTDIR="+built)
	make.Dir = repository
	if out, err := make.CombinedOutput(); err != nil {
		return fmt.Errorf("make install: %v\n%s", err, out)
	}
	if out, err := exec.Command("tar", "-C", built, "-cf", tarball, "--owner=1000", "--group=1000", ".").CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %v\n%s", err, out)
	}
	return nil
}

// install sees to it that a program of Debian's is there.
func install(program, pkg string) error {
	if _, err := exec.LookPath(program); err == nil {
		return nil
	}
	apt := exec.Command("sh", "-c", "apt-get update -qq && apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "+pkg)
	apt.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := apt.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot install %s: %v\n%s", pkg, err, out)
	}
	return nil
}

// host is this machine, with what the test does to it in memory.
type host struct {
	*testing.T
	dir string
}

func newHost(t *testing.T) host {
	t.Helper()
	top := t.TempDir()
	mount := func(source, target, kind, options string, flags uintptr) {
		if err := os.MkdirAll(target, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(source, target, kind, flags, options); err != nil {
			t.Fatalf("cannot mount %s at %s: %v", source, target, err)
		}
		t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
	}
	mount("layer", top, "tmpfs", "mode=0755", 0)
	for _, d := range []string{"upper", "work"} {
		if err := os.Mkdir(top+"/"+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h := host{t, top + "/host"}
	mount("host", h.dir, "overlay", "lowerdir=/,upperdir="+top+"/upper,workdir="+top+"/work", 0)
	for _, d := range []string{"/proc", "/dev", "/sys"} {
		mount(d, h.dir+d, "", "", unix.MS_BIND|unix.MS_REC)
	}
	mount("tmp", h.dir+"/tmp", "tmpfs", "mode=1777", 0)
	mount("run", h.dir+"/run", "tmpfs", "mode=0755", 0)
	// A directory that is made again shows nothing of this machine's.
	if err := errors.Join(os.RemoveAll(h.dir+"/etc/sudoers.d"), os.Mkdir(h.dir+"/etc/sudoers.d", 0o755)); err != nil {
		t.Fatal(err)
	}
	// Nor is ironwrap there, if this machine has it.
	h.must("sh", "-c", "cd /usr && find bin lib share -name '*ironwrap*' -prune -exec rm -r {} + && rm -rf /etc/ironwrap")
	h.write("/etc/hosts", "127.0.0.1 localhost "+hostname(t)+"\n", 0o644)
	return h
}

func hostname(t *testing.T) string {
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func (h host) write(path, text string, mode fs.FileMode) {
	h.Helper()
	if err := os.MkdirAll(filepath.Dir(h.dir+path), 0o755); err != nil {
		h.Fatal(err)
	}
	os.Remove(h.dir + path)
	if err := os.WriteFile(h.dir+path, []byte(text), mode); err != nil {
		h.Fatal(err)
	}
	if err := os.Chmod(h.dir+path, mode); err != nil { // whatever the umask
		h.Fatal(err)
	}
}

type result struct {
	status int
	out    string
}

// run runs a command on the host.
func (h host) run(args ...string) result {
	h.Helper()
	c := exec.Command("chroot", append([]string{h.dir}, args...)...)
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"ANSIBLE_NOCOLOR=1", "ANSIBLE_ROLES_PATH=/srv", "ANSIBLE_LOCALHOST_WARNING=False", "ANSIBLE_HOME=/tmp/ansible", "ANSIBLE_PIPELINING=True"}
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), string(out)}
}

// must is run, of what cannot go wrong.
func (h host) must(args ...string) string {
	h.Helper()
	r := h.run(args...)
	if r.status != 0 {
		h.Fatalf("%q: %d\n%s", args, r.status, r.out)
	}
	return r.out
}

var recap = regexp.MustCompile(`changed=(\d+)`)

// play plays the role with vars, as JSON or YAML. It tells how much it says it has changed.
func (h host) play(vars string, options ...string) (result, int) {
	h.Helper()
	h.write("/srv/play.yml", "- hosts: localhost\n  gather_facts: false\n  roles: [ironwrap]\n  vars_files: [vars.yml]\n", 0o644)
	h.write("/srv/vars.yml", vars, 0o644)
	r := h.run(append([]string{"ansible-playbook", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3", "/srv/play.yml"}, options...)...)
	changed := -1
	if m := recap.FindStringSubmatch(r.out); m != nil {
		changed, _ = strconv.Atoi(m[1])
	}
	return r, changed
}

// snapshot is what stands in the directories that the role may change.
func (h host) snapshot() map[string]string {
	h.Helper()
	seen := map[string]string{}
	for _, top := range []string{"/etc", "/usr/bin", "/usr/lib/ironwrap", "/usr/lib/systemd", "/usr/share/man/man1", "/usr/share/doc/ironwrap",
		"/usr/share/fish", "/usr/share/bash-completion", "/usr/share/zsh", "/var/lib/ironwrap-ansible", "/var/lib/dpkg/diversions"} {
		filepath.WalkDir(h.dir+top, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				h.Fatal(err)
			}
			// Of the rest of the machine others may be the owners.
			name := strings.TrimPrefix(path, h.dir)
			if strings.Contains(name, "ironwrap") || strings.Contains(name, "neutron") || strings.HasPrefix(name, "/etc/sudoers.d") {
				seen[name] = h.look(path)
			}
			return nil
		})
	}
	for _, stage := range []string{"/var/lib/ironwrap-stage-*"} {
		if left, _ := filepath.Glob(h.dir + stage); len(left) > 0 {
			h.Errorf("a stage was left: %q", left)
		}
	}
	return seen
}

func (h host) look(path string) string {
	st, err := os.Lstat(path)
	if err != nil {
		h.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	what := fmt.Sprintf("%v %d:%d", st.Mode(), sys.Uid, sys.Gid)
	switch {
	case st.Mode()&fs.ModeSymlink != 0:
		target, _ := os.Readlink(path)
		what += " -> " + target
	case st.Mode().IsRegular() && st.Size() < 1<<16:
		data, err := os.ReadFile(path)
		if err != nil {
			h.Fatal(err)
		}
		what += fmt.Sprintf(" %x", sha256.Sum256(data))
	case st.Mode().IsRegular():
		what += fmt.Sprintf(" %d bytes of %v", st.Size(), st.ModTime())
	}
	return what
}

// same tells what has changed since before.
func (h host) same(what string, before map[string]string) {
	h.Helper()
	now := h.snapshot()
	for path, was := range before {
		if now[path] != was {
			h.Errorf("%s: %s was %q, is %q", what, path, was, now[path])
		}
	}
	for path, is := range now {
		if _, there := before[path]; !there {
			h.Errorf("%s: %s is new: %q", what, path, is)
		}
	}
}
