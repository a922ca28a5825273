package filters

import (
	"slices"
	"strings"
	"testing"
)

func TestNetnsExec(t *testing.T) {
	f := newFilter(t, "IpNetnsExecFilter, ip, root")
	matches := check(t, f, nil, []row{
		{"ip netns exec qdhcp-1 id", ""},
		{"ip net e ns id -u", ""},
		{"ip netn exe ns id", ""},
		{"ip netns ex exec exec", ""}, // a namespace named exec
		{"ip netns exec ns ", ""},     // an empty command, which no filter allows
		{"ip netns exec é id", ""},
		{"ip netns exec " + strings.Repeat("n", 255) + " id", ""},
		{"ip netns exec ns", "not: ip netns exec NAMESPACE COMMAND"},
		{"ip netns exec", "not: ip netns exec"},
		{"ip", "not: ip netns exec"},
		{"ip ne exec ns id", "not: ip netns exec"}, // ip takes "ne" for neighbor
		{"ip netns  ns id", "not: ip netns exec"},
		{"ip netns exec<n> ns id", "not: ip netns exec"},
		{"ip netnss exec ns id", "not: ip netns exec"},
		{"ip NETNS exec ns id", "not: ip netns exec"},
		{"ip netns list ns id", "not: ip netns exec"},
		{"/sbin/ip netns exec ns id", "not: ip netns exec"},
		{"ip -o netns exec ns id", "not: ip netns exec"},
		{"ip -all netns exec id", "not: ip netns exec"},
		{"ip netns exec -all id", "-all is not the name of a network namespace"},
		{"ip netns exec . id", "is not the name"},
		{"ip netns exec .. id", "is not the name"},
		{"ip netns exec ../../proc/1/ns/net id", "is not the name"},
		{"ip netns exec /proc/1/ns/net id", "is not the name"},
		{"ip netns exec a/b id", "is not the name"},
		{"ip netns exec  id x", "is not the name"},
		{"ip netns exec " + strings.Repeat("n", 256) + " id", "is not the name"},
	})
	if m := matches["ip net e ns id -u"]; m.Nested != 4 || !slices.Equal(m.Args, argv("net e ns id -u")) {
		t.Errorf("the match is %+v", m)
	}
	check(t, newFilter(t, "IpNetnsExecFilter, ip, nova"), nil, []row{{"ip netns exec ns id", "needs run-as root"}})
}

func TestChainingRegExp(t *testing.T) {
	f := newFilter(t, `ChainingRegExpFilter, nice, root, nice, -n, -?\d+`)
	matches := check(t, f, nil, []row{
		{"nice -n 5 id", ""},
		{"nice -n -5 id -u x", ""},
		{"nice -n 5 nice -n 5 id", ""}, // that the nested filter may not chain is for the policy
		{"nice -n 5", "3 words, where the prefix alone has 3"},
		{"nice", "1 word, where"},
		{"nice -n 5<n> id", "does not match pattern"},
		{"nice -n x id", "does not match pattern"},
		{"nice -m 5 id", `does not match pattern "-n"`},
		{"/usr/bin/nice -n 5 id", `does not match pattern "nice"`},
		{"ionice -n 5 id", `does not match pattern "nice"`},
	})
	if m := matches["nice -n -5 id -u x"]; m.Nested != 3 || !slices.Equal(m.Args, argv("-n -5 id -u x")) {
		t.Errorf("the match is %+v", m)
	}
	// Without a pattern anything would be a prefix.
	check(t, newFilter(t, "ChainingRegExpFilter, nice, root"), nil, []row{{"nice id", "no pattern"}, {"id", "no pattern"}})
	check(t, newFilter(t, "ChainingRegExpFilter, nice, root, ("), nil, []row{{"nice id", "cannot be used"}})
	check(t, newFilter(t, "ChainingFilter, nice, root"), nil, []row{{"nice", "allows nothing"}, {"nice id", "allows nothing"}})
}
