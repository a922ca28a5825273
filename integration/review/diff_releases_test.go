package review

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// release downloads packages of a release of Debian that this machine need not have, and
// unpacks each. What apt knows of it is kept apart from the machine's own. Nothing is
// installed.
func release(t *testing.T, suite string, names ...string) (unpacked string) {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "unpacked"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const key = "/usr/share/keyrings/debian-archive-keyring.gpg"
	rig.Write(t, dir+"/sources.list", fmt.Sprintf("deb [signed-by=%s] %s %s main\n", key, archive(t), suite))
	apt := func(args ...string) {
		t.Helper()
		c := exec.Command("apt-get", append([]string{"-qq", "-o", "APT::Sandbox::User=root", "-o", "Dir::Etc::sourcelist=" + dir + "/sources.list", "-o", "Dir::Etc::sourceparts=-",
			"-o", "Dir::State::lists=" + dir + "/lists", "-o", "Dir::Cache=" + dir + "/cache", "-o", "Acquire::Languages=none"}, args...)...)
		c.Dir = dir + "/cache"
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("apt-get %v of Debian's %s (is the mirror reachable?): %v\n%s", args, suite, err, out)
		}
	}
	apt("update")
	apt(append([]string{"download"}, names...)...)
	for _, name := range names {
		debs, _ := filepath.Glob(dir + "/cache/" + name + "_*.deb")
		if len(debs) != 1 {
			t.Fatalf("%d files for package %s", len(debs), name)
		}
		if out, err := exec.Command("dpkg-deb", "-x", debs[0], dir+"/unpacked/"+name).CombinedOutput(); err != nil {
			t.Fatalf("cannot unpack %s: %v\n%s", debs[0], err, out)
		}
	}
	return dir + "/unpacked"
}

// archive is where this machine has Debian's packages from. apt knows whose they are once
// it was there.
func archive(t *testing.T) string {
	t.Helper()
	for range 2 {
		out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian").Output()
		if uri, _, _ := strings.Cut(string(out), "\n"); err == nil && uri != "" {
			return uri
		}
		exec.Command("apt-get", "update", "-qq").Run()
	}
	t.Fatal("apt does not say where Debian's packages are: apt-get indextargets")
	return ""
}

// TestDiffReleases: what the filters of neutron and cinder allow in the next release of
// Debian, from the packages, which are nobody's.
func TestDiffReleases(t *testing.T) {
	old, new := rig.Download(t), release(t, "trixie", "neutron-common", "cinder-common")
	for _, c := range []struct {
		service string
		options []string
		exit    int
		says    []string
	}{
		{"neutron", nil, 1, []string{
			"Different: 7 wider, 1 narrower; nothing else is decided differently.",
			"    $ conntrackd\n      OLD refuses it\n      NEW runs conntrackd as root by conntrackd (CommandFilter, /etc/neutron/rootwrap.d/rootwrap.filters:",
			"    $ dibbler-client\n      OLD runs dibbler-client as root",
		}},
		{"neutron", []string{"--format", "html"}, 1, []string{"<code>conntrackd</code>", "What is decided otherwise"}},
		{"neutron", []string{"--fail-on", "wider"}, 1, nil},
		{"cinder", nil, 0, []string{"The same: no command is decided differently."}},
	} {
		conf := "/etc/" + c.service + "/rootwrap.conf"
		args := append([]string{"diff", "--old-root", old + "/" + c.service + "-common", "--new-root", new + "/" + c.service + "-common"}, c.options...)
		cmd := exec.Command(rig.Ctl(t), append(args, conf, conf)...)
		out, _ := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != c.exit {
			t.Errorf("%s %v: exit status %d, not %d\n%s", c.service, c.options, got, c.exit, out)
		}
		for _, text := range c.says {
			if !strings.Contains(string(out), text) {
				t.Errorf("%s %v: %q is missing in\n%s", c.service, c.options, text, out)
			}
		}
	}
}
