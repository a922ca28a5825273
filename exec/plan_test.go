package exec

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/account"
)

// databases puts a user and a group database of the test's own in place. They
// must be root's, as the real ones.
func databases(t *testing.T, passwd, group string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: nothing that looks a user up was checked")
	}
	dir := t.TempDir()
	oldPasswd, oldGroup := account.PasswdFile, account.GroupFile
	t.Cleanup(func() { account.PasswdFile, account.GroupFile = oldPasswd, oldGroup })
	account.PasswdFile, account.GroupFile = dir+"/passwd", dir+"/group"
	for path, text := range map[string]string{account.PasswdFile: passwd, account.GroupFile: group} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	passwd = "root:x:0:0:root:/root:/bin/bash\nglance:x:64:65:Image service:/var/lib/glance:/usr/sbin/nologin\n" +
		"minus:x:4294967295:65::/:/bin/sh\nminusg:x:66:4294967295::/:/bin/sh\n"
	group = "root:x:0:\nglance:x:65:\nkvm:x:107:nova,glance\ndisk:x:6:glance\n"
)

// allowed is a decision as the engine makes it.
func allowed(runAs string) policy.Decision {
	return policy.Decision{
		Verdict: policy.Allowed,
		Policy:  &policy.Policy{Config: policy.Config{ExecDirs: []string{"/usr/sbin", "/usr/bin"}, NoFile: 1024}},
		Filter:  &policy.Entry{Name: "f"},
		RunAs:   runAs,
		Argv:    filters.Words([]string{"/usr/bin/id", "-u"}),
	}
}

