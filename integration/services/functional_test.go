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
var selection = []string{"test_ipset", "test_netlink_lib"}

// Every functional test of neutron's that passes through the peer passes through ironwrap,
// where an agent asks for one command at a time, and where it asks the daemon. Its privsep
// helpers come by the first in both.
func TestFunctional(t *testing.T) {
	ready(t)
	names, least, ways := selection, 9, []string{"-daemon"}
	if *all {
		names, least, ways = functional, 140, []string{"", "-daemon"}
	}
	for _, daemon := range ways {
		t.Run("rootwrap"+daemon, func(t *testing.T) {
			t.Parallel()
			var others []string
			passed := 0
			for test, o := range outcomes(t, ours, daemon, names) {
				if o.Outcome == "ok" {
					passed++
				} else {
					others = append(others, strings.TrimPrefix(test, linux))
				}
			}
			slices.Sort(others)
			t.Logf("%d tests pass; others: %q", passed, others)
			if passed < least {
				t.Errorf("%d tests pass, at least %d did", passed, least)
			}
			if len(others) == 0 {
				return
			}
			// Many wait for a moment that a busy machine does not keep.
			theirs, again := outcomes(t, peer("neutron"), daemon, others), outcomes(t, ours, daemon, others)
			for test, o := range theirs {
				if mine := again[test]; o.Outcome == "ok" && mine.Outcome != "ok" {
					t.Errorf("%s passes through the peer: %s: %s", test, mine.Outcome, mine.Why)
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
