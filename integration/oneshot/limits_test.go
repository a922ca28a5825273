package oneshot

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

// Limits of a caller's: a guard of a careful service is kept, a knife is not.

// byService calls qemu-img as services do: cinder (image/image_utils.py: 60 seconds, 1
// GiB), nova (privsep/qemu.py: 30, 1), ironic-lib (disk_utils.py). processutils.execute of the real oslo.concurrency with
// ProcessLimits, in a subprocess, through sudo and the root helper.
const byService = `
import sys
from oslo_concurrency import processutils
helper, cpu, space, image = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
limits = processutils.ProcessLimits(cpu_time=cpu, address_space=space)
try:
    out, err = processutils.execute('env', 'LC_ALL=C', *image.split(), run_as_root=True, root_helper=helper, prlimit=limits,
                                    python_exec='/usr/bin/python3')
    print(out + err, end='')
except processutils.ProcessExecutionError as e:
    print('failed with', e.exit_code, e.stdout, e.stderr)
`

const gib = 1 << 30

// qemuImages is a policy as cinder's volume.filters has it, with a command that says
// what its limits are.
func qemuImages(t *testing.T, lines string) (p rig.Policy, image string) {
	t.Helper()
	rig.Need(t, "qemu-utils", "/usr/bin/qemu-img")
	rig.Need(t, "python3-oslo.concurrency", "/usr/lib/python3/dist-packages/oslo_concurrency/processutils.py")
	p = rig.NewPolicy(t, "qemu-img: EnvFilter, env, root, LC_ALL=C, qemu-img\nlimits: EnvFilter, env, root, LC_ALL=C, cat\nspin: EnvFilter, env, root, LC_ALL=C, sha256sum"+lines)
	image = p.Dir + "/disk.qcow2"
	if r := rig.Run(t, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", image, "64M"); r.Status != 0 {
		t.Fatal(r)
	}
	return p, image
}

func TestLimitsOfCarefulService(t *testing.T) {
	t.Parallel()
	p, image := qemuImages(t, "")
	socket := p.Calls(t)
	rig.Serve(t, p)
	service := func(program string, cpu, space int, command string) rig.Result {
		helper := "sudo -n " + program + " " + p.Conf
		if program == rig.OursCall {
			helper = rig.OursCall + " " + socket
		}
		return rig.RunAs(t, rig.Caller, "/usr/bin/python3", "-c", byService, helper, strconv.Itoa(cpu), strconv.Itoa(space), command)
	}
	for _, guard := range [][2]int{{30, gib}, {60, gib}, {60, 2 * gib}} { // nova and glance, cinder, ironic
		want := map[string]string{"cpu time": fmt.Sprintf("%d %d", guard[0], guard[0]), "address space": fmt.Sprintf("%d %d", guard[1], guard[1])}
		for _, program := range []string{rig.Ours, rig.OursCall, rig.Peer} {
			if r := service(program, guard[0], guard[1], "qemu-img info "+image); !strings.Contains(r.Out, "virtual size: 64 MiB") {
				t.Errorf("%s, %v: %v", program, guard, r)
			}
			r := service(program, guard[0], guard[1], "cat /proc/self/limits")
			have := rig.LimitsOf(r.Out)
			for name, value := range want {
				if have[name] != value {
					t.Errorf("%s, %v: %s is %q: %v", program, guard, name, have[name], r)
				}
			}
		}
	}
	// It holds: what takes more ends.
	if r := service(rig.Ours, 11, gib, "sha256sum /dev/zero"); !strings.Contains(r.Out, "failed with") || r.Elapsed < 9*time.Second {
		t.Errorf("11 seconds of CPU time are used up: %v", r)
	}
}

