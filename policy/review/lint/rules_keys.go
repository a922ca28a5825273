package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// keyRules are about the keys of rootwrap.conf: those that nobody knows, and those
// that allow more than is allowed without them.
var keyRules = []*Rule{
	{
		ID: "unknown-key", Severity: Warning,
		Title: "rootwrap.conf has a key that is not known",
		Help:  "It has no effect. A slip in the name of a key leaves the default in force. Correct it, or remove it.",
		check: unknownKeys,
		finds: []example{
			{conf: "use_sylog=yes", at: "rootwrap.conf:4:1", says: "key use_sylog is not known"},
			{conf: "use_syslog_rfc_format=True", at: "rootwrap.conf:4:1"},
		},
		passes: []example{{conf: "use_syslog=yes\nrlimit_nofile=1024"}},
	},
	{
		ID: "unknown-section", Severity: Note,
		Title: "a file has a section that is not read",
		Help:  "What stands in it has no effect.",
		check: unknownSections,
		finds: []example{
			{conf: "[xenapi]\nx=1", at: "rootwrap.conf:4:1", says: "section [xenapi] is not read"},
			{filters: "id: CommandFilter, id, root\n[Filter]\nx: CommandFilter, x, root", at: "a.filters:3:1"},
		},
		passes: []example{{conf: "[Sandbox]\numask=077\n[Profile:x]\nnice=5", filters: "id: CommandFilter, id, root\n[Sandbox:id]\nnice=5"}},
	},
	key("env-keep", "env_keep", Note, "variables of the caller's reach every command",
		"The service chooses their values. Names that load code are refused, but what a name means is known to the program alone. An EnvFilter gives a variable to one program only.",
		func(v string) bool { return strings.TrimSpace(v) != "" },
		"TERM, http_proxy", "every command gets the caller's TERM, http_proxy", "", "every command gets the caller's %s"),
	key("privsep-contexts", "privsep_contexts", Note, "the implicit privsep-helper filter accepts further contexts",
		"The helper imports the module that a context names and then obeys the service, as root. List only modules that are installed in root's directories and are written for it.",
		func(v string) bool { return v != "none" && strings.TrimSpace(v) != "" },
		"acme.privileged.default", "further privsep contexts", "none", "privsep-helper may be started with further privsep contexts: %s"),
	key("setuid-callers", "allow_users", Note, "users may call ironwrap where it is installed setuid, and reach its daemon",
		"They choose all arguments, and where it is setuid which rootwrap.conf below the fixed directory is read. Without the key only root may.",
		func(v string) bool { return strings.TrimSpace(v) != "" },
		"nova", "nova", "", "users who may call ironwrap where it is setuid, and reach its daemon: %s"),
	key("setuid-caller-groups", "allow_groups", Note, "members of groups may call ironwrap where it is installed setuid, and reach its daemon",
		"Whoever is or becomes a member may call. Naming users is tighter.",
		func(v string) bool { return strings.TrimSpace(v) != "" },
		"nova", "nova", "", "groups whose members may call ironwrap where it is setuid, and reach its daemon: %s"),
	key("strict-paths-off", "strict_paths", Note, "ownership is not demanded of the directories above",
		"The owner of a directory above the configuration can put another file of root's in its place. Say yes, or leave it out where packages give such a directory to the service.",
		func(v string) bool { return slices.Contains([]string{"0", "no", "false", "off"}, strings.ToLower(v)) },
		"no", "strict_paths is off", "yes", "strict_paths is off: %s"),
	{
		ID: "audit-log-may-drop", Severity: Warning,
		Title: "audit_required rests on the system log alone, which may drop the record",
		Help:  "It means that the socket of the system log has taken the record. journald drops what one unit sends beyond RateLimitBurst=, rsyslog's imjournal likewise: a caller who floods the log first has their command run without a record. Name an audit_file too: a file of root's that is written before the command runs.",
		check: auditLogAlone,
		finds: []example{
			{conf: "audit_required=yes", at: "rootwrap.conf:4:1", says: "journald may drop"},
			{conf: "use_syslog=True\nsyslog_log_level=INFO\naudit_required=on", at: "rootwrap.conf:6:1"},
		},
		passes: []example{
			{conf: "audit_required=yes\naudit_file=/var/lib/ironwrap/audit.log", setup: "true"},
			{conf: "use_syslog=True"},
			{conf: "audit_required=no"},
		},
	},
	{
		ID: "audit-file-unusable", Here: true, Severity: Error,
		Title: "audit_file cannot be trusted or written",
		Help:  "Nobody but root may be able to write to the file, to any directory above it, or to put something in its place. Where audit_required is set no command runs otherwise. Make a directory of root's for it: install -d -m 700 /var/lib/ironwrap.",
		check: auditFileUnusable,
		finds: []example{
			{conf: "audit_file=/nonexistent/audit.log", at: "rootwrap.conf:4:1", says: "/nonexistent"},
			{conf: "audit_file=DIR/logs/audit.log", setup: "mkdir logs; chmod 777 logs", at: "rootwrap.conf:4:1", says: "writable by group and others"},
			{conf: "audit_file=DIR/audit.log", setup: "echo >audit.log; chmod 666 audit.log", at: "rootwrap.conf:4:1", says: "audit.log"},
			{conf: "audit_file=DIR/audit.log", setup: "ln -s /etc/passwd audit.log", at: "rootwrap.conf:4:1", says: "audit.log"},
		},
		passes: []example{
			{conf: "audit_file=DIR/audit.log"},
			{conf: "audit_file=DIR/audit.log", setup: "echo >audit.log; chmod 640 audit.log"},
		},
	},
	key("open-files-unlimited", "rlimit_nofile", Note, "commands may open as many files as the hard limit allows",
		"Programs that close every possible descriptor take long then, and one command can use up the machine's. Set a number, such as 1024.",
		func(v string) bool { return strings.HasPrefix(v, "-") || strings.Trim(v, "0") == "" },
		"-1", "the hard limit", "1024", "rlimit_nofile %s is the hard limit"),
	key("daemon-for-ever", "daemon_timeout", Note, "the daemon never ends by itself",
		"It holds root's rights for as long as the machine runs, used or not. Set a number of seconds.",
		func(v string) bool { return strings.Trim(v, "0") == "" },
		"0", "for ever", "600", "daemon_timeout %s lets an unused daemon run for ever"),
}

