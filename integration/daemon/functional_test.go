package daemon

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"ironwrap/integration/rig"
	"ironwrap/integration/rig/debian"
)

// peerDaemonTests runs the peer's own class RootwrapDaemonTest, as Debian ships it,
// against the daemon that is its argument; without one against the peer's. Nothing
// in the class is changed but the command that its client starts. It prints one
// JSON object, as peerTests does.
const peerDaemonTests = `
import json, os, sys, unittest
from unittest import mock
from oslo_rootwrap import client
from oslo_rootwrap.tests import test_functional
if os.environ.get('TEST_EVENTLET'):
    from oslo_rootwrap.tests import test_functional_eventlet as module
else:
    module = test_functional

class Test(module.RootwrapDaemonTest):
    def setUp(self):
        real = client.Client
        def substitute(command):
            return real([sys.argv[1], command[-1]] if sys.argv[1:] else command)
        with mock.patch.object(client, 'Client', substitute):
            super().setUp()

class Result(unittest.TestResult):
    def __init__(self, outcome):
        super().__init__()
        self.outcome = outcome
    def put(self, test, what):
        self.outcome[test.id().rpartition('.')[2]] = what
    def say(self, what, err, details):
        text = str(err[1]) if err else ''.join(d.as_text() for d in (details or {}).values())
        return what + ': ' + text
    def addSuccess(self, test, details=None): self.put(test, 'ok')
    def addSkip(self, test, reason=None, details=None): self.put(test, 'skipped')
    def addFailure(self, test, err=None, details=None): self.put(test, self.say('failed', err, details))
    def addError(self, test, err=None, details=None): self.put(test, self.say('error', err, details))
    def addExpectedFailure(self, test, err=None, details=None): self.put(test, 'expected failure')
    def addUnexpectedSuccess(self, test, details=None): self.put(test, 'unexpected success')

slow = ['test_daemon_timeout', 'test_eventlet_threads']
names = sorted(n for n in dir(module.RootwrapDaemonTest) if n.startswith('test'))
outcomes = {}
for name in names:
    if name == os.environ['TESTS'] or os.environ['TESTS'] == 'others' and name not in slow:
        Test(name).run(Result(outcomes))
print(json.dumps({'names': names, 'outcomes': outcomes}))
`

// The peer's functional tests of its daemon are ours too, by the plain client and
// by that of a service that uses eventlet.
func TestDaemonPeerFunctional(t *testing.T) {
	t.Parallel()
	rig.Need(t, "python3-testtools", "/usr/lib/python3/dist-packages/testtools/__init__.py")
	rig.Need(t, "python3-fixtures", "/usr/lib/python3/dist-packages/fixtures/__init__.py")

	type report struct {
		Names    []string
		Outcomes map[string]string
	}
	var theirs, mine, green report
	var all sync.WaitGroup
	var mu sync.Mutex
	tests := func(to *report, env []string, program ...string) {
		// Two of the tests sleep for a quarter of a minute.
		for _, part := range []string{"test_daemon_timeout", "test_eventlet_threads", "others"} {
			all.Go(func() {
				c := exec.Command("/usr/bin/python3", append([]string{"-s", "-c", peerDaemonTests}, program...)...)
				c.Env = append([]string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TESTS=" + part}, env...)
				r := rig.RunCmd(t, c)
				mu.Lock()
				defer mu.Unlock()
				at := strings.LastIndex(strings.TrimSpace(r.Out), "\n") + 1
				if err := json.Unmarshal([]byte(r.Out[at:]), to); r.Status != 0 || err != nil {
					t.Errorf("cannot run the peer's tests: %v\n%v", err, r)
				}
			})
		}
	}
	tests(&mine, nil, rig.OursDaemon)
	tests(&green, []string{"TEST_EVENTLET=1", "PYTHONPATH=" + unpacked(t, "python3-eventlet", "python3-greenlet", "python3-dnspython", "python3-six")}, rig.OursDaemon)
	all.Wait()

	t.Logf("%d tests of the peer: %s", len(mine.Names), strings.Join(mine.Names, ", "))
	// A later release may have more; none of these may be lost.
	for _, name := range []string{
		"test_daemon_cleanup_client", "test_daemon_cleanup_signal", "test_daemon_ressurection", "test_daemon_timeout",
		"test_graceful_death", "test_run_as", "test_run_command_not_found", "test_run_once", "test_run_unauthorized_command",
		"test_run_with_bogus_path", "test_run_with_later_install_cmd", "test_run_with_path", "test_run_with_stdin",
	} {
		if !slices.Contains(mine.Names, name) {
			t.Errorf("the peer's class has no %s any more", name)
		}
	}
	if !slices.Contains(green.Names, "test_eventlet_threads") {
		t.Errorf("the peer's class has no test of eventlet any more: %q", green.Names)
	}
	if slices.ContainsFunc(slices.Collect(maps.Values(mine.Outcomes)), func(got string) bool { return got != "ok" }) {
		tests(&theirs, nil) // is it them?
		all.Wait()
	}
	for who, r := range map[string]report{"plain client": mine, "client with eventlet": green} {
		if len(r.Names) != len(r.Outcomes) {
			t.Errorf("%s: %d tests, but %d outcomes", who, len(r.Names), len(r.Outcomes))
		}
		for _, name := range r.Names {
			if got := r.Outcomes[name]; got != "ok" {
				t.Errorf("%s: %s: %s; of the peer itself: %s", who, name, got, theirs.Outcomes[name])
			}
		}
	}
}

// unpacked returns a directory for PYTHONPATH with Debian packages that must not be
// installed: where eventlet is, the peer loads it with every command, which makes
// it ten times slower, and all other tests with it.
func unpacked(t testing.TB, packages ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := debian.Unpack(dir, packages...); err != nil {
		t.Fatal(err)
	}
	return dir + "/usr/lib/python3/dist-packages"
}
