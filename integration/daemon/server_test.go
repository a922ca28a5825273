package daemon

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"ironwrap/integration/rig"
)

// spareLaunchers wait in a daemon that does nothing.
const spareLaunchers = 4

// alive complains if the daemon has ended.
func alive(s *rig.Server) {
	s.Helper()
	select {
	case <-s.Gone:
		s.Fatalf("the daemon has ended: %v; %s", s.State, s.ErrOut())
	default:
	}
}

// children are those that are spares, or commands. Not counted are launchers that
// have stayed and wait: how many there are depends on how many commands ran at once.
func children(s *rig.Server) []string {
	return slices.DeleteFunc(s.Below(), stayed)
}

// stayed tells whether a process is a launcher that has been through the privileged
// section: unlike a spare it does not ignore SIGTSTP any more.
func stayed(pid string) bool {
	exe, _ := os.Readlink("/proc/" + pid + "/exe")
	status, err := os.ReadFile("/proc/" + pid + "/status")
	ignored, _ := strconv.ParseUint(rig.Fields(string(status))["SigIgn"], 16, 64)
	return err == nil && strings.HasSuffix(strings.TrimSuffix(exe, " (deleted)"), "/ironwrap-launch") && ignored&(1<<(syscall.SIGTSTP-1)) == 0
}
