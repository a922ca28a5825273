package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// fileRules are about who can write what is read, and what is read at all.
var fileRules = []*Rule{
	{
		ID: "refused", Severity: Error,
		Title: "the executor refuses the configuration",
		Help:  "Every command ends with exit status 97, whatever the filters say. Correct the place that is named; what stands behind it may not have been looked at yet.",
		check: refused,
		finds: []example{
			{filters: "id: CommandFilter, id, root\nno filter", at: "a.filters:3:1", says: `no "=" or ":" after "no filter"`},
			{conf: "daemon_timeout=soon", at: "rootwrap.conf:4:1", says: `daemon_timeout: "soon" is not a number`},
			{conf: "daemon_timeout=1\ndaemon_timeout=2", at: "rootwrap.conf:5:1", says: `key "daemon_timeout" again`},
			{filters: "id: CommandFilter, id, root\n[Sandbox:id]\nseccmp=none", at: "a.filters:4:1", says: "seccmp: unknown key of a sandbox section"},
			{setup: "rm rootwrap.conf", says: "no such file"},
			{setup: "mkdir d/sandbox.d; printf '[Sandbox:none]\n' >d/sandbox.d/a.sandbox", at: "a.sandbox:1:1", says: "no file of filters_path has a filter of that name"},
		},
		passes: []example{{filters: "id: CommandFilter, id, root"}, {setup: "chmod 600 d/a.filters", nobody: true}},
	},
	{
		ID: "authkey-readable", Here: true, Severity: Warning,
		Title: "everybody may read the daemon's key",
		Help:  "The key is what tells the daemon's clients and the daemon from others. Let root, and the group of the service at most, read it.",
		check: readableKey,
		finds: []example{
			{conf: "authkey_file=DIR/key", setup: "echo >key; chmod 644 key", at: "rootwrap.conf:4:1", says: "DIR/key"},
		},
		passes: []example{
			{conf: "authkey_file=DIR/key", setup: "echo >key; chgrp 65534 key; chmod 640 key"},
			{conf: "authkey_file=DIR/run/key", setup: "mkdir run; echo >run/key; chmod 644 run/key; chmod 750 run"},
			{conf: "authkey_file=DIR/key"},
		},
	},
	{
		ID: "not-read", Severity: Warning,
		Title: "whoever runs the check may not read a file or directory",
		Help:  "It was not checked, and neither was what it leads to. Run the check as root, or as somebody who may read it.",
		check: notRead,
		finds: []example{
			{setup: "chmod 600 d/a.filters", nobody: true, at: "a.filters", says: "permission denied"},
			{setup: "chmod 700 d", nobody: true, at: "d", says: "permission denied"},
			{setup: "chmod 600 rootwrap.conf", nobody: true, at: "rootwrap.conf", says: "permission denied"},
		},
		passes: []example{{nobody: true}, {setup: "chmod 600 d/a.filters"}, {filters: "x: CommandFilter, DIR/x, root", setup: "echo >x"}},
	},
	{
		ID: "untrusted-path", Here: true, Severity: Error, Score: 10,
		Title: "somebody besides root can write a file or directory that is trusted",
		Help:  "Whoever can write it decides what runs as root. The executor refuses it: give it to root, and take the right to write from all others.",
		check: untrusted,
		finds: []example{
			{setup: "chown 65534 rootwrap.conf", at: "rootwrap.conf", says: "owned by uid 65534, not root"},
			{setup: "chmod 666 d/a.filters", at: "a.filters", says: "writable by group and others"},
			{setup: "mkdir d/sandbox.d; : >d/sandbox.d/a.sandbox; chmod 666 d/sandbox.d/a.sandbox", at: "a.sandbox", says: "writable by group and others"},
			{setup: "chmod 775 d", at: "rootwrap.conf:2:14", says: "writable by group"},
			{setup: "mv d/a.filters x; ln -s ../x d/a.filters; chown -h 65534 d/a.filters", says: "symbolic link"},
			{filters: "sh: CommandFilter, sh, root", setup: "chown 65534 d/a.filters", at: "a.filters"},
		},
		passes: []example{
			{setup: "mv d/a.filters x; ln -s ../x d/a.filters"},
			{setup: "chmod 600 d/a.filters"},
			{setup: "chown 65534 ."},
		},
	},
	{
		ID: "service-owned-ancestor", Here: true, Severity: Warning,
		Title: "a directory above a trusted file belongs to somebody besides root",
		Help:  "Its owner can put another file of root's in the place of this one. That is tolerated where root names the path (sudo), and refused with strict_paths and where ironwrap is setuid. Give the directory to root, with the group of the service, or keep the filters elsewhere.",
		check: ancestors,
		finds: []example{
			{setup: "chown 65534 .", at: "rootwrap.conf", says: "directory DIR is owned by uid 65534, not root"},
			{setup: "chmod 1777 .", at: "rootwrap.conf", says: "directory DIR is writable by group and others"},
		},
		passes: []example{{}, {setup: "chgrp 65534 .; chmod 750 ."}},
	},
	{
		ID: "removable-section", Here: true, Severity: Warning,
		Title: "somebody besides root can take a sandbox section away",
		Help:  "The owner of a directory above sandbox.d can rename it. A directory of filters_path that is not there is passed over: what its sections confine runs on without them, where its filter lies elsewhere. Give the directory to root, with the group of the service, or write the section into the sandbox.d of a directory that is root's all the way up.",
		check: removable,
		finds: []example{
			{setup: "mkdir -p theirs/e/sandbox.d; chown 65534 theirs; printf '[Sandbox:f]\\nno_new_privs=yes\\n' >theirs/e/sandbox.d/a.sandbox", conf: "filters_path=DIR/d, DIR/theirs/e", filters: "f: CommandFilter, true, root", at: "a.sandbox:1", says: "can take section [Sandbox:f] away, with DIR/theirs/e"},
			{setup: "mkdir -p theirs/e/sandbox.d; chown 65534 theirs; printf '[Sandbox]\\nno_new_privs=yes\\n' >theirs/e/sandbox.d/a.sandbox", conf: "filters_path=DIR/d, DIR/theirs/e", at: "a.sandbox:1", says: "section [Sandbox]"},
			{setup: "mkdir d/sandbox.d; printf '[Privsep:vif_plug_ovs.privsep.vif_plug]\\ncapabilities=all\\n' >d/sandbox.d/a.sandbox; chmod 1777 .", at: "a.sandbox:1", says: "writable by group and others"},
		},
		passes: []example{
			{setup: "mkdir -p theirs/e/sandbox.d; chgrp 65534 theirs; chmod 750 theirs; printf '[Sandbox:f]\\nno_new_privs=yes\\n' >theirs/e/sandbox.d/a.sandbox", conf: "filters_path=DIR/d, DIR/theirs/e", filters: "f: CommandFilter, true, root"},
			{setup: "mkdir d/sandbox.d; printf '[Sandbox:f]\\nno_new_privs=yes\\n' >d/sandbox.d/a.sandbox; chown 65534 .", filters: "f: CommandFilter, true, root"}, // gone with its filter
		},
	},
	{
		ID: "exec-dir-not-searched", Here: true, Severity: Warning,
		Title: "a directory of exec_dirs is passed over, because somebody besides root can write to it or redirect its path",
		Help:  "Programs in it are not found (exit status 96), and it is not in the PATH of commands. Let it, and every directory above it, be root's and writable by nobody else, or keep the programs elsewhere.",
		check: notSearched,
		finds: []example{
			{conf: "exec_dirs=/usr/bin,DIR/theirs/bin", setup: "mkdir -p theirs/bin; chown 65534 theirs", at: "rootwrap.conf:3", says: "DIR/theirs/bin"},
			{conf: "exec_dirs=/usr/bin,DIR/bin", setup: "mkdir bin; chown 65534 bin", at: "rootwrap.conf:3", says: "DIR/bin is not searched: cannot trust DIR/bin: it is owned by uid 65534"},
			{conf: "exec_dirs=/usr/bin,DIR/bin", setup: "mkdir -m 775 bin", at: "rootwrap.conf:3", says: "writable by group"},
			{conf: "exec_dirs=/usr/bin,DIR/bin", setup: "echo >bin", at: "rootwrap.conf:3", says: "not a directory"},
		},
		passes: []example{{conf: "exec_dirs=/usr/bin,DIR/bin", setup: "mkdir bin"}, {conf: "exec_dirs=/usr/bin,DIR/none"}},
	},
	{
		ID: "missing-filters-dir", Severity: Warning,
		Title: "a directory of filters_path does not exist",
		Help:  "The filters that should be in it do not exist either. Somebody who can make it could add filters, if ironwrap did not check its owner. Make it, or remove it from the list.",
		check: func(c *config) []Finding { return c.missing("filters_path") },
		finds: []example{
			{conf: "filters_path=DIR/d,DIR/none", at: "rootwrap.conf:3", says: "DIR/none does not exist"},
			{setup: "rm -r d", at: "rootwrap.conf:2", says: "DIR/d does not exist"},
		},
		passes: []example{{}},
	},
	{
		ID: "missing-exec-dir", Here: true, Severity: Note,
		Title:  "a directory of exec_dirs does not exist",
		Help:   "It is left out of the search path. Where one list serves several machines that is as it should be.",
		check:  func(c *config) []Finding { return c.missing("exec_dirs") },
		finds:  []example{{conf: "exec_dirs=/usr/bin,DIR/none", at: "rootwrap.conf:3", says: "DIR/none does not exist"}},
		passes: []example{{}, {conf: "exec_dirs=/usr/bin"}},
	},
	{
		ID: "not-a-filters-file", Severity: Warning,
		Title: "a file in a directory of filters does not end in .filters",
		Help:  "It is not read here; oslo.rootwrap reads it, so that filters which a package manager set aside (.dpkg-old, .rpmsave, ~) are alive there. Remove it, or give it a name that ends in .filters.",
		check: func(c *config) (found []Finding) {
			for _, path := range c.others {
				ending := ".filters"
				if filepath.Base(filepath.Dir(path)) == filepath.Base(policy.OverlayDir("")) {
					ending = ".sandbox"
				}
				found = append(found, fileAt(path, "not read: its name does not end in "+ending, ""))
			}
			return found
		},
		finds: []example{{setup: "cp d/a.filters d/a.filters.dpkg-old", at: "a.filters.dpkg-old", says: "not read"}, {setup: "mkdir d/more", at: "more"},
			{setup: "mkdir d/sandbox.d; : >d/sandbox.d/a.sandbox~", at: "a.sandbox~", says: "does not end in .sandbox"}},
		passes: []example{{setup: "cp d/a.filters d/.a.filters.swp"}},
	},
	{
		ID: "no-file", Severity: Warning,
		Title: "what is named like a file of filters is none",
		Help:  "A directory, a FIFO or a device is not read, nor is a link that leads nowhere; oslo.rootwrap passes over them too. Remove it, or put the file there. A link into a directory of somebody else's is refused: its owner could add filters and remove them.",
		check: func(c *config) (found []Finding) {
			for _, path := range c.nofiles {
				message := "not read: it is not a regular file"
				if _, err := c.stat(path); err != nil {
					message = "not read: it leads to a file that does not exist"
				}
				found = append(found, fileAt(path, message, ""))
			}
			return found
		},
		finds: []example{
			{setup: "mkdir d/b.filters", at: "b.filters", says: "not a regular file"},
			{setup: "mkfifo d/b.filters", at: "b.filters", says: "not a regular file"},
			{setup: "ln -s nowhere d/b.filters", at: "b.filters", says: "does not exist"},
			{setup: "mkdir t; chown 65534 t; ln -s ../t/x d/b.filters", at: "b.filters", says: "does not exist"},
		},
		passes: []example{{setup: "mv d/a.filters x; ln -s ../x d/a.filters"}},
	},
	{
		ID: "no-filters-section", Severity: Warning,
		Title: "a filters file has no section [Filters]",
		Help:  "Nothing in it counts; oslo.rootwrap ends in an error because of it, with every command. Write [Filters] above the filters, or remove the file.",
		check: func(c *config) (found []Finding) {
			for _, f := range c.files {
				if f.ini == nil {
					continue
				}
				if _, ok := f.ini.Items("Filters"); !ok {
					found = append(found, fileAt(f.path, "there is no section [Filters] in it", ""))
				}
			}
			return found
		},
		finds:  []example{{setup: "echo '# nothing' >d/b.filters", at: "b.filters"}, {setup: "echo '[filters]' >d/b.filters", at: "b.filters"}},
		passes: []example{{}, {filters: "# nothing"}},
	},
	{
		ID: "network-file-system", Here: true, Severity: Warning,
		Title:  "a trusted file, directory or program comes over the network",
		Help:   "Whoever answers in the name of the file server decides what runs as root; owners and modes are what that machine says. Keep it on a disk of this machine.",
		check:  network,
		finds:  []example{{network: "nfs", at: "rootwrap.conf", says: "it is on a nfs file system"}},
		passes: []example{{}},
	},
}

