package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
	"ironwrap/sandbox/record"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/probe"
)

// The kernel is asked by this test program, started again.
func init() { probe.Child() }

// student is a policy with a filter for each command, and a directory for what is
// learned.
type student struct {
	rig.Policy
	into    string
	filters string // the section [Filters]
}

func newStudent(t testing.TB, filters string) student {
	t.Helper()
	p := rig.NewPolicy(t, filters)
	s := student{p, p.Dir + "/learned", "[Filters]\n" + filters + "\n"}
	if err := os.Mkdir(s.into, 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// learn runs the command without any sandbox, to add to what is known of its
// filter.
func (s student) learn(t testing.TB, argv ...string) rig.Result {
	t.Helper()
	rig.Write(t, s.Policy.Filters, s.filters)
	return rig.Run(t, append([]string{rig.Ctl(t), "learn", "--into", s.into, s.Conf, "--"}, argv...)...)
}

// apply puts the learned section of a filter beside it, and compiles the profile.
func (s student) apply(t testing.TB, filter string) *seccomp.Program {
	t.Helper()
	if r := rig.Run(t, rig.Ctl(t), "seccomp", "compile", s.into+"/"+filter+".json"); r.Status != 0 || r.Out+r.Err != "" {
		t.Fatalf("the learned profile does not compile: %v", r)
	}
	rig.Write(t, s.Policy.Filters, s.filters+s.section(t, filter))
	program, err := seccomp.Parse([]byte(rig.ReadFile(t, s.into+"/"+filter+".bpf")))
	if err != nil {
		t.Fatal(err)
	}
	return program
}

func (s student) section(t testing.TB, filter string) string {
	t.Helper()
	return rig.ReadFile(t, s.into+"/"+filter+".section")
}

func (s student) run(t testing.TB, argv ...string) rig.Result {
	t.Helper()
	return rig.Run(t, append([]string{rig.Ours, s.Conf}, argv...)...)
}

// refuses asks the kernel for calls that the command did not make.
func refuses(t testing.TB, p *seccomp.Program, numbers ...uint32) {
	t.Helper()
	for _, number := range append(numbers, unix.SYS_PTRACE, unix.SYS_REBOOT, unix.SYS_BPF, unix.SYS_INIT_MODULE, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_IO_URING_ENTER, unix.SYS_USERFAULTFD) {
		v, err := probe.Ask(p, number, [6]uint64{})
		if err != nil || v.Allowed {
			t.Errorf("system call %d, which was not made: %v, %v", number, v, err)
		}
	}
}

// Each tool: what it shows while it learns is what it shows under what was
// learned; a thing that it did not do fails there, though the filter allows it.
func TestLearnTools(t *testing.T) {
	for file, pkg := range map[string]string{"/usr/bin/qemu-img": "qemu-utils", "/usr/sbin/lvs": "lvm2", "/usr/sbin/dnsmasq": "dnsmasq-base", "/usr/sbin/losetup": "mount"} {
		if _, err := os.Stat(strings.Replace(file, "/usr/sbin", "/sbin", 1)); err != nil {
			rig.Need(t, pkg, file)
		}
	}
	dir := t.TempDir()
	rig.Write(t, dir+"/text", "one\ntwo\n")
	ns := fmt.Sprintf("iwlearn%d", os.Getpid())
	t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run(); exec.Command("ip", "netns", "del", ns+"b").Run() })
	if r := rig.Run(t, "ip", "netns", "add", ns); r.Status != 0 {
		t.Fatal(r)
	}
	words := func(line string) []string {
		return strings.Fields(strings.NewReplacer("$DIR", dir, "$NS", ns).Replace(line))
	}

	for _, c := range []struct {
		filter   string
		commands []string
		other    string // allowed by the filter, but not what was learned; "" for none
		calls    []uint32
	}{
		{"cat", []string{"cat $DIR/text"}, "", []uint32{unix.SYS_SOCKET, unix.SYS_CLONE, unix.SYS_UNLINK, unix.SYS_IOCTL, unix.SYS_FCHMODAT}},
		{"qemu-img", []string{"qemu-img create -f qcow2 $DIR/a.qcow2 4M", "qemu-img info --output=json $DIR/a.qcow2"}, "qemu-img create -q -f raw -o preallocation=falloc $DIR/a.raw 1M", []uint32{unix.SYS_UNSHARE, unix.SYS_MOUNT}},
		{"ip", []string{"ip -n $NS link set lo up", "ip -n $NS -o addr show lo"}, "ip netns add $NSb", []uint32{unix.SYS_PIVOT_ROOT, unix.SYS_CHOWN}},
		{"lvs", []string{"lvs --noheadings"}, "", []uint32{unix.SYS_UNSHARE, unix.SYS_CHROOT}},
		{"losetup", []string{"losetup --all"}, "losetup --find", []uint32{unix.SYS_SOCKET, unix.SYS_CLONE}},
		{"dnsmasq", []string{"dnsmasq --test --conf-file=/dev/null"}, "", []uint32{unix.SYS_SOCKET, unix.SYS_SETUID}},
	} {
		t.Run(c.filter, func(t *testing.T) {
			s := newStudent(t, c.filter+": CommandFilter, "+c.filter+", root")
			var shown []rig.Result
			for range 2 {
				for _, line := range c.commands {
					shown = append(shown, s.learn(t, words(line)...))
				}
			}
			if c.other != "" {
				if r := s.run(t, words(c.other)...); r.Status != 0 {
					t.Errorf("%s: without a sandbox it does not work either: %v", c.other, r)
				}
				exec.Command("ip", "netns", "del", ns+"b").Run()
			}
			program := s.apply(t, c.filter)
			for i, line := range c.commands {
				was, is := shown[i], s.run(t, words(line)...)
				if is.Status != 0 || was.Status != 0 || is.Out != was.Out {
					t.Errorf("%s: while learning: %v; then: %v", line, was, is)
				}
			}
			if c.other != "" {
				if r := s.run(t, words(c.other)...); r.Status == 0 {
					t.Errorf("%s: it was not learned, but works: %v", c.other, r)
				}
			}
			refuses(t, program, c.calls...)
		})
	}
}

