package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ironwrap/filters"
	"ironwrap/policy/environ"
	"ironwrap/policy/review/exposure"
)

// argumentRules are about variables, paths and processes that a filter lets the
// caller choose.
var argumentRules = []*Rule{
	{
		ID: "env-loads-code", Severity: Error, Score: 9,
		Title: "the caller chooses a variable that makes programs load or run something",
		Help:  "With it the caller runs code of their own as the run-as user. Write the value that is needed into the filter (NAME=value), in a directory of root's, or take the variable out.",
		check: loadingVariables,
		finds: []example{
			{filters: "x: EnvFilter, env, root, LC_ALL=C, LVM_SYSTEM_DIR=, lvs", at: "a.filters:2:36", says: "LVM_SYSTEM_DIR"},
			{filters: "x: EnvFilter, env, root, LD_PRELOAD=, ls", says: "the library is loaded"},
			{filters: "x: EnvFilter, env, root, PATH=, ls"},
			{filters: "x: EnvFilter, /usr/bin/python3, root, PYTHONPATH="},
			{conf: "env_keep=TERM, GIT_SSH_COMMAND", at: "rootwrap.conf:4:16", says: "GIT_SSH_COMMAND"}, // refused as well
			{conf: "env_keep=GIT_CONFIG_GLOBAL", at: "rootwrap.conf:4:10", says: "configuration"},
		},
		passes: []example{
			{filters: "x: EnvFilter, env, root, LC_ALL=C, LVM_SUPPRESS_FD_WARNINGS=, PROCESS_TAG=, lvs"},
			{filters: "x: EnvFilter, env, root, LVM_SYSTEM_DIR=/etc/cinder, lvs"},
			{filters: "x: RegExpFilter, ls, root, ls, LD_PRELOAD="},
		},
	},
	{
		ID: "kill-interpreter", Severity: Warning,
		Title: "a KillFilter is for all processes of an interpreter",
		Help:  "Only their arguments tell them apart, and those do not count. The caller may signal every service on the machine that is written in this language. Have the service keep a pid file of root's, and stop it with a program of root's.",
		check: func(c *config) (found []Finding) {
			for _, f := range c.filters {
				if f.Class == "KillFilter" && exposure.Interpreter(f.fields[2].text) {
					found = append(found, f.at(2, "every process that runs "+quote(f.fields[2].text)+" may be signalled", ""))
				}
			}
			return found
		},
		finds: []example{
			{filters: "x: KillFilter, root, python3, -9", at: "a.filters:2:22", says: "python3"},
			{filters: "x: KillFilter, root, /usr/bin/python3.11, -9"},
			{filters: "x: KillFilter, root, /bin/bash"},
		},
		passes: []example{{filters: "x: KillFilter, root, /usr/sbin/dnsmasq, -9\ny: CommandFilter, id, root"}},
	},
	{
		ID: "kill-ambiguous", Here: true, Severity: Note,
		Title: "a KillFilter names a program that several directories of exec_dirs have",
		Help:  "It is for the processes of all of them. The absolute path says which one is meant.",
		check: killAmbiguous,
		finds: []example{
			{conf: "exec_dirs=DIR/b,DIR/c", filters: "x: KillFilter, root, p, -9", setup: "mkdir b c; cp /bin/true b/p; cp /bin/true c/p", at: "a.filters:2:22", says: "DIR/b/p and DIR/c/p"},
		},
		passes: []example{
			{filters: "x: KillFilter, root, dnsmasq, -9\ny: KillFilter, root, /usr/sbin/dnsmasq, -9"},
			{conf: "exec_dirs=DIR/b,DIR/c", filters: "x: KillFilter, root, p, -9", setup: "mkdir b; cp /bin/true b/p; ln -s b c"},
			{conf: "exec_dirs=DIR/b,DIR/c", filters: "x: KillFilter, root, DIR/b/p, -9", setup: "mkdir b c; cp /bin/true b/p; cp /bin/true c/p"},
		},
	},
	{
		ID: "pass-admits-option", Severity: Warning,
		Title: "a PathFilter lets any word pass in front of, or beside, a checked path",
		Help:  "An option in that place changes what the path means: cp --target-directory=/etc puts the checked file into /etc. A RegExpFilter or another PathFilter with the words that are needed says what may stand there.",
		check: func(c *config) (found []Finding) {
			for _, f := range c.filters {
				if f.Class != "PathFilter" {
					continue
				}
				for i, x := range f.rest(3) {
					if x.text == "pass" {
						found = append(found, f.at(3+i, "pass lets any word through, such as --option=value", ""))
					}
				}
			}
			return found
		},
		finds:  []example{{filters: "x: PathFilter, cp, root, pass, /srv", at: "a.filters:2:26"}},
		passes: []example{{filters: "x: PathFilter, cp, root, passed, /srv\ny: RegExpFilter, ls, root, ls, pass"}},
	},
	{
		ID: "path-race", Here: true, Severity: Note,
		Title: "somebody besides root owns the directory of a PathFilter",
		Help:  "Its owner can put a link on the path between the check and the use of the path. pin_paths = yes in a sandbox section hands over the checked file itself, where the program takes /proc/self/fd/N. It does not change who decides which directory the filter is for: redirected-path and replaceable-directory tell that.",
		check: races,
		finds: []example{
			{filters: "x: PathFilter, cat, root, DIR/theirs", setup: "mkdir theirs; chown 65534 theirs", at: "a.filters:2:27", says: "owned by uid 65534"},
		},
		passes: []example{
			{filters: "x: PathFilter, cat, root, DIR/roots", setup: "mkdir roots"},
			{filters: "x: PathFilter, cat, root, DIR/theirs\n[Sandbox:x]\npin_paths=yes", setup: "mkdir theirs; chown 65534 theirs"},
			{filters: "x: PathFilter, cat, root, /nosuchdir"},
			{filters: "x: PathFilter, cat, nobody, DIR/theirs", setup: "mkdir theirs; chown nobody theirs"},
		},
	},
	{
		ID: "privsep-service-config", Here: true, Severity: Warning,
		Title: "privsep-helper may be given configuration that a service can write",
		Help:  "The helper obeys it as root: it sets the helper's user and capabilities. ironwrap turns off the options that execute code (log configuration), and no others. Give the files to root, with the group of the service; or set privsep_contexts = none where no service needs the implicit filter.",
		check: privsepConfig,
		finds: []example{
			{setup: "chown 65534 .", at: "rootwrap.conf", says: "DIR is owned by uid 65534"},
			{setup: "echo >x.conf; chown 65534 x.conf", at: "rootwrap.conf", says: "DIR/x.conf is owned by uid 65534"},
			{setup: "echo >x.conf; chmod 666 x.conf", says: "DIR/x.conf is writable by group or others"},
		},
		passes: []example{
			{setup: "echo >x.conf; chgrp 65534 x.conf; chmod 640 x.conf"},
			{conf: "privsep_contexts=none", setup: "echo >x.conf; chown 65534 x.conf"},
			{conf: "strict_paths=yes", setup: "echo >x.conf; chown 65534 x.conf"},
			{setup: "echo >notes; chown 65534 notes"},
		},
	},
}

