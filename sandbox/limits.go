package sandbox

import (
	"fmt"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

const infinity = ^uint64(0)

// Stack is the stack limit of a command for which a Spec sets none, in bytes.
const Stack = 8 << 20

// What a hard limit must leave a command, so that it passes for a guard of the
// service's: oslo.concurrency's prlimit gives qemu-img 30 or 60 seconds and 1 GiB. A
// smaller one is a knife of the caller's.
const (
	enoughTime   = 10        // seconds of CPU time, what was used before not counted
	enoughMemory = 512 << 20 // bytes of address space; ironwrap itself takes more
)

// Guard returns the limit that a hard limit of a caller's stands for, where it passes for
// a guard of a service's: RLIMIT_CPU in seconds, RLIMIT_AS in bytes.
func Guard(resource int, hard uint64) (l Limit, ok bool) {
	enough := map[int]uint64{unix.RLIMIT_CPU: enoughTime, unix.RLIMIT_AS: enoughMemory}[resource]
	return Limit{Resource: resource, Value: hard}, enough > 0 && hard >= enough && hard != infinity
}

// limits resets what would make a command fail half-way: a file cut off at
// RLIMIT_FSIZE, too few processes. Where a finite hard limit cannot be raised for want
// of CAP_SYS_RESOURCE, that is an error, unless it is the whole container's. What a
// section sets it sets alone.
func limits(s *Spec) error {
	for _, l := range [...]struct {
		resource  int
		name      string
		soft, min uint64 // min is what the hard limit must be at least
	}{
		{unix.RLIMIT_FSIZE, "RLIMIT_FSIZE", infinity, infinity},
		{unix.RLIMIT_DATA, "RLIMIT_DATA", infinity, infinity},
		{unix.RLIMIT_STACK, "RLIMIT_STACK", Stack, Stack},
		{unix.RLIMIT_CORE, "RLIMIT_CORE", 0, 0}, // a core file of root's may hold secrets
		{unix.RLIMIT_NOFILE, "RLIMIT_NOFILE", s.NoFile, 0},
	} {
		if s.limited(l.resource) {
			continue
		}
		now, err := limit(0, l.resource)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		set := unix.Rlimit{Cur: l.soft, Max: max(now.Max, l.min)}
		if l.resource == unix.RLIMIT_NOFILE && (l.soft == 0 || l.soft > now.Max) {
			set.Cur = now.Max
		}
		if set == now {
			continue
		}
		err = prlimit(l.resource, &set, nil)
		if err == unix.EPERM && now.Max < l.min && ofTheMachine(l.resource, now.Max) {
			err = prlimit(l.resource, &unix.Rlimit{Cur: now.Max, Max: now.Max}, nil)
		}
		if err != nil {
			return fmt.Errorf("%s, which has the hard limit %d: %w", l.name, now.Max, err)
		}
	}
	if err := guards(s); err != nil {
		return err
	}
	if err := baseline(s); err != nil {
		return err
	}
	for _, l := range s.Limits {
		if err := prlimit(l.Resource, &unix.Rlimit{Cur: l.Value, Max: l.Value}, nil); err != nil {
			return fmt.Errorf("limit %d to %d: %w", l.Resource, l.Value, err)
		}
	}
	return nil
}

// limited tells that a section sets a limit, so that nothing else need be possible.
func (s *Spec) limited(resource int) bool {
	return slices.ContainsFunc(s.Limits, func(l Limit) bool { return l.Resource == resource })
}

// guards keeps limits of CPU time and address space that a service sets around a
// command whose input is a stranger's (CVE-2015-5162). The hard limit counts: a soft one
// the command could raise by itself.
func guards(s *Spec) error {
	for _, l := range [...]struct {
		resource int
		name     string
		enough   uint64
		used     func() (uint64, error)
	}{
		{unix.RLIMIT_CPU, "RLIMIT_CPU", enoughTime, timeUsed},
		{unix.RLIMIT_AS, "RLIMIT_AS", enoughMemory, func() (uint64, error) { return 0, nil }},
	} {
		if s.limited(l.resource) {
			continue
		}
		now, err := limit(0, l.resource)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		set := unix.Rlimit{Cur: now.Max, Max: now.Max}
		if now.Max != infinity {
			used, err := l.used()
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			if now.Max < used+l.enough {
				set = unix.Rlimit{Cur: infinity, Max: infinity}
			}
		}
		if set == now {
			continue
		}
		if err := prlimit(l.resource, &set, nil); err != nil {
			return fmt.Errorf("%s, which has the hard limit %d, less than the %d that a command needs: %w", l.name, now.Max, l.enough, err)
		}
	}
	return nil
}

// timeUsed is the CPU time of this process in seconds, rounded up: execve(2) does not
// begin anew, and a caller may have used most of the limit before it.
func timeUsed() (uint64, error) {
	var t unix.Timespec
	if err := result(unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_PROCESS_CPUTIME_ID, uintptr(unsafe.Pointer(&t)), 0)); err != nil {
		return 0, err
	}
	return uint64(t.Sec) + 1, nil
}

