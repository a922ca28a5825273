package lint

import (
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/sudoers/grants"
	"ironwrap/policy/trust"
)

// sudoSettingRules are about tags and Defaults that let the user choose something of
// what a command of theirs is given. ironwrap takes none of it over.
var sudoSettingRules = []*Rule{
	{
		ID: "sudoers-loads-code", Here: true, Severity: Error,
		Title: "sudo lets the user set a variable by which the program loads code",
		Help:  "With SETENV, sudo LD_PRELOAD=/tmp/x.so PROGRAM runs the user's code as root in every program that is linked dynamically; PYTHONPATH does so in one that is written in Python, as oslo.rootwrap is. ironwrap is not, and empties its environment. Take the tag, or the variable in env_keep, out of sudoers.",
		check: func(c *config) []Finding {
			return c.settings(func(s *sudo, a *allowed, who string, list []grants.Setting) []Finding {
				if last(list, "setenv").On {
					return []Finding{s.at(a, a.may(who)+" with variables of their choice: sudo LD_PRELOAD=/tmp/x.so "+quote(a.program), "")}
				}
				for _, name := range kept(list) {
					if speaks(a.program, name) {
						return []Finding{s.at(a, a.may(who)+", and "+quote(name)+" is kept: "+loads(name), "")}
					}
				}
				return nil
			})
		},
		finds: []example{
			{sudoers: "nova ALL = (root) NOPASSWD: SETENV: /usr/bin/nova-rootwrap DIR/rootwrap.conf *", at: "sudoers:1:37", says: "sudo LD_PRELOAD=/tmp/x.so"},
			{sudoers: wrapped + "Defaults:nova setenv", says: "LD_PRELOAD"},
			{sudoers: wrapped + "Defaults setenv", says: "LD_PRELOAD"},
			{setup: python, sudoers: "nova ALL = DIR/oslo-rootwrap DIR/rootwrap.conf *\nDefaults env_keep += \"LANG PYTHONPATH\"", says: "PYTHONPATH is kept"},
			{setup: python, sudoers: "nova ALL = DIR/oslo-rootwrap DIR/rootwrap.conf *\nDefaults!DIR/oslo-rootwrap env_keep += PYTHON*", says: "PYTHON"},
		},
		passes: []example{
			{setup: "cp /bin/true ironwrap", sudoers: "nova ALL = SETENV: DIR/ironwrap DIR/rootwrap.conf *\nDefaults env_keep += PYTHONPATH"},
			{sudoers: wrapped + "Defaults:nova setenv, !setenv\nDefaults:cinder setenv"},
			{setup: python, sudoers: "nova ALL = DIR/oslo-rootwrap DIR/rootwrap.conf *\nDefaults env_keep += PYTHONPATH\nDefaults env_keep -= PYTHONPATH"},
			{sudoers: "nova ALL = NOSETENV: /usr/bin/nova-rootwrap DIR/rootwrap.conf *\nDefaults setenv"},
		},
	},
	{
		ID: "sudoers-environment", Here: true, Severity: Warning,
		Title: "sudo lets more of the user's environment through than it does by itself",
		Help:  "Programs that were not written to be called by somebody less trusted obey variables: for libraries, pagers, configuration, and PATH where there is no secure_path. ironwrap empties its environment; other programs do not.",
		check: func(c *config) []Finding {
			return c.settings(func(s *sudo, a *allowed, who string, list []grants.Setting) (found []Finding) {
				say := func(o grants.Setting, text string) {
					f := s.onLine(s.setting("Defaults", o.Name), o.Name, a.may(who)+", and "+text, "")
					found = append(found, f)
				}
				if o := last(list, "env_reset"); o.Name != "" && !o.On {
					say(o, "env_reset is off: all variables are kept but some that are known to be bad")
				}
				for _, name := range kept(list) {
					if how := loads(name); how != "" && !speaks(a.program, name) {
						say(last(list, "env_keep"), quote(name)+" is kept: "+how)
					}
				}
				for _, o := range []grants.Setting{last(list, "env_file"), last(list, "restricted_env_file")} {
					if o.On && len(o.Values) == 1 && filepath.IsAbs(o.Values[0]) {
						if why := ledElsewhere(o.Values[0]); why != "" {
							say(o, "variables are read from a file: "+why)
						}
					}
				}
				o := last(list, "secure_path")
				if language := script(a.program); s.Whole && !o.On && language != "" {
					found = append(found, s.at(a, a.may(who)+", a script of "+quote(language)+", and there is no secure_path: programs that it starts by name are looked for in the user's PATH", ""))
				}
				if o.On && len(o.Values) == 1 {
					for _, dir := range strings.Split(o.Values[0], ":") {
						if why := unsafe(dir); why != "" {
							say(o, "secure_path has "+quote(dir)+": "+why)
						}
					}
				}
				return found
			})
		},
		finds: []example{
			{sudoers: wrapped + "Defaults:nova !env_reset", at: "sudoers:2:16", says: "env_reset is off"},
			{sudoers: wrapped + "Defaults env_keep += \"LANG PYTHONPATH\"", says: "PYTHONPATH is kept"},
			{sudoers: wrapped + "Defaults env_keep += \"LD_* BASH_FUNC_*\"", says: "LD_* is kept"},
			{sudoers: wrapped + "Defaults env_keep += \"*\"", says: "* is kept"},
			{sudoers: wrapped + "Defaults secure_path = /usr/bin:.", says: "secure_path has ."},
			{setup: "mkdir bin; chown 65534 bin", sudoers: wrapped + "Defaults secure_path = DIR/bin:/usr/bin", says: "owned by uid 65534"},
			{setup: python, sudoers: "nova ALL = DIR/oslo-rootwrap DIR/rootwrap.conf *", says: "no secure_path"},
			{setup: "echo A=1 >env; chmod 777 .", sudoers: wrapped + "Defaults env_file = DIR/env", says: "variables are read from a file"},
		},
		passes: []example{
			{sudoers: "Defaults env_reset, secure_path = /usr/sbin:/usr/bin:/sbin:/bin\nDefaults env_keep += \"LANG LC_*\"\nDefaults:cinder !env_reset\n" + wrapped},
			{setup: "cp /bin/true ironwrap", sudoers: "nova ALL = DIR/ironwrap DIR/rootwrap.conf *\nDefaults !env_reset"},
		},
	},
	{
		ID: "sudoers-chroot", Here: true, Severity: Error,
		Title: "sudo runs the program below a root directory of the user's choice",
		Help:  "sudo -R DIRECTORY PROGRAM runs what the user has put there under the program's name, as root. Take CHROOT=* or runchroot out of sudoers, or name a directory of root's.",
		check: func(c *config) []Finding {
			return c.commands(-1, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				o := last(s.settings(a), "runchroot")
				if !as || a.nature() == anything || len(o.Values) != 1 {
					return nil
				}
				if o.Values[0] == "*" {
					return []Finding{s.at(a, a.may(who)+", below any root directory: "+line([]string{"sudo", "-R", "/tmp/x", a.program}), "")}
				}
				if why := unsafe(o.Values[0]); why != "" {
					return []Finding{s.at(a, a.may(who)+", below the root directory "+quote(o.Values[0])+": "+why, "")}
				}
				return nil
			})
		},
		finds: []example{
			{sudoers: "nova ALL = CHROOT=* /usr/bin/nova-rootwrap DIR/rootwrap.conf *", at: "sudoers:1:21", says: "sudo -R /tmp/x"},
			{sudoers: wrapped + "Defaults:nova runchroot=*", says: "any root directory"},
			{setup: "mkdir r; chown 65534 r", sudoers: "nova ALL = CHROOT=DIR/r /usr/bin/nova-rootwrap DIR/rootwrap.conf *", says: "owned by uid 65534"},
		},
		passes: []example{
			{sudoers: wrapped + "Defaults:cinder runchroot=*"},
			{sudoers: "nova ALL = CWD=* CHROOT=/usr /usr/bin/nova-rootwrap DIR/rootwrap.conf *"},
		},
	},
	{
		ID: "sudoers-runas-any", Here: true, Severity: Warning,
		Title: "sudo runs the wrapper as any user",
		Help:  "The wrapper needs root. As any other user it is a program like others, and decides nothing: (root) is enough.",
		check: func(c *config) []Finding {
			return c.commands(rootwrap, func(s *sudo, a *allowed) []Finding {
				switch {
				case a.target.any:
					return []Finding{s.at(a, a.may("any user"), "")}
				case a.target.group == "ALL":
					return []Finding{s.at(a, a.may("any group"), "")}
				}
				return nil
			})
		},
		finds: []example{
			{sudoers: "nova ALL = (ALL) NOPASSWD: /usr/bin/nova-rootwrap DIR/rootwrap.conf *", at: "sudoers:1:28", says: "as any user"},
			{sudoers: "nova ALL = (root:ALL) NOPASSWD: /usr/bin/nova-rootwrap DIR/rootwrap.conf *", says: "as any group"},
		},
		passes: []example{{sudoers: wrapped}, {sudoers: "Defaults runas_default = root\nnova ALL = NOPASSWD: /usr/bin/nova-rootwrap DIR/rootwrap.conf *"}},
	},
	{
		ID: "sudoers-handed-in", Here: true, Severity: Note,
		Title: "sudo lets the user hand a program open files, or a working directory, of their choice",
		Help:  "closefrom_override leaves open what sudo would close (sudo -C); CWD=* lets the command begin in a directory that the user may not enter (sudo -D). ironwrap closes all descriptors but the first three; other programs do not.",
		check: func(c *config) []Finding {
			return c.settings(func(s *sudo, a *allowed, who string, list []grants.Setting) (found []Finding) {
				if last(list, "closefrom_override").On {
					found = append(found, s.at(a, a.may(who)+", with open files of their choice", ""))
				}
				if o := last(list, "runcwd"); slices.Equal(o.Values, []string{"*"}) {
					found = append(found, s.at(a, a.may(who)+", in any working directory", ""))
				}
				return found
			})
		},
		finds: []example{
			{sudoers: wrapped + "Defaults closefrom_override", at: "sudoers:1:29", says: "open files"},
			{sudoers: "nova ALL = CWD=* /usr/bin/nova-rootwrap DIR/rootwrap.conf *", says: "working directory"},
		},
		passes: []example{
			{sudoers: wrapped + "Defaults:cinder closefrom_override\nDefaults:nova runcwd=/"},
			{setup: "cp /bin/true ironwrap", sudoers: "nova ALL = CWD=* DIR/ironwrap DIR/rootwrap.conf *"},
		},
	},
}

