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
	"ironwrap/filters"
	"ironwrap/policy"
)

// patience is how long a request waits for one of max_children to end.
const patience = 30 * time.Second

// errStopping ends a connection without an answer to a request that has not begun:
// the client asks another daemon then, as when this one were gone.
var errStopping = errors.New("the daemon was told to stop")

// inTurn runs a command when its turn has come.
func (s *client) inTurn(argv []filters.Untrusted, in *input) (wire.Result, error) {
	d := s.d
	d.lastUsed.Store(time.Now().UnixNano())
	defer func() { d.lastUsed.Store(time.Now().UnixNano()) }()

	var full error
	turn, inside := d.turns.enterNow(s.who.UID, d.policies.loaded())
	if !inside {
		s.readAhead()
		ctx, cancel := context.WithTimeout(s.gone, patience)
		turn, full = d.turns.enter(ctx, s.who.UID, d.policies.loaded())
		cancel()
	}
	if full == nil {
		defer func() { turn.leave(d.policies.loaded()) }()
	}
	switch {
	case d.stopped():
		return wire.Result{}, errStopping
	case full != nil:
		d.metrics.request("busy", "", 0)
		return s.failed(exec.BadConfig, full), nil
	}
	return s.run(argv, in), nil
}

// run decides about one request and carries it out.
func (s *client) run(argv []filters.Untrusted, in *input) wire.Result {
	d := s.d
	p := d.policies.current()
	caller := d.starter
	caller.Client = &s.who
	j := d.judgement(p, caller, argv)
	defer j.close()
	if err := s.letIn(p); err != nil {
		j.refuse("denied", audit.NotAllowed, err.Error())
		return s.failed(exec.Unauthorized, err)
	}
	if !j.decide(s.left) {
		// The original's answers, word for word: no text.
		if v := j.decision; !p.RefusalText && (v.Verdict == policy.NotExecutable && v.Absent || v.Verdict == policy.Denied && j.why == "") {
			return wire.Result{Status: j.status}
		}
		return s.failed(j.status, errors.New(j.text))
	}
	var result wire.Result
	err := j.carryOut(s.gone, func() (err error) {
		process, err := d.launchers.Spawn(j.plan)
		if err == nil {
			d.metrics.launched(time.Since(j.began))
			result, err = s.attend(process, in, p)
		}
		return err
	})
	if err != nil {
		return s.failed(j.status, err)
	}
	return result
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
