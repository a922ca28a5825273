package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ironwrap/integration/rig/rootwrapclient"
)

// The caller is somebody who owns nothing.
const (
	callerName = "nobody"
	callerID   = 65534
	sudoAlone  = "sudo alone"
)

// way is one way to have a command run as root.
type way struct {
	name   string
	before []string // the words before the command
	asRoot bool     // the caller is root, and needs nobody's help
	client *rootwrapclient.Client
}

// run runs a command and returns what it printed, and how long that took in ms.
func (w *way) run(argv []string, stdin string) (out string, took float64, err error) {
	start := time.Now()
	if w.client != nil {
		r, err := w.client.Run(argv, []byte(stdin))
		took = float64(time.Since(start)) / 1e6
		if err == nil && r.Status != 0 {
			err = fmt.Errorf("status %d: %s", r.Status, r.Stderr)
		}
		return string(r.Stdout), took, err
	}
	words := append(append([]string{}, w.before...), argv...)
	c := exec.Command(words[0], words[1:]...)
	c.Env, c.Dir = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, "/"
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if !w.asRoot {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: callerID, Gid: callerID}}
	}
	if err = c.Run(); err != nil {
		err = fmt.Errorf("%w: %s", err, &stderr)
	}
	return stdout.String(), float64(time.Since(start)) / 1e6, err
}

// ways starts the daemons as the caller would, through sudo.
func (todo order) ways() (all []*way, stop func(), err error) {
	all = []*way{
		{name: "nothing, as root", asRoot: true},
		{name: sudoAlone, before: []string{"/usr/bin/sudo", "-n"}},
		{name: "setuid ironwrap", before: []string{todo.Setuid, todo.Conf}},
		{name: "sudo ironwrap", before: []string{"/usr/bin/sudo", "-n", todo.Ours.ironwrap(), todo.Conf}},
		{name: "sudo oslo-rootwrap", before: []string{"/usr/bin/sudo", "-n", peerProgram, todo.Conf}},
	}
	var running []*rootwrapclient.Daemon
	stop = func() {
		for _, d := range running {
			d.Stop()
		}
	}
	for _, d := range []struct{ name, program string }{{oursName, todo.Ours.daemon()}, {peerName, peerDaemon}} {
		id := strconv.Itoa(callerID)
		daemon, err := rootwrapclient.Start("/usr/bin/setpriv", "--reuid="+id, "--regid="+id, "--clear-groups",
			"/usr/bin/sudo", "-n", d.program, todo.Conf)
		if err != nil {
			stop()
			return nil, nil, err
		}
		running = append(running, daemon)
		client, err := rootwrapclient.Dial(daemon.Path, daemon.Key)
		if err != nil {
			stop()
			return nil, nil, fmt.Errorf("%s: %w", d.name, err)
		}
		all = append(all, &way{name: d.name, client: client})
	}
	return all, stop, nil
}

// work has each network made and taken away through each way in turn.
func (todo order) work(out io.Writer) error {
	all, stop, err := todo.ways()
	if err != nil {
		return err
	}
	defer stop()
	found := answer{Took: make(map[string][]float64)}
	for _, w := range all {
		found.Names = append(found.Names, w.name)
	}
	// A stranger's call of the setuid program keeps nothing: root's has to be first, when
	// the files have been left alone for some seconds. This command is none of the filters'.
	time.Sleep(3 * time.Second)
	var refused *exec.ExitError
	if err := exec.Command(todo.Setuid, todo.Conf, "true").Run(); !errors.As(err, &refused) || refused.ExitCode() != 99 {
		return fmt.Errorf("cannot have the policy kept: %w", err)
	}
	random := rand.New(rand.NewPCG(11, 12))
	number := 0
	// The first network of each is not counted: it loads modules of the kernel, and
	// programs from the disk.
	for round := 0; round <= todo.Networks && (round < 3 || time.Now().Before(todo.Deadline)); round++ {
		for _, i := range random.Perm(len(all)) {
			w := all[i]
			number++
			n := network{number, todo.Dir + "/run"}
			took, commands, err := n.play(w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			found.Commands = commands
			if round > 0 {
				found.Took[w.name] = append(found.Took[w.name], took)
			}
		}
		fmt.Fprintf(os.Stderr, "bench: neutron: %d of %d networks\n", round, todo.Networks)
	}
	return json.NewEncoder(out).Encode(found)
}

// network is one tenant's network: a namespace with a DHCP server, and a router.
type network struct {
	number int
	dir    string
}

func (n network) play(w *way) (took float64, commands int, err error) {
	do := func(steps []step) error {
		for _, s := range steps {
			out, ms, err := w.run(strings.Fields(s.line), s.stdin)
			if err != nil {
				return fmt.Errorf("%s: %w", s.line, err)
			}
			if !strings.Contains(out, s.says) {
				return fmt.Errorf("%s: %q is not in the output %q", s.line, s.says, out)
			}
			took += ms
			commands++
		}
		return nil
	}
	if err := do(append(n.dhcp(), n.router()...)); err != nil {
		return 0, 0, err
	}
	pid, err := pidIn(n.pidFile())
	if err != nil || !isDnsmasq(pid) {
		return 0, 0, fmt.Errorf("no dnsmasq runs: process %d, %v", pid, err)
	}
	if err := do(n.end(pid)); err != nil {
		return 0, 0, err
	}
	for end := time.Now().Add(5 * time.Second); isDnsmasq(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return 0, 0, fmt.Errorf("dnsmasq was killed and still runs: process %d", pid)
		}
	}
	return took, commands, os.Remove(n.pidFile())
}

