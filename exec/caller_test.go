package exec

import (
	"os"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
)

func TestCallerEnvironment(t *testing.T) {
	c := Caller{Env: filters.Words([]string{"A=1", "A=2", "AB=3", "B", "=4", "", "C="})}
	for name, want := range map[string]string{"A": "1", "AB": "3", "C": ""} {
		if got, ok := c.Getenv(name); !ok || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
	for _, name := range []string{"B", "D", "a", "A=1"} {
		if got, ok := c.Getenv(name); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// SUDO_UID is a number as sudo writes it, or nothing.
func TestCallerNumber(t *testing.T) {
	for value, want := range map[string]int{
		"0": 0, "1000": 1000, "2147483647": 1<<31 - 1,
		"": -1, "-1": -1, "+1": -1, " 1": -1, "1 ": -1, "1\n": -1, "0x10": -1, "1e3": -1, "1_000": -1, "2147483648": 2147483648, "4294967294": 4294967294, "4294967295": -1, "4294967296": -1,
		"99999999999999999999": -1, "root": -1, "\xff": -1, "٣": -1,
	} {
		c := Caller{Env: filters.Words([]string{"SUDO_UID=" + value})}
		if got := c.number("SUDO_UID"); got != want {
			t.Errorf("%q: %d, not %d", value, got, want)
		}
	}
	if got := (Caller{}).number("SUDO_UID"); got != -1 {
		t.Errorf("not there: %d", got)
	}
}

// A record says where the process is, and what it was made from elsewhere stays.
func TestLook(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	c := Caller{LoginID: 7, unseen: true}
	if c.Look(); c.Dir.Raw() != dir || c.LoginID != loginID() {
		t.Errorf("%+v, not %s and %d", c, dir, loginID())
	}
	c = Caller{LoginID: 7, Dir: "/srv"}
	if c.Look(); c.Dir != "/srv" || c.LoginID != 7 {
		t.Errorf("looked at twice: %+v", c)
	}
}

func TestAccount(t *testing.T) {
	for _, c := range []struct{ uid, sudo, want int }{{0, -1, 0}, {0, 1000, 1000}, {0, 0, 0}, {1000, -1, 1000}} {
		if got := (Caller{UID: c.uid, SudoUID: c.sudo}).Account(); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestFixedConfig(t *testing.T) {
	defer func(old string) { ConfigDir = old }(ConfigDir)
	ConfigDir = "/etc/ironwrap"
	for path, ok := range map[string]bool{
		"/etc/ironwrap/rootwrap.conf":      true,
		"/etc/ironwrap/nova/rootwrap.conf": true,
		"/etc/ironwrap":                    false,
		"/etc/ironwrap/":                   false,
		"/etc/ironwrap/.":                  false,
		"/etc/ironwrap/..":                 false,
		"/etc/ironwrap/../x":               false,
		"/etc/ironwrap/./x":                false,
		"/etc/ironwrap//x":                 false,
		"/etc/ironwrap/x/":                 false,
		"//etc/ironwrap/x":                 false,
		"/etc/ironwrap-evil/x":             false,
		"/etc/ironwrapx":                   false,
		"/home/x/rootwrap.conf":            false,
		"etc/ironwrap/x":                   false,
		"./etc/ironwrap/x":                 false,
		"":                                 false,
		"/":                                false,
		"/etc/ironwrap/x/../../../home/x":  false,
		"/proc/self/root/etc/ironwrap/x":   false,
	} {
		if err := FixedConfig(path); (err == nil) != ok || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", path, err)
		}
	}
	if err := FixedConfig("/tmp/a\nb"); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a line break: %q", err)
	}
}

func TestMayCall(t *testing.T) {
	databases(t, passwd+"nova:x:64055:64060::/:/bin/sh\nalso:x:64055:1::/:/bin/sh\n", group+"nova:x:64060:\nops:x:2000:\n")
	for name, c := range map[string]struct {
		caller        Caller
		users, groups []string
		ok            bool
	}{
		"root":                     {Caller{UID: 0}, nil, nil, true},
		"nobody is named":          {Caller{UID: 64055, GID: 64060}, nil, nil, false},
		"named":                    {Caller{UID: 64055, GID: 64060}, []string{"x", "nova"}, nil, true},
		"another is named":         {Caller{UID: 64055, GID: 64060}, []string{"glance", "root"}, []string{"glance", "root"}, false},
		"named by group":           {Caller{UID: 64055, GID: 64060}, nil, []string{"nova"}, true},
		"by another group":         {Caller{UID: 64055, GID: 64060, Groups: []int{1, 2000}}, nil, []string{"ops"}, true},
		"a group of that name":     {Caller{UID: 64055, GID: 64060}, []string{"ops"}, nil, false},
		"a user of that name":      {Caller{UID: 64055, GID: 1}, nil, []string{"also"}, false},
		"prefix":                   {Caller{UID: 64055, GID: 64060}, []string{"nov", "novas", ""}, []string{"nov", "novas", ""}, false},
		"case":                     {Caller{UID: 64055, GID: 64060}, []string{"NOVA"}, []string{"NOVA"}, false},
		"a wildcard means nothing": {Caller{UID: 64055, GID: 64060}, []string{"*", "ALL", "%nova"}, []string{"*", "ALL"}, false},
	} {
		p := &policy.Policy{Path: "/etc/x.conf", Config: policy.Config{AllowUsers: c.users, AllowGroups: c.groups}}
		if err := c.caller.MayCall(p); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		} else if err != nil && (!strings.Contains(err.Error(), "/etc/x.conf") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %q", name, err)
		}
	}
}
