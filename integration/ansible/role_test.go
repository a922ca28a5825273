package ansible

import (
	"os"
	"strings"
	"testing"
)

// neutronPackage installs a package with what Debian's neutron-common has of a root
// helper: the program says which release it is of.
func (h host) neutronPackage(version string) {
	h.Helper()
	h.write("/srv/deb/DEBIAN/control", "Package: neutron-common\nVersion: "+version+"\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: imitation\n", 0o644)
	h.write("/srv/deb/DEBIAN/conffiles", "/etc/neutron/rootwrap.conf\n/etc/neutron/neutron.conf\n/etc/neutron/rootwrap.d/rootwrap.filters\n", 0o644)
	for _, name := range []string{"neutron-rootwrap", "neutron-rootwrap-daemon"} {
		h.write("/srv/deb/usr/bin/"+name, "#!/bin/sh\necho the peer, "+version+"\n", 0o755)
	}
	h.write("/srv/deb/etc/neutron/rootwrap.conf", "# the stock\n[DEFAULT]\nfilters_path=/etc/neutron/rootwrap.d,/usr/share/neutron/rootwrap\n"+
		"exec_dirs=/sbin,/usr/sbin,/bin,/usr/bin\nuse_syslog=False\n\n[xenapi]\nuse_syslog=no\n", 0o640)
	h.write("/srv/deb/etc/neutron/neutron.conf", "[agent]\nroot_helper = sudo neutron-rootwrap /etc/neutron/rootwrap.conf\n", 0o644)
	h.write("/srv/deb/etc/neutron/rootwrap.d/rootwrap.filters", "[Filters]\nid: CommandFilter, id, root\n", 0o644)
	h.write("/srv/deb/etc/sudoers.d/neutron_sudoers", "Defaults:neutron !requiretty\n"+
		"neutron ALL = (root) NOPASSWD: /usr/bin/neutron-rootwrap /etc/neutron/rootwrap.conf *\n"+
		"neutron ALL = (root) NOPASSWD: /usr/bin/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf\n", 0o440)
	h.must("dpkg-deb", "--root-owner-group", "-b", "/srv/deb", "/srv/neutron-common.deb")
	h.must("dpkg", "-i", "/srv/neutron-common.deb")
}

// neutron is a host with neutron, and the role beside it.
func neutron(t *testing.T) host {
	h := newHost(t)
	h.must("useradd", "--system", "--shell", "/bin/sh", "neutron")
	h.neutronPackage("1")
	h.copyIn(repository+"/packaging/ansible/ironwrap", "/srv/ironwrap")
	h.copyIn(tarball, "/srv/ironwrap.tar")
	h.write("/srv/policy/site.filters", "[Filters]\nwho: CommandFilter, whoami, root\n", 0o644)
	h.write("/srv/accepted.yaml", accepted, 0o644)
	h.write("/srv/neutron.yaml", "config: /etc/neutron/rootwrap.conf\ngroups:\n  all:\n  - allow: id -u\n    by: id\n  - allow: whoami\n  - refuse: mkfs\n", 0o644)
	return h
}

// accepted is what the site's own filter gives more than the stock.
const accepted = `accepted:
- rules: [wider]
  filter: who
  text: CommandFilter, whoami, root
  score: 10
  reason: tells who it is
  who: test
  until: 2099-12-31
`

const vars = `
ironwrap_tarball: /srv/ironwrap.tar
ironwrap_doctor_accepted: [policy-check, records-place]
ironwrap_services:
- name: neutron
  helpers: [/usr/bin/neutron-rootwrap, /usr/bin/neutron-rootwrap-daemon]
  filters: /srv/policy/
  settings: {use_syslog: "False", syslog_log_level: INFO}
  expectations: /srv/neutron.yaml
  accepted: /srv/accepted.yaml
  canary:
  - {command: id -u, status: 0}
  - {command: mkfs, status: 99}
`

// call is what neutron's agents call.
func (h host) call(command ...string) result {
	h.Helper()
	return h.run(append([]string{"runuser", "-u", "neutron", "--", "sudo", "-n", "neutron-rootwrap", "/etc/neutron/rootwrap.conf"}, command...)...)
}

func (h host) peerAnswers(version string) {
	h.Helper()
	if r := h.call("id", "-u"); r.out != "the peer, "+version+"\n" {
		h.Errorf("the peer does not answer: %v", r)
	}
}

