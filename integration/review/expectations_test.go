package review

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// TestExpectationsDebian: the example suite holds for Debian's neutron filters, touches
// all of them that can match, and finds each of some changes.
func TestExpectationsDebian(t *testing.T) {
	conf := debianPolicies(t)["neutron"]
	suite, err := filepath.Abs("../../docs/examples/neutron.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hold := func() rig.Result {
		return rig.RunCmd(t, exec.Command(rig.Ctl(t), "test", "--config", conf, suite))
	}
	r := hold()
	if r.Status != 0 || !strings.Contains(r.Out, ", 0 not met\n") || strings.Count(r.Out, "no expectation:") != 1 || !strings.Contains(r.Out, "no expectation: privsep (PathFilter)") {
		t.Fatalf("%v\n%s", r, r.Out)
	}
	for _, c := range []struct{ file, from, to, found string }{
		{"rootwrap.filters", `sleep, \d+`, `sleep, .*`, `refuse sleep "5; id"`},
		{"rootwrap.filters", "ip: IpFilter", "ip: CommandFilter", "refuse ip -batch /tmp/commands"},
		{"rootwrap.filters", "dnsmasq: CommandFilter, dnsmasq, root", "dnsmasq: CommandFilter, dnsmasq, nobody", "dhcp: allow dnsmasq"},
		{"rootwrap.filters", "ip_exec: IpNetnsExecFilter, ip, root", "", "routers: allow ip netns exec qrouter-1 radvd"},
		{"rootwrap.filters", "haproxy, -f, .*", "haproxy, .*, .*, .*", "refuse haproxy -W -f"},
	} {
		path := filepath.Dir(conf) + "/rootwrap.d/" + c.file
		text := rig.ReadFile(t, path)
		changed := strings.Replace(text, c.from, c.to, 1)
		if changed == text {
			t.Fatalf("%s has no %q", c.file, c.from)
		}
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if r := hold(); r.Status != 1 || !strings.Contains(r.Out, c.found) {
			t.Errorf("%q instead of %q is not found: %v\n%s", c.to, c.from, r, r.Out)
		}
		rig.Write(t, path, text)
	}
}
