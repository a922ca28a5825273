package services

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

const linux = "neutron.tests.functional.agent.linux."

// Those of neutron's functional tests that need no Open vSwitch.
var functional = []string{
	"test_async_process", "test_bridge_lib", "test_dhcp", "test_interface", "test_ip_lib", "test_ipset", "test_iptables",
	"test_keepalived", "test_l3_tc_lib", "test_netlink_lib", "test_process_monitor", "test_tc_lib", "test_utils",
}

// A minute of them.
var selection = []string{
	"test_ip_lib.IpLibTestCase", "test_ipset", "test_netlink_lib", "test_process_monitor", "test_utils",
}

// daemons are the ways in which an agent asks for a command: one at a time, and by the
// daemon. Its privsep helpers come by the first in both.
var daemons = []string{"", "-daemon"}

// Every functional test of neutron's that passes through the peer passes through ironwrap.
func TestFunctional(t *testing.T) {
	names := selection
	if *all {
		names = functional
	}
	for _, daemon := range daemons {
		t.Run("rootwrap"+daemon, func(t *testing.T) {
			theirs, mine := outcomes(t, peer("neutron"), daemon, names), outcomes(t, ours, daemon, names)
			passed := 0
			var again []string
			for test, o := range theirs {
				if o.Outcome != "ok" {
					continue
				}
				passed++
				if mine[test].Outcome != "ok" {
					again = append(again, strings.TrimPrefix(test, linux))
				}
			}
			slices.Sort(again)
			t.Logf("%d of %d tests pass through the peer; these of them not through ironwrap, at first: %q", passed, len(theirs), again)
			if passed < len(names) {
				t.Errorf("the peer passes %d tests: %v", passed, theirs)
			}
			if len(again) == 0 {
				return
			}
			// Many wait for a moment that a busy machine does not keep.
			for test, o := range outcomes(t, ours, daemon, again) {
				if o.Outcome != "ok" {
					t.Errorf("%s passes through the peer: %s: %s", test, o.Outcome, o.Why)
				}
			}
		})
	}
}

type outcome struct{ Test, Outcome, Why string }

// outcomes runs tests, by what stands behind "sudo".
func outcomes(t *testing.T, program, daemon string, names []string) map[string]outcome {
	t.Helper()
	env := []string{"OS_SUDO_TESTING=1", "OS_LOG_PATH=/tmp/logs", "OS_ROOTWRAP_CMD=sudo -n " + program + " /etc/neutron/rootwrap.conf"}
	if daemon != "" {
		env = append(env, "OS_ROOTWRAP_DAEMON_CMD=sudo -n "+program+daemon+" /etc/neutron/rootwrap.conf")
	}
	argv := []string{"python3", "/opt/functional.py"}
	for _, name := range names {
		argv = append(argv, linux+name)
	}
	list := map[string]outcome{}
	lines := json.NewDecoder(bytes.NewReader(play(t, "neutron", nil, env, argv...)))
	for lines.More() {
		var o outcome
		if err := lines.Decode(&o); err != nil {
			t.Fatal(err)
		}
		list[o.Test] = o
	}
	return list
}
