package sandbox

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

// A sandbox that is tried: seccomp_log and landlock_log, and what learn --from-audit
// makes of the kernel's records. The records come by netlink, as auditd gets them.

// auditRecords runs f, and returns the kernel's audit records meanwhile as auditd writes
// them into its file.
func auditRecords(t testing.TB, f func()) string {
	t.Helper()
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		t.Fatalf("cannot listen to audit records: %v", err)
	}
	defer unix.Close(s)
	unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	if err := unix.SetsockoptTimeval(s, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(s, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.AUDIT_NLGRP_READLOG - 1)}); err != nil {
		t.Fatalf("cannot listen to audit records: %v", err)
	}
	f()
	end := fmt.Sprintf("end-of-%d-%d", os.Getpid(), time.Now().UnixNano())
	tellAudit(t, unix.AUDIT_USER_AVC, append([]byte(end), 0))
	var b strings.Builder
	for buf := make([]byte, 64<<10); ; {
		n, _, err := unix.Recvfrom(s, buf, 0)
		if err != nil {
			t.Fatalf("the audit records do not end: %v\n%s", err, b.String())
		}
		kind, text := binary.NativeEndian.Uint16(buf[4:]), strings.TrimRight(string(buf[16:n]), "\x00\n")
		if strings.Contains(text, end) {
			return b.String()
		}
		fmt.Fprintf(&b, "type=%d msg=%s\n", kind, text)
	}
}

