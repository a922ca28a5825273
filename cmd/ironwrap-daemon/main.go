// Command ironwrap-daemon serves the protocol of oslo.rootwrap's daemon: it loads
// the policy once, and decides about each request of its clients as ironwrap does.
package main

import (
	"fmt"
	"os"
	"path"

	"ironwrap/exec"
	"ironwrap/exec/daemon"
	"ironwrap/filters"
	"ironwrap/policy"
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

func main() { os.Exit(run(os.Args)) }

func run(argv []string) int {
	name := "ironwrap-daemon"
	if len(argv) > 0 {
		if _, base := path.Split(argv[0]); base != "" {
			name = base
		}
	}
	if len(argv) == 2 && argv[1] == "--version" {
		fmt.Println("ironwrap-daemon", version)
		return 0
	}
	if len(argv) == 2 && argv[1] == "--help" {
		fmt.Print(usage)
		return 0
	}
	if len(argv) < 2 {
		return fail(name, wrongUse, "No configuration specified")
	}
	if len(argv) > 2 {
		return fail(name, wrongUse, "Extra arguments to daemon")
	}

	starter, err := exec.Take()
	if err != nil {
		return fail(name, badConfig, "%v", err)
	}
	if starter.Setuid() {
		return fail(name, badConfig, "not made to be setuid root: take the bit away (chmod u-s), and start it through sudo")
	}
	p, err := policy.Load(argv[1], trust.Object)
	if err != nil {
		return fail(name, badConfig, "Incorrect configuration file: %v", err)
	}
	if err := daemon.Run(name, p, starter); err != nil {
		return fail(name, badConfig, "%v", err)
	}
	return 0
}

// fail prints one line and returns the exit status.
func fail(name string, status int, format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "%s: %s\n", filters.Untrusted(name), filters.Prose(fmt.Sprintf(format, args...)))
	return status
}
