"""calls.py SERVICE PROGRAM

Is a service's unprivileged process. It starts the service's contexts of oslo.privsep
through "sudo PROGRAM /etc/SERVICE/rootwrap.conf privsep-helper ...", makes the calls of
the table, and prints one JSON object a line: what each call returned or raised, and
what the kernel says of each helper.
"""

import importlib
import json
import os
import re
import signal
import sys

from oslo_config import cfg
from oslo_privsep import priv_context

IP = "neutron.privileged.agent.linux.ip_lib."
TC = "neutron.privileged.agent.linux.tc_lib."
RUN = "neutron.privileged.agent.linux.utils.execute_process"
MAC = "fa:16:3e:00:00:01"
CAPS = "/bin/grep -E ^(CapBnd|CapEff|NoNewPrivs): /proc/self/status".split()
RULES = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n"


def run(text, stdin=None):
    return RUN, text.split(" "), stdin and stdin.encode(), None


def brick(text):
    return ("os_brick.privileged.rootwrap.execute_root", *text.split(" "))


# A call each: the function and its arguments, the last of which is keywords where it is a
# dictionary. In order: a row finds what those before it left. A name that ends in a colon
# and a key has a list of the kernel's objects for a result, of which that key is compared.
NEUTRON = [
    (IP + "create_netns", "a"),
    (IP + "create_netns", "a"),
    (IP + "create_netns", "b"),
    (IP + "list_netns",),
    (IP + "open_namespace", "a"),
    (IP + "open_namespace", "none"),
    (IP + "list_ns_pids", "a"),
    (IP + "create_interface", "v0", "a", "veth", {"peer": {"ifname": "v1"}}),
    (IP + "create_interface", "v0", "a", "dummy"),
    (IP + "create_interface", "br0", "a", "bridge"),
    (IP + "create_interface", "d0", None, "veth", {"peer": {"ifname": "d1"}}),
    (IP + "create_interface", "no", "none", "dummy"),
    (IP + "interface_exists", "v0", "a"),
    (IP + "interface_exists", "v9", "a"),
    (IP + "set_link_attribute", "v0", "a", {"address": MAC}),
    (IP + "set_link_attribute", "v0", "a", {"mtu": 1400}),
    (IP + "set_link_attribute", "v0", "a", {"state": "up"}),
    (IP + "set_link_attribute", "v1", "a", {"state": "up"}),
    (IP + "set_link_attribute", "lo", "a", {"state": "up"}),
    (IP + "set_link_attribute", "v9", "a", {"state": "up"}),
    (IP + "set_link_attribute", "d0", None, {"net_ns_fd": "b"}),
    (IP + "set_link_bridge_master", "v1", "br0", "a"),
    (IP + "set_link_bridge_stp", "br0", 1, "a"),
    (IP + "set_link_bridge_forward_delay", "br0", 400, "a"),
    (IP + "get_link_attributes:mtu", "v0", "a"),
    (IP + "get_link_devices:event", "a"),
    (IP + "privileged_get_link_id", "v0", "a"),
    (IP + "add_ip_address", 4, "10.0.0.1", 24, "v0", "a", "global"),
    (IP + "add_ip_address", 4, "10.0.0.1", 24, "v0", "a", "global"),
    (IP + "add_ip_address", 6, "fd00::1", 64, "v0", "a", "global"),
    (IP + "get_ip_addresses:prefixlen", "a"),
    (IP + "add_ip_route", "a", "10.1.0.0/16", 4, "v0", "10.0.0.2"),
    (IP + "add_ip_route", "a", "10.1.0.0/16", 4, "v9", "10.0.0.2"),
    (IP + "list_ip_routes:dst_len", "a", 4, "v0"),
    (IP + "delete_ip_route", "a", "10.1.0.0/16", 4, "v0", "10.0.0.2"),
    (IP + "add_ip_rule", "a", {"table": 16, "src": "10.9.0.0", "src_len": 24, "priority": 100}),
    (IP + "list_ip_rules:table", "a", 4),
    (IP + "delete_ip_rule", "a", {"table": 16, "src": "10.9.0.0", "src_len": 24, "priority": 100}),
    (IP + "add_neigh_entry", 4, "10.0.0.3", MAC, "v0", "a", "permanent"),
    (IP + "dump_neigh_entries", 4, "v0", "a"),
    (IP + "delete_neigh_entry", 4, "10.0.0.3", MAC, "v0", "a"),
    (IP + "add_bridge_fdb", "fa:16:3e:00:00:09", "v1", None, "a"),
    (IP + "delete_bridge_fdb", "fa:16:3e:00:00:09", "v1", None, "a"),
    (IP + "list_bridge_fdb:state", "a"),
    (TC + "add_tc_qdisc", "v0", "a", {"kind": "htb", "handle": "1:"}),
    (TC + "list_tc_qdiscs:parent", "v0", "a"),
    (TC + "add_tc_policy_class", "v0", "1:", "1:10", "htb", "a", {"rate": 1000000}),
    (TC + "delete_tc_qdisc", "v0", None, None, "a"),
    (TC + "list_tc_qdiscs", "v9", "a"),
    ("neutron.privileged.agent.linux.ethtool.offload", "v0", False, False, "a"),
    ("neutron.privileged.agent.linux.ethtool.offload", "v9", False, False, "a"),
    ("neutron.privileged.agent.linux.netlink_lib.list_entries", 1),
    ("neutron.privileged.agent.linux.netlink_lib.delete_entries", [[4, "icmp", 8, 0, 1, "1.1.1.1", "2.2.2.2", 1]]),
    ("neutron.privileged.agent.linux.dhcp.dhcp_release", "v0", "10.0.0.9", MAC, None, "a"),
    ("neutron.privileged.agent.linux.dhcp.dhcp_release6_supported",),
    ("neutron.privileged.agent.ovsdb.native.helpers.enable_connection_uri", "tcp:127.0.0.1:6640"),
    ("neutron.privileged.agent.linux.utils.path_exists", "/root/secret"),
    ("neutron.privileged.agent.linux.utils.path_exists", "/root/none"),
    ("neutron.privileged.agent.linux.utils.delete_if_exists", "/srv/root/junk"),
    ("neutron.privileged.agent.linux.utils.delete_if_exists", "/srv/root/junk"),
    ("neutron.privileged.agent.linux.utils.find_listen_pids_namespace", "a"),
    run("ip netns exec a ip -o -4 address show v0"),
    run("ip netns exec none true"),
    run("ip netns exec a sysctl -w net.ipv4.ip_forward=1"),
    run("ip netns exec a sysctl -w net.none=1"),
    run("ip netns exec a iptables-restore -n", RULES),
    run("ip netns exec a iptables-save -t filter"),
    run("ip netns exec a iptables-restore -n", "nonsense\n"),
    run("ip netns exec a ip6tables-save -t raw"),
    run("ip netns exec a ipset create s hash:ip"),
    run("ip netns exec a ipset add s 10.0.0.7"),
    run("ip netns exec a ipset list -n"),
    run("ip netns exec a conntrack -D -f ipv4 -d 10.0.0.77"),
    run("ip netns exec a ping -c 1 -W 1 10.0.0.1"),
    run("ip netns exec a ping -c 1 -W 1 10.0.0.200"),
    run("ip netns exec a arping -c 1 -w 1 -U -I v0 10.0.0.1"),
    run("kill -HUP 1"),
    run("kill -9 99999"),
    run("kill -HUP {victim}"),
    run("chown neutron /srv/root/file"),
    run("chmod 640 /srv/root/file"),
    run("touch -d @0 /srv/root/file"),
    run("mknod /srv/root/null c 1 3"),
    run("nice -n -5 true"),
    run("chroot / true"),
    run("cat /root/secret"),
    run("cat /root/none"),
    run("mount -t tmpfs tmpfs /srv/root/dir"),
    run("umount /srv/root/dir"),
    run("mkdir /srv/root/new"),
    run("ps --no-headers -o uid -p 1"),
    run("dnsmasq --test --conf-file=/srv/root/file"),
    run("keepalived -t -f /srv/root/file"),
    run("no-such-program"),
    run("id -u"),
    (RUN, CAPS, None, None),
    (RUN, ["sh", "-c", "echo $FOO; umask; ulimit -n >/dev/null; echo $PATH | grep -c bin"], None, {"FOO": "bar"}),
    (IP + "delete_interface", "v0", "a"),
    (IP + "delete_interface", "v0", "a"),
    (IP + "remove_netns", "a"),
    (IP + "remove_netns", "b"),
    (IP + "remove_netns", "none"),
]

