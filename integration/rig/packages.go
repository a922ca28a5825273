package rig

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ironwrap/integration/rig/debian"
)

type Service struct {
	Name     string
	Packages []string
}

// Services are deployments whose filter files Debian ships. The first package of
// each has the rootwrap.conf; the others add filters to it, as they do when they
// are installed.
var Services = []Service{
	{"neutron", []string{"neutron-common", "neutron-vpnaas-common", "python3-neutron-taas"}},
	{"nova", []string{"nova-common", "nova-compute"}},
	{"cinder", []string{"cinder-common"}},
	{"manila", []string{"manila-common"}},
	{"glance", []string{"glance-store-common", "os-brick-common"}},
	{"designate", []string{"designate-common"}},
	{"ironic", []string{"ironic-common"}},
	{"sahara", []string{"sahara-common"}},
	{"bagpipe", []string{"python3-networking-bagpipe"}},
	{"vpnaas", []string{"python3-neutron-vpnaas"}}, // the only KillFilters of Debian 12
}

// Download fetches the packages, unpacks each, and returns the directory that
// holds them by name, for all tests. Nothing is installed.
func Download(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(filepath.Dir(Ours), "packages")
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range Services {
		names = append(names, s.Packages...)
	}
	archives, err := debian.Download(dir, names...)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		if out, err := exec.Command("dpkg-deb", "-x", archives[i], dir+"/"+name).CombinedOutput(); err != nil {
			t.Fatalf("cannot unpack %s: %v\n%s", archives[i], err, out)
		}
	}
	return dir
}

// LayPackages copies the filters files of some packages to dir/rootwrap.d, and
// returns the text of their rootwrap.conf.
func LayPackages(t *testing.T, dir, unpacked string, packages []string) string {
	t.Helper()
	conf := "[DEFAULT]\nfilters_path=\nexec_dirs=\n"
	for _, name := range packages {
		err := filepath.WalkDir(unpacked+"/"+name, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			isConf := filepath.Base(path) == "rootwrap.conf"
			if !isConf && filepath.Ext(path) != ".filters" {
				return nil
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if isConf {
				conf = string(data)
			} else {
				Write(t, dir+"/rootwrap.d/"+filepath.Base(path), string(data))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return conf
}
