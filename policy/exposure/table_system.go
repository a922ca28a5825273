package exposure

import "slices"

// systemTools are programs for disks, mounts, the kernel, accounts and processes.
var systemTools = []way{
	{Device, "dd", "if={mine} of={disk} …", "it overwrites the disk (dd(1))", ""},
	{Device, "dd", "of={disk} …", "it overwrites the disk (dd(1))", ""},
	{Device, "debugfs", "-w {disk}", "it changes a file system from below (debugfs(8))", ""},
	{Destroy, "dmsetup", "{free} …", "it removes or replaces mappings that are in use (dmsetup(8))", "cap_sys_admin"},
	{Arguments, "losetup", "{any} {file}", "it makes a disk of any file (losetup(8))", ""},
	{Arguments, "qemu-nbd", "-c {any} {file}", "it makes a disk of any file (qemu-nbd(8))", ""},
	{Device, "qemu-nbd", "-t {disk}", "it serves any disk to the network (qemu-nbd(8))", ""},
	{Device, "cinder-rtstool", "create {file} {any} {any} {any} …", "it serves any disk or file to the network, by iSCSI", ""},
	{Device, "mknod", "-m 666 {name} b {num} {num}", "it makes a device file that anybody may open (mknod(1))", "cap_mknod"},
	{Destroy, "mkfs mke2fs mkswap", "… {disk}", "it overwrites the disk (mkfs(8))", ""},
	{Destroy, "wipefs", "-a {disk}", "it erases a file system's signatures (wipefs(8))", ""},
	{Destroy, "sgdisk sfdisk fdisk parted", "… {disk}", "it changes the partitions", ""},
	{Destroy, "fsck e2fsck resize2fs tune2fs", "… {disk}", "it changes a file system from below", ""},
	{Destroy, "cryptsetup", "luksFormat {disk}", "it overwrites a disk (cryptsetup(8))", ""},
	{Destroy, "cryptsetup", "erase {disk}", "it destroys all keys of a disk (cryptsetup(8))", ""},
	{Destroy, "lvremove lvreduce vgremove pvremove", "… {free}", "it removes volumes (lvremove(8))", ""},
	{Destroy, "lvchange lvconvert lvrename lvcreate lvextend", "… {free}", "it changes, renames or fills volumes", ""},
	{Write, "lvs vgs pvs lvcreate lvextend lvremove lvchange lvconvert lvrename lvdisplay vgremove pvremove lvreduce", "--config {lvmlog} …", "--config sets log/file, a file that it then writes (lvm(8))", ""},
	{Destroy, "zfs zpool", "destroy {any}", "it removes a file system (zfs(8))", ""},
	{Mount, "zfs", "set mountpoint={dir} {any}", "a file system is mounted anywhere (zfsprops(7))", ""},
	{Mount, "mount", "--bind {mine} {dir}", "what is the caller's takes the place of any directory or file (mount(8))", "cap_sys_admin"},
	{Mount, "mount", "-o bind {mine} {dir}", "what is the caller's takes the place of any directory or file (mount(8))", "cap_sys_admin"},
	{Mount, "mount", "-t {any} {any} {dir}", "a file system of the caller's takes the place of any directory (mount(8))", "cap_sys_admin"},
	{Mount, "mount pstorage-mount", "{any} {dir}", "a file system of the caller's takes the place of any directory (mount(8))", "cap_sys_admin"},
	{Services, "umount", "… {dir}", "a file system is taken away from those who use it (umount(8))", "cap_sys_admin"},
	{Services, "umount.quobyte", "{any} …", "a file system is taken away from those who use it", "cap_sys_admin"},
	{Write, "exportfs", "-o {exportopt} {export}", "a directory is exported to the caller's machine, with root's rights there: no_root_squash (exportfs(8))", ""},
	{Kernel, "sysctl", "-w {sysctl}", "kernel.core_pattern and kernel.modprobe name programs that the kernel runs as root (core(5))", ""},
	{Kernel, "sysctl", "{sysctl}", "kernel.core_pattern and kernel.modprobe name programs that the kernel runs as root (core(5))", ""},
	{Kernel, "sysctl", "-p {mine}", "kernel.core_pattern and kernel.modprobe name programs that the kernel runs as root (core(5))", ""},
	{Kernel, "insmod", "{mine} …", "it loads a module (insmod(8))", "cap_sys_module"},
	{Kernel, "modprobe", "-C {mine} {any}", "install lines of the configuration are commands (modprobe.d(5))", ""},
	{Kernel, "modprobe", "-d {mine} {any}", "it loads a module of the caller's (modprobe(8))", "cap_sys_module"},
	{Services, "modprobe", "{any}", "it loads a module that is installed (modprobe(8))", "cap_sys_module"},
	{Services, "rmmod", "{any}", "it takes a module away (rmmod(8))", "cap_sys_module"},
	{Kernel, "kexec", "-l {mine} …", "it starts another kernel (kexec(8))", "cap_sys_boot"},
	{Kernel, "bpftool", "prog load {mine} {any}", "it loads a BPF program (bpftool-prog(8))", "cap_sys_admin"},
	{Users, "useradd usermod groupmod userdel groupadd groupdel adduser gpasswd passwd chpasswd vipw newusers chage", "…", "it changes accounts", ""},
	{Signal, "kill", "{pid}", "it signals any process (kill(1))", "cap_kill"},
	{Signal, "kill", "{signal} {pid}", "it signals any process (kill(1))", "cap_kill"},
	{Signal, "pkill killall skill", "… {any}", "it signals any process (pkill(1))", "cap_kill"},
	{Signal, "fuser", "-k {file}", "it kills the processes that use a file (fuser(1))", "cap_kill"},
	{Signal, "renice", "… {pid}", "it slows any process down (renice(1))", "cap_sys_nice"},
}

