package faults

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ironwrap/integration/rig"
)

var (
	// Take asks for its uid before anything else.
	road = rig.Stretch{Name: "road", Begin: func(line string) bool { return strings.HasPrefix(line, "getuid(") }}
	// sandbox.Enter begins with close_range(2).
	section = rig.Stretch{Name: "section", Begin: func(line string) bool { return strings.HasPrefix(line, "close_range(") }}
)

// inject makes the call at a place end as how says ("error=EPERM", "retval=0").
// strace counts from the start of the program; the runtime's own calls of the
// same name may differ in number from run to run, so that a miss is tried again.
func inject(s *rig.Scene, t *testing.T, in rig.Stretch, p rig.Place, when int, how string) rig.Outcome {
	t.Helper()
	for try := 0; try < 8; try++ {
		o := s.Play(t, fmt.Sprintf("%s:%s:when=%d", p.Call, how, when))
		before, n, hit := 0, 0, 0 // before: all calls but those that count
		inside := false
		for i, line := range o.Log {
			inside = inside || i > 0 && in.Begin(line)
			if i == 0 || rig.CallName(line) != p.Call {
				continue
			}
			counts := inside && !rig.OfRuntime(o.Log, i)
			if counts {
				n++
			} else {
				before++
			}
			if strings.Contains(line, " (INJECTED") {
				if hit = n; !counts {
					hit = 0
				}
				if !inside {
					hit = -1
				}
				break
			}
		}
		if hit == p.N {
			return o
		}
		when = before + p.N
		if hit == -1 {
			when++ // the stretch was never reached
		}
	}
	t.Fatalf("cannot place the fault at %v of the %s", p, in.Name)
	return rig.Outcome{}
}

// scenes makes the configuration and the programs for the tests of this file.
func scenes(t *testing.T) (super, nobody, signal, path *rig.Scene) {
	rig.Need(t, "strace", "/usr/bin/strace")
	p := rig.NewPolicy(t, "cp: CommandFilter, cp, root\nkill: KillFilter, root, /usr/bin/sleep, -9", "use_syslog=True", "syslog_log_level=INFO")
	q := rig.NewPolicy(t, "cp: CommandFilter, cp, nobody", "use_syslog=True", "syslog_log_level=INFO")
	r := rig.NewPolicy(t, "", "use_syslog=True", "syslog_log_level=INFO", "audit_required=yes")
	rig.Write(t, r.Filters, fmt.Sprintf("[Filters]\ncp: PathFilter, cp, nobody, pass, %s/out\n", r.Dir))
	for _, dir := range []string{p.Dir, q.Dir, r.Dir} {
		if err := os.Mkdir(dir+"/out", 0o755); err != nil {
			t.Fatal(err)
		}
		// Nobody writes the marker; no other than root and nobody may.
		if err := os.Chown(dir+"/out", 65534, 0); err != nil {
			t.Fatal(err)
		}
	}
	for _, conf := range []string{p.Conf, q.Conf, r.Conf} {
		rig.Pin(t, conf, rig.Kept)
	}
	program := rig.Variant(t, p.Dir)
	copyWords := func(marker string, _ int) []string { return []string{"cp", "/proc/self/status", marker} }

	super = &rig.Scene{Name: "root", Program: program, Conf: p.Conf, Words: copyWords, As: map[string]string{}}
	nobody = &rig.Scene{Name: "nobody", Program: program, Conf: q.Conf, Words: copyWords, As: map[string]string{}}
	path = &rig.Scene{Name: "path", Program: program, Conf: r.Conf, Words: copyWords, As: map[string]string{}}
	signal = &rig.Scene{Name: "signal", Program: program, Conf: p.Conf,
		Words: func(_ string, pid int) []string { return []string{"kill", "-9", fmt.Sprint(pid)} }}
	return super, nobody, signal, path
}

