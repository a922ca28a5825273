package filters

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func FuzzNew(f *testing.F) {
	for _, class := range Classes() {
		f.Add(class + ", /usr/bin/x, root")
		f.Add(class + ", x, root, a, b.*, /c")
		f.Add(class)
	}
	for _, d := range []string{"", ",", "EnvFilter, env, root, A=, B=c, ls, -l", "EnvFilter, environ, root, =", "KillFilter, root, x, -9", "CommandFilter,,", "CommandFilter\n, a,\n b",
		"RegExpFilter, x, root, x, [a-z]{1,3}", "\xff, x, y", "PathFilter, x, root, pass, /, "} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, definition string) {
		filter, err := New(definition)
		if (filter == nil) != (err != nil) {
			t.Fatalf("%q: %v, %v", definition, filter, err)
		}
		if err != nil {
			if strings.ContainsFunc(err.Error(), hazardous) {
				t.Errorf("%q: the error cannot be printed: %q", definition, err)
			}
			return
		}
		// An empty program or user would mean something to whoever looks it up.
		if filter.Exec() == "" || filter.RunAs() == "" {
			t.Errorf("%q: executes %q as %q", definition, filter.Exec(), filter.RunAs())
		}
		if fields := Fields(definition); constructor(fields[0]) == nil {
			t.Errorf("%q: class %q", definition, fields[0])
		} else if exec := filter.Exec(); !slices.Contains(fields, exec) && exec != "/bin/kill" && exec != "/bin/cat" {
			t.Errorf("%q: executes %q, which it does not name", definition, exec)
		} else if run := filter.RunAs(); !slices.Contains(fields, run) && !(fields[0] == "ReadFileFilter" && run == "root") {
			t.Errorf("%q: runs as %q, whom it does not name", definition, run)
		}
		again, err := New(definition)
		if err != nil || !reflect.DeepEqual(filter, again) {
			t.Errorf("%q: at first %+v, then %+v, %v", definition, filter, again, err)
		}
	})
}

// fuzzMachine has something to find for the seeds.
func fuzzMachine() *fakeMachine {
	m := killMachine()
	m.links = map[string]string{"/images/out": "/etc/shadow", "/link": "/images"}
	m.stable = map[string]bool{"/etc/x": true}
	m.trusted = map[string]bool{"/etc/trusted.conf": true}
	return m
}

// fuzzMatch puts command lines, their words ended by newlines, before filters of
// one class, and checks what must be true of each answer. A seed is the fields
// after the class, and a command that they allow.
func fuzzMatch(f *testing.F, class string, more func(t *testing.T, filter Filter, words []Untrusted, m Match), seeds ...[2]string) {
	for _, s := range seeds {
		words := strings.ReplaceAll(s[1], " ", "\n")
		if !newFilter(f, class+", "+s[0]).Match(Words(strings.Split(words, "\n")), fuzzMachine()).Matched {
			f.Errorf("%s, %s does not allow its seed %s", class, s[0], s[1])
		}
		f.Add(s[0], words)
		f.Add(s[0], words+"\n")
		f.Add(s[0], "env\n"+words)
		f.Add(s[0]+", -x", words+"\n-x")
		f.Add(strings.ToUpper(s[0]), words)
	}
	f.Fuzz(func(t *testing.T, fields, line string) {
		filter, err := New(class + ", " + fields)
		if err != nil || strings.Contains(line, "\x00") {
			return
		}
		exec, runAs := filter.Exec(), filter.RunAs()
		words := Words(strings.Split(line, "\n"))
		before := slices.Clone(words)
		m := filter.Match(words, fuzzMachine())
		if !slices.Equal(words, before) {
			t.Fatalf("matching changed the words %q to %q", before, words)
		}
		if filter.Exec() != exec || filter.RunAs() != runAs {
			t.Fatalf("matching changed the filter from %s as %s to %s as %s", exec, runAs, filter.Exec(), filter.RunAs())
		}
		wellFormed(t, filter, words, m)
		if again := filter.Match(words, fuzzMachine()); !reflect.DeepEqual(m, again) && again.Why.String() != m.Why.String() {
			t.Errorf("%q: at first %+v, then %+v", words, m, again)
		}
		if m.Matched {
			more(t, filter, words, m)
		}
	})
}

