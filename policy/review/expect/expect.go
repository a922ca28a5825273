// Package expect holds expectations about a policy: which commands it allows, by which
// filter, as whom, with which environment and sandbox, and which it refuses. It reads
// and writes their file, and holds answers against them. The answers are somebody
// else's: the engine's.
//
// The file is YAML, of the subset that everybody knows: no anchors, aliases or tags. A
// command is one line as ironwrap's log has it, see filters.UnquoteLine.
package expect

import (
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
)

// Suite is a file of expectations.
type Suite struct {
	Path   string // of the file
	Config string // rootwrap.conf: absolute, or from where the file is
	// AssumePrograms takes a program that is not installed for one in the first of
	// exec_dirs.
	AssumePrograms bool
	Groups         []Group
}

// Group is expectations under one heading.
type Group struct {
	Name  string
	Cases []Case
}

// Outcome is what becomes of a command.
type Outcome string

const (
	Allow   Outcome = "allow"
	Refuse  Outcome = "refuse"  // no filter matches, or the caller may not call
	Missing Outcome = "missing" // a filter matches, and its program is not there
)

// Case is what is expected of one command. What is not set is not looked at.
type Case struct {
	Line    int // in the file
	Outcome Outcome
	Command []filters.Untrusted

	Caller string            // who calls where ironwrap is setuid; "" for one who may
	Given  map[string]string // the caller's environment

	By, Nested string // filters, by name or FILE/NAME, FILE being without its directory
	RunAs      string
	UID, GID   *uint32
	Groups     []uint32
	Executable string
	Argv       []filters.Untrusted
	Env        map[string]*string // nil: the variable is not set
	Sandbox    map[string]any     // as "ironwrapctl explain --format json" has it
}

// Answer is what the engine says of a command.
type Answer struct {
	Verdict string   // allow, deny, not-executable, too-long, bad-config
	Why     []string // of a refusal; may be empty

	By, Nested *policy.Entry // nil for none
	RunAs      string
	UID, GID   uint32
	Groups     []uint32
	Executable string
	Argv       []filters.Untrusted
	Env        []filters.Var
	Sandbox    map[string]any
}

// SandboxKeys are what an expectation can say of a sandbox.
var SandboxKeys = []string{
	"apparmor_profile", "capabilities", "landlock", "landlock_log", "left_out", "limits", "memory_deny_write_execute", "new_session_keyring", "nice", "no_new_privs", "no_typing",
	"oom_score_adj", "private_keyring", "private_mounts", "private_network", "private_tmp", "read_only", "rlimit_nofile",
	"seccomp", "seccomp_programs", "seccomp_tried", "selinux_context", "umask",
}

// Heading is the group for a command: the name of its program.
func Heading(argv []filters.Untrusted) string {
	if name := path.Base(argv[0].Raw()); len(name) <= 64 && filters.Untrusted(name).Quote() == name {
		return name
	}
	return "others"
}

// Add adds a case to the group of that name.
func (s *Suite) Add(group string, c Case) {
	i := slices.IndexFunc(s.Groups, func(g Group) bool { return g.Name == group })
	if i < 0 {
		i = len(s.Groups)
		s.Groups = append(s.Groups, Group{Name: group})
	}
	s.Groups[i].Cases = append(s.Groups[i].Cases, c)
}

// ConfigPath is where a suite's rootwrap.conf is.
func (s Suite) ConfigPath() string {
	if path.IsAbs(s.Config) {
		return s.Config
	}
	return filepath.Join(filepath.Dir(s.Path), s.Config)
}

var verdicts = map[Outcome]string{Allow: "allow", Refuse: "deny", Missing: "not-executable"}

// Check says what is not as expected, one line each.
func (c Case) Check(a Answer) (wrong []string) {
	say := func(what, format string, args ...any) {
		wrong = append(wrong, what+": "+filters.Prose(fmt.Sprintf(format, args...)))
	}
	if a.Verdict != verdicts[c.Outcome] {
		say("verdict", "%s", outcome(a))
		for _, why := range a.Why {
			say("why", "%s", why)
		}
		return wrong
	}
	if c.By != "" && !Names(a.By, c.By) {
		say("by", "%s, expected %s", shown(a.By), filters.Show(c.By))
	}
	if c.Nested != "" && !Names(a.Nested, c.Nested) {
		say("nested", "%s, expected %s", shown(a.Nested), filters.Show(c.Nested))
	}
	if c.Outcome != Allow {
		return wrong
	}
	if c.RunAs != "" && c.RunAs != a.RunAs {
		say("run_as", "%s, expected %s", filters.Show(a.RunAs), filters.Show(c.RunAs))
	}
	if c.UID != nil && *c.UID != a.UID {
		say("uid", "%d, expected %d", a.UID, *c.UID)
	}
	if c.GID != nil && *c.GID != a.GID {
		say("gid", "%d, expected %d", a.GID, *c.GID)
	}
	if c.Groups != nil && !sameGroups(c.Groups, a.Groups) {
		say("groups", "%d, expected %d", a.Groups, c.Groups)
	}
	if c.Executable != "" && c.Executable != a.Executable {
		say("executable", "%s, expected %s", filters.Show(a.Executable), filters.Show(c.Executable))
	}
	if c.Argv != nil && !slices.Equal(c.Argv, a.Argv) {
		say("argv", "%s, expected %s", filters.Line(a.Argv), filters.Line(c.Argv))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		value, set := lookup(a.Env, name)
		switch want := c.Env[name]; {
		case want == nil && set:
			say("env", "%s is %s, expected not to be set", filters.Show(name), filters.Show(value))
		case want != nil && !set:
			say("env", "%s is not set, expected %s", filters.Show(name), filters.Show(*want))
		case want != nil && value != *want:
			say("env", "%s is %s, expected %s", filters.Show(name), filters.Show(value), filters.Show(*want))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.Sandbox)) {
		if got, want := a.Sandbox[key], c.Sandbox[key]; !same(got, want) {
			say("sandbox", "%s is %v, expected %v", key, text(got), text(want))
		}
	}
	return wrong
}