// baseline plays a scene without a fault, and checks that strace itself changes
// nothing that matters.
func baseline(s *rig.Scene, t *testing.T, want map[string]string) rig.Outcome {
	t.Helper()
	o := s.Play(t, "")
	for end := time.Now().Add(5 * time.Second); s.As == nil && !o.Ran && time.Now().Before(end); {
		o = s.Play(t, "")
	}
	if o.Status != 0 || !o.Ran || o.Err != "" {
		t.Fatalf("%s: without any fault: %v, ran: %v", s.Name, o.Result, o.Ran)
	}
	for key, value := range want {
		if o.As[key] != value {
			t.Fatalf("%s: without any fault %s is %q, not %q", s.Name, key, o.As[key], value)
		}
	}
	s.As = o.As
	return o
}

var (
	asRoot   = map[string]string{"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Groups": "0", "CapInh": rig.NoCaps, "CapAmb": rig.NoCaps, "Seccomp": "0", "Umask": "0022"}
	asNobody = map[string]string{"Uid": "65534 65534 65534 65534", "Gid": "65534 65534 65534 65534", "Groups": "65534", "CapInh": rig.NoCaps,
		"CapPrm": rig.NoCaps, "CapEff": rig.NoCaps, "CapAmb": rig.NoCaps, "Seccomp": "2", "Umask": "0022"}
)

// step is how the message about a failed call of the privileged section may
// begin. "-" stands for a call whose failure changes nothing, and "?" for one whose
// failure may; of a call that is not known here, the message need only be one.
func step(p rig.Place) []string {
	switch p.Call {
	case "close_range":
		return []string{"cannot mark descriptors close-on-exec: "}
	case "fcntl":
		return []string{"cannot find descriptors 0 to 2 open: "}
	case "umask":
		return []string{"cannot set the umask: "}
	case "prlimit64":
		// What process 1 has is not known everywhere, and what cannot be raised to it
		// is left.
		if strings.Contains(p.Line, "prlimit64(1,") || ofBaseline.MatchString(p.Line) && !strings.Contains(p.Line, ", NULL, {") {
			return []string{"?"}
		}
		return []string{"cannot reset the resource limits: " + regexp.MustCompile(`RLIMIT_[A-Z]+`).FindString(p.Line)}
	case "ioprio_get": // it is set then
		return []string{"-"}
	case "prctl":
		// Who lacks CAP_SYS_RESOURCE can neither set nor reset these.
		if strings.Contains(p.Line, "PR_SET_IO_FLUSHER") || strings.Contains(p.Line, "0x43 ") || strings.Contains(p.Line, "PR_SET_MEMORY_MERGE") {
			return []string{"?"}
		}
	case "setpriority":
		return []string{"cannot set the nice value: "}
	case "openat", "write":
		return []string{"cannot set the OOM score: "}
	case "rt_sigaction":
		return []string{"cannot reset the ignored signals: signal "}
	case "rt_sigprocmask":
		return []string{"cannot reset the signal mask: "}
	case "seccomp":
		return []string{"cannot forbid typing into terminals (seccomp): "}
	case "setgroups":
		return []string{"cannot set the supplementary groups: "}
	case "setresgid":
		return []string{"cannot set the group id: "}
	case "setresuid":
		return []string{"cannot set the user id: "}
	case "capset":
		return []string{"cannot set the capabilities: ", "cannot clear the inheritable capabilities: "}
	case "capget": // one that asks what is missing changes nothing
		return []string{"?", "cannot set the capabilities: ", "cannot clear the inheritable capabilities: ", "cannot confirm the capabilities: "}
	case "getresuid", "getresgid":
		return []string{"cannot confirm the ids: "}
	case "getgroups":
		return []string{"cannot confirm the groups: "}
	case "execve":
		return []string{"Executable not found: /usr/bin/cp (filter match = cp): "}
	case "pidfd_send_signal":
		return []string{"cannot send signal 9 to process "}
	case "close":
		return []string{"-"}
	}
	return []string{"cannot "}
}

