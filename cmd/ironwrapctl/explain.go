package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/lint"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
)

func explainCommand() *cobra.Command {
	var format, user string
	c := &cobra.Command{
		Use:   "explain [--format text|json] [--user NAME] CONFIG COMMAND [ARG...]",
		Short: "tell what would become of a command, and why",
		Long: `Explain puts COMMAND before the filters that CONFIG leads to, with the
executor's own engine, and tells what each answered, and what would run: program,
arguments, environment, user and groups, confinement. Behind a prefix such as "ip
netns exec NAME" it goes through the filters again. Of a refused command it tells
which filter would allow it if one thing were otherwise. Nothing is executed, and
no signal sent.

Paths are resolved as the run-as user, for which explain must run as root; else
they are resolved as yourself.

exit status: 0 allowed, 96 program not found, 97 configuration not usable,
99 no filter matched, 2 wrong use.`,
		Example: `  ironwrapctl explain /etc/neutron/rootwrap.conf ip netns list
  ironwrapctl explain /etc/neutron/rootwrap.conf ip netns exec qrouter-1 ip link
  ironwrapctl explain --format json /etc/nova/rootwrap.conf cat /etc/shadow
  ironwrapctl explain --user nova /etc/ironwrap/nova/rootwrap.conf id`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			// Options may stand behind CONFIG too: no command begins with a dash.
			if strings.HasPrefix(args[1], "-") {
				if err := c.Flags().Parse(args[1:]); err != nil {
					return err
				}
				if args = append(args[:1:1], c.Flags().Args()...); len(args) < 2 {
					return errors.New("which COMMAND is to be explained?")
				}
			}
			if format != "text" && format != "json" {
				return fmt.Errorf("format %q is neither text nor json", format)
			}
			e, err := explain(args[0], filters.Words(args[1:]), user)
			if err != nil {
				return err
			}
			if format == "json" {
				err = e.printJSON(c.OutOrStdout())
			} else {
				e.printText(c.OutOrStdout(), colours(c.OutOrStdout()))
			}
			if err != nil {
				return err
			}
			if e.Exit != 0 {
				return status(e.Exit)
			}
			return nil
		},
	}
	c.Flags().SetInterspersed(false) // what follows COMMAND is the command's
	c.Flags().StringVar(&format, "format", "text", "how to print: text or json")
	c.Flags().StringVar(&user, "user", "", "tell also whether NAME may call ironwrap where it is setuid")
	words(c, "format", "text", "json")
	return c
}

// explain asks the engine, and makes the plan of what it allows. The error is for
// a question that cannot be put.
func explain(config string, argv []filters.Untrusted, user string) (explanation, error) {
	path, err := filepath.Abs(config)
	if err != nil {
		return explanation{}, err
	}
	e := explanation{Verdict: "deny", Exit: 99, Steps: []stepJSON{}}
	p, err := policy.Load(path, trust.Object)
	if err != nil {
		return e.bad(err), nil
	}
	for _, n := range p.Notes {
		e.Notes = append(e.Notes, n.String())
	}
	if user != "" {
		if e.Caller, err = callerOf(user, p); err != nil {
			return explanation{}, fmt.Errorf("--user: %w", err)
		}
	}
	m := machine.New(p.ExecDirs, p.Trust)
	d := p.Decide(policy.Request{Argv: argv, Machine: m, Trace: true})
	e.Steps = steps(d.Steps)
	e.Filter, e.Nested = entry(d.Filter), entry(d.Leaf)
	switch d.Verdict {
	case policy.Allowed:
	case policy.NotExecutable:
		e.Verdict, e.Exit, e.Error = "not-executable", 96, d.Why
		return e, nil
	default:
		for _, miss := range lint.Near(p, argv, m) {
			e.Near = append(e.Near, nearJSON{*entry(&miss.Filter), miss.Argument, miss.Text})
		}
		return e, nil
	}
	plan, err := exec.NewPlan(d, exec.Caller{Env: filters.Words(os.Environ())})
	if err != nil {
		return e.bad(err), nil
	}
	e.Verdict, e.Exit = "allow", 0
	e.Argv, e.Env = plan.Argv, plan.Env
	if plan.Signal != nil {
		e.Signal = &signalJSON{plan.Signal.Number, plan.Signal.Process.PID}
	} else {
		e.Executable = plan.Argv[0]
	}
	for i, w := range plan.Argv {
		if w != d.Argv[i] {
			e.Pinned = append(e.Pinned, pinnedJSON{i, d.Argv[i]})
		}
	}
	s := plan.Spec
	e.RunAs = &runAsJSON{filters.Untrusted(plan.User.Name), s.UID, s.GID, s.Groups}
	e.Sandbox = confinement(s, d)
	return e, nil
}

// bad is e of a configuration that cannot be used.
func (e explanation) bad(err error) explanation {
	e.Verdict, e.Exit, e.Error = "bad-config", 97, err.Error()
	return e
}

func steps(asked []policy.Step) []stepJSON {
	list := []stepJSON{}
	for _, s := range asked {
		j := stepJSON{Filter: filters.Untrusted(s.Entry.Name), File: filters.Untrusted(s.Entry.File), Line: s.Entry.Line, Matched: s.Matched, Why: s.Why}
		if s.Nested != nil {
			j.Nested = steps(s.Nested)
		}
		list = append(list, j)
	}
	return list
}

func entry(e *policy.Entry) *filterJSON {
	if e == nil {
		return nil
	}
	return &filterJSON{filters.Untrusted(e.Name), filters.Untrusted(e.Class), filters.Untrusted(e.File), e.Line}
}

// callerOf tells whether a user may call ironwrap where it is setuid, which also
// depends on where the configuration lies and who owns the directories above.
func callerOf(name string, p *policy.Policy) (*callerJSON, error) {
	u, err := account.Lookup(name)
	if err != nil {
		return nil, err
	}
	c := exec.Caller{UID: int(u.UID), GID: int(u.GID)}
	for _, g := range u.Groups {
		c.Groups = append(c.Groups, int(g))
	}
	answer := &callerJSON{User: filters.Untrusted(name)}
	err = c.MayCall(p)
	if err == nil && c.Setuid() {
		if err = exec.FixedConfig(p.Path); err == nil {
			_, err = policy.Load(p.Path, trust.Ancestors)
		}
	}
	if answer.May = err == nil; err != nil {
		answer.Why = err.Error()
	}
	return answer, nil
}

// position is where a filter stands, as an editor takes it.
func position(file filters.Untrusted, line int) string {
	if file == "" {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", file, line)
}

func none(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}
