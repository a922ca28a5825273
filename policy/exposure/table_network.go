package exposure

// networkTools change what the machine's network does.
var networkTools = []way{
	{Run, "ip", "netns exec {ns} {mine} …", "the command is run in a namespace (ip-netns(8))", "cap_sys_admin"},
	{Run, "ip", "vrf exec default {mine} …", "the command is run (ip-vrf(8))", ""},
	{Run, "ip", "-batch {mine}", "the file has more commands, netns exec for one (ip(8))", ""},
	{Network, "ip", "link set {any} down", "it changes interfaces (ip-link(8))", "cap_net_admin"},
	{Network, "ip", "address add {any} dev {any}", "it changes addresses (ip-address(8))", "cap_net_admin"},
	{Network, "ip", "route add {any} via {any}", "it changes routes (ip-route(8))", "cap_net_admin"},
	{Namespace, "ip", "-n {ns} link", "it works in any network namespace (ip(8))", "cap_sys_admin"},
	{Namespace, "ip", "netns add {ns}", "it makes network namespaces (ip-netns(8))", "cap_sys_admin"},
	{Namespace, "nsenter", "-t {pid} -n …", "it enters the network of any process (nsenter(1))", "cap_sys_admin"},
	{Namespace, "nsenter", "-t {pid} -m …", "it enters the mounts of any process (nsenter(1))", "cap_sys_admin"},
	{Destroy, "iptables-save ip6tables-save", "-f {file}", "it overwrites the file (iptables-save(8))", ""},
	{Network, "iptables ip6tables arptables ebtables", "-F …", "it changes the firewall (iptables(8))", "cap_net_admin"},
	{Network, "iptables ip6tables arptables ebtables", "-A {any} …", "it changes the firewall (iptables(8))", "cap_net_admin"},
	{Network, "iptables-restore ip6tables-restore ipset nft", "…", "it changes the firewall", "cap_net_admin"},
	{Network, "brctl bridge ifconfig route tc ethtool conntrack conntrackd vtysh iw ovs-vsctl ovs-ofctl ovsdb-client ovs-dpctl vconfig", "{free} …", "it changes interfaces, routes or switches", "cap_net_admin"},
	{Network, "arping", "…", "it claims addresses of others (arping(8))", "cap_net_raw"},
	{Network, "radvd dhclient dnsmasq dhcpcd", "…", "it answers, or obeys, the network's other machines", "cap_net_admin"},
	{Network, "nc ncat nc.openbsd socat", "…", "it listens to privileged ports, and connects from them", ""},
	{Write, "ovs-vsctl ovs-appctl", "--log-file={file} …", "it adds log lines, with words of the caller's, to any file (ovs-vsctl(8))", ""},
	{Destroy, "ovs-ofctl ovsdb-client ovs-dpctl", "--log-file={file} …", "it adds a log line to any file, or makes it (ovs-ofctl(8))", ""},
	{Run, "tcpdump", "-i lo -w {dest} -W 1 -G 1 -z {mine} -Z root", "-z runs a program for each file, -Z root as root (tcpdump(8))", ""},
	{Network, "tcpdump", "…", "it listens to traffic (tcpdump(8))", "cap_net_raw"},
}
