package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ironwrap/integration/rig"
)

const everything = `seccomp = DIR/p.json
landlock_ro = /usr, /etc, /proc
landlock_rw = DIR/out
landlock_tcp_bind = 1, 2
private_tmp = yes
private_network = yes
private_keyring = yes
read_only = /usr, /etc, /dev, DIR/in
memory_deny_write_execute = yes
rlimit_sigpending = 77
`

// decoded is a line of strace's log with the names that Debian's version does not
// know.
func decoded(line string) string {
	return strings.NewReplacer("prctl(0x41 ", "prctl(PR_SET_MDWE ", "prctl(0x42 ", "prctl(PR_GET_MDWE ", "LANDLOCK_RULE_???", "LANDLOCK_RULE_NET_PORT").Replace(line)
}

// sandboxStep is how the message about a failed call of the sandbox begins. ""
// stands for a call that is not the sandbox's.
// unshared tells that unshare(2) came before: the same calls are made for what is
// open, and for what is mounted.
func sandboxStep(user string, p rig.Place, unshared bool) string {
	const foreign = "cannot find open files on mounts of this namespace (Landlock): "
	const open, mounts = "cannot keep open files within the private view: ", "cannot mount what is the command's own: "
	step := map[bool]string{false: open, true: mounts}[unshared]
	// With no_new_privs, which nobody's scene has, it comes first.
	const leave = "cannot leave the AppArmor profile of ironwrap: "
	if strings.Contains(p.Line, "attr/apparmor/current") || p.Call == "openat" && strings.Contains(p.Line, `"/proc"`) ||
		p.Call == "fstatfs" && user == "nobody" && p.N == 1 {
		return leave
	}
	switch p.Call {
	case "unshare":
		return "cannot leave the machine's namespaces (unshare): "
	case "mount", "getcwd", "fchdir", "move_mount":
		return mounts
	case "open_tree", "mount_setattr":
		return step
	case "fcntl":
		if strings.Contains(p.Line, "FL") && p.N <= 6 { // after those of "find descriptors 0 to 2 open"
			return foreign
		}
		if strings.Contains(p.Line, "FL") {
			return step
		}
	case "statx":
		return foreign
	case "fstatfs", "lseek", "dup3", "fstat":
		// Where it is only asked whether a view covers a file, it is taken for one.
		if p.Call != "fstat" || unshared {
			return step
		}
	case "openat2":
		if unshared || strings.Contains(p.Line, `"/dev/null"`) && p.N > 1 {
			return step
		}
	case "openat":
		if unshared && strings.Contains(p.Line, `"."`) || strings.Contains(p.Line, "/proc/self/fd/") {
			return step
		}
	case "socket", "ioctl":
		return "cannot bring up the loopback interface: "
	case "keyctl":
		return "cannot join a new session keyring: "
	case "landlock_restrict_self":
		return "cannot enter the Landlock ruleset: "
	case "seccomp":
		filters := []string{"forbid typing into terminals (seccomp)", "forbid leaving the private view (seccomp)", "install the seccomp profile"}
		if user == "root" {
			filters = filters[1:]
		}
		return "cannot " + filters[min(p.N, len(filters))-1] + ": "
	case "prlimit64":
		if strings.Contains(p.Line, "RLIMIT_SIGPENDING") {
			return "cannot reset the resource limits: limit 11 to 77: "
		}
	case "capset":
		return "cannot set the capabilities: "
	case "capget": // to set, to confirm, or to say which capability is missing
		return "cannot "
	case "prctl":
		for _, c := range [][2]string{
			{"PR_CAPBSET_DROP", "cannot drop capabilities from the bounding set: "},
			{"PR_SET_KEEPCAPS", "cannot say what becomes of capabilities on the change of ids: "},
			{"PR_CAP_AMBIENT_CLEAR_ALL", "cannot set the capabilities: "},
			{"PR_CAP_AMBIENT_RAISE", "cannot set the capabilities: "},
			{"PR_SET_NO_NEW_PRIVS", "cannot set no_new_privs: "},
			{"PR_SET_MDWE", "cannot deny memory that is both writable and executable: "},
			{"PR_CAPBSET_READ", "cannot confirm the capabilities: "},
			{"PR_CAP_AMBIENT_IS_SET", "cannot confirm the capabilities: "},
			{"PR_GET_NO_NEW_PRIVS", "cannot confirm no_new_privs: "},
			{"PR_GET_MDWE", "cannot confirm that memory is not both writable and executable: "},
		} {
			if strings.Contains(decoded(p.Line), c[0]) {
				return c[1]
			}
		}
	}
	return ""
}

