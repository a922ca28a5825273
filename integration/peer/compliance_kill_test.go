package peer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ironwrap/integration/rig"
)

// A31 to A37: whom a KillFilter lets be killed. All processes are started here;
// those that may be killed run {dir}/sbin/daemon, a copy of sleep(1).

const allowKillDaemon = "kill: KillFilter, root, {dir}/sbin/daemon"

// runs has a process of root's run path, the program being there as well.
func runs(path string) func(*stage) { return runsAs(path, path) }

// runsAs is runs where the process says of itself that it is argv0.
func runsAs(path, argv0 string) func(*stage) {
	return func(s *stage) {
		s.copyOf("/usr/bin/sleep", s.Dir+"/sbin/daemon")
		path := s.expand(path)
		s.copyOf("/usr/bin/sleep", path)
		s.start(path, path, s.expand(argv0), "60")
	}
}

// runsGone is runsAs for a program that is removed once it runs.
func runsGone(path, argv0 string) func(*stage) {
	return func(s *stage) {
		runsAs(path, argv0)(s)
		if err := os.Remove(s.expand(path)); err != nil {
			s.Fatal(err)
		}
	}
}

// runsElsewhere has a process run path in a mount namespace that script has
// furnished, and in which path is another file than here, or is not here at all.
func runsElsewhere(path, argv0, script string) func(*stage) {
	return func(s *stage) {
		s.copyOf("/usr/bin/sleep", s.Dir+"/sbin/daemon")
		s.copyOf("/usr/bin/sleep", s.Dir+"/copy")
		s.rootFile("elsewhere/x", "", 0o644)
		s.start(s.expand(path), "/usr/bin/unshare", "unshare", "--mount", "--propagation", "private", "/bin/bash", "-ec",
			s.expand(script+"\nexec -a "+argv0+" "+path+" 60"))
	}
}

// runsGoneOfCaller has the process run a program of the caller's, which was at the
// path of the filter's program before that came back.
func runsGoneOfCaller(s *stage) {
	path := s.Dir + "/sbin/daemon"
	s.copyOf("/usr/bin/sleep", path)
	s.give(path)
	s.start(path, path, path, "60")
	s.replace(path)
}

// runsGoneElsewhere has the process run a program that was at the path of the
// filter's, but on a file system that is not mounted here.
func runsGoneElsewhere(s *stage) {
	path := s.Dir + "/sbin/daemon"
	s.copyOf("/usr/bin/sleep", path)
	s.start(path+" (deleted)", "/usr/bin/unshare", "unshare", "--mount", "--propagation", "private", "/bin/bash", "-ec", s.expand(`
		mount -t tmpfs none {dir}/sbin
		cp /usr/bin/sleep {dir}/sbin/daemon
		(until test "$(readlink /proc/$$/exe)" = {dir}/sbin/daemon; do sleep .01; done; rm {dir}/sbin/daemon) &
		exec {dir}/sbin/daemon 60
	`))
}

// upgraded has the process's program replaced, as by a package upgrade.
func upgraded(s *stage) {
	runs("{dir}/sbin/daemon")(s)
	s.replace(s.Dir + "/sbin/daemon")
}

// renamed has the process's program moved out of the way, as rpm does it, and another
// one put in its place; gone removes what was moved.
func renamed(path, suffix string, gone bool) func(*stage) {
	return func(s *stage) {
		runs(path)(s)
		path := s.expand(path)
		if err := os.Rename(path, path+suffix); err != nil {
			s.Fatal(err)
		}
		s.replace(s.Dir + "/sbin/daemon")
		if gone {
			if err := os.Remove(path + suffix); err != nil {
				s.Fatal(err)
			}
		}
	}
}

