package review

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// TestDiffRPM: what was changed since an RPM package brought it. The package is a real one,
// in a database of rpm's of its own.
func TestDiffRPM(t *testing.T) {
	rig.Need(t, "rpm", "/usr/bin/rpmbuild")
	rig.Need(t, "cpio", "/usr/bin/cpio")
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-rpm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const filters = "[Filters]\nt: RegExpFilter, iw-tool, root, iw-tool, x\n"
	conf, changed := dir+"/etc/rootwrap.conf", dir+"/etc/d/a.filters"
	rig.Write(t, dir+"/.rpmmacros", "%_dbpath "+dir+"/db\n%_topdir "+dir+"/build\n")
	rig.Write(t, dir+"/rootwrap.conf", "[DEFAULT]\nfilters_path="+dir+"/etc/d\n")
	rig.Write(t, dir+"/a.filters", filters)
	rig.Write(t, dir+"/iw-policy.spec", strings.ReplaceAll(`Name: iw-policy
Version: 1.2
Release: 1
Summary: a policy
License: none
BuildArch: noarch
%description
a policy
%install
mkdir -p %{buildroot}DIR/etc/d
cp DIR/rootwrap.conf %{buildroot}DIR/etc
cp DIR/a.filters %{buildroot}DIR/etc/d
%files
%config(noreplace) DIR/etc/rootwrap.conf
%config(noreplace) DIR/etc/d/a.filters
`, "DIR", dir))
	run := func(argv ...string) (string, int) {
		t.Helper()
		c := exec.Command(argv[0], argv[1:]...)
		c.Dir, c.Env = dir, append(os.Environ(), "HOME="+dir)
		out, _ := c.CombinedOutput()
		return string(out), c.ProcessState.ExitCode()
	}
	for _, argv := range [][]string{{"rpmbuild", "-bb", "--quiet", "iw-policy.spec"}, {"rpm", "--initdb"}, {"rpm", "--install", "--nodeps", dir + "/build/RPMS/noarch/iw-policy-1.2-1.noarch.rpm"}} {
		if out, exit := run(argv...); exit != 0 {
			t.Fatalf("%v: exit status %d\n%s", argv, exit, out)
		}
	}
	archive, err := filepath.Glob(dir + "/build/RPMS/noarch/*.rpm")
	if err != nil || len(archive) != 1 {
		t.Fatal(archive, err)
	}
	diff := func(exit int, says string, options ...string) {
		t.Helper()
		out, got := run(append(append([]string{rig.Root + "/bin/ironwrapctl", "diff", "--against-package"}, options...), conf)...)
		if got != exit || !strings.Contains(out, says) {
			t.Errorf("%v: exit status %d, not %d, or %q is missing:\n%s", options, got, exit, says, out)
		}
	}
	diff(0, "The same: no command is decided differently.")
	rig.Write(t, changed, strings.Replace(filters, ", x\n", ", [x-y]\n", 1))
	diff(2, "dnf download iw-policy-1.2-1.noarch")
	diff(1, "$ iw-tool y", "--archive", archive[0])
	rig.Write(t, changed+".rpmnew", filters)
	diff(1, "$ iw-tool y")
	if err := os.Remove(changed); err != nil {
		t.Fatal(err)
	}
	diff(1, "narrower  allowed by OLD only")
	conf = dir + "/own.conf"
	rig.Write(t, conf, "[DEFAULT]\nfilters_path="+dir+"/etc/d\n")
	diff(2, "no package that dpkg-query or rpm knows has brought it")
}
