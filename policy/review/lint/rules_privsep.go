package lint

import (
	"fmt"
	"slices"
	"strings"

	"ironwrap/policy"
	"ironwrap/policy/document"
	table "ironwrap/policy/privsep"
	"ironwrap/policy/review/exposure"
)

const (
	aHelper  = "mkdir bin; printf '#!/bin/sh\\n' >bin/privsep-helper; chmod 755 bin/privsep-helper"
	aSection = "[Privsep:vif_plug_ovs.privsep.vif_plug]\n"
)

// privsepRules are about what oslo.privsep's helper executes, and about the sections that
// confine it.
var privsepRules = []*Rule{
	{
		ID: "privsep-unconfined", Here: true, Severity: Note,
		Title: "what privsep-helper executes has all capabilities",
		Help:  "The capabilities that a context declares hold for its Python code alone: the helper stays root with a full bounding set, and each program that it executes has all of them again. privsep_confine = declared cuts that set to what the context declares and is known to need, for the contexts that were tried, and refuses the others until they have a section. [Privsep:CONTEXT] says it for one context (docs/privsep.md has the table).",
		check: privsepUnconfined,
		finds: []example{
			{conf: "exec_dirs=DIR/bin", setup: aHelper, at: "rootwrap.conf:2:1", says: "have all capabilities"},
			{conf: "exec_dirs=DIR/bin\nprivsep_contexts=none", filters: "h: RegExpFilter, privsep-helper, root, privsep-helper, --privsep_context, os_brick.privileged.default, --privsep_sock_path, /tmp/.*", setup: aHelper, at: "a.filters:2:4", says: "os_brick.privileged.default"},
			{conf: "exec_dirs=DIR/bin, /usr/bin\nprivsep_contexts=none", filters: "h: RegExpFilter, nice, root, nice, -n, 9, privsep-helper, --privsep_context, os_brick.privileged.default, --privsep_sock_path, /tmp/.*", setup: aHelper, at: "a.filters:2:4", says: "os_brick.privileged.default"},
		},
		passes: []example{
			{conf: "exec_dirs=DIR/bin\nprivsep_confine=declared", setup: aHelper},
			{conf: "exec_dirs=DIR/bin\nprivsep_contexts=none", setup: aHelper},
			{conf: "exec_dirs=DIR/bin\n[Sandbox]\ncapabilities=CAP_NET_ADMIN, CAP_DAC_OVERRIDE", setup: aHelper},
		},
	},
	{
		ID: "privsep-lacks-capability", Severity: Error,
		Title: "a section leaves out a capability that its context declares",
		Help:  "oslo.privsep's daemon sets exactly the capabilities that the context declares, and ends at once where it cannot have one. Add it, or have the service declare less: option capabilities of the context's section in the service's configuration.",
		check: func(c *config) []Finding {
			return c.eachSection(func(h held) string {
				if len(h.lacks) == 0 {
					return ""
				}
				return fmt.Sprintf("context %s declares %s, without which its helper ends at once", h.name, capitals(h.lacks))
			})
		},
		finds: []example{
			{conf: aSection + "capabilities=CAP_DAC_OVERRIDE", at: "rootwrap.conf:5:1", says: "declares CAP_NET_ADMIN"},
			{conf: "[Sandbox]\ncapabilities=none\n" + aSection + "nice=5", at: "rootwrap.conf:6:1", says: "declares CAP_NET_ADMIN"},
		},
		passes: []example{
			{conf: aSection + "capabilities=CAP_DAC_OVERRIDE, CAP_NET_ADMIN"},
			{conf: aSection + "capabilities=all"},
			{conf: aSection + "nice=5"},
			{conf: "privsep_contexts=a.b\n[Privsep:a.b]\ncapabilities=none"}, // nobody knows what it declares
		},
	},
	{
		ID: "privsep-out-of-reach", Severity: Warning,
		Title: "a section takes from a helper the capability to reach its service",
		Help:  "The service makes the socket in a directory of its own with mode 0700 (in TMPDIR), which root can search by CAP_DAC_OVERRIDE only. Without it the helper cannot connect, and the service fails to start. Add it to the section.",
		check: func(c *config) []Finding {
			return c.eachSection(func(h held) string {
				if len(h.lacks) > 0 || h.reaches {
					return ""
				}
				return fmt.Sprintf("the helper of context %s cannot reach a socket in its service's directory without CAP_DAC_OVERRIDE", h.name)
			})
		},
		finds:  []example{{conf: aSection + "capabilities=CAP_NET_ADMIN", at: "rootwrap.conf:5:1", says: "CAP_DAC_OVERRIDE"}},
		passes: []example{{conf: aSection + "capabilities=CAP_DAC_OVERRIDE, CAP_NET_ADMIN"}, {conf: aSection + "no_new_privs=yes"}, {conf: aSection + "capabilities=none"}},
	},
	{
		ID: "privsep-idle-section", Severity: Warning,
		Title: "a section is for a privsep context that nobody can ask for",
		Help:  "No filter lets privsep-helper be started for it, and the implicit filter is off. Take the section out, or add the filter that was meant.",
		check: privsepIdle,
		finds: []example{
			{conf: "privsep_contexts=none\n" + aSection + "capabilities=all", at: "rootwrap.conf:5:1", says: "vif_plug_ovs.privsep.vif_plug"},
			{conf: "privsep_contexts=none\n" + aSection + "capabilities=all", filters: "h: RegExpFilter, privsep-helper, root, privsep-helper, --privsep_context, os_brick.privileged.default, --privsep_sock_path, /tmp/.*", at: "rootwrap.conf:5:1"},
		},
		passes: []example{
			{conf: aSection + "capabilities=all"},
			{conf: "privsep_contexts=none\n" + aSection + "capabilities=all", filters: "h: RegExpFilter, privsep-helper, root, privsep-helper, --privsep_context, vif_plug_ovs\\.privsep\\.vif_plug, --privsep_sock_path, /tmp/.*"},
		},
	},
	{
		ID: "privsep-no-profile", Severity: Error,
		Title: "a context is refused, because privsep_confine has no profile for it",
		Help:  "Nobody has tried within what it works. Write a section for it: capabilities = all leaves it as it is without privsep_confine.",
		check: privsepNoProfile,
		finds: []example{
			{conf: "privsep_confine=declared\nprivsep_contexts=acme.privileged.default", at: "rootwrap.conf:5:1", says: "acme.privileged.default is refused"},
		},
		passes: []example{
			{conf: "privsep_contexts=acme.privileged.default"},
			{conf: "privsep_confine=declared\nprivsep_contexts=acme.privileged.default\n[Privsep:acme.privileged.default]\ncapabilities=all"},
			{conf: "privsep_confine=declared"},
		},
	},
}

