package exposure

import (
	"regexp"
	"slices"
	"strings"

	"ironwrap/policy/review/programs"
)

// quiet are commands of programs that have several, which tell what is so and change
// nothing. What the rows of a program begin with is known besides.
var quiet = map[string]string{
	"apt":          "list search show policy",
	"apt-cache":    "search show policy showpkg depends rdepends madison stats",
	"apt-mark":     "showauto showmanual showhold",
	"btrfs":        "version",
	"busctl":       "list status tree introspect",
	"cryptsetup":   "status luksDump luksUUID isLuks",
	"docker":       "ps images inspect info version stats top port history events search",
	"podman":       "ps images inspect info version stats top port history events search",
	"dmsetup":      "deps info ls status table targets version",
	"drbdadm":      "cstate dstate role status",
	"getent":       "group hosts networks passwd protocols services netgroup",
	"ipmitool":     "sdr sensor",
	"ipset":        "-L list -S save -T test -t --list --save --test",
	"kmod":         "help list",
	"loginctl":     "list-sessions list-users list-seats session-status user-status seat-status show-session show-user show-seat",
	"openssl":      "version",
	"ovn-nbctl":    "show list find get ls-list lr-list lsp-list lrp-list lsp-get-addresses lsp-get-up lsp-get-type",
	"ovn-sbctl":    "show list find get",
	"ovn-ic-nbctl": "show list find get ts-list",
	"ovn-ic-sbctl": "show list find get",
	"ovs-appctl":   "version list-commands fdb/show dpif/show bond/show bond/list lacp/show ofproto/list",
	"ovs-dpctl":    "show dump-dps dump-flows dump-conntrack get-flow",
	"ovs-ofctl":    "show dump-aggregate dump-desc dump-flows dump-groups dump-meters dump-ports dump-ports-desc dump-tables get-frags queue-stats",
	"ovs-vsctl":    "show list find get list-br list-ports list-ifaces br-exists br-to-vlan br-to-parent br-get-external-id port-to-br iface-to-br get-controller get-fail-mode get-manager wait-until",
	"ovsdb-client": "list-dbs get-schema get-schema-version list-tables list-columns dump wait",
	"pip":          "freeze list show check",
	"pip3":         "freeze list show check",
	"rabbitmqctl":  "status cluster_status environment list_users list_vhosts list_queues list_exchanges list_bindings list_connections list_channels list_permissions list_user_permissions ping await_startup",
	"rados":        "df ls lspools stat",
	"rbd":          "du info ls list showmapped status",
	"rndc":         "status",
	"snap":         "info find list version",
	"systemctl":    "status show is-active is-enabled is-failed is-system-running get-default list-units list-unit-files list-sockets list-timers list-jobs list-dependencies",
	"timedatectl":  "status show list-timezones timesync-status",
	"udevadm":      "info settle monitor test test-builtin verify wait",
	"virsh":        "list capabilities domblkinfo domblklist domblkstat domid domifaddr domiflist domifstat domname dommemstat domstate domuuid dominfo freecell hostname net-info net-list nodeinfo pool-info pool-list uri vcpuinfo version vol-info vol-list vol-path",
}

// verbs are the commands of a program that somebody has looked at; nil for a program
// that has no commands: what comes first is no fixed word.
func verbs(program string) []string {
	var known []string
	for _, w := range ways(program) {
		first, _, _ := strings.Cut(w.form, " ")
		words := alternatives(first)
		if words == nil && strings.HasPrefix(first, "{") && first != "{free}" {
			return nil
		}
		known = append(known, words...)
	}
	if known == nil {
		return nil
	}
	for _, p := range programs.All(baseName(program)) {
		known = append(known, strings.Fields(p.Verbs)...)
	}
	return append(known, strings.Fields(quiet[baseName(program)])...)
}

var verb = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)

// alternatives are the commands that the first word of a form stands for.
func alternatives(first string) (words []string) {
	if name, ok := strings.CutPrefix(first, "{"); ok {
		words = fixed[strings.TrimSuffix(name, "}")]
	} else {
		words = strings.Split(first, "|")
	}
	if slices.ContainsFunc(words, func(w string) bool { return !verb.MatchString(w) }) {
		return nil
	}
	return words
}

// strange tells whether the program has commands, and the filter allows only others than
// those that somebody has looked at.
func (s *subject) strange(program string, p *programs.Program) bool {
	known := verbs(program)
	if known == nil || p == plain {
		return false
	}
	memory.Lock()
	defer memory.Unlock()
	_, options := s.search(lines(p))
	_, command := s.search(lines(p, known...))
	return !options && !command
}

// lines is all command lines of a program that begin with one of these commands; without
// any, those that have no operand.
func lines(p *programs.Program, verbs ...string) *programs.Graph {
	key := drawn{program: p, name: strings.Join(verbs, " "), form: "lines"}
	if memory.graphs[key] == nil {
		var w programs.Way
		if verb := programs.Text(verbs...); len(verbs) > 0 {
			w.Operands = []programs.Operand{{Value: &verb}, {Any: true}}
		}
		memory.graphs[key] = p.Graph(w, false)
	}
	return memory.graphs[key]
}
