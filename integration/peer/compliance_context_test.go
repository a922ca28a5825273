package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ironwrap/integration/rig"
)

// B1 to B4, B7, B8, B11 and B12: what surrounds the command.

const (
	allowCatAsNobody = "cat: CommandFilter, cat, nobody"
	allowPrintenv    = "printenv: CommandFilter, printenv, root"
	allowEnv         = "env: CommandFilter, env, root"
	allowGrep        = "grep: CommandFilter, grep, root"
	allowTee         = "tee: CommandFilter, tee, root"
)

// withGroups is root with the groups of a login that administers the machine.
var withGroups = rig.Words("/usr/bin/setpriv --groups 4,6,42")

// withoutRaising is root without the right to raise a hard limit, as in many containers.
var withoutRaising = rig.Words("/usr/bin/setpriv --bounding-set=-sys_resource")

// wholeText is what tee is asked to write: 20 kB.
var wholeText = strings.Repeat("0123456789abcdef", 1280)

var contextRows = []weakness{
	{id: "B1",
		attempts: []attempt{
			{name: "groups of nobody", filters: rig.AllowIDAsNobody, argv: rig.Words("id")},
			{name: "groups of nobody, started with others", filters: rig.AllowIDAsNobody, unit: true, under: withGroups, argv: rig.Words("id -G")},
			{name: "file that root's group may read", filters: allowCatAsNobody,
				setup: allOf(rootFiles("secret", "secret"), chmod("{dir}/secret", 0o640)), argv: rig.Words("cat {dir}/secret")},
			{name: "file that group shadow may read", filters: allowCatAsNobody, unit: true, under: withGroups,
				setup: allOf(rootFiles("secret", "secret"), chmod("{dir}/secret", 0o640), func(s *stage) { os.Chown(s.Dir+"/secret", 0, 42) }),
				argv:  rig.Words("cat {dir}/secret")},
		},
		neighbours: []attempt{
			{name: "user of nobody", filters: rig.AllowIDAsNobody, argv: rig.Words("id -u"), want: itPrinted("65534")},
			{name: "file that all may read", filters: allowCatAsNobody, setup: rootFiles("file", "text"), argv: rig.Words("cat {dir}/file"), want: itPrinted("text")},
			{name: "groups of root", filters: allowID, argv: rig.Words("id"), want: itPrinted("uid=0(root) gid=0(root) groups=0(root)")},
		}},
	{id: "B2",
		attempts: []attempt{
			{name: "environment through sudo", filters: allowEnv,
				env:  rig.Words("DISPLAY=caller XAUTHORITY=caller KRB5CCNAME=caller LC_TIME=caller LS_COLORS=caller PS1=caller"),
				argv: rig.Words("env"), finds: whatCameThrough},
			{name: "environment of a unit", filters: allowEnv, unit: true, env: rig.Words("BASH_ENV=caller IFS=caller PERL5OPT=caller X=caller"),
				argv: rig.Words("env"), finds: whatCameThrough},
			{name: "who called sudo", filters: allowPrintenv, argv: rig.Words("printenv SUDO_USER"), finds: whatCameThrough},
			{name: "LD_PRELOAD of a unit", filters: allowID, setup: func(s *stage) { s.vars["library"] = pcprofile(s) },
				unit: true, env: rig.Words("LD_PRELOAD={library} PCPROFILE_OUTPUT={home}/mark"), argv: rig.Words("id -u"), finds: rootWrote},
		},
		neighbours: []attempt{
			{name: "PATH", filters: allowPrintenv, argv: rig.Words("printenv PATH"), finds: hasPath, want: "has /usr/bin in PATH"},
			{name: "HOME", filters: allowPrintenv, argv: rig.Words("printenv HOME"), want: itPrinted("/root")},
			{name: "variable that env_keep names", filters: allowPrintenv, conf: "env_keep=DISPLAY", env: rig.Words("DISPLAY=caller"),
				argv: rig.Words("printenv DISPLAY"), want: itPrinted("caller")},
		}},
	{id: "B3",
		attempts: []attempt{
			{name: "PYTHONPATH of a unit", filters: allowID, setup: homeFiles("lib/sitecustomize.py", startsEvil),
				unit: true, env: rig.Words("PYTHONPATH={home}/lib"), argv: rig.Words("id -u")},
			{name: "PYTHONPATH of a unit, for a command in Python", filters: "py: CommandFilter, {dir}/bin/command, root",
				setup: allOf(homeFiles("lib/sitecustomize.py", startsEvil), rootFiles("bin/command", "#!/usr/bin/python3\nprint('fine')\n")),
				unit:  true, env: rig.Words("PYTHONPATH={home}/lib"), argv: rig.Words("command")},
		},
		neighbours: []attempt{
			{name: "command in Python", filters: "py: CommandFilter, {dir}/bin/command, root",
				setup: rootFiles("bin/command", "#!/usr/bin/python3\nprint('fine')\n"), argv: rig.Words("command"), want: itPrinted("fine")},
		}},
	{id: "B4",
		attempts: []attempt{
			{name: "soft limit of the file size", filters: allowTee, unit: true, under: rig.Words("/usr/bin/prlimit --fsize=8192:unlimited"),
				setup: oldFile, stdin: wholeText, argv: rig.Words("tee {dir}/file"), finds: sizeOfFile},
			{name: "hard limit of the file size that cannot be raised", filters: allowTee,
				unit: true, under: append(rig.Words("/usr/bin/prlimit --fsize=8192:8192"), withoutRaising...),
				setup: oldFile, stdin: wholeText, argv: rig.Words("tee {dir}/file"), finds: sizeOfFile},
			{name: "hard limit of the processor time that cannot be raised", filters: allowID,
				unit: true, under: append(rig.Words("/usr/bin/prlimit --cpu=5:5"), withoutRaising...), argv: rig.Words("id -u")},
			{name: "umask", filters: "touch: CommandFilter, touch, root", under: []string{"/bin/sh", "-c", `umask 0777; exec "$@"`, "sh"},
				argv: rig.Words("touch {dir}/new"), finds: modeOfNew},
			{name: "ignored signals", filters: allowGrep, under: rig.Words("/usr/bin/env --ignore-signal=HUP,USR1,TERM"),
				argv: rig.Words("grep ^SigIgn: /proc/self/status"), finds: signalsIn},
			{name: "blocked signals", filters: allowGrep, unit: true, under: rig.Words("/usr/bin/env --block-signal=HUP,USR1,TERM"),
				argv: rig.Words("grep ^SigBlk: /proc/self/status"), finds: signalsIn},
			{name: "nice value", filters: "nice: CommandFilter, nice, root", under: rig.Words("/usr/bin/nice -n 5"), argv: rig.Words("nice"), finds: niceness},
			{name: "oom_score_adj", filters: "cat: CommandFilter, cat, root", under: rig.Words("/usr/bin/choom -n 900 --"), argv: rig.Words("cat /proc/self/oom_score_adj")},
			{name: "interval timer", filters: "sleep: CommandFilter, sleep, root", unit: true,
				under: []string{"/usr/bin/python3", "-Sc", "import os, signal, sys; signal.setitimer(signal.ITIMER_REAL, 1.5); os.execv(sys.argv[1], sys.argv[1:])"},
				argv:  rig.Words("sleep 2")},
		},
		neighbours: []attempt{
			{name: "guard of the processor time", filters: rig.AllowShell, unit: true, under: append(rig.Words("/usr/bin/prlimit --cpu=30:30"), withoutRaising...),
				argv: []string{"sh", "-c", "ulimit -Ht; ulimit -St"}, want: itPrinted("30\n30")},
			{name: "guard of the address space", filters: rig.AllowShell, unit: true, under: rig.Words("/usr/bin/prlimit --as=1073741824:1073741824"),
				argv: []string{"sh", "-c", "ulimit -Hv; ulimit -Sv"}, want: itPrinted("1048576\n1048576")},
			{name: "no limits", filters: allowTee, setup: oldFile, stdin: wholeText, argv: rig.Words("tee {dir}/file"), finds: sizeOfFile, want: "the file has 20480 bytes"},
			{name: "usual umask", filters: "touch: CommandFilter, touch, root", argv: rig.Words("touch {dir}/new"), finds: modeOfNew, want: "the file has mode 644"},
			{name: "number of descriptors", filters: rig.AllowShell, argv: []string{"sh", "-c", "ulimit -Sn"}, want: itPrinted("1024")},
			{name: "number of descriptors by rlimit_nofile", filters: rig.AllowShell, conf: "rlimit_nofile=512",
				argv: []string{"sh", "-c", "ulimit -Sn"}, want: itPrinted("512")},
		}},
	{id: "B7",
		attempts: []attempt{
			{name: "process of the command", filters: rig.AllowShell, run: processOfCommand},
			{name: "killed half-way", filters: rig.AllowShell, run: killedHalfWay},
		},
		neighbours: []attempt{
			{name: "status of the command", filters: rig.AllowShell, argv: []string{"sh", "-c", "exit 7"}, want: "ended with status 7"},
		}},
	{id: "B8",
		attempts: []attempt{
			{name: "standard input closed", filters: "readlink: CommandFilter, readlink, root", unit: true, under: closed("<&-"),
				argv: rig.Words("readlink /proc/self/fd/0")},
			{name: "standard output closed", filters: "python: CommandFilter, python3, root", unit: true, under: closed(">&-"),
				argv: []string{"python3", "-Sc", "import os; open('{dir}/file', 'w').write(os.readlink('/proc/self/fd/1'))"}, finds: outputIs},
			{name: "standard error closed", filters: "readlink: CommandFilter, readlink, root", unit: true, under: closed("2>&-"),
				argv: rig.Words("readlink /proc/self/fd/2")},
			{name: "descriptor of the caller's", filters: "readlink: CommandFilter, readlink, root", unit: true, under: closed("7</etc/passwd"),
				argv: rig.Words("readlink /proc/self/fd/7"), want: "ended with status 1"},
		},
		neighbours: []attempt{
			{name: "standard input", filters: "cat: CommandFilter, cat, root", stdin: "text", argv: rig.Words("cat"), want: itPrinted("text")},
		}},
	{id: "B11",
		attempts: []attempt{
			{name: "status 99 of the command's", filters: rig.AllowShell, argv: []string{"sh", "-c", "exit 99"}, want: "ended with status 99"},
			{name: "status 96 of the command's", filters: rig.AllowShell, argv: []string{"sh", "-c", "exit 96"}, want: "ended with status 96"},
			{name: "record of a command that ended with 99", filters: rig.AllowShell, conf: rig.LogAll, syslog: rig.LogHeard,
				argv: []string{"sh", "-c", "exit 99"}, finds: recordedAs,
				want: "recorded as executed"},
			{name: "record of a command that was refused", filters: rig.AllowShell, conf: rig.LogAll, syslog: rig.LogHeard, argv: rig.Words("mkfs"), finds: recordedAs,
				want: "recorded as refused"},
			{name: "command killed by a signal", filters: rig.AllowShell, unit: true, argv: []string{"sh", "-c", "kill -KILL $$"}, finds: endedBySignal},
			{name: "status 99 of the program's own", filters: rig.AllowShell, argv: rig.Words("mkfs"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "status 3 of the command's", filters: rig.AllowShell, argv: []string{"sh", "-c", "exit 3"}, want: "ended with status 3"},
		}},
	{id: "B12",
		attempts: []attempt{
			{name: "program that the user may not execute", filters: "x: CommandFilter, {dir}/bin/x, nobody",
				setup: allOf(rootFiles("bin/x", "#!/bin/sh\n"), chmod("{dir}/bin/x", 0o700)), argv: rig.Words("x")},
			{name: "program that is none", filters: "x: CommandFilter, {dir}/bin/x, root", setup: rootFiles("bin/x", "text\n"), argv: rig.Words("x")},
			{name: "interpreter that is not there", filters: "x: CommandFilter, {dir}/bin/x, root", setup: rootFiles("bin/x", "#!/nowhere\n"), argv: rig.Words("x")},
			{name: "directory as the program", filters: "x: CommandFilter, {dir}/bin, root", setup: rootFiles("bin/y", ""), argv: rig.Words("bin")},
			{name: "user that is not there", filters: "x: CommandFilter, id, nosuchuser", argv: rig.Words("id")},
			{name: "no command", filters: "x: IpFilter, ip, root", want: itRefused(98)},
			{name: "program without the right bit", filters: "x: CommandFilter, {dir}/bin/x, root",
				setup: allOf(rootFiles("bin/x", "#!/bin/sh\n"), chmod("{dir}/bin/x", 0o644)), argv: rig.Words("x"), want: itRefused(96)},
			{name: "program that is not there", filters: "x: CommandFilter, {dir}/bin/none, root", argv: rig.Words("none"), want: itRefused(96)},
			{name: "filter with too few fields", filters: "x: RegExpFilter, id\n" + allowID, argv: rig.Words("id -u")},
			{name: "filter with no field", filters: "x: ReadFileFilter\n" + allowID, argv: rig.Words("id -u")},
		},
		neighbours: []attempt{
			{name: "user that is not there, for another filter", filters: "x: CommandFilter, ls, nosuchuser\n" + allowID, argv: rig.Words("id -u"), want: itPrinted("0")},
		}},
}

// startsEvil is a module that Python loads by itself.
const startsEvil = "import subprocess\nsubprocess.run(['{home}/evil'])\n"

// closed has a shell redirect before anything else.
func closed(redirection string) []string {
	return []string{"/bin/sh", "-c", `exec "$@" ` + redirection, "sh"}
}

// whatCameThrough names the variables that a caller set and the command got.
func whatCameThrough(s *stage, r rig.Result) string {
	var names []string
	for line := range strings.Lines(r.Out) {
		if name, ok := strings.CutSuffix(strings.TrimSpace(line), "=caller"); ok {
			names = append(names, name)
		}
	}
	switch {
	case len(names) > 0:
		return "the command got " + strings.Join(names, " ")
	case r.Out == rig.Caller.Name+"\n":
		return "the command got the caller's name"
	}
	return "the command got nothing of it"
}

func hasPath(s *stage, r rig.Result) string {
	for _, dir := range strings.Split(strings.TrimSpace(r.Out), ":") {
		if dir == "/usr/bin" {
			return "has /usr/bin in PATH"
		}
	}
	return s.outcome(r)
}

// oldFile is what a command of root's is about to replace.
func oldFile(s *stage) { s.rootFile("file", strings.Repeat("old!", 5120), 0o644) }

// sizeOfFile tells whether tee replaced all of the file, a part, or nothing.
func sizeOfFile(s *stage, r rig.Result) string {
	data, err := os.ReadFile(s.Dir + "/file")
	switch {
	case err != nil:
		return err.Error()
	case bytes.HasPrefix(data, []byte("old!")):
		return s.outcome(r) + ", and the file is as it was"
	case strings.HasPrefix(wholeText, string(data)):
		return fmt.Sprintf("the file has %d bytes", len(data))
	}
	return "the file has both"
}

func modeOfNew(s *stage, r rig.Result) string {
	st, err := os.Stat(s.Dir + "/new")
	if err != nil {
		return s.outcome(r)
	}
	return fmt.Sprintf("the file has mode %o", st.Mode().Perm())
}

// niceness tells whose nice value the command has: the tests may have one themselves.
func niceness(s *stage, r rig.Result) string {
	switch {
	case r.Status != 0:
		return s.outcome(r)
	case r.Out == "0\n":
		return "the nice value is 0"
	}
	return "the nice value is the caller's"
}

// signalsIn reads a mask of /proc/PID/status.
func signalsIn(s *stage, r rig.Result) string {
	_, mask, _ := strings.Cut(strings.TrimSpace(r.Out), "\t")
	bits, err := strconv.ParseUint(mask, 16, 64)
	if err != nil {
		return s.outcome(r)
	}
	var names []string
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGTERM} {
		if bits&(1<<(sig-1)) != 0 {
			names = append(names, sig.String())
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// processOfCommand compares the process that was started with the one that the
// command says it is.
func processOfCommand(s *stage) string {
	c := exec.Command(s.first()[0], append(s.first()[1:], "sh", "-c", "echo $$")...)
	s.last = rig.RunCmd(s, c)
	if s.last.Out == fmt.Sprintln(c.Process.Pid) {
		return "the command is the process that was started"
	}
	return "the command is another process than the one that was started"
}

// killedHalfWay kills the process that was started, as services do when a command
// takes too long, and looks whether the command lives on.
func killedHalfWay(s *stage) string {
	c := exec.Command(s.first()[0], append(s.first()[1:], "sh", "-c", "echo $$ >"+s.Dir+"/pid; exec sleep 60")...)
	if err := c.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Process.Kill(); c.Wait() })
	pid := 0
	s.wait("the command to run", func() bool {
		text, _ := os.ReadFile(s.Dir + "/pid")
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return false
		}
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", n))
		pid = n
		return string(comm) == "sleep\n"
	})
	c.Process.Kill()
	c.Wait()
	for range 50 { // by whoever sees that the process is gone
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(comm) != "sleep\n" {
			return "the command is gone too"
		}
		time.Sleep(20 * time.Millisecond)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	return "the command lives on without a parent"
}

// outputIs reads what the command found its standard output to be.
func outputIs(s *stage, r rig.Result) string {
	text, err := os.ReadFile(s.Dir + "/file")
	switch {
	case err != nil:
		return s.outcome(r)
	case string(text) == s.Dir+"/file":
		return "the first file that the command opened is its standard output"
	}
	return itPrinted(string(text))
}

// endedBySignal tells how the program that was started ended.
func endedBySignal(s *stage, r rig.Result) string {
	if ws := s.state.Sys().(syscall.WaitStatus); ws.Signaled() {
		return fmt.Sprintf("ended by signal %d", ws.Signal())
	}
	return s.outcome(r)
}
