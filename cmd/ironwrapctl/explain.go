package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/syndtr/gocapability/capability"

	"ironwrap/exec"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
	"ironwrap/policy/machine"
	"ironwrap/policy/trust"
	"ironwrap/sandbox"
)

func explainCommand() *cobra.Command {
	var format, user string
	c := &cobra.Command{
		Use:   "explain [--format text|json] [--user NAME] CONFIG COMMAND [ARG...]",
		Short: "tell what would become of a command, and why",
		Long: `Explain puts COMMAND before the filters that CONFIG leads to, with the
executor's own engine, and tells what each answered, and what would run: program,
arguments, environment, user and groups. Nothing is executed, and no signal sent.

Paths are resolved as the run-as user, for which explain must run as root; else
they are resolved as yourself.

exit status: 0 allowed, 96 program not found, 97 configuration not usable,
99 no filter matched, 2 wrong use.`,
		Example: `  ironwrapctl explain /etc/neutron/rootwrap.conf ip netns list
  ironwrapctl explain --format json /etc/nova/rootwrap.conf cat /etc/shadow`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("format %q is neither text nor json", format)
			}
			e := explain(args[0], filters.Words(args[1:]), user)
			if err := e.print(c.OutOrStdout(), format); err != nil {
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
	return c
}

// explanation is the answer, in the shape that scripts rely on.
type explanation struct {
	Verdict    string              `json:"verdict"` // allow, deny, not-executable, bad-config
	Exit       int                 `json:"exit"`
	Error      string              `json:"error,omitempty"` // of not-executable and bad-config
	Filter     *filterJSON         `json:"filter,omitempty"`
	Nested     *filterJSON         `json:"nested,omitempty"`
	Executable filters.Untrusted   `json:"executable,omitempty"`
	Argv       []filters.Untrusted `json:"argv,omitempty"`
	Env        variables           `json:"env,omitempty"`
	Signal     *signalJSON         `json:"signal,omitempty"`
	RunAs      *runAsJSON          `json:"run_as,omitempty"`
	Sandbox    *sandboxJSON        `json:"sandbox,omitempty"`
	Caller     *callerJSON         `json:"caller,omitempty"`
	Notes      []string            `json:"notes,omitempty"`
	Steps      []stepJSON          `json:"steps"`
}

type filterJSON struct {
	Name  filters.Untrusted `json:"name"`
	Class filters.Untrusted `json:"class"`
	File  filters.Untrusted `json:"file"`
	Line  int               `json:"line"`
}

type signalJSON struct {
	Number int `json:"number"`
	PID    int `json:"pid"`
}

type runAsJSON struct {
	User   filters.Untrusted `json:"user"`
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Groups []uint32          `json:"groups"`
}

type sandboxJSON struct {
	Umask          string          `json:"umask"`
	NoFile         uint64          `json:"rlimit_nofile"`
	Nice           int             `json:"nice"`
	OOMScoreAdj    int             `json:"oom_score_adj"`
	NoTyping       bool            `json:"no_typing"` // a filter refuses TIOCSTI and TIOCLINUX
	Capabilities   []string        `json:"capabilities"`
	NoNewPrivs     bool            `json:"no_new_privs"`
	DenyWriteExec  bool            `json:"memory_deny_write_execute"`
	PrivateKeyring bool            `json:"private_keyring"`
	PrivateNetwork bool            `json:"private_network"`
	PrivateMounts  bool            `json:"private_mounts"`
	PrivateTmp     bool            `json:"private_tmp"`
	ReadOnly       []string        `json:"read_only,omitempty"`
	Seccomp        []string        `json:"seccomp,omitempty"`
	Landlock       []landlockRules `json:"landlock,omitempty"`
}

type landlockRules struct {
	ReadOnly  []string `json:"ro"` // null where it is not restricted
	ReadWrite []string `json:"rw"`
	Bind      []uint16 `json:"tcp_bind"`
	Connect   []uint16 `json:"tcp_connect"`
}

// confinement shows a Spec, and of the sections what a Spec has only as
// descriptors and programs.
func confinement(s sandbox.Spec, d policy.Decision) *sandboxJSON {
	j := &sandboxJSON{
		Umask: fmt.Sprintf("%04o", s.Umask), NoFile: s.NoFile, Nice: s.Nice, OOMScoreAdj: s.OOMScore, NoTyping: s.UID != 0,
		Capabilities: []string{}, NoNewPrivs: s.NoNewPrivs, DenyWriteExec: s.DenyWriteExec, PrivateKeyring: s.PrivateKeyring,
		PrivateNetwork: s.PrivateNetwork, PrivateMounts: s.PrivateMounts, PrivateTmp: s.PrivateTmp, ReadOnly: s.ReadOnly,
	}
	switch {
	case s.Capabilities.All && s.UID == 0:
		j.Capabilities = []string{"all"}
	case !s.Capabilities.All:
		for _, c := range capability.List() {
			if s.Capabilities.Set>>c&1 != 0 {
				j.Capabilities = append(j.Capabilities, "cap_"+c.String())
			}
		}
	}
	for _, e := range []*policy.Entry{d.Filter, d.Leaf} {
		if e == nil || e.Sandbox == nil {
			continue
		}
		b := e.Sandbox
		if b.Seccomp != "" && b.Seccomp != "none" {
			j.Seccomp = append(j.Seccomp, b.Seccomp)
		}
		if b.LandlockRO != nil || b.LandlockRW != nil || b.LandlockBind != nil || b.LandlockConnect != nil {
			j.Landlock = append(j.Landlock, landlockRules{b.LandlockRO, b.LandlockRW, b.LandlockBind, b.LandlockConnect})
		}
	}
	return j
}

type callerJSON struct {
	User filters.Untrusted `json:"user"`
	May  bool              `json:"may_call_setuid"`
	Why  string            `json:"why,omitempty"`
}

type stepJSON struct {
	Filter  filters.Untrusted `json:"filter"`
	File    filters.Untrusted `json:"file"`
	Line    int               `json:"line"`
	Matched bool              `json:"matched"`
	Why     string            `json:"why"`
}

// variables is an environment, in its own order.
type variables []filters.Var

func (vs variables) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		name, _ := v.Name.MarshalJSON()
		value, _ := v.Value.MarshalJSON()
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

func explain(config string, argv []filters.Untrusted, user string) explanation {
	bad := func(err error) explanation {
		return explanation{Verdict: "bad-config", Exit: 97, Error: err.Error(), Steps: []stepJSON{}}
	}
	path, err := filepath.Abs(config)
	if err != nil {
		return bad(err)
	}
	p, err := policy.Load(path, trust.Object)
	if err != nil {
		return bad(err)
	}
	d := p.Decide(policy.Request{Argv: argv, Machine: machine.New(p.ExecDirs, p.Trust), Trace: true})

	e := explanation{Verdict: "deny", Exit: 99, Steps: []stepJSON{}}
	for _, s := range d.Steps {
		e.Steps = append(e.Steps, stepJSON{filters.Untrusted(s.Entry.Name), filters.Untrusted(s.Entry.File), s.Entry.Line, s.Matched, s.Why})
	}
	for _, n := range p.Notes {
		e.Notes = append(e.Notes, n.String())
	}
	if user != "" {
		if e.Caller, err = callerOf(user, p); err != nil {
			return bad(err)
		}
	}
	e.Filter, e.Nested = entry(d.Filter), entry(d.Leaf)
	switch d.Verdict {
	case policy.Allowed:
	case policy.NotExecutable:
		e.Verdict, e.Exit, e.Error = "not-executable", 96, d.Why
		return e
	default:
		return e
	}
	plan, err := exec.NewPlan(d, exec.Caller{Env: filters.Words(os.Environ())})
	if err != nil {
		e.Verdict, e.Exit, e.Error = "bad-config", 97, err.Error()
		return e
	}
	e.Verdict, e.Exit = "allow", 0
	e.Argv, e.Env = plan.Argv, plan.Env
	if plan.Signal != nil {
		e.Signal = &signalJSON{plan.Signal.Number, plan.Signal.Process.PID}
	} else {
		e.Executable = plan.Argv[0]
	}
	s := plan.Spec
	e.RunAs = &runAsJSON{filters.Untrusted(plan.User.Name), s.UID, s.GID, s.Groups}
	e.Sandbox = confinement(s, d)
	return e
}

func entry(e *policy.Entry) *filterJSON {
	if e == nil {
		return nil
	}
	return &filterJSON{filters.Untrusted(e.Name), filters.Untrusted(e.Class), filters.Untrusted(e.File), e.Line}
}

func callerOf(name string, p *policy.Policy) (*callerJSON, error) {
	u, err := account.Lookup(name)
	if err != nil {
		return nil, err
	}
	c := exec.Caller{UID: int(u.UID), GID: int(u.GID)}
	for _, g := range u.Groups {
		c.Groups = append(c.Groups, int(g))
	}
	answer := &callerJSON{User: filters.Untrusted(name), May: true}
	if err := c.MayCall(p); err != nil {
		answer.May, answer.Why = false, err.Error()
	}
	return answer, nil
}

func (e explanation) print(w io.Writer, format string) error {
	if format == "json" {
		out, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", out)
		return err
	}
	line := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	switch e.Verdict {
	case "allow":
		fmt.Fprintln(w, "allowed")
	case "deny":
		fmt.Fprintln(w, "refused: no filter matched (exit status 99)")
	case "not-executable":
		fmt.Fprintf(w, "refused: the program cannot be executed: %s (exit status 96)\n", filters.Prose(e.Error))
	default:
		fmt.Fprintf(w, "refused: the configuration cannot be used: %s (exit status 97)\n", filters.Prose(e.Error))
	}
	if f := e.Filter; f != nil {
		line("filter", "%s (%s), %s", f.Name, f.Class, position(f.File, f.Line))
	}
	if f := e.Nested; f != nil {
		line("nested", "%s (%s), %s", f.Name, f.Class, position(f.File, f.Line))
	}
	if e.Signal != nil {
		line("signal", "%d to process %d, sent by ironwrap itself", e.Signal.Number, e.Signal.PID)
	} else if e.Argv != nil {
		line("executable", "%s", e.Executable)
		line("argv", "%s", filters.QuoteLine(e.Argv))
	}
	for i, v := range e.Env {
		label := ""
		if i == 0 {
			label = "environment"
		}
		line(label, "%s=%s", v.Name, v.Value.Quote())
	}
	if r := e.RunAs; r != nil {
		line("run-as", "%s: uid %d, gid %d, groups %v", r.User, r.UID, r.GID, r.Groups)
	}
	if s := e.Sandbox; s != nil {
		line("sandbox", "umask %s, %d descriptors, nice %d, oom score %d", s.Umask, s.NoFile, s.Nice, s.OOMScoreAdj)
		if s.NoTyping {
			line("", "typing into terminals (TIOCSTI, TIOCLINUX) refused")
		}
		line("", "capabilities: %s", strings.Join(append(s.Capabilities, none(s.Capabilities)...), " "))
		for _, on := range []struct {
			set  bool
			what string
		}{
			{s.NoNewPrivs, "no_new_privs"}, {s.DenyWriteExec, "memory_deny_write_execute"}, {s.PrivateKeyring, "private_keyring"},
			{s.PrivateNetwork, "private_network"}, {s.PrivateMounts, "private_mounts"}, {s.PrivateTmp, "private_tmp"},
		} {
			if on.set {
				line("", "%s", on.what)
			}
		}
		if len(s.ReadOnly) > 0 {
			line("", "read-only: %s", filters.Prose(strings.Join(s.ReadOnly, " ")))
		}
		if len(s.Seccomp) > 0 {
			line("", "seccomp: %s", filters.Prose(strings.Join(s.Seccomp, " and ")))
		}
		for _, l := range s.Landlock {
			line("", "Landlock: ro %v, rw %v, bind %v, connect %v", l.ReadOnly, l.ReadWrite, l.Bind, l.Connect)
		}
	}
	if c := e.Caller; c != nil {
		if c.May {
			line("caller", "%s may call ironwrap where it is setuid", c.User)
		} else {
			line("caller", "where ironwrap is setuid: %s", filters.Prose(c.Why))
		}
	}
	if len(e.Notes) > 0 {
		fmt.Fprintln(w, "\nnotes on the configuration")
		for _, n := range e.Notes {
			fmt.Fprintf(w, "  %s\n", filters.Prose(n))
		}
	}
	if len(e.Steps) > 0 {
		fmt.Fprintln(w, "\nfilters, in the order they were asked")
	}
	for _, s := range e.Steps {
		answer := filters.Prose(s.Why)
		if s.Matched {
			answer = "matched"
		}
		fmt.Fprintf(w, "  %-24s %s: %s\n", s.Filter, position(s.File, s.Line), answer)
	}
	return nil
}

func none(list []string) []string {
	if len(list) == 0 {
		return []string{"none"}
	}
	return nil
}

// position is where a filter stands, as an editor takes it.
func position(file filters.Untrusted, line int) string {
	if file == "" {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", file, line)
}