// some takes the first, the middle and the last of calls that only repeat each
// other.
func some(list []rig.Place, kind func(rig.Place) string) (chosen []rig.Place) {
	by := map[string][]rig.Place{}
	var order []string
	for _, p := range list {
		k := kind(p)
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], p)
	}
	for _, k := range order {
		l := by[k]
		if len(l) > 3 {
			l = []rig.Place{l[0], l[len(l)/2], l[len(l)-1]}
		}
		chosen = append(chosen, l...)
	}
	return chosen
}

// Every call of the privileged section that is the sandbox's.
func TestSandboxFaults(t *testing.T) {
	for _, c := range []struct {
		user, lines string
		seen        []string
	}{
		{"root", everything + "capabilities = CAP_DAC_OVERRIDE\n", []string{"statx", "fstatfs", "open_tree", "lseek", "F_SETFL", "dup3", "/proc/self/fd/",
			"unshare", "mount", "mount_setattr", "move_mount", "getcwd", "fchdir", "socket", "ioctl", "keyctl",
			"landlock_restrict_self", "seccomp", "prlimit64", "capset", "capget", "PR_CAPBSET_DROP", "PR_CAP_AMBIENT_CLEAR_ALL", "PR_SET_MDWE", "PR_CAPBSET_READ",
			"PR_GET_MDWE"}},
		{"nobody", everything + "capabilities = CAP_NET_ADMIN\nno_new_privs = yes\n", []string{"unshare", "mount", "mount_setattr", "socket", "ioctl", "keyctl",
			"landlock_restrict_self", "seccomp", "capset", "PR_CAPBSET_DROP", "PR_SET_KEEPCAPS", "PR_CAP_AMBIENT_RAISE", "PR_CAP_AMBIENT_IS_SET", "PR_SET_NO_NEW_PRIVS", "PR_GET_NO_NEW_PRIVS"}},
	} {
		s := rig.SandboxScene(t, c.user, c.user, c.lines)
		base := baseline(s, t, nil)
		list := rig.Places(base.Log, section, nil)
		unshare := slices.IndexFunc(list, func(p rig.Place) bool { return p.Call == "unshare" })
		steps := map[string]string{} // by place
		for i, p := range list {
			steps[p.String()] = sandboxStep(c.user, p, i > unshare)
		}
		for _, what := range c.seen {
			if !slices.ContainsFunc(list, func(p rig.Place) bool { return strings.Contains(decoded(p.Line), what) && steps[p.String()] != "" }) {
				t.Errorf("%s: no %s in the privileged section: nothing was tried there", c.user, what)
			}
		}
		list = slices.DeleteFunc(list, func(p rig.Place) bool { return steps[p.String()] == "" })
		for _, p := range some(list, func(p rig.Place) string {
			if p.Call == "prctl" {
				first, _, _ := strings.Cut(p.Line, ",")
				return first + steps[p.String()]
			}
			return p.Call + steps[p.String()]
		}) {
			t.Run(fmt.Sprintf("%s/%v", c.user, p), func(t *testing.T) {
				t.Parallel()
				o := inject(s, t, section, p, rig.CountBefore(base.Log, section, p.Call)+p.N, "error=EPERM")
				end := ": operation not permitted"
				if p.Call == "getcwd" || strings.Contains(p.Line, `"."`) {
					end = ": call from another one"
				}
				if strings.Contains(o.Err, " is missing here: ") { // and so it is
					end = ""
				}
				if p.Call == "capget" && o.Ran { // one that asks what is missing
					sameAs(t, s, o)
					return
				}
				rig.RefusedWith(t, o, 97, end, steps[p.String()])
			})
		}
	}
}

