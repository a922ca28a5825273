package peer

import (
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/integration/rig"
)

var (
	ipOptionWords = []string{"-4", "-6", "-o", "-s", "-s", "-d", "-j", "-br", "-c", "-color=always", "-h", "-V", "--", "-n", "-netns", "--netns", "-net", "-b", "-batch", "--batch",
		"-force", "-f", "-family", "-l", "-rc", "-a", "-all", "-x", "-", "---", "-iec", "-t"}
	ipObjectWords = []string{"link", "l", "addr", "a", "address", "route", "r", "rule", "ru", "neigh", "n", "netns", "netn", "net", "ne", "netnss", "vrf", "v", "monitor", "mo", "m",
		"maddress", "tunnel", "tuntap", "l2tp", "xfrm", "netconf", "nexthop", "stats", "tcp_metrics", "sr", "help", "bogus", "", "Link", "link\n"}
	ipWords = []string{"list", "show", "s", "add", "a", "del", "delete", "set", "s", "up", "dev", "eth0", "qdhcp-1", "ns1", "netns", "net", "netn", "exec", "exe", "ex", "e", "monitor",
		"attach", "identify", "pids", "list-id", "id", "vrf", "default", "sh", "-c", "master", "br0", "name", "type", "dummy", "evil/x", "../x", "/tmp/x", "xdp", "obj",
		"restore", "showdump", "encap", "bpf", "1.2.3.4/24", "via", "alias", "file", "", "help", "é", "\xff", "address", "mtu", "1500"}
)

func (m *maker) ip(i int) {
	pick := func(from []string) string { return from[m.rnd.IntN(len(from))] }
	for _, argv := range [][]string{
		{"link"}, {"addr", "show", "dev", "eth0"}, {"link", "set", "eth0", "netns", "ns1"}, {"route", "list", "dev", "eth0"}, {"netns", "list"}, {"netns", "add", "ns1"},
		{"netns", "delete", "ns1"}, {"-o", "netns", "list"}, {"-n", "ns1", "link", "set", "lo", "up"}, {"-4", "neigh", "show"}, {"rule", "add", "from", "1.2.3.4", "table", "7"},
		{"-6", "route", "replace", "default", "via", "fe80::1", "dev", "eth0"}, {"link", "add", "type", "veth", "peer", "name", "x"}, {"link", "set", "eth0", "address", "fa:16:3e:00:00:01"},
	} {
		m.allowed(i, 12, append([]string{"ip"}, argv...)...)
	}
	for _, argv := range [][]string{
		{"netns", "exec", "ns1", "id"}, {"-n", "ns1", "netns", "exec", "ns1", "id"}, {"-netns", "netn", "netns", "e", "ns1", "id"}, {"net", "e", "ns1", "id"}, {"-all", "netns", "exec", "id"},
		{"-b", "/tmp/x"}, {"-batch", "-"}, {"-force", "-b", "/tmp/x"}, {"--batch", "/tmp/x"}, {"-ba", "/tmp/x"}, {"vrf", "exec", "default", "id"}, {"v", "e", "default", "id"},
		{"netns", "monitor"}, {"netns", "set", "ns1", "1"}, {"netns", "attach", "ns1", "1"}, {"netns", "identify", "1"}, {"netns", "pids", "ns1"}, {"netns", "list-id"}, {"-all", "netns", "delete"},
		{"-n", "../../proc/1/ns/net", "link"}, {"-n", "..", "link"}, {"link", "set", "dev", "X", "netns", "e"}, {"link", "set", "dev", "X", "netns", "exec"}, {"netns", "add", "../x"},
		{"netns", "add", "exec"}, {"link", "help", "../../tmp/x"}, {"link", "set", "dev", "eth0", "xdp", "obj", "/tmp/x"}, {"route", "restore"}, {"addr", "showdump"}, {"monitor"}, {"monitor", "file", "/tmp/x"},
		{"xfrm", "monitor", "file", "/tmp/x"}, {"route", "add", "1.2.3.4", "encap", "bpf", "in", "obj", "/tmp/x"}, {"-l", "netns", "netns", "exec", "ns1", "id"}, {"-family", "inet", "vrf", "exec", "x", "id"},
	} {
		m.add(append([]string{"ip"}, argv...)...)
		m.add(append([]string{"/sbin/ip"}, argv...)...)
		for range 4 {
			m.add(m.mutate(append([]string{"ip"}, argv...))...)
		}
	}
	for _, name := range m.names("/sbin/ip") {
		m.add(name, "link", "list")
	}
	for range 250 {
		argv := []string{"ip"}
		for range m.rnd.IntN(3) {
			argv = append(argv, pick(ipOptionWords))
			if m.rnd.IntN(3) == 0 {
				argv = append(argv, pick(ipWords))
			}
		}
		if m.rnd.IntN(12) > 0 {
			argv = append(argv, pick(ipObjectWords))
		}
		for range m.rnd.IntN(5) {
			argv = append(argv, pick(ipWords))
		}
		m.add(argv...)
	}
}

