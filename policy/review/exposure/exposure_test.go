package exposure

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/environ"
	"ironwrap/policy/review/programs"
)

// entry makes a filter named x of a definition.
func entry(t testing.TB, definition string) *policy.Entry {
	t.Helper()
	f, err := filters.New(definition)
	if err != nil {
		t.Fatalf("%s: %v", definition, err)
	}
	return &policy.Entry{Filter: f, Name: "x", Class: filters.Fields(definition)[0], File: "/etc/x/f.filters", Line: 1}
}

func cellOf(f Filter, power string) *Cell {
	i := slices.IndexFunc(f.Cells, func(c Cell) bool { return c.Power == power })
	if i < 0 {
		return nil
	}
	return &f.Cells[i]
}

// TestFilters: what filters give away, and what they do not although they look
// alike.
func TestFilters(t *testing.T) {
	for _, c := range []struct {
		definition string
		score      Score
		has, not   string // powers that are given away, not implied; and that are not
		example    string // of the first of has
	}{
		{"CommandFilter, bash, root", 10, "run", "", "bash -c id"},
		{"CommandFilter, /usr/bin/python3.11, root", 10, "run", "", ""},
		{"RegExpFilter, sh, root, sh, -c, echo '((.|\\n)*)' > /.*", 10, "run", "", ""},
		{"RegExpFilter, sh, root, sh, -c, rm -f /.*/\\*\\.conf$", 10, "run", "", ""},
		{"RegExpFilter, sh, root, sh, -c, rm -f /[a-z]+/\\*\\.conf$", 2.8, "destroy", "run", ""},
		{"RegExpFilter, bash, root, bash, -c, \\(sleep 100\\)", 0.2, "", "run", ""},
		{"RegExpFilter, bash, root, bash, /opt/[a-z]+", 0.2, "", "run", ""},
		{"RegExpFilter, bash, root, bash, /tmp/[a-z]+", 10, "run", "", "bash /tmp/x"},

		{"CommandFilter, tee, root", 10, "write", "run read", "tee /etc/shadow"},
		{"RegExpFilter, tee, root, tee, /sys/class/net/[a-z0-9]+/mtu", 4, "write", "run", ""},
		{"RegExpFilter, tee, root, tee, /sys/.*", 10, "write", "", ""},
		{"PathFilter, tee, root, /var/lib/x", 4, "write", "", "tee /var/lib/x/x"},
		{"PathFilter, tee, root, pass", 10, "write", "", "tee /etc/shadow"},
		{"PathFilter, cp, root, pass, /var/lib/x", 4, "write", "read", ""},
		{"CommandFilter, cat, root", 7, "read", "write run", "cat /etc/shadow"},
		{"RegExpFilter, cat, root, cat, /proc/[0-9]+/maps", 2.8, "read", "", "cat /proc/1/maps"},
		{"ReadFileFilter, /root/.ssh/id_rsa", 7, "read", "write run", "cat /root/.ssh/id_rsa"},
		{"ReadFileFilter, /var/lib/nova/x", 7, "read", "", ""}, // a link of the caller's
		{"ReadFileFilter, /etc/iscsi/initiatorname.iscsi", 2.8, "read", "", ""},
		{"ReadFileFilter, /etc/hostname", 0.2, "read", "", "cat /etc/hostname"},
		{"CommandFilter, chmod, root", 10, "owner", "", ""},
		{"RegExpFilter, chmod, root, chmod, 0600, .*", 10, "owner", "", "chmod 0600 --reference=/tmp/x"}, // 0600 is a file then
		{"RegExpFilter, chmod, root, chmod, 0600, /.*", 1, "", "owner", ""},
		{"RegExpFilter, chown, root, chown, \\d+, /dev/(?!.*/\\.\\.).*", 10, "owner", "", ""},
		{"RegExpFilter, chown, root, chown, \\d+, .*", 10, "owner", "", "chown 65534 /etc/shadow"},
		{"RegExpFilter, rm, root, rm, -rf, /var/run/frr/[a-z]+-[0-9a-f-]+", 2.8, "destroy", "", ""},
		{"PathFilter, tee, root, /var/lib/nova", 10, "write", "", ""}, // a link, put there after the check
		{"PathFilter, chown, root, nova, /tmp", 10, "owner", "", ""},
		{"PathFilter, cat, root, /var/lib/nova", 7, "read", "", ""},
		{"PathFilter, cat, root, /usr/share/doc", 0.2, "read", "", ""},
		{"CommandFilter, dd, root", 10, "write device read", "run", ""},
		{"RegExpFilter, find, root, find, /sys/class/net, -maxdepth, 1, -type, l, -printf, %.*", 0.2, "", "run destroy", ""},
		{`RegExpFilter, find, root, find, ^[/]*([^/\0]+(/+)?)*$, -maxdepth, \d+, -name, img-cache.*, -amin, \+\d+`, 7, "destroy", "run",
			"find -delete -maxdepth 1 -name img-cache -amin +1"},
		{"CommandFilter, find, root", 10, "run destroy", "", ""},

		{"IpFilter, ip, root", 6, "network namespace", "run", ""},
		{"CommandFilter, ip, root", 10, "run network namespace", "", ""},
		{"IpNetnsExecFilter, ip, root", 2.4, "namespace", "run network", ""},
		{"ChainingRegExpFilter, nice, root, nice, -n, \\d+", 0.2, "", "run", ""},
		{"ChainingRegExpFilter, env, root, env, .*", 10, "run", "", ""},
		{"ChainingRegExpFilter, nsenter, root, nsenter, -t, \\d+, -n", 6, "namespace", "run", ""},
		{"KillFilter, root, /usr/sbin/dnsmasq, -9", 2, "signal", "run", "kill -9 PID"},
		{"KillFilter, root, /usr/bin/python3.11, -9", 5, "signal", "", ""},
		{"RegExpFilter, kill, root, kill, -\\d+, .*", 5, "signal", "", ""},

		{"EnvFilter, env, root, LC_ALL=C, LVM_SYSTEM_DIR=, lvs", 10, "write", "code", ""},
		{"EnvFilter, env, root, LD_PRELOAD=, id", 10, "code", "run", "env LD_PRELOAD=/tmp/x id"},
		{"EnvFilter, env, root, LD_PRELOAD=/usr/lib/a.so, id", 0.3, "", "code", ""},
		{"EnvFilter, env, root, PYTHONPATH=, lvs, x", NotAssessed, "", "code", ""},
		{"EnvFilter, env, root, PYTHONPATH=, ls, x", 0.2, "", "code", ""},
		{"EnvFilter, env, root, PERL5LIB=, shasum", 10, "code", "", "env PERL5LIB=/tmp/x shasum"},
		{"EnvFilter, env, root, PERL5OPT=, debconf-show, x", 10, "code", "", ""},
		{"EnvFilter, env, root, PERL5LIB=, deluser, x", 10, "code", "", ""},
		{"EnvFilter, env, root, BASH_ENV=, tzselect", 10, "code", "", ""},
		{"EnvFilter, env, root, PERL5LIB=, sha1sum, x", 0.2, "", "code", ""},
		{"EnvFilter, env, root, PYTHONPATH=, shasum, x", NotAssessed, "", "code", ""},
		{"EnvFilter, env, root, PATH=, which, x", NotAssessed, "", "code", ""},
		{"EnvFilter, env, root, GCONV_PATH=, df", NotAssessed, "", "code", ""},
		{"EnvFilter, env, root, LC_ALL=, df", 0.3, "", "code", ""},
		{"EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, .*", 10, "code", "", "env PROCESS_TAG=x haproxy -f /tmp/x"},
		{"EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, /var/lib/neutron/[a-z]+", 10, "code", "", "env PROCESS_TAG=x haproxy -f /var/lib/neutron/x"},
		{"EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, /etc/haproxy/[a-z]+", 0.2, "", "code", ""},

		{"CommandFilter, sleep, root", 0.3, "arguments", "run", ""},
		{"RegExpFilter, sleep, root, sleep, \\d+", 0.2, "arguments", "run", "sleep 1"},
		{"CommandFilter, mmgetstate, root", NotAssessed, "arguments", "run", ""},
		{"RegExpFilter, brctl, root, brctl, show", 0.2, "arguments", "network", "brctl show"},
		{"RegExpFilter, ovs-vsctl, root, ovs-vsctl, .*, .*", 10, "write network", "", ""},
		{"RegExpFilter, sysctl, root, sysctl, -w, net.ipv4.ip_forward=1", 2, "network", "kernel", "sysctl -w net.ipv4.ip_forward=1"},
		{`RegExpFilter, sysctl, root, sysctl, -w, net\.ipv6\.conf\.[a-z0-9]+\.accept_ra=\d`, 2, "network", "kernel", ""},
		{`RegExpFilter, sysctl, root, sysctl, -w, net\.ipv4\.conf\.[a-z]+\.[a-z_]+=\d`, 5, "network", "kernel", "sysctl -w net.ipv4.conf.all.forwarding=1"},
		{`RegExpFilter, sysctl, root, sysctl, -w, net\..*=.*`, 10, "kernel network", "", `sysctl -w "net.//.kernel.core_pattern=|/tmp/x"`},
		{"RegExpFilter, iscsiadm, root, iscsiadm, -m, iface, -I, .*, -o, new", 10, "write services", "", "iscsiadm -m iface -I ../../../tmp/x:/../../etc/ld.so.preload -o new"},
		{"RegExpFilter, iscsiadm, root, iscsiadm, -m, iface, -I, [a-z0-9]+, -o, new", 6, "services", "write", ""},
		{"RegExpFilter, mmnfs, root, mmnfs, load, /var/mmfs/.*", NotAssessed, "arguments", "", "mmnfs load /var/mmfs/"},
		{"RegExpFilter, sysctl, root, sysctl, -w, .*=.*", 10, "kernel", "", ""},
		{"PathFilter, privsep-helper, root, --config-file, /etc/(?!\\.\\.).*, --privsep_sock_path, /", 0, "", "run arguments", ""},
		{"RegExpFilter, x, root, x, a(", 0, "", "arguments", ""},
		{"CommandFilter, bash, nobody", 3, "run", "", ""},
	} {
		f := Of(entry(t, c.definition), Machine{})
		if f.Score != c.score {
			t.Errorf("%s: score %v, want %v: %+v", c.definition, f.Score, c.score, f.Cells)
		}
		for i, p := range strings.Fields(c.has) {
			cell := cellOf(f, p)
			if cell == nil || cell.Extent == Implied {
				t.Errorf("%s does not give away %s: %+v", c.definition, p, f.Cells)
				continue
			}
			if got := Command(cell.Example); i == 0 && c.example != "" && got != c.example {
				t.Errorf("%s: the example is %s, want %s", c.definition, got, c.example)
			}
		}
		for _, p := range strings.Fields(c.not) {
			if cell := cellOf(f, p); cell != nil && cell.Extent != Implied {
				t.Errorf("%s gives away %s: %+v", c.definition, p, cell)
			}
		}
	}
}

