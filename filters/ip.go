package filters

import "strings"

// ip allows ip(8) of iproute2 in so far as it only configures the network: it
// may not run a program (netns exec, vrf exec), take orders from elsewhere
// (-batch, restore), load a BPF program, or open a file of the caller's choice.
//
// ip reads nearly every word by one rule: of an ordered list of names, the first
// that begins with the word. The tables here name each entry's shortest
// abbreviation instead. They hold for every release from 3.0 (2011) to 7.1
// (2026): none gave an option an argument or took it away, and none turned an
// abbreviation of something harmless into one of something that is not. What an
// older release does not know, it stops at. What no release knows is refused.
type ip struct{ program }

func newIP(f []string) (Filter, error) {
	p, err := newProgram(f)
	return &ip{p}, err
}

func (f *ip) Match(argv []Untrusted, _ Machine) Match {
	if !f.called(argv[0]) {
		return nof("the command is not %s", f.exec)
	}
	// A name that goes on after "ip" is itself an object: "ipvrf" is "ip vrf".
	if base(f.exec) != "ip" {
		return nof("the filter's program must be named ip, not %s", f.exec)
	}
	words := argv[1:]
	inside, all := false, false
	for len(words) > 0 && strings.HasPrefix(string(words[0]), "-") {
		word := words[0]
		words = words[1:]
		if word == "--" {
			break
		}
		kind := ipOptionKind(word)
		if len(words) == 0 && (kind == ipValue || kind == ipNamespace) {
			return nof("option %s of ip needs a value", word)
		}
		switch kind {
		case ipFlag:
		case ipAll:
			all = true
		case ipValue:
			words = words[1:]
		case ipNamespace:
			if !namespaceName(words[0]) {
				return nof("option %s of ip: %s is not the name of a network namespace", word, words[0])
			}
			inside, words = true, words[1:]
		case ipBatch:
			return nof("option %s of ip runs commands from a file that no filter sees: ask for each command by itself", word)
		default:
			return nof("%s is not an option of ip that this filter knows", word)
		}
	}
	if len(words) > 0 {
		object := ipObjectName(words[0])
		switch {
		case object == "":
			return nof("%s is not an object of ip that this filter knows", words[0].Quote())
		case all && object == "netns":
			return no("option -all of ip reaches every network namespace: name one")
		case inside && object == "netns":
			return no("option -netns of ip is not allowed with ip netns")
		}
		if why, ok := ipAllows(object, words[1:]); !ok {
			return why
		}
	}
	return Match{Matched: true, Args: argv[1:]}
}

// What an option of ip is to the filter. The zero value is an unknown option.
const (
	ipFlag      = iota + 1 // stands alone
	ipValue                // the next word is its value, whatever it be
	ipNamespace            // the next word is a network namespace to enter
	ipAll                  // netns exec and netns delete mean every namespace
	ipBatch                // the next word is a file of commands
)

// The options of main() in ip/ip.c.
var ipOptions = []struct {
	shortest, full string
	kind           int
}{
	{"-l", "-loops", ipValue},
	{"-f", "-family", ipValue},
	{"-4", "-4", ipFlag},
	{"-6", "-6", ipFlag},
	{"-0", "-0", ipFlag},
	{"-I", "-I", ipFlag}, // until 4.20
	{"-D", "-D", ipFlag}, // until 5.14
	{"-M", "-M", ipFlag},
	{"-B", "-B", ipFlag},
	{"-h", "-human-readable", ipFlag}, // "-h" is -help until 3.17
	{"-i", "-iec", ipFlag},
	{"-s", "-stats", ipFlag},
	{"-stati", "-statistics", ipFlag},
	{"-d", "-details", ipFlag},
	{"-r", "-resolve", ipFlag},
	{"-o", "-oneline", ipFlag},
	{"-t", "-timestamp", ipFlag},
	{"-ts", "-tshort", ipFlag},
	{"-V", "-Version", ipFlag},
	{"-fo", "-force", ipFlag},
	{"-b", "-batch", ipBatch},
	{"-br", "-brief", ipFlag},
	{"-j", "-json", ipFlag},
	{"-p", "-pretty", ipFlag},
	{"-rc", "-rcvbuf", ipValue},
	{"-c", "-color", ipFlag},
	{"-he", "-help", ipFlag},
	{"-n", "-netns", ipNamespace},
	{"-N", "-Numeric", ipFlag},
	{"-a", "-all", ipAll},
	{"-echo", "-echo", ipFlag}, // never abbreviated
}

