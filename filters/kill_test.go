package filters

import (
	"fmt"
	"testing"
)

// Processes by what makes them different from 100, which runs /usr/sbin/dnsmasq.
func killMachine() *fakeMachine {
	const dev, ino = 8, 1000
	dnsmasq := File{Dev: dev, Ino: ino, Links: 1, Mode: 0o755}
	process := func(pid int, link string, change func(*Process)) Process {
		p := Process{PID: pid, FD: pid + 1000, Exe: dnsmasq, Link: Untrusted(link), SameRoot: true}
		if change != nil {
			change(&p)
		}
		return p
	}
	gone := func(p *Process) { p.Exe.Links, p.Exe.Ino = 0, 999 }
	m := &fakeMachine{programs: map[string][]Program{
		"/usr/sbin/dnsmasq": {{Path: "/usr/sbin/dnsmasq", Exists: true, File: dnsmasq, DirDev: dev}},
		"dnsmasq":           {{Path: "/bin/dnsmasq", DirDev: dev}, {Path: "/usr/sbin/dnsmasq", Exists: true, File: dnsmasq, DirDev: dev}},
		"/opt/removed":      {{Path: "/opt/removed", DirDev: dev}},
		"/opt/odd;1f":       {{Path: "/opt/odd;1f", Exists: true, File: dnsmasq, DirDev: dev}},
		// Moved out of the way by rpm, and still there.
		"/usr/sbin/dnsmasq;5f2a9c01": {{Path: "/usr/sbin/dnsmasq;5f2a9c01", Exists: true, File: File{Dev: dev, Ino: 999}, DirDev: dev}},
		"/usr/sbin/dnsmasq;00000002": {{Path: "/usr/sbin/dnsmasq;00000002", Exists: true, File: File{Dev: dev, Ino: 998}, DirDev: dev}},
		"/usr/sbin/dnsmasq;3":        {{Path: "/usr/sbin/dnsmasq;3", DirDev: dev}},
	}, processes: make(map[int]Process), trusted: map[string]bool{"/usr/sbin/": true, "/bin/": true}}
	moved := func(p *Process) { p.Exe.Ino = 999 }
	for pid, p := range map[int]Process{
		100:     process(100, "/usr/sbin/dnsmasq", nil),
		101:     process(101, "/usr/sbin/dnsmasq", func(p *Process) { p.Exe.Ino = 2000 }), // same path, another mount name space
		102:     process(102, "/usr/sbin/dnsmasq", func(p *Process) { p.Exe.Dev = 9 }),
		103:     process(103, "/usr/bin/other", nil), // the same file by another name: a program of many names
		104:     process(104, "/usr/sbin/dnsmasq (deleted)", gone),
		105:     process(105, "/usr/sbin/dnsmasq (deleted)", func(p *Process) { gone(p); p.Exe.UID = 1000 }),
		106:     process(106, "/usr/sbin/dnsmasq (deleted)", func(p *Process) { gone(p); p.Exe.Mode = 0o775 }),
		107:     process(107, "/usr/sbin/dnsmasq (deleted)", func(p *Process) { gone(p); p.Exe.Mode = 0o757 }),
		108:     process(108, "/usr/sbin/dnsmasq (deleted)", func(p *Process) { gone(p); p.Exe.Dev = 9 }),
		109:     process(109, "/usr/sbin/dnsmasq (deleted)", func(p *Process) { gone(p); p.SameRoot = false }),
		110:     process(110, "/usr/sbin/dnsmasq (deleted)", nil), // a file of that name
		111:     process(111, "/tmp/dnsmasq (deleted)", gone),
		112:     process(112, "/tmp/dnsmasq", func(p *Process) { p.Exe.Ino = 2000 }),
		113:     process(113, "/usr/sbin/dnsmasq", gone),        // no name, and does not say so
		114:     process(114, "/memfd:dnsmasq (deleted)", gone), // memfd_create(2)
		115:     process(115, "", func(p *Process) { *p = Process{PID: 115, FD: -1} }),
		116:     process(116, "/opt/removed (deleted)", gone),
		117:     process(117, "/bin/dnsmasq (deleted)", gone),
		120:     process(120, "/usr/sbin/dnsmasq;90bfb2 (deleted)", gone), // rpm, as the peer's test has it
		121:     process(121, "/usr/sbin/dnsmasq;5f2a9c01", moved),
		122:     process(122, "/usr/sbin/dnsmasq;00000002", moved), // another file has that name
		123:     process(123, "/usr/sbin/dnsmasq;3", moved),        // none has
		124:     process(124, "/usr/sbin/dnsmasq;90bfb2 (deleted)", func(p *Process) { gone(p); p.Exe.UID = 1000 }),
		125:     process(125, "/usr/sbin/dnsmasq;90bfb2 (deleted)", func(p *Process) { gone(p); p.Exe.Mode = 0o775 }),
		126:     process(126, "/usr/sbin/dnsmasq;90bfb2 (deleted)", func(p *Process) { gone(p); p.Exe.Dev = 9 }),
		127:     process(127, "/usr/sbin/dnsmasq;90bfb2 (deleted)", func(p *Process) { gone(p); p.SameRoot = false }),
		128:     process(128, "/usr/sbin/dnsmasq;5f2a9c01", func(p *Process) { moved(p); p.Exe.UID = 1000 }),
		129:     process(129, "/usr/sbin/dnsmasq;5f2a9c01", func(p *Process) { moved(p); p.Exe.Mode = 0o722 }),
		130:     process(130, "/usr/sbin/dnsmasq;xyz (deleted)", gone),
		131:     process(131, "/usr/sbin/dnsmasq; (deleted)", gone),
		132:     process(132, "/usr/sbin/dnsmasq;1;2 (deleted)", gone),
		133:     process(133, "/usr/sbin/other;90bfb2 (deleted)", gone),
		134:     process(134, "/tmp/dnsmasq;90bfb2 (deleted)", gone),
		135:     process(135, "/opt/removed;90bfb2 (deleted)", gone), // nobody trusts /opt/
		136:     process(136, "/opt/odd;1f", nil),
		137:     process(137, "/usr/sbin/dnsmasq;90bfb2 (deleted)", nil), // a file of that name
		138:     process(138, "/usr/sbin/dnsmasq;5f2a9c01 (deleted)", moved),
		139:     process(139, "/bin/dnsmasq;90bfb2 (deleted)", gone),
		140:     process(140, "/usr/sbin/dnsmasq;5f2a9c01", func(p *Process) { moved(p); p.SameRoot = false }),
		1:       process(1, "/lib/systemd/systemd", func(p *Process) { p.Exe.Ino = 1 }),
		4194304: process(4194304, "/usr/sbin/dnsmasq", nil),
	} {
		m.processes[pid] = p
	}
	return m
}

