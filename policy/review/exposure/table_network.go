package exposure

// networkTools change what the machine's network does.
var networkTools = []way{
	{Run, "ip", "netns exec {ns} {mine} …", "the command is run in a namespace; an IpFilter allows ip without it (ip-netns(8))", "cap_sys_admin"},
	{Run, "ip", "vrf exec default {mine} …", "the command is run; an IpFilter allows ip without it (ip-vrf(8))", ""},
	{Run, "ip", "-batch {mine}", "the file has more commands, netns exec for one (ip(8))", ""},
	{Network, "ip", "link set {any} down", "it changes interfaces (ip-link(8))", "cap_net_admin"},
	{Network, "ip", "address add {any} dev {any}", "it changes addresses (ip-address(8))", "cap_net_admin"},
	{Network, "ip", "route add {any} via {any}", "it changes routes (ip-route(8))", "cap_net_admin"},
	{Namespace, "ip", "-n {ns} link", "it works in any network namespace (ip(8))", "cap_sys_admin"},
	{Namespace, "ip", "netns add {ns}", "it makes network namespaces (ip-netns(8))", "cap_sys_admin"},
	{Run, "iptables-legacy ip6tables-legacy", "--modprobe={mine} !-V !-h …", "--modprobe names the program that loads modules (iptables(8))", ""},
	{Network, "iptables ip6tables iptables-legacy ip6tables-legacy arptables ebtables", "-F …", "it changes the firewall (iptables(8))", "cap_net_admin"},
	{Network, "iptables ip6tables iptables-legacy ip6tables-legacy arptables ebtables", "-A {any} …", "it changes the firewall (iptables(8))", "cap_net_admin"},
}
