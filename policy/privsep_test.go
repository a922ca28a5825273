package policy

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/privsep"
	"ironwrap/policy/trust"
)

// contextPolicy does what Load does, with rootwrap.conf and one filters file as texts.
func contextPolicy(conf, text string) (*Policy, error) {
	file, err := inifile.Parse("/c.conf", []byte("[DEFAULT]\nfilters_path=/x\n"+conf), document.Strict)
	if err != nil {
		return nil, err
	}
	p, err := begin("/c.conf", file, trust.Object)
	if err != nil {
		return nil, err
	}
	if file, err = inifile.Parse("/f.filters", []byte("[Filters]\n"+text), document.Lenient); err != nil {
		return nil, err
	}
	if err := (&reader{p: p}).file("/f.filters", file); err != nil {
		return nil, err
	}
	return p, p.addPrivsep()
}

const (
	nova  = "nova.privsep.sys_admin_pctxt"
	brick = "os_brick.privileged.default"
	solum = "solum.privileged.default" // has no profile
)

// asked is the decision about a helper; a word alone is the context that it is asked for.
func asked(t *testing.T, conf, text, line string) Decision {
	t.Helper()
	p, err := contextPolicy(conf, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, conf)
	}
	if !strings.Contains(line, " ") {
		line = "privsep-helper --privsep_context " + line + " --privsep_sock_path /s"
	}
	return p.Decide(Request{Argv: words(line), Machine: newMachine()})
}

