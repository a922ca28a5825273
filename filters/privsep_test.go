package filters

import (
	"slices"
	"testing"
)

func TestPrivsep(t *testing.T) {
	m := &fakeMachine{
		links:   map[string]string{"/etc/nova/out.conf": "/tmp/evil.conf"},
		trusted: map[string]bool{"/usr/share/nova/dist.conf": true, "/usr/share/nova": true, "relative.conf": true, "": true},
	}
	const tail = " --privsep_context a.b.c --privsep_sock_path /tmp/x/privsep.sock"
	rows := []row{
		{"privsep-helper" + tail, ""},
		{"privsep-helper --config-file /etc/nova/nova.conf" + tail, ""},
		{"privsep-helper --config-file /etc/nova/a/b.conf --config-file /usr/share/nova/dist.conf --config-dir /usr/share/nova" + tail, ""},
		{"privsep-helper --config-dir /etc/nova/nova.conf.d" + tail, ""},
		{"privsep-helper --privsep_sock_path /x --privsep_context d.e", ""},
		{"privsep-helper --privsep_sock_path /x --config-file /etc/nova/nova.conf --privsep_context d.e", ""},
		{"privsep-helper" + tail + " --config-file /etc/nova/nova.conf", "--config-file stands behind --privsep_context, and could name another context"},
		{"privsep-helper --privsep_context a.b.c --config-dir /usr/share/nova --privsep_sock_path /x", "--config-dir stands behind"},
		{"privsep-helper --config-file /etc/nova" + tail, "--config-file cannot trust /etc/nova"},
		{"privsep-helper --config-file /etc/nova-evil/nova.conf" + tail, "cannot trust"},
		{"privsep-helper --config-file /etc/nova/../../tmp/evil.conf" + tail, "it holds .."},
		{"privsep-helper --config-file /usr/share/x/../nova/dist.conf" + tail, "it holds .."},
		{"privsep-helper --config-file /etc/nova/out.conf" + tail, "cannot trust"},
		{"privsep-helper --config-file /tmp/evil.conf" + tail, "cannot trust"},
		{"privsep-helper --config-file relative.conf" + tail, "is not an absolute path"},
		{"privsep-helper --config-file " + tail, "is not an absolute path"},
		{"privsep-helper --config-dir /tmp" + tail, "cannot trust"},
		{"privsep-helper --privsep_context os.path --privsep_sock_path /x", "os.path is not a known privsep context"},
		{"privsep-helper --privsep_context a.b.cx --privsep_sock_path /x", "is not a known"},
		{"privsep-helper --privsep_context a.b.c<n> --privsep_sock_path /x", "is not a known"},
		{"privsep-helper --privsep_context  --privsep_sock_path /x", "is not a known"},
		{"privsep-helper --privsep_context a.b.c --privsep_sock_path x.sock", "socket path x.sock is not absolute"},
		{"privsep-helper --privsep_context a.b.c --privsep_sock_path ", "is not absolute"},
		{"privsep-helper", "needs one --privsep_context and one --privsep_sock_path"},
		{"privsep-helper --privsep_context a.b.c", "needs one"},
		{"privsep-helper --privsep_sock_path /x", "needs one"},
		{"privsep-helper --privsep_context d.e" + tail, "needs one"},
		{"privsep-helper --privsep_sock_path /y" + tail, "needs one"},
		{"privsep-helper --log-config-append /tmp/log.ini" + tail, "option --log-config-append of privsep-helper is not allowed"},
		{"privsep-helper --log-file /etc/evil" + tail, "is not allowed"},
		{"privsep-helper" + tail + " --log-dir /etc", "is not allowed"},
		{"privsep-helper --config-fil /tmp/evil.conf" + tail, "is not allowed"}, // argparse takes abbreviations
		{"privsep-helper --conf /tmp/evil.conf" + tail, "is not allowed"},
		{"privsep-helper --config-file=/tmp/evil.conf" + tail, "not: privsep-helper ["},
		{"privsep-helper --config-file=/tmp/evil.conf x" + tail, "is not allowed"},
		{"privsep-helper --debug" + tail, "not: privsep-helper ["},
		{"privsep-helper" + tail + " x", "not: privsep-helper ["},
		{"privsep-helper -- --config-file" + tail, "is not allowed"},
		{"privsep-helper  x" + tail, "is not allowed"},
		{"/usr/bin/privsep-helper" + tail, "the command is not privsep-helper"},
		{"privsep-helper<n>" + tail, "the command is not"},
		{"", "the command is not"},
	}
	f := Privsep(func() []string { return []string{"a.b.c", "d.e"} }, "/etc/nova")
	if f.Exec() != "privsep-helper" || f.RunAs() != "root" {
		t.Errorf("it executes %s as %s", f.Exec(), f.RunAs())
	}
	check(t, f, m, rows)
	// The helper gets the path that was looked at, unless nobody but root can lead
	// the other elsewhere.
	m.stable = map[string]bool{"/etc/nova/../nova/b.conf": true}
	words := argv("privsep-helper --config-file /etc/nova/../nova/a.conf --config-file /etc/nova/../nova/b.conf --config-file /usr/share/nova/dist.conf" + tail)
	if match := f.Match(words, m); !slices.Equal(match.Args, argv("--config-file /etc/nova/a.conf --config-file /etc/nova/../nova/b.conf --config-file /usr/share/nova/dist.conf"+tail)) || !slices.Equal(match.Paths, []int{1}) {
		t.Errorf("%+v", match)
	}
	// Without a directory only what root alone can have written.
	check(t, Privsep(func() []string { return []string{"a.b.c"} }, ""), m, []row{
		{"privsep-helper --config-file /usr/share/nova/dist.conf" + tail, ""},
		{"privsep-helper --config-file /etc/nova/nova.conf" + tail, "cannot trust"},
		{"privsep-helper --config-file relative.conf" + tail, "is not an absolute path"},
		{"privsep-helper --config-file " + tail, "is not an absolute path"},
	})
	check(t, Privsep(func() []string { return nil }, ""), m, []row{{"privsep-helper" + tail, "is not a known"}, {"privsep-helper --privsep_context  --privsep_sock_path /x", "is not a known"}})
}

