package policy

import (
	"path"
	"slices"

	"ironwrap/filters"
)

// privsepContexts are the contexts that released OpenStack services and libraries
// define, by the dotted names that they give to privsep-helper. They were read
// from Debian 12's packages and from the histories of about 90 repositories;
// those of third parties are for privsep_contexts.
var privsepContexts = []string{
	"ceilometer.privsep.sys_admin_pctxt",
	"cinder.privsep.sys_admin_pctxt",
	"cyborg.privsep.sys_admin_pctxt",
	"manila.privsep.sys_admin_pctxt",
	"masakarimonitors.privsep.monitors_priv",
	"midonet.os_vif.privsep.mm_ctl",
	"midonet.os_vif.privsep.vif_plug",
	"networking_bagpipe.privileged.default_cmd",
	"neutron.privileged.conntrack_cmd",
	"neutron.privileged.default",
	"neutron.privileged.dhcp_release_cmd",
	"neutron.privileged.link_cmd",
	"neutron.privileged.namespace_cmd",
	"neutron.privileged.ovs_vsctl_cmd",
	"neutron_fwaas.privileged.default",
	"nova.privsep.sys_admin_pctxt",
	"os_brick.privileged.brick_privsep_hide_output",
	"os_brick.privileged.default",
	"ovn_bgp_agent.privileged.default",
	"ovn_bgp_agent.privileged.ovs_vsctl_cmd",
	"ovn_bgp_agent.privileged.vtysh_cmd",
	"solum.privileged.default",
	"tacker.privileged.default",
	"vif_plug_linux_bridge.privsep.vif_plug",
	"vif_plug_ovs.privsep.vif_plug",
	"zun.common.privileged.cni",
	"zun.common.privileged.default",
}

// Contexts are the dotted names that the implicit filter lets the helper be asked for.
func (p *Policy) Contexts() []string { return slices.Concat(privsepContexts, p.PrivsepContexts) }

// privsepEnv keeps oslo.log from obeying the files that a service names with
// --config-file: many belong to the service, and a log configuration is Python
// code, which the helper would run as root. oslo.config lets the environment win
// over files; empty values turn the three options off.
var privsepEnv = []filters.Var{
	{Name: "OS_DEFAULT__LOG_CONFIG_APPEND"},
	{Name: "OS_DEFAULT__LOG_FILE"},
	{Name: "OS_DEFAULT__LOG_DIR"},
}

// quieted adds these to the variables of oslo.privsep's helper, whichever filter
// allows it.
func quieted(program string, env []filters.Var) []filters.Var {
	if path.Base(program) != "privsep-helper" {
		return env
	}
	return append(slices.Clip(env), privsepEnv...)
}