func ipOptionKind(word Untrusted) int {
	// Two dashes are as good as one.
	if strings.HasPrefix(string(word), "--") {
		word = word[1:]
	}
	if name, when, ok := strings.Cut(string(word), "="); ok {
		if prefixOf(Untrusted(name), "-c", "-color") && (when == "always" || when == "auto" || when == "never") {
			return ipFlag
		}
		return 0
	}
	for _, o := range ipOptions {
		if prefixOf(word, o.shortest, o.full) {
			return o.kind
		}
	}
	return 0
}

// The objects of cmds[] in ip/ip.c.
var ipObjects = []struct{ shortest, full string }{
	{"a", "address"},
	{"addrl", "addrlabel"},
	{"m", "maddress"},
	{"r", "route"},
	{"ru", "rule"},
	{"n", "neighbor"},
	{"neighbou", "neighbour"},
	{"nt", "ntable"},
	{"ntb", "ntbl"},
	{"l", "link"}, // "l" is l2tp in 3.2
	{"l2", "l2tp"},
	{"f", "fou"},
	{"i", "ila"},
	{"mac", "macsec"},
	{"t", "tunnel"},
	{"tunl", "tunl"},
	{"tunt", "tuntap"},
	{"ta", "tap"},
	{"to", "token"},
	{"tc", "tcpmetrics"},
	{"tcp_", "tcp_metrics"},
	{"mo", "monitor"},
	{"x", "xfrm"},
	{"mr", "mroute"},
	{"mru", "mrule"},
	{"net", "netns"},
	{"netc", "netconf"},
	{"v", "vrf"},
	{"s", "sr"},
	{"nex", "nexthop"},
	{"mp", "mptcp"},
	{"io", "ioam"},
	{"h", "help"},
	{"st", "stats"},
}

// ipObjectName returns an object's full name, or nothing.
func ipObjectName(word Untrusted) string {
	for _, o := range ipObjects {
		if prefixOf(word, o.shortest, o.full) {
			return o.full
		}
	}
	return ""
}

// ipAllows decides about the words after the object.
func ipAllows(object string, words []Untrusted) (Match, bool) {
	if len(words) > 0 && words[0] == "" {
		// Until 5.2 it begins every name, and so stands for the first.
		return nof("ip %s: an empty word is no command", object), false
	}
	switch object {
	case "netns":
		return ipNetns(words)
	case "vrf":
		return ipVRF(words)
	case "monitor":
		return ipMonitor("monitor", "dev", words)
	case "link":
		return ipLink(words)
	case "address", "rule", "mrule":
		return ipStdin(object, words)
	case "nexthop":
		return ipEncap(words)
	case "route":
		if why, ok := ipStdin(object, words); !ok {
			return why, false
		}
		return ipEncap(words)
	case "xfrm":
		return ipXfrm(words)
	}
	return Match{}, true
}

// ipNetns is what the peer's documentation says of ip netns: list, add, delete.
func ipNetns(words []Untrusted) (Match, bool) {
	if len(words) == 0 {
		return Match{}, true
	}
	switch command := words[0]; {
	case ipList(command) || prefixOf(command, "h", "help"):
		if len(words) > 1 {
			return nof("ip netns %s takes no more words", command), false
		}
		return Match{}, true
	case prefixOf(command, "a", "add") || prefixOf(command, "d", "delete"):
		if len(words) != 2 || !namespaceName(words[1]) {
			return nof("ip netns %s takes the name of one network namespace", command), false
		}
		return Match{}, true
	case prefixOf(command, "e", "exec"):
		return no("ip netns exec runs a command: that takes an IpNetnsExecFilter, and a filter for the command"), false
	default:
		return nof("ip netns %s is not allowed, only list, add and delete", command), false
	}
}