// baseline raises the limits that are seldom set to those of process 1, which is what
// the machine, or the container, begins with. Without CAP_SYS_RESOURCE, the soft limit
// is raised to the hard one, and a hard limit below enough is an error.
func baseline(s *Spec) error {
	for _, l := range [...]struct {
		resource int
		name     string
		enough   uint64
	}{
		{unix.RLIMIT_NPROC, "RLIMIT_NPROC", 64},
		{unix.RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING", 64},
		{unix.RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 0},
		{unix.RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE", 0},
		{unix.RLIMIT_LOCKS, "RLIMIT_LOCKS", 0},
		{unix.RLIMIT_RSS, "RLIMIT_RSS", 0},
		{unix.RLIMIT_RTTIME, "RLIMIT_RTTIME", 0},
		{unix.RLIMIT_RTPRIO, "RLIMIT_RTPRIO", 0},
		{unix.RLIMIT_NICE, "RLIMIT_NICE", 0},
	} {
		if s.limited(l.resource) {
			continue
		}
		now, err := limit(0, l.resource)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		if now.Cur == infinity {
			continue
		}
		// In a container that maps users, process 1 may be somebody else's.
		first, err := limit(1, l.resource)
		if err != nil {
			first = unix.Rlimit{Cur: l.enough, Max: l.enough}
		}
		set := unix.Rlimit{Cur: max(now.Cur, first.Cur), Max: max(now.Max, first.Max)}
		if set == now {
			continue
		}
		err = prlimit(l.resource, &set, nil)
		if err == unix.EPERM && (now.Max >= l.enough || ofTheMachine(l.resource, now.Max)) {
			set = unix.Rlimit{Cur: min(set.Cur, now.Max), Max: now.Max}
			err = prlimit(l.resource, &set, nil)
		}
		if err != nil {
			return fmt.Errorf("%s, which has the hard limit %d: %w", l.name, now.Max, err)
		}
	}
	return nil
}

// ofTheMachine tells that process 1 has no higher hard limit: what it begins with (docker
// run --ulimit) is not of the caller's making, and everything in the container lives with
// it. A process 1 of the caller's own would be in a user namespace of theirs, in which
// sudo and setuid have no effect.
func ofTheMachine(resource int, hard uint64) bool {
	first, err := limit(1, resource)
	return err == nil && hard >= first.Max
}

func limit(pid, resource int) (now unix.Rlimit, err error) {
	err = result(unix.RawSyscall6(unix.SYS_PRLIMIT64, uintptr(pid), uintptr(resource), 0, uintptr(unsafe.Pointer(&now)), 0, 0))
	return now, err
}

func prlimit(resource int, set, get *unix.Rlimit) error {
	return result(unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(resource), uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(get)), 0, 0))
}
