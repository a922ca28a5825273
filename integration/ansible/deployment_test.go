package ansible

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const stockConf = "[DEFAULT]\nfilters_path=/etc/neutron/rootwrap.d\nexec_dirs=/sbin,/usr/sbin,/bin,/usr/bin\n"

// TestDeployments runs the lines of each section of docs/deployment.md in an imitation of
// the layout, and calls as the service does.
func TestDeployments(t *testing.T) {
	text, err := os.ReadFile(repository + "/docs/deployment.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^## `).Split(string(text), -1)[1:]
	layouts := map[string]struct {
		programs, secure, sudoers string
		more                      func(*testing.T, host)
	}{
		"kolla-ansible": {"/var/lib/kolla/venv/bin", "/var/lib/kolla/venv/bin:/usr/bin:/bin", pinned, func(t *testing.T, h host) {
			h.must("chown", "-R", "neutron:", "/etc/neutron")
			h.must("install", "-D", "/srv/ironwrap.tar", "/additions/ironwrap/ironwrap.tar")
		}},
		"openstack-ansible": {"/openstack/venvs/neutron-31.0.0/bin", "/openstack/venvs/neutron-31.0.0/bin:/usr/bin:/bin",
			"neutron ALL = (root) NOPASSWD: DIR/neutron-rootwrap\nneutron ALL = (root) NOPASSWD: DIR/neutron-rootwrap-daemon\n", nil},
		"openstack-helm": {"/var/lib/openstack/bin", "/usr/bin:/bin:/var/lib/openstack/bin", pinned, func(t *testing.T, h host) {
			h.must("rm", "-r", "/etc/neutron")
			h.write("/secret/rootwrap.conf", stockConf, 0o444)
			h.write("/etc/neutron/rootwrap.conf", "", 0o444)
			h.bind("/secret/rootwrap.conf", "/etc/neutron/rootwrap.conf")
			h.write("/map/..2026/l3.filters", "[Filters]\nid: CommandFilter, id, root\n", 0o444)
			h.must("ln", "-s", "..2026", "/map/..data")
			h.must("ln", "-s", "..data/l3.filters", "/map/l3.filters")
			h.must("mkdir", "/etc/neutron/rootwrap.d")
			h.bind("/map", "/etc/neutron/rootwrap.d")
		}},
		"Charms": {"/usr/bin", "/usr/bin:/bin", pinned, func(t *testing.T, h host) {
			h.must("rm", "-r", "/etc/neutron")
			h.neutronPackage("1")
		}},
	}
	for _, section := range sections {
		name, body, _ := strings.Cut(section, "\n")
		layout, known := layouts[name]
		delete(layouts, name)
		t.Run(name, func(t *testing.T) {
			if !known {
				t.Fatal("no imitation of this layout")
			}
			h := newHost(t)
			h.must("useradd", "--system", "--shell", "/bin/sh", "neutron")
			for _, program := range []string{"neutron-rootwrap", "neutron-rootwrap-daemon"} {
				h.write(layout.programs+"/"+program, "#!/bin/sh\necho the peer\n", 0o755)
			}
			h.write("/etc/neutron/rootwrap.conf", stockConf, 0o644)
			h.write("/etc/neutron/rootwrap.d/l3.filters", "[Filters]\nid: CommandFilter, id, root\n", 0o644)
			h.copyIn(tarball, "/srv/ironwrap.tar")
			if layout.more != nil {
				layout.more(t, h)
			}
			h.write("/etc/sudoers.d/neutron", "Defaults:neutron !requiretty, secure_path=\""+layout.secure+"\"\n"+strings.ReplaceAll(layout.sudoers, "DIR", layout.programs), 0o440)
			if r := h.call("id", "-u"); !strings.HasPrefix(r.out, "the peer") {
				t.Fatalf("before: %v", r)
			}
			lines := regexp.MustCompile(`(?m)^    (?:(?:\$|RUN) (.*)|ADD ironwrap.tar /)$`).FindAllStringSubmatch(body, -1)
			if len(lines) < 3 {
				t.Fatalf("lines: %q", lines)
			}
			for _, line := range lines {
				if line[1] == "" { // ADD unpacks
					line[1] = "tar -C / --no-same-owner -xf ironwrap.tar"
				}
				h.must("sh", "-ec", "cd /srv && "+line[1])
			}
			if r := h.call("id", "-u"); r != (result{0, "0\n"}) {
				t.Errorf("id: %v", r)
			}
			if r := h.call("mkfs"); r.status != 99 || !strings.HasPrefix(r.out, "neutron-rootwrap: Unauthorized command: mkfs") {
				t.Errorf("mkfs: %v", r)
			}
			switch name {
			case "openstack-ansible": // the service's own configuration
				h.write("/var/lib/own/rootwrap.conf", strings.ReplaceAll(stockConf, "/etc/neutron/rootwrap.d", "/var/lib/own/f"), 0o644)
				h.write("/var/lib/own/f/x.filters", "[Filters]\nsh: CommandFilter, sh, root\n", 0o644)
				h.must("chown", "-R", "neutron:", "/var/lib/own")
				r := h.run("runuser", "-u", "neutron", "--", "sudo", "-n", "neutron-rootwrap", "/var/lib/own/rootwrap.conf", "sh", "-c", "echo root")
				if r.status != 97 {
					t.Errorf("a configuration of the service's own: %v", r)
				}
			case "openstack-helm": // as Kubernetes makes the directory
				h.must("chmod", "777", "/map")
				if r := h.call("id", "-u"); r.status != 97 {
					t.Errorf("a directory that all may write to: %v", r)
				}
			case "Charms":
				h.neutronPackage("2")
				if r := h.call("id", "-u"); r != (result{0, "0\n"}) {
					t.Errorf("after an upgrade: %v", r)
				}
			}
		})
	}
	for name := range layouts {
		t.Errorf("docs/deployment.md has no section %s", name)
	}
}

const pinned = "neutron ALL = (root) NOPASSWD: DIR/neutron-rootwrap /etc/neutron/rootwrap.conf *\n" +
	"neutron ALL = (root) NOPASSWD: DIR/neutron-rootwrap-daemon /etc/neutron/rootwrap.conf\n"

// copyIn puts a file of this machine on the host.
func (h host) copyIn(from, to string) {
	h.Helper()
	if out, err := exec.Command("cp", "-r", from, h.dir+to).CombinedOutput(); err != nil {
		h.Fatalf("%v: %s", err, out)
	}
}

// bind mounts one path of the host at another, read-only.
func (h host) bind(from, to string) {
	h.Helper()
	h.must("mount", "--bind", "-o", "ro", from, to)
	h.Cleanup(func() { exec.Command("umount", "-l", h.dir+to).Run() })
}
