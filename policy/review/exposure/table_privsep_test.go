package exposure

import (
	"os"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/internal/copied"
	"ironwrap/policy/privsep"
	"ironwrap/policy/trust"
)

// helperFilter is a filter as services ship it.
const helperFilter = `RegExpFilter, privsep-helper, root, privsep-helper, --config-file, /etc/(?!\.\.).*, --privsep_context, CONTEXT, --privsep_sock_path, /tmp/.*`

// TestContexts: each row gives a filter that accepts the context alone, implicit or
// written out, what the row says, and nothing else.
func TestContexts(t *testing.T) {
	for _, c := range privsep.All() {
		powers := strings.Fields(c.Powers)
		implicit := &policy.Entry{Filter: filters.Privsep(func() []string { return []string{c.Name} }, ""), Name: "privsep-helper", Class: "CommandFilter"}
		for _, e := range []*policy.Entry{implicit, entry(t, strings.ReplaceAll(helperFilter, "CONTEXT", c.Name))} {
			f := Of(e, Machine{})
			worst := Score(little)
			for _, p := range powers {
				worst = max(worst, power(p).Weight)
				if cell := cellOf(f, p); cell == nil || cell.Extent != Whole || !strings.Contains(Command(cell.Example), c.Name) {
					t.Errorf("%s: %s: %+v", c.Name, p, cell)
				}
			}
			for _, cell := range f.Cells {
				if cell.Extent != Implied && !slices.Contains(powers, cell.Power) && len(powers) > 0 {
					t.Errorf("%s gives away %s: %+v", c.Name, cell.Power, cell)
				}
			}
			if f.Score != worst {
				t.Errorf("%s: %v, want %v", c.Name, f.Score, worst)
			}
			// Without its capabilities the helper changes no network, and writes files still.
			e.Sandbox = &policy.Sandbox{Capabilities: []string{}}
			for _, cell := range Of(e, Machine{}).Cells {
				if cell.Extent == Blocked != (cell.Power == Network && strings.Contains(c.Declared, "net_admin") || slices.Contains([]string{Namespace, Mount}, cell.Power) && strings.Contains(c.Declared, "sys_admin")) && !slices.Contains(powers, Run) {
					t.Errorf("%s without capabilities: %+v", c.Name, cell)
				}
			}
		}
	}
}

