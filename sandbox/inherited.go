package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Treatment is what becomes of a thing that a process keeps over execve(2).
type Treatment string

// Reset is put back to what a fresh process has; Refused ends in an error, since the
// kernel does not let go of it; Left stays as the caller made it.
const (
	Reset   Treatment = "reset"
	Refused Treatment = "refused"
	Left    Treatment = "left"
)

// A row of inherited. Where a step or Begin of its own sees to it, by says which.
type row struct {
	Name   string
	Source string // the man page that says that it survives
	Done   Treatment
	Why    string

	by    string
	begin func() error      // in Begin, since it is in our own way too
	enter func(*Spec) error // in the step "reset what else is inherited"
	reset option            // in that step too
	takes uintptr           // a capability that it takes to set, and to reset: without it, it is left
}

// option is one of prctl(2), with the value that puts a thing back; the zero value is
// none. A kernel that does not know it has nothing to put back.
type option struct{ name, value uintptr }

// inherited is everything that survives execve(2), by credentials(7), prctl(2) with all
// its options, execve(2), sched(7) and the pages that these name. Begin and Enter run
// from it. What cannot be reset for want of a capability is left where the caller could
// only have set it with that capability, or where it can make a command slow but not cut
// it short.
var inherited = [...]row{
	// What the process is.
	{Name: "real, effective and saved ids, groups", Source: "credentials(7)", Done: Reset, Why: "they are the run-as user's", by: "set the user id"},
	{Name: "capability sets, bounding set, ambient set", Source: "capabilities(7)", Done: Reset, Why: "the section says which; a bounding set that was smaller stays smaller", by: "set the capabilities"},
	{Name: "securebits", Source: "capabilities(7)", Done: Reset, Why: "under SECBIT_NOROOT root has no capabilities; locked ones stay, which only CAP_SETPCAP can have locked", enter: securebits},
	{Name: "no_new_privs", Source: "PR_SET_NO_NEW_PRIVS(2const)", Done: Left, Why: "cannot be unset; sudo and setuid have no effect under it, so that no stranger can set it for root"},
	{Name: "seccomp filters", Source: "seccomp(2)", Done: Left, Why: "cannot be removed; setting one takes no_new_privs or CAP_SYS_ADMIN"},
	{Name: "Landlock domain", Source: "landlock(7)", Done: Left, Why: "cannot be left; entering one takes no_new_privs or CAP_SYS_ADMIN"},
	{Name: "namespaces, root directory", Source: "namespaces(7), chroot(2)", Done: Left, Why: "entering others takes capabilities, or a user namespace, in which sudo and setuid have no effect"},
	{Name: "LSM label", Source: "execve(2)", Done: Left, Why: "the machine's policy decides, or apparmor_profile and selinux_context"},
	{Name: "login uid and audit session", Source: "pam_loginuid(8)", Done: Left, Why: "they say who logged in"},
	{Name: "session keyring", Source: "keyrings(7), session-keyring(7)", Done: Reset, Why: "request_key(2) would find the caller's keys; root's own stays, and private_keyring = no keeps any", by: "join a new session keyring"},
	{Name: "personality", Source: "personality(2)", Done: Reset, Why: "uname(2) lies under UNAME26 and PER_LINUX32, addresses are not random under ADDR_NO_RANDOMIZE", enter: ownPersonality},

	// How it is run.
	{Name: "scheduling policy, reset-on-fork, utilization clamps, time slice", Source: "sched(7), sched_setattr(2)", Done: Reset, Why: "under SCHED_IDLE a command can stand still; without CAP_SYS_NICE what cannot be raised is left", begin: scheduling},
	{Name: "nice value", Source: "setpriority(2)", Done: Reset, Why: "it makes a command slow; without CAP_SYS_NICE it is left, unless the section asks for one", by: "set the nice value"},
	{Name: "autogroup and its nice value", Source: "sched(7)", Done: Left, Why: "it belongs to the session, and makes slow at most"},
	{Name: "core scheduling cookie", Source: "PR_SCHED_CORE(2const)", Done: Left, Why: "it keeps others off the core, and makes slow at most"},
	{Name: "CPU affinity", Source: "sched_setaffinity(2)", Done: Left, Why: "services are pinned with it (CPUAffinity=); it makes slow at most"},
	{Name: "timer slack", Source: "PR_SET_TIMERSLACK(2const)", Done: Reset, Why: "with a large one each wait of the command and of ironwrap lasts for hours; the value that PR_SET_TIMERSLACK puts back for 0 cannot be set", begin: timerSlack},
	{Name: "I/O priority", Source: "ioprio_set(2)", Done: Reset, Why: "in the idle class a command can stand still", enter: ioPriority},
	{Name: "PR_SET_IO_FLUSHER", Source: "PR_SET_IO_FLUSHER(2const)", Done: Reset, Why: "it lets a command dip into reserves; only CAP_SYS_RESOURCE sets and unsets it", reset: option{unix.PR_SET_IO_FLUSHER, 0}, takes: unix.CAP_SYS_RESOURCE},
	{Name: "NUMA memory policy", Source: "set_mempolicy(2)", Done: Reset, Why: "a command that is bound to a full node is killed, because it gets no memory", enter: memoryPolicy, takes: unix.CAP_SYS_NICE},
	{Name: "transparent huge pages (PR_SET_THP_DISABLE)", Source: "PR_SET_THP_DISABLE(2const)", Done: Reset, Why: "it makes a command slow", reset: option{unix.PR_SET_THP_DISABLE, 0}},
	{Name: "page merging (PR_SET_MEMORY_MERGE)", Source: "PR_SET_MEMORY_MERGE(2const)", Done: Reset, Why: "the time that a write takes tells what is in memory", reset: option{unix.PR_SET_MEMORY_MERGE, 0}, takes: unix.CAP_SYS_RESOURCE},
	{Name: "memory that is never both writable and executable (PR_SET_MDWE)", Source: "PR_SET_MDWE(2const)", Done: Refused, Why: "cannot be unset, and a command that compiles at run time fails; memory_deny_write_execute = yes says that it may be so", enter: noWriteExecDenied},
	{Name: "machine check policy (PR_MCE_KILL)", Source: "PR_MCE_KILL(2const)", Done: Reset, Why: "it kills a command for a page that it never touches", reset: option{unix.PR_MCE_KILL, unix.PR_MCE_KILL_CLEAR}},
	{Name: "reading the time stamp counter (PR_SET_TSC)", Source: "PR_SET_TSC(2const)", Done: Reset, Why: "a command would die when it asks for the time; so does ironwrap itself on most machines, before anything runs", reset: option{unix.PR_SET_TSC, unix.PR_TSC_ENABLE}},
	{Name: "speculation control", Source: "PR_SET_SPECULATION_CTRL(2const)", Done: Left, Why: "it protects, and makes slow at most"},
	{Name: "vector length (arm64)", Source: "PR_SVE_SET_VL(2const)", Done: Left, Why: "programs work with any"},
	{Name: "OOM score", Source: "proc_pid_oom_score_adj(5)", Done: Reset, Why: "it has the command killed first; a caller who has opened the file before can raise it again", by: "set the OOM score"},
	{Name: "cgroup", Source: "cgroups(7)", Done: Left, Why: "somebody who was given one (Delegate=) can freeze, starve and kill what runs in it"},

	// What ends it, or part of its work.
	{Name: "limits of CPU time and address space", Source: "getrlimit(2)", Done: Reset, Why: "hard limits that leave room for honest work are a guard of the service, and stay", by: "reset the resource limits"},
	{Name: "other resource limits", Source: "getrlimit(2)", Done: Reset, Why: "small limits of a caller make a command do half of its work", by: "reset the resource limits"},
	{Name: "CPU time used, children's too", Source: "times(2)", Done: Left, Why: "it counts against RLIMIT_CPU, and ironwrap looks at what is left of that"},
	{Name: "interval timers, alarm", Source: "getitimer(2)", Done: Reset, Why: "they would kill the command", by: inBegin},
	{Name: "parent death signal", Source: "PR_SET_PDEATHSIG(2const)", Done: Reset, Why: "the end of a caller would kill the command", begin: parentDeathSignal},
	{Name: "being the reaper of orphans (PR_SET_CHILD_SUBREAPER)", Source: "PR_SET_CHILD_SUBREAPER(2const)", Done: Reset, Why: "zombies would gather that a command does not know of", begin: subreaper},
	{Name: "ignored signals", Source: "signal(7)", Done: Reset, Why: "a command could not be ended", by: "reset the ignored signals"},
	{Name: "signal mask, pending signals", Source: "signal(7)", Done: Reset, Why: "what is pending arrives before the command, and nothing runs", by: "reset the signal mask"},
	{Name: "children of the process", Source: "wait(2)", Done: Left, Why: "a command that waits for any child may be told of one that it does not know"},
	{Name: "System V semaphore adjustments", Source: "semop(2)", Done: Left, Why: "they are for semaphores that the caller may change anyway"},

	// What it works with.
	{Name: "umask", Source: "umask(2)", Done: Reset, Why: "files would come out unreadable, or writable by all", by: "set the umask"},
	{Name: "descriptors from 3 on, with their locks and leases", Source: "fcntl(2)", Done: Reset, Why: "they are closed", by: "mark descriptors close-on-exec"},
	{Name: "descriptors 0 to 2, with position, flags and locks", Source: "open(2)", Done: Left, Why: "input and output are the caller's; a closed one becomes /dev/null"},
	{Name: "environment", Source: "environ(7)", Done: Reset, Why: "it is built from nothing", by: inExec},
	{Name: "working directory", Source: "chdir(2)", Done: Left, Why: "relative paths are the caller's"},
	{Name: "process id, group, session, controlling terminal", Source: "credentials(7)", Done: Left, Why: "the caller's terminal stops and ends what it started; see the row on typing"},
	{Name: "typing into a terminal", Source: "TIOCSTI(2const)", Done: Reset, Why: "a command of another user's must not type into root's shell", by: "forbid typing into terminals (seccomp)"},
	{Name: "core dump filter", Source: "core(5)", Done: Left, Why: "the limit for core files is 0; a program that gets cores by a pipe decides who reads them"},
	{Name: "exception for ptrace (PR_SET_PTRACER)", Source: "PR_SET_PTRACER(2const)", Done: Left, Why: "it takes the command's rights besides"},
	{Name: "tracer", Source: "ptrace(2)", Done: Left, Why: "setuid has no effect under one that is not root's"},
}

