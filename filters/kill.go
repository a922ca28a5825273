package filters

import (
	"errors"
	"slices"
	"strings"
)

// kill allows a signal to a process that runs a certain program:
//
//	KillFilter, root, /usr/sbin/dnsmasq, -9, -HUP
//
// Without signals in the filter only "kill PID" is allowed, which sends SIGTERM;
// with signals only these, as they are written.
//
// The process is held by a pidfd before it is looked at, and the signal goes
// through the same pidfd: no other process can be hit. What it runs is decided
// by the file (device and inode of /proc/PID/exe), never by its command line.
type kill struct {
	program
	target  string
	signals []string
}

func newKill(f []string) (Filter, error) {
	if len(f) < 2 || f[0] == "" || f[1] == "" {
		return nil, errors.New("needs a run-as user and the executable of the processes")
	}
	return &kill{program{exec: "/bin/kill", runAs: f[0]}, f[1], f[2:]}, nil
}

func (k *kill) Match(argv []Untrusted, m Machine) Match {
	if argv[0] != "kill" {
		return no("the command is not kill")
	}
	name := "-TERM"
	switch {
	case len(argv) == 3 && slices.Contains(k.signals, string(argv[1])):
		name = string(argv[1])
	case len(argv) == 3:
		return nof("the filter does not allow signal %s", argv[1])
	case len(argv) != 2:
		return no("not: kill [-SIGNAL] PID")
	case len(k.signals) > 0:
		return nof("a signal must be given, one of %s", strings.Join(k.signals, " "))
	}
	number, ok := signalNumber(name)
	if !ok {
		return nof("%q is not a signal of signal(7)", name)
	}
	pid, ok := processID(argv[len(argv)-1])
	if !ok {
		return nof("%s is not a process id", argv[len(argv)-1])
	}
	p, err := m.Process(pid)
	if err != nil {
		return nof("%v", err)
	}
	if why := k.runs(p, m); why != "" {
		return nof("process %d %s", pid, why)
	}
	return Match{Matched: true, Args: argv[1:], Signal: &Signal{Number: number, Process: p}}
}

const deleted = " (deleted)"

// runs returns why p does not run the filter's program, or nothing.
//
// A program that was replaced while the process runs (a package upgrade) is the
// hard case: the file that it runs has no name any more, or the one that rpm gave
// it. Then the text of the link has to serve, which the kernel took from the
// directory entry; it is believed only of a file of root's that was on the same
// file system as the program, in a process with our root directory.
func (k *kill) runs(p Process, m Machine) string {
	link := string(p.Link)
	gone := p.Exe.Links == 0
	if gone {
		if !strings.HasSuffix(link, deleted) {
			return "runs a file that has no name"
		}
		link = strings.TrimSuffix(link, deleted)
	}
	name, renamed := link, false
	if !k.named(name) {
		if name, renamed = beforeUpgrade(link); !renamed || !k.named(name) {
			return "does not run " + k.target
		}
		// rpm works in directories of root's: in another one, whoever owns it
		// gives names.
		if err := m.Trusted(Untrusted(name[:len(name)-len(base(name))])); err != nil {
			return "runs a file that was renamed, in a directory that cannot be trusted"
		}
	}
	if renamed && !gone && !isFile(m.Programs(link), p.Exe) {
		return "runs a file that was renamed, and is not there"
	}
	for _, candidate := range m.Programs(k.target) {
		if gone || renamed {
			if candidate.Path == name && candidate.DirDev == p.Exe.Dev &&
				p.Exe.UID == 0 && p.Exe.Mode&0o022 == 0 && p.SameRoot {
				return ""
			}
		} else if isFile([]Program{candidate}, p.Exe) {
			return ""
		}
	}
	return "does not run the file " + k.target
}

// named tells whether path is called as the filter calls its program.
func (k *kill) named(path string) bool {
	return path == k.target || !absolute(k.target) && base(path) == k.target
}

func isFile(places []Program, f File) bool {
	for _, p := range places {
		if p.Exists && p.File.Dev == f.Dev && p.File.Ino == f.Ino {
			return true
		}
	}
	return false
}

// beforeUpgrade returns the name that a file had before rpm moved it out of the
// way: it puts a semicolon and the number of its transaction behind, hexadecimal
// (";%08x", lib/fsm.c of rpm).
func beforeUpgrade(path string) (string, bool) {
	at := strings.LastIndexByte(path, ';')
	if at < 0 {
		return "", false
	}
	number := path[at+1:]
	if number == "" || len(number) > 16 || strings.Trim(number, "0123456789abcdef") != "" {
		return "", false
	}
	return path[:at], true
}

// processID takes a decimal number as the kernel prints it: no sign, no leading
// zero, nothing around it, at most PID_MAX_LIMIT (4194304).
func processID(word Untrusted) (int, bool) {
	w := string(word)
	if len(w) == 0 || len(w) > 7 || w[0] == '0' {
		return 0, false
	}
	pid := 0
	for i := 0; i < len(w); i++ {
		if w[i] < '0' || w[i] > '9' {
			return 0, false
		}
		pid = pid*10 + int(w[i]-'0')
	}
	return pid, pid <= 1<<22
}

// signalNumber reads "-9", "-HUP" or "-SIGHUP" (signal(7), and 0, which only
// asks whether the process is there).
func signalNumber(word string) (int, bool) {
	name, ok := strings.CutPrefix(word, "-")
	if !ok || name == "" {
		return 0, false
	}
	if name[0] >= '0' && name[0] <= '9' {
		n := 0
		for i := 0; i < len(name); i++ {
			if name[i] < '0' || name[i] > '9' || i > 1 {
				return 0, false
			}
			n = n*10 + int(name[i]-'0')
		}
		return n, n <= 64
	}
	name = strings.TrimPrefix(name, "SIG")
	for _, s := range signals {
		if s.name == name {
			return s.number, true
		}
	}
	return 0, false
}

// The numbers are those of every architecture that Debian has a server release
// for, mips excepted.
var signals = [...]struct {
	name   string
	number int
}{
	{"HUP", 1}, {"INT", 2}, {"QUIT", 3}, {"ILL", 4}, {"TRAP", 5}, {"ABRT", 6}, {"IOT", 6}, {"BUS", 7},
	{"FPE", 8}, {"KILL", 9}, {"USR1", 10}, {"SEGV", 11}, {"USR2", 12}, {"PIPE", 13}, {"ALRM", 14},
	{"TERM", 15}, {"STKFLT", 16}, {"CHLD", 17}, {"CLD", 17}, {"CONT", 18}, {"STOP", 19}, {"TSTP", 20},
	{"TTIN", 21}, {"TTOU", 22}, {"URG", 23}, {"XCPU", 24}, {"XFSZ", 25}, {"VTALRM", 26}, {"PROF", 27},
	{"WINCH", 28}, {"IO", 29}, {"POLL", 29}, {"PWR", 30}, {"SYS", 31},
}
