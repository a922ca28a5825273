package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"ironwrap/filters"
	"ironwrap/policy/account"
	"ironwrap/policy/program"
)

// lineRules are about single lines of [Filters]: what is written, and whether the
// program and the user are there.
var lineRules = []*Rule{
	{
		ID: "skipped-filter", Severity: Error,
		Title: "no filter can be made of a line",
		Help:  "The line is passed over, so that what it should allow is refused. oslo.rootwrap ends in an error because of some of these lines, with every command.",
		check: func(c *config) (found []Finding) {
			for _, f := range c.skipped {
				hint := ""
				if near := nearest(f.Class, classes); errors.Is(f.err, filters.ErrUnknownClass) && near != "" {
					hint = "did you mean " + near + "?"
				}
				found = append(found, f.at(0, fmt.Sprintf("filter %s is passed over: %v", quote(f.Name), f.err), hint))
			}
			return found
		},
		finds: []example{
			{filters: "id: ComandFilter, id, root", at: "a.filters:2:5", says: `unknown filter class "ComandFilter"`},
			{filters: "id: CommandFilter, id", at: "a.filters:2:5", says: "needs an executable and a run-as user"},
			{filters: "dns: DnsmasqFilter, /usr/sbin/dnsmasq, root", at: "a.filters:2:6"},
			{filters: "kill: KillFilter, root", says: "needs a run-as user and the executable"},
		},
		passes: []example{{filters: "id: CommandFilter, id, root\nread: ReadFileFilter, /etc/hostname\nkill: KillFilter, root, /usr/bin/sleep"}},
	},
	{
		ID: "duplicate-name", Severity: Warning,
		Title: "a file names two filters alike",
		Help:  "The later one takes the place of the earlier, without a message. Give each a name of its own, or remove the one that is not meant.",
		check: duplicates,
		finds: []example{
			{filters: "id: CommandFilter, id, root\nls: CommandFilter, ls, root\nID : CommandFilter, id, nobody", at: "a.filters:4:1", says: "takes the place of the filter on line 2"},
			{filters: "id: CommandFilter, id, root\nid: CommandFilter, id, root", at: "a.filters:3:1", says: "again, as on line 2"},
		},
		passes: []example{
			{filters: "id: CommandFilter, id, root\nid2: CommandFilter, id, nobody"},
			{filters: "id: CommandFilter, id, root", also: "id: CommandFilter, id, root"},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nid: x", setup: "sed -i '/^id: x/d' d/a.filters"},
		},
	},
	{
		ID: "inline-comment", Severity: Warning,
		Title: "what looks like a comment is a part of a filter",
		Help:  "A comment has a line of its own. Behind a value it belongs to the value, and becomes a part of the user's name, of a pattern, or a field of its own.",
		check: func(c *config) (found []Finding) {
			for _, f := range c.filters {
				for i, x := range f.fields {
					if comment.MatchString(x.text) {
						found = append(found, f.at(i, quote(x.text)+" is taken with its comment", ""))
					}
				}
			}
			return found
		},
		finds: []example{
			{filters: "x: CommandFilter, id, root # for all", at: "a.filters:2:23", says: "root # for all"},
			{filters: "x: RegExpFilter, ls, root, ls, /etc ; not more", at: "a.filters:2:32"},
		},
		passes: []example{{filters: "# for all\nx: CommandFilter, id, root\n; more\ny: RegExpFilter, sh, root, sh, -c, a;b, #x, [;#]"}},
	},
	{
		ID: "extra-fields", Severity: Warning,
		Title: "a filter has fields that its class ignores",
		Help:  "They read as if they restricted the arguments, and do not. RegExpFilter compares arguments; PathFilter compares paths.",
		check: extraFields,
		finds: []example{
			{filters: "x: CommandFilter, /opt/x, root, --query", at: "a.filters:2:33", says: "any arguments are allowed"},
			{filters: "ip: IpFilter, ip, root, link", at: "a.filters:2:25"},
			{filters: "r: ReadFileFilter, /etc/hostname, root", says: "ignored"},
		},
		passes: []example{{filters: "x: RegExpFilter, ls, root, ls, /etc\ny: CommandFilter, id, root\nz: CommandFilter, id, root,"}},
	},
	{
		ID: "unknown-run-as", Here: true, Severity: Warning,
		Title: "the run-as user does not exist on this machine",
		Help:  "A command that the filter allows ends with exit status 97. Often a field was forgotten, and an argument stands in the place of the user.",
		check: unknownUsers,
		finds: []example{
			{filters: "x: CommandFilter, id, --query_guid", at: "a.filters:2:23", says: "user --query_guid does not exist"},
			{filters: "x: KillFilter, nosuchuser, /usr/bin/sleep", at: "a.filters:2:16"},
		},
		passes: []example{{filters: "x: CommandFilter, id, nobody\ny: ReadFileFilter, /etc/hostname"}},
	},
	{
		ID: "executable-missing", Here: true, Severity: Note,
		Title: "the program of a filter is not on this machine",
		Help:  "A command that only this filter allows ends with exit status 96. Packages list programs that are needed on some machines only; remove what is needed nowhere, because the filter works again when the program is installed.",
		check: func(c *config) []Finding {
			return c.programs(absent)
		},
		finds: []example{
			{filters: "x: CommandFilter, nosuchprogram, root", at: "a.filters:2:19", says: "not found in exec_dirs"},
			{filters: "x: CommandFilter, /opt/nosuch, root", at: "a.filters:2:19", says: "no such file"},
		},
		passes: []example{{filters: "x: CommandFilter, id, root\nk: KillFilter, root, /opt/nosuch, -9"}},
	},
	{
		ID: "untrusted-program", Here: true, Severity: Error, Score: 10,
		Title: "the program of a filter is there, and cannot be trusted or executed",
		Help:  "The command ends with exit status 96. A program, each directory above it, and what it runs by (the interpreters of a script, what env finds in exec_dirs, the loader, the directories of RUNPATH) must be root's and writable by nobody else. Otherwise whoever can write it would be root.",
		check: func(c *config) []Finding {
			// Without root's rights it is not known what lies behind a closed directory.
			return c.programs(func(err error) bool {
				return !absent(err) && !closed(err)
			})
		},
		finds: []example{
			{filters: "x: CommandFilter, DIR/x, root", setup: "cp /bin/true x; chown 65534 x", at: "a.filters:2:19", says: "owned by uid 65534, not root"},
			{filters: "x: CommandFilter, DIR/t/x, root", setup: "mkdir t; cp /bin/true t/x; chmod 777 t", at: "a.filters:2:19", says: "writable by group and others"},
			{filters: "x: CommandFilter, DIR/x, root", setup: "echo >x; chmod 644 x", says: "not executable"},
			{filters: "x: CommandFilter, DIR/x, root", setup: "echo \"#!$PWD/p\" >x; chmod 755 x; cp /bin/sh p; chown 65534 p", at: "a.filters:2:19", says: "cannot use its interpreter DIR/p: it is owned by uid 65534"},
			{conf: "exec_dirs=DIR/b,/usr/bin", filters: "x: CommandFilter, x, root", setup: "mkdir b; echo '#!/usr/bin/env p' >b/x; cp /bin/sh b/p; chmod 755 b/x; chown 65534 b/p", says: "cannot use its interpreter DIR/b/p"},
			{filters: "x: CommandFilter, DIR/x, root", setup: "echo '#!bin/sh' >x; chmod 755 x", says: "its interpreter bin/sh is not named by an absolute path"},
		},
		passes: []example{
			{filters: "x: CommandFilter, DIR/x, root", setup: "cp /bin/true x"},
			{filters: "x: CommandFilter, DIR/x, nobody", setup: "cp /bin/true x; chown nobody x"},
			{filters: "x: CommandFilter, DIR/x, root", setup: "echo '#!/usr/bin/env sh' >x; chmod 755 x"},
		},
	},
}