// ipVRF allows what only tells: show, the processes of a VRF, and the VRF of a
// process. Names become part of a path below the control groups.
func ipVRF(words []Untrusted) (Match, bool) {
	if len(words) == 0 || ipList(words[0]) || prefixOf(words[0], "h", "help") {
		return Match{}, true
	}
	switch command, rest := words[0], words[1:]; {
	case prefixOf(command, "e", "exec"):
		return no("ip vrf exec runs a command"), false
	case prefixOf(command, "p", "pids"):
		if len(rest) > 1 || len(rest) == 1 && !namespaceName(rest[0]) {
			return nof("ip vrf %s takes the name of one VRF", command), false
		}
		return Match{}, true
	case prefixOf(command, "i", "identify"):
		if len(rest) == 1 {
			if _, ok := processID(rest[0]); ok {
				return Match{}, true
			}
		}
		if len(rest) > 0 {
			return nof("ip vrf %s takes one process id", command), false
		}
		return Match{}, true
	default:
		return nof("ip vrf %s is not allowed, only show, pids and identify", command), false
	}
}

func ipList(command Untrusted) bool {
	return prefixOf(command, "l", "list") || prefixOf(command, "ls", "lst") || prefixOf(command, "s", "show")
}

// ipMonitor allows to watch, which lasts until somebody ends it, but not to read
// what was recorded in a file before. "file" stands before all other words of the
// command, so that each of its abbreviations, "f" for one, means it. option is the
// word whose value follows, whatever it be; "" for none.
func ipMonitor(command, option string, words []Untrusted) (Match, bool) {
	for i := 0; i < len(words); i++ {
		if strings.HasPrefix("file", string(words[i])) {
			return nof("ip %s file opens a file of the caller's choice", command), false
		}
		if option != "" && string(words[i]) == option {
			i++
		}
	}
	return Match{}, true
}

// ipLink keeps ip link from loading BPF programs, and from opening files: a kind
// of link ("type KIND", "help KIND") becomes part of the path of a library, and a
// network namespace ("netns NAME") may be given by its path. Nothing else has a
// slash, but for an alias: whatever ip takes the word "alias" for, it is none of
// the keywords before KIND and NAME.
func ipLink(words []Untrusted) (Match, bool) {
	for i, w := range words {
		switch w {
		case "xdp", "xdpgeneric", "xdpdrv", "xdpoffload":
			// As the last words they take a program away.
			if i == len(words)-2 && (words[i+1] == "off" || words[i+1] == "none") {
				continue
			}
			return nof("ip link: %s loads a BPF program, and a device of that name cannot be told from it", w), false
		}
		if strings.Contains(string(w), "/") && (i == 0 || !prefixOf(words[i-1], "al", "alias")) {
			return nof("ip link: %s may name a file: a slash is only allowed in an alias", w), false
		}
	}
	return Match{}, true
}

// ipStdin refuses the commands that read a dump from standard input; what
// "restore" reads goes to the kernel as it is.
func ipStdin(object string, words []Untrusted) (Match, bool) {
	if len(words) == 0 {
		return Match{}, true
	}
	shortest := "res" // "r" and "re" are replace
	if object == "rule" || object == "mrule" {
		shortest = "r"
	}
	if prefixOf(words[0], shortest, "restore") || prefixOf(words[0], "showd", "showdump") {
		return nof("ip %s %s reads netlink messages from its standard input, where no filter sees them", object, words[0]), false
	}
	return Match{}, true
}

// ipEncap keeps routes and next hops from loading BPF programs: "encap bpf", and
// the endpoint of "encap seg6local action End.BPF".
func ipEncap(words []Untrusted) (Match, bool) {
	seg6local := false
	for i, w := range words {
		if w == "bpf" && i > 0 && words[i-1] == "encap" || w == "endpoint" && seg6local {
			return nof("%s %s loads a BPF program", words[i-1], w), false
		}
		seg6local = seg6local || w == "seg6local"
	}
	return Match{}, true
}

func ipXfrm(words []Untrusted) (Match, bool) {
	if len(words) > 0 && prefixOf(words[0], "m", "monitor") {
		return ipMonitor("xfrm monitor", "", words[1:])
	}
	return Match{}, true
}