// A section has the last word.
func TestLimitsOfSections(t *testing.T) {
	p, _ := qemuImages(t, "\n[Sandbox:limits]\nrlimit_as = 3221225472\nrlimit_cpu = 20")
	under := func(cpu, space string) rig.Result {
		return rig.Run(t, "/usr/bin/prlimit", "--cpu="+cpu, "--as="+space, rig.Ours, p.Conf, "env", "LC_ALL=C", "cat", "/proc/self/limits")
	}
	have := rig.LimitsOf(under("40:40", "4294967296:4294967296").Out)
	if have["cpu time"] != "20 20" || have["address space"] != "3221225472 3221225472" {
		t.Errorf("%v", have)
	}
	p, _ = qemuImages(t, "\n[Sandbox:limits]\nrlimit_as = unlimited\nrlimit_cpu = unlimited")
	r := under("40:40", "4294967296:4294967296")
	if _, set := rig.Bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		rig.NotRun(t, r, "operation not permitted: CAP_SYS_RESOURCE is missing here: ")
	} else if have := rig.LimitsOf(r.Out); have["cpu time"] != "unlimited unlimited" || have["address space"] != "unlimited unlimited" {
		t.Errorf("%v", r)
	}
}

func TestLimitsOfCallers(t *testing.T) {
	_, set := rig.Bounding(t)
	in := rig.SetuidInstallation(t, "cat: CommandFilter, cat, nobody", "allow_users="+rig.Caller.Name)
	p := rig.NewPolicy(t, "cat: CommandFilter, cat, nobody")
	sudo := []string{"/usr/bin/sudo", "-n", rig.Ours, p.Conf}
	for _, c := range rig.LimitCases(t) {
		t.Run(c.Option, func(t *testing.T) {
			t.Parallel()
			for how, r := range map[string]rig.Result{
				"setuid": rig.RunAs(t, rig.Caller, "/usr/bin/prlimit", c.Option, in.Program, in.Conf, "cat", "/proc/self/limits"),
				"sudo":   rig.RunAs(t, rig.Caller, append(append([]string{"/usr/bin/prlimit", c.Option}, sudo...), "cat", "/proc/self/limits")...),
				"root":   rig.Run(t, "/usr/bin/prlimit", c.Option, rig.Ours, p.Conf, "cat", "/proc/self/limits"),
			} {
				if set>>unix.CAP_SYS_RESOURCE&1 == 0 && c.Want != c.Without {
					if c.Without == "" {
						if r.Status == 0 || r.Out != "" {
							t.Errorf("%s: it ran, or said nothing: %v", how, r)
						}
						continue
					}
					c.Want = c.Without
				}
				if have := rig.LimitsOf(r.Out)[c.Name]; have != c.Want {
					t.Errorf("%s: %s is %q, not %q: %v", how, c.Name, have, c.Want, r)
				}
			}
		})
	}
}

// The time that was used before counts: a limit that looks like a guard is none then.
func TestLimitsOfTimeUsed(t *testing.T) {
	t.Parallel()
	in := rig.SetuidInstallation(t, "sh: CommandFilter, sh, root", "allow_users="+rig.Caller.Name)
	burn := "import resource, time\nwhile time.process_time() < 3.5: pass\nresource.setrlimit(resource.RLIMIT_CPU, (%d, %d))\nexecve(args[0], args, [])\n"
	r := rig.RunCmd(t, in.Attack(t, fmt.Sprintf(burn, 12, 12), in.Conf, "sh", "-c", "ulimit -Ht"))
	if _, set := rig.Bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		if r.Status != 97 || !strings.Contains(r.Err, "RLIMIT_CPU, which has the hard limit 12") {
			t.Errorf("%v", r)
		}
	} else if r.Out != "unlimited\n" {
		t.Errorf("%v", r)
	}
	if r := rig.RunCmd(t, in.Attack(t, fmt.Sprintf(burn, 30, 30), in.Conf, "sh", "-c", "ulimit -Ht")); r.Out != "30\n" {
		t.Errorf("enough is left: %v", r)
	}
}

// The limits of a daemon's starter are the commands' by the same rule. A launcher that
// stays does not use up the time of the commands to come.
func TestLimitsOfDaemon(t *testing.T) {
	for _, user := range []string{"root", "nobody"} {
		p := rig.DaemonPolicy(t, "cat: CommandFilter, cat, "+user+"\n"+rig.AllowTrue)
		s := rig.ServeBy(t, p, `exec prlimit --cpu=40:50 --as=2147483648 --memlock=0:65536 "$@"`)
		client := s.Client()
		for range 3 {
			r := client.Run("cat", "/proc/self/limits")
			have := rig.LimitsOf(r.Out)
			if have["cpu time"] != "50 50" || have["address space"] != "2147483648 2147483648" || strings.HasPrefix(have["locked memory"], "0 ") {
				t.Errorf("%s: %v: %v", user, have, r)
			}
		}
		s.DropAll()
	}
}

