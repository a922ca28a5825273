// Package exec carries a decision out: a Plan holds all that an allowed Decision
// leads to; Replace makes the process the command, and Spawn another one.
package exec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/environ"
	"ironwrap/policy/trust"
	"ironwrap/sandbox"
)

// Plan is everything that is needed to run a command, with nothing left to look
// up or to decide.
type Plan struct {
	launch.Command
	User account.User
}

var errNotAllowed = errors.New("the command is not allowed")

// NewPlan resolves an allowed decision for a caller. It refuses any other. The
// error says what cannot be had, the run-as user for one.
func NewPlan(d policy.Decision, c Caller) (*Plan, error) {
	if d.Verdict != policy.Allowed || d.Policy == nil || d.Filter == nil || len(d.Argv) == 0 {
		return nil, errNotAllowed
	}
	user, err := c.Accounts.Lookup(d.RunAs)
	if err != nil {
		return nil, fmt.Errorf("cannot run as %s, which filter %s asks for: %w", filters.Show(d.RunAs), filters.Show(d.Filter.Name), err)
	}
	p := &Plan{User: user, Command: launch.Command{
		Argv: slices.Clone(d.Argv),
		Env:  environment(d, user, c),
		Spec: sandbox.Spec{
			UID: user.UID, GID: user.GID, Groups: user.Groups,
			Umask:  0o022,
			NoFile: uint64(max(d.Policy.NoFile, 0)),
		},
		Signal: d.Signal,
	}}
	if !c.root() {
		p.Spec.Keyring = sandbox.KeyringFresh
	}
	// What a profile holds is as good as what the configuration says.
	level := trust.Parent
	if d.Policy.StrictPaths || c.Setuid() {
		level = trust.Ancestors
	}
	err = confine(p, d, level)
	for _, l := range c.Guards {
		if !slices.ContainsFunc(p.Spec.Limits, func(o sandbox.Limit) bool { return o.Resource == l.Resource }) {
			p.Spec.Limits = append(p.Spec.Limits, l)
		}
	}
	if err == nil {
		err = mayHave(p, d)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	if p.Signal == nil {
		if err := policy.Fits(p.Argv, p.Env, p.stack()); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// mayHave returns an error where capabilities would go to a command that another user
// than root can change: by writing to a file that it runs, or by what an interpreter
// reads of that user's. It is for what execve(2) hands on to another user (ambient
// capabilities): that user does not have them.
func mayHave(p *Plan, d policy.Decision) error {
	if c := p.Spec.Capabilities; p.Spec.UID == 0 || c.All || c.Set == 0 || p.Signal != nil {
		return nil
	}
	user := filters.Show(p.User.Name)
	for _, program := range d.Programs {
		if why := program.Theirs(p.User.Name); why != "" {
			return fmt.Errorf("cannot give capabilities to %s, run as %s: %s", filters.Show(program.Path), user, why)
		}
	}
	return nil
}

// stack is the stack limit that the command is executed with.
func (p *Plan) stack() uint64 {
	for _, l := range p.Spec.Limits {
		if l.Resource == resource("stack") {
			return l.Value
		}
	}
	return sandbox.Stack
}

// Replace confines the process and makes it the command. It returns only with an
// error, after which the process must exit. last is what remains to be done before.
func Replace(p *Plan, last ...func() error) error { return launch.Replace(&p.Command, last...) }

// environment is built from nothing. A name that comes later in this list takes
// the place of one before. A value that env_keep may not carry is as good as none.
func environment(d policy.Decision, user account.User, c Caller) []filters.Var {
	env := []filters.Var{
		{Name: "PATH", Value: searchPath(d.Policy.ExecDirs)},
		{Name: "LANG", Value: "C.UTF-8"},
		{Name: "HOME", Value: filters.Untrusted(user.Home)},
		{Name: "USER", Value: filters.Untrusted(user.Name)},
		{Name: "LOGNAME", Value: filters.Untrusted(user.Name)},
		{Name: "SHELL", Value: filters.Untrusted(user.Shell)},
	}
	for _, name := range d.Policy.EnvKeep {
		if value, ok := c.Getenv(name); ok && environ.Carries(name, value.Raw()) {
			env = set(env, filters.Var{Name: filters.Untrusted(name), Value: value})
		}
	}
	for _, v := range d.Env {
		env = set(env, v)
	}
	return env
}

// searchPath is PATH. An empty one would mean the working directory, the caller's.
func searchPath(dirs []string) filters.Untrusted {
	if len(dirs) == 0 {
		return "/nonexistent"
	}
	return filters.Untrusted(strings.Join(dirs, ":"))
}

func set(env []filters.Var, v filters.Var) []filters.Var {
	for i := range env {
		if env[i].Name == v.Name {
			env[i] = v
			return env
		}
	}
	return append(env, v)
}