// TestExamples: every example is a command that the filter allows.
func TestExamples(t *testing.T) {
	for program := range table {
		for _, definition := range []string{"CommandFilter, " + program + ", root", "RegExpFilter, " + program + ", root, " + program + ", .*, .*",
			"RegExpFilter, " + program + ", root, " + program + ", -[a-z], /[a-z/.]+"} {
			e := entry(t, definition)
			for _, c := range Of(e, Machine{}).Cells {
				if len(c.Example) > 0 && !e.Match(c.Example, lexical{}).Matched {
					t.Errorf("%s: %s: %q is not allowed", definition, c.Power, c.Example)
				}
			}
		}
	}
}

// TestTable: each row has a power, words that mean something, and holds for a filter
// that lets everything through.
func TestTable(t *testing.T) {
	all := maps.Clone(table)
	for _, w := range chained {
		for _, program := range strings.Fields(w.programs) {
			all[program] = append(slices.Clip(all[program]), w)
		}
	}
	for program, rows := range all {
		for _, w := range rows {
			power(w.power)
			for _, word := range strings.Fields(w.form) {
				for _, p := range placeholder.FindAllString(word, -1) {
					full, _ := candidates(p[1:len(p)-1], nil)
					if len(full) == 0 && p != "{free}" {
						t.Errorf("%s %s: nothing stands for %s", program, w.form, p)
					}
				}
			}
			if _, err := readForm(grammar(program, w.form), w.form, aim{power: w.power}); err != nil {
				t.Errorf("%s: %v", program, err)
			}
			if w.how == "" {
				t.Errorf("%s %s: no reason", program, w.form)
			}
			e := entry(t, "CommandFilter, "+program+", root")
			if _, l, ok := newSubject(e).fits(w); program != "privsep-helper" && (!ok || l != toAll) {
				t.Errorf("%s %s does not fit a filter that allows anything", program, w.form)
			}
			if harmless[program] != "" && w.power != Arguments {
				t.Errorf("%s is harmless and has a row", program)
			}
		}
	}
	for program, o := range omissions {
		for _, name := range strings.Fields(o.powers) {
			power(name)
		}
		for _, name := range strings.Fields(o.options) {
			known := func(p *programs.Program) bool { _, err := readForm(p, name+" x", aim{}); return err == nil }
			if !slices.ContainsFunc(programs.All(program), known) {
				t.Errorf("%s of %s is left out: no such option", name, program)
			}
		}
	}
	for _, v := range variables {
		power(v.power)
		if environ.Danger(v.name) == "" {
			t.Errorf("env_keep takes %s", v.name)
		}
	}
}

