package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/compiled"
	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
	"ironwrap/policy/trust"
)

// readSections does with the two texts what Load does with the files: first
// rootwrap.conf, then one filters file.
func readSections(conf, text string) (*Policy, error) {
	file, err := inifile.Parse("/c.conf", []byte(conf), document.Strict)
	if err != nil {
		return nil, err
	}
	p := &Policy{Path: "/c.conf"}
	if p.sandboxes, err = readSandboxes("/c.conf", file); err != nil {
		return nil, err
	}
	if file, err = inifile.Parse("/f.filters", []byte(text), document.Lenient); err != nil {
		return nil, err
	}
	r := reader{p: p}
	r.source(compiled.File, "/f.filters", trust.Identity{})
	return p, r.file("/f.filters", file)
}

// sandboxOf is the sandbox of filter dd.
func sandboxOf(t *testing.T, conf, text string) *Sandbox {
	t.Helper()
	p, err := readSections(conf, text)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, conf, text)
	}
	for i := range p.Filters {
		if p.Filters[i].Name == "dd" {
			return p.Filters[i].Sandbox
		}
	}
	t.Fatalf("no filter dd in %q", text)
	return nil
}

const someFilters = "[Filters]\ndd: CommandFilter, dd, root\nCP: CommandFilter, cp, root\nbad: NoSuchFilter, x\n"

func uint32p(n uint32) *uint32 { return &n }
func intp(n int) *int          { return &n }

