package oneshot

import (
	"os"
	"testing"

	"ironwrap/integration/rig"
)

// Debian gives /etc/neutron to the service, with root's rootwrap.conf and
// rootwrap.d in it. That works as it stands; strict_paths refuses it, and says
// whose the directory is.
func TestServiceOwnedDirectory(t *testing.T) {
	p := rig.NewPolicy(t, "id: CommandFilter, id, nobody")
	if err := os.Chown(p.Dir, int(rig.Caller.UID), int(rig.Caller.GID)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.Dir, 0o770); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{rig.Peer, rig.Ours} {
		if r := rig.ThroughSudo(t, program, p.Conf, "id", "-u"); r.Status != 0 || r.Out != "65534\n" {
			t.Errorf("%s: %v", program, r)
		}
	}
	rig.Write(t, p.Conf, "[DEFAULT]\nfilters_path="+p.Dir+"/filters.d\nstrict_paths=yes\n")
	if r := rig.ThroughSudo(t, rig.Ours, p.Conf, "id", "-u"); r.Status != 97 || r.Out != "" {
		t.Errorf("strict_paths: %v", r)
	}
}