NOVA_PATH, NOVA_FS, NOVA_NET = "nova.privsep.path.", "nova.privsep.fs.", "nova.privsep.linux_net."
OVS = "vif_plug_ovs.linux_net."
LB = "vif_plug_linux_bridge.linux_net."
NOVA = [
    (NOVA_PATH + "writefile", "/srv/root/written", "w", "text\n"),
    (NOVA_PATH + "last_bytes", "/srv/root/written", 3),
    (NOVA_PATH + "last_bytes", "/root/none", 3),
    (NOVA_PATH + "chown", "/srv/root/written", 1),
    (NOVA_PATH + "chmod", "/srv/root/written", 0o600),
    (NOVA_PATH + "makedirs", "/srv/root/x/y/z"),
    (NOVA_PATH + "move_tree", "/srv/root/x", "/srv/root/w"),
    (NOVA_PATH + "utime", "/srv/root/written"),
    (NOVA_PATH + "rmdir", "/srv/root/w/y/z"),
    (NOVA_PATH + "rmdir", "/srv/root/none"),
    (NOVA_NET + "create_tap_dev", "t0"),
    (NOVA_NET + "set_device_mtu", "t0", 1400),
    (NOVA_NET + "set_device_macaddr", "t0", MAC),
    (NOVA_NET + "set_device_enabled", "t0"),
    (NOVA_NET + "set_device_enabled", "t9"),
    (NOVA_NET + "add_vlan", "t0", "t0.5", 5),
    (NOVA_NET + "delete_net_dev_escalated", "t0"),
    (NOVA_FS + "mount", "tmpfs", "tmpfs", "/srv/root/dir", ["-o", "size=1m"]),
    (NOVA_FS + "umount", "/srv/root/dir"),
    (NOVA_FS + "umount", "/srv/root/dir"),
    (NOVA_FS + "mount", "nfs", "host:/x", "/srv/root/dir", []),
    (NOVA_FS + "mkfs", "ext4", "/srv/root/disk", "label"),
    (NOVA_FS + "e2fsck", "/srv/root/disk"),
    (NOVA_FS + "resize2fs", "/srv/root/disk", [0]),
    (NOVA_FS + "ext_journal_disable", "/srv/root/disk"),
    (NOVA_FS + "clear", "/srv/root/disk", 4096),
    (NOVA_FS + "blockdev_size", "/srv/root/disk"),
    (NOVA_FS + "lvlist", "none"),
    (NOVA_FS + "vginfo", "none"),
    ("nova.privsep.qemu.privileged_qemu_img_info", "/srv/root/image", "qcow2"),
    ("nova.privsep.qemu.privileged_qemu_img_info", "/srv/root/file", "qcow2"),
    ("nova.privsep.qemu.convert_image", "/srv/root/image", "/srv/root/out", "qcow2", "raw", "/srv/root", False),
    ("nova.privsep.idmapshift.shift", "/srv/root/dir", [[0, 10000, 1]], [[0, 10000, 1]]),
    (OVS + "create_veth_pair", "q0", "q1", 1400),
    (OVS + "ensure_bridge", "qbr"),
    (OVS + "add_bridge_port", "qbr", "q0"),
    (OVS + "set_device_mtu", "q0", 1300),
    (OVS + "set_interface_state", "q0", "up"),
    (OVS + "delete_bridge", "qbr", "q0"),
    (OVS + "delete_net_dev", "q1"),
    ("vif_plug_ovs.ovsdb.impl_vsctl._run_vsctl", ["id", "-u"]),
    ("vif_plug_ovs.ovsdb.impl_vsctl._run_vsctl", CAPS),
    ("vif_plug_ovs.ovsdb.impl_vsctl._run_vsctl", ["ovs-vsctl", "show"]),
    ("vif_plug_ovs.ovsdb.impl_vsctl._run_vsctl", ["chown", "nova", "/srv/root/written"]),
    (LB + "_ensure_bridge_privileged", "lbr", None, None, False, True),
    (LB + "_ensure_bridge_privileged", "lbr", None, None, False, True),
    ("vif_plug_linux_bridge.iptables.iptables_restore", RULES),
    ("vif_plug_linux_bridge.iptables.iptables_save",),
    ("vif_plug_linux_bridge.iptables.ip6tables_save",),
]

