package filters

import (
	"strings"
	"testing"
)

// ipWords splits at each single blank, so that two blanks make an empty word.
func ipWords(line string) []Untrusted { return Words(strings.Split(line, " ")) }

func newIPFilter(t testing.TB, exec string) Filter {
	t.Helper()
	f, err := newIP([]string{exec, "root"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestIP(t *testing.T) {
	for _, c := range []struct{ line, why string }{ // an empty why: allowed
		// What neutron's ip_lib and its kin ask for.
		{"ip -o -d link list", ""},
		{"ip -o link show br-int", ""},
		{"ip -s link", ""},
		{"ip -4 route list dev tap0 scope link", ""},
		{"ip -6 addr add fe80::1/64 scope link dev qr-1234 no_dad", ""},
		{"ip -4 addr add 10.0.0.1/24 brd 10.0.0.255 scope global dev tap0", ""},
		{"ip addr del 10.0.0.1/24 dev tap0", ""},
		{"ip addr show tap0 permanent scope global", ""},
		{"ip link add qvb1 type veth peer name qvo1", ""},
		{"ip link add tap0 type veth peer name eth0 netns qdhcp-1", ""},
		{"ip link add link eth0 name eth0.10 type vlan id 10", ""},
		{"ip link add vxlan-7 type vxlan id 7 group 239.1.1.1 dev eth0 dstport 4789 port 32768 61000", ""},
		{"ip link set tap0 netns qdhcp-1", ""},
		{"ip link set tap0 netns 4711", ""},
		{"ip link set tap0 address fa:16:3e:00:00:01", ""},
		{"ip link set eth0 vf 3 mac fa:16:3e:00:00:01 spoofchk on state auto", ""},
		{"ip link set tap0 up", ""},
		{"ip link delete tap0", ""},
		{"ip netns add qrouter-1", ""},
		{"ip netns delete qrouter-1", ""},
		{"ip -o netns list", ""},
		{"ip -6 neigh replace fe80::2 lladdr fa:16:3e:00:00:02 nud permanent dev tap0", ""},
		{"ip -4 rule add from 10.0.0.1 table 16 priority 10", ""},
		{"ip rule del priority 10", ""},
		{"ip -4 route replace default via 10.0.0.254 dev tap0 metric 1", ""},
		{"ip -4 route replace 10.1.0.0/16 via 10.0.0.2 table 16", ""},
		{"ip route flush dev tap0", ""},
		{"ip tuntap add tap0 mode tap", ""},
		{"ip xfrm policy flush", ""},
		{"ip -6 addrlabel", ""},
		{"ip maddress show", ""},

		// The rest of ip.
		{"ip", ""},
		{"ip help", ""},
		{"ip link help", ""},
		{"ip link help veth", ""},
		{"ip netns help", ""},
		{"ip -V", ""},
		{"ip -Version -force link", ""},
		{"ip --oneline -- link", ""},
		{"ip -br -c -j -p a", ""},
		{"ip -color=never --color=auto -col=always l", ""},
		{"ip -M route", ""},
		{"ip -B -0 -iec -ts -N -echo link", ""},
		{"ip -fam inet6 -loops 10 -rcvbuf 1048576 addr flush dev tap0", ""},
		{"ip -fam netns -l netns route show", ""},
		{"ip -a addr", ""},
		{"ip -n qrouter-1 link", ""},
		{"ip -netns e -n exec route", ""},
		{"ip --netns netns addr", ""},
		{"ip vrf", ""},
		{"ip vr show", ""},
		{"ip vrf list red", ""},
		{"ip sr tunsrc show", ""},
		{"ip nexthop add id 1 via 10.0.0.1 dev tap0", ""},
		{"ip route add 10.2.0.0/16 encap mpls 100 via 10.0.0.1 dev bpf", ""},
		{"ip route add fc00::/64 encap seg6local action End.X nh6 fc00::1 dev tap0", ""},
		{"ip route add default dev endpoint", ""},
		{"ip route save table 16", ""},
		{"ip route re default via 10.0.0.1", ""},
		{"ip rule show", ""},
		{"ip mptcp endpoint show", ""},
		{"ip mptcp monitor", ""},
		{"ip monitor", ""},
		{"ip mo", ""},
		{"ip -o monitor address", ""},
		{"ip -n qrouter-1 -ts -o monitor address route", ""},
		{"ip monitor all dev tap0", ""},
		{"ip monitor all-nsid label neigh", ""},
		{"ip monitor dev file", ""}, // a device of that name
		{"ip monitor link dev f address", ""},
		{"ip monitor FILE", ""}, // ip complains
		{"ip vrf pids red", ""},
		{"ip v identify", ""},
		{"ip vrf id 4711", ""},
		{"ip -n a vrf show", ""},
		{"ip link set dev tap0 xdp off", ""},
		{"ip link set dev tap0 xdpgeneric none", ""},
		{"ip xfrm monitor all-nsid", ""},
		{"ip macsec show", ""},
		{"ip link set tap0 alias a/b", ""},
		{"ip link set tap0 alias ", ""},
		{"ip link set dev tap0 group default master br0 txqueuelen 1000", ""},
		{"/sbin/ip link", ""}, // A9: the filter's path, exactly
		// A9: names that look like commands.
		{"ip link set dev X netns e", ""},
		{"ip link set dev X netns exec", ""},
		{"ip link set dev netns up", ""},
		{"ip link show exec", ""},
		{"ip netns add exec", ""},
		{"ip netns del monitor", ""},
		{"ip route add default via 10.0.0.1 dev vrf vrf exec", ""},

		{"ls", "the command is not /sbin/ip"},
		{"", "the command is not /sbin/ip"},
		{"/usr/sbin/ip link", "the command is not /sbin/ip"},
		{"./ip link", "the command is not /sbin/ip"},
		{"ipnetns exec a id", "the command is not /sbin/ip"},

		// A4: an option's value hides the object.
		{"ip netns exec net id", "ip netns exec runs a command: that takes an IpNetnsExecFilter, and a filter for the command"},
		{"ip -n net netns exec net id", "option -netns of ip is not allowed with ip netns"},
		{"ip -netns netn netns e id", "option -netns of ip is not allowed with ip netns"},
		{"ip --net netns net e netns id", "option -netns of ip is not allowed with ip netns"},
		{"ip -f netns netns exec a id", "ip netns exec runs a command: that takes an IpNetnsExecFilter, and a filter for the command"},
		{"ip -loops net -rcvbuf net net e a id", "ip netns exec runs a command: that takes an IpNetnsExecFilter, and a filter for the command"},
		{"ip -- netns exec a id", "ip netns exec runs a command: that takes an IpNetnsExecFilter, and a filter for the command"},
		{"ip - netns netns exec a id", "- is not an option of ip that this filter knows"},

		// A5: commands from a file.
		{"ip -b FILE", "option -b of ip runs commands from a file that no filter sees: ask for each command by itself"},
		{"ip -batch -", "option -batch of ip runs commands from a file that no filter sees: ask for each command by itself"},
		{"ip -force --batc FILE", "option --batc of ip runs commands from a file that no filter sees: ask for each command by itself"},
		{"ip -l 1 -bat FILE link", "option -bat of ip runs commands from a file that no filter sees: ask for each command by itself"},
		{"ip -4 -b", "option -b of ip runs commands from a file that no filter sees: ask for each command by itself"},

		// A6
		{"ip vrf exec default id", "ip vrf exec runs a command"},
		{"ip vr e default id", "ip vrf exec runs a command"},
		{"ip -n a vrf exec red id", "ip vrf exec runs a command"},
		{"ip vrf pids ../x", "ip vrf pids takes the name of one VRF"},
		{"ip vrf p ..", "ip vrf p takes the name of one VRF"},
		{"ip vrf pids a b", "ip vrf pids takes the name of one VRF"},
		{"ip vrf identify ../1", "ip vrf identify takes one process id"},
		{"ip vrf id 1 2", "ip vrf id takes one process id"},
		{"ip vrf run red", "ip vrf run is not allowed, only show, pids and identify"},

		// A7
		{"ip netns monitor", "ip netns monitor is not allowed, only list, add and delete"},
		{"ip netns set a 1", "ip netns set is not allowed, only list, add and delete"},
		{"ip netns se a 1", "ip netns se is not allowed, only list, add and delete"},
		{"ip netns attach a 1", "ip netns attach is not allowed, only list, add and delete"},
		{"ip netns identify", "ip netns identify is not allowed, only list, add and delete"},
		{"ip netns pids a", "ip netns pids is not allowed, only list, add and delete"},
		{"ip netns list-id", "ip netns list-id is not allowed, only list, add and delete"},
		{"ip -all netns delete", "option -all of ip reaches every network namespace: name one"},
		{"ip -a netns exec id", "option -all of ip reaches every network namespace: name one"},
		{"ip -a netns", "option -all of ip reaches every network namespace: name one"},
		{"ip monitor file FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip mo f FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip -o mon address fi FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip -n a monitor all-nsid label fil FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip monitor link  FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip monitor dev eth0 f FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip monitor dev dev file FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip monitor de f FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip monitor dev f f FILE", "ip monitor file opens a file of the caller's choice"},
		{"ip monitor ", "ip monitor: an empty word is no command"},

		// A8: what is not the name of a network namespace.
		{"ip -n ../../proc/1/ns/net link", "option -n of ip: ../../proc/1/ns/net is not the name of a network namespace"},
		{"ip -n .. link", "option -n of ip: .. is not the name of a network namespace"},
		{"ip -netns  link", "option -netns of ip: \"\" is not the name of a network namespace"},
		{"ip -n -4 link", "option -n of ip: -4 is not the name of a network namespace"},
		{"ip -n", "option -n of ip needs a value"},
		{"ip netns add ../../etc/x", "ip netns add takes the name of one network namespace"},
		{"ip netns delete .", "ip netns delete takes the name of one network namespace"},
		{"ip netns delete", "ip netns delete takes the name of one network namespace"},
		{"ip netns add a b", "ip netns add takes the name of one network namespace"},
		{"ip netns list a", "ip netns list takes no more words"},
		{"ip link set tap0 netns /proc/1/ns/net", "ip link: /proc/1/ns/net may name a file: a slash is only allowed in an alias"},
		{"ip link add tap0 link-netns ./a type veth", "ip link: ./a may name a file: a slash is only allowed in an alias"},

		// Options.
		{"ip -l", "option -l of ip needs a value"},
		{"ip -family", "option -family of ip needs a value"},
		{"ip --rc", "option --rc of ip needs a value"},
		{"ip -e link", "-e is not an option of ip that this filter knows"},
		{"ip ---4 link", "---4 is not an option of ip that this filter knows"},
		{"ip -batch=FILE", `"-batch=FILE" is not an option of ip that this filter knows`},
		{"ip -color=x link", `"-color=x" is not an option of ip that this filter knows`},
		{"ip -n=a link", `"-n=a" is not an option of ip that this filter knows`},
		{"ip -44 link", "-44 is not an option of ip that this filter knows"},
		{"ip -netnsx a link", "-netnsx is not an option of ip that this filter knows"},

		// Objects and commands that nobody knows.
		{"ip links", "links is not an object of ip that this filter knows"},
		{"ip  netns", `"" is not an object of ip that this filter knows`},
		{"ip -- -4 link", "-4 is not an object of ip that this filter knows"},
		{"ip Netns exec a id", "Netns is not an object of ip that this filter knows"},
		{"ip netns ", "ip netns: an empty word is no command"},
		{"ip route  x", "ip route: an empty word is no command"},

		// BPF programs, libraries, dumps, files.
		{"ip link set tap0 xdp obj FILE", "ip link: xdp loads a BPF program, and a device of that name cannot be told from it"},
		{"ip link set dev tap0 xdp off up", "ip link: xdp loads a BPF program, and a device of that name cannot be told from it"},
		{"ip link set dev tap0 xdp xdp off", "ip link: xdp loads a BPF program, and a device of that name cannot be told from it"},
		{"ip link set dev tap0 xdp of", "ip link: xdp loads a BPF program, and a device of that name cannot be told from it"},
		{"ip link set dev tap0 up xdpgeneric pinned x", "ip link: xdpgeneric loads a BPF program, and a device of that name cannot be told from it"},
		{"ip link add a type veth peer name b xdpdrv obj FILE", "ip link: xdpdrv loads a BPF program, and a device of that name cannot be told from it"},
		{"ip l s alias dev xdpoffload obj FILE", "ip link: xdpoffload loads a BPF program, and a device of that name cannot be told from it"},
		{"ip link add x type ../../tmp/evil", "ip link: ../../tmp/evil may name a file: a slash is only allowed in an alias"},
		{"ip link help ../x", "ip link: ../x may name a file: a slash is only allowed in an alias"},
		{"ip link xstats type a/b", "ip link: a/b may name a file: a slash is only allowed in an alias"},
		{"ip link a/b", "ip link: a/b may name a file: a slash is only allowed in an alias"},
		{"ip route add 10.0.0.0/8 encap bpf out obj FILE dev lo", "encap bpf loads a BPF program"},
		{"ip -6 r a fc00::/64 nexthop via fe80::1 dev a nexthop encap bpf xmit pinned FILE", "encap bpf loads a BPF program"},
		{"ip nexthop add id 1 encap bpf in obj FILE dev lo", "encap bpf loads a BPF program"},
		{"ip route add fc00::/64 encap seg6local action End.BPF endpoint obj FILE section s dev lo", "End.BPF endpoint loads a BPF program"},
		{"ip addr restore", "ip address restore reads netlink messages from its standard input, where no filter sees them"},
		{"ip route showd", "ip route showd reads netlink messages from its standard input, where no filter sees them"},
		{"ip route res", "ip route res reads netlink messages from its standard input, where no filter sees them"},
		{"ip rule r", "ip rule r reads netlink messages from its standard input, where no filter sees them"},
		{"ip mrule re", "ip mrule re reads netlink messages from its standard input, where no filter sees them"},
		{"ip xfrm monitor file FILE", "ip xfrm monitor file opens a file of the caller's choice"},
		{"ip x mon acquire fi FILE", "ip xfrm monitor file opens a file of the caller's choice"},
		{"ip xfrm monitor  FILE", "ip xfrm monitor file opens a file of the caller's choice"},
	} {
		argv := ipWords(c.line)
		m := newIPFilter(t, "/sbin/ip").Match(argv, nil)
		switch {
		case c.why == "" && !m.Matched:
			t.Errorf("%s: refused: %v", c.line, m.Why)
		case c.why == "" && Line(m.Args) != Line(argv[1:]):
			t.Errorf("%s: may run with %q", c.line, m.Args)
		case c.why != "" && m.Matched:
			t.Errorf("%s: allowed", c.line)
		case c.why != "" && m.Why.String() != c.why:
			t.Errorf("%s: refused because %v, not because %s", c.line, m.Why, c.why)
		}
	}
}

func TestIPProgramName(t *testing.T) {
	if _, err := newIP([]string{"ip"}); err == nil {
		t.Error("an IpFilter without a run-as user was accepted")
	}
	for exec, line := range map[string]string{
		"/usr/sbin/ipvrf": "ipvrf exec default id",
		"ipnetns":         "ipnetns exec a id",
		"/sbin/ip/":       " link", // its base name is empty
	} {
		if m := newIPFilter(t, exec).Match(ipWords(line), nil); m.Matched {
			t.Errorf("%s, for a filter with %s: allowed", line, exec)
		}
	}
	if m := newIPFilter(t, "ip").Match(ipWords("ip link"), nil); !m.Matched {
		t.Errorf("ip link, for a filter with ip: %v", m.Why)
	}
}

// A second opinion: what a release of iproute2 makes of a command line, by its
// own rule of the first name that begins with the word.

// ipName is one name that a word may stand for. In a list it is written with a
// "=" before it when it has no abbreviation, a "!" after it when a value follows,
// and in capitals when it is a command that the filter must not allow.
type ipName struct {
	name              string
	exact, value, bad bool
}

func ipNames(list string) (names []ipName) {
	for _, n := range strings.Fields(list) {
		bare := strings.Trim(n, "=!")
		bad := bare == strings.ToUpper(bare) && bare[0] != '-'
		if bad {
			bare = strings.ToLower(bare)
		}
		names = append(names, ipName{bare, n[0] == '=', strings.HasSuffix(n, "!"), bad})
	}
	return names
}

type ipRelease struct {
	name             string
	options, objects []ipName
	emptyBegins      bool // an empty word begins every name
}

// first returns the name that word stands for, or the zero ipName.
func (r *ipRelease) first(names []ipName, word string) ipName {
	for _, n := range names {
		if word == n.name || !n.exact && strings.HasPrefix(n.name, word) && (word != "" || r.emptyBegins) {
			return n
		}
	}
	return ipName{}
}

var ipReleases = []ipRelease{
	{
		"3.2",
		ipNames("-loops! -family! =-4 =-6 =-0 =-I =-D -stats -statistics -details -resolve -oneline -timestamp -Version -force -batch! -rcvbuf! -help"),
		ipNames("address addrlabel maddress route rule neighbor neighbour ntable ntbl l2tp link tunnel tunl tuntap tap monitor xfrm mroute mrule netns help"),
		true,
	}, {
		"3.19",
		ipNames("-loops! -family! =-4 =-6 =-0 =-I =-D =-B -human -human-readable -iec -stats -statistics -details -resolve -oneline -timestamp -tshort -Version -force -batch! -rcvbuf! -help -netns! -all"),
		ipNames("address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou tunnel tunl tuntap tap token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf help"),
		true,
	}, {
		"4.9",
		ipNames("-loops! -family! =-4 =-6 =-0 =-I =-D =-M =-B -human -human-readable -iec -stats -statistics -details -resolve -oneline -timestamp -tshort -Version -force -batch! -brief -rcvbuf! -color -help -netns! -all"),
		ipNames("address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec tunnel tunl tuntap tap token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf help"),
		true,
	}, {
		"5.0",
		ipNames("-loops! -family! =-4 =-6 =-0 =-D =-M =-B -human -human-readable -iec -stats -statistics -details -resolve -oneline -timestamp -tshort -Version -force -batch! -brief -json -pretty -rcvbuf! -color -help -netns! -all"),
		ipNames("address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec tunnel tunl tuntap tap token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf vrf sr help"),
		true,
	}, {
		"5.10",
		ipNames("-loops! -family! =-4 =-6 =-0 =-D =-M =-B -human -human-readable -iec -stats -statistics -details -resolve -oneline -timestamp -tshort -Version -force -batch! -brief -json -pretty -rcvbuf! -color -help -netns! -Numeric -all"),
		ipNames("address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec tunnel tunl tuntap tap token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf vrf sr nexthop mptcp help"),
		false,
	}, {
		"5.15",
		ipNames("-loops! -family! =-4 =-6 =-0 =-M =-B -human -human-readable -iec -stats -statistics -details -resolve -oneline -timestamp -tshort -Version -force -batch! -brief -json -pretty -rcvbuf! -color -help -netns! -Numeric -all"),
		ipNames("address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec tunnel tunl tuntap tap token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf vrf sr nexthop mptcp ioam help"),
		false,
	}, {
		"6.1 to 7.1",
		ipNames("-loops! -family! =-4 =-6 =-0 =-M =-B -human -human-readable -iec -stats -statistics -details -resolve -oneline -timestamp -tshort -Version -force -batch! -brief -json -pretty -rcvbuf! -color -help -netns! -Numeric -all =-echo"),
		ipNames("address addrlabel maddress route rule neighbor neighbour ntable ntbl link l2tp fou ila macsec tunnel tunl tuntap tap token tcpmetrics tcp_metrics monitor xfrm mroute mrule netns netconf vrf sr nexthop mptcp ioam help stats"),
		false,
	},
}

// ipCommands are the commands of some objects, as early and as recent releases
// list them.
var ipCommands = map[string][][]ipName{
	"netns": {
		ipNames("list show lst help add delete EXEC MONITOR"),
		ipNames("list show lst LIST-ID help add SET delete IDENTIFY PIDS EXEC MONITOR ATTACH"),
	},
	"vrf": {
		ipNames("identify pids EXEC help"),
		ipNames("identify pids EXEC show lst list help"),
	},
	"address": {
		ipNames("add change =chg replace delete list show lst flush help"),
		ipNames("add change =chg replace delete list show lst flush save SHOWDUMP RESTORE help"),
	},
	"route": {
		ipNames("add change =chg replace prepend append test delete list show lst get flush save RESTORE help"),
		ipNames("add change =chg replace prepend append test delete list show lst get flush save RESTORE SHOWDUMP help"),
	},
	"rule": {
		ipNames("list lst show add delete flush help"),
		ipNames("list lst show save RESTORE add delete flush help"),
	},
	"mrule": {
		ipNames("list lst show add delete flush help"),
		ipNames("list lst show save RESTORE add delete flush help"),
	},
	"link": {
		ipNames("add set change replace delete show lst list help"),
		ipNames("add set change replace delete show lst list xstats afstats property help"),
	},
	"xfrm": {ipNames("state sa policy monitor help")},
}

// ipLinkWords are the words of ip link that the walk below has to know.
var ipLinkWords = ipNames("=up =down =name! =index! link! address! broadcast! =brd! txqueuelen! =qlen! txqlen! =mtu! " +
	"=xdpgeneric =xdpdrv =xdpoffload =xdp =netns! =multicast! =allmulticast! =promisc! =trailers! =arp! =vf! master! =vrf! " +
	"nomaster dynamic! type! alias! =group! =mode! =state! numtxqueues! numrxqueues! addrgenmode! link-netns! link-netnsid! " +
	"=protodown! =dev!")

var ipFile = ipNames("file")

// The words of do_ipmonitor, in its order; the first releases have no dev.
var ipMonitorWords = [][]ipName{
	ipNames("file! label link address route mroute prefix neigh netconf rule nsid nexthop =stats =all all-nsid help =dev!"),
	ipNames("file! link address route mroute prefix neigh rule =all help"),
}

// monitorDanger stops where ip does.
func (r *ipRelease) monitorDanger(words []string) string {
	for _, known := range ipMonitorWords {
		for i := 0; i < len(words); i++ {
			word := r.first(known, words[i])
			if word.name == "file" {
				return "monitors what is in a file"
			}
			if word.name == "" || word.name == "help" {
				break
			}
			if word.value {
				i++
			}
		}
	}
	return ""
}

// danger returns what is wrong about the command line under this release, or
// nothing: also where ip only complains and stops.
func (r *ipRelease) danger(argv []string) string {
	rest, batch, all := argv[1:], false, false
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		word := rest[0]
		rest = rest[1:]
		if word == "--" {
			break
		}
		if strings.HasPrefix(word, "--") {
			word = word[1:]
		}
		option := r.first(r.options, word)
		if before, _, ok := strings.Cut(word, "="); ok && r.first(r.options, before).name == "-color" {
			continue
		}
		value := ""
		if option.value {
			if len(rest) == 0 {
				return ""
			}
			value, rest = rest[0], rest[1:]
		}
		switch option.name {
		case "", "-Version", "-help":
			return ""
		case "-batch":
			batch = true
		case "-all":
			all = true
		case "-netns":
			if ipOutside(value) {
				return "enters something that is no named network namespace"
			}
		}
	}
	if batch {
		return "runs a file of commands"
	}
	if len(rest) == 0 {
		return ""
	}
	object := r.first(r.objects, rest[0]).name
	rest = rest[1:]
	switch object {
	case "monitor":
		return r.monitorDanger(rest)
	case "netns":
		if all {
			return "reaches all namespaces"
		}
	case "route", "nexthop":
		seg6local := false
		for i := 1; i < len(rest); i++ {
			switch pair := rest[i-1] + " " + rest[i]; {
			case pair == "encap bpf", pair == "End.BPF endpoint" && seg6local:
				return "loads BPF for a route"
			case pair == "encap seg6local":
				seg6local = true
			}
		}
	}
	if len(rest) == 0 {
		return ""
	}
	for _, commands := range ipCommands[object] {
		command := r.first(commands, rest[0])
		if command.bad {
			return object + " " + command.name
		}
		if d := r.commandDanger(object, command.name, rest[1:]); d != "" {
			return d
		}
	}
	return ""
}

func (r *ipRelease) commandDanger(object, command string, words []string) string {
	switch object + " " + command {
	case "netns add", "netns delete":
		if len(words) > 0 && ipOutside(words[0]) {
			return "makes or removes a file outside of /run/netns"
		}
	case "xfrm monitor":
		for _, w := range words {
			if r.first(ipFile, w).name != "" {
				return "opens a file for xfrm monitor"
			}
		}
	case "link help":
		if len(words) > 0 && strings.Contains(words[0], "/") {
			return "opens a library by path"
		}
	case "link xstats":
		if len(words) > 1 && strings.Contains(words[1], "/") {
			return "opens a library by path"
		}
	case "link add", "link set", "link change", "link replace", "link delete":
		return r.linkDanger(words)
	}
	return ""
}

// linkDanger walks over the words as ip does: keywords with their value, and
// names of devices in between.
func (r *ipRelease) linkDanger(words []string) string {
	for i := 0; i < len(words); i++ {
		keyword, value := r.first(ipLinkWords, words[i]), ""
		if keyword.value {
			if i++; i == len(words) {
				return ""
			}
			value = words[i]
		}
		switch keyword.name {
		case "xdp", "xdpgeneric", "xdpdrv", "xdpoffload":
			if rest := words[i+1:]; len(rest) == 1 && (rest[0] == "off" || rest[0] == "none") {
				return ""
			}
			return "loads BPF for a link"
		case "netns", "link-netns":
			if strings.Contains(value, "/") {
				return "opens a network namespace by path"
			}
		case "type":
			if strings.Contains(value, "/") {
				return "opens a library by path"
			}
			for j, w := range words[i:] {
				if w == "peer" { // of veth, vxcan or netkit: a second device
					return r.linkDanger(words[i+j+1:])
				}
			}
			return ""
		}
	}
	return ""
}

// ipOutside tells whether a namespace's name leads out of /run/netns.
func ipOutside(name string) bool {
	return name == "" || name == "." || name == ".." || strings.Contains(name, "/")
}

// ipDanger asks every release.
func ipDanger(argv []Untrusted) string {
	words := make([]string, len(argv))
	for i, w := range argv {
		words[i] = w.Raw()
	}
	for i := range ipReleases {
		r := &ipReleases[i]
		if d := r.danger(words); d != "" {
			return "iproute2 " + r.name + ": " + d
		}
	}
	return ""
}

func ipPrefixes(word string) []string {
	var all []string
	for i := range word {
		all = append(all, word[:i+1])
	}
	return all
}

// Each abbreviation of each option and object means to the filter what it means
// to every release that knows it.
func TestIPTablesAgreeWithEveryRelease(t *testing.T) {
	options, objects := map[string]bool{}, map[string]bool{}
	for _, r := range ipReleases {
		for _, n := range r.options {
			for _, word := range ipPrefixes(n.name)[1:] {
				options[word] = true
			}
		}
		for _, n := range r.objects {
			for _, word := range ipPrefixes(n.name) {
				objects[word] = true
			}
		}
	}
	for _, r := range ipReleases {
		for word := range options {
			option := r.first(r.options, word)
			want := ipFlag
			switch {
			case option.name == "":
				continue
			case option.name == "-batch":
				want = ipBatch
			case option.name == "-netns":
				want = ipNamespace
			case option.name == "-all":
				want = ipAll
			case option.value:
				want = ipValue
			}
			for _, spelling := range []string{word, "-" + word} {
				if got := ipOptionKind(Untrusted(spelling)); got != want {
					t.Errorf("%s is %s for iproute2 %s, kind %d, but %d for the filter", spelling, option.name, r.name, want, got)
				}
			}
		}
		for word := range objects {
			want, got := r.first(r.objects, word).name, ipObjectName(Untrusted(word))
			if want != "" && got != want && !(r.name == "3.2" && word == "l") {
				t.Errorf("%s is %s for iproute2 %s, but %q for the filter", word, want, r.name, got)
			}
		}
	}
}

// Every spelling of what is dangerous, behind every pair of options.
func TestIPDangerousSpellings(t *testing.T) {
	var spellings []string
	for _, c := range []struct{ object, shortest, command, shortestCommand, rest string }{
		{"netns", "net", "exec", "e", "a id"},
		{"netns", "net", "monitor", "m", ""},
		{"netns", "net", "identify", "i", ""},
		{"netns", "net", "pids", "p", "a"},
		{"netns", "net", "set", "se", "a 1"},
		{"netns", "net", "attach", "at", "a 1"},
		{"netns", "net", "list-id", "list-", ""},
		{"vrf", "v", "exec", "e", "default id"},
		{"monitor", "mo", "file", "f", "FILE"},
		{"address", "a", "restore", "res", ""},
		{"address", "a", "showdump", "showd", ""},
		{"route", "r", "restore", "res", ""},
		{"route", "r", "showdump", "showd", ""},
		{"rule", "ru", "restore", "r", ""},
		{"mrule", "mru", "restore", "r", ""},
	} {
		for _, o := range ipPrefixes(c.object)[len(c.shortest)-1:] {
			for _, s := range ipPrefixes(c.command)[len(c.shortestCommand)-1:] {
				spellings = append(spellings, strings.TrimSpace(o+" "+s+" "+c.rest))
			}
		}
	}
	for _, f := range ipPrefixes("file") {
		spellings = append(spellings, "mo link "+f+" FILE", "monitor dev a label "+f+" FILE", "mon all-nsid "+f+" FILE")
	}
	for _, b := range ipPrefixes("-batch")[1:] {
		for _, file := range []string{"FILE", "-", "/etc/passwd", "link"} {
			spellings = append(spellings, b+" "+file, "-"+b+" "+file, b+" "+file+" link", b+" "+file+" -4 -- addr")
		}
	}
	options := []string{"", "-4", "-o", "-s", "-stati", "-d", "-r", "-h", "-hu", "-t", "-ts", "-fo", "-br", "-j", "-p", "-c", "-color=always",
		"--oneline", "-N", "-a", "--all", "-n a", "--netns exec", "-net netns", "-l 1", "-loops netns", "-f inet6", "--fam --", "-rc 1", "-rcvbuf -n", "--"}
	filter := newIPFilter(t, "ip")
	for _, first := range options {
		for _, second := range options {
			for _, s := range spellings {
				if strings.HasSuffix(first, "--") && first != "--fam --" && (second != "" || s[0] == '-') || second == "--" && s[0] == '-' {
					continue // options after the end of options: ip finds no such object
				}
				line := strings.Join(strings.Fields("ip "+first+" "+second+" "+s), " ")
				if filter.Match(ipWords(line), nil).Matched {
					t.Errorf("allowed: %s", line)
				}
				if second == "" && ipDanger(ipWords(line)) == "" {
					t.Errorf("not dangerous, so that nothing was tested: %s", line)
				}
			}
		}
	}
}

// FuzzIP: what the filter allows no release finds a danger in, and it runs as it
// was asked for.
func FuzzIP(f *testing.F) {
	for _, line := range []string{
		"ip -o -d link list", "ip -4 addr add 10.0.0.1/24 dev tap0", "ip link add a type veth peer name b netns c",
		"ip -n a netns exec a id", "ip -b FILE", "ip -force -- vrf exec default id", "ip -all netns delete", "ip --color=auto l",
		"ip link set a alias a/b xdp obj FILE", "ip link set a netns ../b type c/d", "ip route add default encap bpf out obj FILE",
		"ip r a ::/0 encap seg6local action End.BPF endpoint obj FILE", "ip mrule r", "ip x m fi FILE", "ip mo dev f f FILE", "ip l set a xdp off", "ip l set a xdp xdp none", "ip v id 1", "ip   x", "ip -l -f -rc -b x",
	} {
		f.Add(line)
	}
	filter := newIPFilter(f, "/sbin/ip")
	f.Fuzz(func(t *testing.T, line string) {
		argv := ipWords(line)
		m := filter.Match(argv, nil)
		if !m.Matched {
			if m.Why.String() == "" || strings.ContainsAny(m.Why.String(), "\n\r\x1b") || strings.Contains(m.Why.String(), "%!") && !strings.Contains(line, "%") {
				t.Errorf("%q: bad reason %q", line, m.Why.String())
			}
			return
		}
		if argv[0] != "ip" && argv[0] != "/sbin/ip" {
			t.Errorf("%q: another program was allowed", line)
		}
		if QuoteLine(m.Args) != QuoteLine(argv[1:]) || m.Nested != 0 || m.Signal != nil || m.Env != nil {
			t.Errorf("%q: runs as %q", line, m.Args)
		}
		if d := ipDanger(argv); d != "" {
			t.Errorf("%q: allowed, but %s", line, d)
		}
	})
}
