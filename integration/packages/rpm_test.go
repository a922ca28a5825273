package packages

import (
	"os"
	"strings"
	"testing"
)

// RDO's lines of sudoers for the service.
const rdo = `neutron ALL = (root) NOPASSWD: /usr/bin/neutron-rootwrap /etc/neutron/rootwrap.conf *
neutron ALL = (root) NOPASSWD: /usr/bin/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf
neutron ALL = (root) NOPASSWD: /usr/bin/privsep-helper *
`

// TestRPM installs with rpm, its scripts too, into the same Debian with RDO's sudoers:
// the service's call is ironwrap's, and what goes around it is refused; a newer version
// takes over from daemons; when all is removed the original answers.
func TestRPM(t *testing.T) {
	built(t)
	root := aDebian(t)
	sudoers := glob(t, root+"/etc/sudoers.d/neutron*")[0]
	kept, err := os.ReadFile(sudoers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(sudoers, kept, 0o440) })
	if err := os.WriteFile(sudoers, []byte(rdo), 0o440); err != nil {
		t.Fatal(err)
	}
	for _, shared := range []string{"/usr/share/licenses", "/usr/share/man/man1", "/usr/share/man/man5", "/usr/share/man/man7", "/usr/share/man/man8"} { // of the package filesystem, where rpm is at home
		if err := os.MkdirAll(root+shared, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	before := files(t, root)
	privsep := func() int {
		status, _ := in(t, root, "neutron", "sudo", "-n", "-l", "/usr/bin/privsep-helper", "--help")
		return status
	}
	if status, _ := in(t, root, "neutron", "sudo", "-n", "-l", "/usr/bin/env"); status == 0 || privsep() != 0 {
		t.Fatal("sudo does not take RDO's lines as they are meant")
	}

	rpm := func(args ...string) {
		t.Helper()
		// Debian's packages are not in rpm's database.
		do(t, append([]string{"rpm", "--root", root, "--dbpath", "/var/lib/rpm-test"}, args...)...)
	}
	packages := func(from string) []string {
		return append(glob(t, from+"/ironwrap*.x86_64.rpm"), glob(t, from+"/ironwrap*.noarch.rpm")...)
	}
	t.Cleanup(func() { os.RemoveAll(root + "/var/lib/rpm-test") })
	rpm("--initdb")
	rpm(append([]string{"--install", "--nodeps"}, packages(building.first)...)...)
	must(t, root, "visudo", "-c")
	if got := answers(t, root, "neutron"); got != "ironwrap" {
		t.Errorf("installed: %s answers", got)
	}
	if privsep() == 0 {
		t.Error("sudo lets neutron start privsep-helper beside ironwrap")
	}
	for _, around := range []string{"/usr/bin/neutron-rootwrap", "/usr/bin/neutron-rootwrap-daemon"} {
		if status, out := in(t, root, "neutron", "sudo", "-n", around, "/etc/neutron/rootwrap.conf", "sleep", "0"); status != 1 || strings.Contains(out, "Unauthorized") {
			t.Errorf("%s: exit status %d, %q", around, status, out)
		}
	}

	clients := []*calling{
		later(t, root, "daemon", "neutron-rootwrap-daemon", "sleep", "0"),
		later(t, root, "oneshot", "neutron-rootwrap", "sleep", "0"),
	}
	for _, client := range clients {
		client.running(t, 3)
	}
	rpm(append([]string{"--upgrade", "--nodeps"}, packages(building.newer)...)...)
	for _, client := range clients {
		client.more(t, 5)
		for _, call := range client.end(t) {
			if !strings.HasPrefix(call, "0 ") {
				t.Errorf("a call during the upgrade: %s", call)
			}
		}
	}
	readerGone(t, root)
	if out := must(t, root, "ironwrap", "--version"); !strings.Contains(out, newer) {
		t.Errorf("ironwrap --version: %q", out)
	}

	var names []string
	for _, path := range packages(building.newer) {
		names = append(names, strings.TrimSpace(do(t, "rpm", "-qp", "--qf", "%{NAME}", path)))
	}
	rpm(append([]string{"--erase", "--nodeps"}, names...)...)
	if got := answers(t, root, "neutron"); got != "original" {
		t.Errorf("removed: %s answers", got)
	}
	if privsep() != 0 {
		t.Error("removed: RDO's line for privsep-helper is not what it was")
	}
	endAllIn(t, root)
	os.RemoveAll(root + "/var/lib/rpm-test")
	same(t, before, files(t, root), "removed")
}
