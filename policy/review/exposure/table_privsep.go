package exposure

import (
	"slices"
	"strings"
	"sync"

	"ironwrap/filters"
	"ironwrap/policy/review/language"
	"ironwrap/policy/review/programs"
)

// privsepContext is what oslo.privsep's helper does for its caller in one context. The
// helper runs as root and calls the functions of the context that the caller names over
// the socket, with arguments of theirs.
//
// The capabilities that a context declares hold for its Python code alone. The helper
// keeps user id 0 and its bounding set, so a program that a function runs as root has all
// capabilities again (capabilities(7), oslo_privsep.daemon).
type privsepContext struct {
	name   string
	caps   string // declared
	powers []string
	how    string
	read   string // what was read, and its version
}

// contexts are those that released services and libraries define. Where the service is not
// installed a context does nothing.
var contexts = []privsepContext{
	{"ceilometer.privsep.sys_admin_pctxt", "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_net_admin cap_sys_admin", []string{Run},
		"ceilometer.privsep.ipmitool.ipmi runs any command", "openstack/ceilometer d8ae0e96bbb6 and bd0d5a8a27b2"},
	{"cinder.privsep.sys_admin_pctxt", "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_net_admin cap_sys_admin", []string{Write, Read, Destroy, Device, Services},
		"cinder.privsep.path reads and removes any file, and puts a link to the caller's anywhere; targets.tgt and nvmcli serve any disk; nvmcli.save overwrites any file; fs unmounts", "Debian 12's cinder 2:21.3.1-1~deb12u1"},
	{"cyborg.privsep.sys_admin_pctxt", "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_sys_admin", []string{Device, Destroy},
		"drivers run fpgaconf, xbmgmt and vcgencmd with any words, which load FPGA images; create_mdev_privileged writes a text to a file named create below any directory", "openstack/cyborg 26dec650a90f, drivers as indexed"},
	{"manila.privsep.sys_admin_pctxt", "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_net_admin cap_sys_admin", []string{Write, Read, Owner, Mount, Device, Destroy},
		"manila.privsep.os copies any file or disk onto any with dd, changes any mode, mounts and unmounts; filesystem makes and checks file systems", "openstack/manila 7489a8e6876d and a391d35c4508"},
	{"masakarimonitors.privsep.monitors_priv", "", []string{Run},
		"masakarimonitors.utils.privsep_execute runs any command", "openstack/masakari-monitors, privsep.py of 07bd41f0b434"},
	{"midonet.os_vif.privsep.mm_ctl", "cap_net_admin", []string{Network},
		"mm-ctl binds and unbinds ports, with words of the caller's", "openstack/networking-midonet d08c7c4a31c9"},
	{"midonet.os_vif.privsep.vif_plug", "cap_net_admin", []string{Network},
		"it makes and removes interfaces", "openstack/networking-midonet d08c7c4a31c9; the functions by their callers"},
	{"networking_bagpipe.privileged.default_cmd", "cap_sys_admin cap_net_admin", []string{Kernel, Network, Services},
		"sysctl writes any setting, kernel.core_pattern for one; modprobe loads any module that is installed; brctl and bridge take any words", "openstack/networking-bagpipe 1e571c14ea6a"},
	{"neutron.privileged.conntrack_cmd", "cap_net_admin", []string{Network},
		"it lists and removes connections from the kernel's table", "Debian 12's neutron 2:21.0.0-7+deb12u1"},
	{"neutron.privileged.default", "cap_sys_admin cap_net_admin cap_dac_override cap_dac_read_search cap_sys_ptrace", []string{Run},
		"neutron.privileged.agent.linux.utils.execute_process runs any command", "Debian 12's neutron 2:21.0.0-7+deb12u1"},
	{"neutron.privileged.dhcp_release_cmd", "cap_sys_admin cap_net_admin", []string{Network, Namespace},
		"it sends releases of addresses, in any network namespace", "Debian 12's neutron 2:21.0.0-7+deb12u1"},
	{"neutron.privileged.link_cmd", "cap_net_admin cap_sys_admin", []string{Network, Namespace},
		"it changes interfaces, in any network namespace", "Debian 12's neutron 2:21.0.0-7+deb12u1"},
	{"neutron.privileged.namespace_cmd", "cap_sys_admin", []string{Destroy, Namespace},
		"it makes and removes network namespaces; pyroute2 takes a name with a slash for a path, which remove_netns unmounts and unlinks", "Debian 12's neutron 2:21.0.0-7+deb12u1; pyroute2 by its documentation"},
	{"neutron.privileged.ovs_vsctl_cmd", "cap_sys_admin cap_net_admin", []string{Network},
		"enable_connection_uri lets others steer the switches over the network", "Debian 12's neutron 2:21.0.0-7+deb12u1"},
	{"neutron_fwaas.privileged.default", "cap_sys_admin cap_net_admin", []string{Network, Namespace},
		"it removes connections and logs packets, in any network namespace", "openstack/neutron-fwaas b2c2909e3e07; netlink_lib in part"},
	{"nova.privsep.sys_admin_pctxt", "cap_chown cap_dac_override cap_dac_read_search cap_fowner cap_net_admin cap_sys_admin", []string{Write, Read, Owner, Destroy, Mount, Device, Network},
		"nova.privsep.path.writefile writes any file, last_bytes reads, chown and chmod change any; fs mounts anything anywhere, and makes devices of any file", "Debian 12's nova 2:26.2.2-1~deb12u5"},
	{"os_brick.privileged.brick_privsep_hide_output", "cap_sys_admin", []string{Run},
		"as the default context", "not in Debian 12's os-brick 6.1.0-3; taken for what its default is"},
	{"os_brick.privileged.default", "cap_sys_admin", []string{Run},
		"os_brick.privileged.rootwrap.execute_root runs any command", "Debian 12's os-brick 6.1.0-3; with cap_dac_read_search in a virtual environment"},
	{"ovn_bgp_agent.privileged.default", "cap_dac_override cap_dac_read_search cap_net_admin cap_sys_admin", []string{Kernel, Network},
		"ovn_bgp_agent.privileged.linux_net writes any kernel setting, kernel.core_pattern for one, and changes interfaces and routes", "openstack/ovn-bgp-agent e37b16bb9c44, in part"},
	{"ovn_bgp_agent.privileged.ovs_vsctl_cmd", "cap_sys_admin cap_net_admin", []string{Run},
		"ovn_bgp_agent.privileged.ovs_vsctl.ovs_cmd runs any command", "openstack/ovn-bgp-agent 05e3d1bff4a0"},
	{"ovn_bgp_agent.privileged.vtysh_cmd", "cap_sys_admin cap_net_admin", []string{Network, Read},
		"run_vtysh_config and run_vtysh_command give the routing services any command; copy FILE running-config complains of any file, and prints lines of it", "openstack/ovn-bgp-agent 05e3d1bff4a0"},
	{"solum.privileged.default", "cap_sys_admin", []string{Run},
		"solum.privileged.rootwrap.execute runs any command", "openstack/solum by its callers; the module itself was not read"},
	{"tacker.privileged.default", "cap_sys_admin cap_net_admin cap_dac_override cap_dac_read_search cap_sys_ptrace", nil,
		"pwd and ls without words, for tests", "openstack/tacker 3d6d849faa27"},
	{"vif_plug_linux_bridge.privsep.vif_plug", "cap_net_admin", []string{Network},
		"it makes bridges, moves addresses and routes, and gives iptables-restore any input", "Debian 12's os-vif 3.0.0-2"},
	{"vif_plug_ovs.privsep.vif_plug", "cap_net_admin", []string{Run},
		"vif_plug_ovs.ovsdb.impl_vsctl._run_vsctl runs the list that it is given, whose first word is the program: any command", "Debian 12's os-vif 3.0.0-2"},
	{"zun.common.privileged.cni", "cap_sys_admin cap_net_admin", []string{Network, Namespace},
		"it connects interfaces to bridges, in any network namespace", "openstack/zun, cni/binding as indexed; its declared capabilities were not read"},
	{"zun.common.privileged.default", "cap_sys_admin", []string{Run},
		"zun.common.utils.execute_root runs any command", "openstack/zun 29c8ec00ddbb; the function by its callers"},
}

