package review

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/integration/rig"
	"ironwrap/integration/rig/debian"
)

// clinic is a machine for doctor: this one's files below an overlay, in mount and process
// namespaces of its own, with Debian's neutron-common and ironwrap installed. What is
// changed there is gone when the test ends.
type clinic struct {
	t    *testing.T
	pid  string // of a process in its namespaces
	root string // its / as seen from here
}

// diagnosis is what doctor says, as far as the tests look at it.
type diagnosis struct {
	Verdict string
	Status  int
	Answers []struct{ Topic, ID, State, Text, Do string }
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	rig.Need(t, "util-linux", "/usr/bin/nsenter")
	dir, err := os.MkdirTemp("/var/lib", "iwclinic-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	keeper := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", `
mount -t tmpfs -o mode=755 tmpfs `+dir+`
cd `+dir+`; mkdir up work root
mount -t overlay -o lowerdir=/,upperdir=up,workdir=work overlay root
mount -t proc proc root/proc
for d in dev run tmp; do mount -t tmpfs -o mode=755 tmpfs root/$d; done
for n in null zero urandom; do touch root/dev/$n; mount --bind /dev/$n root/dev/$n; done
exec sleep 3600`)
	keeper.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keeper.Process.Kill(); keeper.Wait() })
	c := &clinic{t: t}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", keeper.Process.Pid))
		c.pid = strings.TrimSpace(string(text))
		comm, _ := os.ReadFile("/proc/" + c.pid + "/comm")
		if string(comm) == "sleep\n" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the namespaces were not made")
		}
	}
	c.root = "/proc/" + c.pid + "/root" + dir + "/root"
	c.furnish(dir)
	return c
}

// furnish installs Debian's package, and ironwrap in front of its one-shot wrapper and its
// daemon, as docs/doctor.md has it.
func (c *clinic) furnish(dir string) {
	t := c.t
	t.Helper()
	debs, err := debian.Download(t.TempDir(), "neutron-common")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(debs[0])
	if err != nil {
		t.Fatal(err)
	}
	c.put("/root/neutron-common.deb", string(data))
	install := exec.Command("make", "-s", "install", "DESTDIR="+c.root)
	install.Dir = rig.Root
	if r := rig.RunCmd(t, install); r.Status != 0 {
		t.Fatal(r)
	}
	c.must(`
rm -rf /etc/sudoers.d/* /etc/neutron
printf 'Defaults env_reset, secure_path="/usr/sbin:/usr/bin:/sbin:/bin"\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n' >/etc/sudoers
id neutron || useradd --system --user-group neutron
dpkg --unpack --force-depends --force-confnew /root/neutron-common.deb
for f in /etc/sudoers.d/*.dpkg-new; do mv $f ${f%.dpkg-new}; done # as dpkg --configure would
cp /usr/share/neutron-common/neutron.conf /etc/neutron/neutron.conf
rm -rf /etc/neutron/rootwrap*
chown -R root:neutron /etc/neutron; chmod 0750 /etc/neutron; chmod 0640 /etc/neutron/neutron.conf
for n in neutron-rootwrap neutron-rootwrap-daemon; do
	dpkg-divert --local --rename --divert /usr/bin/$n.oslo --add /usr/bin/$n
	ln -s ironwrap${n#neutron-rootwrap} /usr/bin/$n
done
rm -f /var/log/syslog /var/log/auth.log /var/log/messages; touch /var/log/syslog`)
	c.put("/etc/neutron/rootwrap.conf", "[DEFAULT]\nfilters_path=/etc/neutron/rootwrap.d\nexec_dirs=/sbin,/usr/sbin,/bin,/usr/bin\nuse_syslog=True\n")
	c.put("/etc/neutron/rootwrap.d/id.filters", "[Filters]\nid: CommandFilter, id, nobody\n")
	c.must("tar -C / -cpf /root/good.tar " + touched)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: c.root + "/dev/log", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() { // whoever writes to a socket that nobody reads waits
		for buffer := make([]byte, 8<<10); ; {
			if _, err := l.Read(buffer); err != nil {
				return
			}
		}
	}()
}

// touched is what the tests change.
const touched = "etc/neutron etc/sudoers etc/sudoers.d usr/lib/ironwrap usr/bin/neutron-rootwrap usr/bin/neutron-rootwrap-daemon " +
	"etc/nsswitch.conf usr/bin/neutron-rootwrap.oslo usr/bin/neutron-rootwrap-daemon.oslo usr/bin/ironwrap usr/bin/ironwrap-daemon usr/bin/ironwrap-call usr/bin/sudo usr/bin/cvtsudoers var/lib/dpkg/diversions var/log/syslog"

// heal makes all of it what it was.
func (c *clinic) heal() {
	c.t.Helper()
	c.must("umount /opt/nosuid 2>/dev/null || true; rm -rf /opt/*; cd /; rm -rf usr/bin/*rootwrap*.oslo.* " + touched + "; tar -C / -xpf /root/good.tar; [ ! -e /dev/gone ] || mv /dev/gone /dev/log")
}

func (c *clinic) put(path, text string) {
	c.t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.root+path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.root+path, []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

// enter is a command in the namespaces, which begins with words for nsenter and chroot.
func (c *clinic) enter(words ...string) *exec.Cmd {
	root := strings.TrimPrefix(c.root, "/proc/"+c.pid+"/root")
	return exec.Command("nsenter", append([]string{"-t", c.pid, "-m", "-p", "chroot", root}, words...)...)
}

func (c *clinic) shell(script string) rig.Result {
	c.t.Helper()
	return rig.RunCmd(c.t, c.enter("/bin/sh", "-euc", script))
}

func (c *clinic) must(script string) {
	c.t.Helper()
	if r := c.shell(script); r.Status != 0 {
		c.t.Fatalf("%s: %v", script, r)
	}
}

// doctor is what it says, by words in front of its own.
func (c *clinic) doctor(before ...string) (d diagnosis) {
	c.t.Helper()
	r := rig.RunCmd(c.t, c.enter(append(before, "ironwrapctl", "doctor", "--format", "json", "neutron")...))
	if err := json.Unmarshal([]byte(r.Out), &d); err != nil {
		c.t.Fatalf("%v: %v", err, r)
	}
	if d.Status != r.Status {
		c.t.Errorf("exit status %d, and in the report %d", r.Status, d.Status)
	}
	return d
}

func (d diagnosis) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, d.Verdict)
	for _, a := range d.Answers {
		if a.State != "ok" && a.State != "note" {
			fmt.Fprintf(&b, "%s [%s] %s\n\tdo: %s\n", a.State, a.ID, a.Text, a.Do)
		}
	}
	return b.String()
}

// has tells whether there is an answer like that, and what to do about it.
func (d diagnosis) has(state, id, text string) (do string, ok bool) {
	for _, a := range d.Answers {
		if a.State == state && a.ID == id && strings.Contains(a.Text, text) {
			return a.Do, true
		}
	}
	return "", false
}
