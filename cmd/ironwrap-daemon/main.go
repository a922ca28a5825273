// Command ironwrap-daemon serves the protocol of oslo.rootwrap's daemon: it loads
// the policy once, and decides about each request of its clients as ironwrap does.
package main

import (
	"fmt"
	"os"
	"runtime"

	"ironwrap/exec"
	"ironwrap/exec/daemon"
	"ironwrap/exec/stderr"
	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// Exit statuses, the peer's.
const (
	badConfig = 97
	wrongUse  = 98
)

const usage = `usage: ironwrap-daemon CONFIG

Runs commands for clients that speak the protocol of oslo.rootwrap's daemon, as
the filters that CONFIG (a rootwrap.conf) leads to allow them. It must be run as
root, in most cases through sudo by a service that has it as root_helper_daemon.
It prints the path of its socket and the key for it, and ends when nobody has asked
for daemon_timeout seconds, or on SIGTERM. SIGHUP makes it read CONFIG again.

exit status: 0, or
  97  the configuration cannot be used or trusted, or the daemon cannot be set up
  98  other arguments than CONFIG
`

// version is set by the build.
var version = "unknown"

// What gives the process up (package stderr) must be the leading thread.
func init() { runtime.LockOSThread() }

func main() { os.Exit(run(os.Args)) }

func run(argv []string) int {
	name := stderr.Name(argv, "ironwrap-daemon", "-rootwrap-daemon")
	starter, err := exec.Take()
	say := stderr.New(name, starter.Owner())
	fail := func(status int, format string, args ...any) int {
		say.Last(fmt.Sprintf(format, args...))
		return status
	}
	switch {
	case len(argv) == 2 && argv[1] == "--version":
		say.Print("ironwrap-daemon " + version + "\n")
		return 0
	case len(argv) == 2 && argv[1] == "--help":
		say.Print(usage)
		return 0
	case len(argv) < 2:
		return fail(wrongUse, "No configuration specified")
	case len(argv) > 2:
		return fail(wrongUse, "Extra arguments to daemon")
	case err != nil:
		return fail(badConfig, "%v", err)
	case starter.Setuid():
		return fail(badConfig, "not made to be setuid root: take the bit away (chmod u-s), and start it through sudo")
	}
	starter.Look()
	p, err := policy.Load(argv[1], trust.Object, inifile.Parse)
	if err != nil {
		return fail(badConfig, "Incorrect configuration file: %v", err)
	}
	if err := daemon.Run(name, p, starter); err != nil {
		return fail(badConfig, "%v", err)
	}
	return 0
}