// key is a rule about a key whose value loosens something. bad is such a value and
// says a part of the finding; good is one that does not loosen, none if empty.
func key(id, name string, severity Severity, title, help string, loosens func(string) bool, bad, says, good, message string) *Rule {
	r := &Rule{
		ID: id, Severity: severity, Title: title, Help: help,
		check: func(c *config) []Finding {
			e, ok := c.key(name)
			if !ok || c.policy == nil || !loosens(e.Value) {
				return nil
			}
			return []Finding{c.conf.at(c.conf.whole(e.Line), fmt.Sprintf(message, quote(e.Value)), "")}
		},
		finds:  []example{{conf: name + "=" + bad, at: "rootwrap.conf:4:1", says: says}},
		passes: []example{{}},
	}
	if good != "" {
		r.passes = append(r.passes, example{conf: name + "=" + good})
	}
	return r
}

func auditLogAlone(c *config) []Finding {
	e, ok := c.key("audit_required")
	if !ok || c.policy == nil || !c.policy.AuditRequired || c.policy.AuditFile != "" {
		return nil
	}
	return []Finding{c.conf.at(c.conf.whole(e.Line), "a record that audit_required demands is one that journald may drop, when the caller sends many before it", "add audit_file=/var/lib/ironwrap/audit.log")}
}

func auditFileUnusable(c *config) []Finding {
	e, ok := c.key("audit_file")
	if !ok || c.policy == nil || c.policy.AuditFile == "" {
		return nil
	}
	file := c.policy.AuditFile
	dir, err := trust.Dir(path.Dir(file), trust.Ancestors)
	if err == nil {
		defer dir.Close()
		err = dir.MayAppend(path.Base(file))
	}
	if err == nil {
		return nil
	}
	return []Finding{c.conf.at(c.conf.whole(e.Line), "audit_file cannot be used: "+err.Error(), "")}
}

func unknownKeys(c *config) (found []Finding) {
	if c.conf == nil {
		return nil
	}
	for _, e := range c.conf.ini.Defaults {
		if slices.Contains(policy.Keys(), e.Key) {
			continue
		}
		hint := ""
		if near := nearest(e.Key, policy.Keys()); near != "" {
			hint = "did you mean " + near + "?"
		}
		found = append(found, c.conf.at(c.conf.whole(e.Line), "key "+quote(e.Key)+" is not known", hint))
	}
	return found
}

func unknownSections(c *config) (found []Finding) {
	look := func(f *file, known func(string) bool) {
		if f == nil || f.ini == nil {
			return
		}
		for _, s := range f.ini.Sections {
			if !known(s.Name) {
				found = append(found, f.at(f.whole(s.Line), "section ["+quote(s.Name)+"] is not read", ""))
			}
		}
	}
	look(c.conf, func(s string) bool {
		return s == "Sandbox" || strings.HasPrefix(s, "Profile:") || strings.HasPrefix(s, "Privsep:")
	})
	for _, f := range c.files {
		look(f, func(s string) bool { return s == "Filters" || strings.HasPrefix(s, "Sandbox:") })
	}
	return found
}

// line of a section: where a key of it stands, with its value.
func (f *file) own(section, key string) (document.Entry, bool) {
	if f == nil || f.ini == nil {
		return document.Entry{}, false
	}
	for _, e := range f.ini.Own(section) {
		if e.Key == key {
			return e, true
		}
	}
	return document.Entry{}, false
}
