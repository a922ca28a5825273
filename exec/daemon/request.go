package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/daemon/wire"
	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

// Statuses of commands that did not run, the one-shot program's.
const (
	notExecutable = 96
	badConfig     = 97
	unauthorized  = 99
)

// patience is how long a request waits for one of max_children to end.
const patience = 30 * time.Second

// attempts is how often a request may meet a launcher that somebody has killed, all
// spares for one, before it took the order.
const attempts = spares + 2

// errStopping ends a connection without an answer to a request that has not begun:
// the client asks another daemon then, as when this one were gone.
var errStopping = errors.New("the daemon was told to stop")

// inTurn runs a command when its turn has come.
func (s *client) inTurn(argv []filters.Untrusted, in *input) (wire.Result, error) {
	d := s.d
	d.lastUsed.Store(time.Now().UnixNano())
	defer func() { d.lastUsed.Store(time.Now().UnixNano()) }()

	limit := d.policies.loaded().MaxChildren
	inside := d.children.enterNow(limit)
	if !inside {
		s.readAhead()
		ctx, cancel := context.WithTimeout(s.gone, patience)
		inside = d.children.enter(ctx, limit)
		cancel()
	}
	if inside {
		defer func() { d.children.leave(d.policies.loaded().MaxChildren) }()
	}
	switch {
	case d.stopped():
		return wire.Result{}, errStopping
	case !inside:
		d.metrics.request("busy", "", 0)
		return s.failed(badConfig, fmt.Errorf("not run: %d commands run, as many as max_children allows: try again later", limit)), nil
	}
	return s.run(argv, in), nil
}

// run decides about one request and carries it out.
func (s *client) run(argv []filters.Untrusted, in *input) wire.Result {
	d := s.d
	p := d.policies.current()
	caller := d.starter
	caller.Client = &s.who
	log := audit.New(d.name, p, caller)
	began := time.Now()
	if err := s.letIn(p); err != nil {
		d.metrics.request("denied", "", time.Since(began))
		log.Refused(audit.NotAllowed, argv, err.Error())
		return s.failed(unauthorized, err)
	}

	m := machine.New(p.ExecDirs, p.Trust)
	m.Road = new(trust.Road)
	defer m.Close()
	decision := p.Decide(policy.Request{Argv: argv, Machine: m, GivenUp: s.left})
	m.Road.Close() // a command may run for long
	if decision.Verdict == policy.TooLong {
		d.metrics.request("failed", "", time.Since(began))
		log.Refused(audit.NotRun, argv, decision.Why)
		return s.failed(badConfig, errors.New(decision.Why))
	}
	if decision.Verdict != policy.Allowed {
		if err := descriptors(); err != nil {
			d.metrics.request("failed", "", time.Since(began))
			log.Refused(audit.NotRun, argv, err.Error())
			return s.failed(badConfig, err)
		}
	}
	switch decision.Verdict {
	case policy.Allowed:
	case policy.NotExecutable:
		d.metrics.request("not_executable", decision.Filter.Name, time.Since(began))
		log.Refused(audit.NotFound, argv, decision.Why)
		if decision.Absent { // the original's answer, word for word
			return wire.Result{Status: notExecutable}
		}
		return s.failed(notExecutable, fmt.Errorf("Executable not found: %s (filter match = %s): %s",
			filters.Show(decision.Filter.Exec()), filters.Show(decision.Filter.Name), decision.Why))
	default:
		d.metrics.request("denied", "", time.Since(began))
		log.Refused(audit.Unauthorized, argv, decision.Why)
		if decision.Why != "" { // nobody's decision, but what hindered one
			return s.failed(unauthorized, fmt.Errorf("Unauthorized command: %s (no filter matched): %s", filters.Line(argv), decision.Why))
		}
		return wire.Result{Status: unauthorized}
	}

	fail := func(status int, err error) wire.Result {
		d.metrics.request("failed", decision.Filter.Name, time.Since(began))
		log.Refused(audit.NotRun, argv, err.Error())
		return s.failed(status, err)
	}
	plan, err := exec.NewPlan(decision, caller)
	if err != nil {
		return fail(badConfig, err)
	}
	defer plan.Close()
	if err := log.Executing(decision); err != nil {
		return fail(badConfig, err)
	}
	var result wire.Result
	for range attempts {
		var process *exec.Process
		if process, err = d.launchers.Spawn(plan); err != nil {
			return fail(badConfig, err)
		}
		d.metrics.launched(time.Since(began))
		// One that was killed with the order unread has executed nothing: the next,
		// unless it was killed since nobody waits any more.
		if result, err = s.attend(process, in, p); !errors.Is(err, launch.ErrGone) || s.gone.Err() != nil {
			break
		}
	}

	var program *launch.ExecError
	var signal *launch.SignalError
	switch {
	case err == nil:
		d.metrics.request("allowed", decision.Filter.Name, time.Since(began))
		return result
	case errors.As(err, &program):
		return fail(notExecutable, fmt.Errorf("Executable not found: %s (filter match = %s): %w",
			program.Path.Show(), filters.Show(decision.Filter.Name), program.Err))
	case errors.As(err, &signal):
		return fail(1, err)
	}
	return fail(badConfig, err)
}

// descriptors returns an error when too few are left to look at files: a program
// that could not be looked at must not be called missing, nor a command
// unauthorized.
func descriptors() error {
	for range 4 {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("not run: cannot look at the files that decide: %w", err)
		}
		defer unix.Close(fd)
	}
	return nil
}

// letIn tells whether the client may ask still, where the policy has changed since
// it connected.
func (s *client) letIn(p *policy.Policy) error {
	if p == s.let {
		return nil
	}
	if err := s.d.mayConnect(p, s.who, s.groups); err != nil {
		return err
	}
	s.let = p
	return nil
}

// failed is the answer for a command that did not run, with the reason where the
// one-shot program prints it.
func (s *client) failed(status int, err error) wire.Result {
	return wire.Result{Status: status, Stderr: []byte(s.d.name + ": " + filters.Prose(err.Error()) + "\n")}
}