// callsItsProgram checks that a command was called by a name of the filter's own
// program: nothing else may run.
func callsItsProgram(t *testing.T, filter Filter, words []Untrusted, m Match) {
	called := words[len(words)-len(m.Args)-1].Raw()
	if exec := filter.Exec(); called != exec && called != exec[strings.LastIndexByte(exec, '/')+1:] {
		t.Errorf("%q allows %q", exec, words)
	}
}

func FuzzMatchCommand(f *testing.F) {
	fuzzMatch(f, "CommandFilter", callsItsProgram,
		[2]string{"/usr/bin/id, root", "id -u"}, [2]string{"id, root", "id"}, [2]string{"/a/, root", "/a/ b"})
}

func FuzzMatchPath(f *testing.F) {
	fuzzMatch(f, "PathFilter", func(t *testing.T, filter Filter, words []Untrusted, m Match) {
		callsItsProgram(t, filter, words, m)
		p := filter.(*pathFilter)
		for i, c := range p.constraints {
			got := m.Args[i].Raw()
			switch {
			case strings.HasPrefix(c, "/"):
				base, _ := fuzzMachine().Base(c, "root")
				if b := strings.TrimSuffix(base, "/"); got != base && !strings.HasPrefix(got, b+"/") || strings.Contains(got+"/", "/../") {
					t.Errorf("%q: argument %q, which does not lie below %q", words, got, c)
				}
			case c != "pass" && c != got:
				t.Errorf("%q: argument %q, not %q", words, got, c)
			}
		}
		if len(m.Args) != len(p.constraints) {
			t.Errorf("%q: %d arguments for %d constraints", words, len(m.Args), len(p.constraints))
		}
	}, [2]string{"/bin/chown, root, nova, /images", "chown nova /images/a/../b"}, [2]string{"cp, root, pass, /link/", "cp -x /images/c"}, [2]string{"ls, root, /", "ls /x/.." + "/y"})
}

func FuzzMatchRegExp(f *testing.F) {
	fuzzMatch(f, "RegExpFilter", func(t *testing.T, filter Filter, words []Untrusted, m Match) {
		if n := len(filter.(*regExp).patterns); n != len(words) {
			t.Errorf("%q: %d words for %d patterns", words, len(words), n)
		}
	}, [2]string{`id, root, id, -[a-z]`, "id -u"}, [2]string{`dd, root, dd, /dev/(?!.*/\.\.).*`, "dd /dev/sda"}, [2]string{`x, root, x, start|stop, (a|b)*`, "x start abab"})
}

func FuzzMatchEnv(f *testing.F) {
	fuzzMatch(f, "EnvFilter", func(t *testing.T, filter Filter, words []Untrusted, m Match) {
		callsItsProgram(t, filter, words, m)
		for _, v := range m.Env {
			want, ok := lookup(filter.(*envFilter).vars, v.Name)
			if !ok || want.Value != "" && want.Value != v.Value || !slices.Contains(words, Untrusted(v.Name.Raw()+"="+v.Value.Raw())) {
				t.Errorf("%q: sets %q to %q", words, v.Name, v.Value)
			}
		}
	}, [2]string{"env, root, A=, B=c, ls", "env A=x B=c ls -l"}, [2]string{"env, root, T=, haproxy, -f, .*", "T= haproxy -f x"}, [2]string{"/sbin/dnsmasq, root, A=", "A=b=c /sbin/dnsmasq"})
}

func FuzzMatchReadFile(f *testing.F) {
	fuzzMatch(f, "ReadFileFilter", func(t *testing.T, filter Filter, words []Untrusted, m Match) {
		if !slices.Equal(words, []Untrusted{"cat", "/etc/x"}) || filter.Exec() != "/bin/cat" {
			t.Errorf("%q is allowed", words)
		}
	}, [2]string{"/etc/x", "cat /etc/x"})
}

