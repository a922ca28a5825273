package rig

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A container with Docker's default capabilities, and no more.

const dockerCaps = "+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap,+net_bind_service,+sys_chroot,+kill,+audit_write"

// Contained is a command in such a bounding set.
func Contained(argv ...string) []string {
	return append([]string{"/usr/bin/setpriv", "--bounding-set=-all," + dockerCaps, "--inh-caps=-all"}, argv...)
}

const inContainer = "IRONWRAP_TEST_CONTAINED"

// InContainer tells whether the tests run in such a container, by RunContained.
func InContainer() bool { return os.Getenv(inContainer) != "" }

// RunContained runs tests of this program once more, in a container. run and skip are
// those of go test; at least so many must pass.
func RunContained(t *testing.T, run, skip string, least int) {
	t.Helper()
	if InContainer() {
		t.Fatal("a container in a container")
	}
	argv := Contained(Must(os.Executable()), "-test.v", "-test.run", run, "-test.skip", skip)
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(os.Environ(), inContainer+"=1")
	out, err := c.CombinedOutput()
	if passed := strings.Count(string(out), "--- PASS: "); err != nil || passed < least {
		var lines []string
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "===") && !strings.Contains(line, "--- PASS") {
				lines = append(lines, line)
			}
		}
		t.Errorf("%d passed: %v\n%s", passed, err, strings.Join(lines, ""))
	}
}