// object is something that the executor trusts.
type object struct {
	path string
	dir  bool
	skip bool                               // passed over where it is not trusted, in place of a refusal
	at   func(message, hint string) Finding // where a finding about it stands
}

// trustErr is what the executor's own check says at a level; nil for an object that
// is not there or cannot be looked at, which is another rule's business.
func (o object) trustErr(level trust.Level) error {
	var err error
	if o.dir {
		var d *trust.Directory
		if d, err = trust.Dir(o.path, level); err == nil {
			d.Close()
		}
	} else {
		_, err = trust.File(o.path, level)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// objects are rootwrap.conf, the filters files and all directories that are named.
func (c *config) objects() []object {
	whole := func(path string) object {
		return object{path, false, false, func(message, hint string) Finding { return fileAt(path, message, hint) }}
	}
	list := []object{whole(c.path)}
	for _, key := range []string{"filters_path", "exec_dirs"} {
		for _, d := range c.listed(key) {
			if filepath.IsAbs(d.text) {
				list = append(list, object{d.text, true, key == "exec_dirs", func(message, hint string) Finding { return c.conf.at(d.place, message, hint) }})
			}
		}
	}
	for _, d := range c.dirs {
		dir := policy.OverlayDir(d)
		if _, err := c.stat(dir); err == nil && filepath.IsAbs(dir) {
			list = append(list, object{dir, true, false, func(message, hint string) Finding { return fileAt(dir, message, hint) }})
		}
	}
	for _, f := range c.added() {
		list = append(list, whole(f.path))
	}
	return list
}

// listed are the directories of a key of rootwrap.conf.
func (c *config) listed(key string) []field {
	e, ok := c.key(key)
	if !ok {
		return nil
	}
	return c.conf.fields(e)
}

func refused(c *config) (found []Finding) {
	said := untrusted(c) // in the place where it is wrong
	add := func(err error) {
		one := c.errorAt(err)
		if !slices.ContainsFunc(said, func(f Finding) bool { return strings.HasSuffix(err.Error(), f.Message) }) {
			found, said = append(found, one), append(said, one)
		}
	}
	for _, f := range c.added() {
		if f.ini == nil && !errors.Is(f.err, fs.ErrPermission) {
			add(f.err)
		}
	}
	if c.refusal != nil && !errors.Is(c.refusal, fs.ErrPermission) {
		add(c.refusal)
	}
	return found
}

func notRead(c *config) (found []Finding) {
	for _, f := range c.added() {
		if errors.Is(f.err, fs.ErrPermission) {
			found = append(found, fileAt(f.path, "permission denied", ""))
		}
	}
	if len(found) == 0 && errors.Is(c.refusal, fs.ErrPermission) {
		found = append(found, c.errorAt(c.refusal))
	}
	return found
}

func untrusted(c *config) (found []Finding) {
	for _, o := range c.objects() {
		if err := o.trustErr(trust.Object); err != nil && !o.skip {
			found = append(found, o.at(err.Error(), ""))
		}
	}
	return found
}

func ancestors(c *config) (found []Finding) {
	seen := map[string]bool{}
	for _, o := range c.objects() {
		if o.trustErr(trust.Object) != nil {
			continue
		}
		err := o.trustErr(trust.Ancestors)
		if err == nil {
			continue
		}
		_, why, _ := strings.Cut(err.Error(), "cannot trust ")
		_, why, _ = strings.Cut(why, ": ")
		if why = strings.TrimPrefix(why, "its "); !seen[why] {
			seen[why] = true
			found = append(found, o.at(why, ""))
		}
	}
	return found
}

// removable looks at sections in a sandbox.d which somebody can rename: for filters of
// another directory, and for the implicit one.
func removable(c *config) (found []Finding) {
	for _, f := range c.overlay {
		o := object{path: f.path}
		err := o.trustErr(trust.Ancestors)
		if f.ini == nil || err == nil || o.trustErr(trust.Object) != nil {
			continue
		}
		dir := filepath.Dir(filepath.Dir(f.path))
		elsewhere := func(s *document.Section) bool {
			return slices.ContainsFunc(c.filters, func(filter *filter) bool {
				return (filter.file == nil || filepath.Dir(filter.file.path) != dir) && sectionOf(f, filter) == s.Name
			})
		}
		_, why, _ := strings.Cut(err.Error(), "cannot trust ")
		_, why, _ = strings.Cut(why, ": ")
		for _, s := range f.ini.Sections {
			if s.Name == "Sandbox" || strings.HasPrefix(s.Name, "Privsep:") || elsewhere(s) {
				found = append(found, f.at(f.whole(s.Line), fmt.Sprintf("%s: who owns it or writes to it can take section [%s] away, with %s", strings.TrimPrefix(why, "its "), s.Name, quote(dir)), ""))
			}
		}
	}
	return found
}

func notSearched(c *config) (found []Finding) {
	for _, d := range c.listed("exec_dirs") {
		o := object{path: d.text, dir: true}
		if err := o.trustErr(trust.Fixed); err != nil {
			found = append(found, c.conf.at(d.place, fmt.Sprintf("%s is not searched: %v", quote(d.text), err), ""))
		}
	}
	return found
}

func (c *config) missing(key string) (found []Finding) {
	for _, d := range c.listed(key) {
		if _, err := c.stat(d.text); filepath.IsAbs(d.text) && errors.Is(err, fs.ErrNotExist) {
			found = append(found, c.conf.at(d.place, quote(d.text)+" does not exist", ""))
		}
	}
	return found
}

func network(c *config) (found []Finding) {
	objects := c.objects()
	for _, f := range c.filters {
		if c.machine == nil || f.file == nil {
			continue
		}
		if p, err := c.find(f); err == nil {
			objects = append(objects, object{p.Path, false, false, func(message, hint string) Finding { return f.at(f.execField(), message, hint) }})
		}
	}
	for _, o := range objects {
		name, err := c.facts.NetworkFileSystem(o.path)
		if err != nil || name == "" {
			continue
		}
		found = append(found, o.at(fmt.Sprintf("%s: it is on a %s file system", filters.Untrusted(o.path), name), ""))
	}
	return found
}

// readableKey tells of a key that the modes of its file and of every directory above
// let others read. Which group is the service's cannot be told from here; and a place
// where others can write the daemon refuses by itself.
func readableKey(c *config) []Finding {
	if c.policy == nil || c.policy.KeyFile == "" {
		return nil
	}
	st, err := os.Stat(c.policy.KeyFile)
	if err != nil || st.Mode()&0o004 == 0 {
		return nil
	}
	for dir := filepath.Dir(c.policy.KeyFile); ; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err != nil || st.Mode()&0o001 == 0 {
			return nil
		}
		if dir == "/" {
			break
		}
	}
	e, _ := c.key("authkey_file")
	return []Finding{c.conf.at(c.conf.whole(e.Line), "others may read "+quote(c.policy.KeyFile), "chmod o= "+quote(c.policy.KeyFile))}
}
