package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
func qemuImages(t *testing.T, lines string) (p policy, image string) {
	t.Helper()
	need(t, "qemu-utils", "/usr/bin/qemu-img")
	need(t, "python3-oslo.concurrency", "/usr/lib/python3/dist-packages/oslo_concurrency/processutils.py")
	p = newPolicy(t, "qemu-img: EnvFilter, env, root, LC_ALL=C, qemu-img\nlimits: EnvFilter, env, root, LC_ALL=C, cat\nspin: EnvFilter, env, root, LC_ALL=C, sha256sum"+lines)
	image = p.dir + "/disk.qcow2"
	if r := run(t, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", image, "64M"); r.status != 0 {
		t.Fatal(r)
	}
	return p, image
}

// limitsOf reads /proc/PID/limits: soft and hard.
func limitsOf(out string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(line, "Max "); ok && len(rest) > 44 {
			m[strings.TrimSpace(rest[:22])] = strings.Join(strings.Fields(rest[22:])[:2], " ")
		}
	}
	return m
}

func TestLimitsOfCarefulService(t *testing.T) {
	t.Parallel()
	p, image := qemuImages(t, "")
	socket := p.calls(t)
	serve(t, p)
	service := func(program string, cpu, space int, command string) result {
		helper := "sudo -n " + program + " " + p.conf
		if program == oursCall {
			helper = oursCall + " " + socket
		}
		return runAs(t, caller, "/usr/bin/python3", "-c", byService, helper, strconv.Itoa(cpu), strconv.Itoa(space), command)
	}
	for _, guard := range [][2]int{{30, gib}, {60, gib}, {60, 2 * gib}} { // nova and glance, cinder, ironic
		want := map[string]string{"cpu time": fmt.Sprintf("%d %d", guard[0], guard[0]), "address space": fmt.Sprintf("%d %d", guard[1], guard[1])}
		for _, program := range []string{ours, oursCall, peer} {
			if r := service(program, guard[0], guard[1], "qemu-img info "+image); !strings.Contains(r.out, "virtual size: 64 MiB") {
				t.Errorf("%s, %v: %v", program, guard, r)
			}
			r := service(program, guard[0], guard[1], "cat /proc/self/limits")
			have := limitsOf(r.out)
			for name, value := range want {
				if have[name] != value {
					t.Errorf("%s, %v: %s is %q: %v", program, guard, name, have[name], r)
				}
			}
		}
	}
	// It holds: what takes more ends.
	if r := service(ours, 11, gib, "sha256sum /dev/zero"); !strings.Contains(r.out, "failed with") || r.elapsed < 9*time.Second {
		t.Errorf("11 seconds of CPU time are used up: %v", r)
	}
}

// A section has the last word.
func TestLimitsOfSections(t *testing.T) {
	p, _ := qemuImages(t, "\n[Sandbox:limits]\nrlimit_as = 3221225472\nrlimit_cpu = 20")
	under := func(cpu, space string) result {
		return run(t, "/usr/bin/prlimit", "--cpu="+cpu, "--as="+space, ours, p.conf, "env", "LC_ALL=C", "cat", "/proc/self/limits")
	}
	have := limitsOf(under("40:40", "4294967296:4294967296").out)
	if have["cpu time"] != "20 20" || have["address space"] != "3221225472 3221225472" {
		t.Errorf("%v", have)
	}
	p, _ = qemuImages(t, "\n[Sandbox:limits]\nrlimit_as = unlimited\nrlimit_cpu = unlimited")
	r := under("40:40", "4294967296:4294967296")
	if _, set := bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		notRun(t, r, "operation not permitted: CAP_SYS_RESOURCE is missing here: ")
	} else if have := limitsOf(r.out); have["cpu time"] != "unlimited unlimited" || have["address space"] != "unlimited unlimited" {
		t.Errorf("%v", r)
	}
}

// limitCase is a limit of a caller's: soft and hard, in prlimit(1)'s words, and what the
// command must have. With "" nothing may run where it cannot be raised.
type limitCase struct{ option, name, want, without string }

