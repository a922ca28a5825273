package oneshot

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/filters"
	"ironwrap/integration/rig"
)

// IpFilter against the real ip(8): whatever the filter allows is run under
// strace, and must not run a program, read orders, load BPF or open a file of the
// caller's. All of it happens in a room of its own: network, mount, process and
// control group namespaces, where everything but /run is read-only, so that
// nothing on this machine changes. (The kernel may load a module that some
// command asks for.)

const (
	ipProgram = "/usr/sbin/ip"
	ipStraced = "execve,execveat,fork,vfork,clone,clone3,setns,unshare,bpf,open,openat,read,mkdir,mkdirat,unlink,unlinkat"
)

// The files in /run/iw are the caller's: a program, and orders for ip.
const ipFurnish = `
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
# "vrf exec" enters a control group below the first cgroup2 mount; this only
# looks like one.
umount -l /sys/fs/cgroup || :
mkdir /run/cgroup2
mount -t cgroup2 none /run/cgroup2
mount -t tmpfs none /run/cgroup2
mkdir /run/cgroup2/vrf
: >/run/cgroup2/vrf/cgroup.procs
while read -r _ dir _; do
	case $dir in
	/run | /run/* | /proc | /proc/*) ;;
	*) mount -o remount,bind,ro "$dir" || : ;;
	esac
done </proc/mounts
mkdir /run/iw
cd /run/iw
cp /bin/true canary
echo 'netns exec e canary' >orders
ip link set lo up
ip link add d0 type dummy || :
echo furnished
exec cat # until the test ends
`

// ipNamespaces are the room's, named to be mistaken for something else.
var ipNamespaces = []string{"e", "net", "netns", "a"}

// ipRoom is a set of namespaces, held by the process pid.
type ipRoom struct{ pid int }

func newIPRoom(t testing.TB) *ipRoom {
	t.Helper()
	rig.Need(t, "iproute2", ipProgram)
	rig.Need(t, "strace", "/usr/bin/strace")
	c := exec.Command("sh", "-c", ipFurnish)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWCGROUP,
	}
	var complaints strings.Builder
	c.Stderr = &complaints
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatalf("cannot make namespaces for ip: %v", err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "furnished\n" {
		c.Process.Kill()
		c.Wait()
		t.Fatalf("cannot furnish namespaces for ip: %s", complaints.String())
	}
	return &ipRoom{c.Process.Pid}
}

// file is the path, from outside, of a file in the room's /run/iw.
func (r *ipRoom) file(name string) string {
	return fmt.Sprintf("/proc/%d/root/run/iw/%s", r.pid, name)
}

