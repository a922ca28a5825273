package main

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"ironwrap/exec"
	"ironwrap/exec/launch"
	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/sandbox"
	"ironwrap/sandbox/record"
	"ironwrap/sandbox/seccomp"
	"ironwrap/sandbox/seccomp/bpf"
	"ironwrap/sandbox/seccomp/compile"
)

// seen is a run that made these calls, and had these capabilities.
func seen(change func(*run), numbers ...uint32) *run {
	r := &run{calls: &record.Calls{Seen: map[record.Call]map[uint64]bool{}}}
	for _, n := range numbers {
		r.calls.Seen[record.Call{Arch: seccomp.Arch, Number: n}] = nil
	}
	if change != nil {
		change(r)
	}
	return r
}

func with(r *run, number uint32, values ...uint64) {
	m := map[uint64]bool{}
	for _, v := range values {
		m[v] = true
	}
	r.calls.Seen[record.Call{Arch: seccomp.Arch, Number: number}] = m
}

// by is what the run showed, of a filter that runs as the user.
func by(r *run, uid uint32, caps sandbox.Capabilities) learned {
	user := "root"
	if uid != 0 {
		user = "nova"
	}
	filter, err := filters.New("CommandFilter, tool, " + user)
	if err != nil {
		panic(err)
	}
	d := policy.Decision{Filter: &policy.Entry{Filter: filter, Name: "tool", File: "/etc/x/x.filters", Line: 3}, RunAs: user}
	return summarize(r, d, &exec.Plan{Command: launch.Command{Spec: sandbox.Spec{UID: uid, Capabilities: caps}}})
}

var all = sandbox.Capabilities{All: true}

// What the section says, for each that can be learned.
func TestLearnSection(t *testing.T) {
	const chown, admin = 1 << unix.CAP_CHOWN, 1 << unix.CAP_NET_ADMIN
	for name, c := range map[string]struct {
		l    learned
		want string // after the line of seccomp
		note string // a part of one; "" for none at all
	}{
		"nothing": {by(seen(nil), 0, all), "capabilities = none\nno_new_privs = yes\n", ""},
		"granted": {by(seen(func(r *run) { r.capabilities.Granted = chown | admin }), 0, all),
			"capabilities = CAP_CHOWN, CAP_NET_ADMIN\nno_new_privs = yes\n", ""},
		"refused": {by(seen(func(r *run) { r.capabilities.Refused = chown }), 0, all), "capabilities = none\nno_new_privs = yes\n",
			"asked for in vain, and done without: CAP_CHOWN"},
		"both": {by(seen(func(r *run) { r.capabilities = record.Capabilities{Granted: chown, Refused: chown} }), 0, all),
			"capabilities = CAP_CHOWN\nno_new_privs = yes\n", ""},
		"unknown": {by(seen(func(r *run) { r.unknown = errors.New("no tracepoint") }), 0, all),
			"no_new_privs = yes\n", "capabilities were not learned, and are not limited: no tracepoint"},
		"root gains": {by(seen(func(r *run) { r.calls.Gained, r.capabilities.Granted = true, chown }), 0, all),
			"capabilities = CAP_CHOWN\n", "a program got rights by being executed"},
		"user": {by(seen(nil), 7, all), "capabilities = none\nno_new_privs = yes\n", ""},
		"user, in a namespace of its own": {by(seen(func(r *run) { r.capabilities.Granted = chown }), 7, all),
			"capabilities = none\nno_new_privs = yes\n", ""},
		"user, unknown": {by(seen(func(r *run) { r.unknown = errors.New("no tracepoint") }), 7, all),
			"capabilities = none\nno_new_privs = yes\n", ""},
		"user gains": {by(seen(func(r *run) { r.calls.Gained, r.capabilities.Granted = true, chown }), 7, all),
			"", "the key capabilities is left out"},
		"user with capabilities": {by(seen(func(r *run) { r.capabilities.Granted = chown }), 7, sandbox.Capabilities{Set: chown | admin}),
			"capabilities = CAP_CHOWN\nno_new_privs = yes\n", ""},
		"user with capabilities, unknown": {by(seen(func(r *run) { r.unknown = errors.New("no tracepoint") }), 7, sandbox.Capabilities{Set: chown}),
			"no_new_privs = yes\n", "no tracepoint"},
		"failed":  {by(seen(func(r *run) { r.status = 1 }), 0, all), "capabilities = none\nno_new_privs = yes\n", "1 run of 1 ended with another status than 0"},
		"unnamed": {by(seen(nil, 1000), 0, all), "capabilities = none\nno_new_privs = yes\n", "system call number 1000 of audit architecture"},
	} {
		if have, want := c.l.section("/x"), "[Sandbox:tool]\n# files are not limited: landlock_ro and landlock_rw say which it may read and write\nseccomp = /x/tool.json\n"+c.want; have != want {
			t.Errorf("%s: %q, not %q", name, have, want)
		}
		notes := strings.Join(c.l.notes(), "\n")
		if !strings.Contains(notes, c.note) || c.note == "" && notes != "" {
			t.Errorf("%s: notes %q, not %q", name, notes, c.note)
		}
	}
}