// ways are the rows of a context. The helper ends at once where it cannot have what the
// context declares.
func (c privsepContext) ways() (rows []way) {
	for _, p := range c.powers {
		w := way{power: p, form: c.form(), how: "where it is installed, " + c.how}
		for power, capability := range map[string]string{Network: "cap_net_admin", Namespace: "cap_sys_admin", Mount: "cap_sys_admin"} {
			if p == power && strings.Contains(c.caps, capability) {
				w.caps = capability
			}
		}
		rows = append(rows, w)
	}
	return rows
}

func (c privsepContext) form() string { return helperForm(c.name) }

func helperForm(context string) string {
	return "… --privsep_context " + context + " --privsep_sock_path {mine}"
}

// helper is what a filter gives away that runs oslo.privsep's helper: what the contexts
// do that it accepts.
func (b *board) helper(s *subject) {
	if baseName(s.exec) != "privsep-helper" {
		return
	}
	for _, c := range contexts {
		argv, l, ok := s.fits(way{power: Arguments, form: c.form()})
		if !ok {
			continue
		}
		for _, w := range c.ways() {
			b.give(w, argv, l, why[l])
		}
		if c.powers == nil {
			idle := b.cell(little, need{power: Arguments}, toAll, "")
			idle.How, idle.Example = "where it is installed, "+c.how, argv
			b.put(idle)
		}
	}
	if argv, ok := s.stranger(); ok {
		c := b.cell(0, need{power: Arguments}, toAll, "")
		c.Score, c.Extent, c.Limits = NotAssessed, Whole, []string{}
		c.How, c.Example = "nobody has looked at what the context lets its callers do", argv
		b.put(c)
	}
}

// stranger is a command that the filter allows with a context that is not in the table.
func (s *subject) stranger() ([]filters.Untrusted, bool) {
	for _, name := range s.shape.Contexts {
		if !slices.ContainsFunc(contexts, func(c privsepContext) bool { return c.name == name }) {
			argv, _, ok := s.fits(way{power: Arguments, form: helperForm(name)})
			return argv, ok
		}
	}
	if s.entry.File == "" {
		return nil, false
	}
	// Names have dots, which few patterns mark as such.
	dotted := *s
	dotted.slots = nil
	for _, a := range s.shape.Args {
		dotted.slots = append(dotted.slots, newSlot(marked(a), s.shape.Path))
	}
	argv, _, ok := dotted.fits(way{power: Arguments, form: helperForm("{context}")})
	return argv, ok
}

// marked is a pattern whose dots are no wildcards, but those that are repeated.
func marked(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			b.WriteString(pattern[i : i+2])
			i++
		case c == '.' && (i+1 == len(pattern) || !strings.ContainsRune("*+?{", rune(pattern[i+1]))):
			b.WriteString(`\.`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// strange are the names that a context could have that is not in the table.
var strange = sync.OnceValue(func() programs.Value {
	word := paths(`[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+`)
	for _, c := range contexts {
		word = word.Minus(language.Text(c.name))
	}
	return programs.Value{Word: word, Like: []string{"a.b"}}
})
