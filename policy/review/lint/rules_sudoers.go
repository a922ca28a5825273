package lint

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/sudoers/grants"
	"ironwrap/policy/trust"
)

// sudoRules are about what sudo lets those do whom the policy serves, past the
// wrapper. A line for somebody else is none of theirs.
var sudoRules = []*Rule{
	{
		ID: "sudoers-refused", Here: true, Severity: Warning,
		Title: "sudoers cannot be read",
		Help:  "The lines of sudoers beside the policy were not checked. sudo passes over a line that it cannot read and obeys the others. Correct it: visudo -c names the place.",
		check: func(c *config) []Finding {
			s := c.beside()
			if s == nil || s.Err == nil {
				return nil
			}
			f := fileAt(s.Path, s.Err.Error(), "")
			if r := (*grants.Refusal)(nil); errors.As(s.Err, &r) {
				f.Path, f.Line, f.Message = r.Path, r.Line, r.Why
			}
			return []Finding{f}
		},
		finds:  []example{{sudoers: "nova ALL = (root\n" + wrapped, says: "syntax error"}},
		passes: []example{{sudoers: wrapped}},
	},
	{
		ID: "sudoers-not-assessed", Here: true, Severity: Note,
		Title: "a part of what sudo allows was not checked",
		Help:  "It may let a user do as root what the policy does not. Run the check as root, with cvtsudoers (of the package sudo) installed; look at what it cannot know by hand: sudo -l -U USER.",
		check: func(c *config) (found []Finding) {
			s := c.beside()
			if s == nil {
				return nil
			}
			for _, why := range s.Unread {
				found = append(found, fileAt(s.Path, why, ""))
			}
			if s.Rules == nil {
				return found
			}
			if len(s.served) == 0 {
				found = append(found, fileAt(s.Path, "no line names "+quote(c.path)+", and no user of this policy is known: nobody's lines were checked", "name the user: --user NAME"))
			}
			for _, text := range s.Rules.Strange {
				found = append(found, fileAt(s.Path, "cvtsudoers says something that is not known here: "+quote(text), ""))
			}
			for _, u := range s.unsure {
				command := ""
				if len(u.rule.Commands) > 0 {
					command = u.rule.Commands[0].Name
				}
				found = append(found, s.place(u.rule, command, fmt.Sprintf("whether %s means %s cannot be told here", quote(u.member.String()), quote(u.who.String())), "ask sudo, where the user is known: sudo -l -U "+quote(u.who.User)))
			}
			for _, a := range s.allowed {
				if err := a.args.Err(); err != nil {
					found = append(found, s.at(a, "the arguments of "+quote(a.command)+" cannot be understood: "+err.Error(), ""))
				}
				if p := pinned(a.args); a.nature() == rootwrap && p.ok && p.path != "" && !slices.ContainsFunc(c.checked, func(path string) bool { return same(path, p.path) }) {
					found = append(found, s.at(a, a.may("")+": another configuration, "+quote(p.path), "check that one too"))
				}
			}
			return found
		},
		finds: []example{
			{sudoers: wrapped + "+operators ALL = (root) ALL", at: "sudoers:2:25", says: "whether +operators means nova cannot be told here"},
			{sudoers: wrapped + "nova ALL = (root) NOPASSWD: /usr/bin/cinder-rootwrap /etc/cinder/rootwrap.conf *", at: "sudoers:2:29", says: "another configuration, /etc/cinder/rootwrap.conf"},
			{sudoers: wrapped + "nova ALL = (root) /usr/bin/kill ^((x$", says: "cannot be understood"},
			{sudoers: wrapped, unread: "sss was not asked", says: "sss was not asked"},
			{sudoers: wrapped + "%nosuchgroup ALL = (root) ALL", says: "whether %nosuchgroup means nova"},
		},
		passes: []example{{sudoers: wrapped + "Defaults:nova !requiretty"}, {}, {sudoers: "root ALL = (ALL:ALL) ALL\n" + wrapped}},
	},
	{
		ID: "sudoers-privsep-helper", Here: true, Severity: Error,
		Title: "sudo runs privsep-helper with options of the user's choice",
		Help:  "privsep-helper --log-config-append FILE runs the Python in FILE as root, and so does a --config-file that names one. The policy has a filter for privsep-helper that takes only the options that are needed, from files of root's: take the line out of sudoers, and set helper_command to the wrapper: sudo nova-rootwrap /etc/nova/rootwrap.conf privsep-helper --config-file /etc/nova/nova.conf.",
		check: func(c *config) []Finding {
			return c.commands(privsep, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				prefix, whole := a.args.Literal()
				if free := !strings.Contains(prefix, "--privsep_sock_path ") || a.args.Open(); !as || whole || !free {
					return nil
				}
				for _, before := range append([]string{""}, a.args.Hints()...) {
					words := append(strings.Fields(before), evil...)
					if argv := append([]string{a.program}, words...); a.args.Takes(words) {
						return []Finding{s.at(a, a.may(who)+", so also "+line(a.called(argv)), "", a.called(argv)...)}
					}
				}
				return []Finding{s.at(a, a.may(who)+", with words of their choice in its arguments", "")}
			})
		},
		finds: []example{
			{sudoers: wrapped + "nova ALL = (root) NOPASSWD: /usr/bin/privsep-helper *", at: "sudoers:2:29", says: "nova may run /usr/bin/privsep-helper * as root"},
			{sudoers: wrapped + "nova ALL = (root) NOPASSWD: /usr/bin/privsep-helper", says: "with any arguments"},
			{sudoers: wrapped + "nova ALL = NOPASSWD: /var/lib/kolla/venv/bin/privsep-helper --config-file /etc/nova/nova.conf *", says: "--log-config-append"},
			{sudoers: wrapped + "nova ALL = NOPASSWD: /usr/bin/privsep-helper ^--config-file /etc/nova/[^ ]+ --privsep_context .*$", says: "privsep-helper"},
			{sudoers: wrapped + "nova ALL = /usr/bin/privsep-helper ^--config-file [^ ]+ --privsep_context [a-z._]+ --privsep_sock_path [^ ]+$", says: "with words of their choice"},
			{sudoers: "Cmnd_Alias H = /usr/bin/privsep-helper *\nUser_Alias OS = cinder, nova\n" + wrapped + "OS ALL = NOPASSWD: H", at: "sudoers:1:16", says: "nova may run"},
			{sudoers: wrapped + "ALL ALL = NOPASSWD: /usr/bin/privsep-helper *"},
			{setup: `printf '#!/usr/bin/python3\nfrom oslo_privsep.daemon import helper_main\n' >ph`, sudoers: wrapped + "nova ALL = DIR/ph *"},
			{sudoers: wrapped + "#65534 ALL = NOPASSWD: /usr/bin/privsep-helper *\nnobody ALL = /usr/bin/nova-rootwrap DIR/rootwrap.conf *", says: "nobody may run"},
			{sudoers: "%nogroup ALL = NOPASSWD: /usr/bin/nova-rootwrap DIR/rootwrap.conf *, /usr/bin/privsep-helper *", says: "group nogroup may run"},
			{sudoers: "%nogroup ALL = NOPASSWD: /usr/bin/nova-rootwrap DIR/rootwrap.conf *\nnobody ALL = /usr/bin/privsep-helper *", at: "sudoers:2:14", says: "nobody may run"}, // a member
			{setup: "ln -s . l", sudoers: "nova ALL = NOPASSWD: /usr/bin/nova-rootwrap DIR/l/rootwrap.conf *, /usr/bin/privsep-helper *", says: "nova may run"},
			{conf: "allow_users=nova", sudoers: "nova h1, !h2 = /usr/bin/privsep-helper *", says: "on h1, !h2"},
			{sudoers: wrapped + "nova ALL = (root) NOPASSWD: !/usr/bin/privsep-helper, /usr/bin/privsep-helper *"}, // the last word counts
			{sudoers: wrapped + "nova ALL = (root) NOPASSWD: /usr/bin/privsep-helper *\nnova h1 = !/usr/bin/privsep-helper"},
		},
		passes: []example{
			{sudoers: wrapped},
			{sudoers: wrapped + "cinder ALL = (root) NOPASSWD: /usr/bin/privsep-helper *"},
			{sudoers: wrapped + "nova ALL = (nobody) NOPASSWD: /usr/bin/privsep-helper *"},
			{sudoers: wrapped + `nova ALL = /usr/bin/privsep-helper ""`},
			{sudoers: wrapped + "nova ALL = /usr/bin/privsep-helper --privsep_context os.path --privsep_sock_path /run/x"},
			{sudoers: wrapped + `nova ALL = /usr/bin/privsep-helper ^--config-file /etc/nova/nova\.conf --privsep_context os\.path --privsep_sock_path /tmp/[a-z0-9_/]+$`},
			{sudoers: wrapped + "nova ALL = (root) NOPASSWD: /usr/bin/privsep-helper *\nnova ALL = (ALL) !/usr/bin/privsep-helper"}, // takes it back
			{sudoers: wrapped + "ALL, !nova ALL = (root) NOPASSWD: /usr/bin/privsep-helper *"},
		},
	},
	{
		ID: "sudoers-gives-root", Here: true, Severity: Error,
		Title: "sudo makes the user root, past the wrapper",
		Help:  "The command named is allowed, and with it the user runs what they like. No filter is asked. Take the line out of sudoers, and put what the service needs into the filters.",
		check: func(c *config) []Finding {
			return c.commands(-1, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				how, argv, ok := a.gives(rulers)
				if !as || !ok {
					return nil
				}
				return []Finding{s.at(a, a.may(who)+": "+how+"; sudo takes "+line(a.called(argv)), "", a.called(argv)...)}
			})
		},
		finds: []example{
			{sudoers: wrapped + "nova ALL = (ALL:ALL) NOPASSWD: ALL", at: "sudoers:2:32", says: "nova may run every command as root"},
			{sudoers: wrapped + "nova ALL = NOPASSWD: /bin/sh", says: "sudo /bin/sh -c"},
			{sudoers: wrapped + "nova ALL = NOPASSWD: /usr/bin/vi, /usr/bin/less", says: "editor"},
			{sudoers: wrapped + "nova ALL = /usr/bin/su", says: "su -c"},
			{sudoers: wrapped + "nova ALL = /usr/bin/env *", says: "env"},
			{sudoers: wrapped + `nova ALL = /bin/sh ""`, says: "sudo takes sudo /bin/sh"},
			{sudoers: wrapped + "nova ALL = /bin/bash -l", says: "/bin/bash -l"},
			{sudoers: wrapped + "nova ALL = /bin/su - root", says: "/bin/su - root"},
			{sudoers: wrapped + "nova ALL = /bin/su -", says: "/bin/su -"},
			{sudoers: wrapped + "nova ALL = /usr/bin/unshare -m", says: "it starts a shell"},
			{sudoers: wrapped + "nova ALL = /usr/bin/nsenter -t 1 -n", says: "it starts a shell"},
			{sudoers: wrapped + "nova ALL = /usr/bin/setarch x86_64, /usr/bin/id", says: "setarch x86_64"},
			{sudoers: wrapped + `nova ALL = /usr/bin/linux64 ""`, says: "it starts a shell"},
			{sudoers: wrapped + "nova ALL = /usr/bin/script /dev/null", says: "it starts a shell"},
			{sudoers: wrapped + "nova ALL = /sbin/ip -batch -", says: "netns exec"},
			{sudoers: wrapped + "nova ALL = /usr/bin/sed -f - /etc/hostname"},
			{sudoers: wrapped + "nova ALL = /usr/bin/run-parts .", says: "programs of the directory"},
			{sudoers: wrapped + "nova ALL = /bin/tar -C /etc -x", says: "it unpacks what it reads there"},
			{sudoers: wrapped + "nova ALL = /usr/bin/patch -p0", says: "working directory"},
			{setup: "mkdir p; cp /bin/true p/privsep-helper", sudoers: wrapped + "nova ALL = DIR/p/*", says: "privsep-helper"},
			{sudoers: wrapped + "nova ALL = /usr/bin/find /srv *", says: "-exec"},
			{sudoers: wrapped + "nova ALL = /usr/bin/tee /etc/nova/*", says: "tee /etc/nova/../"},
			{sudoers: wrapped + "nova ALL = /usr/bin/python3.11 -c *"},
			{sudoers: wrapped + "nova ALL = /usr/bin/chown nova /srv/[a-z]*", says: "/etc/shadow"},
			{sudoers: wrapped + "nova ALL = ^/usr/bin/t.*$", says: "as root"},
			{sudoers: wrapped + "nova ALL = /usr/bin/", says: "sudo /usr/bin/"},
			{sudoers: wrapped + "nova ALL = /*/bin/s?"},
			{sudoers: wrapped + "nova ALL = (:disk) /bin/sh", says: "as group disk"},
			{sudoers: wrapped + "nova ALL = (admin) /bin/sh\nadmin ALL = ALL", says: "as admin, who can become root"},
			{sudoers: wrapped + "Defaults runas_default = nobody\nnova ALL = (ALL, !root) ALL", says: "as any user"},
			{sudoers: wrapped + "nova ALL = (%adm) /bin/sh", says: "as any user"},
			{sudoers: wrapped + "%nogroup ALL = ALL\nnobody ALL = /usr/bin/nova-rootwrap DIR/rootwrap.conf *", says: "nobody may run every command"},
			{setup: "ln -s /usr/bin/env DIRenv; mv DIRenv vim2; ln -s vim2 e", sudoers: wrapped + "nova ALL = DIR/e", says: "as root"},
		},
		passes: []example{
			{sudoers: "root ALL = (ALL:ALL) ALL\n%sudo ALL = (ALL:ALL) ALL\n" + wrapped},
			{sudoers: wrapped + "nova ALL = (nobody) NOPASSWD: ALL"},
			{sudoers: wrapped + `nova ALL = /usr/bin/uptime, /usr/bin/id, /bin/sh /usr/share/x/run.sh, /bin/sh -c id`},
			{sudoers: wrapped + "nova ALL = /bin/su - postgres"},
			{sudoers: wrapped + "nova ALL = /usr/bin/tee /etc/nova/x, /usr/bin/chown nova ^/srv/[a-z]+$"},
			{sudoers: wrapped + "nova ALL = (root) ALL\nnova ALL = (ALL) !ALL"},
			{sudoers: wrapped + "Defaults runas_default = nobody\nnova ALL = ALL"},
		},
	},
	{
		ID: "sudoers-gives-power", Here: true, Severity: Warning,
		Title: "sudo lets the user read or destroy files, or act as root otherwise, past the wrapper",
		Help:  "It is not all of root, and no filter is asked. Take the line out of sudoers, and put what the service needs into the filters.",
		check: func(c *config) []Finding {
			return c.commands(plain, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if _, _, ok := a.gives(rulers); !as || ok {
					return nil
				}
				how, argv, ok := a.gives(lesser)
				if !ok {
					return nil
				}
				return []Finding{s.at(a, a.may(who)+": "+how+"; sudo takes "+line(a.called(argv)), "", a.called(argv)...)}
			})
		},
		finds: []example{
			{sudoers: wrapped + "nova ALL = /usr/bin/cat", says: "cat /etc/shadow"},
			{sudoers: wrapped + "nova ALL = /usr/bin/cat /var/log/*", at: "sudoers:2:12", says: "cat /var/log/../"},
			{sudoers: wrapped + "nova ALL = /bin/rm -rf /srv/nova/*", says: "rm -rf"},
			{sudoers: wrapped + "nova ALL = /bin/kill", says: "kill"},
		},
		passes: []example{
			{sudoers: wrapped + "nova ALL = /usr/bin/cat /var/log/syslog, /usr/bin/tee"},
			{sudoers: wrapped + "nova ALL = /usr/bin/cat ^/var/log/[a-z]+$"},
			{sudoers: wrapped + "nova ALL = (nobody) /usr/bin/cat"},
		},
	},
	{
		ID: "sudoers-wildcard", Here: true, Severity: Warning,
		Title: "a sudoers line has a pattern that takes more than it seems to",
		Help:  "In arguments a * takes blanks and slashes: further options, further paths, and two dots. A pattern or a directory in the place of the program takes whatever is installed there later. Name the program and its arguments, or use the policy's filters, which compare word by word.",
		check: func(c *config) []Finding {
			return c.commands(plain, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if _, _, ok := a.gives(append(slices.Clip(rulers), lesser...)); !as || ok {
					return nil
				}
				switch {
				case a.pattern():
					return []Finding{s.at(a, a.may(who)+": whatever is, or will be, at such a path", "")}
				case a.args.Text != "" && a.args.Text != "*" && a.args.Open() && a.args.Err() == nil:
					return []Finding{s.at(a, a.may(who)+": the pattern takes further words", "")}
				}
				return nil
			})
		},
		finds: []example{
			{sudoers: wrapped + "nova ALL = /opt/x/frob --mode safe *", at: "sudoers:2:12", says: "further words"},
			{sudoers: wrapped + "nova ALL = /opt/x/frob ^--name .+$"},
			{sudoers: wrapped + "nova ALL = /opt/nosuch/", says: "at such a path"},
			{sudoers: wrapped + "nova ALL = /opt/*/frob"},
			{sudoers: wrapped + "nova ALL = ^/opt/[a-z]+/frob$"},
		},
		passes: []example{
			{sudoers: wrapped + "nova ALL = /opt/x/frob, /opt/x/frob --all, /opt/x/frob ^[0-9]+$, /opt/x/frob [0-9]"},
			{sudoers: wrapped + "nova ALL = /bin/sh *"},
		},
	},
	{
		ID: "sudoers-blacklist", Here: true, Severity: Warning,
		Title: "a sudoers line allows a pattern or everything but some programs",
		Help:  "A copy under another name, or another program that runs it, is not among those that are forbidden (sudoers(5), \"Limitations of the '!' operator\"). Name what is allowed.",
		check: func(c *config) []Finding {
			return c.commands(-1, func(s *sudo, a *allowed) (found []Finding) {
				if as, _ := s.equal(a.target, nil); !as || a.nature() != anything && !a.pattern() {
					return nil
				}
				for _, m := range a.list {
					if m.Negated {
						found = append(found, s.at(a, a.may("")+" but "+quote(m.Name)+": a copy of it under another name is allowed", ""))
						break
					}
				}
				return found
			})
		},
		finds: []example{
			{sudoers: wrapped + "nova ALL = ALL, !/bin/sh, !/bin/bash", at: "sudoers:2:12", says: "but /bin/sh"},
			{sudoers: "Cmnd_Alias SHELLS = /bin/sh, /bin/bash\n" + wrapped + "nova ALL = /usr/bin/, !SHELLS"},
		},
		passes: []example{
			{sudoers: wrapped + "nova ALL = /usr/bin/id, !/bin/sh"},
			{sudoers: wrapped + "nova ALL = ALL"},
		},
	},
	{
		ID: "sudoers-writable-program", Here: true, Severity: Error,
		Title: "sudo runs a program that somebody besides root can change",
		Help:  "Whoever can write the program, or put one at its path, is root. Give it, and every directory above it, to root.",
		check: func(c *config) []Finding {
			return c.commands(-1, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if n := a.nature(); !as || n == anything || n == edit || n == builtin || a.expression() {
					return nil
				}
				why := ""
				switch {
				case strings.HasSuffix(a.program, "/"):
					why = changeable(a.program + "x")
				case a.pattern():
					i := strings.IndexAny(a.program, `*?[\`)
					why = changeable(a.program[:strings.LastIndexByte(a.program[:i], '/')+1] + "x")
				default:
					if why = changeable(a.program); why == "" {
						why = a.interpreted()
					}
				}
				if why == "" {
					return nil
				}
				return []Finding{s.at(a, a.may(who)+": "+why, "")}
			})
		},
		finds: []example{
			{setup: "mkdir bin; cp /bin/true bin/t; chown 65534 bin/t", sudoers: wrapped + "nova ALL = DIR/bin/t", says: "is owned by uid 65534"},
			{setup: "mkdir bin; cp /bin/true bin/t; chmod 777 bin", sudoers: wrapped + "nova ALL = DIR/bin/t", says: "writable by"},
			{setup: "mkdir bin; chown 65534 bin", sudoers: wrapped + "nova ALL = DIR/bin/a/t", says: "owned by uid 65534"},
			{setup: "mkdir bin; chown 65534 bin", sudoers: wrapped + "nova ALL = DIR/bin/", says: "owned by uid 65534"},
			{setup: "mkdir bin; chown 65534 bin", sudoers: wrapped + "nova ALL = DIR/bin/*/x", says: "owned by uid 65534"},
			{setup: "mkdir bin; chown 65534 bin", sudoers: "nova ALL = DIR/bin/nova-rootwrap DIR/rootwrap.conf *", says: "owned by uid 65534"},
			{setup: "echo id >s; chown 65534 s", sudoers: wrapped + "nova ALL = /bin/sh -e DIR/s", says: "owned by uid 65534"},
			{setup: "mkdir w; chown 65534 w", sudoers: wrapped + "nova ALL = /usr/bin/python3 DIR/w/later.py *"},
			{setup: "mkdir bin; chown 65534 bin; ln -s /bin/true bin/t; ln -s bin/t u", sudoers: wrapped + "nova ALL = DIR/u"},
		},
		passes: []example{
			{sudoers: wrapped + "nova ALL = /bin/true, /opt/nosuch/x, /usr/bin/"},
			{setup: "mkdir bin; chown 65534 bin", sudoers: wrapped + "nova ALL = (nobody) DIR/bin/t"},
		},
	},
	{
		ID: "sudoers-any-configuration", Here: true, Severity: Error,
		Title: "sudo runs a wrapper with a configuration of the user's choice",
		Help:  "oslo.rootwrap obeys a configuration that the user wrote: CommandFilter, sh, root. Name the configuration: /usr/bin/nova-rootwrap /etc/nova/rootwrap.conf *.",
		check: func(c *config) []Finding {
			return c.commands(rootwrap, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if !as || madeBy(a.program) == ours {
					return nil
				}
				p := pinned(a.args)
				if !p.ok {
					return []Finding{s.at(a, a.may(who)+", with any configuration", "")}
				}
				if _, err := trust.File(p.path, trust.Object); p.path != "" && !same(p.path, c.path) && err != nil && !missing(err) && !denied(err) {
					return []Finding{s.at(a, a.may(who)+": "+err.Error(), "")}
				}
				return nil
			})
		},
		finds: []example{
			{conf: "allow_users=nova", sudoers: "nova ALL = NOPASSWD: /usr/bin/nova-rootwrap", at: "sudoers:1:22", says: "with any configuration"},
			{conf: "allow_users=nova", sudoers: "nova ALL = /usr/bin/nova-rootwrap *"},
			{conf: "allow_users=nova", sudoers: "nova ALL = /usr/bin/nova-rootwrap-daemon /etc/nova/*"},
			{conf: "allow_users=nova", sudoers: "nova ALL = /usr/bin/nova-rootwrap /etc/nova/rootwrap.conf*"},
			{conf: "allow_users=nova", sudoers: "nova ALL = /opt/x/rootwrap rootwrap.conf *"},
			{sudoers: wrapped + "nova ALL = /usr/bin/oslo-rootwrap"},
			{setup: python + "; mv oslo-rootwrap rw", sudoers: wrapped + "nova ALL = DIR/rw"},
			{setup: "echo x >y; chown 65534 y", sudoers: wrapped + "nova ALL = /usr/bin/oslo-rootwrap DIR/y *", says: "owned by uid 65534"},
		},
		passes: []example{
			{sudoers: wrapped + "nova ALL = /usr/bin/nova-rootwrap-daemon DIR/rootwrap.conf"},
			{sudoers: `nova ALL = /usr/bin/nova-rootwrap ^DIR/rootwrap\.conf .*$`},
			{conf: "allow_users=nova", sudoers: "nova ALL = (nobody) /usr/bin/nova-rootwrap"},
			{conf: "allow_users=nova", setup: "cp /bin/true ironwrap; ln -s ironwrap nova-rootwrap", sudoers: "nova ALL = DIR/nova-rootwrap"},
		},
	},
	{
		ID: "sudoers-other-configuration", Here: true, Severity: Warning,
		Title: "sudo runs ironwrap with any configuration of root's",
		Help:  "ironwrap refuses a configuration that somebody besides root can have written, but the user may name any other: that of another service, an example, a copy that was set aside. [Sandbox] and [Privsep:CONTEXT] sections and privsep_confine of a rootwrap.conf hold for that file alone, and another one with the same filters_path is without them. Name the configuration: /usr/bin/nova-rootwrap /etc/nova/rootwrap.conf *.",
		check: func(c *config) []Finding {
			return c.commands(rootwrap, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if !as || madeBy(a.program) != ours || pinned(a.args).ok {
					return nil
				}
				return []Finding{s.at(a, a.may(who)+", with any configuration of root's", "")}
			})
		},
		finds: []example{
			{conf: "allow_users=nova", setup: "cp /bin/true ironwrap; ln -s ironwrap nova-rootwrap", sudoers: "nova ALL = NOPASSWD: DIR/nova-rootwrap", at: "sudoers:1:22"},
			{conf: "allow_users=nova", setup: "cp /bin/true ironwrap", sudoers: "nova ALL = DIR/ironwrap *"},
		},
		passes: []example{
			{conf: "allow_users=nova", sudoers: "nova ALL = /usr/bin/nova-rootwrap"},
			{setup: "cp /bin/true ironwrap", sudoers: "nova ALL = DIR/ironwrap DIR/rootwrap.conf *"},
		},
	},
	{
		ID: "sudoers-other-wrapper", Here: true, Severity: Warning,
		Title: "sudo also runs the original wrapper, or a program of ironwrap's that is not for callers",
		Help:  "What ironwrap refuses, oslo.rootwrap may allow under the same filters, and it knows no sandbox section. ironwrapctl writes files as root. ironwrap-launch is for the daemon alone. Take the line out of sudoers.",
		check: func(c *config) []Finding {
			found := c.commands(rootwrap, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if !as || !s.ironwraps || madeBy(a.program) != original {
					return nil
				}
				return []Finding{s.at(a, a.may(who)+", which is oslo.rootwrap, while ironwrap is in use", "")}
			})
			return append(found, c.commands(tool, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if !as {
					return nil
				}
				return []Finding{s.at(a, a.may(who)+", which is not for callers", "")}
			})...)
		},
		finds: []example{
			{setup: python + "; cp /bin/true ironwrap", sudoers: "nova ALL = DIR/ironwrap DIR/rootwrap.conf *, DIR/oslo-rootwrap DIR/rootwrap.conf *", says: "which is oslo.rootwrap"},
			{setup: python + "; cp /bin/true ironwrap", sudoers: "cinder ALL = DIR/ironwrap /etc/cinder/rootwrap.conf *\nnova ALL = DIR/oslo-rootwrap DIR/rootwrap.conf *"},
			{sudoers: wrapped + "nova ALL = /usr/lib/ironwrap/ironwrap-launch", says: "not for callers"},
			{sudoers: wrapped + "nova ALL = /usr/bin/ironwrapctl seccomp *"},
		},
		passes: []example{
			{setup: python, sudoers: "nova ALL = DIR/oslo-rootwrap DIR/rootwrap.conf *"},
			{setup: "cp /bin/true ironwrap; ln -s ironwrap nova-rootwrap", sudoers: "nova ALL = DIR/ironwrap DIR/rootwrap.conf *, DIR/nova-rootwrap DIR/rootwrap.conf *"},
		},
	},
	{
		ID: "sudoers-sudoedit", Here: true, Severity: Error,
		Title: "sudoedit lets the user write a file that root obeys",
		Help:  "The user edits a copy with an editor of their own, and sudo puts it in the place of the file as root. Without a file, with a pattern, or with a file that sudo, the policy or the system obeys, that is root. Take the line out of sudoers.",
		check: func(c *config) []Finding {
			return c.commands(edit, func(s *sudo, a *allowed) []Finding {
				as, who := s.equal(a.target, nil)
				if !as {
					return nil
				}
				for _, path := range append([]string{"/etc/sudoers", "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/crontab", "/root/.ssh/authorized_keys", c.path}, c.sources()...) {
					if a.args.Takes([]string{path}) {
						argv := []string{"sudoedit", path}
						return []Finding{s.at(a, a.may(who)+", so also "+line(argv), "", argv...)}
					}
				}
				if grants.Wild(a.args.Text) || a.args.Open() {
					return []Finding{s.at(a, a.may(who)+": a pattern takes further files", "")}
				}
				for _, path := range strings.Fields(a.args.Text) {
					if why := ledElsewhere(path); why != "" {
						return []Finding{s.at(a, a.may(who)+": "+why, "")}
					}
				}
				return nil
			})
		},
		finds: []example{
			{sudoers: wrapped + "nova ALL = sudoedit", says: "sudoedit /etc/sudoers"},
			{sudoers: wrapped + "nova ALL = sudoedit /etc/*"},
			{sudoers: wrapped + "nova ALL = sudoedit /etc/nova/*", says: "further files"},
			{sudoers: wrapped + "nova ALL = sudoedit DIR/d/a.filters", says: "sudoedit DIR/d/a.filters"},
			{setup: "mkdir w; chown 65534 w", sudoers: wrapped + "nova ALL = sudoedit DIR/w/f", says: "owned by uid 65534"},
		},
		passes: []example{
			{sudoers: wrapped + "nova ALL = sudoedit /etc/motd"},
			{sudoers: wrapped + "nova ALL = (nobody) sudoedit"},
		},
	},
}

// lesser are the powers that are less than root, and nobody's who has to ask a filter.
var lesser = []string{exposure.Read, exposure.Destroy, exposure.Services, exposure.Namespace, exposure.Network, exposure.Signal}

// wrapped is the line that a service has for the wrapper, in the examples; python, a
// script that is oslo.rootwrap.
const (
	wrapped = "nova ALL = (root) NOPASSWD: /usr/bin/nova-rootwrap DIR/rootwrap.conf *\n"
	python  = `printf '#!/usr/bin/python3\nfrom oslo_rootwrap.cmd import main\n' >oslo-rootwrap; chmod 755 oslo-rootwrap`
)

// commands asks about each command that sudo lets the policy's users run; only those
// of one nature, or all where that is less than 0.
func (c *config) commands(n nature, check func(*sudo, *allowed) []Finding) (found []Finding) {
	s := c.beside()
	if s == nil {
		return nil
	}
	for _, a := range s.allowed {
		if n < 0 || a.nature() == n {
			found = append(found, check(s, a)...)
		}
	}
	return found
}

// sources are the files and directories that the policy comes from.
func (c *config) sources() []string {
	list := slices.Clone(c.dirs)
	for _, f := range c.added() {
		list = append(list, f.path)
	}
	return list
}

// ledElsewhere says who besides root decides where a path leads that is to be written.
func ledElsewhere(path string) string {
	if err := trust.Stable(path); err != nil && !missing(err) && !denied(err) {
		return err.Error()
	}
	return ""
}