// The profile is one that compiles, and its program answers as was learned.
func TestLearnProfile(t *testing.T) {
	r := seen(nil, unix.SYS_EXECVE, unix.SYS_READ, 1000)
	with(r, unix.SYS_IOCTL, 0x5401, 0x5413)
	with(r, unix.SYS_SOCKET, unix.AF_UNIX)
	with(r, unix.SYS_CLONE, 0)
	l := by(r, 0, all)
	data, err := l.profile()
	if err != nil {
		t.Fatal(err)
	}
	m, err := compile.ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, notes, err := compile.Program(data, m)
	if err != nil || len(notes) > 0 {
		t.Fatalf("%v, %v\n%s", err, notes, data)
	}
	const high = 5 << 32 // bits that the kernel does not look at
	for _, c := range []struct {
		number uint32
		args   [6]uint64
		allow  bool
	}{
		{unix.SYS_EXECVE, [6]uint64{1, 2, 3}, true},
		{unix.SYS_READ, [6]uint64{}, true},
		{unix.SYS_FUTEX, [6]uint64{}, true}, // by chance
		{unix.SYS_RT_SIGRETURN, [6]uint64{}, true},
		{unix.SYS_WRITE, [6]uint64{}, false},
		{unix.SYS_IOCTL, [6]uint64{1, 0x5401}, true},
		{unix.SYS_IOCTL, [6]uint64{1, 0x5413 | high}, true},
		{unix.SYS_IOCTL, [6]uint64{0x5401, 0x5412}, false},
		{unix.SYS_SOCKET, [6]uint64{unix.AF_UNIX, 3}, true},
		{unix.SYS_SOCKET, [6]uint64{unix.AF_INET}, false},
		{unix.SYS_CLONE, [6]uint64{unix.CLONE_VM | unix.CLONE_THREAD}, true},
		{unix.SYS_CLONE, [6]uint64{unix.CLONE_NEWUSER}, false},
		{unix.SYS_CLONE, [6]uint64{unix.CLONE_NEWNET | unix.CLONE_VM}, false},
		{unix.SYS_UNSHARE, [6]uint64{}, false},
		{1000, [6]uint64{}, false},
	} {
		answer, err := bpf.Answer(p.Filter(), bpf.Call{Number: c.number, Arch: seccomp.Arch, Args: c.args})
		if err != nil || bpf.Allows(answer) != c.allow {
			t.Errorf("%d%v: %s, %v", c.number, c.args, bpf.Name(answer), err)
		}
	}
	for _, want := range []string{`"comment": "Learned from 1 run of filter tool, run as root."`, `"defaultAction": "SCMP_ACT_ERRNO"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
}

// Programs of another architecture run under the profile too.
func TestLearnForeign(t *testing.T) {
	if seccomp.Arch != unix.AUDIT_ARCH_X86_64 {
		t.Skip("not x86-64: nothing was checked of programs of 32 bits")
	}
	r := seen(nil, unix.SYS_EXECVE)
	with(r, unix.SYS_IOCTL, 0x5401)
	const write, ioctl = 4, 54 // of i386
	r.calls.Seen[record.Call{Arch: unix.AUDIT_ARCH_I386, Number: write}] = nil
	r.calls.Seen[record.Call{Arch: unix.AUDIT_ARCH_I386, Number: ioctl}] = nil
	l := by(r, 0, all)
	if !reflect.DeepEqual(l.Foreign, []specs.Arch{specs.ArchX86}) || !strings.Contains(strings.Join(l.notes(), "\n"), "another architecture ran (SCMP_ARCH_X86)") {
		t.Errorf("%v, %q", l.Foreign, l.notes())
	}
	data, err := l.profile()
	if err != nil {
		t.Fatal(err)
	}
	m, err := compile.ThisMachine(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := compile.Program(data, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		arch, number uint32
		allow        bool
	}{
		{unix.AUDIT_ARCH_I386, write, true}, {unix.AUDIT_ARCH_I386, ioctl, true}, {unix.AUDIT_ARCH_I386, 21, false}, // mount
		{unix.AUDIT_ARCH_X86_64, unix.SYS_WRITE, true}, {unix.AUDIT_ARCH_X86_64, unix.SYS_MOUNT, false},
	} {
		answer, err := bpf.Answer(p.Filter(), bpf.Call{Number: c.number, Arch: c.arch})
		if err != nil || bpf.Allows(answer) != c.allow {
			t.Errorf("%#x %d: %s, %v", c.arch, c.number, bpf.Name(answer), err)
		}
	}
}

// Runs add up, in whatever order, and through a file.
func TestLearnMerge(t *testing.T) {
	a := seen(func(r *run) { r.capabilities.Granted = 1 << unix.CAP_CHOWN }, unix.SYS_EXECVE, unix.SYS_READ)
	with(a, unix.SYS_IOCTL, 1, 3)
	b := seen(func(r *run) { r.capabilities.Refused, r.status = 1<<unix.CAP_KILL, 1 }, unix.SYS_EXECVE, unix.SYS_WRITE)
	with(b, unix.SYS_IOCTL, 2, 3)
	with(b, unix.SYS_SOCKET, 16)
	la, lb := by(a, 0, all), by(b, 0, all)

	ab, err := la.merge(lb)
	if err != nil {
		t.Fatal(err)
	}
	ba, err := lb.merge(la)
	if err != nil || !reflect.DeepEqual(ab, ba) {
		t.Errorf("%v: one way %+v, the other %+v", err, ab, ba)
	}
	want := map[string][]uint64{"execve": nil, "read": nil, "write": nil, "ioctl": {1, 2, 3}, "socket": {16}}
	if !reflect.DeepEqual(ab.Calls, want) || ab.Runs != 2 || ab.Failed != 1 || !reflect.DeepEqual(ab.Granted, []string{"CAP_CHOWN"}) || !reflect.DeepEqual(ab.Refused, []string{"CAP_KILL"}) {
		t.Errorf("%+v", ab)
	}
	if len(la.Calls) != 3 || len(la.Calls["ioctl"]) != 2 {
		t.Errorf("merging changed what was merged: %+v", la)
	}
	again, err := ab.merge(la)
	if err != nil || !reflect.DeepEqual(again.Calls, ab.Calls) {
		t.Errorf("%v, %+v", err, again)
	}

	data, err := json.Marshal(ab)
	if err != nil {
		t.Fatal(err)
	}
	var back learned
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, ab) {
		t.Errorf("%v: wrote %+v, read %+v", err, ab, back)
	}

	// What was not learned once, or was gained once, stays so.
	unknown, err := by(seen(func(r *run) { r.unknown = errors.New("why"); r.calls.Gained = true }), 0, all).merge(la)
	if err != nil || unknown.Unknown != "why" || !unknown.Gained {
		t.Errorf("%v, %+v", err, unknown)
	}
	if unknown, err = la.merge(unknown); err != nil || unknown.Unknown != "why" || !unknown.Gained {
		t.Errorf("%v, %+v", err, unknown)
	}
	if _, err := la.merge(by(a, 7, all)); err == nil || !strings.Contains(err.Error(), "run as nova") {
		t.Errorf("another user: %v", err)
	}
	other := la
	other.Filter = "other"
	if _, err := la.merge(other); err == nil || !strings.Contains(err.Error(), "filter other") {
		t.Errorf("another filter: %v", err)
	}
}

// A filter's name becomes a file's, which a sandbox section can name.
func TestLearnPath(t *testing.T) {
	for name, want := range map[string]string{
		"qemu-img": "/d/qemu-img.json", "/sbin/ip": "/d/_sbin_ip.json", "a b": "/d/a_b.json", "..": "/d/.json", "..x": "/d/x.json", "é": "/d/_.json", "a.b+c": "/d/a.b+c.json",
	} {
		path := learned{Filter: name}.path("/d", ".json")
		_, _, err := seccomp.Locate(path)
		if path != want || (err != nil) != (want == "/d/.json") {
			t.Errorf("%q: %s, %v", name, path, err)
		}
	}
}