func FuzzMatchKill(f *testing.F) {
	fuzzMatch(f, "KillFilter", func(t *testing.T, filter Filter, words []Untrusted, m Match) {
		k := filter.(*kill)
		if len(words) > 3 || words[0] != "kill" || len(words) == 3 && !slices.Contains(k.signals, words[1].Raw()) || len(words) == 2 && len(k.signals) > 0 {
			t.Errorf("%q is allowed", words)
		}
		if s := m.Signal; s.Number < 0 || s.Number > 64 || s.Process != fuzzMachine().processes[s.Process.PID] {
			t.Errorf("%q: signal %+v", words, s)
		}
	}, [2]string{"root, /usr/sbin/dnsmasq, -9, -HUP", "kill -HUP 100"}, [2]string{"root, dnsmasq", "kill 104"}, [2]string{"root, /opt/removed, -15", "kill -15 116"})
}

func FuzzMatchNetnsExec(f *testing.F) {
	fuzzMatch(f, "IpNetnsExecFilter", func(t *testing.T, filter Filter, words []Untrusted, m Match) {
		if m.Nested != 4 || words[0] != "ip" || strings.Contains(words[3].Raw(), "/") || filter.RunAs() != "root" {
			t.Errorf("%q is allowed, with %d", words, m.Nested)
		}
	}, [2]string{"ip, root", "ip netns exec ns id"}, [2]string{"/sbin/ip, root", "ip net e ns  id"})
}

func FuzzMatchChainingRegExp(f *testing.F) {
	fuzzMatch(f, "ChainingRegExpFilter", func(t *testing.T, filter Filter, words []Untrusted, m Match) {
		if n := len(filter.(*chainingRegExp).patterns); m.Nested != n || n == 0 {
			t.Errorf("%q: word %d is the nested command, with %d patterns", words, m.Nested, n)
		}
	}, [2]string{`nice, root, nice, -n, -?\d+`, "nice -n -5 id"}, [2]string{"x, root, .*", " id"})
}

func FuzzMatchChaining(f *testing.F) {
	f.Add("nice, root", "nice\nid")
	f.Fuzz(func(t *testing.T, fields, line string) {
		filter, err := New("ChainingFilter, " + fields)
		if err == nil && filter.Match(Words(strings.Split(line, "\n")), fuzzMachine()).Matched {
			t.Errorf("%q allows %q", fields, line)
		}
	})
}

func FuzzMatchPrivsep(f *testing.F) {
	for _, line := range []string{"privsep-helper --privsep_context a.b --privsep_sock_path /x", "privsep-helper --config-file /etc/nova/x --config-dir /etc/trusted.conf --privsep_context a.b --privsep_sock_path /x",
		"privsep-helper --log-config-append /x --privsep_context a.b --privsep_sock_path /x", "privsep-helper --config-file=/x"} {
		f.Add(strings.ReplaceAll(line, " ", "\n"))
	}
	filter := Privsep(func() []string { return []string{"a.b"} }, "/etc/nova")
	f.Fuzz(func(t *testing.T, line string) {
		words := Words(strings.Split(line, "\n"))
		before := slices.Clone(words)
		m := filter.Match(words, fuzzMachine())
		if !slices.Equal(words, before) {
			t.Fatalf("matching changed the words %q to %q", before, words)
		}
		wellFormed(t, filter, words, m)
		if !m.Matched {
			return
		}
		// The words are pairs of an option and its value, of these four kinds.
		count := make(map[string]int)
		for i := 1; i+1 < len(words); i += 2 {
			option, value := words[i].Raw(), words[i+1].Raw()
			count[option]++
			switch option {
			case "--config-file", "--config-dir":
				if real, err := fuzzMachine().Resolve(Untrusted(value), "/etc/nova", "root"); value != "/etc/trusted.conf" && (err != nil || !strings.HasPrefix(real.Raw(), "/etc/nova/")) {
					t.Errorf("%q: configuration %q", words, value)
				}
			case "--privsep_context":
				if value != "a.b" {
					t.Errorf("%q: context %q", words, value)
				}
			case "--privsep_sock_path":
			default:
				t.Errorf("%q: option %q", words, option)
			}
		}
		if name, certain := PrivsepContext(words[1:]); name != "a.b" || !certain {
			t.Errorf("%q: context %q", words, name)
		}
		if len(words)%2 != 1 || count["--privsep_context"] != 1 || count["--privsep_sock_path"] != 1 {
			t.Errorf("%q is allowed", words)
		}
	})
}
