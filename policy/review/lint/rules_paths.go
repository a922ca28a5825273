package lint

import (
	"errors"
	"path/filepath"
	"strings"

	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// pathRules are about paths that root wrote down, and that somebody else leads
// elsewhere, or can.
var pathRules = []*Rule{
	{
		ID: "redirected-path", Here: true, Severity: Error,
		Title: "a path leads through a symbolic link that somebody besides root decides about",
		Help:  "The link is not followed. A PathFilter with such a directory matches nothing (99), a sandbox section with such a path lets nothing run (97). pin_paths does not help: it holds the file that was checked, and this is about what it is checked against. Write down the directory that is meant, or let root make the link in a directory of root's.",
		check: redirected,
		finds: []example{
			{filters: "x: PathFilter, cat, root, DIR/l", setup: "mkdir a; ln -s a l; chown -h 65534 l", at: "a.filters:2:27", says: "DIR/l is owned by uid 65534, not root"},
			{filters: "x: PathFilter, cp, root, pass, DIR/u/l", setup: "mkdir u; ln -s / u/l; chown 65534 u", at: "a.filters:2:32", says: "DIR/u/l lies in DIR/u, which is owned by uid 65534"},
			{filters: "x: PathFilter, cat, nobody, DIR/l/sub/", setup: "mkdir a; ln -s a l; chown -h 65534 l", at: "a.filters:2:29"},
			{filters: "x: PathFilter, cat, root, DIR/t/l", setup: "mkdir t; chmod 1777 t; ln -s /srv t/l", says: "writable by group and others"},
			{filters: "x: PathFilter, cat, root, DIR/l\n[Sandbox:x]\npin_paths=yes", setup: "mkdir a; ln -s a l; chown -h 65534 l", at: "a.filters:2:27"},
			{filters: "x: PathFilter, cat, root, DIR/none/../l/new", setup: "mkdir none a; ln -s a l; chown -h 65534 l"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nlandlock_rw=/srv, DIR/l", setup: "ln -s / l; chown -h 65534 l", at: "a.filters:4:19", says: "DIR/l is owned by uid 65534"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nlandlock_ro=DIR/l/x", setup: "ln -s / l; chown -h 65534 l", at: "a.filters:4:13"},
			{conf: "[Sandbox]\nread_only=DIR/l", filters: "x: CommandFilter, cat, root", setup: "ln -s / l; chown -h 65534 l", at: "rootwrap.conf:5:11"},
			{conf: "[Profile:p]\nread_only=DIR/l", filters: "x: CommandFilter, cat, root\n[Sandbox:x]\ninherit=p", setup: "ln -s / l; chown -h 65534 l", at: "rootwrap.conf:5:11"},
			{conf: "metrics_file=DIR/l/m.prom", filters: "x: CommandFilter, cat, root", setup: "mkdir a; ln -s a l; chown -h 65534 l", at: "rootwrap.conf:4"},
		},
		passes: []example{
			{filters: "x: PathFilter, cat, root, /lib\ny: PathFilter, ls, root, /var/run/x\nz: PathFilter, rm, root, /srv/\nw: PathFilter, du, root, -s, /"},
			{filters: "x: PathFilter, cat, root, DIR/l\ny: CommandFilter, cat, root\n[Sandbox:y]\nlandlock_ro=DIR/l\nlandlock_rw=none\nread_only=DIR/l", setup: "mkdir a; ln -s a l"},
			{filters: "x: PathFilter, cat, root, DIR/u/a", setup: "mkdir -p u/a; chown -R 65534 u"},
			{filters: "x: PathFilter, mkdir, root, DIR/u/none", setup: "mkdir u; chown 65534 u"},
			{filters: "x: PathFilter, cat, root, DIR/a", setup: "mkdir a; ln -s / a/l; chown -hR 65534 a"},
			{filters: "x: PathFilter, cat, root, DIR/c/l", setup: "mkdir c a; ln -s ../a c/l; chown -h 65534 c/l; chmod 700 c", nobody: true},
			{conf: "[Sandbox]\nprivate_tmp=yes", filters: "x: CommandFilter, cat, root"},
		},
	},
	{
		ID: "replaceable-rule", Here: true, Severity: Warning,
		Title: "somebody besides root can put something else in the place of what read_only or seccomp names",
		Help:  "The owner of a directory above can move it away and make another of the same name: what was read-only is then written. (A link in its place is not followed: nothing runs.) Name the directory above, or keep it in directories of root's alone.",
		check: func(c *config) (found []Finding) {
			c.rulePaths(func(f *file, e document.Entry, x field) {
				if strings.HasPrefix(e.Key, "landlock") {
					return
				}
				if who := replaceable(x.text); who != "" {
					found = append(found, f.at(x.place, quote(x.text)+" can be replaced: "+who, ""))
				}
			})
			return found
		},
		finds: []example{
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nread_only=DIR/u/keep", setup: "mkdir -p u/keep; chown 65534 u", at: "a.filters:4:11", says: "DIR/u/keep can be replaced: directory DIR/u is owned by uid 65534, not root"},
			{conf: "[Sandbox]\nread_only=/srv, DIR/u/a/b", filters: "x: CommandFilter, cat, root", setup: "mkdir -p u/a/b; chmod 775 u", at: "rootwrap.conf:5:17", says: "directory DIR/u is writable by group"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nread_only=DIR/l/x", setup: "mkdir -p u/a/x; ln -s u/a l; chown 65534 u", says: "directory DIR/u is owned by uid 65534"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nread_only=/tmp/images", says: "directory /tmp is writable by group and others"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nseccomp=DIR/u/p.json", setup: "mkdir u; echo >u/p.json; chown 65534 u", at: "a.filters:4:9", says: "directory DIR/u is owned"},
		},
		passes: []example{
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nread_only=/etc, /, DIR/u, DIR/t/roots\nlandlock_rw=/tmp, DIR/u/x\nlandlock_ro=none", setup: "mkdir u u/x t t/roots; chown 65534 u; chmod 1777 t"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nread_only=DIR/l", setup: "mkdir a; ln -s a l"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nread_only=DIR/none"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nread_only=DIR/l", setup: "ln -s / l; chown -h 65534 l"}, // redirected-path says so
		},
	},
	{
		ID: "replaceable-directory", Here: true, Severity: Note,
		Title: "somebody besides root can put something else in the place of a directory that a PathFilter or a Landlock rule names",
		Help:  "The owner of a directory above can make another directory of that name, and the filter or the rule is then for that one. If the owner makes a link, nothing is allowed. Between the check of a PathFilter and the use of the path a link leads the command elsewhere, unless a sandbox section has pin_paths = yes. A service may own the directory itself where root alone owns all directories above.",
		check: func(c *config) (found []Finding) {
			c.bases(func(f *filter, i int, x field) {
				if who := replaceable(x.text); who != "" {
					found = append(found, f.at(i, quote(x.text)+" can be replaced: "+who, ""))
				}
			})
			c.rulePaths(func(f *file, e document.Entry, x field) {
				if !strings.HasPrefix(e.Key, "landlock") {
					return
				}
				if who := replaceable(x.text); who != "" {
					found = append(found, f.at(x.place, quote(x.text)+" can be replaced: "+who, ""))
				}
			})
			return found
		},
		finds: []example{
			{filters: "x: PathFilter, cat, root, DIR/u/images", setup: "mkdir -p u/images; chown 65534 u", at: "a.filters:2:27", says: "DIR/u/images can be replaced: directory DIR/u is owned by uid 65534, not root"},
			{filters: "x: PathFilter, cat, root, DIR/u/a/images\n[Sandbox:x]\npin_paths=yes", setup: "mkdir -p u/a/images; chown 65534 u", says: "directory DIR/u is owned"},
			{filters: "x: PathFilter, mkdir, root, DIR/u/none", setup: "mkdir u; chown 65534 u", says: "directory DIR/u is owned"},
			{filters: "x: CommandFilter, cat, root\n[Sandbox:x]\nlandlock_rw=/srv, DIR/u/work", setup: "mkdir -p u/work; chown 65534 u", at: "a.filters:4:19", says: "directory DIR/u is owned"},
			{filters: "x: PathFilter, cat, root, /tmp/images", says: "directory /tmp is writable by group and others"},
		},
		passes: []example{
			{filters: "x: PathFilter, cat, root, DIR/images", setup: "mkdir images; chown 65534 images"},
			{filters: "x: PathFilter, cat, root, /lib\ny: PathFilter, ls, root, DIR/none/x"},
			{filters: "x: PathFilter, cat, root, DIR/l", setup: "ln -s / l; chown -h 65534 l"}, // redirected-path says so
		},
	},
}

// temporary are the directories that private_tmp makes anew. A variable so that
// tests can put others in their place.
var temporary = []string{"/tmp", "/var/tmp"}

// bases visits each directory of each PathFilter.
func (c *config) bases(visit func(f *filter, i int, x field)) {
	for _, f := range c.filters {
		if f.Class != "PathFilter" {
			continue
		}
		for i, x := range f.rest(3) {
			if filepath.IsAbs(x.text) {
				visit(f, 3+i, x)
			}
		}
	}
}

// rulePaths visits each path of each sandbox section.
func (c *config) rulePaths(visit func(f *file, e document.Entry, x field)) {
	c.sections(func(f *file, _ string, e document.Entry) {
		switch e.Key {
		case "landlock_ro", "landlock_rw", "read_only", "seccomp":
			for _, x := range f.fields(e) {
				if filepath.IsAbs(x.text) {
					visit(f, e, x)
				}
			}
		}
	})
}

func redirected(c *config) (found []Finding) {
	c.bases(func(f *filter, i int, x field) {
		if why := redirection(x.text); why != "" {
			found = append(found, f.at(i, why, ""))
		}
	})
	c.rulePaths(func(f *file, e document.Entry, x field) {
		if why := redirection(x.text); why != "" {
			found = append(found, f.at(x.place, why, ""))
		}
	})
	c.sections(func(f *file, _ string, e document.Entry) {
		if e.Key != "private_tmp" || isNo(e.Value) {
			return
		}
		for _, dir := range temporary {
			if why := redirection(dir); why != "" {
				found = append(found, f.at(f.whole(e.Line), why, ""))
			}
		}
	})
	for _, key := range []string{"metrics_file", "authkey_file"} {
		if e, ok := c.key(key); ok && filepath.IsAbs(e.Value) {
			if why := redirection(filepath.Dir(e.Value)); why != "" {
				found = append(found, c.conf.at(c.conf.whole(e.Line), why, "the daemon does not use it: name the directory that is meant"))
			}
		}
	}
	return found
}

// redirection is what the executor says of a path that somebody besides root leads
// elsewhere; "" for any other.
func redirection(path string) string {
	if _, err := trust.Canonical(path); errors.Is(err, trust.ErrRedirected) {
		return err.Error()
	}
	return ""
}

// replaceable tells who besides root can put something else in the place of path,
// though nobody leads it elsewhere by a link now; "" for nobody.
func replaceable(path string) string {
	if path == "/" || redirection(path) != "" {
		return ""
	}
	if d, err := trust.Dir(path, trust.Fixed); err == nil { // such as root's in /tmp
		d.Close()
		return ""
	}
	err := trust.Stable(path)
	if err == nil || absent(err) || closed(err) {
		return ""
	}
	_, why, _ := strings.Cut(err.Error(), "cannot trust ")
	_, why, ok := strings.Cut(why, ": ")
	if !ok || !strings.Contains(why, "directory ") {
		return "" // no directory, or not to be looked at: other rules say so
	}
	why = strings.TrimPrefix(why, "its ")
	// What to do about a home or /tmp is not to take it from its owner.
	for _, advice := range []string{": run ", ": use "} {
		why, _, _ = strings.Cut(why, advice)
	}
	return why
}