// outcome is an answer's verdict in words.
func outcome(a Answer) string {
	switch a.Verdict {
	case "allow":
		return "allowed by " + shown(a.By)
	case "deny":
		return "refused"
	case "not-executable":
		return shown(a.By) + " matches, but its program is missing (assume_programs takes it for installed)"
	case "too-long":
		return "too long for execve(2)"
	}
	return "the configuration cannot be used for it"
}

// Names tells whether name, by which a file calls a filter, is that of e.
func Names(e *policy.Entry, name string) bool {
	return e != nil && (name == e.Name || name == path.Base(e.File)+"/"+e.Name)
}

func shown(e *policy.Entry) string {
	switch {
	case e == nil:
		return "no filter"
	case e.File == "":
		return filters.Show(e.Name) + " (built in)"
	}
	return fmt.Sprintf("%s (%s:%d)", filters.Show(e.Name), filters.Show(path.Base(e.File)), e.Line)
}

func sameGroups(a, b []uint32) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func lookup(env []filters.Var, name string) (value string, set bool) {
	for _, v := range env {
		if v.Name.Raw() == name {
			return v.Value.Raw(), true
		}
	}
	return "", false
}

// same compares what JSON makes of two values. What is absent is as good as empty.
func same(got, want any) bool { return reflect.DeepEqual(filled(got), filled(want)) }

func filled(v any) any {
	if list, ok := v.([]any); ok && len(list) == 0 {
		return nil
	}
	if v == false {
		return nil
	}
	return v
}

func text(v any) string {
	if v == nil {
		return "nothing"
	}
	return strings.TrimSpace(fmt.Sprint(v))
}

// Result is what came of a case.
type Result struct {
	Suite *Suite
	Group string
	Case  Case
	Wrong []string // empty where all is as expected
}

// Name is how reports call the case.
func (r Result) Name() string {
	return filters.Show(r.Group) + ": " + string(r.Case.Outcome) + " " + filters.Line(r.Case.Command)
}

// Position is where the case stands.
func (r Result) Position() string {
	return fmt.Sprintf("%s:%d", filters.Show(r.Suite.Path), r.Case.Line)
}

// Report is what came of all suites.
type Report struct {
	Results []Result
	Covered int            // filters that decided about a command that is allowed as expected
	Filters int            // all that the suites' configurations have
	Idle    []policy.Entry // the others
}

// Failed is how many cases are not as expected.
func (r Report) Failed() int {
	n := 0
	for _, result := range r.Results {
		if len(result.Wrong) > 0 {
			n++
		}
	}
	return n
}

// Percent is the part of the filters that some expectation touches, rounded down.
func (r Report) Percent() int {
	if r.Filters == 0 {
		return 100
	}
	return 100 * r.Covered / r.Filters
}

// Run puts the cases of a suite before the engine, and adds what came of them, and to
// touched the filters that decided about a command that is allowed as expected.
func (r *Report) Run(s *Suite, ask func(Case) Answer, touched map[*policy.Entry]bool) {
	for _, g := range s.Groups {
		for _, c := range g.Cases {
			a := ask(c)
			result := Result{Suite: s, Group: g.Name, Case: c, Wrong: c.Check(a)}
			if len(result.Wrong) == 0 && c.Outcome == Allow {
				touched[a.By] = true
				if a.Nested != nil {
					touched[a.Nested] = true
				}
			}
			r.Results = append(r.Results, result)
		}
	}
}

// Cover adds the filters of a policy that the suites were about.
func (r *Report) Cover(p *policy.Policy, touched map[*policy.Entry]bool) {
	for i := range p.Filters {
		r.Filters++
		if touched[&p.Filters[i]] {
			r.Covered++
		} else {
			r.Idle = append(r.Idle, p.Filters[i])
		}
	}
}

// Text prints what is not as expected, and which filters are not touched.
func (r Report) Text(w io.Writer) error {
	var b strings.Builder
	for _, result := range r.Results {
		if len(result.Wrong) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s: not as expected: %s\n", result.Position(), result.Name())
		for _, wrong := range result.Wrong {
			fmt.Fprintf(&b, "    %s\n", wrong)
		}
	}
	fmt.Fprintf(&b, "%d expectations, %d not met\n", len(r.Results), r.Failed())
	for _, line := range r.coverage() {
		fmt.Fprintln(&b, line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// coverage is text about the filters that are touched and those that are not.
func (r Report) coverage() []string {
	lines := []string{fmt.Sprintf("%d of %d filters decide about a command that is expected to be allowed (%d %%)", r.Covered, r.Filters, r.Percent())}
	for _, e := range r.Idle {
		at := "built in"
		if e.File != "" {
			at = fmt.Sprintf("%s:%d", filters.Show(e.File), e.Line)
		}
		lines = append(lines, fmt.Sprintf("    no expectation: %s (%s), %s", filters.Show(e.Name), filters.Show(e.Class), at))
	}
	return lines
}
