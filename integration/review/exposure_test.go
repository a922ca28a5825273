package review

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"ironwrap/integration/rig"
	engine "ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/trust"
)

func credential(u rig.User) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.UID, Gid: u.GID}}
}

// packages are those whose policies are looked at, by service; manila keeps its
// files below /usr/share until it is configured.
var packages = map[string][]string{
	"neutron": {"neutron-common"}, "nova": {"nova-common", "nova-compute"}, "cinder": {"cinder-common"},
	"manila": {"manila-common"}, "designate": {"designate-common"}, "ironic": {"ironic-common"},
}

// debianPolicies unpacks the packages and returns each service's rootwrap.conf, whose
// only change is where things lie. Nothing is installed.
func debianPolicies(t *testing.T) map[string]string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-debian-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	unpacked := rig.Download(t)
	confs := map[string]string{}
	for name, packages := range packages {
		to := dir + "/" + name
		var files []string
		for _, p := range packages {
			for _, pattern := range []string{"/etc/" + name + "/rootwrap.d/*.filters", "/usr/share/" + name + "-common/rootwrap.d/*.filters"} {
				found, _ := filepath.Glob(unpacked + "/" + p + pattern)
				files = append(files, found...)
			}
		}
		if len(files) == 0 {
			t.Fatalf("the packages %v have no filters file", packages)
		}
		for _, f := range files {
			rig.Write(t, to+"/rootwrap.d/"+filepath.Base(f), rig.ReadFile(t, f))
		}
		conf := unpacked + "/" + packages[0] + "/etc/" + name + "/rootwrap.conf"
		if _, err := os.Stat(conf); err != nil {
			conf = unpacked + "/" + packages[0] + "/usr/share/" + name + "-common/rootwrap.conf"
		}
		text := regexp.MustCompile(`(?m)^filters_path *=.*$`).ReplaceAllString(rig.ReadFile(t, conf), "filters_path="+to+"/rootwrap.d")
		confs[name] = to + "/rootwrap.conf"
		rig.Write(t, confs[name], text)
	}
	return confs
}