// The context that is read is the one that the helper has: see argparse and oslo.config.
func TestPrivsepContext(t *testing.T) {
	for line, want := range map[string]string{
		"--privsep_context a.b":                                              "a.b",
		"--privsep_context=a.b":                                              "a.b",
		"--privsep_context a.b --privsep_sock_path /s":                       "a.b",
		"--privsep_sock_path /s --privsep_context a.b":                       "a.b",
		"--privsep_context=a.b --privsep_sock_path=/s":                       "a.b",
		"--config-file /x --privsep_context a.b --privsep_sock_path /s":      "a.b",
		"--privsep_context c.d --privsep_context a.b --privsep_sock_path /s": "a.b",
		"--privsep_context c.d --privsep_sock_path /s --privsep_context=a.b": "a.b",
		"--log-dir /x --privsep_con c.d --privsep_context a.b":               "a.b",
		"--privsep_context a.b --config-file /x --privsep_sock_path /s":      "?",
		"--privsep_context a.b --privsep_con c.d":                            "?",
		"--privsep_context a.b --privsep_contex=c.d":                         "?",
		"--privsep_context a.b -d":                                           "?",
		"--privsep_context a.b --":                                           "?",
		"--privsep_context":                                                  "?",
		"--privsep_sock_path /s":                                             "?",
		"--privsep_sock_path":                                                "?",
		"-privsep_context a.b":                                               "?",
		"--privsep-context a.b":                                              "?",
		"":                                                                   "?",
	} {
		got, ok := PrivsepContext(argv(line))
		if !ok {
			got = "?"
		}
		if got.Raw() != want {
			t.Errorf("%q: %q, not %q", line, got, want)
		}
	}
}
