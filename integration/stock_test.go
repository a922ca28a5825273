package integration

import (
	"os"
	"testing"
)

// Debian gives /etc/neutron to the service, with root's rootwrap.conf and
// rootwrap.d in it. That works as it stands; strict_paths refuses it, and says
// whose the directory is.
func TestServiceOwnedDirectory(t *testing.T) {
	p := newPolicy(t, "id: CommandFilter, id, nobody")
	if err := os.Chown(p.dir, int(caller.uid), int(caller.gid)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.dir, 0o770); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{peer, ours} {
		if r := throughSudo(t, program, p.conf, "id", "-u"); r.status != 0 || r.out != "65534\n" {
			t.Errorf("%s: %v", program, r)
		}
	}
	write(t, p.conf, "[DEFAULT]\nfilters_path="+p.dir+"/filters.d\nstrict_paths=yes\n")
	if r := throughSudo(t, ours, p.conf, "id", "-u"); r.status != 97 || r.out != "" {
		t.Errorf("strict_paths: %v", r)
	}
}