// Where a row is seen to that no step of Enter is for.
const (
	inBegin = "Begin"
	inExec  = "execve"
)

// shedEarly resets what would be in our own way.
func shedEarly() error {
	for i := range inherited {
		r := &inherited[i]
		if r.begin == nil {
			continue
		}
		if err := r.begin(); err != nil {
			return fmt.Errorf("cannot reset the %s: %w", r.Name, err)
		}
	}
	return nil
}

// shed resets the rest.
func shed(s *Spec) error {
	for i := range inherited {
		r := &inherited[i]
		var err error
		switch {
		case r.enter != nil:
			err = r.enter(s)
		case r.reset != (option{}):
			err = r.reset.set()
		}
		if err == unix.EPERM && r.takes != 0 && !able(r.takes) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
	}
	return nil
}

// unknown tells errors of a kernel that does not have a thing, or was built without.
func unknown(err error) bool {
	return err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP
}

func (o option) set() error {
	err := prctl(o.name, o.value)
	if unknown(err) {
		return nil
	}
	return err
}

// These two every kernel has.
func parentDeathSignal() error {
	if err := prctl(unix.PR_SET_PDEATHSIG, 0); err != nil {
		return fmt.Errorf("PR_SET_PDEATHSIG: %w", err)
	}
	return nil
}

