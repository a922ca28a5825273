package difference

import (
	"path"

	"ironwrap/filters"
	"ironwrap/policy/review/language"
)

// ipMost are the lines that an IpFilter may match: all but those that it always refuses,
// for they run a command.
func ipMost(f filters.Filter) language.Lines {
	runs := language.Line(ipCalled(f), language.Text("net", "netn", "netns"), language.Text("e", "ex", "exe", "exec"))
	return language.Line(ipCalled(f)).Then(language.AnyLine()).Minus(runs.Then(language.AnyLine()))
}

// ipLeast are lines that an IpFilter matches, of those that people write.
func ipLeast(f filters.Filter) language.Lines {
	if _, base := path.Split(f.Exec()); base != "ip" {
		return language.Lines{}
	}
	some := language.AnyWord().Minus(language.Text(""))
	without := func(words ...string) language.Lines { // none of the words among them
		return language.Line(some.Minus(language.Text(words...))).Star()
	}
	plain := some.Minus(language.AnyWord().Then(language.Text("/")).Then(language.AnyWord())).Minus(language.Prefix("xdp"))
	commands := language.Text("add", "append", "change", "del", "delete", "flush", "get", "list", "replace", "save", "show")
	name := plain.Minus(language.Prefix("-")).Minus(language.Text(".", ".."))
	objects := language.Line(language.Text("addrlabel", "fou", "l2tp", "macsec", "maddress", "mroute", "neigh", "neighbor", "netconf", "ntable", "tcp_metrics", "token", "tunnel", "tuntap")).
		Then(language.Line().Or(language.Line(some).Then(language.AnyLine()))).
		Or(
			language.Line(language.Text("link")).Then(language.Line(plain).Star()),
			language.Line(language.Text("addr", "address", "rule")).Then(language.Line().Or(language.Line(commands).Then(language.AnyLine()))),
			language.Line(language.Text("route")).Then(language.Line().Or(language.Line(commands).Then(without("bpf", "endpoint")))),
			language.Line(language.Text("netns")).Then(language.Line().Or(
				language.Line(language.Text("list")),
				language.Line(language.Text("add", "del", "delete"), short(name)))),
		)
	return language.Line(ipCalled(f)).Then(language.Line().Or(objects))
}

// short are the words that can be names of files: of at most 255 bytes.
func short(w language.Word) language.Word {
	ascii, _ := language.Pattern("[!-~]{0,255}")
	return w.And(ascii)
}

func ipCalled(f filters.Filter) language.Word {
	_, base := path.Split(f.Exec())
	return language.Text(f.Exec(), base)
}