CINDER = [
    ("cinder.privsep.path.readfile", "/root/secret"),
    ("cinder.privsep.path.readfile", "/root/none"),
    ("cinder.privsep.path.touch", "/srv/root/touched"),
    ("cinder.privsep.path.symlink", "/srv/root/touched", "/srv/root/link"),
    ("cinder.privsep.path.removefile", "/srv/root/link"),
    ("cinder.privsep.path.removefile", "/srv/root/link"),
    ("cinder.privsep.fs.umount", "/srv/root/dir"),
    ("cinder.privsep.lvm.create_vg", "v", ["/srv/root/disk"]),
    ("cinder.privsep.lvm.lvrename", "v", "a", "b"),
    ("cinder.privsep.cgroup.cgroup_create", "g"),
    ("cinder.privsep.targets.tgt.tgtadmin_show",),
    ("cinder.privsep.targets.scst.run_scstadmin", "-caps"),
    brick("id -u"),
    ("os_brick.privileged.rootwrap.execute_root", *CAPS),
    brick("iscsiadm -m node"),
    brick("iscsiadm -m session"),
    brick("iscsiadm -m node -T iqn.none -p 127.0.0.1:3260 --login"),
    brick("cat /etc/iscsi/initiatorname.iscsi"),
    brick("cat /root/none"),
    brick("chown cinder /srv/root/file"),
    brick("chmod 600 /srv/root/file"),
    brick("kill -HUP {victim}"),
    brick("mknod /srv/root/loop b 7 99"),
    brick("mount -t tmpfs tmpfs /srv/root/dir"),
    brick("umount /srv/root/dir"),
    brick("qemu-img info --output=json /srv/root/image"),
    brick("blockdev --getsize64 /srv/root/none"),
    brick("tee /sys/none"),
    brick("multipathd show status"),
    ("os_brick.privileged.rootwrap.link_root", "/srv/root/file", "/srv/root/link"),
    ("os_brick.privileged.rootwrap.unlink_root", "/srv/root/link"),
    ("os_brick.privileged.rootwrap.unlink_root", "/srv/root/link"),
    ("os_brick.privileged.rbd.check_valid_path", "/root/secret"),
    ("os_brick.privileged.rbd.delete_if_exists", "/srv/root/junk"),
    ("os_brick.privileged.nvmeof.get_system_uuid",),
]