func subreaper() error {
	if err := prctl(unix.PR_SET_CHILD_SUBREAPER, 0); err != nil {
		return fmt.Errorf("PR_SET_CHILD_SUBREAPER: %w", err)
	}
	return nil
}

// securebits undoes those that change what a user id means. Ours, for keeping
// capabilities, has not been set yet.
func securebits(*Spec) error {
	bits, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_SECUREBITS, 0, 0)
	if errno != 0 {
		return errno
	}
	// Every second bit locks the one before it.
	const locks = 0xaaaaaaaa
	if bits&^locks == 0 {
		return nil
	}
	err := prctl(unix.PR_SET_SECUREBITS, bits&locks)
	if err == unix.EPERM && (bits&locks != 0 || !able(unix.CAP_SETPCAP)) {
		return nil
	}
	return err
}

func ownPersonality(*Spec) error { return result(unix.RawSyscall(unix.SYS_PERSONALITY, 0, 0, 0)) }

// schedAttr is struct sched_attr of sched_setattr(2), as of Linux 5.3.
type schedAttr struct {
	size, policy              uint32
	flags                     uint64
	nice                      int32
	priority                  uint32
	runtime, deadline, period uint64
	utilMin, utilMax          uint32
}

// scheduling makes the thread an ordinary one of nice value 0; Enter may set another.
// What it takes CAP_SYS_NICE for is left without: the nice value first, and if that is
// not it, the policy as well.
func scheduling() error {
	const clamps = unix.SCHED_FLAG_UTIL_CLAMP
	var err error
	for _, flags := range []uint64{clamps, 0, clamps | unix.SCHED_FLAG_KEEP_PARAMS, unix.SCHED_FLAG_KEEP_PARAMS} {
		attr := schedAttr{policy: unix.SCHED_NORMAL, flags: flags, utilMin: ^uint32(0), utilMax: ^uint32(0)}
		attr.size = uint32(unsafe.Sizeof(attr))
		if flags&clamps == 0 {
			attr.utilMin, attr.utilMax = 0, 0
		}
		if err = result(unix.RawSyscall(unix.SYS_SCHED_SETATTR, 0, uintptr(unsafe.Pointer(&attr)), 0)); err == nil {
			return nil
		}
	}
	if err == unix.EPERM && !able(unix.CAP_SYS_NICE) {
		return nil
	}
	return err
}