var ofBaseline = regexp.MustCompile(`RLIMIT_(NPROC|SIGPENDING|MEMLOCK|MSGQUEUE|LOCKS|RSS|RTTIME|RTPRIO|NICE)`)

// Every call between the decision and the command, in all three ways to end.
func TestFaultsInPrivilegedSection(t *testing.T) {
	super, nobody, signal, _ := scenes(t)
	needed := map[*rig.Scene][]string{
		super: {"close_range", "fcntl", "umask", "prlimit64", "setpriority", "openat", "write", "rt_sigaction", "rt_sigprocmask", "prctl",
			"setgroups", "setresgid", "setresuid", "capget", "capset", "getresuid", "getresgid", "getgroups", "execve"},
		nobody: {"seccomp", "setgroups", "setresgid", "setresuid", "capset", "execve"},
		signal: {"close_range", "setgroups", "setresgid", "setresuid", "capset", "pidfd_send_signal"},
	}
	for s, calls := range needed {
		base := baseline(s, t, map[*rig.Scene]map[string]string{super: asRoot, nobody: asNobody}[s])
		list := rig.Places(base.Log, section, nil)
		for _, call := range calls {
			if !slices.ContainsFunc(list, func(p rig.Place) bool { return p.Call == call }) {
				t.Errorf("%s: no %s in the privileged section: nothing was tried there", s.Name, call)
			}
		}
		for _, p := range list {
			// Where one loop makes them all, the first and the last say as much.
			many := 0
			for _, q := range list {
				if q.Call == p.Call {
					many++
				}
			}
			if s != nobody && many > 20 && p.N > 2 && p.N < many-1 {
				continue
			}
			want := step(p)
			t.Run(fmt.Sprintf("%s/%v", s.Name, p), func(t *testing.T) {
				t.Parallel()
				o := inject(s, t, section, p, rig.CountBefore(base.Log, section, p.Call)+p.N, "error=EPERM")
				status := 97
				switch p.Call {
				case "execve":
					status = 96
				case "pidfd_send_signal":
					status = 1
				}
				switch {
				case want[0] == "-", want[0] == "?" && o.Ran:
					sameAs(t, s, o)
					return
				case want[0] == "?":
					want = append(want[1:], "cannot reset ")
				}
				end := ": operation not permitted"
				if strings.Contains(o.Err, " is missing here: ") { // and so it is
					end = ""
				}
				rig.RefusedWith(t, o, status, end, want...)
			})
		}
	}
}

// sameAs complains unless the command ran, and was what it is without a fault.
func sameAs(t *testing.T, s *rig.Scene, o rig.Outcome) {
	t.Helper()
	if !o.Ran || o.Status != 0 {
		t.Errorf("it did not run: %v", o.Result)
	}
	for key, value := range s.As {
		if o.As[key] != value {
			t.Errorf("%s is %q, not %q", key, o.As[key], value)
		}
	}
}

// A call that reports success and did nothing: what the kernel says afterwards
// counts (setresuid(2) with -1 is such a call: CVE-2019-14287).
func TestFaultsThatLookLikeSuccess(t *testing.T) {
	super, nobody, signal, _ := scenes(t)
	for _, c := range []struct {
		scene *rig.Scene
		call  string
		want  string
	}{
		{super, "setgroups", "cannot confirm the groups: the kernel says [4 24 42], not [0]"},
		{super, "capset", "cannot confirm the capabilities: the kernel says "},
		{nobody, "setgroups", "cannot confirm the groups: the kernel says [4 24 42], not [65534]"},
		{nobody, "setresgid", "cannot confirm the ids: the kernel says gids 0, 0, 0, not 65534"},
		{nobody, "setresuid", "cannot confirm the ids: the kernel says uids 0, 0, 0, not 65534"},
		{nobody, "capset", "cannot confirm the capabilities: the kernel says "},
		{signal, "setgroups", "cannot confirm the groups: the kernel says [4 24 42], not [0]"},
		{signal, "capset", "cannot confirm the capabilities: the kernel says "},
	} {
		t.Run(c.scene.Name+"/"+c.call, func(t *testing.T) {
			t.Parallel()
			rig.RefusedWith(t, inject(c.scene, t, section, rig.Place{Call: c.call, N: 1}, 1, "retval=0"), 97, "", c.want)
		})
	}
	// These are already so: nothing is missing.
	baseline(super, t, nil)
	for _, call := range []string{"setresgid", "setresuid"} {
		t.Run("already so/"+call, func(t *testing.T) {
			t.Parallel()
			sameAs(t, super, inject(super, t, section, rig.Place{Call: call, N: 1}, 1, "retval=0"))
		})
	}
}

