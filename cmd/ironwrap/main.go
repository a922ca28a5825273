// Command ironwrap runs one command with the rights that oslo.rootwrap's
// configuration gives it: it decides, drops to the run-as user, and becomes the
// command.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/launch"
	"ironwrap/exec/reading"
	_ "ironwrap/exec/stack"
	"ironwrap/exec/stderr"
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

// The program is an init function: these run on the startup thread (package runtime,
// LockOSThread), which is to become the command. To keep main on it takes one thread more.
func init() { os.Exit(run(os.Args)) }

func main() {}

func run(argv []string) (status int) {
	name := stderr.Name(argv, "ironwrap", "-rootwrap")
	aside := stderr.Hold()
	caller, err := exec.Take()
	say := stderr.New(name, caller.Owner())
	fail := func(status int, format string, args ...any) int {
		say.Last(fmt.Sprintf(format, args...))
		return status
	}
	defer func() {
		if bug := recover(); bug != nil {
			status = fail(badConfig, "internal error, nothing was executed: %v", bug)
		}
	}()
	switch {
	case len(argv) == 2 && argv[1] == "--version":
		say.Print("ironwrap " + version + "\n")
		return 0
	case len(argv) == 2 && argv[1] == "--help":
		say.Print(usage)
		return 0
	}
	if err == nil {
		err = aside
	}
	if err == nil {
		err = sandbox.Uncatch()
	}
	// A server that is gone shall not hold a service up for ever, nor a caller this
	// process. Should the message not come through, the kernel ends it.
	if err == nil {
		err = sandbox.Deadline(patience + 5*time.Second)
	}
	if err != nil {
		return fail(badConfig, "%v", err)
	}
	if len(argv) < 3 {
		return fail(noCommand, "No command specified")
	}
	config, words := argv[1], filters.Words(argv[2:])
	go func() {
		sandbox.Sleep(patience)
		say.Late(fmt.Sprintf("nothing was executed: waited %v for a file or a name service: does a server not answer (NFS, LDAP)?", patience))
		os.Exit(badConfig)
	}()

	level := trust.Object
	if caller.Setuid() {
		level = trust.Ancestors
		if err := exec.FixedConfig(config); err != nil {
			return fail(badConfig, "Incorrect configuration file: %v", err)
		}
	}
	road := new(trust.Road)
	p, err := reading.Load(reading.Request{Path: config, Level: level, Argv: words, Keep: !caller.Setuid(), Road: road})
	if err != nil && caller.Setuid() {
		// Who may call is not known then, and a stranger shall not learn from the
		// fault what lies below ConfigDir.
		audit.New(name, policy.Unusable(config), caller).Refused(audit.BadConfig, words, err.Error())
		return fail(badConfig, "Incorrect configuration file: %s cannot be used; the system log says why", filters.Show(config))
	}
	if err != nil {
		return fail(badConfig, "Incorrect configuration file: %v", err)
	}
	log := audit.New(name, p, caller)
	if err := caller.MayCall(p); err != nil {
		log.Refused(audit.NotAllowed, words, err.Error())
		return fail(unauthorized, "%v", err)
	}
	log.Warnings()

	machine.Lost = func(why string) int { return fail(badConfig, "%s", why) }
	m := machine.New(p.ExecDirs, p.Trust)
	m.Road = road
	d := p.Decide(policy.Request{Argv: words, Machine: m})
	road.Close()
	switch d.Verdict {
	case policy.Allowed:
	case policy.NotExecutable:
		log.Refused(audit.NotFound, words, d.Why)
		return fail(notExecutable, "Executable not found: %s (filter match = %s): %s",
			filters.Show(d.Filter.Exec()), filters.Show(d.Filter.Name), d.Why)
	case policy.TooLong:
		log.Refused(audit.NotRun, words, d.Why)
		return fail(badConfig, "%s", d.Why)
	default:
		log.Refused(audit.Unauthorized, words, d.Why)
		if d.Why != "" {
			return fail(unauthorized, "Unauthorized command: %s (no filter matched): %s", filters.Line(words), d.Why)
		}
		return fail(unauthorized, "Unauthorized command: %s (no filter matched); ironwrapctl explain tells why", filters.Line(words))
	}

	plan, err := exec.NewPlan(d, caller)
	if err != nil {
		log.Refused(audit.NotRun, words, err.Error())
		return fail(badConfig, "%v", err)
	}
	if err := log.Executing(d); err != nil {
		return fail(badConfig, "%v", err)
	}

	if len(plan.Spec.Seccomp) > 0 {
		say.Filtered()
	}
	err = exec.Replace(plan, stderr.Release)

	var program *launch.ExecError
	var signal *launch.SignalError
	switch {
	case errors.As(err, &program):
		return fail(notExecutable, "Executable not found: %s (filter match = %s): %v",
			program.Path.Show(), filters.Show(d.Filter.Name), program.Err)
	case errors.As(err, &signal):
		return fail(1, "%v", err)
	default:
		return fail(badConfig, "%v", err)
	}
}