// defaultSlack is what process 1 begins with, in nanoseconds.
const defaultSlack = 50_000

// timerSlack resets that of this thread and, where it was another, that of the threads
// that the Go runtime has started with it: they keep our clocks.
func timerSlack() error {
	now, _, errno := unix.RawSyscall(unix.SYS_PRCTL, unix.PR_GET_TIMERSLACK, 0, 0)
	if errno == 0 && now == defaultSlack {
		return nil
	}
	if err := prctl(unix.PR_SET_TIMERSLACK, defaultSlack); err != nil {
		return err
	}
	// Twice, since one that is not set yet may start another.
	for range 2 {
		if err := timerSlackOfAll(); err != nil {
			return err
		}
	}
	return nil
}

// timerSlackOfAll sets it for each thread of the process, and wakes those up that have
// begun a sleep of microseconds and would end it in days: the runtime waits for them
// when the ids of all threads are to change.
func timerSlackOfAll() error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range threads {
		// A thread may have ended meanwhile.
		fd, err := unix.Open("/proc/"+t.Name()+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		_, _ = unix.Write(fd, fmt.Append(nil, defaultSlack))
		unix.Close(fd)
		// The runtime handles this signal, and lets no caller block it.
		if id, err := strconv.Atoi(t.Name()); err == nil && id != unix.Getpid() {
			_ = unix.Tgkill(unix.Getpid(), id, unix.SIGCHLD)
		}
	}
	return nil
}

// ioPriority asks first, since setting takes memory.
func ioPriority(*Spec) error {
	const self, none = 1, 0 // IOPRIO_WHO_PROCESS, IOPRIO_CLASS_NONE
	if now, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_GET, self, 0, 0); errno == 0 && now == none {
		return nil
	}
	if err := result(unix.RawSyscall(unix.SYS_IOPRIO_SET, self, 0, none)); err != nil && !unknown(err) {
		return err
	}
	return nil
}

// memoryPolicy can be refused by the filter of a container that has no CAP_SYS_NICE:
// nobody in there has set one, then.
func memoryPolicy(*Spec) error {
	if err := result(unix.RawSyscall(unix.SYS_SET_MEMPOLICY, 0, 0, 0)); !unknown(err) { // MPOL_DEFAULT
		return err
	}
	return nil
}

// noWriteExecDenied is for a section that does not ask for it.
func noWriteExecDenied(s *Spec) error {
	if s.DenyWriteExec {
		return nil
	}
	// An older kernel says EINVAL, which is no.
	set, _, err := ask(unix.PR_GET_MDWE)
	if err == nil && set {
		err = errors.New("the caller has set it, and it cannot be unset: take MemoryDenyWriteExecute= out of the service's unit, or set memory_deny_write_execute = yes for the filter")
	}
	return err
}
