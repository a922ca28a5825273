package exposure

// serviceTools are programs that talk to services, or are services themselves whose
// configuration is an argument.
var serviceTools = []way{
	{Services, "invoke-rc.d", "{unit} {any}", "it starts and stops a service (service(8))", ""},
	{Services, "halt init", "…", "it stops the machine", ""},
	{Services, "gdbus busctl", "call {free} …", "it calls a system service, systemd for one", ""},
	{Code, "haproxy", "-f {mine}", "lua-load in the configuration runs Lua before privileges are dropped, which has os.execute (HAProxy's manual)", ""},
	{Code, "keepalived", "-f {mine} …", "vrrp_script and notify in the configuration are commands (keepalived.conf(5))", ""},
	{Code, "dnsmasq", "--dhcp-script={mine} …", "the script is run as root, when a lease changes (dnsmasq(8))", ""},
	{Code, "dnsmasq", "--conf-file={mine} …", "dhcp-script in the configuration is run as root (dnsmasq(8))", ""},
	{Code, "dnsmasq", "--conf-script={mine} …", "the script is run as root, and makes the configuration (dnsmasq(8))", ""},
	{Write, "dnsmasq", "--log-facility={file} …", "it adds log lines, with words of the caller's, to any file (dnsmasq(8))", ""},
	{Code, "dhclient", "-sf {mine} …", "the script is run as root (dhclient(8))", ""},
	{Code, "l3_agent.py dhcp_agent.py cinder-manage privsep-helper", "… --log-config-append {mine} …", "a log configuration is Python code: oslo.log gives it to logging.config.fileConfig", ""},
}

// helperContexts are what oslo.privsep's helper lets its caller do, by context: it
// runs as root and calls what the caller asks for over the socket. Read from the
// packages of Debian 12.
var helperContexts = []way{
	{Run, "privsep-helper", "… --privsep_context os_brick.privileged.default --privsep_sock_path {mine}", "where it is installed, os_brick.privileged.rootwrap.execute_root runs any command", ""},
	{Run, "privsep-helper", "… --privsep_context neutron.privileged.default --privsep_sock_path {mine}", "where it is installed, neutron.privileged.agent.linux.utils.execute_process runs any command", ""},
	{Write, "privsep-helper", "… --privsep_context nova.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, nova.privsep.path.writefile writes any file", ""},
	{Owner, "privsep-helper", "… --privsep_context nova.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, nova.privsep.path.chown and chmod change any file", ""},
	{Read, "privsep-helper", "… --privsep_context cinder.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, cinder.privsep.path.readfile reads any file", ""},
	{Destroy, "privsep-helper", "… --privsep_context cinder.privsep.sys_admin_pctxt --privsep_sock_path {mine}", "where it is installed, cinder.privsep.path.removefile removes any file", ""},
}
