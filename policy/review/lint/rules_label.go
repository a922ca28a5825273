package lint

import (
	"slices"

	"ironwrap/policy"
)

// labelRules are about sections that name an AppArmor profile or an SELinux context.
var labelRules = []*Rule{
	{
		ID: "two-security-modules", Severity: Error,
		Title: "a sandbox asks for AppArmor and for SELinux, of which a kernel runs one",
		Help:  "Commands under it end with exit status 97 everywhere. Say apparmor = best-effort or selinux = best-effort, as the machines are, or name one of the two.",
		check: func(c *config) []Finding {
			return c.eachLabel("apparmor_profile", profileOf, func(s *policy.Sandbox) string {
				if s.SELinux == "" || s.AppArmorBestEffort || s.SELinuxBestEffort {
					return ""
				}
				return "selinux_context is there too, and no kernel runs both modules"
			})
		},
		finds: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p\nselinux_context=u:r:t", at: "a.filters:4:1", says: "selinux_context"},
			{conf: "[Sandbox]\nselinux_context=u:r:t", filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p", at: "a.filters:4:1"},
			{conf: "[Sandbox]\napparmor_profile=p", filters: "id: CommandFilter, id, root\n[Sandbox:id]\nselinux_context=u:r:t", at: "rootwrap.conf:5:1"},
		},
		passes: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p\nselinux_context=u:r:t\nselinux=best-effort"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p\nselinux_context=none"},
		},
	},
	{
		ID: "apparmor-not-enforced", Here: true, Severity: Warning,
		Title: "an AppArmor profile is not loaded on this machine, or refuses nothing",
		Help:  "Where it is not loaded commands end with exit status 97: apparmor_parser -r loads it, and a file in /etc/apparmor.d has it loaded at each start. In complain mode it writes down what it would refuse and lets it pass: aa-enforce.",
		check: func(c *config) []Finding {
			loaded := c.facts.AppArmor()
			return c.eachLabel("apparmor_profile", profileOf, func(s *policy.Sandbox) string {
				switch mode, ok := loaded[s.AppArmor]; {
				case loaded == nil, s.AppArmor == "unconfined":
					return ""
				case !ok:
					return "the kernel has no AppArmor profile " + quote(s.AppArmor)
				case mode == "complain", mode == "unconfined":
					return "AppArmor profile " + quote(s.AppArmor) + " is loaded in the mode " + mode + ", and refuses nothing"
				}
				return ""
			})
		},
		finds: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p", loaded: map[string]string{"q": "enforce"}, at: "a.filters:4:1", says: "no AppArmor profile"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p", loaded: map[string]string{"p": "complain"}, at: "a.filters:4:1", says: "refuses nothing"},
			{conf: "[Profile:x]\napparmor_profile=p", filters: "id: CommandFilter, id, root\n[Sandbox:id]\ninherit=x", loaded: map[string]string{}, at: "rootwrap.conf:5:1"},
		},
		passes: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p", loaded: map[string]string{"p": "enforce"}},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=unconfined", loaded: map[string]string{}},
		},
	},
	{
		ID: "selinux-no-new-privs", Severity: Warning,
		Title: "a sandbox has selinux_context and no_new_privs",
		Help:  "The kernel refuses the transition, and the command ends with exit status 97, unless the loaded policy allows nnp_transition between the two contexts. Try it, or take one of the keys out.",
		check: func(c *config) []Finding {
			return c.eachLabel("selinux_context", contextOf, withNoNewPrivs("the transition takes nnp_transition in the loaded policy"))
		},
		finds: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nselinux_context=u:r:t\nno_new_privs=yes", at: "a.filters:4:1", says: "nnp_transition"},
			{conf: "[Sandbox]\nno_new_privs=yes", filters: "id: CommandFilter, id, root\n[Sandbox:id]\nselinux_context=u:r:t", at: "a.filters:4:1"},
		},
		passes: []example{
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nselinux_context=u:r:t"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nno_new_privs=yes"},
			{conf: "[Sandbox]\nno_new_privs=yes", filters: "id: CommandFilter, id, root\n[Sandbox:id]\nselinux_context=u:r:t\nno_new_privs=no"},
		},
	},
	{
		ID: "apparmor-no-new-privs", Severity: Note,
		Title: "a sandbox has apparmor_profile and no_new_privs",
		Help:  "It works where ironwrap runs without a profile, or under the one of its own. Where it inherits a caller's profile the kernel refuses the transition, and the command ends with exit status 97.",
		check: func(c *config) []Finding {
			return c.eachLabel("apparmor_profile", profileOf, withNoNewPrivs("for callers under an AppArmor profile that ironwrap inherits, the command does not run"))
		},
		finds:  []example{{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p\nno_new_privs=yes", at: "a.filters:4:1", says: "callers under"}},
		passes: []example{{filters: "id: CommandFilter, id, root\n[Sandbox:id]\napparmor_profile=p"}},
	},
	loose("apparmor-best-effort", "apparmor", Warning, "a sandbox does without AppArmor where the kernel has none",
		"The command then runs without the profile, and nothing says so. Leave the key out: without AppArmor the command does not run.",
		func(v string) bool { return v == "best-effort" }, "best-effort", "required", "a kernel without AppArmor runs the command without the profile"),
	loose("selinux-best-effort", "selinux", Warning, "a sandbox does without SELinux where the kernel has none",
		"The command then runs without the context, and nothing says so. Leave the key out: without SELinux the command does not run.",
		func(v string) bool { return v == "best-effort" }, "best-effort", "required", "a kernel without SELinux runs the command without the context"),
	loose("apparmor-unconfined", "apparmor_profile", Warning, "a sandbox takes a command out of AppArmor",
		"The command gets no profile, not even the one that its program has. Leave the key out: the program's own holds then.",
		func(v string) bool { return v == "unconfined" }, "unconfined", "p", "no AppArmor profile holds, not even the program's own"),
	loose("apparmor-none", "apparmor_profile", Note, "a sandbox names no AppArmor profile",
		"This is so without the key as well; written down it takes back what [Sandbox] or a profile says.",
		func(v string) bool { return v == "none" }, "none", "p", "the profile of the defaults does not hold"),
	loose("selinux-none", "selinux_context", Note, "a sandbox names no SELinux context",
		"This is so without the key as well; written down it takes back what [Sandbox] or a profile says.",
		func(v string) bool { return v == "none" }, "none", "u:r:t", "the context of the defaults does not hold"),
}

func profileOf(s *policy.Sandbox) string { return s.AppArmor }
func contextOf(s *policy.Sandbox) string { return s.SELinux }

func withNoNewPrivs(message string) func(*policy.Sandbox) string {
	return func(s *policy.Sandbox) string {
		if !s.NoNewPrivs {
			return ""
		}
		return message
	}
}

// eachLabel makes a finding for each filter with a label of whose sandbox look has something
// to say, where the label is named. Filters that share the place share a finding.
func (c *config) eachLabel(key string, of, look func(*policy.Sandbox) string) (found []Finding) {
	for _, f := range c.filters {
		if f.Sandbox == nil || of(f.Sandbox) == "" {
			continue
		}
		message := look(f.Sandbox)
		at, e, ok := c.named(f, key, of(f.Sandbox))
		if message == "" || !ok {
			continue
		}
		if one := at.at(at.whole(e.Line), message, ""); !slices.ContainsFunc(found, func(f Finding) bool { return f.saying() == one.saying() }) {
			found = append(found, one)
		}
	}
	return found
}
