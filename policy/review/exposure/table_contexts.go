package exposure

// helperContexts are what oslo.privsep's helper lets its caller do, by context: it runs as
// root and calls what the caller asks for over the socket. Read from the packages of
// Debian 12.
var helperContexts = []way{
	{Run, "privsep-helper", "… --privsep_context os_brick.privileged.default --privsep_sock_path {mine}", "where it is installed, os_brick.privileged.rootwrap.execute_root runs any command", ""},
	{Run, "privsep-helper", "… --privsep_context neutron.privileged.default --privsep_sock_path {mine}", "where it is installed, neutron.privileged.agent.linux.utils.execute_process runs any command", ""},
	{Write, "privsep-helper", "… --privsep_context nova.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, nova.privsep.path.writefile writes any file", ""},
	{Owner, "privsep-helper", "… --privsep_context nova.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, nova.privsep.path.chown and chmod change any file", ""},
	{Read, "privsep-helper", "… --privsep_context cinder.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, cinder.privsep.path.readfile reads any file", ""},
	{Destroy, "privsep-helper", "… --privsep_context cinder.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, cinder.privsep.path.removefile removes any file", ""},
}
