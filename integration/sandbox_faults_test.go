package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// As in faults_test.go, one system call at a time is made to fail: here those
// that only a sandbox section brings.

// sandboxScene is a scene whose filter has a sandbox section; DIR in its lines is
// the scene's directory.
func sandboxScene(t *testing.T, name, user, lines string) *scene {
	t.Helper()
	need(t, "strace", "/usr/bin/strace")
	p := newPolicy(t, "")
	if err := os.Mkdir(p.dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(p.dir+"/out", 65534, 0); err != nil {
		t.Fatal(err)
	}
	profileIn(t, p.dir)
	write(t, p.dir+"/in/f", "text\n")
	lines = strings.ReplaceAll(lines, "DIR", p.dir)
	pin(t, p.conf, kept)
	write(t, p.filters, fmt.Sprintf("[Filters]\ncp: CommandFilter, cp, %s\n[Sandbox:cp]\n%s\n", user, lines))
	return &scene{name: name, program: ours, conf: p.conf, as: map[string]string{}, stdin: p.dir + "/in/f",
		words: func(marker string, _ int) []string { return []string{"cp", "/proc/self/status", marker} }}
}

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
func sandboxStep(user string, p place, unshared bool) string {
	const foreign = "cannot find open files on mounts of this namespace (Landlock): "
	const open, mounts = "cannot keep open files within the private view: ", "cannot mount what is the command's own: "
	step := map[bool]string{false: open, true: mounts}[unshared]
	// With no_new_privs, which nobody's scene has, it comes first.
	const leave = "cannot leave the AppArmor profile of ironwrap: "
	if strings.Contains(p.line, "attr/apparmor/current") || p.call == "openat" && strings.Contains(p.line, `"/proc"`) ||
		p.call == "fstatfs" && user == "nobody" && p.n == 1 {
		return leave
	}
	switch p.call {
	case "unshare":
		return "cannot leave the machine's namespaces (unshare): "
	case "mount", "getcwd", "fchdir", "move_mount":
		return mounts
	case "open_tree", "mount_setattr":
		return step
	case "fcntl":
		if strings.Contains(p.line, "FL") && p.n <= 6 { // after those of "find descriptors 0 to 2 open"
			return foreign
		}
		if strings.Contains(p.line, "FL") {
			return step
		}
	case "statx":
		return foreign
	case "fstatfs", "lseek", "dup3", "fstat":
		// Where it is only asked whether a view covers a file, it is taken for one.
		if p.call != "fstat" || unshared {
			return step
		}
	case "openat2":
		if unshared || strings.Contains(p.line, `"/dev/null"`) && p.n > 1 {
			return step
		}
	case "openat":
		if unshared && strings.Contains(p.line, `"."`) || strings.Contains(p.line, "/proc/self/fd/") {
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
		return "cannot " + filters[min(p.n, len(filters))-1] + ": "
	case "prlimit64":
		if strings.Contains(p.line, "RLIMIT_SIGPENDING") {
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
			if strings.Contains(decoded(p.line), c[0]) {
				return c[1]
			}
		}
	}
	return ""
}

// some takes the first, the middle and the last of calls that only repeat each
// other.
func some(list []place, kind func(place) string) (chosen []place) {
	by := map[string][]place{}
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
			l = []place{l[0], l[len(l)/2], l[len(l)-1]}
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
		s := sandboxScene(t, c.user, c.user, c.lines)
		base := s.baseline(t, nil)
		list := places(base.log, section, nil)
		unshare := slices.IndexFunc(list, func(p place) bool { return p.call == "unshare" })
		steps := map[string]string{} // by place
		for i, p := range list {
			steps[p.String()] = sandboxStep(c.user, p, i > unshare)
		}
		for _, what := range c.seen {
			if !slices.ContainsFunc(list, func(p place) bool { return strings.Contains(decoded(p.line), what) && steps[p.String()] != "" }) {
				t.Errorf("%s: no %s in the privileged section: nothing was tried there", c.user, what)
			}
		}
		list = slices.DeleteFunc(list, func(p place) bool { return steps[p.String()] == "" })
		for _, p := range some(list, func(p place) string {
			if p.call == "prctl" {
				first, _, _ := strings.Cut(p.line, ",")
				return first + steps[p.String()]
			}
			return p.call + steps[p.String()]
		}) {
			t.Run(fmt.Sprintf("%s/%v", c.user, p), func(t *testing.T) {
				t.Parallel()
				o := s.inject(t, section, p, countBefore(base.log, section, p.call)+p.n, "error=EPERM")
				end := ": operation not permitted"
				if p.call == "getcwd" || strings.Contains(p.line, `"."`) {
					end = ": call from another one"
				}
				if strings.Contains(o.err, " is missing here: ") { // and so it is
					end = ""
				}
				if p.call == "capget" && o.ran { // one that asks what is missing
					sameAs(t, s, o)
					return
				}
				refusedWith(t, o, 97, end, steps[p.String()])
			})
		}
	}
}

// What is looked up and opened before the privileged section begins.
func TestSandboxFaultsOnTheRoad(t *testing.T) {
	s := sandboxScene(t, "road", "nobody", everything)
	base := s.baseline(t, nil)
	want := func(p place) string {
		switch {
		case p.call == "landlock_create_ruleset" && strings.Contains(p.line, "VERSION") && p.n > 1:
			return "cannot set up the sandbox of filter cp: cannot make private_tmp or read_only hold against other processes: this kernel has no Landlock"
		case p.call == "landlock_create_ruleset" && strings.Contains(p.line, "VERSION"):
			return "cannot set up the sandbox of filter cp: this kernel has no Landlock"
		case p.call == "landlock_create_ruleset":
			return "cannot set up the sandbox of filter cp: cannot make a Landlock ruleset: operation not permitted"
		case p.call == "landlock_add_rule" && strings.Contains(decoded(p.line), "NET_PORT"):
			return "cannot set up the sandbox of filter cp: cannot allow port "
		case p.call == "landlock_add_rule":
			return `cannot set up the sandbox of filter cp: cannot allow "/`
		case p.call == "openat" && strings.Contains(p.line, `"out", `):
			return `cannot set up the sandbox of filter cp: cannot open "` + s.dir() + `/out" for a Landlock rule: operation not permitted`
		case p.call == "openat" && strings.Contains(p.line, `"in", `):
			return `cannot set up the sandbox of filter cp: cannot make read-only "` + s.dir() + `/in": operation not permitted`
		case strings.Contains(p.line, `"p.json"`) || strings.Contains(p.line, `"p.bpf"`):
			return "cannot set up the sandbox of filter cp: "
		}
		return ""
	}
	tried := map[string]bool{}
	for _, p := range places(base.log, road, section.begin) {
		why := want(p)
		if why == "" {
			continue
		}
		tried[p.call] = true
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			refusedWith(t, s.inject(t, road, p, countBefore(base.log, road, p.call)+p.n, "error=EPERM"), 97, "", why)
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
	s := sandboxScene(t, "pin", "nobody", "pin_paths = yes")
	write(t, s.dir()+"/filters.d/test.filters", fmt.Sprintf("[Filters]\ncp: PathFilter, cp, nobody, %s/in, pass\n[Sandbox:cp]\npin_paths = yes\n", s.dir()))
	s.words = func(marker string, _ int) []string { return []string{"cp", s.dir() + "/in/f", marker} }
	base := s.baseline(t, nil)

	list := places(base.log, road, section.begin)
	last := -1
	for i, p := range list {
		if p.call == "openat2" && strings.Contains(p.line, s.dir()+"/in/f") {
			last = i
		}
	}
	if last < 0 || !strings.Contains(list[last].line, "RESOLVE_NO_SYMLINKS") {
		t.Fatal("no file was held: nothing was tried")
	}
	for errno, text := range map[string]string{"EPERM": "operation not permitted", "ENOENT": "no such file or directory", "ELOOP": "too many levels of symbolic links", "EMFILE": "too many open files"} {
		o := s.inject(t, road, list[last], countBefore(base.log, road, "openat2")+list[last].n, "error="+errno)
		refusedWith(t, o, 97, text, "cannot pin "+s.dir()+"/in/f (pin_paths): ")
	}
	for _, p := range places(base.log, section, nil) {
		if p.call == "fcntl" && strings.Contains(p.line, "F_SETFD") {
			o := s.inject(t, section, p, countBefore(base.log, section, "fcntl")+p.n, "error=EBADF")
			refusedWith(t, o, 97, "bad file descriptor", "cannot mark descriptors close-on-exec: ")
			return
		}
	}
	t.Error("no fcntl(F_SETFD): nothing was tried there")
}

// Calls that report success and did nothing: the kernel is asked afterwards.
func TestSandboxFaultsThatLookLikeSuccess(t *testing.T) {
	root := sandboxScene(t, "root", "root", "capabilities = CAP_DAC_OVERRIDE")
	nobody := sandboxScene(t, "nobody", "nobody", "capabilities = CAP_NET_ADMIN\nno_new_privs = yes\nmemory_deny_write_execute = yes")
	view := sandboxScene(t, "view", "root", "read_only = DIR/in\nprivate_tmp = yes\ncapabilities = CAP_DAC_OVERRIDE")
	open := "cannot keep open files within the private view: standard input (descriptor 0): the kernel says that its mount is writable still"
	mounts := "cannot mount what is the command's own: "
	for _, c := range []struct {
		scene      *scene
		call, line string // the first such call that holds line
		want       string
	}{
		{view, "mount_setattr", "", open},
		{view, "dup3", "", open},
		{view, "move_mount", "", mounts + `"` + view.dir() + `/in": the kernel says that its mount is writable still`},
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
		if len(c.scene.as) == 0 {
			c.scene.baseline(t, nil)
		}
		base := c.scene.play(t, "")
		list := places(base.log, section, nil)
		i := slices.IndexFunc(list, func(p place) bool { return p.call == c.call && strings.Contains(decoded(p.line), c.line) })
		if i < 0 {
			t.Errorf("%s: no %s %s: nothing was tried there", c.scene.name, c.call, c.line)
			continue
		}
		t.Run(strings.TrimSuffix(c.scene.name+"/"+c.call+" "+c.line, " "), func(t *testing.T) {
			t.Parallel()
			o := c.scene.inject(t, section, list[i], countBefore(base.log, section, c.call)+list[i].n, "retval=0")
			refusedWith(t, o, 97, "", c.want)
		})
	}
}

// Kernels from before these calls, or built without them. Only Landlock may be
// left out, and only where the section says so.
func TestSandboxFaultsOfOldKernels(t *testing.T) {
	s := sandboxScene(t, "old", "nobody", everything)
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
			refusedWith(t, s.play(t, call+":error=ENOSYS:when=1+"), 97, "", want)
		})
	}
	best := sandboxScene(t, "best effort", "nobody", "landlock = best-effort\nlandlock_ro = /usr\nlandlock_tcp_bind = 1\ncapabilities = none")
	if o := best.play(t, "landlock_create_ruleset:error=ENOSYS:when=1+"); !o.ran || o.status != 0 || o.as["CapBnd"] != noCaps {
		t.Errorf("best-effort: %v", o.result)
	}
	// Landlock is there, but the rule cannot be had: that is no old kernel.
	refusedWith(t, best.play(t, "landlock_add_rule:error=EINVAL:when=1"), 97, "", `cannot set up the sandbox of filter cp: cannot allow "/usr" (Landlock): invalid argument`)
}
