package integration

import "testing"

// The two programs side by side, through sudo, in the plainest case.
func TestSmoke(t *testing.T) {
	p := newPolicy(t, "id: CommandFilter, id, nobody\ncat: CommandFilter, cat, root")
	for _, program := range []string{peer, ours} {
		if r := throughSudo(t, program, p.conf, "id", "-u"); r.status != 0 || r.out != "65534\n" {
			t.Errorf("%s: id -u: %v", program, r)
		}
		if r := throughSudo(t, program, p.conf, "mkfs"); r.status != 99 {
			t.Errorf("%s: mkfs: %v", program, r)
		}
	}
}