func TestNewPlan(t *testing.T) {
	databases(t, passwd, group)
	d := allowed("glance")
	p, err := NewPlan(d, Caller{UID: 0, SudoUID: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(p.Argv); got != "[/usr/bin/id -u]" {
		t.Errorf("argv: %s", got)
	}
	s := p.Spec
	groups := slices.Sorted(slices.Values(s.Groups))
	if s.UID != 64 || s.GID != 65 || !slices.Equal(groups, []uint32{6, 65, 107}) || s.Umask != 0o022 || s.NoFile != 1024 || s.Nice != 0 || s.OOMScore != 0 {
		t.Errorf("spec: %+v", s)
	}
	if p.Signal != nil || p.User.Name != "glance" {
		t.Errorf("plan: %+v", p)
	}

	d.Signal = &filters.Signal{Number: 9, Process: filters.Process{PID: 1, FD: -1}}
	if p, err = NewPlan(d, Caller{}); err != nil || p.Signal != d.Signal {
		t.Errorf("signal: %+v, %v", p, err)
	}
	for noFile, want := range map[int]uint64{0: 0, -1: 0, -1 << 31: 0, 1: 1, 1<<31 - 1: 1<<31 - 1} {
		d := allowed("root")
		d.Policy.NoFile = noFile
		if p, err := NewPlan(d, Caller{}); err != nil || p.Spec.NoFile != want {
			t.Errorf("rlimit_nofile %d: %v, %v", noFile, p, err)
		}
	}
}

// Nothing but an allowed decision becomes a plan, and nothing becomes root by
// accident: the zero of every part is refused.
func TestNewPlanRefuses(t *testing.T) {
	databases(t, passwd, group)
	for name, change := range map[string]func(*policy.Decision){
		"zero":            func(d *policy.Decision) { *d = policy.Decision{} },
		"denied":          func(d *policy.Decision) { d.Verdict = policy.Denied },
		"not executable":  func(d *policy.Decision) { d.Verdict = policy.NotExecutable },
		"one":             func(d *policy.Decision) { d.Verdict = 1 },
		"nearly allowed":  func(d *policy.Decision) { d.Verdict = policy.Allowed ^ 1 },
		"the opposite":    func(d *policy.Decision) { d.Verdict = ^policy.Allowed },
		"no policy":       func(d *policy.Decision) { d.Policy = nil },
		"no argv":         func(d *policy.Decision) { d.Argv = nil },
		"empty argv":      func(d *policy.Decision) { d.Argv = []filters.Untrusted{} },
		"no user":         func(d *policy.Decision) { d.RunAs = "" },
		"unknown user":    func(d *policy.Decision) { d.RunAs = "nova" },
		"number":          func(d *policy.Decision) { d.RunAs = "0" },
		"number of a uid": func(d *policy.Decision) { d.RunAs = "64" },
		"minus one":       func(d *policy.Decision) { d.RunAs = "-1" },
		"hash minus one":  func(d *policy.Decision) { d.RunAs = "#-1" },
		"4294967295":      func(d *policy.Decision) { d.RunAs = "4294967295" },
		"uid -1":          func(d *policy.Decision) { d.RunAs = "minus" },
		"gid -1":          func(d *policy.Decision) { d.RunAs = "minusg" },
		"a whole line":    func(d *policy.Decision) { d.RunAs = "root:x:0:0:root:/root:/bin/bash" },
	} {
		d := allowed("glance")
		change(&d)
		p, err := NewPlan(d, Caller{})
		if p != nil || err == nil {
			t.Errorf("%s: %+v", name, p)
			continue
		}
		if strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%s: %q", name, err)
		}
	}

	// Neither database need be there.
	account.GroupFile += ".missing"
	if p, err := NewPlan(allowed("glance"), Caller{}); p != nil || err == nil {
		t.Errorf("without a group database: %+v", p)
	}
	account.PasswdFile += ".missing"
	if p, err := NewPlan(allowed("root"), Caller{}); p != nil || err == nil {
		t.Errorf("without a user database: %+v", p)
	}
}

func TestEnvironment(t *testing.T) {
	glance := account.User{Name: "glance", Home: "/var/lib/glance", Shell: "/bin/false"}
	hostile := filters.Words([]string{
		"PATH=/tmp", "LD_PRELOAD=/tmp/x.so", "KEEP=first", "KEEP=second", "KEEPX=x", "EMPTY=", "BYTES=\xff\x01\n", "NOVALUE", "=x", "", "HOME=/tmp", "LANG=x",
	})
	fixed := []string{"PATH=/usr/sbin:/usr/bin", "LANG=C.UTF-8", "HOME=/var/lib/glance", "USER=glance", "LOGNAME=glance", "SHELL=/bin/false"}
	with := func(change ...string) []string { // replaces the names given, appends the others
		env := slices.Clone(fixed)
	next:
		for _, v := range change {
			name, _, _ := strings.Cut(v, "=")
			for i := range env {
				if strings.HasPrefix(env[i], name+"=") {
					env[i] = v
					continue next
				}
			}
			env = append(env, v)
		}
		return env
	}

	for name, c := range map[string]struct {
		keep []string
		env  []filters.Var
		want []string
	}{
		"base":                      {nil, nil, fixed},
		"kept":                      {[]string{"KEEP"}, nil, with("KEEP=first")},
		"kept, not there":           {[]string{"OTHER", "KEE", "KEEPX"}, nil, with("KEEPX=x")},
		"kept, empty":               {[]string{"EMPTY"}, nil, with("EMPTY=")},
		"kept, any bytes":           {[]string{"BYTES"}, nil, with("BYTES=\xff\x01\n")},
		"kept, without a value":     {[]string{"NOVALUE"}, nil, fixed},
		"kept twice":                {[]string{"KEEP", "KEEP"}, nil, with("KEEP=first")},
		"EnvFilter":                 {nil, []filters.Var{{Name: "A", Value: "b"}, {Name: "E", Value: ""}}, with("A=b", "E=")},
		"EnvFilter over the base":   {nil, []filters.Var{{Name: "PATH", Value: "/opt"}, {Name: "LANG", Value: ""}}, with("PATH=/opt", "LANG=")},
		"EnvFilter over kept":       {[]string{"KEEP"}, []filters.Var{{Name: "KEEP", Value: "filter"}}, with("KEEP=filter")},
		"EnvFilter, odd bytes":      {nil, []filters.Var{{Name: "A", Value: "x=y\n\xff"}}, with("A=x=y\n\xff")},
		"kept, a name of the base":  {[]string{"LANG"}, nil, with("LANG=x")},
		"EnvFilter, one name twice": {nil, []filters.Var{{Name: "A", Value: "1"}, {Name: "A", Value: "2"}}, with("A=2")},
	} {
		d := allowed("glance")
		d.Policy.EnvKeep, d.Env = c.keep, c.env
		var have []string
		for _, v := range environment(d, glance, Caller{Env: hostile}) {
			have = append(have, v.Name.Raw()+"="+v.Value.Raw())
		}
		if !slices.Equal(have, c.want) {
			t.Errorf("%s: %q, not %q", name, have, c.want)
		}
		// No name stands there twice (CVE-2010-1646).
		seen := map[string]bool{}
		for _, v := range have {
			name, _, _ := strings.Cut(v, "=")
			if seen[name] {
				t.Errorf("%s: %s twice in %q", c.want, name, have)
			}
			seen[name] = true
		}
	}
}

// What a plan that cannot be made has opened by then is closed.
func TestNewPlanClosesOnError(t *testing.T) {
	databases(t, passwd, group)
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		sandbox *policy.Sandbox
		paths   []int
	}{
		"Landlock, then a profile that is not there": {&policy.Sandbox{LandlockRO: []string{"/usr", "/etc"}, Seccomp: dir + "/none.json"}, nil},
		"Landlock, then a path that is not there":    {&policy.Sandbox{LandlockRO: []string{"/usr", dir + "/none"}}, nil},
		"pinned, then one that is not there":         {&policy.Sandbox{PinPaths: true}, []int{1, 2}},
	} {
		d := allowed("root")
		d.Filter.Sandbox = tt.sandbox
		d.Argv = filters.Words([]string{"/usr/bin/id", "/etc/passwd", dir + "/none"})
		d.Paths = tt.paths
		before := descriptorCount(t)
		p, err := NewPlan(d, Caller{SudoUID: -1})
		if err == nil {
			p.Close()
			t.Errorf("%s: no error", name)
		}
		if after := descriptorCount(t); after > before {
			t.Errorf("%s: %v: %d descriptors before, %d after", name, err, before, after)
		}
	}
}
