package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/review/expect"
)

func testCommand() *cobra.Command {
	var format, config string
	var coverage int
	c := &cobra.Command{
		Use:                   "test [--format text|tap|junit] [--config CONFIG] [--coverage PERCENT] FILE...",
		DisableFlagsInUseLine: true,
		Short:                 "hold a policy to what is expected of it",
		Long: `Test reads files of expectations: commands with what shall become of them, allowed or
refused, by which filter, as whom, with which environment and sandbox. It puts each
command before the policy with the executor's own engine, and tells what is not as
expected, and which filters no expectation touches. Nothing is executed. docs/test.md
describes the file.

Paths are resolved as the run-as user, for which test must run as root; else they are
resolved as yourself.

exit status: 0 all is as expected, 1 something is not or --coverage is not reached, 2
wrong use, or a file or configuration cannot be used.`,
		Example: `  ironwrapctl test neutron.yaml
  ironwrapctl test --config build/etc/neutron/rootwrap.conf neutron.yaml
  ironwrapctl test --format junit --coverage 80 policy/*.yaml > junit.xml`,
		Args: needs("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			print := map[string]func(expect.Report, io.Writer) error{"text": expect.Report.Text, "tap": expect.Report.TAP, "junit": expect.Report.JUnit}[format]
			if print == nil {
				return fmt.Errorf("format %q is none of text, tap and junit", format)
			}
			if coverage < 0 || coverage > 100 {
				return fmt.Errorf("coverage %d is not a number from 0 to 100", coverage)
			}
			r, err := test(args, config)
			if err != nil {
				return err
			}
			if err := print(r, c.OutOrStdout()); err != nil {
				return err
			}
			if r.Failed() > 0 || r.Percent() < coverage {
				return status(1)
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "how to print: text, tap or junit")
	c.Flags().StringVar(&config, "config", "", "the rootwrap.conf to test instead of that which the files name")
	c.Flags().IntVar(&coverage, "coverage", 0, "exit with 1 where expectations touch less than PERCENT of the filters")
	words(c, "format", "text", "tap", "junit")
	return c
}

// test puts the expectations of files before the policies that they are about.
func test(files []string, config string) (r expect.Report, err error) {
	examiners := map[string]*examiner{}
	var order []string
	for _, file := range files {
		s, err := expect.Read(file)
		if err != nil {
			return r, err
		}
		path := s.ConfigPath()
		if config != "" {
			path = config
		}
		if path, err = filepath.Abs(path); err != nil {
			return r, err
		}
		x := examiners[path]
		if x == nil {
			if x, err = newExaminer(path); err != nil {
				return r, err
			}
			examiners[path] = x
			order = append(order, path)
		}
		r.Run(s, func(c expect.Case) expect.Answer { return x.ask(c, s.AssumePrograms) }, x.touched)
	}
	for _, path := range order {
		r.Cover(examiners[path].policy, examiners[path].touched)
	}
	return r, nil
}

// examiner answers for one policy.
type examiner struct {
	*explainer
	real    engineMachine
	assumed engineMachine
	touched map[*policy.Entry]bool
}

func newExaminer(config string) (*examiner, error) {
	x, err := newExplainer(config, "")
	if err != nil {
		return nil, err
	}
	if x.refusal != nil {
		return nil, x.refusal
	}
	return &examiner{x, x.machine, newAssuming(x.policy), map[*policy.Entry]bool{}}, nil
}

// ask is the engine's answer about the command of a case.
func (x *examiner) ask(c expect.Case, assume bool) expect.Answer {
	if c.Caller != "" {
		if err := mayCall(c.Caller, x.policy); err != nil {
			verdict := "deny"
			if errors.Is(err, account.ErrUnknown) {
				verdict = "bad-config"
			}
			return expect.Answer{Verdict: verdict, Why: []string{err.Error()}}
		}
	}
	x.machine = x.real
	if assume {
		x.machine = x.assumed
	}
	x.env = nil
	for _, name := range slices.Sorted(maps.Keys(c.Given)) {
		x.env = append(x.env, filters.Untrusted(name+"="+c.Given[name]))
	}
	return x.explain(c.Command).expected()
}

// expected is e in the words of expectations.
func (e explanation) expected() expect.Answer {
	a := expect.Answer{
		Verdict: e.Verdict, By: e.decision.Filter, Nested: e.decision.Leaf, RunAs: e.decision.RunAs,
		Executable: e.Executable.Raw(), Argv: e.Argv, Env: e.Env, Sandbox: object(e.Sandbox),
	}
	if e.Error != "" {
		a.Why = append(a.Why, e.Error)
	}
	for _, n := range e.Near {
		a.Why = append(a.Why, fmt.Sprintf("near miss: %s, %s: %s", n.Filter.Name, position(n.Filter.File, n.Filter.Line), n.Why))
	}
	if r := e.RunAs; r != nil {
		a.UID, a.GID, a.Groups = r.UID, r.GID, r.Groups
	}
	return a
}

// object is a sandbox as JSON has it.
func object(s *sandboxJSON) (values map[string]any) {
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	if err != nil {
		panic(err) // of a struct of ours
	}
	return values
}

// mayCall tells why a user may not call ironwrap where it is setuid. That the
// configuration lies where it has to is not asked: the one that is tested may be a copy.
func mayCall(name string, p *policy.Policy) error {
	u, err := account.Lookup(name)
	if err != nil {
		return err
	}
	return callerFor(u).MayCall(p)
}

func callerFor(u account.User) exec.Caller {
	c := exec.Caller{UID: int(u.UID), GID: int(u.GID)}
	for _, g := range u.Groups {
		c.Groups = append(c.Groups, int(g))
	}
	return c
}

// saveExpectations prints what becomes of commands now, as a file of expectations.
func (x *explainer) saveExpectations(c *cobra.Command, path string, args []string) error {
	if x.refusal != nil {
		return x.refusal
	}
	s := expect.Suite{Config: x.policy.Path}
	add := func(argv []filters.Untrusted) error {
		e := x.explain(argv)
		saved, err := save(e, argv)
		if err != nil {
			return fmt.Errorf("cannot save %s: %w", filters.Line(argv), err)
		}
		s.Add(expect.Heading(argv), saved)
		return nil
	}
	if path == "" {
		if err := add(filters.Words(args[1:])); err != nil {
			return err
		}
	} else if err := eachCommand(c, path, add); err != nil {
		return err
	}
	if len(s.Groups) == 0 {
		return fmt.Errorf("%s: no command", path)
	}
	return s.Write(c.OutOrStdout(), "What ironwrapctl explain said. Read it: what is allowed here is what was allowed, right or wrong.")
}

// plainSandbox is that of a command whose filter has no section, but for what its
// run-as user makes of it.
var plainSandbox = object(&sandboxJSON{Umask: "0022", NoFile: 1024})

// save makes an expectation of an answer.
func save(e explanation, argv []filters.Untrusted) (expect.Case, error) {
	c := expect.Case{Command: argv}
	a := e.expected()
	switch e.Verdict {
	case "allow":
		c.Outcome, c.RunAs = expect.Allow, a.RunAs
	case "not-executable":
		c.Outcome = expect.Missing
	case "deny":
		c.Outcome = expect.Refuse
		return c, nil
	default:
		return c, errors.New(e.Error)
	}
	c.By = a.By.Name
	if a.Nested != nil {
		c.Nested = a.Nested.Name
	}
	if c.Outcome == expect.Allow && confined(a) {
		c.Sandbox = map[string]any{}
		for key, value := range a.Sandbox {
			// Where a profile's program is installed says nothing about the policy.
			if key != "seccomp_programs" && fmt.Sprint(value) != fmt.Sprint(plainSandbox[key]) {
				c.Sandbox[key] = value
			}
		}
	}
	return c, nil
}

// confined tells whether a sandbox section is in force.
func confined(a expect.Answer) bool {
	return a.By.Sandbox != nil || a.Nested != nil && a.Nested.Sandbox != nil
}