// What each key makes of each value: in a section of a filter's own, in the
// defaults, and in a profile, all three alike.
func TestSandboxKeys(t *testing.T) {
	yes := true
	for _, c := range []struct {
		key, value string
		want       Sandbox
	}{
		{"seccomp", "storage", Sandbox{Seccomp: "storage"}},
		{"seccomp", "/etc/x/p.json", Sandbox{Seccomp: "/etc/x/p.json"}},
		{"seccomp", "none", Sandbox{Seccomp: "none"}},
		{"seccomp_log", "yes", Sandbox{SeccompLog: true}},
		{"seccomp_log", "no", Sandbox{}},
		{"landlock_log", "yes", Sandbox{LandlockLog: true}},
		{"capabilities", "all", Sandbox{}},
		{"capabilities", "none", Sandbox{Capabilities: []string{}}},
		{"capabilities", "CAP_NET_ADMIN", Sandbox{Capabilities: []string{"cap_net_admin"}}},
		{"capabilities", "CAP_NET_ADMIN ,cap_sys_admin,\tCap_Kill", Sandbox{Capabilities: []string{"cap_net_admin", "cap_sys_admin", "cap_kill"}}},
		{"capabilities", "CAP_KILL,\n CAP_CHOWN", Sandbox{Capabilities: []string{"cap_kill", "cap_chown"}}},
		{"no_new_privs", "yes", Sandbox{NoNewPrivs: true}},
		{"no_new_privs", "ON", Sandbox{NoNewPrivs: true}},
		{"no_new_privs", "0", Sandbox{}},
		{"memory_deny_write_execute", "true", Sandbox{DenyWriteExec: true}},
		{"private_keyring", "1", Sandbox{PrivateKeyring: &yes}},
		{"private_keyring", "no", Sandbox{PrivateKeyring: new(bool)}},
		{"private_tmp", "Yes", Sandbox{PrivateTmp: true}},
		{"private_network", "yes", Sandbox{PrivateNetwork: true}},
		{"private_network", "no", Sandbox{}},
		{"private_mounts", "yes", Sandbox{PrivateMounts: true}},
		{"pin_paths", "yes", Sandbox{PinPaths: true}},
		{"survive", "yes", Sandbox{Survive: true}},
		{"read_only", "/usr, /etc", Sandbox{ReadOnly: []string{"/usr", "/etc"}}},
		{"read_only", "none", Sandbox{ReadOnly: []string{}}},
		{"landlock_ro", "/", Sandbox{LandlockRO: []string{"/"}}},
		{"landlock_ro", "none", Sandbox{LandlockRO: []string{}}},
		{"landlock_rw", "/var/lib/a b,/dev/null", Sandbox{LandlockRW: []string{"/var/lib/a b", "/dev/null"}}},
		{"landlock_tcp_bind", "0,80 , 65535", Sandbox{LandlockBind: []uint16{0, 80, 65535}}},
		{"landlock_tcp_bind", "none", Sandbox{LandlockBind: []uint16{}}},
		{"landlock_tcp_connect", "443", Sandbox{LandlockConnect: []uint16{443}}},
		{"landlock_scope", "signal", Sandbox{LandlockScope: []string{"signal"}}},
		{"landlock_scope", "abstract_unix_socket, signal", Sandbox{LandlockScope: []string{"abstract_unix_socket", "signal"}}},
		{"landlock_scope", "none", Sandbox{}},
		{"landlock", "best-effort", Sandbox{BestEffort: true}},
		{"landlock", "required", Sandbox{}},
		{"apparmor_profile", "none", Sandbox{}},
		{"apparmor_profile", "unconfined", Sandbox{AppArmor: "unconfined"}},
		{"apparmor_profile", "/usr/bin/a b//hat", Sandbox{AppArmor: "/usr/bin/a b//hat"}},
		{"selinux_context", "none", Sandbox{}},
		{"selinux_context", "system_u:system_r:mount_t", Sandbox{SELinux: "system_u:system_r:mount_t"}},
		{"selinux_context", "u:r:t:s0-s0:c0.c1023", Sandbox{SELinux: "u:r:t:s0-s0:c0.c1023"}},
		{"apparmor", "best-effort", Sandbox{AppArmorBestEffort: true}},
		{"apparmor", "required", Sandbox{}},
		{"selinux", "best-effort", Sandbox{SELinuxBestEffort: true}},
		{"umask", "0", Sandbox{Umask: uint32p(0)}},
		{"umask", "027", Sandbox{Umask: uint32p(0o27)}},
		{"umask", "777", Sandbox{Umask: uint32p(0o777)}},
		{"nice", "-20", Sandbox{Nice: intp(-20)}},
		{"nice", "19", Sandbox{Nice: intp(19)}},
		{"nice", "0", Sandbox{Nice: intp(0)}},
		{"oom_score_adj", "-1000", Sandbox{OOMScore: intp(-1000)}},
		{"oom_score_adj", "1000", Sandbox{OOMScore: intp(1000)}},
		{"rlimit_nofile", "64", Sandbox{Limits: []Limit{{"nofile", 64}}}},
		{"rlimit_core", "0", Sandbox{Limits: []Limit{{"core", 0}}}},
		{"rlimit_cpu", "unlimited", Sandbox{Limits: []Limit{{"cpu", ^uint64(0)}}}},
		{"rlimit_as", "9223372036854775807", Sandbox{Limits: []Limit{{"as", 1<<63 - 1}}}},
		{"RLIMIT_AS", "1", Sandbox{Limits: []Limit{{"as", 1}}}}, // keys are lower case, as the dialect makes them
	} {
		line := c.key + " = " + c.value + "\n"
		for where, have := range map[string]*Sandbox{
			"own":      sandboxOf(t, "", someFilters+"[Sandbox:dd]\n"+line),
			"defaults": sandboxOf(t, "[Sandbox]\n"+line, someFilters),
			"profile":  sandboxOf(t, "[Profile:p]\n"+line, someFilters+"[Sandbox:dd]\ninherit = p\n"),
		} {
			if have == nil {
				t.Errorf("%s, %s: no sandbox", where, line)
				continue
			}
			if !reflect.DeepEqual(*have, c.want) {
				t.Errorf("%s, %s: %+v, not %+v", where, line, *have, c.want)
			}
		}
	}
}