// limitCases are for the machine's process 1.
func limitCases(t *testing.T) []limitCase {
	first := limitsOf(string(must(os.ReadFile("/proc/1/limits"))))
	hard := func(name string) string {
		return strings.Fields(limitsOf(string(must(os.ReadFile("/proc/self/limits"))))[name])[1]
	}
	list := []limitCase{
		{"--cpu=60:60", "cpu time", "60 60", "60 60"},
		{"--cpu=15:60", "cpu time", "60 60", "60 60"},
		{"--cpu=2:unlimited", "cpu time", "unlimited unlimited", "unlimited unlimited"},
		{"--cpu=9:9", "cpu time", "unlimited unlimited", ""},
		{"--as=1073741824:1073741824", "address space", "1073741824 1073741824", "1073741824 1073741824"},
		{"--as=1073741824:2147483648", "address space", "2147483648 2147483648", "2147483648 2147483648"},
		{"--nproc=1:1", "processes", first["processes"], ""},
		{"--nproc=1:500", "processes", first["processes"], "500 500"},
		{"--nproc=1:" + hard("processes"), "processes", first["processes"], hard("processes") + " " + hard("processes")},
		{"--sigpending=0:0", "pending signals", first["pending signals"], ""},
		{"--sigpending=70:2000", "pending signals", first["pending signals"], "2000 2000"},
		{"--nofile=8:8", "open files", "1024 1024", ""},
		{"--nofile=10:100", "open files", "1024 1024", "100 100"},
		{"--nofile=10:5000", "open files", "1024 5000", "1024 5000"},
		{"--memlock=0:0", "locked memory", first["locked memory"], "0 0"},
		{"--memlock=0:65536", "locked memory", first["locked memory"], "65536 65536"},
		{"--msgqueue=0:0", "msgqueue size", first["msgqueue size"], "0 0"},
		{"--locks=0:0", "file locks", first["file locks"], "0 0"},
		{"--rss=4096:4096", "resident set", first["resident set"], "4096 4096"},
		{"--rttime=5:5", "realtime timeout", first["realtime timeout"], "5 5"},
	}
	return list
}

func TestLimitsOfCallers(t *testing.T) {
	_, set := bounding(t)
	in := setuidInstallation(t, "cat: CommandFilter, cat, nobody", "allow_users="+caller.name)
	p := newPolicy(t, "cat: CommandFilter, cat, nobody")
	sudo := []string{"/usr/bin/sudo", "-n", ours, p.conf}
	for _, c := range limitCases(t) {
		t.Run(c.option, func(t *testing.T) {
			t.Parallel()
			for how, r := range map[string]result{
				"setuid": runAs(t, caller, "/usr/bin/prlimit", c.option, in.program, in.conf, "cat", "/proc/self/limits"),
				"sudo":   runAs(t, caller, append(append([]string{"/usr/bin/prlimit", c.option}, sudo...), "cat", "/proc/self/limits")...),
				"root":   run(t, "/usr/bin/prlimit", c.option, ours, p.conf, "cat", "/proc/self/limits"),
			} {
				if set>>unix.CAP_SYS_RESOURCE&1 == 0 && c.want != c.without {
					if c.without == "" {
						if r.status == 0 || r.out != "" {
							t.Errorf("%s: it ran, or said nothing: %v", how, r)
						}
						continue
					}
					c.want = c.without
				}
				if have := limitsOf(r.out)[c.name]; have != c.want {
					t.Errorf("%s: %s is %q, not %q: %v", how, c.name, have, c.want, r)
				}
			}
		})
	}
}

// The time that was used before counts: a limit that looks like a guard is none then.
func TestLimitsOfTimeUsed(t *testing.T) {
	t.Parallel()
	in := setuidInstallation(t, "sh: CommandFilter, sh, root", "allow_users="+caller.name)
	burn := "import resource, time\nwhile time.process_time() < 3.5: pass\nresource.setrlimit(resource.RLIMIT_CPU, (%d, %d))\nexecve(args[0], args, [])\n"
	r := runCmd(t, in.attack(t, fmt.Sprintf(burn, 12, 12), in.conf, "sh", "-c", "ulimit -Ht"))
	if _, set := bounding(t); set>>unix.CAP_SYS_RESOURCE&1 == 0 {
		if r.status != 97 || !strings.Contains(r.err, "RLIMIT_CPU, which has the hard limit 12") {
			t.Errorf("%v", r)
		}
	} else if r.out != "unlimited\n" {
		t.Errorf("%v", r)
	}
	if r := runCmd(t, in.attack(t, fmt.Sprintf(burn, 30, 30), in.conf, "sh", "-c", "ulimit -Ht")); r.out != "30\n" {
		t.Errorf("enough is left: %v", r)
	}
}