// settings asks about each command that is run as root, but ALL, which is worse, and
// ironwrap, which takes nothing over.
func (c *config) settings(check func(s *sudo, a *allowed, who string, list []grants.Setting) []Finding) []Finding {
	return c.commands(-1, func(s *sudo, a *allowed) []Finding {
		as, who := s.equal(a.target, nil)
		if n := a.nature(); !as || n == anything || n == builtin || n == edit || madeBy(a.program) == ours {
			return nil
		}
		return check(s, a, who, s.settings(a))
	})
}

// last is the option of that name that is in force; one without a name where there is
// none.
func last(list []grants.Setting, name string) grants.Setting {
	for _, o := range slices.Backward(list) {
		if o.Name == name {
			return o
		}
	}
	return grants.Setting{}
}

// kept are the names and patterns of env_keep.
func kept(list []grants.Setting) (names []string) {
	for _, o := range list {
		switch {
		case o.Name != "env_keep" || !o.On:
		case o.Add:
			names = append(names, o.Values...)
		case o.Remove:
			names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(o.Values, n) })
		default:
			names = slices.Clone(o.Values)
		}
	}
	for i, n := range names {
		names[i], _, _ = strings.Cut(n, "=")
	}
	return names
}

// prefixes begin the variables of a language.
var prefixes = map[string]string{"python": "PYTHON", "perl": "PERL", "ruby": "RUBY", "node": "NODE_", "bash": "BASH_", "sh": "ENV"}

// loads says what a variable, or a pattern of names, makes some program load.
func loads(name string) string {
	before, _, wild := strings.Cut(name, "*")
	if !wild {
		return exposure.Loads(name)
	}
	for _, known := range []string{"LD_PRELOAD", "PYTHONPATH", "PERL5LIB", "RUBYLIB", "NODE_OPTIONS", "BASH_ENV", "PATH"} {
		if strings.HasPrefix(known, before) {
			return exposure.Loads(known)
		}
	}
	return ""
}

// speaks tells whether a program is a script in the language that a variable is for.
func speaks(program, name string) bool {
	interpreter := strings.TrimRight(script(program), "0123456789.")
	prefix := prefixes[interpreter]
	return prefix != "" && strings.HasPrefix(name, prefix) && loads(name) != ""
}

// unsafe says why programs should not be looked for in a directory.
func unsafe(dir string) string {
	if !filepath.IsAbs(dir) {
		return "it is where the user stands"
	}
	d, err := trust.Dir(dir, trust.Ancestors)
	if err == nil {
		d.Close()
		return ""
	}
	if missing(err) || denied(err) {
		return ""
	}
	return err.Error()
}