// privsepUnconfined looks at filters whose helper is installed.
func privsepUnconfined(c *config) (all []Finding) {
	if c.machine == nil {
		return nil
	}
	for _, f := range c.filters {
		if !policy.StartsHelper(f.Filter) || f.Sandbox != nil && f.Sandbox.Capabilities != nil {
			continue
		}
		if _, err := c.find(f); err != nil {
			continue
		}
		var names []string
		profiled, example := 0, ""
		for i, p := range table.All() {
			if h, err := c.policy.Context(p.Name); err != nil || h != nil && h.Sandbox.Capabilities != nil || !c.asksFor(f, p.Name) {
				continue
			}
			names = append(names, p.Name)
			if p.Profiled() {
				if profiled++; profiled == 1 {
					example = fmt.Sprintf("%s with %s", p.Name, capitals(table.All()[i].Capabilities()))
				}
			}
		}
		if len(names) == 0 {
			continue
		}
		message := fmt.Sprintf("commands of the privsep context %s have all capabilities, whatever it declares", names[0])
		if len(names) > 1 {
			message = fmt.Sprintf("commands of %d privsep contexts have all capabilities, whatever they declare: %s and %d more", len(names), names[0], len(names)-1)
		}
		hint := "privsep_confine=declared would refuse each of them that has no section: nobody has tried within what they work"
		if profiled > 0 {
			hint = fmt.Sprintf("privsep_confine=declared would leave %s; %d of %d have a profile, and the others are refused until they have a section", example, profiled, len(names))
		}
		if c.policy.PrivsepConfine {
			hint = "name the capabilities in the section"
		}
		switch e, ok := c.key("filters_path"); {
		case f.file != nil:
			all = append(all, f.at(0, message, hint))
		case ok:
			all = append(all, c.conf.at(c.conf.whole(e.Line), message, hint))
		}
	}
	return all
}