// Runs add up: what one did is not forgotten when another did not do it.
func TestLearnMerge(t *testing.T) {
	s := newStudent(t, "sh: CommandFilter, sh, root")
	file := s.Dir + "/file"
	rig.Write(t, file, "text\n")
	read := []string{"sh", "-c", "cat " + file}
	change := []string{"sh", "-c", "chown 1:1 " + file}

	if r := s.learn(t, read...); r.Status != 0 || r.Out != "text\n" || !strings.Contains(r.Err, "learned from 1 run: "+s.into+"/sh.section\n") {
		t.Fatal(r)
	}
	s.apply(t, "sh")
	if r := s.run(t, read...); r.Status != 0 || r.Out != "text\n" {
		t.Errorf("read after reading was learned: %v", r)
	}
	if r := s.run(t, change...); r.Status == 0 || !strings.Contains(r.Err, "Operation not permitted") {
		t.Errorf("changed before changing was learned: %v", r)
	}

	if r := s.learn(t, change...); r.Status != 0 || r.Out != "" || !strings.Contains(r.Err, "learned from 2 runs: ") {
		t.Fatal(r)
	}
	program := s.apply(t, "sh")
	for _, argv := range [][]string{read, change} {
		if r := s.run(t, argv...); r.Status != 0 {
			t.Errorf("%q after both were learned: %v", argv, r)
		}
	}
	refuses(t, program, unix.SYS_SOCKET, unix.SYS_MOUNT, unix.SYS_FCHMODAT)

	// Nothing of it is another filter's, nor another user's.
	s.filters = strings.Replace(s.filters, "root", "nobody", 1)
	if r := s.learn(t, read...); r.Status != 2 || r.Out != "" || !strings.Contains(r.Err, "cannot add to "+s.into+"/sh.learned.json: it is of filter sh, run as root") {
		t.Errorf("another user: %v", r)
	}
	// What others can write is not added to, and the command not run for nothing.
	if err := os.Chmod(s.into+"/sh.learned.json", 0o666); err != nil {
		t.Fatal(err)
	}
	if r := s.learn(t, read...); r.Status != 2 || r.Out != "" {
		t.Errorf("a state that others can write: %v", r)
	}
	if err := os.Chmod(s.into, 0o777); err != nil {
		t.Fatal(err)
	}
	if r := s.learn(t, read...); r.Status != 2 || r.Out != "" {
		t.Errorf("a directory that others can write: %v", r)
	}
}