// A value that means nothing is refused with file, line and key, wherever it
// stands, used or not.
func TestSandboxBadValues(t *testing.T) {
	bad := map[string][]string{
		"seccomp":              {""},
		"capabilities":         {"", "NET_ADMIN", "CAP_KILL,", ",CAP_KILL", "CAP_KILL CAP_CHOWN", "none, CAP_KILL", "CAP_KILL, all", "ALL", "None", "*", "12"},
		"read_only":            {"", "usr", "/usr,", ",", "./x", "/usr, etc", "~/x", "none, /usr", "None"},
		"landlock_ro":          {"", "usr", "/usr,", "none,"},
		"landlock_rw":          {"", "usr", "/usr,,/etc"},
		"landlock_tcp_bind":    {"", "65536", "-1", "http", "80,", "80 443", "0x50", "1-1024", "8e1", "+80"},
		"landlock_tcp_connect": {"", "65536", "any", "80;443"},
		"landlock":             {"", "yes", "no", "Best-Effort", "best effort", "optional"},
		"umask":                {"", "8", "0o22", "1000", "-1", "u=rwx", "22 ", "0x12"},
		"nice":                 {"", "20", "-21", "ten", "1.5", "0x1"},
		"oom_score_adj":        {"", "1001", "-1001", "max"},
		"rlimit_nofile":        {"", "-1", "ten", "1k", "infinity", "Unlimited", "9223372036854775808", "18446744073709551616", "0x10", "1 2"},
		"inherit":              {"", "nosuch", "P", "p,q", "p "},
	}
	for _, key := range []string{"no_new_privs", "memory_deny_write_execute", "private_keyring", "private_tmp", "private_network", "private_mounts", "pin_paths", "survive"} {
		bad[key] = []string{"", "2", "maybe", "y", "yes please", "-1", "enabled"}
	}
	for _, name := range []string{"foo", "", "nofiles", "no_file", "nofile_soft"} {
		bad["rlimit_"+name] = []string{"1"}
	}
	for _, key := range []string{"seccomp_profile", "capability", "no-new-privs", "nonewprivs", "landlock_tcp", "read_write", "user", "inherits", "filters_path", "nofile"} {
		bad[key] = []string{"yes", "none", "/"}
	}
	for key, values := range bad {
		for _, value := range values {
			if strings.TrimSpace(value) != value {
				continue // the dialect cuts that off
			}
			line := key + " = " + value + "\n"
			for where, texts := range map[string][3]string{
				"own":             {"[Profile:p]\n", someFilters + "[Sandbox:dd]\npin_paths = no\n" + line, "/f.filters:7: "},
				"of another":      {"[Profile:p]\n", someFilters + "[Sandbox:cp]\n" + line + "[X]\n", "/f.filters:6: "},
				"defaults":        {"[Profile:p]\n[Sandbox]\n" + line, someFilters, "/c.conf:3: "},
				"defaults, empty": {"[Profile:p]\n[Sandbox]\n" + line, "[Filters]\n", "/c.conf:3: "},
				"profile":         {"[Profile:q]\n\n" + line + "[Profile:p]\n", someFilters, "/c.conf:3: "},
			} {
				p, err := readSections(texts[0], texts[1])
				if err == nil {
					t.Errorf("%s, %q: accepted: %+v", where, line, p.Filters)
					continue
				}
				if !strings.HasPrefix(err.Error(), texts[2]+key+": ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s, %q: %q does not begin with %q", where, line, err, texts[2]+key+": ")
				}
			}
		}
	}
}

