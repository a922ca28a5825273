package exposure

import (
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
)

// narrow is a row: a call of programs that services make, as the words of a filter that
// allows little more.
type narrow struct {
	class    string // RegExpFilter, PathFilter, or IpFilter
	programs string
	words    string // {…} is one of blanks
}

// narrowed are proposals alone: each is rated before somebody sees it.
var narrowed = []narrow{
	{"IpFilter", "ip", ""},
	{"RegExpFilter", "lvs pvs vgs", "--noheadings --unit=g -o {fields} --nosuffix {name}"},
	{"RegExpFilter", "lvdisplay", "--noheading -C -o {fields} {volume}"},
	{"RegExpFilter", "lvcreate", "-n {name} -L {size} {name}"},
	{"RegExpFilter", "lvextend", "-L {size} {volume}"},
	{"RegExpFilter", "lvremove", "-f {volume}"},
	{"RegExpFilter", "lvrename", "{name} {name} {name}"},
	{"RegExpFilter", "lvchange", "-a y --yes {volume}"},
	{"RegExpFilter", "lvconvert", "--merge {volume}"},
	{"RegExpFilter", "vgcreate", "{name} /dev/{disk}"},
	{"RegExpFilter", "zfs zpool", "list -H -o {fields} {name}"},
	{"RegExpFilter", "ovs-vsctl", "--timeout={number} --may-exist add-port {name} {name}"},
	{"RegExpFilter", "ovs-ofctl", "dump-flows {name}"},
	{"RegExpFilter", "ovs-appctl", "fdb/show {name}"},
	{"RegExpFilter", "sysctl", "-w net\\.ipv[46]\\.(conf|neigh)\\.{name}={number}"},
	{"RegExpFilter", "systemctl", "restart {name}\\.service"},
	{"RegExpFilter", "service", "{name} restart"},
	{"RegExpFilter", "iptables ip6tables", "-t {name} -S"},
	{"RegExpFilter", "iptables-save ip6tables-save", "-t {name}"},
	{"RegExpFilter", "iptables-restore ip6tables-restore", "-n"},
	{"RegExpFilter", "haproxy", "-f /etc/{service}/{name}"},
	{"RegExpFilter", "keepalived", "-P -f /etc/{service}/{name} -p /run/{name}"},
	{"RegExpFilter", "dnsmasq", "--conf-file=/etc/{service}/{name}"},
	{"RegExpFilter", "smbd", "-s /etc/samba/smb\\.conf -D"},
	{"RegExpFilter", "tcpdump", "-n -c {number} -i {name}"},
	{"RegExpFilter", "mount", "-t nfs -o nosuid\\x2cnodev {host}:/{name} /mnt/{name}"},
	{"RegExpFilter", "find", "/var/lib/{service} -maxdepth {number} -name {name}"},
	{"RegExpFilter", "exportfs", "-v"},
	{"RegExpFilter", "qemu-img", "info --output=json /dev/mapper/{name}"},
	{"RegExpFilter", "docker podman", "ps"},
	{"RegExpFilter", "cinder-rtstool", "get-targets"},
	{"RegExpFilter", "dhclient", "-r {name}"},
	{"PathFilter", "chown", "{service}:{service} {dir}"},
	{"PathFilter", "chgrp", "{service} {dir}"},
	{"PathFilter", "chmod", "0660 {dir}"},
	{"PathFilter", "tee cat rm rmdir mkdir touch du", "{dir}"},
	{"PathFilter", "cp mv ln", "{dir} {dir}"},
}

// blanks are what a row leaves open, as a pattern. None takes a word that begins with a
// dash, or that leads out of a directory.
var blanks = strings.NewReplacer(
	"{name}", `[A-Za-z0-9][A-Za-z0-9_.-]*`, "{volume}", `[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*`,
	"{number}", `[0-9]+`, "{size}", `[0-9]+[bskmgt]?`, "{fields}", `[a-z_]+`, "{host}", `[a-z0-9][a-z0-9.-]*`, "{disk}", `[a-z]+`,
)

