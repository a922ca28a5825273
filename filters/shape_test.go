package filters

import (
	"reflect"
	"slices"
	"testing"
)

func TestShape(t *testing.T) {
	for definition, want := range map[string]Shape{
		"CommandFilter, dd, root":                          {Open: true},
		"IpFilter, ip, root":                               {Open: true, Less: true},
		"RegExpFilter, sleep, root, sleep, \\d+":           {Name: "sleep", Args: []string{`\d+`}},
		"RegExpFilter, sleep, root":                        {},
		"ChainingRegExpFilter, nice, root, nice, -n, \\d+": {Name: "nice", Args: []string{"-n", `\d+`}, More: true},
		"IpNetnsExecFilter, ip, root":                      {Open: true, More: true, Less: true},
		"EnvFilter, env, root, haproxy":                    {Open: true, Args: []string{}, Less: true},
		"PathFilter, cat, root, pass, /images":             {Args: []string{"pass", "/images"}, Path: true},
		"EnvFilter, env, root, A=, B=c, haproxy":           {Open: true, Args: []string{}, Vars: []Var{{"A", ""}, {"B", "c"}}},
		"EnvFilter, env, root, A=, haproxy, -f, .*":        {Args: []string{"-f", ".*"}, Vars: []Var{{"A", ""}}},
		"KillFilter, root, /usr/sbin/dnsmasq, -9, -HUP":    {Target: "/usr/sbin/dnsmasq", Signals: []string{"-9", "-HUP"}},
		"ReadFileFilter, /etc/hostname":                    {File: "/etc/hostname"},
		"ChainingRegExpFilter, ionice, root":               {More: true},
		"ChainingFilter, nice, root":                       {Open: true, More: true, Less: true},
	} {
		f, err := New(definition)
		if err != nil {
			t.Fatal(err)
		}
		if got := ShapeOf(f); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, want %#v", definition, got, want)
		}
	}
	if got := ShapeOf(Privsep(func() []string { return []string{"b.c", "a.b"} }, "")); !got.Open || !got.Less || !slices.Equal(got.Contexts, []string{"a.b", "b.c"}) {
		t.Errorf("the implicit filter: %#v", got)
	}
}
