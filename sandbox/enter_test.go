package sandbox

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The order of the privileged section. Whoever changes it changes this list too,
// and says why.
func TestOrderIsFrozen(t *testing.T) {
	want := []string{
		"be the leading thread",
		"mark descriptors close-on-exec",
		"find descriptors 0 to 2 open",
		"set the umask",
		"reset the resource limits",
		"set the nice value",
		"set the OOM score",
		"reset the signal mask",
		"reset what else is inherited",
		"join a new session keyring",
		"leave the AppArmor profile of ironwrap",
		"set the AppArmor profile of the command",
		"set the SELinux context of the command",
		"find open files on mounts of this namespace (Landlock)",
		"keep open files within the private view",
		"leave the machine's namespaces (unshare)",
		"mount what is the command's own",
		"bring up the loopback interface",
		"forbid typing into terminals (seccomp)",
		"forbid leaving the private view (seccomp)",
		"drop capabilities from the bounding set",
		"say what becomes of capabilities on the change of ids",
		"set the supplementary groups",
		"set the group id",
		"set the user id",
		"set the capabilities",
		"link the user's keys into the session keyring",
		"set no_new_privs",
		"deny memory that is both writable and executable",
		"enter the Landlock ruleset",
		"confirm the ids",
		"confirm the groups",
		"confirm the capabilities",
		"confirm no_new_privs",
		"confirm the filter against typing",
		"confirm the filter against leaving the view",
		"confirm that memory is not both writable and executable",
		"confirm the AppArmor profile of the command",
		"confirm the SELinux context of the command",
		"stop the deadline's timer (setitimer)",
		"reset the ignored signals",
		"install the seccomp profile",
	}
	var have []string
	for _, s := range steps {
		if s.do == nil {
			t.Errorf("step %q does nothing", s.what)
		}
		have = append(have, s.what)
	}
	if strings.Join(have, "\n") != strings.Join(want, "\n") {
		t.Errorf("the steps are now\n%s", strings.Join(have, "\n"))
	}

	// Whatever else changes, these must hold.
	at := func(what string) int {
		for i, s := range have {
			if s == what {
				return i
			}
		}
		t.Fatalf("no step %q", what)
		return -1
	}
	for _, order := range [][2]string{
		{"forbid typing into terminals (seccomp)", "set the user id"},
		{"leave the AppArmor profile of ironwrap", "set the AppArmor profile of the command"}, // which it would forget
		{"leave the AppArmor profile of ironwrap", "set no_new_privs"},
		{"set the AppArmor profile of the command", "mount what is the command's own"},
		{"set the SELinux context of the command", "mount what is the command's own"},
		{"find open files on mounts of this namespace (Landlock)", "leave the machine's namespaces (unshare)"},
		{"keep open files within the private view", "leave the machine's namespaces (unshare)"},
		{"mount what is the command's own", "forbid leaving the private view (seccomp)"},
		{"forbid leaving the private view (seccomp)", "set the user id"},
		{"mount what is the command's own", "enter the Landlock ruleset"},
		{"drop capabilities from the bounding set", "set the user id"},
		{"say what becomes of capabilities on the change of ids", "set the user id"},
		{"leave the machine's namespaces (unshare)", "set the user id"},
		{"set no_new_privs", "enter the Landlock ruleset"},
		{"reset the ignored signals", "install the seccomp profile"},
		{"reset the resource limits", "set the user id"},
		{"set the supplementary groups", "set the group id"},
		{"set the group id", "set the user id"},
		{"set the user id", "set the capabilities"},
		{"set the capabilities", "confirm the capabilities"},
		{"set the user id", "confirm the ids"},
		{"set the supplementary groups", "confirm the groups"},
	} {
		if at(order[0]) >= at(order[1]) {
			t.Errorf("%q must come before %q", order[0], order[1])
		}
	}
	for _, s := range have[at("confirm the ids"):] {
		if !strings.HasPrefix(s, "confirm ") && s != "stop the deadline's timer (setitimer)" && s != "reset the ignored signals" && s != "install the seccomp profile" {
			t.Errorf("%q changes something after the confirmation", s)
		}
	}
}

