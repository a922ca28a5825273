package difference

import (
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/internal/copied"
	"ironwrap/policy/program"
)

// contextSide is a policy of texts: the end of rootwrap.conf, and one filters file.
func contextSide(t *testing.T, conf, text string) *Side {
	t.Helper()
	c, err := inifile.Parse("/c.conf", []byte("[DEFAULT]\nfilters_path=/d\n"+conf), document.Strict)
	if err != nil {
		t.Fatal(err)
	}
	f, err := inifile.Parse("/d/f.filters", []byte("[Filters]\n"+text), document.Lenient)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Assemble(copied.Policy{Path: "/c.conf", Conf: c, Files: []copied.File{{Path: "/d/f.filters", Document: f}}})
	if err != nil {
		t.Fatal(err)
	}
	return New(p, []string{"/bin"}, func(name, _ string) (program.Program, error) { return program.Program{Path: "/bin/" + name}, nil })
}

// TestPrivsepSections: what sections per context and privsep_confine change, with a command
// that shows it.
func TestPrivsepSections(t *testing.T) {
	const (
		brick  = "os_brick.privileged.default"
		kill   = "[Privsep:" + brick + "]\ncapabilities=CAP_KILL\n"
		none   = "[Privsep:" + brick + "]\ncapabilities=none\n"
		filter = "h: RegExpFilter, privsep-helper, root, privsep-helper, --privsep_context, os_brick\\.privileged\\.default, --privsep_sock_path, /s\n"
	)
	for _, c := range []struct{ name, old, new, text, want, setting string }{
		{"a section", "", kill, "", "narrower", "other"},
		{"taken out", kill, "", "", "wider", "other"},
		{"tighter", kill, none, "", "narrower", "other"},
		{"looser", none, kill, "", "wider", "other"},
		{"below a prefix", none, kill, "n: IpNetnsExecFilter, ip, root\n", "wider", "other"},
		{"another filter", none, kill, filter, "wider", "other"},
		{"the same", kill, kill, filter, "", ""},
		{"written otherwise", kill, "[Profile:p]\ncapabilities=CAP_KILL\n[Privsep:" + brick + "]\ninherit=p\n", filter, "", ""},
		{"of a context of your own", "privsep_contexts=none\n[Privsep:my.own]\nnice=1\ncapabilities=none\n", "privsep_contexts=none\n[Privsep:my.own]\nnice=1\n", strings.ReplaceAll(filter, "os_brick\\.privileged\\.default", "my\\.own"), "wider", "other"},
		{"declared", "", "privsep_confine=declared\n", "", "narrower", "narrower"},
		{"declared no more", "privsep_confine=declared\n", "privsep_confine=no\n", "", "wider", "wider"},
	} {
		r := compare(contextSide(t, c.old, c.text), contextSide(t, c.new, c.text))
		var directions, settings []string
		for _, d := range r.Differences {
			if d.Direction != c.want || !strings.Contains(filters.Line(d.Items[0].Witness), "--privsep_context") {
				t.Errorf("%s: %+v", c.name, d)
			}
			directions = append(directions, d.Direction)
		}
		for _, s := range r.Settings {
			settings = append(settings, s.Direction)
		}
		if (len(directions) > 0) != (c.want != "") || strings.Join(settings, " ") != c.setting || c.want == "" && r.Verdict != Same || len(r.Open) > 0 {
			t.Errorf("%s: %q %q %s %+v", c.name, directions, settings, r.Verdict, r.Open)
		}
	}
}