var classes = []string{"CommandFilter", "RegExpFilter", "PathFilter", "EnvFilter", "ReadFileFilter", "KillFilter",
	"IpFilter", "IpNetnsExecFilter", "ChainingRegExpFilter", "ChainingFilter"}

// comment is how a comment behind a value begins.
var comment = regexp.MustCompile(`(^|\s)[#;]\s`)

// duplicates looks at lines that begin a key for sure: those that are not
// indented. The INI reader has merged them already.
func duplicates(c *config) (found []Finding) {
	for _, f := range c.files {
		if f.ini == nil {
			continue
		}
		section := ""
		seen := map[string]int{}
		for i, text := range f.lines {
			text = strings.TrimRightFunc(text, unicode.IsSpace)
			if text == "" || strings.ContainsRune("#; \t", rune(text[0])) {
				continue
			}
			if end := strings.LastIndexByte(text, ']'); text[0] == '[' && end > 1 {
				section = text[1:end]
				continue
			}
			at := strings.IndexAny(text, "=:")
			if section != "Filters" || at < 0 || unicode.IsSpace(rune(text[0])) {
				continue
			}
			name := strings.ToLower(strings.TrimSpace(text[:at]))
			if first := seen[name]; first > 0 {
				message := fmt.Sprintf("filter %s takes the place of the filter on line %d", quote(name), first)
				if strings.TrimSpace(text[at+1:]) == strings.TrimSpace(f.line(first)[strings.IndexAny(f.line(first), "=:")+1:]) {
					message = fmt.Sprintf("filter %s is there again, as on line %d", quote(name), first)
				}
				found = append(found, f.at(f.whole(i+1), message, ""))
			}
			seen[name] = i + 1
		}
	}
	return found
}