// tighter are patterns for the place of one that takes more.
var tighter = []string{`{number}`, `{name}`, `/etc/{service}/{name}`, `/run/{name}`, `[^-/].*`}

// confining are sections for programs that can do with them, by the programs.
var confining = []struct {
	programs string
	section  func(service string) policy.Sandbox
}{
	{"tee cat cp mv head tail dd qemu-img curl wget", func(service string) policy.Sandbox {
		return policy.Sandbox{Capabilities: []string{}, LandlockRO: []string{"/usr", "/lib", "/lib64"}, LandlockRW: []string{"/var/lib/" + service}}
	}},
	{"iptables ip6tables iptables-restore ip6tables-restore iptables-save ip6tables-save haproxy keepalived dnsmasq tcpdump ovs-vsctl ovs-ofctl ovs-appctl dhclient", func(service string) policy.Sandbox {
		return policy.Sandbox{Seccomp: "network", Capabilities: []string{"cap_net_admin", "cap_net_raw", "cap_net_bind_service"},
			LandlockRO: []string{"/usr", "/lib", "/lib64"}, LandlockRW: []string{"/run", "/var/lib/" + service}}
	}},
}

// draft is a filter that is being made narrower.
type draft struct {
	class, exec, runAs string
	vars               []filters.Var
	name               string // pattern of the first word
	args               []string
}

func draftOf(e *policy.Entry) draft {
	s := filters.ShapeOf(e.Filter)
	return draft{e.Class, e.Exec(), e.RunAs(), s.Vars, s.Name, s.Args}
}

// definition is the draft as a line of a filters file has it.
func (d draft) definition() string {
	if d.class == "EnvFilter" {
		words := []string{d.class, "env", d.runAs}
		for _, v := range d.vars {
			words = append(words, v.Name.Raw()+"="+v.Value.Raw())
		}
		return strings.Join(append(append(words, d.exec), d.args...), ", ")
	}
	words := []string{d.class, d.exec, d.runAs}
	if d.class == "RegExpFilter" || d.class == "ChainingRegExpFilter" {
		words = append(words, d.name)
	}
	return strings.Join(append(words, d.args...), ", ")
}

// attempt is a filter to try in the place of another.
type attempt struct {
	kind  string
	entry policy.Entry
	lines func(name string) []string
}

// remedies are what might leave less of a filter; what they leave is not asked yet. Those
// that change least come first.
func remedies(e *policy.Entry, service string) []attempt {
	if e.File == "" {
		return nil
	}
	var all []attempt
	for _, d := range drafts(e, service) {
		f, err := filters.New(d.definition())
		if err != nil {
			continue
		}
		r := attempt{kind: Narrower, entry: *e, lines: func(name string) []string { return []string{name + ": " + d.definition()} }}
		r.entry.Filter, r.entry.Class = f, d.class
		if d.class == "PathFilter" && e.Sandbox == nil {
			r = r.pin(d.definition())
		}
		if s := newSubject(&r.entry); s.matchable() {
			all = append(all, r)
		}
	}
	if r := (attempt{kind: Section, entry: *e}).pin(); e.Class == "PathFilter" && e.Sandbox == nil && r.lines != nil {
		all = append(all, r)
	}
	program := family(baseName(e.Exec()))
	for _, row := range confining {
		if e.Sandbox == nil && slices.Contains(strings.Fields(row.programs), program) {
			section := row.section(service)
			r := attempt{kind: Section, entry: *e, lines: func(name string) []string { return append([]string{"[Sandbox:" + name + "]"}, sections(&section)...) }}
			r.entry.Sandbox = &section
			all = append(all, r)
		}
	}
	return all
}