func TestKill(t *testing.T) {
	m := killMachine()
	for _, c := range []struct {
		definition string
		rows       []row
	}{
		{"KillFilter, root, /usr/sbin/dnsmasq, -9, -HUP", []row{
			{"kill -9 100", ""},
			{"kill -HUP 100", ""},
			{"kill -9 4194304", ""},
			{"kill 100", "a signal must be given, one of -9 -HUP"},
			{"kill -15 100", "does not allow signal -15"},
			{"kill -KILL 100", "does not allow signal"}, // as the filter spells it
			{"kill 9 100", "does not allow signal"},
			{"kill -9 -9 100", "not: kill [-SIGNAL] PID"},
			{"kill -9 100 1", "not: kill"},
			{"kill -9", "a signal must be given"},
			{"kill", "not: kill"},
			{"/bin/kill -9 100", "the command is not kill"},
			{"pkill -9 100", "the command is not kill"},
			{"kill -9<n> 100", "does not allow signal"},
			{"kill  100", "does not allow signal"},
			{"kill -9 1", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 99", "cannot find process 99"},
			{"kill -9 101", "does not run the file /usr/sbin/dnsmasq"},
			{"kill -9 102", "does not run the file"},
			{"kill -9 103", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 104", ""}, // replaced by an upgrade
			{"kill -9 105", "does not run the file"},
			{"kill -9 106", "does not run the file"},
			{"kill -9 107", "does not run the file"},
			{"kill -9 108", "does not run the file"},
			{"kill -9 109", "does not run the file"},
			{"kill -9 110", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 111", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 112", "does not run"},
			{"kill -9 113", "runs a file that has no name"},
			{"kill -9 114", "does not run"},
			{"kill -9 115", "runs a file that has no name"},
			{"kill -9 120", ""},
			{"kill -9 121", ""},
			{"kill -9 122", "renamed, and is not there"},
			{"kill -9 123", "renamed, and is not there"},
			{"kill -9 124", "does not run the file"},
			{"kill -9 125", "does not run the file"},
			{"kill -9 126", "does not run the file"},
			{"kill -9 127", "does not run the file"},
			{"kill -9 128", "does not run the file"},
			{"kill -9 129", "does not run the file"},
			{"kill -9 130", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 131", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 132", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 133", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 134", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 137", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 138", "does not run /usr/sbin/dnsmasq"},
			{"kill -9 140", "does not run the file"},
		}},
		{"KillFilter, root, dnsmasq", []row{
			{"kill 100", ""},
			{"kill 104", ""},
			{"kill 117", ""},
			{"kill -9 100", "does not allow signal"},
			{"kill 101", "does not run the file"},
			{"kill 103", "does not run dnsmasq"},
			{"kill 105", "does not run the file"},
			{"kill 111", "does not run the file"},
			{"kill 112", "does not run the file"},
			{"kill 114", "does not run dnsmasq"},
			{"kill 120", ""},
			{"kill 121", ""},
			{"kill 139", ""},
			{"kill 133", "does not run dnsmasq"},
			{"kill 134", "cannot be trusted"},
		}},
		{"KillFilter, root, /opt/removed, -15", []row{{"kill -15 116", ""}, {"kill -15 104", "does not run"}, {"kill -15 135", "cannot be trusted"}}},
		{"KillFilter, root, /opt/odd;1f, -15", []row{{"kill -15 136", ""}}}, // a program that is called so
		{"KillFilter, root, /opt/odd, -15", []row{{"kill -15 136", "cannot be trusted"}}},
		{"KillFilter, root, nowhere, -9", []row{{"kill -9 100", "does not run"}}},
		// What a filter may name as a signal, but is none.
		{"KillFilter, root, dnsmasq, 9, -, -65, -010, -NONE, --, -9x, -s, -KILL9", []row{
			{"kill 9 100", "is not a signal"}, {"kill - 100", "is not a signal"}, {"kill -65 100", "is not a signal"}, {"kill -010 100", "is not a signal"},
			{"kill -NONE 100", "is not a signal"}, {"kill -- 100", "is not a signal"}, {"kill -9x 100", "is not a signal"}, {"kill -s 100", "is not a signal"}, {"kill -KILL9 100", "is not a signal"},
		}},
	} {
		for line, match := range check(t, newFilter(t, c.definition), m, c.rows) {
			pid := 0
			fmt.Sscan(string(match.Args[len(match.Args)-1]), &pid)
			if p := match.Signal.Process; p.PID != pid || p.FD != pid+1000 {
				t.Errorf("%q: the signal goes to %+v", line, p)
			}
		}
	}
}

func TestKillSignals(t *testing.T) {
	m := killMachine()
	for name, number := range map[string]int{"-1": 1, "-9": 9, "-09": 9, "-15": 15, "-64": 64, "-0": 0, "-HUP": 1, "-SIGHUP": 1, "-INT": 2, "-KILL": 9, "-SIGKILL": 9, "-TERM": 15,
		"-USR1": 10, "-USR2": 12, "-CHLD": 17, "-CLD": 17, "-CONT": 18, "-STOP": 19, "-WINCH": 28, "-POLL": 29, "-IO": 29, "-SYS": 31, "-IOT": 6, "-ABRT": 6} {
		f := newFilter(t, "KillFilter, root, dnsmasq, "+name)
		got := f.Match([]Untrusted{"kill", Untrusted(name), "100"}, m)
		if !got.Matched || got.Signal.Number != number {
			t.Errorf("kill %s: %+v", name, got)
		}
	}
	got := newFilter(t, "KillFilter, root, dnsmasq").Match(argv("kill 100"), m)
	if !got.Matched || got.Signal.Number != 15 {
		t.Errorf("kill without a signal: %+v", got)
	}
}

// A process id is what the kernel prints, and nothing that some program reads as
// the same, or another, number.
func TestKillProcessID(t *testing.T) {
	f, m := newFilter(t, "KillFilter, root, dnsmasq"), killMachine()
	for _, pid := range []string{"", "0", "-1", "-100", "+100", " 100", "100 ", "100\n", "\n100", "0100", "00100", "1_00", "0x64", "100.0", "1e2", "%1", "١٠٠", "１００", "100\u00a0",
		"4294967396", "18446744073709551716", "4194305", "9999999", "12345678", "100,1", "self", "-", "\x00100"} {
		got := f.Match([]Untrusted{"kill", Untrusted(pid)}, m)
		if got.Matched || got.Signal != nil {
			t.Errorf("%q is taken for process %d", pid, got.Signal.Process.PID)
		}
	}
}