// assessed is what Debian's policy of a service gives away.
func assessed(t *testing.T, conf string) exposure.Report {
	t.Helper()
	p, err := engine.Load(conf, trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	return exposure.Assess(p, exposure.Machine{Find: func(name, runAs string) (string, error) {
		found, err := machine.New(p.ExecDirs, p.Trust).Find(name, runAs)
		return found.Path, err
	}})
}

// TestExposureDebian: what is known of Debian's policies is found in them, and what
// is not so is not claimed.
func TestExposureDebian(t *testing.T) {
	confs := debianPolicies(t)
	found := map[string]map[string]exposure.Filter{}
	for service, conf := range confs {
		r := assessed(t, conf)
		if r.Score != 10 || len(r.Filters) == 0 || len(r.Reasons) == 0 {
			t.Errorf("%s: score %v, %d filters, %d reasons", service, r.Score, len(r.Filters), len(r.Reasons))
		}
		found[service] = map[string]exposure.Filter{}
		for _, f := range r.Filters {
			found[service][f.Name.Raw()] = f
			if (f.Score == 0) != (len(f.Cells) == 0 || f.Cells[0].Score == 0) {
				t.Errorf("%s: %s has score %v and %+v", service, f.Name, f.Score, f.Cells)
			}
		}
	}
	for _, c := range []struct {
		service, filter, power string
		score                  exposure.Score // of the filter
		extent                 string         // of the power; "" where the filter has not got it
	}{
		// echo '((.|\n)*)' > /.* and rm -f /.*/\*\.conf take more commands.
		{"manila", "shcat", "run", 10, exposure.Whole},
		{"manila", "rmconf", "run", 10, exposure.Whole},
		{"manila", "sed", "run", 10, exposure.Whole},
		{"manila", "tee", "write", 10, exposure.Whole},
		{"manila", "cat", "read", 7, exposure.Whole},
		{"manila", "cat", "write", 7, ""},
		{"manila", "dbus-addexport", "services", 2.4, exposure.Part},
		{"manila", "ls", "read", 0.3, ""},
		{"manila", "mmlsattr", "arguments", exposure.NotAssessed, exposure.Whole},

		{"cinder", "dd", "device", 10, exposure.Whole},
		{"cinder", "lvs3", "write", 10, exposure.Whole}, // LVM_SYSTEM_DIR
		{"cinder", "chgrp", "owner", 10, exposure.Whole},
		{"cinder", "netapp_nfs_find", "destroy", 7, exposure.Whole}, // -delete in the place of the directory
		{"cinder", "netapp_nfs_find", "run", 7, ""},
		{"cinder", "find_maxdepth_inum", "run", 7, ""},
		{"cinder", "ionice_1", "run", 0.2, ""},
		{"cinder", "privsep-rootwrap", "run", 10, exposure.Whole},
		{"cinder", "stat", "read", 0.3, ""},

		{"neutron", "haproxy", "code", 10, exposure.Whole},
		{"neutron", "ip", "run", 6, ""},
		{"neutron", "ip", "network", 6, exposure.Whole},
		{"neutron", "ip_exec", "namespace", 2.4, exposure.Part},
		{"neutron", "sleep", "run", 0.2, ""},
		{"neutron", "privsep", "run", 0, ""}, // a PathFilter that is written as a pattern: no command matches

		{"nova", "privsep-rootwrap-sys_admin", "write", 10, exposure.Whole},
		{"nova", "privsep-rootwrap-sys_admin", "run", 10, ""},
		{"designate", "tcpclient", "run", 10, exposure.Whole},
		{"designate", "rndc", "services", 7, exposure.Whole},
		{"ironic", "mount", "mount", 10, exposure.Whole},
		{"ironic", "umount", "mount", 6, ""},
	} {
		f, ok := found[c.service][c.filter]
		if !ok {
			t.Errorf("%s has no filter %s", c.service, c.filter)
			continue
		}
		extent := ""
		for _, cell := range f.Cells {
			if cell.Power == c.power && cell.Extent != exposure.Implied {
				extent = cell.Extent
			}
		}
		if f.Score != c.score || extent != c.extent {
			t.Errorf("%s: %s has score %v, and of %s %q; want %v and %q", c.service, c.filter, f.Score, c.power, extent, c.score, c.extent)
		}
	}
}

// TestExposureShown: commands that the report gives as examples do what it says when
// ironwrap itself runs them.
func TestExposureShown(t *testing.T) {
	rig.Need(t, "lvm2", "/usr/sbin/lvs")
	p := rig.NewPolicy(t, `shcat: RegExpFilter, sh, root, sh, -c, echo '((.|\n)*)' > /.*
find: RegExpFilter, find, root, find, ^[/]*([^/\0]+(/+)?)*$, -maxdepth, \d+, -name, img-cache.*, -amin, \+\d+
lvs: EnvFilter, env, root, LVM_SYSTEM_DIR=, lvs
pvs: CommandFilter, pvs, root`)
	for name, f := range byName(assessed(t, p.Conf)) {
		if f.Score < 7 {
			t.Errorf("%s: %+v", name, f.Cells)
		}
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o755)

	// A shell command within the pattern.
	rig.Start(t, p, "sh", "-c", "echo ''; touch "+dir+"/ran; echo '' > /dev/null")
	if _, err := os.Stat(dir + "/ran"); err != nil {
		t.Error("the shell ran nothing of the caller's")
	}

	// -delete for a directory, where the caller stands.
	rig.Write(t, dir+"/here/file", "")
	r := rig.StartIn(t, dir+"/here", p, "find", "-delete", "-maxdepth", "1", "-name", "img-cachex", "-amin", "+1")
	if _, err := os.Stat(dir + "/here/file"); err == nil {
		t.Errorf("find deleted nothing: %v", r)
	}

	// A configuration of the caller's, and an option that does the same.
	rig.Write(t, dir+"/lvm/lvm.conf", "log {\n file = \""+dir+"/log1\"\n level = 7\n}\n")
	rig.Start(t, p, "env", "LVM_SYSTEM_DIR="+dir+"/lvm", "lvs", "words-of-mine")
	rig.Start(t, p, "pvs", "--config", "log{file=\""+dir+"/log2\" level=7}", "words-of-mine")
	for _, log := range []string{"/log1", "/log2"} {
		if text, err := os.ReadFile(dir + log); err != nil || !strings.Contains(string(text), "words-of-mine") {
			t.Errorf("LVM wrote nothing to %s: %v", log, err)
		}
	}
}

func byName(r exposure.Report) map[string]exposure.Filter {
	all := map[string]exposure.Filter{}
	for _, f := range r.Filters {
		if f.File != "" {
			all[f.Name.Raw()] = f
		}
	}
	return all
}