// pin gives the command the files that were checked. Programs that make, move or remove
// what a path names cannot do with that.
func (r attempt) pin(definition ...string) attempt {
	if !slices.Contains(strings.Fields("chown chgrp chmod tee cat touch du head tail"), family(baseName(r.entry.Exec()))) {
		return r
	}
	r.entry.Sandbox = &policy.Sandbox{PinPaths: true}
	r.lines = func(name string) (lines []string) {
		for _, d := range definition {
			lines = append(lines, name+": "+d)
		}
		return append(lines, "[Sandbox:"+name+"]", "pin_paths = yes")
	}
	return r
}

// matchable tells whether some command is allowed: of a filter that allows none nothing
// is left, which is no remedy.
func (s *subject) matchable() bool {
	_, ok := s.some()
	return ok || s.entry.Class == "IpFilter"
}

// drafts are narrower filters, each of which allows nothing that e does not.
func drafts(e *policy.Entry, service string) (all []draft) {
	s := newSubject(e)
	d := draftOf(e)
	fixed, changed := d.fixVars(service)
	if changed {
		all = append(all, fixed)
	}
	switch {
	case s.shape.Path, s.own():
	case s.open && (d.class == "CommandFilter" || d.class == "EnvFilter"):
		for _, row := range narrowed {
			if slices.Contains(strings.Fields(row.programs), family(baseName(d.exec))) {
				all = append(all, fixed.fill(row, service)...)
			}
		}
	case len(s.slots) > 0:
		all = append(all, fixed.tighten(s, service)...)
	}
	return all
}

// fixVars gives a value to the variables that may have any.
func (d draft) fixVars(service string) (draft, bool) {
	changed := false
	d.vars = slices.Clone(d.vars)
	for i, v := range d.vars {
		if v.Value != "" {
			continue
		}
		for _, row := range variables {
			if row.name == v.Name.Raw() {
				d.vars[i].Value, changed = filters.Untrusted("/etc/"+service), true
			}
		}
	}
	return d, changed
}

// fill writes the words of a row into the filter. An EnvFilter stays one.
func (d draft) fill(row narrow, service string) []draft {
	if d.class == "EnvFilter" && row.class != "RegExpFilter" {
		return nil
	}
	d.args = nil
	for _, w := range strings.Fields(row.words) {
		d.args = append(d.args, blank(w, service))
	}
	if d.class != "EnvFilter" {
		d.class, d.name = row.class, baseName(d.exec)
	}
	return []draft{d}
}

func blank(word, service string) string {
	return blanks.Replace(strings.NewReplacer("{service}", service, "{dir}", "/var/lib/"+service).Replace(word))
}

// tighten puts tighter patterns in the place of one that takes much, then in that of all.
func (d draft) tighten(s *subject, service string) (all []draft) {
	for _, t := range tighter {
		t = blank(t, service)
		every := d
		every.args = slices.Clone(d.args)
		n := 0
		for i, sl := range s.slots {
			if !takesAll(t, sl) {
				continue
			}
			n++
			one := d
			one.args = slices.Clone(d.args)
			one.args[i], every.args[i] = t, t
			all = append(all, one)
		}
		if n > 1 {
			all = append(all, every)
		}
	}
	return all
}

// takesAll tells whether a slot takes all that a pattern matches, and more than a few words.
func takesAll(pattern string, sl slot) bool {
	memory.Lock()
	defer memory.Unlock()
	if !sl.loose {
		return false
	}
	tight := newSlot(pattern, false)
	subset, err := tight.word.Within(bound).Subset(sl.word)
	return err == nil && subset
}

// serviceOf is whose a configuration is: of /etc/nova/rootwrap.conf nova.
func serviceOf(config string) string {
	parts := strings.Split(config, "/")
	if len(parts) < 2 {
		return "service"
	}
	name := parts[len(parts)-2]
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return "service"
		}
	}
	if name == "" || name == "etc" {
		return "service"
	}
	return name
}

// The kinds of changes.
const (
	Narrower      = "narrower filter"
	Section       = "sandbox section"
	Configuration = "configuration"
)
