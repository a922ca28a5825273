package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	engine "ironwrap/policy"
	"ironwrap/policy/exposure"
	"ironwrap/policy/trust"
)

func credential(u user) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.gid}}
}

// debian are the packages whose policies are looked at, by service; manila keeps its
// files below /usr/share until it is configured.
var debian = map[string][]string{
	"neutron": {"neutron-common"}, "nova": {"nova-common", "nova-compute"}, "cinder": {"cinder-common"},
	"manila": {"manila-common"}, "designate": {"designate-common"}, "ironic": {"ironic-common"},
}

var debianOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-debian-")
	return dir, err
})

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
	unpacked := download(t)
	confs := map[string]string{}
	for name, packages := range debian {
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
			write(t, to+"/rootwrap.d/"+filepath.Base(f), readFile(t, f))
		}
		conf := unpacked + "/" + packages[0] + "/etc/" + name + "/rootwrap.conf"
		if _, err := os.Stat(conf); err != nil {
			conf = unpacked + "/" + packages[0] + "/usr/share/" + name + "-common/rootwrap.conf"
		}
		text := regexp.MustCompile(`(?m)^filters_path *=.*$`).ReplaceAllString(readFile(t, conf), "filters_path="+to+"/rootwrap.d")
		confs[name] = to + "/rootwrap.conf"
		write(t, confs[name], text)
	}
	return confs
}