// step is one command.
type step struct {
	line  string
	stdin string
	says  string // what is in its output
}

func (n network) id() string      { return fmt.Sprintf("%08x-5b0c-4f6e-9a44-3f2d1c6b7a90", n.number) }
func (n network) pidFile() string { return fmt.Sprintf("%s/%d.pid", n.dir, n.number) }

// subnet is the first three bytes of its addresses.
func (n network) subnet() string { return fmt.Sprintf("10.%d.%d", 100+n.number/250, n.number%250) }

// port plugs one end of a cable into a namespace, gives it an address, and sets it up.
func (n network) port(kind, namespace, address string) []step {
	in := "ip netns exec " + namespace + " "
	device, cable := fmt.Sprintf("%s%08x-a", kind, n.number), fmt.Sprintf("%s%08x-b", kind, n.number)
	return []step{
		{line: "ip link add " + device + " type veth peer name " + cable},
		{line: fmt.Sprintf("ip link set %s address fa:16:3e:00:%02x:%02x", device, n.number>>8&0xff, n.number&0xff)},
		{line: "ip link set " + device + " netns " + namespace},
		{line: in + "ip link set " + device + " mtu 1450"},
		{line: in + "ip link set " + device + " up"},
		{line: "ip link set " + cable + " up"},
		{line: in + "ip -4 addr add " + address + " scope global dev " + device},
		{line: in + "ip addr show " + device, says: address},
	}
}

func (n network) dhcp() []step {
	namespace := "qdhcp-" + n.id()
	in := "ip netns exec " + namespace + " "
	steps := []step{
		{line: "ip netns add " + namespace},
		{line: in + "sysctl -w net.ipv4.conf.all.promote_secondaries=1"},
		{line: in + "ip link set lo up"},
	}
	steps = append(steps, n.port("tap", namespace, n.subnet()+".2/24")...)
	device := fmt.Sprintf("tap%08x-a", n.number)
	return append(steps,
		step{line: in + "ip -4 route replace default via " + n.subnet() + ".1 dev " + device},
		step{line: in + "ip -o link show " + device, says: device},
		step{line: in + "dnsmasq --no-hosts --no-resolv --conf-file= --except-interface=lo --bind-interfaces --interface=" + device +
			" --pid-file=" + n.pidFile() + " --dhcp-leasefile=" + n.dir + "/leases --dhcp-range=" + n.subnet() + ".0,static,86400s --dhcp-lease-max=256 --domain=openstacklocal"},
	)
}

func (n network) router() []step {
	namespace := "qrouter-" + n.id()
	in := "ip netns exec " + namespace + " "
	steps := []step{
		{line: "ip netns add " + namespace},
		{line: in + "sysctl -w net.ipv4.ip_forward=1"},
		{line: in + "sysctl -w net.ipv4.conf.all.arp_ignore=1"},
		{line: in + "ip link set lo up"},
	}
	steps = append(steps, n.port("qr-", namespace, n.subnet()+".1/24")...)
	steps = append(steps, n.port("qg-", namespace, fmt.Sprintf("172.24.%d.%d/16", n.number/250, n.number%250+1))...)
	return append(steps,
		step{line: in + fmt.Sprintf("ip -4 route replace default via 172.24.255.254 dev qg-%08x-a", n.number)},
		step{line: in + "iptables-save"},
		step{line: in + "iptables-restore -n", stdin: n.rules(0)},
		step{line: in + "iptables-save", says: "neutron-l3-agent-snat"},
		step{line: in + "iptables-restore -n", stdin: n.rules(10)},
		step{line: in + "iptables-save", says: n.subnet() + ".19"},
	)
}

// rules are the router's: address translation, and so many floating addresses.
func (n network) rules(floating int) string {
	var b strings.Builder
	b.WriteString("*nat\n:neutron-l3-agent-PREROUTING - [0:0]\n:neutron-l3-agent-POSTROUTING - [0:0]\n:neutron-l3-agent-snat - [0:0]\n")
	b.WriteString("-A PREROUTING -j neutron-l3-agent-PREROUTING\n-A POSTROUTING -j neutron-l3-agent-POSTROUTING\n-A POSTROUTING -j neutron-l3-agent-snat\n")
	fmt.Fprintf(&b, "-A neutron-l3-agent-snat -o qg-%08x-a -j SNAT --to-source 172.24.%d.%d\n", n.number, n.number/250, n.number%250+1)
	for i := range floating {
		fmt.Fprintf(&b, "-A neutron-l3-agent-PREROUTING -d 172.25.%d.%d/32 -j DNAT --to-destination %s.%d\n", n.number%250, i+10, n.subnet(), i+10)
	}
	b.WriteString("COMMIT\n*filter\n:neutron-l3-agent-FORWARD - [0:0]\n-A FORWARD -j neutron-l3-agent-FORWARD\n")
	fmt.Fprintf(&b, "-A neutron-l3-agent-FORWARD -i qg-%08x-a -m state --state RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n", n.number)
	return b.String()
}

func (n network) end(dnsmasq int) []step {
	var steps []step
	for _, of := range []struct{ kind, namespace string }{{"tap", "qdhcp-"}, {"qr-", "qrouter-"}, {"qg-", "qrouter-"}} {
		steps = append(steps, step{line: fmt.Sprintf("ip netns exec %s%s ip link delete %s%08x-a", of.namespace, n.id(), of.kind, n.number)})
	}
	return append([]step{{line: fmt.Sprintf("kill -9 %d", dnsmasq)}}, append(steps,
		step{line: "ip netns delete qdhcp-" + n.id()},
		step{line: "ip netns delete qrouter-" + n.id()})...)
}
