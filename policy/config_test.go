package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/document"
	"ironwrap/policy/inifile"
)

func parse(t *testing.T, text string) (Config, []Note, error) {
	t.Helper()
	file, err := inifile.Parse("/etc/x/rootwrap.conf", []byte(text), document.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return parseConfig("/etc/x/rootwrap.conf", file)
}

func TestConfigDefaults(t *testing.T) {
	c, notes, err := parse(t, "[DEFAULT]\nfilters_path = /etc/x/rootwrap.d\n")
	if err != nil || len(notes) != 0 {
		t.Fatalf("%v, %v", notes, err)
	}
	want := Config{
		FiltersPath: []string{"/etc/x/rootwrap.d"},
		ExecDirs:    []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"},
		Facility:    5, Level: 3, DaemonTimeout: 600, NoFile: 1024, filtersPathLine: 2,
		MaxChildren: 256, MaxOutput: 64 << 20,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, not\n%+v", c, want)
	}
}

func TestConfigKeys(t *testing.T) {
	list := func(names ...string) []string { return names }
	for _, c := range []struct {
		line string
		get  func(c Config) any
		want any
	}{
		{"filters_path = /a", func(c Config) any { return c.FiltersPath }, list("/a")},
		{"filters_path = /a,/b , /c/d/", func(c Config) any { return c.FiltersPath }, list("/a", "/b", "/c/d")},
		{"filters_path = /a/ b", func(c Config) any { return c.FiltersPath }, list("/a/ b")},
		{"filters_path = /a,\n /b", func(c Config) any { return c.FiltersPath }, list("/a", "/b")},
		{"filters_path = /", func(c Config) any { return c.FiltersPath }, list("/")},
		{"filters_path: /a", func(c Config) any { return c.FiltersPath }, list("/a")},
		{"FILTERS_PATH = /a", func(c Config) any { return c.FiltersPath }, list("/a")},
		{"exec_dirs = /sbin, /usr/bin//", func(c Config) any { return c.ExecDirs }, list("/sbin", "/usr/bin")},
		{"use_syslog = True", func(c Config) any { return c.UseSyslog }, true},
		{"use_syslog = on", func(c Config) any { return c.UseSyslog }, true},
		{"use_syslog = YES", func(c Config) any { return c.UseSyslog }, true},
		{"use_syslog = 1", func(c Config) any { return c.UseSyslog }, true},
		{"use_syslog = False", func(c Config) any { return c.UseSyslog }, false},
		{"use_syslog = 0", func(c Config) any { return c.UseSyslog }, false},
		{"use_syslog = no", func(c Config) any { return c.UseSyslog }, false},
		{"use_syslog = off", func(c Config) any { return c.UseSyslog }, false},
		{"syslog_log_facility = local6", func(c Config) any { return c.Facility }, 22},
		{"syslog_log_facility = LOG_LOCAL0", func(c Config) any { return c.Facility }, 16},
		{"syslog_log_facility = LOG_AUTHPRIV", func(c Config) any { return c.Facility }, 10},
		{"syslog_log_facility = kern", func(c Config) any { return c.Facility }, 0},
		{"syslog_log_level = INFO", func(c Config) any { return c.Level }, 6},
		{"syslog_log_level = warn", func(c Config) any { return c.Level }, 4},
		{"syslog_log_level = Critical", func(c Config) any { return c.Level }, 2},
		{"syslog_log_level = DEBUG", func(c Config) any { return c.Level }, 7},
		{"daemon_timeout = 0", func(c Config) any { return c.DaemonTimeout }, 0},
		{"daemon_timeout = 3600", func(c Config) any { return c.DaemonTimeout }, 3600},
		{"rlimit_nofile = -1", func(c Config) any { return c.NoFile }, -1},
		{"rlimit_nofile = 65536", func(c Config) any { return c.NoFile }, 65536},
		{"allow_users = nova, neutron", func(c Config) any { return c.AllowUsers }, list("nova", "neutron")},
		{"allow_groups = nova", func(c Config) any { return c.AllowGroups }, list("nova")},
		{"env_keep = LANGUAGE, http_proxy", func(c Config) any { return c.EnvKeep }, list("LANGUAGE", "http_proxy")},
		{"audit_required = yes", func(c Config) any { return c.AuditRequired }, true},
		{"audit_file = /var/lib/x/audit.log", func(c Config) any { return c.AuditFile }, "/var/lib/x/audit.log"},
		{"strict_paths = yes", func(c Config) any { return c.StrictPaths }, true},
		{"max_children = 8", func(c Config) any { return c.MaxChildren }, 8},
		{"max_output = 1000000", func(c Config) any { return c.MaxOutput }, 1000000},
		{"kill_on_disconnect = yes", func(c Config) any { return c.KillOnDisconnect }, true},
		{"metrics_file = /var/lib/x.prom", func(c Config) any { return c.MetricsFile }, "/var/lib/x.prom"},
		{"authkey_file = /run/x/key", func(c Config) any { return c.KeyFile }, "/run/x/key"},
		{"socket_dir = /var/lib/x", func(c Config) any { return c.SocketDir }, "/var/lib/x"},
		{"call_socket = /run/x/y.call", func(c Config) any { return c.CallSocket }, "/run/x/y.call"},
		{"refusal_text = yes", func(c Config) any { return c.RefusalText }, true},
		{"max_user_children = 4", func(c Config) any { return c.MaxUserChildren }, 4},
		{"privsep_contexts = a.b, c.d.e", func(c Config) any { return c.PrivsepContexts }, list("a.b", "c.d.e")},
		{"privsep_contexts = a.b", func(c Config) any { return c.NoPrivsep }, false},
		{"privsep_contexts = none", func(c Config) any { return c.NoPrivsep }, true},
		{"privsep_confine = declared", func(c Config) any { return c.PrivsepConfine }, true},
		{"privsep_confine = no", func(c Config) any { return c.PrivsepConfine }, false},
	} {
		text := "[DEFAULT]\n" + c.line + "\n"
		if !strings.HasPrefix(strings.ToLower(c.line), "filters_path") {
			text += "filters_path = /etc/x\n"
		}
		got, notes, err := parse(t, text)
		if err != nil || len(notes) != 0 {
			t.Errorf("%q: %v, %v", c.line, notes, err)
		} else if value := c.get(got); !reflect.DeepEqual(value, c.want) {
			t.Errorf("%q: %v, not %v", c.line, value, c.want)
		}
	}
}

// A value that cannot be used refuses the whole file, at its line.
func TestConfigBadValues(t *testing.T) {
	bad := map[string][]string{
		"filters_path":        {"", "relative", "/a,,/b", "/a,", ",/a", "/a, b", ".", "~/x", "/a:/b"},
		"exec_dirs":           {"", "bin", "/bin,", "/bin,,/sbin", "/bin, sbin", ".", "/bin:/sbin", "$PATH"},
		"use_syslog":          {"", "maybe", "2", "yes no", "y", "enabled"},
		"audit_required":      {"", "maybe", "always"},
		"audit_file":          {"", "audit.log", "/", "/a/../b", "/a/"},
		"strict_paths":        {"", "maybe", "-1"},
		"syslog_log_facility": {"", "local8", "LOCAL0", "LOG_", "22", "LOG_SYSLOGX"},
		"syslog_log_level":    {"", "loud", "LOG_ERR", "3", "ERROR x"},
		"daemon_timeout":      {"", "ten", "1.5", "600s", "0x10", "99999999999", "1 2"},
		"rlimit_nofile":       {"", "unlimited", "1e3", "9999999999"},
		"max_children":        {"", "many", "0", "-1"},
		"max_output":          {"", "1M", "0", "-1"},
		"kill_on_disconnect":  {"", "maybe"},
		"metrics_file":        {"", "x.prom", "/", "/a/../b", "/a/", "/a//b", "./x"},
		"authkey_file":        {"", "key", "/", "/a/./b"},
		"socket_dir":          {"", "run", "/", "/a/../b", "/a/", "/" + strings.Repeat("x", 60)},
		"call_socket":         {"", "x.call", "/", "/a/../b", "/a/", "/" + strings.Repeat("x", 107)},
		"refusal_text":        {"", "always"},
		"max_user_children":   {"", "all", "0", "-1"},
		"allow_users":         {"", "a b", "a,,b", "a,", "a=b"},
		"allow_groups":        {"", "a\tb", ","},
		"privsep_contexts":    {"", "a b", "a.b,", "none x"},
		"privsep_confine":     {"", "yes", "learned", "Declared", "declared, no"},
		"env_keep": {"", "A B", "A,,B", "A=B", "LD_PRELOAD", "LD_ANYTHING", "LANGUAGE, LD_LIBRARY_PATH", "PATH", "HOME", "PYTHONPATH", "BASH_ENV", "IFS", "GCONV_PATH", "LOCPATH",
			"LVM_SYSTEM_DIR", "IP_LIB_DIR", "PERL5LIB", "GLIBC_TUNABLES", "TMPDIR",
			"GIT_SSH_COMMAND", "GIT_SSH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "TAR_OPTIONS", "RSYNC_RSH", "MANPAGER", "SYSTEMD_PAGER", "SYSTEMD_EDITOR", "BROWSER",
			"SSH_ASKPASS", "SUDO_ASKPASS"},
	}
	for _, key := range Keys() {
		if len(bad[key]) == 0 {
			t.Errorf("no bad value is tried for %s", key)
		}
	}
	for key, values := range bad {
		if !slices.Contains(Keys(), key) {
			t.Errorf("%s is no key", key)
		}
		for _, value := range values {
			text := "[DEFAULT]\n# a comment\n\n" + key + " = " + value + "\n"
			if key != "filters_path" {
				text += "filters_path = /etc/x\n"
			}
			c, _, err := parse(t, text)
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("/etc/x/rootwrap.conf:4: %s: ", key)) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s = %q: %v", key, value, err)
			}
			if !reflect.DeepEqual(c, Config{}) {
				t.Errorf("%s = %q: the refusal comes with a configuration: %+v", key, value, c)
			}
		}
	}
	for _, text := range []string{"", "[DEFAULT]\n", "[DEFAULT]\nexec_dirs = /bin\n", "[filters]\nfilters_path = /x\n"} {
		if _, _, err := parse(t, text); err == nil || !strings.HasPrefix(err.Error(), "/etc/x/rootwrap.conf: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What deployed files hold and nobody reads is noted, not refused.
func TestConfigNotes(t *testing.T) {
	c, notes, err := parse(t, "[DEFAULT]\nfilters_path = /etc/x\nuse_syslog_rfc_format = False\n\n[xenapi]\nxenapi_connection_url = x\n[\x1b[31m]\n")
	if err != nil || c.FiltersPath == nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range notes {
		if n.Warning {
			t.Errorf("%v: the peer does not warn of it", n)
		}
		got = append(got, n.String())
	}
	want := []string{
		`/etc/x/rootwrap.conf:3: unknown key "use_syslog_rfc_format"`,
		`/etc/x/rootwrap.conf:5: unknown section [xenapi]`,
		`/etc/x/rootwrap.conf:7: unknown section [\x1b[31m]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	if s := (Note{Path: "/a", Text: "b"}).String(); s != "/a: b" {
		t.Errorf("a note of a whole file is %q", s)
	}
}