// renamedOfCaller is renamed for a program of the caller's.
func renamedOfCaller(s *stage) {
	path := s.Dir + "/sbin/daemon"
	s.copyOf("/usr/bin/sleep", path)
	s.give(path)
	s.start(path, path, path, "60")
	if err := os.Rename(path, path+";5f2a9c01"); err != nil {
		s.Fatal(err)
	}
	s.replace(path)
	if err := os.Remove(path + ";5f2a9c01"); err != nil {
		s.Fatal(err)
	}
}

// replace puts another file of root's in the place of a program.
func (s *stage) replace(path string) {
	s.Helper()
	s.copyOf("/usr/bin/sleep", path+".new")
	if err := os.Rename(path+".new", path); err != nil {
		s.Fatal(err)
	}
}

// spelt is the daemon with its process id written in another way.
func spelt(how func(pid string) string) func(*stage) {
	return func(s *stage) {
		runs("{dir}/sbin/daemon")(s)
		s.vars["spelt"] = how(s.vars["pid"])
	}
}

var killRows = []weakness{
	{id: "A31",
		attempts: []attempt{
			{name: "id that comes to mean another process", filters: allowKillDaemon, run: reusedID},
			{name: "with a signal that the filter has not", filters: allowKillDaemon + ", -9, -HUP", setup: runs("{dir}/sbin/daemon"),
				argv: rig.Words("kill -15 {pid}"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "id that does not", filters: allowKillDaemon, setup: runs("{dir}/sbin/daemon"), argv: rig.Words("kill {pid}"), want: itKilled},
			{name: "with a signal", filters: allowKillDaemon + ", -9, -HUP", setup: runs("{dir}/sbin/daemon"), argv: rig.Words("kill -9 {pid}"), want: itKilled},
			{name: "with a signal by name", filters: allowKillDaemon + ", -9, -HUP", setup: runs("{dir}/sbin/daemon"), argv: rig.Words("kill -HUP {pid}"), want: itKilled},
		}},
	{id: "A32",
		attempts: []attempt{
			{name: "other file at the same path in another mount namespace", filters: allowKillDaemon,
				setup: runsElsewhere("{dir}/sbin/daemon", "{dir}/sbin/daemon", "mount --bind {dir}/copy {dir}/sbin/daemon"), argv: rig.Words("kill {pid}")},
		},
		neighbours: []attempt{
			{name: "the same file in another mount namespace", filters: allowKillDaemon,
				setup: runsElsewhere("{dir}/sbin/daemon", "{dir}/sbin/daemon", ""), argv: rig.Words("kill {pid}"), want: itKilled},
		}},
	{id: "A33",
		attempts: []attempt{
			{name: "program removed, name forged", filters: allowKillDaemon, setup: runsGone("{dir}/other", "{dir}/sbin/daemon"), argv: rig.Words("kill {pid}")},
			{name: "program not to be seen here, name forged", filters: allowKillDaemon,
				setup: runsElsewhere("{dir}/elsewhere/other", "{dir}/sbin/daemon", "mount -t tmpfs none {dir}/elsewhere; cp /usr/bin/sleep {dir}/elsewhere/other"),
				argv:  rig.Words("kill {pid}")},
			{name: "program of the caller's, removed", filters: allowKillDaemon, setup: runsGoneOfCaller, argv: rig.Words("kill {pid}")},
			{name: "program removed, in another mount namespace", filters: allowKillDaemon, setup: runsGoneElsewhere, argv: rig.Words("kill {pid}")},
			{name: "program renamed by rpm, of the caller's", filters: allowKillDaemon, setup: renamedOfCaller, argv: rig.Words("kill {pid}")},
			{name: "program renamed, not by rpm, and removed", filters: allowKillDaemon, setup: renamed("{dir}/sbin/daemon", ".evil", true), argv: rig.Words("kill {pid}")},
			{name: "program renamed by rpm, and there still", filters: allowKillDaemon, setup: renamed("{dir}/sbin/daemon", ";5f2a9c01", false), argv: rig.Words("kill {pid}")},
			{name: "other program that has such a name", filters: allowKillDaemon, setup: runs("{dir}/sbin/other;5f2a9c01"), argv: rig.Words("kill {pid}"), want: itRefused(99)},
			{name: "such a name in another directory, argv forged", filters: allowKillDaemon,
				setup: runsAs("{dir}/elsewhere/daemon;5f2a9c01", "{dir}/sbin/daemon"), argv: rig.Words("kill {pid}"), want: itRefused(99)},
			{name: "name forged", filters: allowKillDaemon, setup: runsAs("{dir}/other", "{dir}/sbin/daemon"), argv: rig.Words("kill {pid}"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "program replaced by an upgrade", filters: allowKillDaemon, setup: upgraded, argv: rig.Words("kill {pid}"), want: itKilled},
			{name: "program renamed and removed by an upgrade of rpm's", filters: allowKillDaemon,
				setup: renamed("{dir}/sbin/daemon", ";90bfb2", true), argv: rig.Words("kill {pid}"), want: itKilled},
			{name: "program renamed and removed by an upgrade of rpm's, eight digits", filters: allowKillDaemon + ", -9",
				setup: renamed("{dir}/sbin/daemon", ";5f2a9c01", true), argv: rig.Words("kill -9 {pid}"), want: itKilled},
			{name: "program with another name for itself", filters: allowKillDaemon, setup: runsAs("{dir}/sbin/daemon", "worker"),
				argv: rig.Words("kill {pid}"), want: itKilled},
		}},
	{id: "A34",
		attempts: []attempt{
			{name: "program whose name says that it is deleted", filters: allowKillDaemon, setup: runs("{dir}/sbin/daemon (deleted)"), argv: rig.Words("kill {pid}")},
		},
		neighbours: []attempt{
			{name: "program without", filters: allowKillDaemon, setup: runs("{dir}/sbin/daemon"), argv: rig.Words("kill {pid}"), want: itKilled},
		}},
	{id: "A35",
		attempts: []attempt{
			{name: "program removed, name that leads nowhere", filters: allowKillDaemon, setup: runsGone("{dir}/other", "nowhere"), argv: rig.Words("kill {pid}")},
			{name: "program that is another", filters: allowKillDaemon, setup: runs("{dir}/other"), argv: rig.Words("kill {pid}"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "program that is this", filters: allowKillDaemon, setup: runs("{dir}/sbin/daemon"), argv: rig.Words("kill {pid}"), want: itKilled},
		}},
	{id: "A36",
		attempts: []attempt{
			{name: "plus sign", filters: allowKillDaemon, setup: spelt(func(pid string) string { return "+" + pid }), argv: rig.Words("kill {spelt}")},
			{name: "blank before", filters: allowKillDaemon, setup: spelt(func(pid string) string { return " " + pid }), argv: rig.Words("kill {spelt}")},
			{name: "newline before", filters: allowKillDaemon, setup: spelt(func(pid string) string { return "\n" + pid }), argv: rig.Words("kill {spelt}")},
			{name: "zeros before", filters: allowKillDaemon, setup: spelt(func(pid string) string { return "000" + pid }), argv: rig.Words("kill {spelt}")},
			{name: "underscore", filters: allowKillDaemon, setup: spelt(func(pid string) string { return pid[:1] + "_" + pid[1:] }), argv: rig.Words("kill {spelt}")},
			{name: "Arabic-Indic digits", filters: allowKillDaemon, setup: spelt(arabic), argv: rig.Words("kill {spelt}")},
			{name: "every process", filters: allowKillDaemon + ", -9", unit: true, under: apart, argv: rig.Words("kill -9 -1"), want: itRefused(99)},
			{name: "the caller's process group", filters: allowKillDaemon, unit: true, under: apart, argv: rig.Words("kill 0"), want: itRefused(99)},
			{name: "process group", filters: allowKillDaemon, setup: spelt(func(pid string) string { return "-" + pid }),
				argv: rig.Words("kill {spelt}"), want: itRefused(99)},
			{name: "no number", filters: allowKillDaemon, argv: rig.Words("kill self"), want: itRefused(99)},
		},
		neighbours: []attempt{
			{name: "as the kernel prints it", filters: allowKillDaemon, setup: runs("{dir}/sbin/daemon"), argv: rig.Words("kill {pid}"), want: itKilled},
		}},
	{id: "A37",
		attempts: []attempt{
			{name: "interpreter as the program", filters: "kill: KillFilter, root, {python}", setup: runsPython, argv: rig.Words("kill {pid}"), want: itKilled},
			{name: "name that PATH leads to", filters: "kill: KillFilter, root, daemon", setup: runs("{dir}/sbin/daemon"),
				unit: true, env: []string{"PATH={dir}/sbin:/usr/bin"}, argv: rig.Words("kill {pid}")},
		},
		neighbours: []attempt{
			{name: "name that exec_dirs and PATH lead to", filters: "kill: KillFilter, root, daemon", conf: "exec_dirs={dir}/sbin", setup: runs("{dir}/sbin/daemon"),
				unit: true, env: []string{"PATH={dir}/sbin:/usr/bin"}, argv: rig.Words("kill {pid}"), want: itKilled},
		}},
}

// apart is for signals to more than one process: in a process id namespace and a
// session of its own nothing of the machine's can be hit.
var apart = rig.Words("/usr/bin/unshare --pid --fork --kill-child --mount-proc /usr/bin/setsid --wait")

func arabic(pid string) string {
	return strings.Map(func(digit rune) rune { return digit - '0' + '٠' }, pid)
}

// runsPython is a service that has nothing in common with the one that the filter
// is for, but the interpreter.
func runsPython(s *stage) {
	python, err := filepath.EvalSymlinks("/usr/bin/python3")
	if err != nil {
		s.Fatal(err)
	}
	s.vars["python"] = python
	s.start(python, python, "python3", "-c", "import time; time.sleep(60)")
}

// reusedID has the id of the daemon come to mean another process after the filter
// has looked at it, and before the signal is sent: a delay in the system call that
// leads to the signal leaves the time. All of it takes place in a process id
// namespace, where the next id can be chosen.
func reusedID(s *stage) string {
	rig.Need(s, "strace", "/usr/bin/strace")
	s.copyOf("/usr/bin/sleep", s.Dir+"/sbin/daemon")
	delay := "-P /bin/kill -e trace=execve -e inject=execve:delay_enter=2000000"
	if s.program == rig.Ours {
		delay = "-e trace=pidfd_send_signal -e inject=pidfd_send_signal:delay_enter=2000000:when=2"
	}
	script := `
		$DIR/sbin/daemon 60 & target=$!
		strace -f -qq -o $DIR/trace ` + delay + ` "$@" kill $target >$DIR/out 2>&1 & wrapper=$!
		until grep -q -s -e 'execve("/bin/kill' -e SIGTERM $DIR/trace; do sleep .02; done
		kill -KILL $target; wait $target || :
		for try in 1 2 3 4 5; do
			echo $((target-1)) >/proc/sys/kernel/ns_last_pid
			sleep 60 & other=$!
			test $other != $target || break
		done
		test $other = $target || echo the id was not given again
		wait $wrapper && status=0 || status=$?
		sleep .5
		case $(cut -d' ' -f3 /proc/$other/stat 2>/dev/null) in
			''|Z) echo another process had the id, and was killed ;;
			*) echo another process has the id, and lives ;;
		esac
	`
	c := exec.Command("/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "/bin/sh", "-ec", script, "sh", s.program, s.Conf)
	c.Env = []string{"DIR=" + s.Dir, "PATH=/usr/sbin:/usr/bin"}
	s.last = rig.RunCmd(s, c)
	return strings.TrimSpace(s.last.Out)
}