// TestHelperFilters: filters that accept more than one context, or one that nobody knows.
func TestHelperFilters(t *testing.T) {
	for _, c := range []struct {
		definition string
		score      Score
		has, not   string
	}{
		{strings.ReplaceAll(helperFilter, "CONTEXT", `my\.own\.context`), NotAssessed, "arguments", "run network"},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `my.own.context`), NotAssessed, "arguments", "run network"},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `vif_plug_linux_bridge.privsep.vif_plug`), 5, "network", "run arguments"},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `(vif_plug_linux_bridge|midonet\.os_vif)\.privsep\.vif_plug`), 5, "network", "run arguments"},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `(vif_plug_linux_bridge|my)\.privsep\.vif_plug`), NotAssessed, "network arguments", "run"},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `vif_plug_[a-z_]+\.privsep\.vif_plug`), 10, "run network arguments", ""},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `nova\.privsep\..*`), 10, "write read owner arguments", "run"},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `.*`), 10, "run write arguments", ""},
		{strings.ReplaceAll(helperFilter, "CONTEXT", `tacker.privileged.default`), little, "arguments", "run"},
		{`RegExpFilter, privsep-helper, root, privsep-helper, --privsep_context=os_brick\.privileged\.default, --privsep_sock_path=/tmp/.*`, 10, "run", "write code arguments"},
		{`RegExpFilter, privsep-helper, root, privsep-helper, --privsep_sock_path, .*, --privsep_context, my\.own`, NotAssessed, "arguments", "run"},
		{`RegExpFilter, privsep-helper, root, privsep-helper, --privsep_sock_path, .*, --privsep_context, zun\.common\.privileged\.cni`, 6, "network namespace", "run arguments"},
		{`RegExpFilter, privsep-helper, root, privsep-helper, --log-config-append, .*, --privsep_context, zun\.common\.privileged\.cni, --privsep_sock_path, .*`, 10, "code network", "run"},
		{`PathFilter, privsep-helper, root, --privsep_context, zun.common.privileged.cni, --privsep_sock_path, /tmp`, 6, "network namespace", "run arguments"},
		{`RegExpFilter, privsep-helper, root, privsep-helper, --help`, 0.2, "arguments", "run"},
		{`RegExpFilter, prlimit, root, prlimit, --nofile=\d+, privsep-helper, --config-file, /srv/x\.conf, --privsep_context, os_brick\.privileged\.default, --privsep_sock_path, /tmp/[a-z]+`, 10, "run", "code"},
		{`RegExpFilter, python3, root, python3, -I, /usr/bin/privsep-helper, --config-file, /srv/x\.conf, --privsep_context, os_brick.privileged.default, --privsep_sock_path, /tmp/[a-z]+`, 10, "run", "code"},
		{`RegExpFilter, python3, root, python3, -I, /usr/bin/privsep-helper, --privsep_context, vif_plug_linux_bridge.privsep.vif_plug, --privsep_sock_path, /tmp/[a-z]+`, 5, "network", "run code"},
		{`RegExpFilter, ionice, root, ionice, -c3, python3-privsep-helper, --privsep_context, my\.own, --privsep_sock_path, /tmp/[a-z]+`, NotAssessed, "arguments", "run"},
		{`RegExpFilter, chronic, root, chronic, privsep-helper, --log-config-append, .*, --privsep_context, tacker.privileged.default, --privsep_sock_path, .*`, 10, "code", "network"},
		{`CommandFilter, privsep-helper, root`, 10, "run code network arguments", ""},
		{`CommandFilter, /opt/stack/venv/bin/privsep-helper, root`, 10, "run code", ""},
		{`CommandFilter, privsep-helper, nobody`, NotAssessed, "run arguments", ""}, // what nobody knows is not less as another user
	} {
		f := Of(entry(t, c.definition), Machine{})
		if f.Score != c.score {
			t.Errorf("%s: %v, want %v: %+v", c.definition, f.Score, c.score, f.Cells)
		}
		for _, p := range strings.Fields(c.has) {
			if cell := cellOf(f, p); cell == nil || cell.Extent == Implied {
				t.Errorf("%s does not give away %s", c.definition, p)
			}
		}
		for _, p := range strings.Fields(c.not) {
			if cell := cellOf(f, p); cell != nil && cell.Extent != Implied {
				t.Errorf("%s gives away %s: %+v", c.definition, p, cell)
			}
		}
	}
}

