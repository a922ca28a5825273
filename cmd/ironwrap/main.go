// Command ironwrap runs one command with the rights that oslo.rootwrap's
// configuration gives it: it decides, drops to the run-as user, and becomes the
// command.
package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
	"ironwrap/sandbox"
)

// Exit statuses, the peer's. A command that ran has its own.
const (
	notExecutable = 96
	badConfig     = 97
	noCommand     = 98
	unauthorized  = 99
)

const usage = `usage: ironwrap CONFIG COMMAND [ARGUMENT...]

Runs COMMAND as the filters that CONFIG (a rootwrap.conf) leads to allow it.
It must be run as root, in most cases through sudo.

exit status: the command's own, or
  96  a filter matched, but its program cannot be executed
  97  the configuration cannot be used or trusted, or the command not be run as it says
  98  no command was given
  99  no filter matched
`

// patience is how long it may take from the first file to execve(2): longer than a
// busy server needs, shorter than what waits for us.
const patience = time.Minute

// version is set by the build.
var version = "unknown"

func main() { os.Exit(run(os.Args)) }

func run(argv []string) (status int) {
	defer func() {
		if bug := recover(); bug != nil {
			status = fail("ironwrap", badConfig, "internal error, nothing was executed: %v", bug)
		}
	}()
	// Whoever calls execve(2) chooses argv, and may leave it empty (CVE-2021-4034).
	name := "ironwrap"
	if len(argv) > 0 {
		if _, base := path.Split(argv[0]); base != "" {
			name = base
		}
	}
	if len(argv) == 2 && argv[1] == "--version" {
		fmt.Println("ironwrap", version)
		return 0
	}
	if len(argv) == 2 && argv[1] == "--help" {
		fmt.Print(usage)
		return 0
	}

	caller, err := exec.Take()
	if err == nil {
		err = sandbox.Uncatch()
	}
	if err != nil {
		return fail(name, badConfig, "%v", err)
	}
	if len(argv) < 3 {
		return fail(name, noCommand, "No command specified")
	}
	config, words := argv[1], filters.Words(argv[2:])

	// A server that is gone shall not hold a service up for ever.
	watchdog := time.AfterFunc(patience, func() {
		os.Exit(fail(name, badConfig, "nothing was executed: waited %v for a file or a name service: does a server not answer (NFS, LDAP)?", patience))
	})
	defer watchdog.Stop()

	level := trust.Object
	if caller.Setuid() {
		level = trust.Ancestors
		if err := exec.FixedConfig(config); err != nil {
			return fail(name, badConfig, "Incorrect configuration file: %v", err)
		}
	}
	p, err := policy.Load(config, level)
	if err != nil && caller.Setuid() {
		// Who may call is not known then, and a stranger shall not learn from the
		// fault what lies below ConfigDir.
		audit.New(name, policy.Unusable(config), caller).Refused(words, "Incorrect configuration file: "+err.Error())
		return fail(name, badConfig, "Incorrect configuration file: %s cannot be used; the system log says why", filters.Untrusted(config))
	}
	if err != nil {
		return fail(name, badConfig, "Incorrect configuration file: %v", err)
	}
	log := audit.New(name, p, caller)
	if err := caller.MayCall(p); err != nil {
		log.Refused(words, err.Error())
		return fail(name, unauthorized, "%v", err)
	}
	log.Warnings()

	d := p.Decide(policy.Request{Argv: words, Machine: machine.New(p.ExecDirs, p.Trust)})
	switch d.Verdict {
	case policy.Allowed:
	case policy.NotExecutable:
		log.Refused(words, "Executable not found")
		return fail(name, notExecutable, "Executable not found: %s (filter match = %s): %s",
			filters.Untrusted(d.Filter.Exec()), filters.Untrusted(d.Filter.Name), d.Why)
	case policy.TooLong:
		log.Refused(words, d.Why)
		return fail(name, badConfig, "%s", d.Why)
	default:
		log.Refused(words, "Unauthorized command")
		if d.Why != "" {
			return fail(name, unauthorized, "Unauthorized command: %s (no filter matched): %s", filters.Line(words), d.Why)
		}
		return fail(name, unauthorized, "Unauthorized command: %s (no filter matched); ironwrapctl explain tells why", filters.Line(words))
	}

	plan, err := exec.NewPlan(d, caller)
	if err != nil {
		log.Refused(words, err.Error())
		return fail(name, badConfig, "%v", err)
	}
	if err := log.Executing(d); err != nil {
		return fail(name, badConfig, "%v", err)
	}

	err = exec.Replace(plan)

	var program *launch.ExecError
	var signal *launch.SignalError
	switch {
	case errors.As(err, &program):
		return fail(name, notExecutable, "Executable not found: %s (filter match = %s): %v",
			program.Path, filters.Untrusted(d.Filter.Name), program.Err)
	case errors.As(err, &signal):
		return fail(name, 1, "%v", err)
	default:
		return fail(name, badConfig, "%v", err)
	}
}

// fail prints one line and returns the exit status.
func fail(name string, status int, format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "%s: %s\n", filters.Untrusted(name), filters.Prose(fmt.Sprintf(format, args...)))
	return status
}
