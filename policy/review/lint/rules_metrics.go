package lint

import (
	"path/filepath"
	"slices"
	"strings"

	"ironwrap/policy/document"
)

// metricsRules are about the file of a daemon's counters, which each daemon writes anew.
var metricsRules = []*Rule{
	{
		ID: "shared-metrics-file", Severity: Warning,
		Title: "another configuration names the same metrics_file",
		Help:  "Each daemon replaces the whole file every ten seconds: what stands there is of the one that wrote last. The numbers jump to and fro, and a counter that falls looks like a new start. Name a file for each service.",
		check: func(c *config) []Finding {
			e, ok := c.key("metrics_file")
			if !ok {
				return nil
			}
			for _, other := range c.neighbours() {
				if f := c.readFile(other, document.Strict); f.names("metrics_file", e.Value) {
					return []Finding{c.conf.at(c.conf.whole(e.Line), quote(other)+" has metrics_file = "+quote(e.Value)+" too: the daemons overwrite each other's numbers", "")}
				}
			}
			return nil
		},
		finds: []example{
			{conf: "metrics_file=DIR/m.prom", setup: "mkdir ../other; cp rootwrap.conf ../other", at: "rootwrap.conf:4:1", says: "other/rootwrap.conf has metrics_file = DIR/m.prom too"},
			{conf: "metrics_file=DIR/m.prom", setup: "mkdir ../other; echo '[DEFAULT]\nmetrics_file = DIR/./m.prom' >../other/rootwrap.conf"},
		},
		passes: []example{
			{conf: "metrics_file=DIR/m.prom", setup: "mkdir ../other; sed s/m.prom/o.prom/ rootwrap.conf >../other/rootwrap.conf"},
			{conf: "metrics_file=DIR/m.prom", setup: "mkdir ../other; cp rootwrap.conf ../other/rootwrap.conf.old; ln -s ../rootwrap.conf d/rootwrap.conf"},
			{conf: "use_syslog=no", setup: "mkdir ../other; cp rootwrap.conf ../other"},
			{conf: "metrics_file=DIR/m.prom", setup: "mkdir ../other; echo metrics_file >../other/rootwrap.conf"},
		},
	},
	{
		ID: "metrics-of-many-daemons", Here: true, Severity: Note,
		Title: "metrics_file is set, and sudo lets a user start daemons of their own",
		Help:  "A service's agents each start a daemon through sudo, all with this configuration, and each daemon replaces the whole file: what stands there is of the one that wrote last. The daemon that systemd starts serves all of them: see daemon.md. Where all agents use it, the line of sudoers is not needed.",
		check: func(c *config) []Finding {
			e, ok := c.key("metrics_file")
			if !ok {
				return nil
			}
			found := c.commands(rootwrap, func(s *sudo, a *allowed) []Finding {
				if p := pinned(a.args); !strings.HasSuffix(a.program, "-daemon") || p.ok && !same(p.path, c.path) {
					return nil
				}
				return []Finding{c.conf.at(c.conf.whole(e.Line), a.may(a.who.String())+": each daemon that is started so overwrites this file", "")}
			})
			return found[:min(len(found), 1)]
		},
		finds: []example{
			{conf: "metrics_file=DIR/m.prom", sudoers: "nova ALL = (root) NOPASSWD: /usr/bin/nova-rootwrap-daemon DIR/rootwrap.conf", at: "rootwrap.conf:4:1", says: "overwrites this file"},
			{conf: "metrics_file=DIR/m.prom", sudoers: wrapped + "nova ALL = (root) NOPASSWD: /usr/bin/nova-rootwrap-daemon"},
		},
		passes: []example{
			{conf: "metrics_file=DIR/m.prom", sudoers: wrapped},
			{conf: "metrics_file=DIR/m.prom", sudoers: wrapped + "nova ALL = (root) NOPASSWD: /usr/bin/nova-rootwrap-daemon /etc/nova/rootwrap.conf"},
			{conf: "use_syslog=no", sudoers: "nova ALL = (root) NOPASSWD: /usr/bin/nova-rootwrap-daemon DIR/rootwrap.conf"},
		},
	},
}

// neighbours are the configurations of other services, where they lie as this one does.
func (c *config) neighbours() (found []string) {
	dir, name := filepath.Split(filepath.Clean(c.path))
	above := filepath.Dir(filepath.Clean(dir))
	for _, other := range c.names(above) {
		path := filepath.Join(above, other, name)
		if path != filepath.Clean(c.path) && c.there(path) && !(c.tree == nil && same(path, c.path)) {
			found = append(found, path)
		}
	}
	slices.Sort(found)
	return found
}

// names tells whether [DEFAULT] of a file gives a key the path value.
func (f *file) names(key, value string) bool {
	return f.ini != nil && slices.ContainsFunc(f.ini.Defaults, func(e document.Entry) bool {
		return e.Key == key && filepath.Clean(e.Value) == filepath.Clean(value)
	})
}