// asksFor tells that a filter lets the helper be asked for a context.
func (c *config) asksFor(f *filter, context string) bool {
	if f.file == nil {
		return slices.Contains(c.policy.Contexts(), context)
	}
	_, ok := exposure.AsksFor(&f.Entry, context)
	return ok
}

// held is a context that a section confines.
type held struct {
	name    string
	lacks   []string // capabilities that it declares and cannot have
	reaches bool     // its helper has table.Reach
}

// eachSection makes a finding for each section [Privsep:NAME] of which look has something
// to say, at its capabilities or its head.
func (c *config) eachSection(look func(h held) string) (all []Finding) {
	c.contextSections(func(name string, s *document.Section) {
		h, err := c.policy.Context(name)
		if err != nil || h == nil || h.Sandbox.Capabilities == nil {
			return
		}
		has := func(capability string) bool { return slices.Contains(h.Sandbox.Capabilities, capability) }
		one := held{name: quote(name), reaches: has(table.Reach)}
		if p := table.Find(name); p != nil && !p.Unread {
			one.lacks = slices.DeleteFunc(strings.Fields(p.Declared), has)
		}
		if message := look(one); message != "" {
			line := s.Line
			if e, ok := c.conf.own(s.Name, "capabilities"); ok {
				line = e.Line
			}
			all = append(all, c.conf.at(c.conf.whole(line), message, ""))
		}
	})
	return all
}

// contextSections visits the sections [Privsep:NAME].
func (c *config) contextSections(visit func(name string, s *document.Section)) {
	if c.policy == nil || c.conf == nil {
		return
	}
	for _, s := range c.conf.ini.Sections {
		if name, ok := strings.CutPrefix(s.Name, "Privsep:"); ok {
			visit(name, s)
		}
	}
}

func privsepIdle(c *config) (all []Finding) {
	c.contextSections(func(name string, s *document.Section) {
		if !slices.ContainsFunc(c.filters, func(f *filter) bool { return c.asksFor(f, name) }) {
			all = append(all, c.conf.at(c.conf.whole(s.Line), "no filter lets privsep-helper be started for "+quote(name), ""))
		}
	})
	return all
}

func privsepNoProfile(c *config) (all []Finding) {
	e, ok := c.key("privsep_contexts")
	if !ok || c.policy == nil || !c.policy.PrivsepConfine {
		return nil
	}
	for _, name := range c.policy.PrivsepContexts {
		if _, err := c.policy.Context(name); err != nil {
			all = append(all, c.conf.at(c.conf.whole(e.Line), "context "+quote(name)+" is refused: privsep_confine=declared has no profile for it", "add a section [Privsep:"+name+"]"))
		}
	}
	return all
}

// eachContextProfile is eachProfile for the profiles of contexts.
func (c *config) eachContextProfile(look func(Profile) string) (all []Finding) {
	if c.policy == nil || c.conf == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, name := range c.policy.NamedContexts() {
		h, err := c.policy.Context(name)
		if err != nil || h == nil || h.Sandbox.Seccomp == "" || h.Sandbox.Seccomp == "none" {
			continue
		}
		e, ok := c.conf.own("Privsep:"+name, "seccomp")
		if !ok {
			e, ok = c.key("privsep_confine")
		}
		if !ok {
			continue
		}
		message := look(c.facts.Seccomp(h.Sandbox))
		if key := fmt.Sprint(e.Line, message); message != "" && !seen[key] {
			seen[key] = true
			all = append(all, c.conf.at(c.conf.whole(e.Line), "context "+quote(name)+": "+message, ""))
		}
	}
	return all
}

func capitals(capabilities []string) string { return strings.ToUpper(strings.Join(capabilities, ", ")) }
