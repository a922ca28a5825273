package oneshot

import (
	"testing"

	"ironwrap/integration/rig"
)

// The two programs side by side, through sudo, in the plainest case.
func TestSmoke(t *testing.T) {
	p := rig.NewPolicy(t, "id: CommandFilter, id, nobody\ncat: CommandFilter, cat, root")
	for _, program := range []string{rig.Peer, rig.Ours} {
		if r := rig.ThroughSudo(t, program, p.Conf, "id", "-u"); r.Status != 0 || r.Out != "65534\n" {
			t.Errorf("%s: id -u: %v", program, r)
		}
		if r := rig.ThroughSudo(t, program, p.Conf, "mkfs"); r.Status != 99 {
			t.Errorf("%s: mkfs: %v", program, r)
		}
	}
}
