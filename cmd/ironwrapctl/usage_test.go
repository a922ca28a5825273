package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/review/usage"
	"ironwrap/policy/trust"
)

// cpu is the CPU time that the process has taken.
func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// agents are commands of network and storage services, as they type them.
func agents(rnd *rand.Rand) string {
	u := fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", rnd.Uint32(), rnd.IntN(1<<16), rnd.IntN(1<<12), rnd.IntN(1<<12), rnd.Int64N(1<<48))
	tap := "tap" + u[:11]
	switch rnd.IntN(9) {
	case 0:
		return "qemu-img info /var/lib/nova/instances/" + u + "/disk"
	case 1:
		return "nice -n 19 qemu-img convert -O qcow2 /var/lib/nova/instances/" + u + "/disk /var/lib/nova/snapshots/" + u
	case 2:
		return "ip link set " + tap + []string{" up", " down"}[rnd.IntN(2)]
	case 3:
		return fmt.Sprintf("ip link set %s mtu %d", tap, 1400+rnd.IntN(7600))
	case 4:
		return fmt.Sprintf("ip addr add 10.%d.%d.1/24 dev %s", rnd.IntN(256), rnd.IntN(256), tap)
	case 5:
		return "ip netns exec qdhcp-" + u + " dnsmasq --no-hosts --interface=" + tap
	case 6:
		return fmt.Sprintf("kpartx -a /dev/nbd%d", rnd.IntN(16))
	case 7:
		return fmt.Sprintf("chown %d /var/lib/nova/instances/%s/console.log", 1000+rnd.IntN(3)*7, u)
	}
	return fmt.Sprintf("blockdev --getsize64 /dev/sd%c", 'a'+rnd.IntN(20))
}

// TestUsageLarge: a log of 100,000 records, most of them of commands that no other
// record has, takes seconds of CPU time (docs/usage.md says how many); and its patch, put in force by
// patch(1), allows every command that was recorded, as it was typed.
func TestUsageLarge(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: only what is root-owned is read")
	}
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-usage-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, dir + "/d"} {
		_ = os.Mkdir(d, 0o755)
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put("r.conf", "[DEFAULT]\nfilters_path="+dir+"/d\nexec_dirs=/usr/sbin,/usr/bin\nuse_syslog=yes\nsyslog_log_level=INFO\n")
	text := "[Filters]\nip_exec: IpNetnsExecFilter, ip, root\n"
	for _, name := range []string{"qemu-img", "ip", "dnsmasq", "chown", "blockdev"} {
		text += name + ": CommandFilter, " + name + ", root\n"
	}
	text += "nice: ChainingRegExpFilter, nice, root, nice, -n, \\d+\nkpartx: RegExpFilter, kpartx, root, kpartx, -[a-z]+, .*\n"
	for i := range 60 {
		text += fmt.Sprintf("idle%d: CommandFilter, idle%d, root\n", i, i)
	}
	put("d/a.filters", text)

	p, err := policy.Load(dir+"/r.conf", trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	m := newAssuming(p)
	rnd := rand.New(rand.NewPCG(3, 4))
	var typed [][]filters.Untrusted
	var log strings.Builder
	for i := range 100_000 {
		words, err := filters.UnquoteLine(agents(rnd))
		if err != nil {
			t.Fatal(err)
		}
		d := p.Decide(policy.Request{Argv: words, Machine: m})
		if d.Verdict != policy.Allowed {
			t.Fatalf("%s: %s", words, d.Why)
		}
		typed = append(typed, words)
		if i%2 == 0 {
			nested := ""
			if d.Leaf != nil {
				nested = fmt.Sprintf(" nested=%s:%d", d.Leaf.File, d.Leaf.Line)
			}
			fmt.Fprintf(&log, "2026-11-28T07:00:01.123456Z nova-rootwrap[%d]: ruid=0 sudo_uid=64055 loginuid=- (nova > root) Executing %s (filter match = %s) filter=%s:%d%s run_as=root cwd=/\n",
				i, filters.QuoteLine(d.Argv), d.Filter.Name, d.Filter.File, d.Filter.Line, nested)
			continue
		}
		words = append([]filters.Untrusted{d.Argv[0]}, words[1:]...) // the original passes on what was typed behind a prefix
		var list []string
		for _, w := range words {
			list = append(list, "'"+w.Raw()+"'")
		}
		fmt.Fprintf(&log, "Nov 28 07:00:01 host nova-rootwrap: (nova > root) Executing [%s] (filter match = %s)\n", strings.Join(list, ", "), d.Filter.Name)
	}

	before := cpu(t)
	e, err := usageEngine("", dir+"/r.conf")
	if err != nil {
		t.Fatal(err)
	}
	var c usage.Collector
	if err := c.Reading.Read(strings.NewReader(log.String()), c.Take); err != nil {
		t.Fatal(err)
	}
	r := c.Report(e)
	took := cpu(t) - before
	t.Logf("%v of CPU time, %d proposals", took, len(r.Narrower))
	if took > 10*time.Second { // on a machine that is busy
		t.Errorf("it took %v", took)
	}
	if r.Reading.Records != 100_000 || len(r.Narrower) != 6 || len(r.Never) != 61 || len(r.Kept) != 2 {
		t.Fatalf("%d records, %d proposals, %d never used, kept %+v", r.Reading.Records, len(r.Narrower), len(r.Never), r.Kept)
	}

	program, err := exec.LookPath("patch")
	if err != nil {
		t.Skip("no patch(1): the patch was not put in force")
	}
	apply := exec.Command(program, "-p1", "-d", "/")
	apply.Stdin = strings.NewReader(r.Patch)
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	now, err := policy.Load(dir+"/r.conf", trust.Object, inifile.Parse)
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range typed {
		if d := now.Decide(policy.Request{Argv: words, Machine: m}); d.Verdict != policy.Allowed {
			t.Fatalf("%s was recorded, and is not allowed with the patch in force", words)
		}
	}
	for _, line := range []string{"ip link delete tap00112233-44", "qemu-img info /etc/shadow", "qemu-img info /var/lib/nova/instances/../../../../etc/shadow", "chown 0 /etc/shadow", "kpartx -a /etc/x", "nice -n 19 dnsmasq -C /tmp/x"} {
		words, _ := filters.UnquoteLine(line)
		if d := now.Decide(policy.Request{Argv: words, Machine: m}); d.Verdict != policy.Denied {
			t.Errorf("%s is allowed with the patch in force", line)
		}
	}
}