// tellAudit sends the kernel's audit one message, and waits for its answer.
func tellAudit(t testing.TB, kind uint16, body []byte) []byte {
	t.Helper()
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(s)
	message := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	message = append(binary.NativeEndian.AppendUint64(message, 1), body...)
	if err := unix.Sendto(s, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	for buf := make([]byte, 4096); ; {
		n, _, err := unix.Recvfrom(s, buf, 0)
		if err != nil {
			t.Fatal(err)
		}
		switch binary.NativeEndian.Uint16(buf[4:]) {
		case unix.NLMSG_ERROR:
			if code := int32(binary.NativeEndian.Uint32(buf[16:])); code != 0 {
				t.Fatalf("audit: %v", syscall.Errno(-code))
			}
			if kind != unix.AUDIT_GET {
				return nil
			}
		case unix.AUDIT_GET:
			return slices.Clone(buf[16:n])
		}
	}
}

// auditing has audit enabled until the test ends, without which Landlock's records are
// not written.
func auditing(t testing.TB) {
	t.Helper()
	if !rig.FirstProcesses() {
		t.Skip("the kernel's audit is for the machine's own pid namespace: nothing was checked")
	}
	enabled := binary.NativeEndian.Uint32(tellAudit(t, unix.AUDIT_GET, nil)[4:])
	set := func(to uint32) {
		body := binary.NativeEndian.AppendUint32(nil, 1) // AUDIT_STATUS_ENABLED
		tellAudit(t, unix.AUDIT_SET, append(binary.NativeEndian.AppendUint32(body, to), make([]byte, 36)...))
	}
	if enabled == 0 {
		set(1)
		t.Cleanup(func() { set(0) })
	}
}

// trialPolicy has a filter for mkdir with lines for its section, and a profile under
// which mkdir(2) is refused.
func trialPolicy(t testing.TB, user, lines string) rig.Policy {
	t.Helper()
	p := rig.DaemonPolicy(t, "")
	source, err := os.ReadFile(filepath.Join(rig.Root, "profiles", "readonly-tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	rig.Write(t, p.Dir+"/own.json", string(source))
	if err := os.Mkdir(p.Dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.Dir+"/out", 0o777); err != nil {
		t.Fatal(err)
	}
	compileProfile(t, p.Dir+"/own.json")
	sections(p, t, user, lines)
	return p
}

func sections(p rig.Policy, t testing.TB, user, lines string) {
	t.Helper()
	rig.Write(t, p.Filters, "[Filters]\nmkdir: CommandFilter, mkdir, "+user+"\n[Sandbox:mkdir]\n"+strings.ReplaceAll(lines, "DIR", p.Dir)+"\n")
}

func compileProfile(t testing.TB, path string) {
	t.Helper()
	if r := rig.Run(t, rig.Ctl(t), "seccomp", "compile", path); r.Status != 0 {
		t.Fatal(r)
	}
}

// report is what learn --from-audit says of records.
func report(p rig.Policy, t testing.TB, records string, more ...string) rig.Result {
	t.Helper()
	rig.Write(t, p.Dir+"/audit.log", records)
	args := append([]string{"learn", "--from-audit"}, more...)
	return rig.Run(t, append([]string{rig.Ctl(t)}, append(args, p.Conf, p.Dir+"/audit.log", "--", "mkdir", p.Dir+"/out/x")...)...)
}

// From a profile that refuses too much to one that does not, by records of the kernel's.
func TestTrialOfProfile(t *testing.T) {
	for _, user := range []string{"root", "nobody"} {
		const force = "seccomp = DIR/own.json\nno_new_privs = yes"
		p := trialPolicy(t, user, force)
		made := func(name string, r rig.Result) bool {
			_, err := os.Stat(p.Dir + "/out/" + name)
			if (err == nil) != (r.Status == 0) {
				t.Fatalf("%s: %v, and %v", name, err, r)
			}
			return err == nil
		}
		if r := rig.Run(t, rig.Ours, p.Conf, "mkdir", p.Dir+"/out/a"); made("a", r) || r.Status != 1 {
			t.Fatalf("in force: %v", r)
		}

		sections(p, t, user, force+"\nseccomp_log = yes")
		s := rig.Serve(t, p)
		c := s.Client()
		records := auditRecords(t, func() {
			if r := rig.Run(t, rig.Ours, p.Conf, "mkdir", p.Dir+"/out/b"); !made("b", r) {
				t.Errorf("tried: %v", r)
			}
			if r := c.Run("mkdir", p.Dir+"/out/c"); !made("c", r) {
				t.Errorf("tried by the daemon: %v", r)
			}
		})
		if n := strings.Count(records, ` exe="/usr/bin/mkdir" sig=0 arch=c000003e syscall=83 `); rig.Goarch(t) == "amd64" && n != 2 {
			t.Errorf("%d records of mkdir(2), not 2:\n%s", n, records)
		}

		// Nothing is written unless that is asked for, nor over what there is.
		r := report(p, t, records)
		if r.Status != 0 || !strings.Contains(r.Out, "added to the profile:\n  mkdir                    2 records: /usr/bin/mkdir\n") || !strings.Contains(r.Out, "nothing was written") {
			t.Errorf("%v", r)
		}
		if r := report(p, t, records, "--profile", p.Dir+"/own.json"); r.Status == 0 {
			t.Errorf("over the profile: %v", r)
		}
		if r := report(p, t, records, "--profile", p.Dir+"/new.json"); r.Status != 0 || !strings.Contains(r.Out, "written to "+p.Dir+"/new.json") {
			t.Fatal(r)
		}
		compileProfile(t, p.Dir+"/new.json")
		sections(p, t, user, "seccomp = DIR/new.json\nno_new_privs = yes")
		if r := rig.Run(t, rig.Ours, p.Conf, "mkdir", p.Dir+"/out/d"); !made("d", r) {
			t.Errorf("with what was added: %v", r)
		}
		if r := rig.Run(t, rig.Ours, p.Conf, "mkdir", "-m", "4711", p.Dir+"/out/e"); r.Status == 0 {
			t.Errorf("chmod(2), which was not recorded, is allowed: %v", r)
		}
	}
}

// What counts is the run-as user's and the program's. The rest is told.
func TestTrialOthersRecords(t *testing.T) {
	p := trialPolicy(t, "root", "seccomp = DIR/own.json\nseccomp_log = yes")
	const line = `type=SECCOMP msg=audit(1.000:%d): auid=0 uid=%d gid=0 ses=1 pid=7 comm="x" exe=%s sig=0 arch=%x syscall=%d compat=0 ip=0x7f00 code=0x7ffc0000` + "\n"
	record := func(uid int, exe string, number int) string {
		return fmt.Sprintf(line, number, uid, exe, unix.AUDIT_ARCH_X86_64, number)
	}
	if rig.Goarch(t) != "amd64" {
		t.Skip("not amd64, whose numbers this has: nothing was checked")
	}
	records := record(0, `"/usr/bin/mkdir"`, unix.SYS_MKDIR) +
		record(0, `"/usr/bin/evil"`, unix.SYS_RMDIR) + record(1000, `"/usr/bin/mkdir"`, unix.SYS_UNLINK) +
		record(0, `"/usr/bin/mkdir"`, unix.SYS_PTRACE) + record(0, `"/usr/bin/mkdir"`, unix.SYS_MOUNT) + record(0, `"/usr/bin/mkdir"`, unix.SYS_SOCKET) +
		record(0, `"/usr/bin/mkdir"`, unix.SYS_OPENAT) + record(0, `"/usr/bin/mkdir"`, unix.SYS_CLONE3) + record(0, `"/usr/bin/mkdir"`, 1000) +
		record(0, `"/usr/bin/mkdir"`, unix.SYS_READ) + "[1.0] audit: audit_lost=3 x\nNov 28 host x: audit: " + record(0, `"/usr/bin/mkdir"`, unix.SYS_RENAME)
	r := report(p, t, records)
	for _, want := range []string{
		"added to the profile:\n  mkdir  ", "\nnot added:\n",
		"  mount  ", "DANGEROUS: it mounts (--add mount)", "  ptrace  ", "DANGEROUS: it rules over other processes (--add ptrace)",
		"  socket  ", "it is many calls in one", "  openat  ", "with some arguments", "  clone3  ", "a rule of the profile refuses it by name",
		"1000  ", "no name for it",
		"note: 1 record of /usr/bin/evil left out", "note: 1 record of other users left out", "note: 1 record of system calls that the profile allows now",
		"note: 1 line left out", "records were lost",
	} {
		if !strings.Contains(r.Out, want) {
			t.Errorf("no %q in %v", want, r)
		}
	}
	for _, bad := range []string{"\n  rmdir ", "\n  unlink ", "\n  rename "} {
		if strings.Contains(r.Out, bad) {
			t.Errorf("%q in %v", bad, r)
		}
	}
	r = report(p, t, records, "--exe", "/usr/bin/evil", "--user", "nobody", "--add", "mount,ptrace,socket", "--profile", p.Dir+"/new.json")
	if r.Status != 0 {
		t.Fatal(r)
	}
	text := rig.ReadFile(t, p.Dir+"/new.json")
	if !strings.Contains(text, `"names":["mkdir","mount","ptrace","rmdir","socket"]`) {
		t.Errorf("%v\n%s", r, text)
	}
	if r := report(p, t, records, "--add", "rename"); r.Status == 0 || !strings.Contains(r.Err, "--add rename: no record that counts") {
		t.Errorf("%v", r)
	}
}

// What is refused whatever the profile says stays refused: typing into terminals, and
// calls in another number space.
func TestTrialStillRefuses(t *testing.T) {
	p := trialPolicy(t, "nobody", "")
	section := func(program string) {
		rig.Write(t, p.Filters, "[Filters]\nx: CommandFilter, "+p.Dir+"/"+program+", nobody\n[Sandbox:x]\nseccomp = "+p.Dir+"/own.json\nseccomp_log = yes\n")
	}
	// A call in another number space ends its thread, and Go's program then hangs.
	said := func(program string) string {
		t.Helper()
		section(program)
		out, err := exec.Command("timeout", "-s", "KILL", "5", rig.Ours, p.Conf, p.Dir+"/"+program).Output()
		if err == nil {
			t.Errorf("%s ends well: %s", program, out)
		}
		return string(out)
	}
	rig.BuildHelper(t, p.Dir+"/typist", "", map[string]string{"main.go": rig.Typist})
	if out := said("typist"); !strings.HasPrefix(out, "sti: 1\nlinux: 1\nhigh sti: 1\n") {
		t.Errorf("typing: %q", out)
	}
	if rig.Goarch(t) != "amd64" {
		return
	}
	rig.BuildHelper(t, p.Dir+"/int80", "", map[string]string{"main.go": rig.Int80, "int80_amd64.s": rig.Int80Assembly})
	if exec.Command(p.Dir+"/int80").Run() != nil {
		t.Skip("this kernel serves no int 0x80: system calls by it were not checked")
	}
	if out := said("int80"); out != "" {
		t.Errorf("int 0x80: %q", out)
	}
}

// Without the kernel's records a trial would be no confinement, and teach nothing.
func TestTrialUnlogged(t *testing.T) {
	p := trialPolicy(t, "root", "seccomp = DIR/own.json\nseccomp_log = yes")
	rig.Write(t, p.Dir+"/logged", "kill_process kill_thread trap errno user_notif trace catalog\n")
	const script = `mount --bind "$1" /proc/sys/kernel/seccomp/actions_logged && shift && exec "$@"`
	r := rig.Run(t, "unshare", "-m", "sh", "-c", script, "sh", p.Dir+"/logged", rig.Ours, p.Conf, "mkdir", p.Dir+"/out/x")
	rig.NotRun(t, r, "cannot set up the sandbox of filter mkdir: cannot try seccomp profile "+p.Dir+"/own.json (seccomp_log): the kernel writes no records")
	if _, err := os.Stat(p.Dir + "/out/x"); err == nil {
		t.Error("it ran")
	}
}

// Landlock's refusals are in the records, with the paths that the section lacks.
func TestLandlockLog(t *testing.T) {
	if v, _, _ := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION); int(v) < 7 {
		t.Skip("this kernel's Landlock writes no records (Linux 6.15): nothing was checked")
	}
	auditing(t)
	const rules = "landlock_ro = /usr, /etc, /proc\nlandlock_rw = /dev/null\n"
	p := trialPolicy(t, "root", rules)
	refused := func() {
		for _, r := range []rig.Result{rig.Run(t, rig.Ours, p.Conf, "mkdir", p.Dir+"/out/a")} {
			if r.Status != 1 {
				t.Errorf("%v", r)
			}
		}
	}
	if records := auditRecords(t, refused); strings.Contains(records, p.Dir) {
		t.Errorf("records without landlock_log:\n%s", records)
	}
	sections(p, t, "root", rules+"landlock_log = yes")
	s := rig.Serve(t, p)
	c := s.Client()
	records := auditRecords(t, func() {
		refused()
		if r := c.Run("mkdir", p.Dir+"/out/a"); r.Status != 1 {
			t.Errorf("%v", r)
		}
	})
	r := report(p, t, records)
	line := "landlock_rw = /dev/null, " + p.Dir + "/out"
	if r.Status != 0 || !strings.Contains(r.Out, "  landlock_rw              2 records: "+p.Dir+"/out\n") || !strings.Contains(r.Out, "\n  "+line+"\n") || !strings.Contains(r.Out, "Landlock refuses while it logs") {
		t.Fatalf("%v\n%s", r, records)
	}
	sections(p, t, "root", "landlock_ro = /usr, /etc, /proc\n"+line)
	if r := rig.Run(t, rig.Ours, p.Conf, "mkdir", p.Dir+"/out/a"); r.Status != 0 {
		t.Errorf("with what was added: %v", r)
	}
}
