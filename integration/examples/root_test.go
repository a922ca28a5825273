package examples

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ironwrap/integration/rig/debian"
)

// root is the directory with what the root of an example has besides the machine's.
type root struct{ dir string }

// packages are those of Debian whose configuration is there, by service.
var packages = map[string][]string{
	"neutron": {"neutron-common"}, "nova": {"nova-common", "nova-compute"}, "cinder": {"cinder-common"}, "manila": {"manila-common"},
}

// standIns are programs that examples name and that need not be installed: they do
// nothing.
var standIns = []string{"haproxy", "dnsmasq", "privsep-helper", "lvs"}

func newRoot(t *testing.T) root {
	t.Helper()
	need(t, "iproute2", "ip")
	need(t, "sudo", "sudo")
	need(t, "qemu-utils", "qemu-img")
	need(t, "patch", "patch")
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-examples-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	install := exec.Command("make", "-s", "-C", top, "install", "DESTDIR="+dir)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	r := root{dir}
	unpacked := unpack(t)
	for service, names := range packages {
		r.service(t, service, names[0], unpacked)
	}
	for _, name := range standIns {
		r.copy(t, "/bin/true", "/usr/sbin/"+name)
	}
	r.copy(t, top+"docs/examples/neutron.yaml", "/usr/share/examples/neutron.yaml")
	output(t, "sh", "testdata/root.sh", dir)
	return r
}

// unpack returns a directory with what the packages have below /etc and /usr/share.
func unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	debs, err := debian.Download(dir, slices.Concat(slices.Collect(maps.Values(packages))...)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, deb := range debs {
		output(t, "sh", "-c", `dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" ./etc ./usr/share`, "sh", deb, dir)
	}
	return dir
}

// service has a service's user, its configuration from Debian's packages, and ironwrap in
// the place of its wrapper.
func (r root) service(t *testing.T, name, pkg, unpacked string) {
	t.Helper()
	if sudoers := unpacked + "/etc/sudoers.d/" + pkg; exists(sudoers) {
		r.copy(t, sudoers, "/etc/sudoers.d/"+pkg)
	}
	for _, from := range []string{"/etc/" + name, "/usr/share/" + name + "-common"} {
		for _, pattern := range []string{"/rootwrap.conf", "/rootwrap.d/*.filters"} {
			files, _ := filepath.Glob(unpacked + from + pattern)
			for _, file := range files {
				r.copy(t, file, "/etc/"+name+strings.TrimPrefix(file, unpacked+from))
			}
		}
	}
	for _, program := range []string{"rootwrap", "rootwrap-daemon"} {
		target := strings.Replace(program, "rootwrap", "ironwrap", 1)
		if err := os.Symlink(target, r.dir+"/usr/bin/"+name+"-"+program); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := user.Lookup(name); err == nil {
		return
	}
	id := 64055 + len(name)
	r.append(t, "/etc/passwd", fmt.Sprintf("%s:x:%d:%d::/var/lib/%[1]s:/usr/sbin/nologin\n", name, id, id))
	r.append(t, "/etc/group", fmt.Sprintf("%s:x:%d:\n", name, id))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copy puts a file of the machine into the root.
func (r root) copy(t *testing.T, from, to string) {
	t.Helper()
	st, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(r.dir+to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.dir+to, data, st.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
}

// append adds a line to a file: the root's, or the machine's.
func (r root) append(t *testing.T, path, line string) {
	t.Helper()
	if _, err := os.Stat(r.dir + path); err != nil {
		r.copy(t, path, path)
	}
	f, err := os.OpenFile(r.dir+path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(line); err != nil {
		t.Fatal(err)
	}
}

type result struct {
	out    string // standard output and error, as they came
	status int
}

// stage makes the root, of which nothing is left afterwards, and enters it. What is below
// is the machine.
const stage = `set -e
mount -t tmpfs none "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay none -o lowerdir=/,upperdir="$2/upper",workdir="$2/work" "$2/root"
cd "$2/root"
rm -rf etc/sudoers.d etc/neutron etc/nova etc/cinder etc/manila etc/ironwrap
cp -a "$1/." .
mount --rbind /dev dev
mount --rbind /sys sys
mount -t proc proc proc
mount -t tmpfs -o mode=755 none run
mount -t tmpfs -o mode=1777 none tmp
ip link set lo up
exec chroot . bash -c "$3"`

// served starts the daemon that ironwrap-call asks.
const served = `ironwrap-daemon /etc/neutron/rootwrap.conf 2>&1 | cat >/dev/null &
for i in $(seq 100); do test -e /run/ironwrap/neutron.call && break; sleep 0.1; done
`

// run runs steps in the root, in an empty directory, and returns what came of each.
func (r root) run(t *testing.T, steps []step) []result {
	t.Helper()
	var script strings.Builder
	script.WriteString("cp -r /usr/share/examples /srv/desk; cd /srv/desk\n")
	for _, s := range steps {
		if strings.Contains(s.command, "ironwrap-call ") {
			script.WriteString(served)
			break
		}
	}
	for _, s := range steps {
		command := s.command
		if s.file != "" {
			command = fmt.Sprintf("mkdir -p %s; printf %%s %s > %s", quote(filepath.Dir(s.file)), quote(strings.Join(s.want, "\n")+"\n"), quote(s.file))
		}
		fmt.Fprintf(&script, "bash -o pipefail -c %s </dev/null 2>&1; printf '\\0%%d\\0' $?\n", quote(command))
	}
	c := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", stage, "bash", r.dir, t.TempDir(), script.String())
	c.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root", "COLUMNS=100"}
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	parts := strings.Split(string(out), "\x00")
	if len(parts) != 2*len(steps)+1 {
		t.Fatalf("cannot make the root: %v\n%s%s", err, out, errs.String())
	}
	var list []result
	for i := range steps {
		status, _ := strconv.Atoi(parts[2*i+1])
		list = append(list, result{parts[2*i], status})
	}
	return list
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// need sees to it that a program is there.
func need(t *testing.T, pkg, program string) {
	t.Helper()
	if err := debian.Install(pkg, program); err != nil {
		t.Fatal(err)
	}
}

// output is what a program prints that ends well.
func output(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %q: %v\n%s", program, args, err, out)
	}
	return out
}
