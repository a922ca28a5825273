// Command ironwrap runs one command with the rights that oslo.rootwrap's
// configuration gives it: it decides, drops to the run-as user, and becomes the
// command.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"fmt"
	"os"
	"time"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/reading"
	_ "ironwrap/exec/stack"
	"ironwrap/exec/stderr"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
	"ironwrap/sandbox"
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
			status = fail(exec.BadConfig, "internal error, nothing was executed: %v", bug)
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
		return fail(exec.BadConfig, "%v", err)
	}
	if len(argv) < 3 {
		return fail(exec.NoCommand, "No command specified")
	}
	config, words := argv[1], filters.Words(argv[2:])
	go func() {
		sandbox.Sleep(patience)
		say.Late(fmt.Sprintf("nothing was executed: waited %v for a file or a name service: does a server not answer (NFS, LDAP)?", patience))
		os.Exit(exec.BadConfig)
	}()

	level := trust.Object
	if caller.Setuid() {
		level = trust.Ancestors
		if err := exec.FixedConfig(config); err != nil {
			return fail(exec.BadConfig, "Incorrect configuration file: %v", err)
		}
	}
	road := new(trust.Road)
	p, err := reading.Load(reading.Request{Path: config, Level: level, Argv: words, Keep: !caller.Setuid(), Road: road})
	if err != nil && caller.Setuid() {
		// Who may call is not known then, and a stranger shall not learn from the
		// fault what lies below ConfigDir.
		audit.New(name, policy.Unusable(config), caller).Refused(audit.BadConfig, words, err.Error())
		return fail(exec.BadConfig, "Incorrect configuration file: %s cannot be used; the system log says why", filters.Show(config))
	}
	if err != nil {
		return fail(exec.BadConfig, "Incorrect configuration file: %v", err)
	}
	log := audit.New(name, p, caller)
	if err := caller.MayCall(p); err != nil {
		log.Refused(audit.NotAllowed, words, err.Error())
		return fail(exec.Unauthorized, "%v", err)
	}
	log.Warnings()

	machine.Lost = func(why string) int { return fail(exec.BadConfig, "%s", why) }
	m := machine.New(p.ExecDirs, p.Trust)
	m.Road = road
	d := p.Decide(policy.Request{Argv: words, Machine: m})
	road.Close()
	if d.Verdict != policy.Allowed {
		log.Refused(audit.What(d.Verdict), words, d.Why)
		status, text := exec.Refusal(d, words)
		return fail(status, "%s", text)
	}

	plan, err := exec.NewPlan(d, caller)
	if err != nil {
		log.Refused(audit.NotRun, words, err.Error())
		return fail(exec.BadConfig, "%v", err)
	}
	if err := log.Executing(d); err != nil {
		return fail(exec.BadConfig, "%v", err)
	}

	if plan.Spec.Seccomp != nil {
		say.Filtered()
	}
	err = exec.Replace(plan, stderr.Release)

	status, text := exec.Failure(d, err)
	return fail(status, "%s", text)
}
