package main

import (
	"cmp"
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
	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/expect"
)

func testCommand() *cobra.Command {
	var format, config, root string
	var coverage int
	c := &cobra.Command{
		Use:                   "test [--format text|tap|junit] [--config CONFIG] [--root DIR] [--coverage PERCENT] FILE...",
		DisableFlagsInUseLine: true,
		Short:                 "hold a policy to what is expected of it",
		Long: `Test reads files of expectations: commands with what shall become of them, allowed or
refused, by which filter, as whom, with which environment and sandbox. It puts each
command before the policy with the executor's own engine, and tells what is not as
expected, and which filters no expectation touches. Nothing is executed. docs/test.md
describes the file.

Paths are resolved as the run-as user, for which test must run as root; else they are
resolved as yourself.

With --root the configuration lies in the tree at DIR, whoever owns its files: a copy of
a host's, or the files of a repository. What a tree does not tell is not as expected:
ids, sandboxes, missing programs, callers.

exit status: 0 all is as expected, 1 something is not or --coverage is not reached, 2
wrong use, or a file or configuration cannot be used.`,
		Example: `  ironwrapctl test neutron.yaml
  ironwrapctl test --config build/etc/neutron/rootwrap.conf neutron.yaml
  ironwrapctl test --root build neutron.yaml
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
			r, err := test(args, config, root)
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
	c.Flags().StringVar(&root, "root", "", "the configuration lies in the tree at `DIR`")
	c.Flags().IntVar(&coverage, "coverage", 0, "exit with 1 where expectations touch less than PERCENT of the filters")
	words(c, "format", "text", "tap", "junit")
	return c
}

// test puts the expectations of files before the policies that they are about.
func test(files []string, config, root string) (r expect.Report, err error) {
	examiners := map[string]examiner{}
	var order []string
	for _, file := range files {
		s, err := expect.Read(file)
		if err != nil {
			return r, err
		}
		path, err := configOf(s, config, root)
		if err != nil {
			return r, err
		}
		x := examiners[path]
		if x == nil {
			if x, err = newExaminer(root, path); err != nil {
				return r, err
			}
			examiners[path] = x
			order = append(order, path)
		}
		_, touched := x.subject()
		r.Run(s, func(c expect.Case) expect.Answer { return x.ask(c, s.AssumePrograms) }, touched)
	}
	for _, path := range order {
		x := examiners[path]
		p, touched := x.subject()
		r.Cover(p, touched)
	}
	return r, nil
}

// configOf is where the rootwrap.conf is that a suite is about: config instead where it is
// given, a path in the tree where root is.
func configOf(s *expect.Suite, config, root string) (string, error) {
	path := cmp.Or(config, s.ConfigPath())
	if root != "" && (config != "" || filepath.IsAbs(s.Config)) {
		return path, nil
	}
	path, err := filepath.Abs(path)
	if err != nil || root == "" {
		return path, err
	}
	if root, err = filepath.Abs(root); err != nil {
		return "", err
	}
	inside, err := filepath.Rel(root, path)
	if err != nil || !filepath.IsLocal(inside) {
		return "", fmt.Errorf("%s: config leads to %s, which is not in the tree %s", filters.Show(s.Path), filters.Show(path), filters.Show(root))
	}
	return "/" + inside, nil
}

// examiner answers for one policy.
type examiner interface {
	// ask is the engine's answer about the command of a case.
	ask(c expect.Case, assumePrograms bool) expect.Answer
	// subject is the policy, and the filters that expectations touch.
	subject() (*policy.Policy, map[*policy.Entry]bool)
}

// newExaminer loads a configuration, in a tree where root is given.
func newExaminer(root, config string) (examiner, error) {
	if root == "" {
		return newHere(config)
	}
	s, err := side(root, config)
	if err != nil {
		return nil, err
	}
	return &treeExaminer{s, map[*policy.Entry]bool{}}, nil
}

// treeExaminer answers for the policy of a tree.
type treeExaminer struct {
	side    *difference.Side
	touched map[*policy.Entry]bool
}

func (x *treeExaminer) subject() (*policy.Policy, map[*policy.Entry]bool) {
	return x.side.Policy, x.touched
}

func (x *treeExaminer) ask(c expect.Case, _ bool) expect.Answer {
	if what := untold(c); what != "" {
		return expect.Answer{Verdict: "bad-config", Why: []string{what + ": that a tree does not tell: leave it out, or test on the host"}}
	}
	d := x.side.Policy.Decide(policy.Request{Argv: c.Command, Machine: x.side.Machine()})
	a := expect.Answer{Verdict: "deny", By: d.Filter, Nested: d.Leaf, RunAs: d.RunAs, Argv: d.Argv, Env: d.Env}
	switch d.Verdict {
	case policy.Allowed:
		a.Verdict = "allow"
		if d.Signal == nil {
			a.Executable = d.Argv[0].Raw()
		}
	case policy.TooLong:
		a.Verdict = "too-long"
	}
	return a
}

// untold is what a case asks that no tree tells; "" for nothing.
func untold(c expect.Case) string {
	switch {
	case c.Outcome == expect.Missing:
		return "missing"
	case c.Caller != "" || c.Given != nil:
		return "caller and given_env"
	case c.UID != nil || c.GID != nil || c.Groups != nil:
		return "uid, gid and groups"
	case c.Env != nil || c.Sandbox != nil:
		return "env and sandbox"
	}
	return ""
}

// hereExaminer answers for a policy of this machine.
type hereExaminer struct {
	*explainer
	real    engineMachine
	assumed engineMachine
	touched map[*policy.Entry]bool
}

func newHere(config string) (*hereExaminer, error) {
	x, err := newExplainer(config, "")
	if err != nil {
		return nil, err
	}
	if x.refusal != nil {
		return nil, x.refusal
	}
	return &hereExaminer{x, x.machine, newAssuming(x.policy), map[*policy.Entry]bool{}}, nil
}

func (x *hereExaminer) subject() (*policy.Policy, map[*policy.Entry]bool) {
	return x.policy, x.touched
}

func (x *hereExaminer) ask(c expect.Case, assume bool) expect.Answer {
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
