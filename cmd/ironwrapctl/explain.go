package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/inifile"
	"ironwrap/policy/machine"
	"ironwrap/policy/review/lint"
	"ironwrap/policy/trust"
)

func explainCommand() *cobra.Command {
	var format, user, commands string
	var expectations bool
	c := &cobra.Command{
		Use:                   "explain [--format text|json | --expectations] [--user NAME] CONFIG COMMAND [ARG...] | --commands FILE CONFIG",
		DisableFlagsInUseLine: true,
		Short:                 "tell what would become of a command, and why",
		Long: `Explain puts COMMAND before the filters that CONFIG leads to, with the
executor's own engine, and tells what each answered, and what would run: program,
arguments, environment, user and groups, confinement. Behind a prefix such as "ip
netns exec NAME" it goes through the filters again. Of a refused command it tells
which filter would allow it if one thing were otherwise. Nothing is executed, and
no signal sent.

Paths are resolved as the run-as user, for which explain must run as root; else
they are resolved as yourself.

With --commands it explains each line of FILE: words with blanks between, a word in
double quotes with Go's escapes where it holds anything else than letters, digits
and ./:,@%+_- (so they stand in ironwrap's log). Empty lines, and those that begin
with #, are passed over. With --format json it prints one object a line. The exit
status is the greatest of all. With --expectations it prints a file of expectations,
which "ironwrapctl test" holds the policy to from then on; the exit status is 0 then.

exit status: 0 allowed, 96 program not found, 97 configuration not usable,
99 no filter matched, 2 wrong use.`,
		Example: `  ironwrapctl explain /etc/neutron/rootwrap.conf ip netns list
  ironwrapctl explain /etc/neutron/rootwrap.conf ip netns exec qrouter-1 ip link
  ironwrapctl explain --format json /etc/nova/rootwrap.conf cat /etc/shadow
  ironwrapctl explain --expectations --commands commands /etc/nova/rootwrap.conf > nova.yaml
  ironwrapctl explain --user nova /etc/ironwrap/nova/rootwrap.conf id`,
		Args: needs("CONFIG"),
		RunE: func(c *cobra.Command, args []string) error {
			// Options may stand behind CONFIG too: no command begins with a dash.
			if len(args) > 1 && strings.HasPrefix(args[1], "-") {
				if err := c.Flags().Parse(args[1:]); err != nil {
					return err
				}
				args = append(args[:1:1], c.Flags().Args()...)
			}
			if format != "text" && format != "json" {
				return fmt.Errorf("format %q is neither text nor json", format)
			}
			if (commands == "") == (len(args) < 2) {
				return errors.New("which command is to be explained? give COMMAND behind CONFIG, or --commands FILE and no COMMAND")
			}
			if expectations && (c.Flags().Changed("format") || user != "") {
				return errors.New("--expectations has a form of its own: leave out --format and --user")
			}
			x, err := newExplainer(args[0], user)
			if err != nil {
				return err
			}
			if expectations {
				return x.saveExpectations(c, commands, args)
			}
			if commands != "" {
				return x.explainAll(c, commands, format)
			}
			return x.answer(c.OutOrStdout(), filters.Words(args[1:]), format, "  ")
		},
	}
	c.Flags().SetInterspersed(false) // what follows COMMAND is the command's
	c.Flags().StringVar(&format, "format", "text", "how to print: text or json")
	c.Flags().StringVar(&user, "user", "", "tell also whether NAME may call ironwrap where it is setuid")
	c.Flags().StringVar(&commands, "commands", "", "explain each line of FILE (- for standard input)")
	c.Flags().BoolVar(&expectations, "expectations", false, `print the answers as a file of expectations for "ironwrapctl test"`)
	words(c, "format", "text", "json")
	return c
}

// explainer holds one configuration.
type explainer struct {
	policy  *policy.Policy // nil where it cannot be used
	refusal error
	machine engineMachine
	env     []filters.Untrusted // the caller's environment
	guide   *lint.Guide
	caller  *callerJSON
}

// newExplainer loads a configuration. The error is for a question that cannot be
// put; what the executor would refuse is an answer.
func newExplainer(config, user string) (*explainer, error) {
	path, err := filepath.Abs(config)
	if err != nil {
		return nil, err
	}
	x := &explainer{env: filters.Words(os.Environ())}
	if x.policy, x.refusal = policy.Load(path, trust.Object, inifile.Parse); x.refusal != nil {
		return x, nil
	}
	if user != "" {
		if x.caller, err = callerOf(user, x.policy); err != nil {
			return nil, fmt.Errorf("--user: %w", err)
		}
	}
	x.machine = machine.New(x.policy.ExecDirs, x.policy.Trust)
	x.guide = lint.NewGuide(x.policy)
	return x, nil
}

// answer explains one command. The error is its exit status.
func (x *explainer) answer(w io.Writer, argv []filters.Untrusted, format, indent string) error {
	e := x.explain(argv)
	if format == "json" {
		if err := e.printJSON(w, indent); err != nil {
			return err
		}
	} else {
		e.printText(w, colours(w))
	}
	if e.Exit != 0 {
		return status(e.Exit)
	}
	return nil
}

// explain asks the engine, and makes the plan of what it allows.
func (x *explainer) explain(argv []filters.Untrusted) explanation {
	e := explanation{Verdict: "deny", Exit: 99, Caller: x.caller, Steps: []stepJSON{}}
	if x.refusal != nil {
		return e.bad(x.refusal)
	}
	defer x.machine.Close() // no signal will be sent
	for _, n := range x.policy.Notes {
		e.Notes = append(e.Notes, n.String())
	}
	d := x.policy.Decide(policy.Request{Argv: argv, Machine: x.machine, Trace: true})
	e.decision = d
	e.Steps = steps(d.Steps)
	e.Filter, e.Nested = entry(d.Filter), entry(d.Leaf)
	switch d.Verdict {
	case policy.Allowed:
	case policy.NotExecutable:
		e.Verdict, e.Exit, e.Error = "not-executable", 96, d.Why
		return e
	case policy.TooLong:
		e.Verdict, e.Exit, e.Error = "too-long", 97, d.Why
		return e
	default:
		// What hindered a filter that matches comes before guesses at what was meant.
		if e.Error = d.Why; e.Error != "" {
			return e
		}
		for _, miss := range x.guide.Near(argv, x.machine) {
			e.Near = append(e.Near, nearJSON{*entry(&miss.Filter), miss.Argument, miss.Text})
		}
		return e
	}
	plan, err := exec.NewPlan(d, exec.Caller{Env: x.env})
	var long *policy.TooLongError
	if errors.As(err, &long) {
		e.Verdict, e.Exit, e.Error = "too-long", 97, err.Error()
		return e
	}
	if err != nil {
		return e.bad(err)
	}
	s := plan.Spec
	defer plan.Close()
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
	e.RunAs = &runAsJSON{filters.Untrusted(plan.User.Name), s.UID, s.GID, s.Groups}
	e.Sandbox = confinement(s, d)
	e.Privsep = x.privsep(d.Helper)
	return e
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
	c := callerFor(u)
	answer := &callerJSON{User: filters.Untrusted(name)}
	err = c.MayCall(p)
	if err == nil && c.Setuid() {
		if err = exec.FixedConfig(p.Path); err == nil {
			_, err = policy.Load(p.Path, trust.Ancestors, inifile.Parse)
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