// shown are the sandboxes that hold, by what they say of three keys.
func shown(d Decision) string {
	var all []string
	for _, c := range d.Confinements() {
		caps := "all"
		if c.Capabilities != nil {
			caps = strings.Join(c.Capabilities, ",")
		}
		text := strings.Fields(c.Whose)[0] + " " + strings.ReplaceAll(caps, "cap_", "")
		if c.Seccomp != "" {
			text += " " + c.Seccomp
		}
		if c.NoNewPrivs {
			text += " nnp"
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// What confines a helper: [Sandbox], cut down to the profile, then the section; beside a
// filter's own section, and below a prefix.
func TestContextLayers(t *testing.T) {
	const (
		net   = "[Privsep:" + nova + "]\ncapabilities=CAP_NET_ADMIN\n"
		prof  = "chown,dac_override,dac_read_search,fowner,net_admin,sys_admin"
		wide  = "h: CommandFilter, privsep-helper, root\n"
		own   = wide + "[Sandbox:h]\ncapabilities=CAP_KILL\nno_new_privs=yes\n"
		chain = "ns: IpNetnsExecFilter, ip, root\n"
		netns = "ip netns exec n privsep-helper --privsep_context " + nova + " --privsep_sock_path /s"
	)
	for _, c := range []struct{ name, conf, text, line, want string }{
		{"nothing", "", "", nova, ""},
		{"no", "privsep_confine=no\n", "", nova, ""},
		{"defaults", "[Sandbox]\nno_new_privs=yes\n", "", nova, "filter all nnp"},
		{"section", net, "", nova, "privsep net_admin"},
		{"section of another context", net, "", brick, ""},
		{"empty section", "[Privsep:" + nova + "]\n", "", nova, "privsep all"},
		{"section over the defaults", "[Sandbox]\nno_new_privs=yes\nseccomp=a\ncapabilities=none\n" + net + "seccomp=b\n", "", nova, "privsep net_admin b nnp"},
		{"section takes the defaults back", "[Sandbox]\nno_new_privs=yes\n" + net + "no_new_privs=no\n", "", nova, "privsep net_admin"},
		{"section inherits", "[Profile:p]\nseccomp=p\ncapabilities=none\n" + net + "inherit=p\n", "", nova, "privsep net_admin p"},

		{"declared", "privsep_confine=declared\n", "", nova, "privsep " + prof},
		{"declared, further keys", "privsep_confine=declared\n", "", "cinder.privsep.sys_admin_pctxt", "privsep " + prof + " storage nnp"},
		{"declared and more", "privsep_confine=declared\n", "", "neutron.privileged.namespace_cmd", "privsep dac_override,sys_admin network"},
		{"declared gives nothing back", "privsep_confine=declared\n[Sandbox]\ncapabilities=CAP_CHOWN, CAP_KILL\nseccomp=strict\n", "", "cinder.privsep.sys_admin_pctxt", "privsep chown strict nnp"},
		{"declared, of none", "privsep_confine=declared\n[Sandbox]\ncapabilities=none\n", "", nova, "privsep "},
		{"section says otherwise", "privsep_confine=declared\n" + net, "", nova, "privsep net_admin"},
		{"section lifts it", "privsep_confine=declared\n[Privsep:" + nova + "]\ncapabilities=all\n", "", nova, "privsep all"},
		{"section keeps it", "privsep_confine=declared\n[Privsep:" + nova + "]\nno_new_privs=yes\n", "", nova, "privsep " + prof + " nnp"},
		{"no profile, a section", "privsep_confine=declared\n[Privsep:" + solum + "]\ncapabilities=all\n", "", solum, "privsep all"},

		{"another filter", net, wide, nova, "privsep net_admin"},
		{"another filter, with defaults", "[Sandbox]\nno_new_privs=yes\n" + net + "no_new_privs=no\n", wide, nova, "privsep net_admin"},
		{"another filter, with a section", net, own, nova, "filter kill nnp; privsep net_admin"},
		{"another filter, with a section, declared", "privsep_confine=declared\n", own, nova, "filter kill nnp; privsep " + prof},
		{"another filter, none confined", "", own, nova, "filter kill nnp"},
		{"by a path", net, "h: CommandFilter, /opt/venv/bin/privsep-helper, root\n", "/opt/venv/bin/privsep-helper --privsep_context " + nova + " --privsep_sock_path /s", "privsep net_admin"},
		{"by another name", net, "h: CommandFilter, python3-privsep-helper, root\n", "python3-privsep-helper --privsep_context " + nova + " --privsep_sock_path /s", "privsep net_admin"},
		{"by an interpreter", net, "h: CommandFilter, python3, root\n", "python3 /usr/bin/privsep-helper --privsep_context " + nova + " --privsep_sock_path /s", "privsep net_admin"},
		{"with variables", net, "h: EnvFilter, env, root, A=, privsep-helper\n", "env A=b privsep-helper --privsep_context " + nova + " --privsep_sock_path /s", "privsep net_admin"},
		{"below a prefix", net, chain, netns, "privsep net_admin"},
		{"below a prefix with a section", net, chain + "[Sandbox:ns]\ncapabilities=CAP_SYS_ADMIN\n", netns, "filter sys_admin; privsep net_admin"},
		{"below a prefix, both with sections", net, chain + own + "[Sandbox:ns]\nseccomp=x\n", netns, "filter all x; filter kill nnp; privsep net_admin"},
		{"below a prefix with defaults", "[Sandbox]\nseccomp=d\n" + net, chain, netns, "filter all d; privsep net_admin d"},
	} {
		d := asked(t, c.conf, c.text, c.line)
		if d.Verdict != Allowed || d.Helper == nil || shown(d) != c.want {
			t.Errorf("%s: %q, not %q (%#x %s, %+v)", c.name, shown(d), c.want, d.Verdict, d.Why, d.Helper)
		}
	}
	if d := asked(t, net, "id: CommandFilter, id, root\n", "id "+nova); d.Helper != nil || shown(d) != "" {
		t.Errorf("another program: %+v", d)
	}
	if d := asked(t, net, "rm: CommandFilter, rm, root\n", "rm /usr/bin/privsep-helper"); d.Verdict != Allowed || d.Helper != nil {
		t.Errorf("a file of that name: %+v", d)
	}
}

// Where contexts are confined, no helper is started for one that cannot be told, or that
// nobody knows by that name; where none is, nothing is otherwise than before.
func TestContextDoubt(t *testing.T) {
	const wide = "h: CommandFilter, privsep-helper, root\n"
	const section = "[Privsep:" + nova + "]\ncapabilities=CAP_NET_ADMIN\n"
	for _, line := range []string{
		"privsep-helper --privsep_con " + nova + " --privsep_sock_path /s",
		"privsep-helper --privsep_context " + nova + " --privsep_con " + brick,
		"privsep-helper --privsep_context " + nova + " --privsep_sock_path /s --config-file /etc/x.conf",
		"privsep-helper --privsep_context " + nova + " --config-dir=/etc/x",
		"privsep-helper --config-file /etc/x.conf --privsep_sock_path /s",
		"privsep-helper --privsep_context " + nova + " --debug",
		"privsep-helper --privsep_context",
		"privsep-helper --privsep_context " + nova + " --",
		"privsep-helper --privsep_context  --privsep_sock_path /s",
		"privsep-helper --privsep_context=",
		"privsep-helper --privsep_context nova.privsep.path.sys_admin_pctxt --privsep_sock_path /s", // the same object by another name
		"privsep-helper --privsep_context " + nova + " --privsep_context acme.privileged.default",
		"privsep-helper --privsep_context Nova.privsep.sys_admin_pctxt",
		"privsep-helper --privsep_context $x.y",
	} {
		if d := asked(t, "", wide, line); d.Verdict != Allowed || shown(d) != "" {
			t.Errorf("unconfined: %q: %#x %s", line, d.Verdict, d.Why)
		}
		for _, conf := range []string{section, "privsep_confine=declared\n", "privsep_contexts=none\n" + section} {
			if d := asked(t, conf, wide, line); d.Verdict != Denied || !strings.Contains(d.Why, "/c.conf confines privsep contexts") {
				t.Errorf("%q: %q: %#x %q %s", conf, line, d.Verdict, d.Why, shown(d))
			}
		}
	}
	for _, line := range []string{
		"privsep-helper --log-dir /x --privsep_con a --privsep_context " + nova + " --privsep_sock_path /s",
		"privsep-helper --config-file /etc/x.conf --privsep_context=" + nova,
		"privsep-helper --privsep_context " + brick + " --privsep_sock_path=/s --privsep_context " + nova + " --privsep_sock_path /t",
	} {
		if d := asked(t, section, wide, line); d.Verdict != Allowed || shown(d) != "privsep net_admin" {
			t.Errorf("%q: %#x %q %s", line, d.Verdict, d.Why, shown(d))
		}
	}
	const acme = "[Privsep:acme.privileged.default]\nno_new_privs=yes\n"
	if d := asked(t, "privsep_contexts=none\n"+acme, wide, "acme.privileged.default"); d.Verdict != Allowed || shown(d) != "privsep all nnp" {
		t.Errorf("%#x %q %s", d.Verdict, d.Why, shown(d))
	}
	// Declared: a context without a profile is refused, not left alone.
	if d := asked(t, "privsep_confine=declared\n", "", solum); d.Verdict != Denied || !strings.Contains(d.Why, "add a section [Privsep:"+solum+"]") {
		t.Errorf("%#x %q", d.Verdict, d.Why)
	}
	if d := asked(t, section, "", solum); d.Verdict != Allowed || shown(d) != "" {
		t.Errorf("%#x %q", d.Verdict, d.Why)
	}
	// A filter that hinders does not keep the next one from being asked.
	if d := asked(t, section, wide, nova); d.Verdict != Allowed || d.Filter.Name != "h" {
		t.Errorf("%+v", d)
	}
}

// TestQuieted: the helper is told to obey no log configuration, whichever filter allows it
// and whatever starts it.
func TestQuieted(t *testing.T) {
	const rest = ", --config-file, /srv/.*, --privsep_context, [a-z._]+, --privsep_sock_path, /s"
	line := "privsep-helper --config-file /srv/x.conf --privsep_context " + nova + " --privsep_sock_path /s"
	for _, c := range []struct{ filter, line string }{
		{"RegExpFilter, privsep-helper, root, privsep-helper" + rest, line},
		{"CommandFilter, privsep-helper, root", line},
		{"CommandFilter, /opt/venv/bin/privsep-helper, root", "/opt/venv/bin/" + line},
		{"RegExpFilter, python3-privsep-helper, root, python3-privsep-helper" + rest, "python3-" + line},
		{"RegExpFilter, prlimit, root, prlimit, --nofile=[0-9]+, privsep-helper" + rest, "prlimit --nofile=9 " + line},
		{"RegExpFilter, python3, root, python3, -I, /usr/bin/privsep-helper" + rest, "python3 -I /usr/bin/" + line},
		{"CommandFilter, python3, root", "python3 /usr/bin/python3-" + line},
		{"CommandFilter, nice, root", "nice -n 1 " + line},
		{"CommandFilter, sh, root", "sh -c x;privsep-helper;$0"},
		{"EnvFilter, env, root, A=b, prlimit", "env A=b prlimit " + line},
		{"ChainingRegExpFilter, ionice, root, ionice, -c3\nh: CommandFilter, privsep-helper, root", "ionice -c3 " + line},
		{"ChainingRegExpFilter, ionice, root, ionice, -c3\nh: CommandFilter, prlimit, root", "ionice -c3 prlimit " + line},
		{"CommandFilter, true, root", "true --name privsep"},
	} {
		d := newPolicy(t, "f: "+c.filter).Decide(Request{Argv: words(c.line), Machine: newMachine()})
		want := 3
		if !strings.Contains(c.line, "helper") {
			want = 0
		}
		found := 0
		for _, v := range d.Env {
			if slices.Contains(privsepEnv, v) {
				found++
			}
		}
		if d.Verdict != Allowed || found != want {
			t.Errorf("%q: %q: %#x %s %v", c.filter, c.line, d.Verdict, d.Why, d.Env)
		}
	}
}

func TestContextSections(t *testing.T) {
	for _, c := range []struct{ conf, text, want string }{
		{"[Privsep:acme.privileged.default]\n", "", "/c.conf:3: section [Privsep:acme.privileged.default]: no released service has a context of that name: correct it, or add it to privsep_contexts"},
		{"[Privsep:nova.privsep.sys_admin_pctx]\n", "", "/c.conf:3: section"},
		{"[Privsep:" + nova + " ]\n", "", "/c.conf:3: section"},
		{"[Privsep:]\n", "", "/c.conf:3: section"},
		{"privsep_contexts=none\n[Privsep:nova]\n", "", "/c.conf:4: section"},
		{"privsep_contexts=none\n[Privsep:a.b c]\n", "", "/c.conf:4: section"},
		{"[Privsep:" + nova + "]\nfoo=1\n", "", "/c.conf:4: foo: unknown key"},
		{"[Privsep:" + nova + "]\ncapabilities=NET_ADMIN\n", "", "/c.conf:4: capabilities: "},
		{"[Privsep:" + nova + "]\ninherit=x\n", "", "/c.conf:4: inherit: /c.conf has no section [Profile:x]"},
		{"[Privsep:" + nova + "]\n[Privsep:" + nova + "]\n", "", "/c.conf:4: "},
		{"[privsep:" + nova + "]\n", "", "/c.conf:3: section [privsep:" + nova + "] is written [Privsep:CONTEXT]"},
		{"[PRIVSEP " + nova + "]\n", "", "/c.conf:3: section"},
		{"[Privsep." + nova + "]\n", "", "/c.conf:3: section"},
		{"[" + nova + "]\n", "", "/c.conf:3: section [" + nova + "] is written [Privsep:CONTEXT]"},
		{"", "x: CommandFilter, x, root\n[Privsep:" + nova + "]\n", "/f.filters:3: section [Privsep:" + nova + "] belongs into rootwrap.conf"},
		{"", "x: CommandFilter, x, root\n[privsep:" + nova + "]\n", "/f.filters:3: section [privsep:" + nova + "] is written [Privsep:CONTEXT]"},
		{"privsep_confine=yes\n", "", "/c.conf:3: privsep_confine: \"yes\" is neither declared nor no"},
	} {
		if _, err := contextPolicy(c.conf, c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q %q: %v, not %s", c.conf, c.text, err, c.want)
		}
	}
	for _, conf := range []string{
		"[privsep]\nx=1\n", "[privsep_osbrick]\nuser=root\n",
		"privsep_contexts=acme.privileged.default\n[Privsep:acme.privileged.default]\nno_new_privs=yes\n",
		"privsep_contexts=none\n[Privsep:acme.privileged.default]\n", "privsep_contexts=none\n[Privsep:" + nova + "]\n",
	} {
		if _, err := contextPolicy(conf, ""); err != nil {
			t.Errorf("%q: %v", conf, err)
		}
	}
}

// Each profile of the table is one that a section could say.
func TestContextProfiles(t *testing.T) {
	profiles := 0
	for _, c := range privsep.All() {
		m := filters.Privsep((&Policy{}).Contexts, "/etc/x").Match(words("privsep-helper --privsep_context "+c.Name+" --privsep_sock_path /x"), newMachine())
		if _, err := names(c.Name); err != nil || !m.Matched {
			t.Errorf("%s: %v, %v", c.Name, err, m.Why)
		}
		if !c.Profiled() {
			continue
		}
		profiles++
		d := asked(t, "privsep_confine=declared\n", "", c.Name)
		if d.Helper == nil || !d.Helper.Profile || !slices.Equal(d.Helper.Sandbox.Capabilities, c.Capabilities()) {
			t.Fatalf("%s: %+v", c.Name, d.Helper)
		}
		section := "[Privsep:" + c.Name + "]\ncapabilities=" + strings.Join(c.Capabilities(), ", ") + "\n" + strings.ReplaceAll(c.Keys, " ", "\n") + "\n"
		if same := asked(t, section, "", c.Name); same.Helper.Profile || !reflect.DeepEqual(same.Helper.Sandbox, d.Helper.Sandbox) {
			t.Errorf("%s: %+v, not %+v", c.Name, same.Helper.Sandbox, d.Helper.Sandbox)
		}
	}
	if profiles < 12 {
		t.Errorf("%d profiles", profiles)
	}
}

// FuzzContext: whatever the words, a helper that starts where contexts are confined serves
// the context that its last words name, one that is known, and within its sandbox where
// there is one.
func FuzzContext(f *testing.F) {
	for _, line := range []string{
		"--privsep_context " + nova + " --privsep_sock_path /s", "--privsep_context=" + brick, "--config-file /x --privsep_context " + solum + " --privsep_sock_path=/s",
		"--privsep_context " + nova + " --config-file /x", "--privsep_context " + nova + " --privsep_c " + brick, "-- --privsep_context " + nova, "privsep-helper --privsep_context " + nova,
	} {
		f.Add(strings.ReplaceAll(line, " ", "\n"))
	}
	p, err := contextPolicy("[Privsep:"+nova+"]\ncapabilities=CAP_NET_ADMIN\n", "h: CommandFilter, privsep-helper, root\npy: CommandFilter, python3, root\n")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := filters.Words(strings.Split(text, "\n"))
		for _, before := range [][]filters.Untrusted{{"privsep-helper"}, {"python3", "/usr/bin/privsep-helper"}} {
			d := p.Decide(Request{Argv: append(slices.Clone(before), list...), Machine: newMachine()})
			if d.Verdict != Allowed {
				continue
			}
			if d.Helper == nil || privsep.Find(d.Helper.Context) == nil {
				t.Fatalf("%q: %+v", text, d.Helper)
			}
			last := list[len(list)-1].Raw()
			if !strings.HasPrefix(last, "--privsep_") && (len(list) < 2 || !strings.HasPrefix(list[len(list)-2].Raw(), "--privsep_")) || !strings.Contains(text, d.Helper.Context) {
				t.Fatalf("%q: %+v", text, d.Helper)
			}
			if want := map[bool]string{true: "privsep net_admin"}[d.Helper.Context == nova]; shown(d) != want {
				t.Fatalf("%q: %s", text, shown(d))
			}
		}
	})
}