// What is looked up and opened before the privileged section begins.
func TestSandboxFaultsOnTheRoad(t *testing.T) {
	s := rig.SandboxScene(t, "road", "nobody", everything)
	base := baseline(s, t, nil)
	want := func(p rig.Place) string {
		switch {
		case p.Call == "landlock_create_ruleset" && strings.Contains(p.Line, "VERSION") && p.N > 1:
			return "cannot set up the sandbox of filter cp: cannot make private_tmp or read_only hold against other processes: this kernel has no Landlock"
		case p.Call == "landlock_create_ruleset" && strings.Contains(p.Line, "VERSION"):
			return "cannot set up the sandbox of filter cp: this kernel has no Landlock"
		case p.Call == "landlock_create_ruleset":
			return "cannot set up the sandbox of filter cp: cannot make a Landlock ruleset: operation not permitted"
		case p.Call == "landlock_add_rule" && strings.Contains(decoded(p.Line), "NET_PORT"):
			return "cannot set up the sandbox of filter cp: cannot allow port "
		case p.Call == "landlock_add_rule":
			return `cannot set up the sandbox of filter cp: cannot allow "/`
		case p.Call == "openat" && strings.Contains(p.Line, `"out", `):
			return `cannot set up the sandbox of filter cp: cannot open "` + s.Dir() + `/out" for a Landlock rule: operation not permitted`
		case p.Call == "openat" && strings.Contains(p.Line, `"in", `):
			return `cannot set up the sandbox of filter cp: cannot make read-only "` + s.Dir() + `/in": operation not permitted`
		case strings.Contains(p.Line, `"p.json"`) || strings.Contains(p.Line, `"p.bpf"`):
			return "cannot set up the sandbox of filter cp: "
		}
		return ""
	}
	tried := map[string]bool{}
	for _, p := range rig.Places(base.Log, road, section.Begin) {
		why := want(p)
		if why == "" {
			continue
		}
		tried[p.Call] = true
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			rig.RefusedWith(t, inject(s, t, road, p, rig.CountBefore(base.Log, road, p.Call)+p.N, "error=EPERM"), 97, "", why)
		})
	}
	for _, call := range []string{"landlock_create_ruleset", "landlock_add_rule", "openat"} {
		if !tried[call] {
			t.Errorf("no %s on the road: nothing was tried there", call)
		}
	}
}

// A held file (pin_paths): it is opened once more, and its descriptor reaches the
// command.
func TestSandboxFaultsPinned(t *testing.T) {
	s := rig.SandboxScene(t, "pin", "nobody", "pin_paths = yes")
	rig.Write(t, s.Dir()+"/filters.d/test.filters", fmt.Sprintf("[Filters]\ncp: PathFilter, cp, nobody, %s/in, pass\n[Sandbox:cp]\npin_paths = yes\n", s.Dir()))
	s.Words = func(marker string, _ int) []string { return []string{"cp", s.Dir() + "/in/f", marker} }
	base := baseline(s, t, nil)

	list := rig.Places(base.Log, road, section.Begin)
	last := -1
	for i, p := range list {
		if p.Call == "openat2" && strings.Contains(p.Line, s.Dir()+"/in/f") {
			last = i
		}
	}
	if last < 0 || !strings.Contains(list[last].Line, "RESOLVE_NO_SYMLINKS") {
		t.Fatal("no file was held: nothing was tried")
	}
	for errno, text := range map[string]string{"EPERM": "operation not permitted", "ENOENT": "no such file or directory", "ELOOP": "too many levels of symbolic links", "EMFILE": "too many open files"} {
		o := inject(s, t, road, list[last], rig.CountBefore(base.Log, road, "openat2")+list[last].N, "error="+errno)
		rig.RefusedWith(t, o, 97, text, "cannot pin "+s.Dir()+"/in/f (pin_paths): ")
	}
	for _, p := range rig.Places(base.Log, section, nil) {
		if p.Call == "fcntl" && strings.Contains(p.Line, "F_SETFD") {
			o := inject(s, t, section, p, rig.CountBefore(base.Log, section, "fcntl")+p.N, "error=EBADF")
			rig.RefusedWith(t, o, 97, "bad file descriptor", "cannot mark descriptors close-on-exec: ")
			return
		}
	}
	t.Error("no fcntl(F_SETFD): nothing was tried there")
}