func (m *maker) privsep(i int) {
	const helper = "privsep-helper"
	contexts := []string{"os_brick.privileged.default", "nova.privsep.sys_admin_pctxt", "cinder.privsep.sys_admin_pctxt", "neutron.privileged.default",
		"neutron.privileged.dhcp_release_cmd", "vif_plug_ovs.privsep.vif_plug", "os.path", "os_brickXprivileged.default", "os_brick.privileged.default\n", ""}
	files := []string{"/etc/passwd", m.dir + "/service.conf", "/etc/nova/nova.conf", "/etc/../tmp/evil.conf", "/etc/x/../../tmp/evil.conf", "/tmp/evil.conf", "relative.conf", "", m.dir + "/../evil.conf", m.dir}
	sockets := []string{"/tmp/tmpabc/privsep.sock", "/run/x.sock", "relative.sock", "/tmp/../etc/x", "", "/tmp/x\n"}
	for _, context := range contexts {
		for _, file := range files {
			m.add(helper, "--config-file", file, "--privsep_context", context, "--privsep_sock_path", sockets[0])
		}
		for _, socket := range sockets {
			m.add(helper, "--config-file", files[1], "--privsep_context", context, "--privsep_sock_path", socket)
			m.add(helper, "--privsep_context", context, "--privsep_sock_path", socket)
		}
		m.add(helper, "--config-file", files[0], "--config-file", files[1], "--config-dir", m.dir+"/rootwrap.d", "--privsep_context", context, "--privsep_sock_path", sockets[0])
	}
	built := []string{helper, "--config-file", m.dir + "/service.conf", "--privsep_context", contexts[0], "--privsep_sock_path", sockets[0]}
	m.allowed(i, 40, built...)
	m.allowed(i, 10, append([]string{helper}, built[3:]...)...)
	for _, more := range [][]string{
		{"--log-config-append", "/tmp/log.ini"}, {"--log-file", "/etc/evil"}, {"--log-dir", "/etc"}, {"--helper_command", "x"}, {"--debug"}, {"--config-file=/tmp/x"}, {"--config-dir", "/tmp"},
		{"--privsep_context", "os.path"}, {"--privsep_sock_path", "/x"}, {"--privsep-group", "root"}, {"--conf", "/tmp/x"}, {"--"}, {"positional"}, {"--help"}, {"--version"},
	} {
		m.add(append(slices.Clone(built), more...)...)
		m.add(append(append([]string{helper}, more...), built[1:]...)...)
		m.add(append([]string{helper}, more...)...)
	}
	for _, name := range m.names(helper) {
		m.add(append([]string{name}, built[1:]...)...)
	}
}

func (m *maker) netnsExec() {
	for _, net := range []string{"netns", "netn", "net", "ne", "netnss", "NETNS", "netns\n"} {
		for _, run := range []string{"exec", "exe", "ex", "e", "", "execx", "EXEC", "exec\n"} {
			m.add("ip", net, run, "qdhcp-1", "id", "-u")
			m.add("ip", net, run, "qdhcp-1", filepath.Base(m.peer.Filters[0].Exec))
		}
	}
	one := []string{"id"}
	for i := range m.peer.Filters { // any filter's command will do
		if f := m.peer.Filters[i]; f.Class == "CommandFilter" && f.RunAs == "root" {
			one = m.good[i][0]
			break
		}
	}
	for _, ns := range []string{"qdhcp-1", "e", "exec", ".", "..", "../x", "a/b", "/", "", "-all", "-n", strings.Repeat("n", 255), strings.Repeat("n", 256), "ns\n", "é", "\xff", "a b", "="} {
		m.add(append([]string{"ip", "netns", "exec", ns}, one...)...)
	}
	for _, prefix := range [][]string{{"/sbin/ip", "netns", "exec", "ns"}, {"ip", "-o", "netns", "exec", "ns"}, {"ip", "netns", "exec"}, {"ip", "netns"}, {"ip", "-all", "netns", "exec"}, {"env", "ip", "netns", "exec", "ns"}} {
		m.add(append(prefix, one...)...)
		m.add(prefix...)
	}
	m.add("ip", "netns", "exec", "ns")
	m.add("ip", "netns", "exec", "ns", "")
	m.chain([]string{"ip", "netns", "exec", "qdhcp-1"})
}

func (m *maker) chainingRegExp(f rig.PeerFilter) {
	if len(f.Args) == 0 {
		return
	}
	words := make([][]string, len(f.Args))
	for j, pattern := range f.Args {
		words[j] = wordsFor(m.peer, pattern, 5, j)
	}
	for n := range 5 {
		prefix := make([]string, len(words))
		for j := range words {
			prefix[j] = words[j][n%len(words[j])]
		}
		if n == 0 {
			m.chain(prefix)
		}
		m.add(prefix...)
		for range 20 {
			leaf := m.good[m.rnd.IntN(len(m.peer.Filters))]
			if len(leaf) == 0 {
				continue
			}
			argv := slices.Concat(prefix, leaf[m.rnd.IntN(len(leaf))])
			m.add(argv...)
			m.add(m.mutate(argv)...)
			m.add(slices.Concat(m.mutate(prefix), leaf[0])...)
		}
	}
}

// chain puts prefix before a command of every filter, its program spelled in
// several ways.
func (m *maker) chain(prefix []string) {
	for i, f := range m.peer.Filters {
		for n, argv := range m.good[i] {
			if n > 1 && n%9 != 0 {
				continue
			}
			m.add(slices.Concat(prefix, argv)...)
			if n > 0 {
				continue
			}
			for _, name := range m.names(f.Exec)[1:6] {
				m.add(slices.Concat(prefix, []string{name}, argv[1:])...)
			}
			m.add(slices.Concat(prefix, []string{"env"}, argv)...)
			m.add(slices.Concat(prefix, prefix, argv)...)
			m.add(m.mutate(slices.Concat(prefix, argv))...)
		}
	}
}