// Each id, each set of capabilities and the groups are compared by themselves:
// what the kernel answers is changed, one answer at a time.
func TestFaultsInWhatIsConfirmed(t *testing.T) {
	super, nobody, _, _ := scenes(t)
	const one, zero, last = "01000000", "00000000", 0
	list := map[*rig.Scene][]rig.Place{}
	for _, s := range []*rig.Scene{super, nobody} {
		list[s] = rig.Places(baseline(s, t, nil).Log, section, nil)
	}
	for _, c := range []struct {
		scene *rig.Scene
		call  string
		n     int // in the section, from 1
		poke  string
		want  string
	}{
		{nobody, "getresuid", 1, "@arg1=" + zero, "cannot confirm the ids: the kernel says uids 0, 65534, 65534, not 65534"},
		{nobody, "getresuid", 1, "@arg2=" + zero, "cannot confirm the ids: the kernel says uids 65534, 0, 65534, not 65534"},
		{nobody, "getresuid", 1, "@arg3=" + zero, "cannot confirm the ids: the kernel says uids 65534, 65534, 0, not 65534"},
		{nobody, "getresgid", 1, "@arg1=" + zero, "cannot confirm the ids: the kernel says gids 0, 65534, 65534, not 65534"},
		{nobody, "getresgid", 1, "@arg2=" + zero, "cannot confirm the ids: the kernel says gids 65534, 0, 65534, not 65534"},
		{nobody, "getresgid", 1, "@arg3=" + zero, "cannot confirm the ids: the kernel says gids 65534, 65534, 0, not 65534"},
		{nobody, "getgroups", 2, "@arg2=" + zero, "cannot confirm the groups: the kernel says [0], not [65534]"},
		{super, "getgroups", 2, "@arg2=" + one, "cannot confirm the groups: the kernel says [1], not [0]"},
		{super, "getresuid", 1, "@arg2=" + one, "cannot confirm the ids: the kernel says uids 0, 1, 0, not 0"},
		// struct __user_cap_data_struct, twice: effective, permitted, inheritable.
		{nobody, "capget", last, "@arg2=" + one, "cannot confirm the capabilities: the kernel says "},
		{nobody, "capget", last, "@arg2=" + zero + one, "cannot confirm the capabilities: the kernel says permitted 0000000000000001"},
		{nobody, "capget", last, "@arg2=" + zero + zero + one, "cannot confirm the capabilities: the kernel says "},
		{nobody, "capget", last, "@arg2=" + zero + zero + zero + one, "cannot confirm the capabilities: the kernel says "},
		{nobody, "capget", last, "@arg2=" + zero + zero + zero + zero + one, "cannot confirm the capabilities: the kernel says permitted 0000000100000000"},
		{super, "capget", last, "@arg2=" + zero + zero + zero + zero + zero + one, "cannot confirm the capabilities: the kernel says "},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s", c.scene.Name, c.call, c.poke), func(t *testing.T) {
			t.Parallel()
			p := rig.Place{Call: c.call, N: c.n}
			for _, q := range list[c.scene] {
				if c.n == last && q.Call == c.call {
					p = q
				}
			}
			o := inject(c.scene, t, section, p, p.N, "poke_exit="+c.poke)
			rig.RefusedWith(t, o, 97, "", c.want)
		})
	}
}

