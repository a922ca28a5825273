package oneshot

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

// peerTests runs the peer's own class RootwrapTest, as Debian ships it, against
// the program that is its argument; without one against the peer. With a daemon and a
// socket behind it the program is ironwrap-call. It prints one JSON object: the names that
// the class has, and what became of each.
//
// Nothing in the class is changed but the command line of setUp, with one
// exception that the peer needs too: test_run_as compares str with the bytes
// that execute returns, and so fails as root on any program. It is run as it is,
// and a second time with bytes taken for text.
const peerTests = `
import json, subprocess, sys, unittest
from oslo_rootwrap.tests import test_functional

class Test(test_functional.RootwrapTest):
    def setUp(self):
        super().setUp()
        if sys.argv[1:]:
            self.cmd = [sys.argv[1], self.config_file]
        if sys.argv[2:]:
            with open(self.config_file, 'a') as f:
                f.write('\ncall_socket=' + sys.argv[3] + '\n')
            daemon = subprocess.Popen([sys.argv[2], self.config_file], stdout=subprocess.PIPE)
            self.addCleanup(daemon.wait)
            self.addCleanup(daemon.terminate)
            daemon.stdout.read()
            daemon.stdout.close()
            self.cmd = [sys.argv[1], sys.argv[3]]

class TestText(Test):
    def execute(self, cmd, stdin=None):
        code, out, err = super().execute(cmd, stdin)
        return code, out.decode(), err.decode()

class Result(unittest.TestResult):
    def __init__(self, outcome):
        super().__init__()
        self.outcome = outcome
    def put(self, test, what):
        self.outcome[test.id().rpartition('.')[2]] = what
    def addSuccess(self, test, details=None): self.put(test, 'ok')
    def addSkip(self, test, reason=None, details=None): self.put(test, 'skipped')
    def addFailure(self, test, err=None, details=None): self.put(test, 'failed: ' + str(err and err[1]))
    def addError(self, test, err=None, details=None): self.put(test, 'error: ' + str(err and err[1]))
    def addExpectedFailure(self, test, err=None, details=None): self.put(test, 'expected failure')
    def addUnexpectedSuccess(self, test, details=None): self.put(test, 'unexpected success')

out = {'names': sorted(n for n in dir(test_functional.RootwrapTest) if n.startswith('test'))}
for key, case, names in ('unchanged', Test, out['names']), ('text', TestText, ['test_run_as']):
    out[key] = {}
    for name in names:
        case(name).run(Result(out[key]))
print(json.dumps(out))
`

// The peer's functional tests of the one-shot command are ours too.
func TestPeerFunctional(t *testing.T) {
	rig.Need(t, "python3-testtools", "/usr/lib/python3/dist-packages/testtools/__init__.py")
	rig.Need(t, "python3-fixtures", "/usr/lib/python3/dist-packages/fixtures/__init__.py")

	type report struct {
		Names           []string
		Unchanged, Text map[string]string
	}
	tests := func(program ...string) report {
		c := exec.Command("/usr/bin/python3", append([]string{"-E", "-s", "-c", peerTests}, program...)...)
		c.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
		r := rig.RunCmd(t, c)
		var rep report
		if err := json.Unmarshal([]byte(r.Out), &rep); r.Status != 0 || err != nil {
			t.Fatalf("cannot run the peer's tests: %v\n%v", err, r)
		}
		return rep
	}
	theirs := tests()
	for _, program := range [][]string{{rig.Ours}, {rig.OursCall, rig.OursDaemon, rig.NewPolicy(t, "").Dir + "/s/t.call"}} {
		mine := tests(program...)
		t.Logf("%d tests of the peer: %s", len(mine.Names), strings.Join(mine.Names, ", "))
		// A later release may have more; none of these may be lost.
		for _, name := range []string{
			"test_run_as", "test_run_command_not_found", "test_run_once", "test_run_unauthorized_command",
			"test_run_with_bogus_path", "test_run_with_path", "test_run_with_stdin",
		} {
			if !slices.Contains(mine.Names, name) {
				t.Errorf("the peer's class has no %s any more", name)
			}
		}
		if len(mine.Unchanged) != len(mine.Names) || len(mine.Text) != 1 {
			t.Errorf("%d tests, but %d and %d outcomes", len(mine.Names), len(mine.Unchanged), len(mine.Text))
		}
		for _, name := range mine.Names {
			got := mine.Unchanged[name]
			if name == "test_run_as" && got != "ok" && got == theirs.Unchanged[name] {
				got = mine.Text[name]
			}
			if got != "ok" {
				t.Errorf("%s: %s: %s; of the peer itself: %s", program[0], name, got, theirs.Unchanged[name])
			}
		}
	}
}
