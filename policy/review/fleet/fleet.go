// Package fleet puts the reports of policies on many hosts together: which of them are
// worst, which decide as most do, and what the others decide otherwise.
package fleet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
)

// Policy is one configuration of one host.
type Policy struct {
	Host    filters.Untrusted `json:"host"`
	Root    filters.Untrusted `json:"root"` // of the tree; "" for this machine
	Config  filters.Untrusted `json:"config"`
	Error   filters.Untrusted `json:"error"`   // why it cannot be used; "" where it can
	Variant string            `json:"variant"` // the name of its variant; "" where it cannot be used
	Report  *exposure.Report  `json:"report"`  // null where it cannot be used

	Side *difference.Side `json:"-"`
}

// Variant is what policies of some hosts at one path have in common: they decide alike.
type Variant struct {
	Name   string              `json:"name"` // a letter, A for that of most hosts
	Config filters.Untrusted   `json:"config"`
	Hosts  []filters.Untrusted `json:"hosts"`
	// What it decides otherwise than A: a sentence, whether it may be wider, and commands
	// that show it. Compared is false for A, and for those beyond the first few.
	Compared  bool                `json:"compared"`
	Summary   string              `json:"summary"`
	Wider     bool                `json:"wider"`
	Witnesses []filters.Untrusted `json:"witnesses"`

	first *Policy
}

// Report is of all policies, worst first.
type Report struct {
	Policies []*Policy `json:"policies"`
	Variants []Variant `json:"variants"` // by configuration, that of most hosts first
}

// compared is how many variants of one configuration are compared with that of most hosts.
const compared = 20

// New puts policies together. m is for the exposure of what differs.
func New(all []*Policy, m exposure.Machine) Report {
	r := Report{Policies: all, Variants: []Variant{}}
	for _, config := range configs(all) {
		r.Variants = append(r.Variants, variants(config, all, m)...)
	}
	slices.SortStableFunc(r.Policies, worstFirst)
	return r
}

// configs are the paths of usable configurations, sorted.
func configs(all []*Policy) (paths []filters.Untrusted) {
	for _, p := range all {
		if p.Report != nil {
			paths = append(paths, p.Config)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// worstFirst orders policies: what cannot be used, then by score, and by how many filters
// are root or may be.
func worstFirst(a, b *Policy) int {
	if a.Report == nil || b.Report == nil {
		return cmp.Or(cmp.Compare(truth(b.Report == nil), truth(a.Report == nil)), compareNames(a, b))
	}
	return cmp.Or(
		cmp.Compare(b.Report.Gate(), a.Report.Gate()),
		cmp.Compare(b.Report.Root.Filters, a.Report.Root.Filters),
		cmp.Compare(b.Report.Root.Ways, a.Report.Root.Ways),
		cmp.Compare(b.Report.Counts[exposure.Unknown], a.Report.Counts[exposure.Unknown]),
		compareNames(a, b))
}

func compareNames(a, b *Policy) int {
	return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Config, b.Config), cmp.Compare(a.Root, b.Root))
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// variants divides the policies at one path by what they decide.
func variants(config filters.Untrusted, all []*Policy, m exposure.Machine) []Variant {
	groups := alike(config, all, m)
	usual, others := groups[0], []Variant{}
	for i, v := range groups[1:] {
		if i >= compared {
			v.Summary = "not compared: there are too many variants"
		} else {
			d := difference.Compare(usual.first.Side, v.first.Side, m)
			if d.Verdict == difference.Same {
				usual.Hosts = append(usual.Hosts, v.Hosts...)
				name(all, config, v.Name, usual.Name)
				continue
			}
			v.Compared, v.Summary, v.Wider, v.Witnesses = true, difference.Summary(d), d.Wider, witnesses(d)
		}
		was := v.Name
		v.Name = letter(1 + len(others))
		name(all, config, was, v.Name)
		others = append(others, v)
	}
	slices.Sort(usual.Hosts)
	return append([]Variant{usual}, others...)
}

// alike groups policies of which the filters are the same but for names and places, that of
// most hosts first. Their names are numbers yet, but for the first.
func alike(config filters.Untrusted, all []*Policy, m exposure.Machine) (groups []Variant) {
	at := map[string]int{}
	for _, p := range all {
		if p.Report == nil || p.Config != config {
			continue
		}
		key := meaning(p, m)
		n, ok := at[key]
		if !ok {
			n = len(groups)
			at[key] = n
			groups = append(groups, Variant{Config: config, Witnesses: []filters.Untrusted{}, first: p, Name: key})
		}
		groups[n].Hosts = append(groups[n].Hosts, p.Host)
		p.Variant = key
	}
	slices.SortStableFunc(groups, func(a, b Variant) int {
		return cmp.Or(cmp.Compare(len(b.Hosts), len(a.Hosts)), cmp.Compare(a.Hosts[0], b.Hosts[0]))
	})
	was := groups[0].Name
	groups[0].Name = letter(0)
	name(all, config, was, groups[0].Name)
	return groups
}

// meaning is the same for policies with the same filters in the same order, programs in the
// same places, the same settings, and sandboxes that name the same things.
func meaning(p *Policy, m exposure.Machine) string {
	var b strings.Builder
	for i, f := range p.Report.Filters {
		sandbox, err := json.Marshal(p.Side.Policy.Filters[i].Sandbox)
		fmt.Fprintf(&b, "%s %s %s %v\n", f.Key, f.Found, sandbox, err)
	}
	for _, name := range p.Side.Policy.NamedContexts() {
		switch h, err := p.Side.Policy.Context(name); {
		case err != nil:
			fmt.Fprintf(&b, "%s is refused\n", name)
		case h != nil:
			sandbox, err := json.Marshal(h.Sandbox)
			fmt.Fprintf(&b, "%s %s %v\n", name, sandbox, err)
		}
	}
	c := p.Side.Policy.Config
	c.FiltersPath = nil
	fmt.Fprintf(&b, "%+v %q\n%s", c, p.Side.Dirs, p.Side.Outside(p.Host.Raw()+p.Root.Raw(), m))
	return b.String()
}

// name gives policies of a variant another name.
func name(all []*Policy, config filters.Untrusted, was, is string) {
	for _, p := range all {
		if p.Config == config && p.Variant == was {
			p.Variant = is
		}
	}
}

// letter is A, B, ..., Z, AA, AB and so on.
func letter(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return letter(n/26-1) + letter(n%26)
}

// shown is how many commands show what a variant decides otherwise.
const shown = 5

func witnesses(d difference.Report) (list []filters.Untrusted) {
	list = []filters.Untrusted{}
	for _, s := range d.Settings {
		list = append(list, filters.Untrusted(fmt.Sprintf("%s: %s: %s → %s", s.Direction, s.Key, s.Old, s.New)))
	}
	for _, group := range d.Differences {
		for _, i := range group.Items {
			list = append(list, filters.Untrusted(group.Direction+": "+exposure.Command(i.Witness)))
		}
	}
	for _, q := range d.Open {
		list = append(list, "not settled: "+q.Text)
	}
	return list[:min(len(list), shown)]
}
