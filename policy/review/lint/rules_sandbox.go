package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// sandboxRules are about sections that confine less than they seem to, or that
// nothing can run under.
var sandboxRules = []*Rule{
	{
		ID: "seccomp-unusable", Here: true, Severity: Error,
		Title: "a seccomp profile has no program that could be loaded",
		Help:  "Commands under it end with exit status 97: the profile is not there, was not compiled, has changed since, is for another machine, or can be written by somebody besides root.",
		check: func(c *config) []Finding {
			return c.eachProfile(func(p Profile) string {
				if p.Err == nil {
					return ""
				}
				return p.Err.Error()
			})
		},
		finds: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x", profile: Profile{Err: fmt.Errorf("not compiled")}, at: "a.filters:4:1", says: "not compiled"},
			{conf: "[Sandbox]\nseccomp=x", filters: "id: CommandFilter, id, root", profile: Profile{Err: fmt.Errorf("not compiled")}, at: "rootwrap.conf:5:1"},
			{conf: "[Profile:p]\nseccomp=x", filters: "id: CommandFilter, id, root\n[Sandbox:id]\ninherit=p", profile: Profile{Err: fmt.Errorf("not compiled")}, at: "rootwrap.conf:5:1"},
		},
		passes: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=none", profile: Profile{Err: fmt.Errorf("not compiled")}},
			{filters: "id: CommandFilter, id, root", profile: Profile{Err: fmt.Errorf("not compiled")}},
		},
	},
	{
		ID: "seccomp-foreign-calls", Here: true, Severity: Warning,
		Title: "a seccomp profile lets programs of another architecture make system calls",
		Help:  "A 32-bit or x32 program has other numbers for its calls, and some that take several in one (socketcall, ipc), so that rules about arguments do not hold for it. Leave the architecture out of the profile, unless such a program is needed.",
		check: func(c *config) []Finding {
			return c.eachProfile(func(p Profile) string {
				if len(p.Foreign) == 0 {
					return ""
				}
				return "the profile allows system calls of " + strings.Join(p.Foreign, " and ") + " programs"
			})
		},
		finds:  []example{{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x", profile: Profile{Foreign: []string{"x32"}}, at: "a.filters:4:1", says: "x32"}},
		passes: []example{{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x"}},
	},
	{
		ID: "seccomp-idle-capability", Here: true, Severity: Warning,
		Title: "a sandbox gives a capability of which its seccomp profile refuses every use",
		Help:  "One of the two is not meant. Take the capability off the list, or allow its system calls in the profile.",
		check: func(c *config) []Finding {
			return c.eachProfile(func(p Profile) string {
				if len(p.Idle) == 0 {
					return ""
				}
				return p.Idle[0].Capability + " is given, and the profile refuses " + strings.Join(p.Idle[0].Calls, ", ") + ", which it is for"
			})
		},
		finds: []example{{
			filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x\ncapabilities=CAP_SYS_BOOT", profile: Profile{Idle: []Idle{{"CAP_SYS_BOOT", []string{"reboot"}}}},
			at: "a.filters:4:1", says: "CAP_SYS_BOOT is given, and the profile refuses reboot",
		}},
		passes: []example{{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x\ncapabilities=CAP_SYS_BOOT"}},
	},
	{
		ID: "seccomp-other-capabilities", Here: true, Severity: Warning,
		Title: "a seccomp profile was compiled for other capabilities than its sandbox gives",
		Help:  "Rules with includes or excludes were decided when it was compiled. Compile it again with --capabilities as in the section; sections that differ need profiles of their own.",
		check: func(c *config) []Finding {
			return c.eachProfile(func(p Profile) string {
				if !p.Other {
					return ""
				}
				return "the profile has rules that depend on capabilities, and was compiled for others than this sandbox gives"
			})
		},
		finds:  []example{{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x", profile: Profile{Other: true}, at: "a.filters:4:1"}},
		passes: []example{{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccomp=x"}},
	},
	{
		ID: "sandbox-path", Here: true, Severity: Warning,
		Title: "a path of a sandbox leads nowhere",
		Help:  "Commands under it end with exit status 97, since a sandbox is set up exactly as written or not at all. Make the directory, or take the path out.",
		check: sandboxPaths,
		finds: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nread_only=/usr, DIR/none", at: "a.filters:4:1", says: "DIR/none"},
			{conf: "[Sandbox]\nlandlock_ro=/nosuchdir", filters: "id: CommandFilter, id, root", at: "rootwrap.conf:5:1", says: "/nosuchdir"},
		},
		passes: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nlandlock_ro=/usr, /bin, /lib\nlandlock_rw=DIR/theirs\nread_only=none", setup: "mkdir theirs; chown 65534 theirs"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nlandlock_rw=DIR/link", setup: "mkdir theirs; ln -s theirs link; chown 65534 theirs"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nlandlock_rw=DIR/l", setup: "ln -s / l; chown -h 65534 l"}, // redirected-path says so
		},
	},
	loose("landlock-best-effort", "landlock", Warning, "a sandbox does without Landlock where the kernel has none",
		"The command then runs with no restriction of its files and ports, and nothing says so; private_tmp and read_only then do not hold against other processes of the caller's. Leave the key out: without Landlock the command does not run.",
		func(v string) bool { return v == "best-effort" }, "best-effort", "required", "a kernel without Landlock runs the command unrestricted"),
	loose("seccomp-none", "seccomp", Note, "a sandbox turns seccomp off",
		"No profile holds for the filter, also where [Sandbox] names one for all.",
		func(v string) bool { return v == "none" }, "none", "x", "no seccomp profile holds"),
	loose("capabilities-all", "capabilities", Note, "a sandbox allows all capabilities",
		"Nothing is cut from root's rights, also where [Sandbox] cuts them for all. List those that the command needs (ironwrapctl learn).",
		func(v string) bool { return v == "all" }, "all", "none", "all capabilities are allowed"),
	loose("new-privs", "no_new_privs", Note, "a sandbox allows set-user-id programs",
		"This is so without the key as well; written down it takes back what [Sandbox] or a profile says.",
		isNo, "no", "yes", "set-user-id programs and file capabilities have effect"),
	loose("umask-open", "umask", Warning, "a sandbox lets others write the files that the command makes",
		"Files and directories of root's that anybody may write are a way to root. Use 022, or 077.",
		func(v string) bool { n, err := strconv.ParseUint(v, 8, 32); return err == nil && n&0o022 != 0o022 },
		"000", "027", "the umask leaves new files writable by group or others"),
	loose("oom-protected", "oom_score_adj", Note, "a sandbox keeps the kernel from ending the command when memory is short",
		"Other services are ended in its place. A service should not have that over its neighbours.",
		func(v string) bool { return strings.HasPrefix(v, "-") }, "-500", "500", "the kernel ends other processes first"),
	loose("high-priority", "nice", Note, "a sandbox gives the command precedence over other processes",
		"A command that does not end holds up the machine.",
		func(v string) bool { return strings.HasPrefix(v, "-") && v != "-0" }, "-5", "5", "the command goes before other processes"),
	loose("outlives-client", "survive", Note, "a command goes on when its client is gone",
		"A caller of ironwrap-call can leave as many as max_user_children running, with nobody to end them. It is meant for commands that must not be cut off half-way.",
		func(v string) bool { return !isNo(v) }, "yes", "no", "the command is not ended with its client"),
	loose("core-dumps", "rlimit_core", Note, "a sandbox allows core dumps",
		"The memory of a command of root's, keys among it, goes into a file. Without the key the limit is 0.",
		func(v string) bool { return v != "0" }, "unlimited", "0", "the command's memory may be written to a file"),
	loose("landlock-everything", "landlock_rw", Warning, "a sandbox allows writing to the whole file system",
		"Landlock then restricts nothing. Name the directories that the command works in.",
		func(v string) bool {
			return slices.ContainsFunc(strings.Split(v, ","), func(p string) bool { p = strings.TrimSpace(p); return p != "" && strings.Trim(p, "/") == "" })
		}, "/srv, /", "/srv", "every file may be written"),
}

// sandboxPaths asks of each path what the executor asks.
func sandboxPaths(c *config) (found []Finding) {
	c.sections(func(f *file, _ string, e document.Entry) {
		if !slices.Contains([]string{"read_only", "landlock_ro", "landlock_rw"}, e.Key) || e.Value == "none" {
			return
		}
		for _, path := range filters.Fields(e.Value) {
			p, err := trust.Lead(path)
			if errors.Is(err, fs.ErrNotExist) {
				found = append(found, f.at(f.whole(e.Line), fmt.Sprintf("%s cannot be taken: %v", e.Key, err), ""))
			}
			if err == nil {
				os.NewFile(uintptr(p.FD), "").Close()
			}
		}
	})
	return found
}

func isNo(v string) bool {
	return slices.Contains([]string{"0", "no", "false", "off"}, strings.ToLower(v))
}

// loose is a rule about a key of a sandbox section whose value loosens something:
// bad does, and good does not.
func loose(id, key string, severity Severity, title, help string, loosens func(string) bool, bad, good, message string) *Rule {
	const section = "id: CommandFilter, id, root\n[Sandbox:id]\n"
	return &Rule{
		ID: id, Severity: severity, Title: title, Help: help,
		check: func(c *config) (found []Finding) {
			c.sections(func(f *file, _ string, e document.Entry) {
				if e.Key == key && loosens(e.Value) {
					found = append(found, f.at(f.whole(e.Line), message, ""))
				}
			})
			return found
		},
		finds: []example{
			{filters: section + key + "=" + bad, at: "a.filters:4:1", says: message},
			{conf: "[Sandbox]\n" + key + "=" + bad, at: "rootwrap.conf:5:1"},
			{conf: "[Profile:p]\n" + key + "=" + bad, at: "rootwrap.conf:5:1"},
		},
		passes: []example{{filters: section + key + "=" + good}, {filters: section + "private_tmp=yes"}},
	}
}

// sections visits each key of each sandbox section and profile.
func (c *config) sections(visit func(f *file, section string, e document.Entry)) {
	for _, f := range append([]*file{c.conf}, c.files...) {
		if f == nil || f.ini == nil {
			continue
		}
		for _, s := range f.ini.Sections {
			if s.Name != "Sandbox" && !strings.HasPrefix(s.Name, "Sandbox:") && !strings.HasPrefix(s.Name, "Profile:") && !strings.HasPrefix(s.Name, "Privsep:") {
				continue
			}
			for _, e := range f.ini.Own(s.Name) {
				visit(f, s.Name, e)
			}
		}
	}
}

// eachProfile makes a finding for each filter of whose profile look has something
// to say, where the profile is named. Filters that share the place share a finding.
func (c *config) eachProfile(look func(Profile) string) (found []Finding) {
	for _, f := range c.filters {
		if f.Sandbox == nil || f.Sandbox.Seccomp == "" || f.Sandbox.Seccomp == "none" {
			continue
		}
		message := look(c.facts.Seccomp(f.Sandbox))
		if message == "" {
			continue
		}
		at, e, ok := c.named(f)
		if !ok {
			continue
		}
		if one := at.at(at.whole(e.Line), message, ""); !slices.ContainsFunc(found, func(f Finding) bool { return f.saying() == one.saying() }) {
			found = append(found, one)
		}
	}
	return append(found, c.eachContextProfile(look)...)
}

// named is where the profile of f's sandbox is named: in its own section, in the
// profile that inherits, or in [Sandbox].
func (c *config) named(f *filter) (*file, document.Entry, bool) {
	own := sectionOf(f)
	for _, try := range []struct {
		file    *file
		section string
	}{{f.file, own}, {c.conf, c.inherited(f.file, own)}, {c.conf, "Sandbox"}, {c.conf, c.inherited(c.conf, "Sandbox")}} {
		if e, ok := try.file.own(try.section, "seccomp"); ok && e.Value == f.Sandbox.Seccomp {
			return try.file, e, true
		}
	}
	return nil, document.Entry{}, false
}

// sectionOf is the name of the sandbox section of f, as its file has it: filter
// names are lower case, section names are as written.
func sectionOf(f *filter) string {
	if f.file == nil || f.file.ini == nil {
		return ""
	}
	for _, s := range f.file.ini.Sections {
		if name, ok := strings.CutPrefix(s.Name, "Sandbox:"); ok && strings.ToLower(name) == f.Name {
			return s.Name
		}
	}
	return ""
}

// inherited is the section that a sandbox section starts from.
func (c *config) inherited(f *file, section string) string {
	if e, ok := f.own(section, "inherit"); ok {
		return "Profile:" + e.Value
	}
	return ""
}
