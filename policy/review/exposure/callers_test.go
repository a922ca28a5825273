package exposure

import (
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
)

// TestCallers: a service that nobody has heard of has what nova has.
func TestCallers(t *testing.T) {
	lines := []string{
		"PathFilter, cp, root, /var/lib/NAME, /var/lib/NAME",
		"PathFilter, ln, root, /var/lib/NAME, /var/lib/NAME",
		"PathFilter, tee, root, /run/NAME",
		"RegExpFilter, tee, root, tee, /var/lib/NAME/[a-z]+",
		"RegExpFilter, chown, root, chown, NAME, /var/lib/NAME/[a-z]+",
		"RegExpFilter, chown, root, chown, NAME:, /etc/.*",
		"RegExpFilter, chgrp, root, chgrp, NAME, /etc/.*",
		"RegExpFilter, chmod, root, chmod, 0644, /var/log/NAME/[a-z]+",
		"RegExpFilter, sh, root, sh, /var/cache/NAME/[a-z]+",
		"RegExpFilter, rm, root, rm, -r, /var/lib/NAME/[a-z/.]+",
		"RegExpFilter, nice, root, nice, tee, /var/lib/NAME/[a-z]+",
		"RegExpFilter, sh, root, sh, -c, cat < /var/lib/NAME/[a-z]+",
		"ReadFileFilter, /var/lib/NAME/x",
	}
	of := func(config, line string, users, dirs []string) Filter {
		f, err := filters.New(line)
		if err != nil {
			t.Fatal(err)
		}
		p := &policy.Policy{Path: config, Filters: []policy.Entry{{Filter: f, Name: "x", Class: strings.Split(line, ",")[0], File: "/x.filters", Line: 1}}}
		return Assess(p, Machine{Callers: Callers{Users: users, Dirs: dirs}}).Filters[0]
	}
	for _, line := range lines {
		want := of("/etc/nova/rootwrap.conf", strings.ReplaceAll(line, "NAME", "nova"), nil, nil)
		another := strings.ReplaceAll(line, "NAME", "hbsvc")
		for _, got := range []Filter{
			of("/etc/hbsvc/rootwrap.conf", another, nil, nil),
			of("/etc/x/rootwrap.conf", another, []string{"hbsvc"}, nil),
		} {
			if got.Score != want.Score {
				t.Errorf("%s: %s, and of nova %s", another, got.Score, want.Score)
			}
		}
		if strings.Contains(line, " NAME") {
			continue
		}
		if strings.Contains(line, "/run/") || strings.Contains(line, "/var/log/") || strings.Contains(line, "cache") {
			continue
		}
		owned := of("/etc/x/rootwrap.conf", strings.ReplaceAll(another, "/var/lib/", "/srv/"), []string{"nobody"}, []string{"/srv/hbsvc"})
		if owned.Score != want.Score {
			t.Errorf("%s in /srv: %s, and of nova %s", another, owned.Score, want.Score)
		}
	}
}

// TestRemediesOfCallers: what is proposed for a service nobody has heard of is not rated high.
func TestRemediesOfCallers(t *testing.T) {
	for _, config := range []string{"/etc/imager/rootwrap.conf", "/etc/rootwrap.conf"} {
		for _, program := range strings.Fields("cp mv ln tee chown chmod rm cat") {
			f, err := filters.New("CommandFilter, " + program + ", root")
			if err != nil {
				t.Fatal(err)
			}
			p := &policy.Policy{Path: config, Filters: []policy.Entry{{Filter: f, Name: "x", Class: "CommandFilter", File: "/x.filters", Line: 1}}}
			r := Assess(p, Machine{}).Filters[0].Remedy
			if r == nil {
				continue
			}
			if program == "cp" || program == "mv" || program == "ln" {
				for _, line := range r.Lines {
					if strings.Contains(line.Raw(), "PathFilter") {
						t.Errorf("%s: %s: %s", config, program, r.Lines)
					}
				}
			}
		}
	}
}

// TestNobodyAdded: those who are known, and what is nobody's, change nothing.
func TestNobodyAdded(t *testing.T) {
	if w := (Callers{Users: []string{"nova", "root", "", "nobody", "..", "a/b"}, Dirs: []string{"/", "", "x"}}).who(); w != (who{}) {
		t.Errorf("%+v", w)
	}
}