// Which sections may stand where. A section that was meant to confine something,
// and does not, is an error.
func TestSandboxSections(t *testing.T) {
	for name, c := range map[string]struct{ conf, text, want string }{
		"filter's own in rootwrap.conf":  {"[Sandbox:dd]\n", someFilters, "/c.conf:1: section [Sandbox:dd] belongs into a filters file"},
		"defaults in a filters file":     {"", someFilters + "[Sandbox]\n", "/f.filters:5: section [Sandbox] belongs into rootwrap.conf"},
		"profile in a filters file":      {"", someFilters + "[Profile:p]\n", "/f.filters:5: section [Profile:p] belongs into rootwrap.conf"},
		"no filter of that name":         {"", someFilters + "[Sandbox:mv]\n", "/f.filters:5: section [Sandbox:mv]: this file has no filter of that name"},
		"no filter at all":               {"", "[Sandbox:dd]\n", "/f.filters:1: section [Sandbox:dd]: this file has no filter"},
		"filter that was skipped":        {"", someFilters + "[Sandbox:bad]\n", "/f.filters:5: section [Sandbox:bad]: this file has no filter"},
		"no name":                        {"", someFilters + "[Sandbox:]\n", "/f.filters:5: section [Sandbox:]: this file has no filter"},
		"a blank before the name":        {"", someFilters + "[Sandbox: dd]\n", "/f.filters:5: section [Sandbox: dd]: this file has no filter"},
		"a blank after the name":         {"", someFilters + "[Sandbox:dd ]\n", "/f.filters:5: section [Sandbox:dd ]: this file has no filter"},
		"twice, in another case":         {"", someFilters + "[Sandbox:dd]\n[Sandbox:DD]\n", "/f.filters:6: section [Sandbox:DD]: the filter has another sandbox section"},
		"defaults twice":                 {"[Sandbox]\n[Sandbox]\n", someFilters, "/c.conf:2: "},
		"profile twice":                  {"[Profile:p]\n[Profile:p]\n", someFilters, "/c.conf:2: "},
		"key twice in rootwrap.conf":     {"[Sandbox]\nnice=1\nnice=2\n", someFilters, "/c.conf:3: "},
		"misspelt in rootwrap.conf":      {"[sandbox]\nnice=1\n", someFilters, "/c.conf:1: section [sandbox] is written [Sandbox] or [Profile:NAME]"},
		"misspelt profile":               {"[profile:x]\n", someFilters, "/c.conf:1: section [profile:x] is written"},
		"misspelt own":                   {"", someFilters + "[sandbox:dd]\n", "/f.filters:5: section [sandbox:dd] is written [Sandbox:NAME]"},
		"misspelt, a blank":              {"", someFilters + "[ Sandbox:dd]\n", "/f.filters:5: section [ Sandbox:dd] is written"},
		"misspelt, no colon":             {"", someFilters + "[Sandbox dd]\n", "/f.filters:5: section [Sandbox dd] is written"},
		"misspelt, a dot":                {"", someFilters + "[SANDBOX.dd]\n", "/f.filters:5: section [SANDBOX.dd] is written"},
		"a profile that inherits":        {"[Profile:p]\n[Profile:q]\ninherit = p\n", someFilters, "/c.conf:3: inherit: a profile cannot inherit"},
		"a profile that inherits itself": {"[Profile:p]\ninherit = p\n", someFilters, "/c.conf:2: inherit: a profile cannot inherit"},
		"inherits a missing profile":     {"", someFilters + "[Sandbox:dd]\ninherit = p\n", "/f.filters:6: inherit: /c.conf has no section [Profile:p]"},
		"defaults inherit a missing one": {"[Sandbox]\ninherit = p\n", "[Filters]\n", "/c.conf:2: inherit: /c.conf has no section [Profile:p]"},
		"control characters":             {"", someFilters + "[Sandbox:d\x1bd]\n", `/f.filters:5: section [Sandbox:d\x1bd]`},
	} {
		p, err := readSections(c.conf, c.text)
		if err == nil {
			t.Errorf("%s: accepted: %+v", name, p.Filters)
			continue
		}
		if !strings.HasPrefix(err.Error(), c.want) || strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: %q, not %q", name, err, c.want)
		}
	}
	for name, c := range map[string]struct{ conf, text string }{
		"none":                 {"", someFilters},
		"foreign":              {"[database]\nseccomp=x\n", someFilters + "[Boxes]\nseccomp=x\n"},
		"profile nobody uses":  {"[Profile:p]\nnice=1\n", someFilters},
		"empty own":            {"", someFilters + "[Sandbox:cp]\n"},
		"section before it":    {"", "[Sandbox:dd]\nnice=1\n" + someFilters},
		"parted, same case":    {"", "[Sandbox:dd]\nnice=1\n" + someFilters + "[Sandbox:dd]\numask=0\n"},
		"name in another case": {"", someFilters + "[Sandbox:cP]\nnice=1\n"},
	} {
		if _, err := readSections(c.conf, c.text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who gets what: nothing without a section; the defaults for everybody; a
// filter's own for that filter alone, key by key on top.
func TestSandboxLayers(t *testing.T) {
	if s := sandboxOf(t, "[Profile:p]\nnice=1\n", someFilters+"[Sandbox:cp]\nnice=2\n"); s != nil {
		t.Errorf("no section for dd: %+v", *s)
	}
	if s := sandboxOf(t, "[Sandbox]\n", someFilters); s == nil || !reflect.DeepEqual(*s, Sandbox{}) {
		t.Errorf("empty defaults: %+v", s)
	}

	// DEFAULT is inherited by every section in this dialect, but not by ours: it
	// holds rootwrap.conf's own keys.
	s := sandboxOf(t, "[DEFAULT]\nfilters_path=/x\nnice=3\nno_new_privs=yes\n[Sandbox]\numask=027\n[Profile:p]\n",
		"[DEFAULT]\nnice=4\npin_paths=bad\n"+someFilters+"[Sandbox:dd]\ninherit=p\n")
	if s.Nice != nil || s.NoNewPrivs || s.PinPaths || s.Umask == nil || *s.Umask != 0o27 {
		t.Errorf("[DEFAULT] reached the sandbox: %+v", *s)
	}

	const conf = "[Sandbox]\nno_new_privs=yes\ncapabilities=none\nnice=5\nrlimit_nofile=100\nrlimit_core=0\nlandlock_ro=/usr\n" +
		"[Profile:p]\nnice=6\ncapabilities=CAP_KILL\numask=077\nrlimit_nofile=200\n[Profile:q]\nseccomp=x\nlandlock_ro=none\n"
	for name, c := range map[string]struct {
		own  string
		want Sandbox
	}{
		"none": {"", Sandbox{NoNewPrivs: true, Capabilities: []string{}, Nice: intp(5), LandlockRO: []string{"/usr"},
			Limits: []Limit{{"nofile", 100}, {"core", 0}}}},
		"one key": {"[Sandbox:dd]\nno_new_privs=no\n", Sandbox{Capabilities: []string{}, Nice: intp(5), LandlockRO: []string{"/usr"},
			Limits: []Limit{{"nofile", 100}, {"core", 0}}}},
		"back to all": {"[Sandbox:dd]\ncapabilities=all\nrlimit_core=unlimited\n", Sandbox{NoNewPrivs: true, Nice: intp(5), LandlockRO: []string{"/usr"},
			Limits: []Limit{{"nofile", 100}, {"core", ^uint64(0)}}}},
		"a list replaces": {"[Sandbox:dd]\nlandlock_ro=/etc\n", Sandbox{NoNewPrivs: true, Capabilities: []string{}, Nice: intp(5), LandlockRO: []string{"/etc"},
			Limits: []Limit{{"nofile", 100}, {"core", 0}}}},
		"a profile": {"[Sandbox:dd]\ninherit=p\n", Sandbox{NoNewPrivs: true, Capabilities: []string{"cap_kill"}, Nice: intp(6), Umask: uint32p(0o77),
			LandlockRO: []string{"/usr"}, Limits: []Limit{{"core", 0}, {"nofile", 200}}}},
		"another": {"[Sandbox:dd]\ninherit=q\n", Sandbox{NoNewPrivs: true, Capabilities: []string{}, Nice: intp(5), Seccomp: "x",
			LandlockRO: []string{}, Limits: []Limit{{"nofile", 100}, {"core", 0}}}},
		"own over the profile, written before it": {"[Sandbox:dd]\nnice=7\nrlimit_nofile=300\ninherit=p\n", Sandbox{NoNewPrivs: true, Capabilities: []string{"cap_kill"},
			Nice: intp(7), Umask: uint32p(0o77), LandlockRO: []string{"/usr"}, Limits: []Limit{{"core", 0}, {"nofile", 300}}}},
		"filters' files repeat keys": {"[Sandbox:dd]\nnice=8\nnice=9\n", Sandbox{NoNewPrivs: true, Capabilities: []string{}, Nice: intp(9), LandlockRO: []string{"/usr"},
			Limits: []Limit{{"nofile", 100}, {"core", 0}}}},
	} {
		have := sandboxOf(t, conf, someFilters+c.own)
		byName := func(a, b Limit) int { return strings.Compare(a.Name, b.Name) }
		slices.SortFunc(have.Limits, byName)
		slices.SortFunc(c.want.Limits, byName)
		if !reflect.DeepEqual(*have, c.want) {
			t.Errorf("%s:\n%+v, not\n%+v", name, *have, c.want)
		}
		// The other filter has the defaults, whatever dd has.
		p, err := readSections(conf, someFilters+c.own)
		if err != nil {
			t.Fatal(err)
		}
		if cp := p.Filters[1]; cp.Name != "cp" || cp.Sandbox == nil || !cp.Sandbox.NoNewPrivs || *cp.Sandbox.Nice != 5 || len(cp.Sandbox.Limits) != 2 || cp.Sandbox.Limits[0].Value != 100 {
			t.Errorf("%s: cp has %+v", name, cp.Sandbox)
		}
	}

	// The defaults themselves may start from a profile.
	s = sandboxOf(t, "[Sandbox]\ninherit=p\nnice=5\n[Profile:p]\nnice=6\numask=077\n", someFilters)
	if *s.Nice != 5 || *s.Umask != 0o77 {
		t.Errorf("defaults that inherit: %+v", *s)
	}
	// So may a filter, from another one, on top.
	s = sandboxOf(t, "[Sandbox]\ninherit=p\n[Profile:p]\nnice=6\numask=077\n[Profile:q]\nnice=7\n", someFilters+"[Sandbox:dd]\ninherit=q\n")
	if *s.Nice != 7 || *s.Umask != 0o77 {
		t.Errorf("two profiles: %+v", *s)
	}
}

// The implicit filter has the defaults too: it is a way to root as any other.
func TestSandboxOfPrivsep(t *testing.T) {
	p, err := readSections("[Sandbox]\nno_new_privs=yes\n", someFilters)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.addPrivsep(); err != nil {
		t.Fatal(err)
	}
	last := p.Filters[len(p.Filters)-1]
	if last.Name != "privsep-helper" || last.Sandbox == nil || !last.Sandbox.NoNewPrivs {
		t.Errorf("%+v", last)
	}
}

// The names of limits are all of getrlimit(2), and each is read.
func TestSandboxLimits(t *testing.T) {
	text := someFilters + "[Sandbox:dd]\n"
	for i, name := range limitNames {
		text += fmt.Sprintf("rlimit_%s = %d\n", name, i+10)
	}
	s := sandboxOf(t, "", text)
	if len(s.Limits) != len(limitNames) || len(limitNames) != 16 {
		t.Fatalf("%+v", s.Limits)
	}
	for i, l := range s.Limits {
		if l.Name != limitNames[i] || l.Value != uint64(i+10) {
			t.Errorf("%+v", l)
		}
	}
}

// Whatever the files hold: an error is one line that begins with a file and a
// line of it; otherwise every section of ours found its filter, and what came out
// is within the bounds that the executor relies on.
func FuzzSandbox(f *testing.F) {
	f.Add("[Sandbox]\nno_new_privs=yes\ninherit=p\n[Profile:p]\nseccomp=x\n", someFilters+"[Sandbox:dd]\ncapabilities=CAP_KILL\nlandlock_rw=/a,/b\n")
	f.Add("", someFilters+"[Sandbox:cp]\nrlimit_as=1\numask=7\nnice=-3\noom_score_adj=7\nlandlock_tcp_bind=1\n")
	f.Add("[Profile:]\nnice=1\n", someFilters+"[Sandbox:dd]\ninherit=\n")
	f.Add("[sandbox]\n", "[Filters]\n[Sandbox:\n")
	f.Add("[Sandbox]\nread_only=/a\n /b\n", someFilters)
	f.Add("[DEFAULT]\nnice=x\n[Sandbox]\n", "[DEFAULT]\ndd: CommandFilter, dd, root\n[Filters]\n[Sandbox:dd]\nlandlock=required\n")
	f.Fuzz(func(t *testing.T, conf, text string) {
		p, err := readSections(conf, text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00\x1b") || !strings.HasPrefix(err.Error(), "/c.conf:") && !strings.HasPrefix(err.Error(), "/f.filters:") {
				t.Fatalf("%q", err)
			}
			return
		}
		again, err := readSections(conf, text)
		if err != nil || len(again.Filters) != len(p.Filters) {
			t.Fatalf("another answer the second time: %v", err)
		}
		file, _ := inifile.Parse("", []byte(text), document.Lenient)
		for _, section := range file.Sections {
			if name, ok := strings.CutPrefix(section.Name, "Sandbox:"); ok {
				i := slices.IndexFunc(p.Filters, func(e Entry) bool { return e.Name == strings.ToLower(name) })
				if i < 0 || p.Filters[i].Sandbox == nil {
					t.Fatalf("section %q confines nothing", section.Name)
				}
				for _, e := range file.Own(section.Name) {
					if _, limit := strings.CutPrefix(e.Key, "rlimit_"); !slices.ContainsFunc(sandboxKeys, func(k sandboxKey) bool { return k.name == e.Key }) && !limit {
						t.Fatalf("key %q was accepted", e.Key)
					}
				}
			}
		}
		for i, e := range p.Filters {
			if !reflect.DeepEqual(e.Sandbox, again.Filters[i].Sandbox) {
				t.Fatalf("another sandbox the second time: %+v, %+v", e.Sandbox, again.Filters[i].Sandbox)
			}
			s := e.Sandbox
			if s == nil {
				continue
			}
			for _, path := range slices.Concat(s.ReadOnly, s.LandlockRO, s.LandlockRW) {
				if !strings.HasPrefix(path, "/") {
					t.Fatalf("path %q", path)
				}
			}
			for _, name := range s.Capabilities {
				if !strings.HasPrefix(name, "cap_") || strings.ToLower(name) != name || strings.ContainsAny(name, " ,\n") {
					t.Fatalf("capability %q", name)
				}
			}
			seen := map[string]bool{}
			for _, l := range s.Limits {
				if seen[l.Name] || !slices.Contains(limitNames, l.Name) {
					t.Fatalf("limit %q", l.Name)
				}
				seen[l.Name] = true
			}
			if s.Umask != nil && *s.Umask > 0o777 || s.Nice != nil && (*s.Nice < -20 || *s.Nice > 19) || s.OOMScore != nil && (*s.OOMScore < -1000 || *s.OOMScore > 1000) {
				t.Fatalf("out of bounds: %+v", s)
			}
		}
	})
}