// serviceTools are programs that talk to services, or are services themselves whose
// configuration is an argument.
var serviceTools = []way{
	{Run, "systemctl", "link {mine}", "a unit of the caller's is installed, and can then be started (systemctl(1))", ""},
	{Run, "systemctl", "edit {any}", "an editor is started (systemctl(1))", ""},
	{Run, "systemctl", "set-environment {ldpreload}", "every service started from then on loads a library of the caller's (systemctl(1))", ""},
	{Run, "journalctl", "…", "on a terminal it starts a pager, and ! there a shell (journalctl(1))", ""},
	{Services, "systemctl", "stop {unit}", "it stops a service (systemctl(1))", ""},
	{Services, "systemctl", "start {unit}", "it starts a service (systemctl(1))", ""},
	{Services, "systemctl", "restart {unit}", "it restarts a service (systemctl(1))", ""},
	{Services, "service invoke-rc.d", "{unit} {any}", "it starts and stops a service (service(8))", ""},
	{Services, "reboot shutdown poweroff halt init telinit", "…", "it stops the machine", ""},
	{Services, "dbus-send", "… --dest={bus} …", "it calls a system service, systemd for one (dbus-send(1))", ""},
	{Services, "gdbus busctl", "call {free} …", "it calls a system service, systemd for one", ""},
	{Services, "rndc knotc rabbitmqctl gluster smbcontrol multipathd ipsec strongswan ovs-appctl lldpcli pcs crm", "{free} …", "it steers a running service", ""},
	{Services, "iscsiadm", "{free} …", "it attaches disks of any server (iscsiadm(8))", ""},
	{Services, "net", "conf import {mine}", "it changes Samba's configuration (net(8))", ""},
	{Code, "haproxy", "-f {mine}", "lua-load in the configuration runs Lua before privileges are dropped, which has os.execute (HAProxy's manual)", ""},
	{Code, "keepalived", "-f {mine} …", "vrrp_script and notify in the configuration are commands (keepalived.conf(5))", ""},
	{Code, "dnsmasq", "--dhcp-script={mine} …", "the script is run as root, when a lease changes (dnsmasq(8))", ""},
	{Code, "dnsmasq", "--conf-file={mine} …", "dhcp-script in the configuration is run as root (dnsmasq(8))", ""},
	{Write, "dnsmasq", "--log-facility={file} …", "it adds log lines, with words of the caller's, to any file (dnsmasq(8))", ""},
	{Code, "smbd", "-s {mine} …", "root preexec in the configuration is a command (smb.conf(5))", ""},
	{Code, "openvpn", "--config {mine} …", "up in the configuration is a command (openvpn(8))", ""},
	{Code, "dhclient", "-sf {mine} …", "the script is run as root (dhclient(8))", ""},
	{Code, "pppd", "file {mine}", "the options name programs that are run (pppd(8))", ""},
	{Code, "neutron-keepalived-state-change neutron-ns-metadata-proxy neutron-linuxbridge-agent neutron-l3-agent neutron-dhcp-agent privsep-helper l3_agent.py dhcp_agent.py ovs_agent.py nova-manage cinder-manage",
		"… --log-config-append {mine} …", "a log configuration is Python code: oslo.log gives it to logging.config.fileConfig", ""},
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

// variable is a row about the environment: what a variable of the caller's choice
// does to some programs.
type variable struct {
	power    string
	name     string
	programs string // base names, "*" for all
	how      string
}

var variables = []variable{
	{Code, "LD_PRELOAD", "*", "the library is loaded into the program (ld.so(8))"},
	{Code, "LD_AUDIT", "*", "the library is loaded into the program (ld.so(8))"},
	{Code, "LD_LIBRARY_PATH", "*", "libraries are looked for there first (ld.so(8))"},
	{Code, "PYTHONPATH", "python python3", "modules are looked for there first (python3(1))"},
	{Code, "PERL5LIB", "perl", "modules are looked for there first (perlrun(1))"},
	{Code, "PERL5OPT", "perl", "options, -M for one, load a module (perlrun(1))"},
	{Code, "BASH_ENV", "bash", "a script reads the file first (bash(1))"},
	{Code, "RUBYOPT", "ruby", "options, -r for one, load a file (ruby(1))"},
	{Code, "NODE_OPTIONS", "node", "--require loads a file (node(1))"},
	{Code, "JAVA_TOOL_OPTIONS", "java", "-javaagent loads code"},
	{Code, "OPENSSL_CONF", "openssl curl", "the configuration names libraries to load (config(5ssl))"},
	{Code, "IP_LIB_DIR", "ip", "ip link loads libraries from there (iproute2)"},
	{Code, "TC_LIB_DIR", "tc", "tc loads libraries from there (iproute2)"},
	{Run, "PATH", "sh bash dash env xargs find make python python3 perl fsck", "programs that it starts by name are the caller's (environ(7))"},
	{Run, "PAGER", "man git systemctl journalctl less", "the pager is run"},
	{Run, "EDITOR", "crontab vipw systemctl git", "the editor is run"},
	{Run, "VISUAL", "crontab vipw systemctl git", "the editor is run"},
	{Write, "LVM_SYSTEM_DIR", "lvs vgs pvs lvcreate lvextend lvremove lvchange lvconvert lvrename lvdisplay lvreduce vgremove pvremove", "lvm.conf there sets log/file, a file that it then writes with words of the caller's (lvm(8))"},
}

// loads tells whether a variable makes some program load or run a file.
func loads(name string) bool {
	return slices.ContainsFunc(variables, func(v variable) bool { return v.name == name })
}