// The capabilities are those that were used: with one less it does not work.
func TestLearnCapabilities(t *testing.T) {
	tracer, err := record.NewTracer()
	if err != nil {
		t.Skipf("that capabilities are learned was not checked: %v", err)
	}
	tracer.Close()
	s := newStudent(t, "sh: CommandFilter, sh, root")
	theirs := s.Dir + "/theirs"
	rig.Write(t, theirs, "text\n")
	restore := func() {
		t.Helper()
		if err := errors.Join(os.Chown(theirs, int(rig.Caller.UID), int(rig.Caller.GID)), os.Chmod(theirs, 0o400)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ script, want string }{
		{"cat " + s.Conf, "none"},
		{"cat " + theirs, "CAP_DAC_READ_SEARCH"},
		{"chmod 440 " + theirs, "CAP_FOWNER, CAP_FSETID"}, // the second would keep a set-group-id bit
		{"chgrp 0 " + theirs, "CAP_CHOWN"},
		{"unshare -m cat " + theirs + " & wait $!", "CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN"},
	} {
		if err := errors.Join(os.RemoveAll(s.into), os.Mkdir(s.into, 0o755)); err != nil {
			t.Fatal(err)
		}
		restore()
		was := s.learn(t, "sh", "-c", c.script)
		if section := s.section(t, "sh"); !strings.Contains(section, "\ncapabilities = "+c.want+"\nno_new_privs = yes\n") {
			t.Errorf("%s: not %s:\n%s%v", c.script, c.want, section, was)
		}
		s.apply(t, "sh")
		restore()
		if is := s.run(t, "sh", "-c", c.script); is.Out != was.Out || is.Status != was.Status {
			t.Errorf("%s: while learning: %v; then: %v", c.script, was, is)
		}
		if c.want == "none" {
			continue
		}
		weaker := strings.Replace(s.section(t, "sh"), c.want, "none", 1)
		rig.Write(t, s.Policy.Filters, s.filters+weaker)
		restore()
		if is := s.run(t, "sh", "-c", c.script); is.Out == was.Out && is.Status == was.Status {
			t.Errorf("%s works without %s", c.script, c.want)
		}
	}
}

// Another user's command begins without capabilities; what it has in a user
// namespace of its own does not count. A program that gains rights must go on to.
func TestLearnOtherUser(t *testing.T) {
	s := newStudent(t, "sh: CommandFilter, sh, nobody\nsetuid: CommandFilter, nice, nobody")
	for _, script := range []string{"id -un", "unshare -U true; id -un"} {
		r := s.learn(t, "sh", "-c", script)
		if r.Status != 0 || r.Out != "nobody\n" {
			t.Fatal(r)
		}
	}
	if section, want := s.section(t, "sh"), "[Sandbox:sh]\n# files are not limited: landlock_ro and landlock_rw say which it may read and write\nseccomp = "+s.into+"/sh.json\ncapabilities = none\nno_new_privs = yes\n"; section != want {
		t.Errorf("%q, not %q", section, want)
	}
	program := s.apply(t, "sh")
	if r := s.run(t, "sh", "-c", "unshare -U true; id -un"); r.Status != 0 || r.Out != "nobody\n" {
		t.Error(r)
	}
	if r := s.run(t, "sh", "-c", "unshare -Um true"); r.Status == 0 {
		t.Errorf("more namespaces than were learned: %v", r)
	}
	refuses(t, program, unix.SYS_SOCKET, unix.SYS_MOUNT)

	id := s.Dir + "/id"
	if out, err := exec.Command("sh", "-c", "cp /usr/bin/id "+id+" && chmod 4755 "+id).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := s.learn(t, "nice", "-n", "5", id, "-un")
	if r.Status != 0 || r.Out != "root\n" || !strings.Contains(r.Err, "note: a program got rights by being executed") {
		t.Fatal(r)
	}
	if section, want := s.section(t, "setuid"), "[Sandbox:setuid]\n# files are not limited: landlock_ro and landlock_rw say which it may read and write\nseccomp = "+s.into+"/setuid.json\n"; section != want {
		t.Errorf("%q, not %q", section, want)
	}
	s.apply(t, "setuid")
	if r := s.run(t, "nice", "-n", "5", id, "-un"); r.Status != 0 || r.Out != "root\n" {
		t.Error(r)
	}
}

// Arguments: the requests, families and options that were used, and no others.
func TestLearnArguments(t *testing.T) {
	rig.Need(t, "python3", "/usr/bin/python3")
	s := newStudent(t, "python3: CommandFilter, python3, root")
	const script = `
import socket, sys, fcntl, os, threading
threading.Thread(target=lambda: None).start()
family = getattr(socket, sys.argv[1])
try: socket.socket(family, socket.SOCK_DGRAM); print("socket")
except OSError as e: print(e.strerror)
try: fcntl.ioctl(1, int(sys.argv[2]), b" "); print("done")
except OSError as e: print(e.strerror)
`
	const fionread, tiocsti = "21531", "21522"
	if r := s.learn(t, "python3", "-c", script, "AF_INET", fionread); r.Status != 0 || !strings.HasPrefix(r.Out, "socket\n") {
		t.Fatal(r)
	}
	program := s.apply(t, "python3")
	for _, c := range []struct{ family, request, want string }{
		{"AF_INET", fionread, "socket\n"},
		{"AF_PACKET", fionread, "Operation not permitted\n"},
		{"AF_INET", tiocsti, "socket\nOperation not permitted\n"},
	} {
		if r := s.run(t, "python3", "-c", script, c.family, c.request); r.Status != 0 || !strings.HasPrefix(r.Out, c.want) {
			t.Errorf("%+v: %v", c, r)
		}
	}
	for _, c := range []struct {
		number uint32
		args   [6]uint64
		ok     bool
	}{
		{unix.SYS_IOCTL, [6]uint64{0, unix.TIOCSTI}, false},
		{unix.SYS_IOCTL, [6]uint64{0, 1<<32 | 21531}, true}, // the kernel looks at 32 bits
		{unix.SYS_SOCKET, [6]uint64{unix.AF_INET, unix.SOCK_RAW}, true},
		{unix.SYS_SOCKET, [6]uint64{unix.AF_NETLINK}, false},
		{unix.SYS_UNSHARE, [6]uint64{unix.CLONE_NEWUSER}, false},
	} {
		if v, err := probe.Ask(program, c.number, c.args); err != nil || v.Allowed != c.ok {
			t.Errorf("%d%v: %v, %v", c.number, c.args, v, err)
		}
	}
}