// The limits of a daemon's starter are the commands' by the same rule. A launcher that
// stays does not use up the time of the commands to come.
func TestLimitsOfDaemon(t *testing.T) {
	for _, user := range []string{"root", "nobody"} {
		p := daemonPolicy(t, "cat: CommandFilter, cat, "+user+"\n"+allowTrue)
		s := serveBy(t, p, `exec prlimit --cpu=40:50 --as=2147483648 --memlock=0:65536 "$@"`)
		client := s.client()
		for range 3 {
			r := client.run("cat", "/proc/self/limits")
			have := limitsOf(r.out)
			if have["cpu time"] != "50 50" || have["address space"] != "2147483648 2147483648" || strings.HasPrefix(have["locked memory"], "0 ") {
				t.Errorf("%s: %v: %v", user, have, r)
			}
		}
		s.dropAll()
	}
}

// A value that cannot be lowered is left, and is an error where a section asks for one.
func TestLimitsOfNice(t *testing.T) {
	p := newPolicy(t, "nice: CommandFilter, nice, nobody")
	without := func(conf string) result {
		return run(t, "/usr/bin/nice", "-n", "5", "/usr/bin/setpriv", "--bounding-set=-sys_nice", ours, conf, "nice")
	}
	if r := without(p.conf); r.status != 0 || r.out != "5\n" {
		t.Errorf("%v", r)
	}
	p = confined(t, "nice: CommandFilter, nice, nobody", "nice = 7")
	if r := without(p.conf); r.status != 0 || r.out != "7\n" {
		t.Errorf("raised: %v", r)
	}
	p = confined(t, "nice: CommandFilter, nice, nobody", "nice = 0")
	notRun(t, without(p.conf), "cannot set the nice value: permission denied: CAP_SYS_NICE is missing here: ")
	if r := run(t, "/usr/bin/nice", "-n", "5", ours, p.conf, "nice"); r.status != 0 || r.out != "0\n" {
		t.Errorf("with the capability: %v", r)
	}
	// SCHED_IDLE as well.
	p = newPolicy(t, "chrt: CommandFilter, chrt, root")
	idle := []string{"/usr/bin/chrt", "--idle", "0"}
	if r := run(t, append(append(idle, "/usr/bin/setpriv", "--bounding-set=-sys_nice"), ours, p.conf, "chrt", "-p", "0")...); r.status != 0 || !strings.Contains(r.out, "SCHED_IDLE") {
		t.Errorf("%v", r)
	}
}

// docker run --ulimit: process 1 has the limit as well, so that it is no caller's doing.
// A caller who lowers it further is refused.
func TestLimitsOfAContainer(t *testing.T) {
	p := newPolicy(t, "sh: CommandFilter, sh, root\nid: CommandFilter, id, nobody")
	in := func(limit string, argv ...string) result {
		init := []string{"/usr/bin/prlimit", limit, "/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}
		// The shell stays process 1, so that what it starts is not.
		init = append(init, contained("/bin/sh", "-c", `"$@"; exit $?`, "sh")...)
		return run(t, append(init, argv...)...)
	}
	for _, c := range []struct{ limit, lower, ask, is string }{
		{"--fsize=1048576:1073741824", "--fsize=20:20", "ulimit -f", "2097152\n"}, // blocks of 512 bytes
		{"--data=1073741824:2147483648", "--data=1073741824:1073741824", "ulimit -d", "2097152\n"},
		{"--stack=1048576:4194304", "--stack=1048576:1048576", "ulimit -s", "4096\n"},
		{"--nproc=50:50", "--nproc=20:20", "sed -n 's/^Max processes  *//p' /proc/self/limits | tr -d ' '", "5050processes\n"},
		{"--sigpending=50:50", "--sigpending=20:20", "sed -n 's/^Max pending signals  *//p' /proc/self/limits | tr -d ' '", "5050signals\n"},
	} {
		if r := in(c.limit, peer, p.conf, "id", "-u"); r.status != 0 {
			t.Errorf("%s, the peer: %v", c.limit, r)
		}
		if r := in(c.limit, ours, p.conf, "id", "-u"); r.status != 0 || r.out != "65534\n" || r.err != "" {
			t.Errorf("%s: %v", c.limit, r)
		}
		if r := in(c.limit, ours, p.conf, "sh", "-c", c.ask); r.out != c.is {
			t.Errorf("%s: the command has %v, not %s", c.limit, r, c.is)
		}
		notRun(t, in(c.limit, "/usr/bin/prlimit", c.lower, ours, p.conf, "id", "-u"), "operation not permitted: CAP_SYS_RESOURCE is missing here")
	}
}
