package sandbox

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

// Nothing of the machine's network is there, its abstract sockets included.
func TestSandboxPrivateNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	name := fmt.Sprintf("ironwrap-test-%d", os.Getpid())
	abstract, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	script := fmt.Sprintf(`
import socket, os, fcntl, struct
print(sorted(n for _, n in socket.if_nameindex()))
s = socket.socket()
flags = struct.unpack('16sh', fcntl.ioctl(s, 0x8913, struct.pack('16sh', b'lo', 0)))[1]
print('up' if flags & 1 else 'down')
for family, address in (socket.AF_INET, ('127.0.0.1', %d)), (socket.AF_UNIX, '\0%s'):
    try:
        socket.socket(family).connect(address)
        print('connected')
    except OSError as e:
        print(e.strerror)
`, l.Addr().(*net.TCPAddr).Port, name)
	if r := rig.Start(t, python(t, "private_network = yes"), "python3", "-c", script); r.Status != 0 || r.Out != "['lo']\nup\nConnection refused\nConnection refused\n" {
		t.Errorf("%v", r)
	}
	if r := rig.Start(t, python(t, "private_network = no"), "python3", "-c", script); r.Status != 0 || !strings.HasSuffix(r.Out, "connected\nconnected\n") {
		t.Errorf("without the key: %v", r)
	}
}

func TestSandboxPrivateTmp(t *testing.T) {
	name := fmt.Sprintf("ironwrap-private-%d", os.Getpid())
	outside := []string{"/tmp/" + name, "/var/tmp/" + name}
	for _, path := range outside {
		if err := os.Mkdir(path, 0o777); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(path)
	}
	for _, user := range []string{"root", "nobody"} {
		p := rig.Confined(t, "sh: CommandFilter, sh, "+user, "private_tmp = yes")
		r := rig.Start(t, p, "sh", "-c", "ls -A /tmp /var/tmp; stat -c '%a %u %F' /tmp /var/tmp; echo x > /tmp/new && echo y > /var/tmp/new && cat /tmp/new /var/tmp/new")
		if r.Status != 0 || r.Out != "/tmp:\n\n/var/tmp:\n1777 0 directory\n1777 0 directory\nx\ny\n" {
			t.Errorf("%s: %v", user, r)
		}
		// Standing in the machine's own is no way back to it.
		for _, path := range append([]string{"/tmp", "/var/tmp"}, outside...) {
			rig.NotRun(t, rig.StartIn(t, path, p, "sh", "-c", "echo x > escaped"), "the working directory ")
		}
	}
	for _, path := range []string{"/tmp/new", "/var/tmp/new", "/tmp/escaped", outside[0] + "/escaped", outside[1] + "/escaped"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was written to", path)
			os.Remove(path)
		}
	}
}

func TestSandboxReadOnly(t *testing.T) {
	p := rig.NewPolicy(t, "")
	d := p.Dir + "/data"
	for _, f := range []string{"/f", "/sub/f", "/mnt/under"} {
		rig.Write(t, d+f, "text\n")
	}
	rig.Write(t, p.Dir+"/other/f", "text\n")
	// What is mounted below is read-only too.
	if err := unix.Mount("tmpfs", d+"/mnt", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(d+"/mnt", unix.MNT_DETACH)
	rig.Write(t, d+"/mnt/f", "text\n")

	with := func(lines string) rig.Policy {
		rig.Write(t, p.Filters, "[Filters]\nsh: CommandFilter, sh, root\n[Sandbox:sh]\n"+lines+"\n")
		return p
	}
	// Root's own capability would undo the mount.
	with("read_only = " + d + "\ncapabilities = CAP_DAC_OVERRIDE")
	answers(t, "/", p, "yes cat "+d+"/f", "no : > "+d+"/f", "no : > "+d+"/new", "no rm "+d+"/f", "no chmod 600 "+d+"/f", "no : > "+d+"/sub/f",
		"no : > "+d+"/mnt/f", "no : > "+d+"/mnt/new", "yes : > "+p.Dir+"/other/f", "yes : > "+p.Dir+"/other/new",
		"no mount -o remount,bind,rw "+d, "no umount "+d)
	// Standing inside is no way around it.
	answers(t, d, p, "yes cat f", "no : > f", "no : > new", "no : > ../data/new", "no : > sub/new", "no : > mnt/new", "yes : > ../other/new")
	answers(t, d+"/mnt", p, "yes cat f", "no : > new", "no : > ../new")

	with("read_only = /\ncapabilities = CAP_DAC_OVERRIDE")
	for _, dir := range []string{"/", d, "/tmp"} {
		answers(t, dir, p, "yes cat "+d+"/f", "no : > "+d+"/f", "no : > "+d+"/mnt/new", "no : > "+p.Dir+"/other/new", "no : > /tmp/ironwrap-ro", "no : > ironwrap-ro", "no : > /dev/shm/ironwrap-ro", "yes : > /dev/null")
	}
	with("read_only = /\nprivate_tmp = yes\ncapabilities = CAP_DAC_OVERRIDE")
	answers(t, "/", p, "no : > "+d+"/f", "yes : > /tmp/ironwrap-ro", "yes : > /var/tmp/ironwrap-ro")
	for _, path := range []string{"/tmp/ironwrap-ro", "/var/tmp/ironwrap-ro"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was written to", path)
			os.Remove(path)
		}
	}

	with("read_only = " + d + ", /nonexistent/x")
	rig.NotRun(t, rig.Start(t, p, "sh", "-c", "echo ran"), `"/nonexistent/x": no such file or directory`)
	if err := os.WriteFile(d+"/mnt/after", nil, 0o644); err != nil {
		t.Errorf("the machine's own mount has changed: %v", err)
	}
}

// A mount that the command makes is its own. In a private view it can make none, as
// it could take the view apart.
func TestSandboxPrivateMounts(t *testing.T) {
	p := rig.NewPolicy(t, "")
	if err := os.Mkdir(p.Dir+"/m", 0o755); err != nil {
		t.Fatal(err)
	}
	command := []string{"sh", "-c", "mount -t tmpfs iwtest " + p.Dir + "/m && echo x > " + p.Dir + "/m/x && cat " + p.Dir + "/m/x"}
	mounted := func() bool {
		list, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(list), p.Dir+"/m ")
	}
	defer unix.Unmount(p.Dir+"/m", unix.MNT_DETACH)
	for key, seen := range map[string]bool{"private_mounts = yes": false, "private_tmp = yes": false, "read_only = /usr": false, "private_network = yes": true} {
		rig.Write(t, p.Filters, "[Filters]\nsh: CommandFilter, sh, root\n[Sandbox:sh]\n"+key+"\n")
		view := key == "private_tmp = yes" || key == "read_only = /usr"
		if r := rig.Start(t, p, command...); view && (r.Status != 32 || r.Out != "") || !view && (r.Status != 0 || r.Out != "x\n") {
			t.Errorf("%s: %v", key, r)
		}
		if mounted() != seen {
			t.Errorf("%s: the mount is seen outside: %v", key, !seen)
		}
		unix.Unmount(p.Dir+"/m", unix.MNT_DETACH)
	}
}
