package policy

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
)

// FuzzDecide makes a policy of the lines of definitions, and puts the lines of
// line before it as one command.
func FuzzDecide(f *testing.F) {
	const mixed = "CommandFilter, id, root\nEnvFilter, env, root, A=, ls\nPathFilter, cat, root, /x\nKillFilter, root, /bin/daemon, -9\nRegExpFilter, b, nobody, b, .*\n" +
		"ChainingRegExpFilter, nice, root, nice, -n, .\nIpNetnsExecFilter, ip, root\nIpFilter, ip, root\nCommandFilter, absent, root\nChainingRegExpFilter, absent, root, x"
	for _, line := range []string{"id -u", "env A=b ls", "cat /x/../x/y", "kill -9 100", "nice -n 5 id", "nice -n 5 /bin/id", "nice -n 5 /tmp/id", "ip netns exec ns cat /x/a", "ip netns exec ns kill -9 100",
		"nice -n 5 env A= ls", "absent", "x id", "b ", "nice -n 5 nice -n 5 id", "privsep-helper --privsep_context a.b --privsep_sock_path /x", "nice -n 5 privsep-helper --privsep_context a.b --privsep_sock_path /x"} {
		f.Add(mixed, strings.ReplaceAll(line, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, definitions, line string) {
		p := &Policy{Path: "/etc/x/rootwrap.conf"}
		for _, definition := range strings.Split(definitions, "\n") {
			if filter, err := filters.New(definition); err == nil && len(p.Filters) < 20 {
				p.Filters = append(p.Filters, Entry{Filter: filter, Name: definition})
			}
		}
		p.Filters = append(p.Filters, Entry{Filter: filters.Privsep(func() []string { return []string{"a.b"} }, "/etc/x"), Name: "privsep-helper"})
		argv := filters.Words(strings.Split(line, "\n"))
		before := slices.Clone(argv)
		d := p.Decide(Request{Argv: argv, Machine: newMachine("absent")})
		if !slices.Equal(argv, before) {
			t.Fatalf("deciding changed the words %q to %q", before, argv)
		}
		sound(t, p, argv, d)

		// Each filter alone comes to the same, so that the order only chooses.
		for i := range p.Filters {
			one, match, _ := p.ask(&p.Filters[i], Request{Argv: argv, Machine: newMachine("absent")})
			if one.Verdict == Allowed || d.Verdict == Denied && match {
				if d.Verdict != Allowed || d.Filter != &p.Filters[i] {
					t.Errorf("%q: filter %d (%s) matches, and the decision is %s", argv, i, p.Filters[i].Name, outcome(d))
				}
				break
			}
		}
		traced := p.Decide(Request{Argv: argv, Machine: newMachine("absent"), Trace: true})
		if traced.Steps = nil; !reflect.DeepEqual(traced, d) {
			t.Errorf("%q: traced it is %+v, not %+v", argv, traced, d)
		}
	})
}
