package daemon

import (
	"context"
	"errors"
	"time"

	"ironwrap/exec"
	"ironwrap/exec/audit"
	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

// attempts is how often a request may meet a launcher that somebody has killed, all
// spares for one, before it took the order.
const attempts = spares + 2

// judgement is one request: what is decided, what it takes to run it, and what becomes
// of it, in the records and metrics too.
type judgement struct {
	d      *Daemon
	p      *policy.Policy
	caller exec.Caller
	argv   []filters.Untrusted
	log    *audit.Log
	began  time.Time

	decision policy.Decision
	plan     *exec.Plan
	machine  *machine.Machine // holds the processes that a signal is for

	// Where it does not run.
	status int
	text   string
	why    string // of the decision
}

func (d *Daemon) judgement(p *policy.Policy, caller exec.Caller, argv []filters.Untrusted) *judgement {
	recorded := caller
	recorded.Env = nil // which no record has, and which may be long
	return &judgement{d: d, p: p, caller: caller, argv: argv, log: audit.New(d.name, p, recorded), began: time.Now()}
}

// close lets go of what the command was to be given.
func (j *judgement) close() {
	if j.plan != nil {
		j.plan.Close()
	}
	if j.machine != nil {
		j.machine.Close()
	}
}

// refuse records and counts that it does not run.
func (j *judgement) refuse(counts, what, why string) {
	filter := ""
	if j.decision.Filter != nil {
		filter = j.decision.Filter.Name
	}
	j.d.metrics.request(counts, filter, time.Since(j.began))
	j.log.Refused(what, j.argv, why)
}

// decide makes the plan of a command that is allowed, and records that it runs; or tells
// that it does not run. left is closed when nobody waits for that any more.
func (j *judgement) decide(left <-chan struct{}) (allowed bool) {
	m := machine.New(j.p.ExecDirs, j.p.Trust)
	j.machine = m
	m.Road = new(trust.Road)
	j.decision = j.p.Decide(policy.Request{Argv: j.argv, Machine: m, GivenUp: left})
	m.Road.Close() // a command may run for long
	if j.decision.Verdict != policy.Allowed {
		j.status, j.text = exec.Refusal(j.decision, j.argv)
		j.why = j.decision.Why
		counts := "denied"
		switch err := descriptors(); {
		case j.decision.Verdict == policy.TooLong:
			counts = "failed"
		case err != nil: // nobody's decision
			j.status, j.text, j.why = exec.BadConfig, err.Error(), err.Error()
			j.refuse("failed", audit.NotRun, j.why)
			return false
		case j.decision.Verdict == policy.NotExecutable:
			counts = "not_executable"
		}
		j.refuse(counts, audit.What(j.decision.Verdict), j.why)
		return false
	}
	var err error
	if j.plan, err = exec.NewPlan(j.decision, j.caller); err == nil {
		if err = j.log.Executing(j.decision); err == nil {
			return true
		}
	}
	j.fail(err)
	return false
}

// fail takes in why an allowed command does not run.
func (j *judgement) fail(err error) {
	j.status, j.text = exec.Failure(j.decision, err)
	j.refuse("failed", audit.NotRun, j.text)
}

// carryOut has run make a process and wait for its end, until one has taken the order or
// nobody waits any more (gone). The error is that the command was not executed, with the
// status and the text for it in j.
func (j *judgement) carryOut(gone context.Context, run func() error) error {
	var err error
	for range attempts {
		// One that was killed with the order unread has executed nothing: the next,
		// unless it was killed since nobody waits any more.
		if err = run(); !errors.Is(err, launch.ErrGone) || gone.Err() != nil {
			break
		}
	}
	if err != nil {
		j.fail(err)
		return errors.New(j.text)
	}
	j.d.metrics.request("allowed", j.decision.Filter.Name, time.Since(j.began))
	return nil
}