// Kernels from before these calls: nothing runs, and the line says what failed.
func TestFaultsOfOldKernels(t *testing.T) {
	super, nobody, signal, path := scenes(t)
	for _, c := range []struct {
		scene  *rig.Scene
		call   string
		status int
		want   string
	}{
		{super, "close_range", 97, "cannot mark descriptors close-on-exec: function not implemented"},
		{nobody, "seccomp", 97, "cannot forbid typing into terminals (seccomp): function not implemented"},
		{signal, "pidfd_open", 99, "Unauthorized command: kill -9 "},
		{signal, "pidfd_send_signal", 99, "Unauthorized command: kill -9 "},
		{path, "openat2", 99, "Unauthorized command: cp /proc/self/status "},
	} {
		t.Run(c.call, func(t *testing.T) {
			t.Parallel()
			o := c.scene.Play(t, c.call+":error=ENOSYS:when=1+")
			if !slices.ContainsFunc(o.Log, func(line string) bool { return strings.HasSuffix(line, "(INJECTED)") }) {
				t.Fatalf("%s was never called", c.call)
			}
			rig.RefusedWith(t, o, c.status, "", c.want)
		})
	}
}

// Every call before the privileged section, failing in the ways that such a call
// can: the command does not run, or it is what it is without the fault.
func TestFaultsOnTheRoad(t *testing.T) {
	_, _, signal, path := scenes(t)
	ways := map[string][]string{
		"openat":     {"EPERM", "ENOENT", "EINTR"},
		"openat2":    {"EPERM", "ENOENT", "EINTR", "EAGAIN", "EMFILE"},
		"read":       {"EIO", "EINTR"},
		"pread64":    {"EIO", "EINTR"},
		"wait4":      {"ECHILD", "EINTR"},
		"readlinkat": {"ENOENT", "EIO"},
		"connect":    {"ECONNREFUSED", "ENOENT", "EINTR"},
		"sendmsg":    {"EMSGSIZE", "ENOBUFS", "EINTR"},
		"sendto":     {"EMSGSIZE", "ENOBUFS", "EINTR"},
		"newfstatat": {"ENOENT", "EACCES"},
	}
	seen := map[string]bool{}
	for _, c := range []struct {
		*rig.Scene
		finds    rig.State
		sections int // how many begin as the privileged one does
	}{{signal, rig.Kept, 1}, {path, rig.Kept, 1}, {path, rig.Unwritable, 2}} {
		t.Run(string(c.finds), func(t *testing.T) {
			rig.Pin(t, c.Conf, c.finds)
			s := &rig.Scene{}
			*s = *c.Scene
			base := baseline(s, t, map[*rig.Scene]map[string]string{path: asNobody}[c.Scene])
			began := 0
			end := func(line string) bool {
				if section.Begin(line) {
					began++
				}
				return began == c.sections
			}
			for _, p := range rig.Places(base.Log, road, end) {
				if p.Call == "rt_sigprocmask" { // the runtime's, when it starts a thread
					continue
				}
				if p.Call == "close" && p.N > 5 { // nobody looks whether they fail
					continue
				}
				seen[p.Call] = true
				errnos := ways[p.Call]
				if errnos == nil {
					errnos = []string{"EPERM"}
				}
				for _, errno := range errnos {
					t.Run(fmt.Sprintf("%s/%v/%s", s.Name, p, errno), func(t *testing.T) {
						t.Parallel()
						o := inject(s, t, road, p, rig.CountBefore(base.Log, road, p.Call)+p.N, "error="+errno)
						if strings.Contains(o.Err, "runtime error") {
							t.Errorf("a bug, by its message: %s: %v", p.Line, o.Result)
						}
						// With a timeout set (SO_SNDTIMEO) these are not restarted after a
						// signal, whatever SA_RESTART says (signal(7)).
						if errno == "EINTR" && (p.Call == "connect" || strings.HasPrefix(p.Call, "send")) && (!o.Ran || o.Err != "") {
							t.Errorf("the record is lost: %s: %v", p.Line, o.Result)
						}
						// audit_required: no record, no command.
						if c.Scene == path && o.Ran && (p.Call == "socket" || p.Call == "setsockopt" || p.Call == "connect" || strings.HasPrefix(p.Call, "send")) && errno != "EINTR" {
							t.Errorf("it ran without a record: %s: %v", p.Line, o.Result)
						}
						if o.Ran {
							sameAs(t, s, o)
							if o.Err != "" && !rig.OneLine(o.Err) {
								t.Errorf("%s: %v", p.Line, o.Result)
							}
							return
						}
						if !slices.Contains([]int{96, 97, 99}, o.Status) || !rig.OneLine(o.Err) || !strings.HasPrefix(o.Err, "ironwrap: ") {
							t.Errorf("%s: %v", p.Line, o.Result)
						}
					})
				}
			}
		})
	}
	for _, call := range []string{"openat", "openat2", "read", "pread64", "pipe2", "wait4", "fstat", "newfstatat", "fstatfs", "setitimer", "prctl", "pidfd_open", "readlinkat",
		"setfsuid", "setfsgid", "setgroups", "socket", "connect"} {
		if !seen[call] {
			t.Errorf("no %s on the road: nothing was tried there", call)
		}
	}
}