// counted are the fields that a class reads, the class itself among them.
var counted = map[string]int{"CommandFilter": 3, "IpFilter": 3, "IpNetnsExecFilter": 3, "ReadFileFilter": 2, "ChainingFilter": 3}

func extraFields(c *config) (found []Finding) {
	for _, f := range c.filters {
		n := counted[f.Class]
		if f.file == nil || n == 0 || !slices.ContainsFunc(f.rest(n), func(x field) bool { return x.text != "" }) {
			continue
		}
		message := "ignored, with what follows: the class takes no such field"
		if f.Class == "CommandFilter" {
			message = "ignored, with what follows: any arguments are allowed"
		}
		found = append(found, f.at(n, message, ""))
	}
	return found
}

func unknownUsers(c *config) (found []Finding) {
	for _, f := range c.filters {
		if f.file == nil || f.Class == "ReadFileFilter" {
			continue
		}
		i := 2
		if f.Class == "KillFilter" {
			i = 1
		}
		if _, err := account.Lookup(f.RunAs()); errors.Is(err, account.ErrUnknown) {
			found = append(found, f.at(i, "user "+quote(f.RunAs())+" does not exist on this machine", ""))
		}
	}
	return found
}

func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, program.ErrNotFound)
}

// programs finds the filters of which the program cannot be had, for a reason that
// is meant.
func (c *config) programs(meant func(error) bool) (found []Finding) {
	if c.machine == nil {
		return nil
	}
	for _, f := range c.filters {
		if f.file == nil || f.Class == "KillFilter" { // ironwrap sends signals itself
			continue
		}
		if _, err := c.find(f); err != nil && meant(err) {
			message := err.Error()
			if !filepath.IsAbs(f.Exec()) {
				message = quote(f.Exec()) + ": " + message
			}
			found = append(found, f.at(f.execField(), message, ""))
		}
	}
	return found
}

// execField is the field that names the program.
func (f *filter) execField() int {
	return slices.IndexFunc(f.fields, func(x field) bool { return x.text == f.Exec() })
}
