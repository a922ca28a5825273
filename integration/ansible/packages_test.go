package ansible

import (
	"os/exec"
	"strings"
	"testing"
)

// TestPackages: packages from files, reviewed before they are installed, and removed again
// where the canary fails.
func TestPackages(t *testing.T) {
	h := neutron(t)
	if h.run("python3", "-c", "import apt").status != 0 {
		h.must("sh", "-c", "apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-apt")
	}
	stock := h.snapshot()
	if out, err := exec.Command("cp", "-r", built, h.dir+"/srv/ironwrap-deb").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	control := "Version: 1\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\nDescription: imitation\nPackage: "
	h.write("/srv/ironwrap-deb/DEBIAN/control", control+"ironwrap\n", 0o644)
	h.write("/srv/neutron-deb/DEBIAN/control", control+"ironwrap-neutron\n", 0o644)
	h.write("/srv/neutron-deb/DEBIAN/preinst", "#!/bin/sh\nset -e\np=/usr/bin/neutron-rootwrap\ncp -p $p $p.oslo\ndpkg-divert --package ironwrap-neutron --no-rename --divert $p.oslo --add $p\n", 0o755)
	h.write("/srv/neutron-deb/DEBIAN/postrm", "#!/bin/sh\nset -e\np=/usr/bin/neutron-rootwrap\ndpkg-divert --package ironwrap-neutron --rename --divert $p.oslo --remove $p\n", 0o755)
	h.must("mkdir", "-p", "/srv/neutron-deb/usr/bin")
	h.must("ln", "-s", "ironwrap", "/srv/neutron-deb/usr/bin/neutron-rootwrap")
	for _, name := range []string{"ironwrap", "neutron"} {
		h.must("dpkg-deb", "--root-owner-group", "-Znone", "-b", "/srv/"+name+"-deb", "/srv/"+name+".deb")
	}
	play := "ironwrap_doctor_accepted: [policy-check, records-place]\nironwrap_packages: [/srv/ironwrap.deb]\nironwrap_services:\n- {name: neutron, package: /srv/neutron.deb, canary: [{command: id -u, status: 1}]}\n"
	if r, _ := h.play(play); r.status == 0 || !strings.Contains(r.out, "everything is as it was before") {
		t.Fatalf("a canary that fails: %v", r)
	}
	h.peerAnswers("1")
	h.same("a canary that fails", stock)

	play = strings.Replace(play, "status: 1", "status: 0", 1)
	if r, _ := h.play(play); r.status != 0 {
		t.Fatalf("installation: %v", r)
	}
	if r := h.call("id", "-u"); r != (result{0, "0\n"}) {
		t.Errorf("id: %v", r)
	}
	if r, _ := h.play(play + "ironwrap_state: absent\n"); r.status != 0 {
		t.Fatalf("removal: %v", r)
	}
	h.peerAnswers("1")
	h.same("removal", stock)
}