// loadingVariables asks the table of package exposure, whatever the program: what a
// command starts takes the variables over.
func loadingVariables(c *config) (found []Finding) {
	for _, v := range c.listed("env_keep") {
		why := exposure.Loads(v.text)
		if why == "" {
			why = environ.Danger(v.text)
		}
		if why != "" {
			found = append(found, c.conf.at(v.place, "the caller chooses "+quote(v.text)+": "+why, ""))
		}
	}
	for _, f := range c.filters {
		for i, v := range f.variables() {
			name, value, _ := strings.Cut(v.text, "=")
			if why := exposure.Loads(name); why != "" && value == "" {
				found = append(found, f.at(3+i, "the caller chooses "+quote(name)+": "+why, ""))
			}
		}
	}
	return found
}

func killAmbiguous(c *config) (found []Finding) {
	if c.machine == nil {
		return nil
	}
	for _, f := range c.filters {
		if f.Class != "KillFilter" || filepath.IsAbs(f.fields[2].text) {
			continue
		}
		var paths []string
		var first filters.Program
		for _, p := range c.machine.Programs(f.fields[2].text) {
			switch {
			case !p.Exists || len(paths) > 0 && p.File == first.File:
				continue
			case len(paths) == 0:
				first = p
			}
			paths = append(paths, filters.Untrusted(p.Path).String())
		}
		if len(paths) > 1 {
			found = append(found, f.at(2, quote(f.fields[2].text)+" is "+strings.Join(paths, " and "), ""))
		}
	}
	return found
}

func races(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.Class != "PathFilter" || f.Sandbox != nil && f.Sandbox.PinPaths || f.RunAs() != "root" {
			continue
		}
		for i, x := range f.rest(3) {
			st, err := os.Stat(x.text)
			if !filepath.IsAbs(x.text) || err != nil {
				continue
			}
			if why := writable(st); why != "" {
				found = append(found, f.at(3+i, quote(x.text)+" is "+why, ""))
			}
		}
	}
	return found
}

// writable tells who besides root can write an object; "" for nobody.
func writable(st os.FileInfo) string {
	if uid := st.Sys().(*syscall.Stat_t).Uid; uid != 0 {
		return fmt.Sprintf("owned by uid %d, not root", uid)
	}
	if st.Mode()&0o022 != 0 {
		return "writable by group or others"
	}
	return ""
}

// privsepConfig looks at what the implicit filter lets the service name: files
// below the directory of rootwrap.conf.
func privsepConfig(c *config) (found []Finding) {
	if c.policy == nil || c.policy.NoPrivsep || c.policy.StrictPaths {
		return nil
	}
	dir := filepath.Dir(c.path)
	if st, err := os.Stat(dir); err == nil {
		if why := writable(st); why != "" {
			return []Finding{fileAt(c.path, fmt.Sprintf("directory %s is %s, and privsep-helper takes configuration files from it", filters.Untrusted(dir), why), "")}
		}
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		path := dir + "/" + e.Name()
		st, err := os.Stat(path)
		if err != nil || !st.IsDir() && filepath.Ext(path) != ".conf" {
			continue
		}
		if why := writable(st); why != "" {
			found = append(found, fileAt(c.path, fmt.Sprintf("%s is %s, and privsep-helper may be given it as its configuration", filters.Untrusted(path), why), ""))
		}
	}
	return found
}
