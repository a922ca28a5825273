package policy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/privsep"
)

// Contexts are the dotted names that the implicit filter lets the helper be asked for.
func (p *Policy) Contexts() []string { return known(p.PrivsepContexts) }

// known are the contexts of released services, and more.
func known(more []string) []string {
	var list []string
	for _, c := range privsep.All() {
		list = append(list, c.Name)
	}
	return append(list, more...)
}

// NamedContexts are those, and those that have a section.
func (p *Policy) NamedContexts() []string {
	list := p.Contexts()
	if p.contexts != nil {
		list = append(list, slices.Collect(maps.Keys(p.contexts.sections))...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// privsepEnv keeps oslo.log from obeying the files that a service names with
// --config-file: many belong to the service, and a log configuration is Python
// code, which the helper would run as root. oslo.config lets the environment win
// over files; empty values turn the three options off.
var privsepEnv = []filters.Var{
	{Name: "OS_DEFAULT__LOG_CONFIG_APPEND"},
	{Name: "OS_DEFAULT__LOG_FILE"},
	{Name: "OS_DEFAULT__LOG_DIR"},
}

// quieted adds these to the variables of a command that is oslo.privsep's helper, or may
// start it: that has its name in a word. They change nothing for another program.
func quieted(program string, words []filters.Untrusted, env []filters.Var) []filters.Var {
	named := func(word filters.Untrusted) bool { return strings.Contains(word.Raw(), helperName) }
	if !IsHelper(program) && !slices.ContainsFunc(words, named) {
		return env
	}
	return append(slices.Clip(env), privsepEnv...)
}

const helperName = "privsep-helper"

// IsHelper tells oslo.privsep's helper by the name of its program, which packages put
// something before: python3-privsep-helper.
func IsHelper(program string) bool { return strings.HasSuffix(program, helperName) }

// StartsHelper tells a filter for the helper, or for a command that names it: an
// interpreter, or a prefix such as prlimit.
func StartsHelper(f filters.Filter) bool {
	return IsHelper(f.Exec()) || slices.ContainsFunc(filters.ShapeOf(f).Args, func(pattern string) bool {
		return strings.HasSuffix(strings.ReplaceAll(pattern, `\`, ""), helperName)
	})
}

// helperWords are the words of the helper in a command: of one that is the helper, or that
// starts it by a word of its own, as an interpreter does.
func helperWords(program string, words []filters.Untrusted) ([]filters.Untrusted, bool) {
	if IsHelper(program) {
		return words, true
	}
	for i, word := range words {
		if IsHelper(word.Raw()) && i+1 < len(words) {
			return words[i+1:], true
		}
	}
	return nil, false
}

// Helper is a command that starts oslo.privsep's helper.
type Helper struct {
	Context string // that it is asked for; "" where its words do not tell for certain
	// Sandbox is that of the context: [Sandbox], cut down to the built-in profile where
	// there is one, then the section's keys. Nil where there is neither profile nor section.
	Sandbox *Sandbox
	Profile bool // the built-in profile is in it

	Path string // of the file with [Privsep:CONTEXT]; "" for none
	Line int    // of that section
}

// contexts is what rootwrap.conf says of contexts.
type contexts struct {
	sandboxes *sandboxes
	declared  bool     // privsep_confine
	others    []string // privsep_contexts
	any       bool     // there may be more, which only filters name
	sections  map[string]*document.Section
}

// confine tells that some context is confined. Then none is started by a name that is not
// known, which may be another one for the same object.
func (c *contexts) confine() bool { return c != nil && (c.declared || len(c.sections) > 0) }

const privsepPrefix = "Privsep:"

// readContexts takes the sections [Privsep:NAME] of rootwrap.conf, and checks even those
// that nobody asks for.
func readContexts(sb *sandboxes, file *document.Document, c Config) (*contexts, error) {
	all := &contexts{sandboxes: sb, declared: c.PrivsepConfine, others: c.PrivsepContexts, any: c.NoPrivsep}
	for _, s := range file.Sections {
		name, ok := strings.CutPrefix(s.Name, privsepPrefix)
		if !ok {
			continue
		}
		if !all.known(name) && !(all.any && dotted(name)) {
			return nil, fmt.Errorf("%s:%d: section [%s]: no released service has a context of that name: correct it, or add it to privsep_contexts",
				filters.Untrusted(cmp.Or(s.Path, sb.path)), s.Line, filters.Untrusted(s.Name))
		}
		if all.sections == nil {
			all.sections = map[string]*document.Section{}
		}
		all.sections[name] = s
		if _, err := all.of(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// known tells that a context goes by that name. Without the implicit filter a section makes
// one known that is not built in: there is no list of them.
func (c *contexts) known(name string) bool {
	return privsep.Find(name) != nil || slices.Contains(c.others, name) || c.sections[name] != nil
}

// dotted tells what can be the name of an attribute in a module.
func dotted(name string) bool {
	parts := strings.Split(name, ".")
	return len(parts) > 1 && !slices.Contains(parts, "") && !strings.ContainsAny(name, " \t\n=,/$")
}

// helper is what confines a command that starts the helper; nil for any other. The error
// says why it cannot be told, where contexts are confined.
func (c *contexts) helper(program string, words []filters.Untrusted) (*Helper, error) {
	words, is := helperWords(program, words)
	if !is {
		return nil, nil
	}
	name, certain := filters.PrivsepContext(words)
	switch {
	case !c.confine():
		return &Helper{Context: name.Raw()}, nil
	case !certain:
		return nil, fmt.Errorf("%s confines privsep contexts, and the words of privsep-helper do not tell for certain which one is meant: let them end in --privsep_context NAME --privsep_sock_path PATH", filters.Show(c.sandboxes.path))
	case !c.known(name.Raw()):
		return nil, fmt.Errorf("%s confines privsep contexts, and %s is not the known name of one: add it to privsep_contexts, or a section [Privsep:%s]", filters.Show(c.sandboxes.path), name.Show(), name.Show())
	}
	return c.of(name.Raw())
}

// of is the confinement of a context that is known.
func (c *contexts) of(name string) (*Helper, error) {
	h := &Helper{Context: name}
	profile, section := privsep.Find(name), c.sections[name]
	h.Profile = c.declared && profile.Profiled()
	switch {
	case section != nil:
		h.Path, h.Line = cmp.Or(section.Path, c.sandboxes.path), section.Line
	case c.declared && !h.Profile:
		return nil, fmt.Errorf("privsep_confine = declared, and nobody has tried within what context %s works: add a section [Privsep:%s] to %s, with capabilities = all to leave it unconfined",
			filters.Show(name), filters.Untrusted(name), filters.Show(c.sandboxes.path))
	case !c.declared:
		return h, nil
	}
	var s Sandbox
	if d := c.sandboxes.defaults; d != nil {
		if err := c.sandboxes.add(&s, *d); err != nil {
			return nil, err
		}
	}
	if h.Profile {
		if err := s.cut(profile); err != nil {
			return nil, err
		}
	}
	if section != nil {
		if err := c.sandboxes.add(&s, layer{h.Path, section.Own}); err != nil {
			return nil, err
		}
	}
	h.Sandbox = &s
	return h, nil
}

// cut leaves of s what is also in a context's profile, which gives nothing back of what
// [Sandbox] takes away.
func (s *Sandbox) cut(c *privsep.Context) error {
	all := c.Capabilities()
	if s.Capabilities != nil {
		all = slices.DeleteFunc(all, func(name string) bool { return !slices.Contains(s.Capabilities, name) })
	}
	seccomp, keyring, privs := s.Seccomp, s.PrivateKeyring, s.NoNewPrivs
	for _, word := range strings.Fields(c.Keys) {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return errors.New("internal error: the profile of " + c.Name + " cannot be read")
		}
		if err := s.set(document.Entry{Key: key, Value: value}); err != nil {
			return err
		}
	}
	s.Capabilities, s.NoNewPrivs = all, s.NoNewPrivs || privs
	if seccomp != "" {
		s.Seccomp = seccomp
	}
	if keyring != nil {
		s.PrivateKeyring = keyring
	}
	return nil
}

// Context is the confinement of a context: nil where there is none but that of the filter
// which lets it be asked for. The error says why its helper would not be started.
func (p *Policy) Context(name string) (*Helper, error) { return p.contexts.named(name) }

// Context is that of the policy which the filter is of.
func (e *Entry) Context(name string) (*Helper, error) { return e.contexts.named(name) }

// OtherContexts are the contexts besides those of released services that a filter's policy
// knows by name. With any it lets others be asked for too, if the filter does: it confines
// none.
func (e *Entry) OtherContexts() (names []string, any bool) {
	if !e.contexts.confine() {
		return nil, true
	}
	for name := range e.contexts.sections {
		if privsep.Find(name) == nil {
			names = append(names, name)
		}
	}
	names = append(names, e.contexts.others...)
	slices.Sort(names)
	return slices.Compact(names), false
}

func (c *contexts) named(name string) (*Helper, error) {
	if !c.confine() {
		return nil, nil
	}
	h, err := c.helper("privsep-helper", filters.Words([]string{"--privsep_context=" + name}))
	if err != nil || h.Sandbox == nil {
		return nil, err
	}
	return h, nil
}

// Confined is a sandbox that holds for a command.
type Confined struct {
	Whose string // "filter dd", for messages
	*Sandbox
}

// Confinements are the sandboxes that hold for a command, each as far as it goes. That of a
// context stands in the place of the defaults of the filter that allows its helper, and
// beside the filter's own section.
func (d Decision) Confinements() (list []Confined) {
	context := d.Helper != nil && d.Helper.Sandbox != nil
	for _, e := range []*Entry{d.Filter, d.Leaf} {
		starts := e == d.Leaf || d.Leaf == nil
		if e == nil || e.Sandbox == nil || context && starts && !e.Own {
			continue
		}
		list = append(list, Confined{"filter " + filters.Show(e.Name), e.Sandbox})
	}
	if context {
		list = append(list, Confined{"privsep context " + filters.Show(d.Helper.Context), d.Helper.Sandbox})
	}
	return list
}

// Survives tells that the command goes on when its client is gone.
func (d Decision) Survives() bool {
	s := d.Filter.Sandbox
	if d.Helper != nil && d.Helper.Sandbox != nil && d.Leaf == nil && !d.Filter.Own {
		s = d.Helper.Sandbox
	}
	return s != nil && s.Survive
}