// command enters the room, with orders as standard input.
func (r *ipRoom) command(argv ...string) *exec.Cmd {
	c := exec.Command("/usr/bin/nsenter", append([]string{
		"--target", strconv.Itoa(r.pid), "--mount", "--net", "--pid", "--ipc", "--cgroup", "--wd"}, argv...)...)
	c.Env = []string{"PATH=/run/iw"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if orders, err := os.Open(r.file("orders")); err == nil {
		c.Stdin = orders
	}
	return c
}

func (r *ipRoom) run(c *exec.Cmd, patience time.Duration) error {
	if orders, ok := c.Stdin.(*os.File); ok {
		defer orders.Close()
	}
	if err := c.Start(); err != nil {
		return err
	}
	timer := time.AfterFunc(patience, func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
	defer timer.Stop()
	c.Wait() // what ip thinks of its arguments is its own affair
	return nil
}

// watch runs ip with args in the room, and returns what it did that the filter
// must never let it do.
func (r *ipRoom) watch(t testing.TB, args []string) []string {
	t.Helper()
	for _, name := range ipNamespaces { // earlier commands may have deleted them
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/root/run/netns/%s", r.pid, name)); err != nil {
			r.run(r.command(ipProgram, "netns", "add", name), time.Minute)
		}
	}
	trace, err := os.CreateTemp(r.file(""), "trace")
	if err != nil {
		t.Error(err)
		return nil
	}
	trace.Close()
	defer os.Remove(trace.Name())
	strace := append([]string{"/usr/bin/strace", "-f", "--seccomp-bpf", "-qq", "-y", "-e", "signal=none", "-e", "trace=" + ipStraced,
		"-o", "/run/iw/" + filepath.Base(trace.Name()), ipProgram}, args...)
	// Some commands never end; the longer time is for a busy machine.
	for _, patience := range []time.Duration{time.Second, time.Minute} {
		if err := r.run(r.command(strace...), patience); err != nil {
			t.Error(err)
			return nil
		}
		text, err := os.ReadFile(trace.Name())
		if err != nil {
			t.Error(err)
			return nil
		}
		if strings.Contains(string(text), `execve("`+ipProgram) {
			return ipMisdeeds(args, string(text))
		}
	}
	t.Errorf("strace did not start ip %q", args)
	return nil
}

var (
	ipTraceLine = regexp.MustCompile(`(?m)^\d+ +(\w+)\((.*)$`)
	ipTracePath = regexp.MustCompile(`^(?:(AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"`)

	// What ip opens by itself: libraries, its own tables, the kernel's files.
	ipOwnFiles = regexp.MustCompile(`^(/etc/ld\.so\.(cache|preload)` +
		`|(/usr)?/lib(64)?/.*\.so(\.[0-9.]*)?` +
		`|/(etc|usr/share|usr/lib)/iproute2(/.*)?` +
		`|/etc/netns/[^/]+` +
		`|/(var/)?run/netns(/[^/]*)?` +
		`|/proc/(self|[0-9]+)/(ns/net|maps|cgroup|fdinfo/[0-9]+|comm|status)` +
		`|/proc/(self/)?(mounts|net/[^/]+|version_signature)` +
		`|/proc/sys/net/ipv[46]/route/flush` +
		`|/sys/class/net(/[^/]+/[^/]+)?` +
		`|/dev/(net/tun|tty|null)` +
		`|/etc/(nsswitch\.conf|hosts|host\.conf|resolv\.conf|services|protocols|passwd|group|gai\.conf|localtime))$`)
)

// ipMisdeeds reads a trace of "ip args".
func ipMisdeeds(args []string, trace string) []string {
	var bad []string
	enters := slices.ContainsFunc(args, func(w string) bool { return strings.HasPrefix(w, "-n") || strings.HasPrefix(w, "--n") })
	creates := slices.ContainsFunc(args, func(w string) bool { return w != "" && strings.HasPrefix("add", w) })
	started := false
	for _, m := range ipTraceLine.FindAllStringSubmatch(trace, -1) {
		call, rest := m[1], m[2]
		ok := false
		switch call {
		case "execve":
			ok = !started && strings.HasPrefix(rest, `"`+ipProgram+`"`)
			started = true
		case "setns":
			// Back into its own, or into one that an argument names.
			ok = strings.Contains(rest, "<net:[") || slices.ContainsFunc(args, func(w string) bool {
				return strings.Contains(rest, "</run/netns/"+w+">")
			})
		case "unshare":
			ok = enters && strings.HasPrefix(rest, "CLONE_NEWNS)") || creates && strings.HasPrefix(rest, "CLONE_NEWNET)")
		case "open", "openat":
			p := ipTracePath.FindStringSubmatch(rest)
			if p == nil {
				break
			}
			file := p[3]
			if !path.IsAbs(file) && p[1] != "AT_FDCWD" {
				file = p[2] + "/" + file
			}
			ok = ipOwnFiles.MatchString(file) && !strings.Contains(file, "/../") && !strings.Contains(path.Dir(file), "/link_")
		case "read":
			ok = !strings.HasPrefix(rest, "0<")
		case "mkdir", "mkdirat", "unlink", "unlinkat":
			p := ipTracePath.FindStringSubmatch(rest)
			ok = p != nil && path.Clean(p[3]) == p[3] && strings.HasPrefix(strings.TrimPrefix(p[3], "/var"), "/run/netns")
		}
		if !ok {
			bad = append(bad, call+"("+rest)
		}
	}
	return bad
}

func ipFilter(t testing.TB) filters.Filter {
	t.Helper()
	f, err := filters.New("IpFilter, ip, root")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ipArgv(args []string) []filters.Untrusted {
	return append([]filters.Untrusted{"ip"}, filters.Words(args)...)
}

// What is known to be dangerous is refused; run all the same, it is caught. This
// is what shows that the test below can fail.
func TestIPDangerIsRefusedAndSeen(t *testing.T) {
	r, filter := newIPRoom(t), ipFilter(t)
	for _, c := range []struct{ args, deed string }{
		{"netns exec e canary", `execve("/run/iw/canary"`},
		{"-n net netns exec net canary", `execve("/run/iw/canary"`},
		{"-netns netns netns e netns /run/iw/canary", `execve("/run/iw/canary"`},
		{"--ne a net ex e canary", `execve("/run/iw/canary"`},
		{"-f inet -loops net -rc 65536 -- netn exe e canary", `execve("/run/iw/canary"`},
		{"-all netns exec canary", `execve("/run/iw/canary"`},
		{"vrf exec default canary", `execve("/run/iw/canary"`},
		{"-4 v e default canary", `execve("/run/iw/canary"`},
		{"-b orders", `"orders"`},
		{"-force -batc /run/iw/orders", `"/run/iw/orders"`},
		{"--b -", `execve("/run/iw/canary"`},
		{"-n e -o -b orders -s link", `execve("/run/iw/canary"`},
		{"-n ../iw/orders link", `"/run/netns/../iw/orders"`},
		{"-n ../../proc/self/ns/net link", `"/run/netns/../../proc/self/ns/net"`},
		{"netns attach x 1", ""},
		{"netns pids e", ""},
		{"-a netns delete", ""},
		{"link set lo netns /run/iw/orders", `"/run/iw/orders"`},
		{"link set lo xdp obj orders", `"orders"`},
		{"link set dev lo xdpgeneric object /run/iw/orders", `"/run/iw/orders"`},
		{"link set lo xdp pinned /run/iw/orders", `bpf(BPF_OBJ_GET`},
		{"link add x type ../../../run/iw/evil", `link_../../../run/iw/evil.so`},
		{"link help /iw", `link_/iw.so`},
		{"route add 10.9.0.0/16 encap bpf out obj orders dev lo", `"orders"`},
		{"nexthop add id 9 encap bpf in obj orders dev lo", `"orders"`},
		{"-6 route add fc00:9::/64 encap seg6local action End.BPF endpoint obj orders section s dev lo", `"orders"`},
		{"monitor file orders", `"orders"`},
		{"mo f orders", `"orders"`},
		{"-o mon address label fi orders", `"orders"`},
		{"-n e monitor all-nsid fil /run/iw/orders", `"/run/iw/orders"`},
		{"monitor dev lo f orders", `"orders"`},
		{"-4 mo dev lo link file orders", `"orders"`},
		{"xfrm monitor file orders", `"orders"`},
		{"addr restore", "read(0<"},
		{"addr showdump", "read(0<"},
		{"route restore", "read(0<"},
		{"route showd", "read(0<"},
		{"rule r", "read(0<"},
		{"mrule restore", "read(0<"},
	} {
		args := strings.Fields(c.args)
		if filter.Match(ipArgv(args), nil).Matched {
			t.Errorf("ip %s: allowed", c.args)
		}
		if c.deed == "" {
			continue // refused though nothing that strace shows is wrong with it
		}
		if seen := r.watch(t, args); !strings.Contains(strings.Join(seen, "\n"), c.deed) {
			t.Errorf("ip %s: strace should have shown %s, but only: %q", c.args, c.deed, seen)
		}
	}
}

// Through sudo, with the peer beside it. Where the peer lets an attempt pass, it
// comes to nothing: no such namespace is there.
func TestIPFilterThroughSudo(t *testing.T) {
	rig.Need(t, "iproute2", ipProgram)
	p := rig.NewPolicy(t, "ip: IpFilter, "+ipProgram+", root")
	for _, c := range []struct {
		args        string
		ours, peers bool // allowed
	}{
		{"ip -o link show lo", true, true},
		{"ip -n net netns exec net id", false, true},
		{"ip -b /dev/null", false, true},
		{"ip vrf exec iw-none id", false, true},
		{"ip netns pids iw-none", false, true},
		{"ip -n ../../proc/1/iw-none link", false, true},
		{"ip route add 192.0.2.1 encap bpf out obj iw-none dev iw-none", false, true},
		{"ip link set dev iw-none netns e", true, false},
		{"ip monitor iw-none", true, true}, // ip complains, and ends
		{"ip -o mo address dev iw-none", true, true},
		{"ip monitor f /dev/null", false, true},
		{"ip vrf pids iw-none", true, true},
		{ipProgram + " link show lo", true, false},
		{"ip netns exec iw-none id", false, false},
	} {
		for program, allowed := range map[string]bool{rig.Ours: c.ours, rig.Peer: c.peers} {
			r := rig.ThroughSudo(t, program, append([]string{p.Conf}, strings.Fields(c.args)...)...)
			if refused := r.Status == 99; refused == allowed {
				t.Errorf("%s %s: %v", program, c.args, r)
			}
		}
	}
}

// What ip monitor tells reaches the caller, as with the peer.
func TestIPMonitorTells(t *testing.T) {
	rig.Need(t, "iproute2", ipProgram)
	p := rig.NewPolicy(t, "ip: IpFilter, ip, root")
	for _, program := range []string{rig.Ours, rig.Peer} {
		for _, args := range []string{"ip -o monitor link", "ip mo", "ip monitor all dev lo"} {
			r := rig.Run(t, append([]string{"/usr/bin/unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "/bin/sh", "-c", `
				out=$(mktemp); "$@" >$out 2>&1 & monitor=$!
				for try in $(seq 100); do
					ip link set lo up; ip link set lo down
					test -s $out && break
					sleep .1
				done
				kill $monitor; wait $monitor; cat $out; rm $out
			`, "sh", program, p.Conf}, strings.Fields(args)...)...)
			if !strings.Contains(r.Out, "lo: <LOOPBACK") {
				t.Errorf("%s %s: %v", program, args, r)
			}
		}
	}
}

// The caller's IP_LIB_DIR does not tell ip where to look for libraries.
func TestIPLibDirOfCaller(t *testing.T) {
	rig.Need(t, "iproute2", ipProgram)
	rig.Need(t, "strace", "/usr/bin/strace")
	p := rig.NewPolicy(t, "ip: IpFilter, ip, root")
	for program, opened := range map[string]bool{rig.Ours: false, rig.Peer: true} {
		trace := t.TempDir() + "/trace"
		rig.Run(t, "/usr/bin/env", "IP_LIB_DIR=/iw-none", "/usr/bin/strace", "-f", "-e", "trace=execve,open,openat", "-o", trace,
			program, p.Conf, "ip", "link", "help", "evil")
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"link", "help", "evil"]`) {
			t.Fatalf("%s did not run ip:\n%s", program, text)
		}
		if strings.Contains(string(text), "/iw-none/link_evil.so") != opened {
			t.Errorf("%s: looking for a library in the caller's IP_LIB_DIR is not %v", program, opened)
		}
	}
}