// TestImplicitContexts: the table has the contexts that the executor knows, and says of
// those which a policy adds that nobody has looked at them.
func TestImplicitContexts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: only files of root's are loaded, so that the executor's contexts were not compared")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-contexts-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Mkdir(dir+"/d", 0o755)
	implicit := func(line string) []Filter {
		if err := os.WriteFile(dir+"/rootwrap.conf", []byte("[DEFAULT]\nfilters_path="+dir+"/d\n"+line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := policy.Load(dir+"/rootwrap.conf", trust.Object, inifile.Parse)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Filters) > 0 {
			known := filters.ShapeOf(p.Filters[0].Filter).Contexts
			for _, c := range privsep.All() {
				if !slices.Contains(known, c.Name) {
					t.Errorf("no policy accepts %s", c.Name)
				}
			}
		}
		return Assess(p, Machine{}).Filters
	}
	for line, want := range map[string]bool{"": false, "privsep_contexts = my.own.context": true, "privsep_contexts = nova.privsep.sys_admin_pctxt": false} {
		all := implicit(line)
		if len(all) != 1 || all[0].Score != 10 || cellOf(all[0], Run) == nil {
			t.Fatalf("%q: %+v", line, all)
		}
		cell := cellOf(all[0], Arguments)
		unknown := cell != nil && cell.Score == NotAssessed && strings.Contains(Command(cell.Example), "my.own.context")
		if unknown != want || cell != nil && cell.Score == NotAssessed && !want {
			t.Errorf("%q: %+v", line, cell)
		}
	}
	if all := implicit("privsep_contexts = none"); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestConfinedContexts: a context gives away what its section leaves, whichever filter lets
// it be asked for; another one what it gave away before.
func TestConfinedContexts(t *testing.T) {
	assess := func(conf, text string) []Filter {
		t.Helper()
		c, err := inifile.Parse("/c.conf", []byte("[DEFAULT]\nfilters_path=/d\nprivsep_contexts=none\n"+conf), document.Strict)
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
		return Assess(p, Machine{}).Filters
	}
	const (
		bridge = "vif_plug_linux_bridge.privsep.vif_plug"
		brick  = "os_brick.privileged.default"
	)
	filter := "h: " + strings.ReplaceAll(helperFilter, "CONTEXT", bridge) + "\n"
	for _, c := range []struct {
		name, conf, text string
		score            Score
	}{
		{"alone", "", filter, 5},
		{"section", "[Privsep:" + bridge + "]\ncapabilities=CAP_DAC_OVERRIDE\n", filter, 0},
		{"section of another", "[Privsep:" + brick + "]\ncapabilities=none\n", filter, 5},
		{"filter's own beside it", "[Privsep:" + bridge + "]\nno_new_privs=yes\n", filter + "[Sandbox:h]\ncapabilities=none\n", 0},
		{"declared", "privsep_confine=declared\n", filter, 5},
		{"any command", "[Privsep:" + brick + "]\ncapabilities=none\n", "h: " + strings.ReplaceAll(helperFilter, "CONTEXT", brick) + "\n", 10}, // it owns root's files
		{"a section for a context that nobody knows", "[Privsep:my.own.context]\nnice=5\n", "h: " + strings.ReplaceAll(helperFilter, "CONTEXT", `my\.own\.context`) + "\n", NotAssessed},
		{"refused", "privsep_confine=declared\n", "h: " + strings.ReplaceAll(helperFilter, "CONTEXT", "solum.privileged.default") + "\n", 1}, // a file of theirs is named
	} {
		f := assess(c.conf, c.text)[0]
		if f.Score != c.score {
			t.Errorf("%s: %v, not %v: %+v", c.name, f.Score, c.score, f.Cells)
		}
		if shows := slices.ContainsFunc(f.Sandbox, func(s string) bool { return strings.HasPrefix(s, "[Privsep:") }); shows != (strings.Contains(c.conf, bridge) || c.name == "any command" || c.name == "declared") {
			t.Errorf("%s: %q", c.name, f.Sandbox)
		}
	}
	// A context that runs any command is worth what a shell is worth in the same sandbox.
	for _, section := range []string{"read_only=/\n", "capabilities=CAP_NET_ADMIN\nread_only=/\nprivate_network=yes\n", "landlock_rw=/var/lib/cinder\ncapabilities=none\nread_only=/\nprivate_tmp=yes\nno_new_privs=yes\n"} {
		shell := assess("", "sh: CommandFilter, sh, root\n[Sandbox:sh]\n"+section)[0]
		helper := assess("[Privsep:"+brick+"]\n"+section, "h: "+strings.ReplaceAll(helperFilter, "CONTEXT", brick)+"\n")[0]
		for _, p := range PowerIDs() {
			a, b := cellOf(shell, p), cellOf(helper, p)
			if p != Arguments && (a == nil || b == nil || a.Score != b.Score || !slices.Equal(a.Limits, b.Limits)) && p != Run && p != Code {
				t.Errorf("%s: %s: %+v, and of a shell %+v", section, p, b, a)
			}
		}
	}
}