// Begin, when the program is setuid: each call that takes the process out of the
// caller's hands.
func TestFaultsInBegin(t *testing.T) {
	_, nobody, _, _ := scenes(t)
	// The setuid program takes its configuration from this directory alone, and
	// from callers that it names.
	s := *nobody
	s.Name, s.Program = "setuid", rig.Variant(t, s.Dir())
	if err := os.Chmod(s.Program, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	s.Strace = []string{"-u", rig.Caller.Name}
	conf, err := os.ReadFile(s.Conf)
	if err != nil {
		t.Fatal(err)
	}
	rig.Write(t, s.Conf, string(conf)+"allow_users="+rig.Caller.Name+"\n")

	// A caller who would like a core file.
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: core.Max, Max: core.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_CORE, &core) })

	base := baseline(&s, t, asNobody)
	config := func(line string) bool { return strings.Contains(line, "/proc/self/loginuid") }
	list := rig.Places(base.Log, road, config)
	tried := map[string]int{}
	for _, p := range list {
		if p.Call == "rt_sigprocmask" { // the runtime's, when it starts a thread
			continue
		}
		want := map[string]string{
			"rt_sigaction": "cannot set the action of ",
			"prlimit64":    "cannot read RLIMIT_SIGPENDING: ",
			"setresuid":    "cannot become uid 0: ",
			"setresgid":    "cannot become gid 0: ",
			"prctl":        "cannot forbid tracing (PR_SET_DUMPABLE): ",
			"setitimer":    "cannot stop the caller's timers (setitimer): ",
		}[p.Call]
		switch {
		case strings.Contains(p.Line, "PR_GET_TIMERSLACK"):
			want = "" // it is set then
		case p.Call == "setitimer" && strings.Contains(p.Line, "it_value={tv_sec=65,"): // sandbox.Deadline
			want = "cannot set a timer (setitimer): "
		case p.Call == "rt_sigaction" && strings.Contains(p.Line, "SIGXFSZ"):
			want = "cannot ignore "
		case strings.Contains(p.Line, "RLIMIT_NOFILE"):
			want = "cannot read RLIMIT_NOFILE: "
		case strings.Contains(p.Line, "RLIMIT_CORE, NULL"):
			want = "cannot read RLIMIT_CORE: "
		case strings.Contains(p.Line, "RLIMIT_CORE"):
			want = "cannot set RLIMIT_CORE: "
		case p.Call == "prctl" && !strings.Contains(p.Line, "PR_SET_DUMPABLE"):
			want = "cannot reset the "
		}
		tried[p.Call]++
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			o := inject(&s, t, road, p, rig.CountBefore(base.Log, road, p.Call)+p.N, "error=EPERM")
			switch {
			case want != "":
				rig.RefusedWith(t, o, 97, ": operation not permitted", want)
			case o.Ran:
				sameAs(t, &s, o)
			default:
				if o.Status == 0 {
					t.Errorf("nothing ran, and nothing failed: %v", o.Result)
				}
				rig.RefusedWith(t, o, o.Status, "", "")
			}
		})
	}
	for call, n := range map[string]int{"rt_sigaction": 3, "prlimit64": 4, "setresuid": 1, "setresgid": 1, "prctl": 4, "setitimer": 3, "sched_setattr": 1} {
		if tried[call] < n {
			t.Errorf("%d calls of %s in Begin, not %d: nothing was tried there", tried[call], call, n)
		}
	}
}