// TestScripts: of what is installed here, the harmless programs that are scripts are known
// to be, and of which interpreter.
func TestScripts(t *testing.T) {
	for program := range harmless {
		path, err := exec.LookPath(program)
		if err != nil {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(data), "#!") {
			continue
		}
		line, _, _ := strings.Cut(string(data[2:]), "\n")
		if words := strings.Fields(line); scripts[program] == "" || family(baseName(words[0])) != scripts[program] && len(words) == 1 {
			t.Errorf("%s is a script of %s, and taken for one of %q", path, line, scripts[program])
		}
	}
}

// TestNamedOnce: nothing has two entries of which one is never looked at.
func TestNamedOnce(t *testing.T) {
	harmless, rows := map[string]bool{}, map[string]bool{}
	once := func(seen map[string]bool, name string) {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	for _, row := range trifles {
		for _, name := range strings.Fields(row.programs) {
			once(harmless, name)
		}
	}
	for program, list := range table {
		for _, w := range list {
			once(rows, program+" "+w.power+" "+w.form)
		}
	}
}

func TestImplied(t *testing.T) {
	f := Of(entry(t, "CommandFilter, bash, root"), Machine{})
	if len(f.Cells) != len(powers)-2 { // all but Code and Arguments
		t.Errorf("a shell gives away %d powers of %d", len(f.Cells), len(powers))
	}
	for _, c := range f.Cells {
		if c.Power != Run && (c.Extent != Implied || c.Score != power(c.Power).Weight) {
			t.Errorf("%+v", c)
		}
	}
}

func TestRuns(t *testing.T) {
	for text, want := range map[string]bool{
		"id":                     true,
		"echo ''; id; '' > /x":   true,
		"echo $(id)":             true,
		"echo `id`":              true,
		"echo '; id; '":          false,
		`echo "; id; "`:          false,
		`echo "$(id)"`:           true,
		"echo id":                false,
		"rm -f /; id; /*.conf":   true,
		"echo 'unfinished; id":   false,
		"# id":                   false,
		"rm -f /a\nid\nb/*.conf": true,
		"echo \\; id":            false,
		"if true; then id; fi":   true,
	} {
		if got := runs(text, "id"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// privsepPolicy has the implicit filter alone.
func TestImplicit(t *testing.T) {
	e := &policy.Entry{Filter: filters.Privsep(func() []string { return []string{"nova.privsep.sys_admin_pctxt"} }, ""), Name: "privsep-helper", Class: "CommandFilter"}
	f := Of(e, Machine{})
	if cellOf(f, Run) != nil || cellOf(f, Write) == nil || cellOf(f, Owner) == nil || f.Score != 10 {
		t.Errorf("nova's context: %+v", f.Cells)
	}
	e.Filter = filters.Privsep(func() []string { return []string{"no.such.context"} }, "")
	if f := Of(e, Machine{}); f.Score != NotAssessed || f.Band != Unknown {
		t.Errorf("a context that nobody knows: %+v", f)
	}
}

func TestAssess(t *testing.T) {
	p := &policy.Policy{Path: "/etc/x\n/rootwrap.conf", Notes: []policy.Note{{Path: "/etc/x", Line: 3, Text: "odd \x1b[31m"}}}
	for i, d := range []string{"RegExpFilter, sleep, root, sleep, \\d+", "CommandFilter, umount, root", "CommandFilter, dd, root"} {
		e := entry(t, d)
		e.Name, e.Line = strings.Split(d, ", ")[1], i+1
		p.Filters = append(p.Filters, *e)
	}
	find := func(name, _ string) (string, error) {
		if name == "dd" {
			return "/usr/bin/dd", nil
		}
		return "", errors.New("not found in exec_dirs")
	}
	r := Assess(p, Machine{Find: find})
	if r.Score != 10 || r.Band != "root" || r.Counts["root"] != 1 || r.Counts["medium"] != 1 || r.Counts["little"] != 1 {
		t.Errorf("%v %s %v", r.Score, r.Band, r.Counts)
	}
	if r.Filters[2].Found != "/usr/bin/dd" || r.Filters[0].Found != "" || len(r.Filters[0].Notes) != 1 {
		t.Errorf("%+v", r.Filters)
	}
	want := []string{"Write files (up to 10.0): dd", "Write disks (up to 10.0): dd", "Read files (up to 7.0): dd", "Destroy files (up to 7.0): dd", "Steer services (up to 6.0): umount", "Enter namespaces (up to 6.0): umount"}
	if !slices.Equal(r.Reasons, want) {
		t.Errorf("%q", r.Reasons)
	}
	if sorted := WorstFirst(r.Filters); sorted[0].Name != "dd" || sorted[2].Name != "sleep" || r.Filters[0].Name != "sleep" {
		t.Errorf("%v", sorted)
	}
	if len(r.Notes) != 1 || strings.Contains(r.Notes[0], "\x1b") {
		t.Errorf("%q", r.Notes)
	}
	if r := Assess(&policy.Policy{}, Machine{}); r.Score != 0 || r.Band != "little" {
		t.Errorf("no filters: %+v", r)
	}
}

func TestBand(t *testing.T) {
	for score, want := range map[Score]string{NotAssessed: Unknown, 0: "little", 0.9: "little", 1: "low", 3.9: "low", 4: "medium", 6.9: "medium", 7: "high", 8.9: "high", 9: "root", 10: "root"} {
		if got := Band(score); got != want {
			t.Errorf("%v: %s", score, got)
		}
	}
}

// FuzzAssess: whatever a filter is, what is claimed of it is a command that it allows.
func FuzzAssess(f *testing.F) {
	for _, d := range []string{"CommandFilter, bash, root", "RegExpFilter, tee, root, tee, /var/(a|b)/.*", "PathFilter, cp, root, pass, /var", "EnvFilter, env, root, LD_PRELOAD=, A=b, id",
		"ChainingRegExpFilter, env, root, env, .*", "IpFilter, ip, root", "RegExpFilter, find, nobody, fi.d, [^x]{2,}, -delete", "RegExpFilter, sh, root, sh, -c, .* 'a'(.|x)*"} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, definition string) {
		filter, err := filters.New(definition)
		if err != nil {
			return
		}
		e := &policy.Entry{Filter: filter, Name: "x", Class: filters.Fields(definition)[0], File: "/x"}
		s := newSubject(e)
		for _, c := range Of(e, Machine{}).Cells {
			if c.Score != NotAssessed && (c.Score < 0 || c.Score > power(c.Power).Weight) {
				t.Errorf("%q: %s has score %v", definition, c.Power, c.Score)
			}
			if len(c.Example) > 0 && !s.own() && !e.Match(c.Example, lexical{}).Matched {
				t.Errorf("%q: %s: %q is not allowed", definition, c.Power, c.Example)
			}
		}
	})
}