MANILA = [
    ("manila.privsep.os.data_definition", "/dev/zero", "/srv/root/disk", 8),
    ("manila.privsep.filesystem.make_filesystem", "ext4", "/srv/root/disk"),
    ("manila.privsep.filesystem.e2fsck", "/srv/root/disk"),
    ("manila.privsep.filesystem.tune2fs", "/srv/root/disk"),
    ("manila.privsep.os.chmod", "777", "/srv/root/dir"),
    ("manila.privsep.os.mount", "host:/x", "/srv/root/dir"),
    ("manila.privsep.os.umount", "/srv/root/dir"),
    ("manila.privsep.os.rmdir", "/srv/root/dir"),
    ("manila.privsep.os.rmdir", "/srv/root/dir"),
    ("manila.privsep.os.is_data_definition_direct_io_supported", "/srv/root/none", "/srv/root/none"),
    ("manila.privsep.lvm.get_vgs", "none"),
    ("manila.privsep.lvm.lvremove", "none", "none"),
]

CEILOMETER = [
    ("ceilometer.privsep.ipmitool.ipmi", "ipmitool", "sdr"),
    ("ceilometer.privsep.ipmitool.ipmi", "id", "-u"),
    ("ceilometer.privsep.ipmitool.ipmi", "cat", "/root/secret"),
    ("ceilometer.privsep.ipmitool.ipmi", *CAPS),
]