// Calls that report success and did nothing: the kernel is asked afterwards.
func TestSandboxFaultsThatLookLikeSuccess(t *testing.T) {
	root := rig.SandboxScene(t, "root", "root", "capabilities = CAP_DAC_OVERRIDE")
	nobody := rig.SandboxScene(t, "nobody", "nobody", "capabilities = CAP_NET_ADMIN\nno_new_privs = yes\nmemory_deny_write_execute = yes")
	view := rig.SandboxScene(t, "view", "root", "read_only = DIR/in\nprivate_tmp = yes\ncapabilities = CAP_DAC_OVERRIDE")
	open := "cannot keep open files within the private view: standard input (descriptor 0): the kernel says that its mount is writable still"
	mounts := "cannot mount what is the command's own: "
	for _, c := range []struct {
		scene      *rig.Scene
		call, line string // the first such call that holds line
		want       string
	}{
		{view, "mount_setattr", "", open},
		{view, "dup3", "", open},
		{view, "move_mount", "", mounts + `"` + view.Dir() + `/in": the kernel says that its mount is writable still`},
		{view, "mount", "tmpfs", mounts + `"/tmp": the kernel says that nothing is mounted there`},
		{root, "prctl", "PR_CAPBSET_DROP, CAP_CHOWN", "cannot confirm the capabilities: the kernel says that capability 0 is in the bounding set still"},
		{root, "prctl", "PR_CAPBSET_DROP, CAP_CHECKPOINT_RESTORE", "cannot confirm the capabilities: the kernel says that capability 40 is in the bounding set still"},
		{root, "capset", "", "cannot confirm the capabilities: the kernel says inheritable 0000000000002000, not 0000000000000000"},
		{nobody, "prctl", "PR_CAPBSET_DROP, CAP_SYS_ADMIN", "cannot confirm the capabilities: the kernel says that capability 21 is in the bounding set still"},
		{nobody, "prctl", "PR_SET_KEEPCAPS", "cannot set the capabilities: operation not permitted"},
		{nobody, "capset", "", "cannot set the capabilities: capability 12: operation not permitted"},
		{nobody, "prctl", "PR_CAP_AMBIENT_RAISE", "cannot confirm the capabilities: the kernel says that capability 12 is ambient: false"},
		{nobody, "setresuid", "", "cannot confirm the ids: the kernel says uids 0, 0, 0, not 65534"},
		{nobody, "setresgid", "", "cannot confirm the ids: the kernel says gids 0, 0, 0, not 65534"},
		{nobody, "setgroups", "", "cannot confirm the groups: the kernel says [4 24 42], not [65534]"},
		{nobody, "prctl", "PR_SET_NO_NEW_PRIVS", "cannot confirm no_new_privs: the kernel says that it is not set"},
		{nobody, "prctl", "PR_SET_MDWE", "cannot confirm that memory is not both writable and executable: the kernel says that it may be"},
	} {
		if len(c.scene.As) == 0 {
			baseline(c.scene, t, nil)
		}
		base := c.scene.Play(t, "")
		list := rig.Places(base.Log, section, nil)
		i := slices.IndexFunc(list, func(p rig.Place) bool { return p.Call == c.call && strings.Contains(decoded(p.Line), c.line) })
		if i < 0 {
			t.Errorf("%s: no %s %s: nothing was tried there", c.scene.Name, c.call, c.line)
			continue
		}
		t.Run(strings.TrimSuffix(c.scene.Name+"/"+c.call+" "+c.line, " "), func(t *testing.T) {
			t.Parallel()
			o := inject(c.scene, t, section, list[i], rig.CountBefore(base.Log, section, c.call)+list[i].N, "retval=0")
			rig.RefusedWith(t, o, 97, "", c.want)
		})
	}
}

// Kernels from before these calls, or built without them. Only Landlock may be
// left out, and only where the section says so.
func TestSandboxFaultsOfOldKernels(t *testing.T) {
	s := rig.SandboxScene(t, "old", "nobody", everything)
	for call, want := range map[string]string{
		"landlock_create_ruleset": "cannot set up the sandbox of filter cp: this kernel has no Landlock, or not enough of it: set landlock = best-effort to do without",
		"landlock_restrict_self":  "cannot enter the Landlock ruleset: function not implemented",
		"mount_setattr":           "cannot keep open files within the private view: standard input (descriptor 0): cannot make a copy of its mount read-only: function not implemented",
		"open_tree":               "cannot keep open files within the private view: standard input (descriptor 0): cannot copy its mount: function not implemented",
		"move_mount":              `cannot mount what is the command's own: "/usr": function not implemented`,
		"keyctl":                  "cannot join a new session keyring: function not implemented",
		"unshare":                 "cannot leave the machine's namespaces (unshare): function not implemented",
		"seccomp":                 "cannot forbid typing into terminals (seccomp): function not implemented",
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			rig.RefusedWith(t, s.Play(t, call+":error=ENOSYS:when=1+"), 97, "", want)
		})
	}
	best := rig.SandboxScene(t, "best effort", "nobody", "landlock = best-effort\nlandlock_ro = /usr\nlandlock_tcp_bind = 1\ncapabilities = none")
	if o := best.Play(t, "landlock_create_ruleset:error=ENOSYS:when=1+"); !o.Ran || o.Status != 0 || o.As["CapBnd"] != rig.NoCaps {
		t.Errorf("best-effort: %v", o.Result)
	}
	// Landlock is there, but the rule cannot be had: that is no old kernel.
	rig.RefusedWith(t, best.Play(t, "landlock_add_rule:error=EINVAL:when=1"), 97, "", `cannot set up the sandbox of filter cp: cannot allow "/usr" (Landlock): invalid argument`)
}