// The confirmations compare with the kernel's words, so that they can be asked
// about this very process.
func TestConfirm(t *testing.T) {
	r, _, _ := unix.Getresuid()
	g, _, _ := unix.Getresgid()
	groups, err := unix.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	own := Spec{UID: uint32(r), GID: uint32(g)}
	for _, id := range groups {
		own.Groups = append(own.Groups, uint32(id))
	}

	if err := confirmIDs(&own); err != nil {
		t.Errorf("own ids: %v", err)
	}
	if err := confirmGroups(&own); err != nil {
		t.Errorf("own groups: %v", err)
	}
	if len(own.Groups) > 1 {
		turned := own
		turned.Groups = nil
		for i := range own.Groups {
			turned.Groups = append(turned.Groups, own.Groups[len(own.Groups)-1-i])
		}
		if err := confirmGroups(&turned); err != nil {
			t.Errorf("own groups in another order: %v", err)
		}
	}

	for name, change := range map[string]func(*Spec){
		"uid":         func(s *Spec) { s.UID++ },
		"gid":         func(s *Spec) { s.GID++ },
		"uid is none": func(s *Spec) { s.UID = 1<<32 - 1 },
		"gid is none": func(s *Spec) { s.GID = 1<<32 - 1 },
	} {
		s := own
		change(&s)
		if err := confirmIDs(&s); err == nil || !strings.HasPrefix(err.Error(), "the kernel says ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, list := range map[string][]uint32{
		"one more":       append(append([]uint32(nil), own.Groups...), 4242424),
		"one other":      append(append([]uint32(nil), own.Groups[:max(len(own.Groups)-1, 0)]...), 4242424),
		"one twice more": append(append([]uint32(nil), own.Groups...), 4242424, 4242424),
	} {
		if err := confirmGroups(&Spec{Groups: list}); err == nil || !strings.HasPrefix(err.Error(), "the kernel says [") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(own.Groups) > 0 {
		if err := confirmGroups(&Spec{}); err == nil {
			t.Error("no groups: confirmed")
		}
	}

	// A process of root's has capabilities: it must not pass for another user's.
	if r == 0 {
		if err := confirmCapabilities(&Spec{UID: 1}); err == nil || !strings.HasPrefix(err.Error(), "the kernel says permitted ") {
			t.Errorf("capabilities of root's as uid 1: %v", err)
		}
		if err := confirmCapabilities(&Spec{Capabilities: Capabilities{All: true}}); err != nil {
			t.Errorf("capabilities of root's: %v", err)
		}
	}
}

// What a call returns is the kernel's error number and nothing else.
func TestCall(t *testing.T) {
	if err := result(unix.RawSyscall(unix.SYS_FCNTL, ^uintptr(0), unix.F_GETFD, 0)); err != unix.EBADF {
		t.Errorf("fcntl(-1): %v", err)
	}
	if err := result(unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0)); err != nil {
		t.Errorf("getpid: %v", err)
	}
	if err := standardOpen(nil); err != nil {
		t.Errorf("0 to 2 are open: %v", err)
	}
	if !errors.Is(result(unix.RawSyscall(unix.SYS_SETGROUPS, 1<<20, 0, 0)), unix.EINVAL) && unix.Geteuid() == 0 {
		t.Error("2^20 groups: not refused")
	}
}

// No other thread becomes a command: the rights that it gives up would be its own alone.
func TestOtherThread(t *testing.T) {
	if err := leading(nil); err == nil {
		// Tests run on goroutines of their own, and the leading thread is main's.
		t.Error("a test is on the leading thread")
	}
	if steps[0].what != "be the leading thread" {
		t.Errorf("the first step is to %s", steps[0].what)
	}
}