// A value that cannot be lowered is left, and is an error where a section asks for one.
func TestLimitsOfNice(t *testing.T) {
	p := rig.NewPolicy(t, "nice: CommandFilter, nice, nobody")
	without := func(conf string) rig.Result {
		return rig.Run(t, "/usr/bin/nice", "-n", "5", "/usr/bin/setpriv", "--bounding-set=-sys_nice", rig.Ours, conf, "nice")
	}
	if r := without(p.Conf); r.Status != 0 || r.Out != "5\n" {
		t.Errorf("%v", r)
	}
	p = rig.Confined(t, "nice: CommandFilter, nice, nobody", "nice = 7")
	if r := without(p.Conf); r.Status != 0 || r.Out != "7\n" {
		t.Errorf("raised: %v", r)
	}
	p = rig.Confined(t, "nice: CommandFilter, nice, nobody", "nice = 0")
	rig.NotRun(t, without(p.Conf), "cannot set the nice value: permission denied: CAP_SYS_NICE is missing here: ")
	if r := rig.Run(t, "/usr/bin/nice", "-n", "5", rig.Ours, p.Conf, "nice"); r.Status != 0 || r.Out != "0\n" {
		t.Errorf("with the capability: %v", r)
	}
	// SCHED_IDLE as well.
	p = rig.NewPolicy(t, "chrt: CommandFilter, chrt, root")
	idle := []string{"/usr/bin/chrt", "--idle", "0"}
	if r := rig.Run(t, append(append(idle, "/usr/bin/setpriv", "--bounding-set=-sys_nice"), rig.Ours, p.Conf, "chrt", "-p", "0")...); r.Status != 0 || !strings.Contains(r.Out, "SCHED_IDLE") {
		t.Errorf("%v", r)
	}
}

// docker run --ulimit: process 1 has the limit as well, so that it is no caller's doing.
// A caller who lowers it further is refused.
func TestLimitsOfAContainer(t *testing.T) {
	p := rig.NewPolicy(t, "sh: CommandFilter, sh, root\nid: CommandFilter, id, nobody")
	in := func(limit string, argv ...string) rig.Result {
		init := []string{"/usr/bin/prlimit", limit, "/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}
		// The shell stays process 1, so that what it starts is not.
		init = append(init, rig.Contained("/bin/sh", "-c", `"$@"; exit $?`, "sh")...)
		return rig.Run(t, append(init, argv...)...)
	}
	for _, c := range []struct{ limit, lower, ask, is string }{
		{"--fsize=1048576:1073741824", "--fsize=20:20", "ulimit -f", "2097152\n"}, // blocks of 512 bytes
		{"--data=1073741824:2147483648", "--data=1073741824:1073741824", "ulimit -d", "2097152\n"},
		{"--stack=1048576:4194304", "--stack=1048576:1048576", "ulimit -s", "4096\n"},
		{"--nproc=50:50", "--nproc=20:20", "sed -n 's/^Max processes  *//p' /proc/self/limits | tr -d ' '", "5050processes\n"},
		{"--sigpending=50:50", "--sigpending=20:20", "sed -n 's/^Max pending signals  *//p' /proc/self/limits | tr -d ' '", "5050signals\n"},
	} {
		if r := in(c.limit, rig.Peer, p.Conf, "id", "-u"); r.Status != 0 {
			t.Errorf("%s, the peer: %v", c.limit, r)
		}
		if r := in(c.limit, rig.Ours, p.Conf, "id", "-u"); r.Status != 0 || r.Out != "65534\n" || r.Err != "" {
			t.Errorf("%s: %v", c.limit, r)
		}
		if r := in(c.limit, rig.Ours, p.Conf, "sh", "-c", c.ask); r.Out != c.is {
			t.Errorf("%s: the command has %v, not %s", c.limit, r, c.is)
		}
		rig.NotRun(t, in(c.limit, "/usr/bin/prlimit", c.lower, rig.Ours, p.Conf, "id", "-u"), "operation not permitted: CAP_SYS_RESOURCE is missing here")
	}
}