// Where openat2(2) is taken away (RestrictSUIDSGID= in a systemd unit), what needs it says
// so, and the rest works.
func TestFaultsWithoutOpenat2(t *testing.T) {
	rig.Need(t, "strace", "/usr/bin/strace")
	p := rig.NewPolicy(t, "")
	rig.Write(t, p.Filters, "[Filters]\nid: CommandFilter, id, root\nls: PathFilter, ls, root, "+p.Dir+
		"\ncat: CommandFilter, cat, root\n[Sandbox:cat]\nlandlock_ro = /\n")
	rig.Pin(t, p.Conf, rig.Absent)
	for _, c := range []struct {
		argv   []string
		inject []string
		status int
		why    string // and what to do
		named  bool
	}{
		{[]string{"id", "-u"}, []string{"error=ENOSYS"}, 0, "", false},
		{[]string{"id", "-u"}, []string{"error=EPERM"}, 0, "", false},
		{[]string{"ls", p.Dir}, []string{"error=ENOSYS"}, 99, "openat2(2): function not implemented: ", true},
		{[]string{"ls", p.Dir}, []string{"error=EPERM"}, 99, "openat2(2): operation not permitted: ", true},
		{[]string{"ls", "/nowhere/else"}, []string{"error=ENOSYS"}, 99, "openat2(2): function not implemented: ", true},
		{[]string{"ls", "/nowhere/else"}, []string{"error=EPERM"}, 99, "openat2(2): operation not permitted: ", true},
		{[]string{"cat", p.Conf}, []string{"error=ENOSYS"}, 97, "openat2(2) is not there: ", true},
		{[]string{"cat", p.Conf}, []string{"error=EPERM"}, 97, "openat2(2) is not there: ", true},
		// One file alone is refused, by its server: no filter of system calls is at fault.
		{[]string{"ls", p.Dir}, []string{"error=EPERM", "-P", p.Dir}, 99, "no filter matched", false},
		{[]string{"cat", p.Conf}, []string{"error=EPERM", "-P", rig.Must(os.Getwd())}, 97, "the working directory: ", false},
	} {
		r := rig.Run(t, slices.Concat([]string{"/usr/bin/strace", "-f", "-o", "/dev/null", "-e", "inject=openat2:" + c.inject[0]}, c.inject[1:], []string{rig.Ours, p.Conf}, c.argv)...)
		if r.Status != c.status || !strings.Contains(r.Err, c.why) || strings.Contains(r.Err, "RestrictSUIDSGID=") != c.named || c.status != 0 && (r.Out != "" || !rig.OneLine(r.Err)) {
			t.Errorf("%q, %s: %v", c.argv, c.inject, r)
		}
	}
}
