package packages

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReproducible: the same source gives the same packages, bit for bit, in another
// directory, time zone and umask; another version gives others.
func TestReproducible(t *testing.T) {
	built(t)
	one, again, others := sums(t, building.first), sums(t, building.again), sums(t, building.newer)
	want := 2 * (2 + 6) // deb and rpm; ironwrap, ironwrapctl and the services
	if all {
		want += 4
	}
	if len(one) != want || len(again) != want {
		t.Errorf("there are %d packages and %d, expected %d: %v", len(one), len(again), want, one)
	}
	for name, sum := range one {
		if again[name] != sum {
			t.Errorf("%s is another one when it is made elsewhere", name)
		}
		other := strings.Replace(name, first, newer, 1)
		if others[other] == sum || others[other] == "" {
			t.Errorf("%s: %q", other, others[other])
		}
	}
}

// TestLint: lintian, rpmlint and shellcheck find nothing that is not explained.
func TestLint(t *testing.T) {
	built(t)
	debs, rpms := glob(t, building.first+"/*.deb"), glob(t, building.first+"/*.rpm")
	if out := do(t, append([]string{"lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"}, debs...)...); strings.TrimSpace(out) != "" {
		t.Errorf("lintian: %s", out)
	}
	// rpmlint unpacks with cpio, which takes the absolute names in these packages as they are.
	tools := t.TempDir()
	if err := os.WriteFile(tools+"/cpio", []byte("#!/bin/sh\nexec /usr/bin/cpio --no-absolute-filenames \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out := doIn(t, "", []string{"PATH=" + tools + ":" + os.Getenv("PATH")}, append([]string{"rpmlint", "-c", top + "/packaging/rpmlint.toml"}, rpms...)...); !strings.Contains(out, " 0 errors, 0 warnings,") {
		t.Errorf("rpmlint: %s", out)
	}
	scripts := 0
	for _, deb := range debs {
		control := t.TempDir()
		do(t, "dpkg-deb", "-e", deb, control)
		for _, name := range []string{"preinst", "postinst", "prerm", "postrm"} {
			if _, err := os.Stat(control + "/" + name); err == nil {
				scripts++
				do(t, "shellcheck", "--shell=sh", "--exclude=SC2043", control+"/"+name) // a loop over one name
			}
		}
	}
	if scripts < 4+2*6 {
		t.Errorf("only %d scripts were looked at", scripts)
	}
	if out := do(t, "dpkg-deb", "-f", glob(t, building.newer+"/ironwrap_*_amd64.deb")[0], "Maintainer"); strings.TrimSpace(out) != publisher {
		t.Errorf("the maintainer is %q", out)
	}
	if out := do(t, "rpm", "-qp", "--qf", "%{PACKAGER}\n%{CHANGELOGNAME}", glob(t, building.newer+"/ironwrap-1*.x86_64.rpm")[0]); strings.Count(out, publisher) != 2 {
		t.Errorf("the packager is %q", out)
	}
	do(t, append([]string{"shellcheck"}, glob(t, top+"/packaging/*.sh")...)...)
	do(t, append([]string{"shellcheck", "--exclude=SC2043"}, glob(t, top+"/packaging/scripts/*.*")...)...)
}

// TestUnits: what systemd reads of a package, it understands; the pages that it names are
// in there.
func TestUnits(t *testing.T) {
	built(t)
	root := t.TempDir()
	do(t, "dpkg-deb", "-x", glob(t, building.first+"/ironwrap_*_amd64.deb")[0], root)
	for _, name := range []string{"sh", "rm", "kill"} { // of the system's own, which must be there
		do(t, "install", "-D", "-m", "0755", "/bin/true", root+"/bin/"+name)
	}
	for _, unit := range glob(t, root+"/usr/lib/systemd/system/ironwrap-*") {
		if out := doIn(t, "", []string{"MANPATH=" + root + "/usr/share/man"}, "systemd-analyze", "verify", "--man=yes", "--recursive-errors=no", "--root="+root, unit); strings.Contains(out, "ironwrap") {
			t.Errorf("%s: %s", filepath.Base(unit), out)
		}
		text, err := os.ReadFile(unit)
		if err != nil || !strings.Contains(string(text), "\nDocumentation=man:ironwrap-daemon(8) file:/usr/share/doc/ironwrap/daemon.md\n") {
			t.Errorf("%s names other documents: %v", filepath.Base(unit), err)
		}
	}
}

// TestARM64: programs of the other architecture run, as far as QEMU goes, and the
// profiles are that machine's.
func TestARM64(t *testing.T) {
	if !all {
		t.Skip("nothing of arm64 was looked at: make test-packages does")
	}
	built(t)
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, deb := range glob(t, building.first+"/*_arm64.deb") {
		do(t, "dpkg-deb", "-x", deb, root)
	}
	for _, name := range []string{"ironwrap", "ironwrap-daemon", "ironwrap-call", "ironwrapctl"} {
		if out := do(t, "qemu-aarch64-static", root+"/usr/bin/"+name, "--version"); !strings.Contains(out, first) {
			t.Errorf("%s --version: %q", name, out)
		}
	}
	profiles := glob(t, root+"/usr/lib/ironwrap/profiles/*.bpf")
	for _, path := range profiles {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if arch := binary.LittleEndian.Uint32(text[12:]); arch != 0xc00000b7 { // AUDIT_ARCH_AARCH64
			t.Errorf("%s is for the architecture %#x", filepath.Base(path), arch)
		}
	}
	if len(profiles) != len(glob(t, top+"/profiles/*.json")) {
		t.Errorf("not every profile is compiled: %q", profiles)
	}
	conf := root + "/etc/ironwrap/rootwrap.conf"
	if err := os.MkdirAll(root+"/etc/ironwrap/d", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{conf: "[DEFAULT]\nfilters_path=" + root + "/etc/ironwrap/d\n", root + "/etc/ironwrap/d/a.filters": "[Filters]\nid: CommandFilter, id, nobody\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out := do(t, "qemu-aarch64-static", root+"/usr/bin/ironwrapctl", "explain", conf, "id"); !strings.Contains(out, "nobody") {
		t.Errorf("ironwrapctl explain: %q", out)
	}
}
