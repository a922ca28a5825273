package install

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// mostExposed is what systemd-analyze of Debian 12 says of the service (0 is best, 10
// is worst). docs/daemon.md has it too.
const mostExposed = "7.6 EXPOSED"

// The units, as they are installed, are such as systemd understands.
func TestUnits(t *testing.T) {
	rig.Need(t, "systemd", "/usr/bin/systemd-analyze")
	dest := t.TempDir()
	c := exec.Command("make", "-s", "install", "DESTDIR="+dest)
	c.Dir = rig.Root
	if r := rig.RunCmd(t, c); r.Status != 0 {
		t.Fatal(r)
	}
	for path, mode := range map[string]os.FileMode{
		"/usr/bin/ironwrap-daemon":                         0o755,
		"/usr/bin/ironwrap-call":                           0o755,
		"/usr/lib/ironwrap/ironwrap-launch":                0o700,
		"/usr/lib/ironwrap/ironwrap-read":                  0o700,
		"/usr/lib/ironwrap/ironwrap-attach":                0o755,
		"/usr/lib/systemd/system/ironwrap-daemon@.service": 0o644,
		"/usr/lib/systemd/system/ironwrap-daemon@.socket":  0o644,
		"/usr/share/doc/ironwrap/daemon.md":                0o644,
	} {
		if st, err := os.Stat(dest + path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, st, err)
		}
	}

	// What the units name of the system's own must be there to be verified.
	for _, name := range []string{"sh", "rm", "kill"} {
		rig.Write(t, dest+"/bin/"+name, "")
		os.Chmod(dest+"/bin/"+name, 0o755)
	}
	for _, unit := range []string{"ironwrap-daemon@.socket", "ironwrap-daemon@.service"} {
		r := rig.RunCmd(t, exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", "--root="+dest, dest+"/usr/lib/systemd/system/"+unit))
		if r.Status != 0 || strings.Contains(r.Out+r.Err, "ironwrap") {
			t.Errorf("%s: %v", unit, r)
		}
	}

	r := rig.RunCmd(t, exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", dest+"/usr/lib/systemd/system/ironwrap-daemon@.service"))
	if !strings.Contains(r.Out, " "+mostExposed+" ") {
		t.Errorf("not %s: %v", mostExposed, r)
	}
	doc, err := os.ReadFile(rig.Root + "/docs/daemon.md")
	if err != nil || !strings.Contains(string(doc), mostExposed) {
		t.Errorf("docs/daemon.md has another figure than %s", mostExposed)
	}
	service, _ := os.ReadFile(rig.Root + "/packaging/systemd/ironwrap-daemon@.service")
	for _, line := range strings.Split(string(service), "\n") {
		// Each would hide what commands mount, or stop them from what they are for.
		if regexp.MustCompile(`^(Private|Protect|ReadOnly|ReadWrite|Inaccessible|Bind|Temporary|Root|Mount|ProcSubset|NoNewPrivileges|RestrictNamespaces|Dynamic|User)\w*=`).MatchString(line) {
			t.Errorf("the service has %s", line)
		}
	}
}

// The daemon and its commands work with the rights that the unit leaves them.
func TestUnitCapabilities(t *testing.T) {
	unit, err := os.ReadFile(rig.Root + "/packaging/systemd/ironwrap-daemon@.service")
	if err != nil {
		t.Fatal(err)
	}
	var less []string
	for _, m := range regexp.MustCompile(`(?m)^CapabilityBoundingSet=~(.*)$`).FindAllSubmatch(unit, -1) {
		for _, name := range strings.Fields(string(m[1])) {
			less = append(less, "-"+strings.ToLower(strings.TrimPrefix(name, "CAP_")))
		}
	}
	p := rig.NewPolicy(t, "sh: CommandFilter, sh, root\nid: CommandFilter, id, "+rig.Caller.Name)
	conf, _ := os.ReadFile(p.Conf)
	rig.Write(t, p.Conf, fmt.Sprintf("%sauthkey_file = %s/run/root.key\n", conf, p.Dir))
	d := activate(t, p, "root", "/usr/bin/setpriv", "--bounding-set="+strings.Join(less, ","))
	r := d.ask(t, rig.User{Name: "root", UID: 0, GID: 0}, "sh\t-c\tunshare -n -m mount -t tmpfs none /mnt && grep CapBnd /proc/self/status", "id\t-u")
	if r.Status != 0 || !strings.Contains(r.Out, "(0, 'CapBnd:") || !strings.Contains(r.Out, fmt.Sprintf("(0, '%d\\n', '')", rig.Caller.UID)) {
		t.Errorf("%v; the daemon: %s", r, d.stderr)
	}
}

// Neither the daemon nor tools that services run make a system call that the unit
// takes away.
func TestUnitSystemCalls(t *testing.T) {
	rig.Need(t, "strace", "/usr/bin/strace")
	rig.Need(t, "iproute2", "/usr/sbin/ip")
	rig.Need(t, "iptables", "/usr/sbin/iptables")
	rig.Need(t, "lvm2", "/usr/sbin/lvs")
	unit, err := os.ReadFile(rig.Root + "/packaging/systemd/ironwrap-daemon@.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^SystemCallFilter=~(.*)$`).FindSubmatch(unit)
	if m == nil {
		t.Fatal("the unit has no SystemCallFilter=")
	}
	taken := make(map[string]bool)
	var list func(set string)
	list = func(set string) {
		for _, line := range strings.Split(rig.RunCmd(t, exec.Command("systemd-analyze", "--no-pager", "syscall-filter", set)).Out, "\n") {
			name := strings.TrimSpace(line)
			switch {
			case name == set || name == "" || name[0] == '#':
			case name[0] == '@':
				list(name)
			default:
				taken[name] = true
			}
		}
	}
	for _, set := range strings.Fields(string(m[1])) {
		list(set)
	}
	if !taken["init_module"] || !taken["settimeofday"] || !taken["ptrace"] || taken["mount"] || taken["unshare"] {
		t.Fatalf("not what the unit is about: %v", taken)
	}

	p := rig.NewPolicy(t, "sh: CommandFilter, sh, root")
	conf, _ := os.ReadFile(p.Conf)
	rig.Write(t, p.Conf, fmt.Sprintf("%sauthkey_file = %s/run/root.key\n", conf, p.Dir))
	trace := p.Dir + "/trace"
	d := activate(t, p, "root", "/usr/bin/strace", "-D", "-f", "-qq", "-o", trace)
	ns, image := fmt.Sprintf("iwunit%d", os.Getpid()), p.Dir+"/image"
	r := d.ask(t, rig.User{Name: "root", UID: 0, GID: 0}, "sh\t-c\tip netns add "+ns+" && ip netns exec "+ns+" ip link set lo up && ip netns exec "+ns+" iptables -w -S; ip netns del "+ns+
		"; truncate -s 1M "+image+"; mkdir "+p.Dir+"/m; mount -t tmpfs none "+p.Dir+"/m && umount "+p.Dir+"/m; losetup -a; lvs; sudo -n id -u; setpriv --reuid=1 --clear-groups id -u")
	if r.Status != 0 {
		t.Fatalf("%v; the daemon: %s", r, d.stderr)
	}
	t.Log(r.Out)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	calls, bad := make(map[string]bool), make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllSubmatch(text, -1) {
		calls[string(m[1])] = true
		if taken[string(m[1])] {
			bad[string(m[1])] = true
		}
	}
	for _, name := range []string{"mount", "unshare", "setns", "execve", "setresuid"} {
		if !calls[name] {
			t.Errorf("no %s was seen: the commands did not do what they are for", name)
		}
	}
	if len(bad) > 0 {
		t.Errorf("these would be refused: %v", bad)
	}
}