CALLS = {"neutron": NEUTRON, "nova": NOVA, "cinder": CINDER, "manila": MANILA, "ceilometer": CEILOMETER}

# What differs from run to run.
VOLATILE = [
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b"), "UUID"),
    (re.compile(r"\b(time|rtt) ?[=<a-z/]*[0-9./]+ ?ms|\btime [0-9]+ms|rtt .*"), "TIME"),
    (re.compile(r"(Generated|Completed).* on .*"), "DATE"),
    (re.compile(r"\[[0-9]+:[0-9]+\]"), "[PACKETS]"),
    (re.compile(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b"), "MAC"),
    (re.compile(r"tun%d|tmp[a-z0-9_]{8}|0x[0-9a-f]{9,}"), "NAME"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [0-9]{4}"), "DATE"),
    (re.compile(r"pid [0-9]+"), "PID"),
]


def neutral(text):
    for pattern, name in VOLATILE:
        text = pattern.sub(name, text)
    return text


def picked(value, key):
    """The names of links and values of one key: the rest counts packets and moments."""
    return sorted("%s %s" % (dict(v.get("attrs", [])).get("IFLA_IFNAME", ""), v.get(key)) for v in value) \
        if isinstance(value, (list, tuple)) else value[key]


def load(row):
    name, _, key = row[0].partition(":")
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function), key


def call(row, words):
    function, key = load(row)
    fill = lambda w: w.format(**words) if isinstance(w, str) and w.startswith("{") else w
    args = [[fill(w) for w in a] if isinstance(a, list) else fill(a) for a in row[1:]]
    options = args.pop() if args and isinstance(args[-1], dict) and row[0] != RUN else {}
    signal.alarm(600)
    try:
        value = function(*args, **options)
        # A command's is what it wrote, twice, and its status.
        failed = isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[2], int) and value[2] != 0
        return repr(picked(value, key) if key else value), failed
    except Exception as e:
        return "%s: %s" % (type(e).__name__, e), True
    finally:
        signal.alarm(0)


def helpers():
    """What the kernel says of the helpers that run: of each context the process whose
    parent is no helper, which is the one that was executed."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid) as f:
                words = f.read().split("\0")
            with open("/proc/%s/status" % pid) as f:
                status = dict(line.split(":\t", 1) for line in f.read().splitlines())
        except (OSError, ValueError):
            continue
        if "--privsep_context" in words and "python" in words[0]:
            yield words[words.index("--privsep_context") + 1], {
                k: status[k] for k in ("CapBnd", "CapEff", "CapPrm", "CapInh", "NoNewPrivs", "Seccomp", "Uid")}


def main():
    service, program = sys.argv[1:]
    cfg.CONF(["--config-file", "/etc/%s/%s.conf" % (service, service)], project=service)
    priv_context.init(root_helper=["sudo", "-n", program, "/etc/%s/rootwrap.conf" % service])
    with open("/run/victim") as f:
        victim = f.read().strip()
    for number, row in enumerate(CALLS[service]):
        context = getattr(load(row)[0], "privsep_entrypoint").pypath
        result, failed = call(row, {"victim": victim})
        print(json.dumps({"service": service, "number": number, "context": context, "call": " ".join(map(str, row)),
                          "result": neutral(result), "failed": failed}), flush=True)
    for context, status in helpers():
        print(json.dumps({"service": service, "helper": context, "status": status}), flush=True)


main()