func (h host) ironwrapAnswers() {
	h.Helper()
	if r := h.call("whoami"); r != (result{0, "root\n"}) {
		h.Errorf("whoami: %v", r)
	}
	if r := h.call("mkfs"); r.status != 99 || !strings.HasPrefix(r.out, "neutron-rootwrap: Unauthorized command: mkfs (no filter matched)") {
		h.Errorf("mkfs: %v", r)
	}
}

// TestRole: check mode, installation, a second run, refusals before anything is changed,
// rollback, an upgrade of the service's package, a run that was broken off, and removal.
func TestRole(t *testing.T) {
	h := neutron(t)
	stock := h.snapshot()
	h.peerAnswers("1")

	if r, changed := h.play(vars, "--check"); r.status != 0 || changed == 0 {
		t.Fatalf("check mode: %v", r)
	}
	h.same("check mode", stock)

	failing := strings.Replace(vars, "status: 0", "status: 1", 1)
	if r, _ := h.play(failing); r.status == 0 || !strings.Contains(r.out, "everything is as it was before") {
		t.Fatalf("a canary that fails: %v", r)
	}
	h.same("a first canary that fails", stock)
	h.peerAnswers("1")

	r, changed := h.play(vars)
	if r.status != 0 || changed == 0 {
		t.Fatalf("installation: %v", r)
	}
	h.ironwrapAnswers()
	conf, err := os.ReadFile(h.dir + "/etc/neutron/rootwrap.conf")
	if err != nil || !strings.Contains(string(conf), "[DEFAULT]\nuse_syslog = False\nsyslog_log_level = INFO\nfilters_path") || !strings.HasSuffix(string(conf), "[xenapi]\nuse_syslog=no\n") {
		t.Errorf("rootwrap.conf: %v\n%s", err, conf)
	}
	installed := h.snapshot()
	if installed["/etc/neutron/rootwrap.conf"][:10] != stock["/etc/neutron/rootwrap.conf"][:10] {
		t.Errorf("mode of rootwrap.conf: %s", installed["/etc/neutron/rootwrap.conf"])
	}

	if r, changed := h.play(vars); r.status != 0 || changed != 0 {
		t.Fatalf("second run: %v", r)
	}
	h.same("second run", installed)

	for _, bad := range []struct{ what, filter, says string }{
		{"wider", "more: CommandFilter, sort, root", "1 wider"},
		{"a finding", "sh: CommandFilter, sh, root", "open-shell"},
	} {
		h.write("/srv/policy/more.filters", "[Filters]\n"+bad.filter+"\n", 0o644)
		if r, _ := h.play(vars); r.status == 0 || !strings.Contains(r.out, bad.says) {
			t.Errorf("%s: %v", bad.what, r)
		}
		h.same(bad.what, installed)
	}
	os.Remove(h.dir + "/srv/policy/more.filters")

	// What doctor finds, and nobody has accepted, takes everything back.
	h.write("/srv/policy/site.filters", "# another\n[Filters]\nwho: CommandFilter, whoami, root\n", 0o644)
	if r, _ := h.play(strings.Replace(vars, "[policy-check, records-place]", "[policy-check]", 1)); r.status == 0 || !strings.Contains(r.out, "doctor: [records-place]") || !strings.Contains(r.out, "everything is as it was before") {
		t.Errorf("a fault that doctor finds: %v", r)
	}
	h.same("a fault that doctor finds", installed)

	h.write("/srv/policy/site.filters", "# changed\n[Filters]\nwho: CommandFilter, whoami, root\n", 0o644)
	if r, _ := h.play(failing); r.status == 0 {
		t.Errorf("a canary that fails: %v", r)
	}
	h.same("a canary that fails", installed)

	// The service's own upgrade leaves ironwrap in front.
	h.neutronPackage("2")
	h.ironwrapAnswers()

	// A run that is broken off: the next one goes back first, and then on.
	h.must("env", "ANSIBLE_LIBRARY=/srv/ironwrap/library", "ansible", "-i", "localhost,", "-c", "local", "localhost", "-m", "ironwrap_tree", "-a", "src=/srv/policy-tree store=/var/lib/ironwrap-ansible")
	if r, _ := h.play(vars); r.status != 0 {
		t.Errorf("after a run that was broken off: %v", r)
	}
	h.ironwrapAnswers()

	if r, _ := h.play(vars + "ironwrap_state: absent\n"); r.status != 0 {
		t.Fatalf("removal: %v", r)
	}
	h.peerAnswers("2")
	for _, name := range []string{"neutron-rootwrap", "neutron-rootwrap-daemon"} { // of the release after
		stock["/usr/bin/"+name] = h.look(h.dir + "/usr/bin/" + name)
	}
	h.same("removal", stock)
}
