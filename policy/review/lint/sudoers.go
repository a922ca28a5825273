package lint

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ironwrap/policy/account"
	"ironwrap/policy/review/sudoers/grants"
)

// Sudoers is what Facts knows of sudo on this machine.
type Sudoers struct {
	Path  string        // of the file that sudo begins with
	Rules *grants.Rules // nil where it could not be read
	Err   error         // why cvtsudoers refuses it; nil where it does not
	// Unread is what of sudo's rules was not read, and why: another source than the
	// file, or all of it.
	Unread []string
	Lines  []grants.Line
	Users  []string // whom the one who runs the check has named
	Named  bool     // the one who runs the check wants sudoers to be looked at
	Whole  bool     // the file is all that sudo reads, not the part of a package
}

// sudo is what sudoers allows those whom one configuration serves.
type sudo struct {
	*Sudoers
	config    *config
	served    []grants.Who
	groups    map[string]grants.Who // by user: the group for which they are served
	allowed   []*allowed
	unsure    []unsure
	ironwraps bool // some line of the file leads to ironwrap
}

// allowed is one command that a sudoers line lets somebody run.
type allowed struct {
	who     grants.Who
	rule    *grants.Grant
	command string // as it stands there
	program string // "" for ALL
	args    grants.Args
	target  target
	list    []grants.Member // the line's commands, without aliases

	kind  nature // what nature has found
	asked bool
}

// unsure is a word of a line of which it is not known whether it means somebody.
type unsure struct {
	who    grants.Who
	member grants.Member
	rule   *grants.Grant
}

// inForce tells whether a configuration lies where services have theirs.
func inForce(path string) bool { return strings.HasPrefix(filepath.Clean(path), "/etc/") }

// beside reads sudoers for the users of c; nil where nothing is to be said of it.
func (c *config) beside() *sudo {
	if c.asked {
		return c.sudo
	}
	c.asked = true
	facts := c.facts.Sudoers()
	if facts == nil {
		return nil
	}
	s := &sudo{Sudoers: facts, config: c}
	if s.Rules != nil {
		s.served = s.serves()
		s.enter()
		for _, w := range s.served {
			s.collect(w)
		}
		s.ironwraps = s.leadsToIronwrap()
	}
	if len(s.served) > 0 || s.Named || inForce(c.path) {
		c.sudo = s
	}
	return c.sudo
}

// besides says whose lines of sudoers were checked; "" where sudo is not looked at.
func (c *config) besides() string {
	s := c.beside()
	facts := c.facts.Sudoers()
	switch {
	case facts == nil:
		return ""
	case facts.Rules == nil && facts.Err != nil:
		return "sudo: nothing was checked for " + quote(c.path) + ": " + facts.Err.Error()
	case facts.Rules == nil:
		return "sudo: nothing was checked for " + quote(c.path) + ": " + strings.Join(facts.Unread, "; ")
	case s == nil || len(s.served) == 0:
		return "sudo: nobody's lines were checked for " + quote(c.path) + ", which no line names; --user NAME names whom it serves"
	}
	names := make([]string, len(s.served))
	for i, w := range s.served {
		names[i] = quote(w.String())
	}
	return "sudo: the lines of " + strings.Join(names, ", ") + " were checked for " + quote(c.path)
}

// SudoersLines reads the lines of a sudoers file, and of those that it includes. Files
// of somebody else's are not followed through links: a report cites the lines.
func SudoersLines(path string) []grants.Line {
	return grants.Lines(path, readText, func(dir string) (names []string) {
		entries, _ := os.ReadDir(dir) // one that is not there has none
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	})
}

// serves finds those whom the policy serves.
func (s *sudo) serves() (all []grants.Who) {
	add := func(list ...grants.Who) {
		for _, w := range list {
			if !slices.Contains(all, w) && w.User != "root" {
				all = append(all, w)
			}
		}
	}
	for _, name := range s.Users {
		add(grants.Who{User: name})
	}
	if p := s.config.policy; p != nil {
		for _, name := range p.AllowUsers {
			add(grants.Who{User: name})
		}
		for _, name := range p.AllowGroups {
			add(grants.Who{Group: name})
		}
	}
	service := filepath.Base(filepath.Dir(s.config.path))
	for i := range s.Rules.Grants {
		g := &s.Rules.Grants[i]
		for _, m := range s.Rules.Expand(g.Commands) {
			if !m.Negated && (names(m.Name, s.config.path) || leads(m.Name, s.config.path) || s.anyConfig(m.Name, service)) {
				add(s.Rules.Named(g.Users)...)
			}
		}
	}
	// /etc/nova/rootwrap.conf is nova's.
	if inForce(s.config.path) && service != "etc" {
		if u, err := account.Lookup(service); err == nil && u.UID != 0 {
			add(grants.Who{User: service})
		}
	}
	return all
}

// enter adds the members of the groups that are served: each has lines of their own.
func (s *sudo) enter() {
	s.groups = map[string]grants.Who{}
	for _, w := range s.served {
		if w.Group == "" {
			continue
		}
		for _, name := range grants.Members(w.Group) {
			if user := (grants.Who{User: name}); name != "root" && !slices.Contains(s.served, user) {
				s.served = append(s.served, user)
				s.groups[name] = w
			}
		}
	}
}

// names tells whether a command has path among its words, escaped or not.
func names(command, path string) bool {
	_, text, _ := strings.Cut(strings.ReplaceAll(command, `\`, ""), " ")
	i := strings.Index(text, path)
	if i < 0 {
		return false
	}
	rest := text[i+len(path):]
	return rest == "" || !pathByte.MatchString(rest[:1])
}

// leads tells whether a wrapper's command names the file at path in other words.
func leads(command, path string) bool {
	program, args := split(command)
	_, _, ok := wrapper(program)
	return ok && same(pinned(args).path, path)
}

// same tells whether two paths are one, or lead to one file.
func same(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

var pathByte = regexp.MustCompile(`[A-Za-z0-9_./-]`)

// anyConfig tells whether a command is a service's wrapper, with a configuration of
// the caller's choice.
func (s *sudo) anyConfig(command, service string) bool {
	program, args := split(command)
	name, _, ok := wrapper(program)
	return ok && !pinned(args).ok && (name == service || inForce(s.config.path) && (name == "" || name == "ironwrap"))
}

// split divides a command at the blank before its arguments. The path of a program
// may have blanks in it, which cvtsudoers does not tell from that one.
func split(command string) (program string, args grants.Args) {
	program, text, _ := strings.Cut(command, " ")
	if !exists(program) {
		for i := len(program) + 1; i < len(command); i++ {
			if (i+1 == len(command) || command[i+1] == ' ') && exists(command[:i+1]) {
				program, text = command[:i+1], strings.TrimPrefix(command[i+1:], " ")
				break
			}
		}
	}
	return program, grants.NewArgs(text)
}

// collect finds what w may run, later lines taking back what earlier ones give.
func (s *sudo) collect(w grants.Who) {
	var all []*allowed
	for i := range s.Rules.Grants {
		g := &s.Rules.Grants[i]
		is, unknown := s.Rules.Is(w, g.Users)
		for _, m := range unknown {
			s.unsure = append(s.unsure, unsure{w, m, g})
		}
		if group, ok := s.groups[w.User]; ok && is {
			is, _ = s.Rules.Is(group, g.Users)
			is = !is // what the whole group may is told of the group
		}
		if !is {
			continue
		}
		list := s.Rules.Expand(g.Commands)
		for _, m := range list {
			if m.Kind == "cmndalias" {
				continue // one that is not there
			}
			a := &allowed{who: w, rule: g, command: m.Name, list: list}
			if m.Name != "ALL" {
				a.program, a.args = split(m.Name)
			}
			a.target = s.target(w, g)
			if m.Negated {
				all = slices.DeleteFunc(all, a.takesBack)
			} else {
				all = append(all, a)
			}
		}
	}
	s.allowed = append(s.allowed, all...)
}

// takesBack tells whether a command that is forbidden takes back all of another that
// was allowed before: the same, or its program with any arguments, on all machines,
// and for all users as whom the other may be run.
func (a *allowed) takesBack(o *allowed) bool {
	same := a.command == "ALL" || a.command == o.command || a.program == o.program && a.args.Text == ""
	users := a.target.root && (a.target.any || !o.target.any && !o.target.self && len(o.target.users) <= 1 && o.target.root && o.target.group == "")
	return same && users && hosts(a.rule.Hosts) == ""
}

// target is as whom a command may be run.
type target struct {
	root  bool // as root, or in a group that comes to the same
	any   bool // as whoever there is, but perhaps root
	self  bool // as nobody else
	users []string
	group string // the group that comes to root, where no user does
}

// powerful are groups whose members are root by another name: they write disks, or
// have a daemon of root's that does what they say.
var powerful = []string{"root", "disk", "docker", "lxd", "incus-admin", "kmem"}

func (s *sudo) target(w grants.Who, g *grants.Grant) (t target) {
	users := s.Rules.Expand(g.RunasUsers)
	if g.RunasUsers == nil && g.RunasGroups == nil {
		users = []grants.Member{{Kind: "username", Name: s.defaultTarget(w)}}
	}
	root := grants.Who{User: "root"}
	t.root, _ = s.Rules.Is(root, users)
	for _, m := range users {
		switch {
		case m.Negated:
		case m.Kind == "username" && m.Name == "ALL":
			t.any = true
		case m.Kind == "username" && m.Name == "":
			t.self = true
		case m.Kind == "username" || m.Kind == "userid":
			t.users = append(t.users, m.Name)
		case m.Kind != "runasalias":
			t.any = true // the members of a group: whoever they are
		}
	}
	for _, m := range s.Rules.Expand(g.RunasGroups) {
		if m.Negated {
			continue
		}
		if m.Name == "ALL" || slices.Contains(powerful, m.Name) {
			t.group = m.Name
		}
	}
	if len(users) == 0 {
		t.self = true
	}
	return t
}

// defaultTarget is as whom sudo runs a command where the line does not say.
func (s *sudo) defaultTarget(w grants.Who) string {
	name := "root"
	for _, o := range s.Rules.Settings {
		if is, _ := s.Rules.Is(w, o.Binding); o.Name == "runas_default" && len(o.Values) == 1 && (o.Binding == nil || is) {
			name = o.Values[0]
		}
	}
	return name
}

// equal tells whether what is run as the target is as good as run by root, and how.
// seen are users that have been looked at.
func (s *sudo) equal(t target, seen []string) (bool, string) {
	switch {
	case t.root:
		return true, "root"
	case t.group != "":
		return true, "group " + quote(t.group)
	case t.any:
		return true, "any user"
	}
	for _, name := range t.users {
		if s.ruler(strings.TrimPrefix(name, "#"), seen) {
			return true, quote(name) + ", who can become root"
		}
	}
	return false, ""
}

// ruler tells whether a user is root by another name: by a group, or by sudoers.
func (s *sudo) ruler(name string, seen []string) bool {
	u, err := account.Lookup(name)
	if err == nil && u.UID == 0 {
		return true
	}
	for _, group := range powerful {
		if id, unknown := account.GID(group); err == nil && unknown == nil && slices.Contains(u.Groups, id) {
			return true
		}
	}
	if slices.Contains(seen, name) {
		return false
	}
	of := &sudo{Sudoers: s.Sudoers, config: s.config}
	of.collect(grants.Who{User: name})
	return slices.ContainsFunc(of.allowed, func(a *allowed) bool {
		as, _ := of.equal(a.target, append(slices.Clip(seen), name))
		_, _, ok := a.gives(rulers)
		return as && ok
	})
}

// settings are the Defaults that are in force for a command, in the order in which
// sudo obeys them: those for commands come last, but for the line's own tags.
func (s *sudo) settings(a *allowed) (list []grants.Setting) {
	for _, late := range []bool{false, true} {
		for _, o := range s.Rules.Settings {
			isLate := slices.ContainsFunc(s.Rules.Expand(o.Binding), func(m grants.Member) bool { return m.Kind == "command" })
			if isLate == late && s.binds(o, a) {
				list = append(list, o)
			}
		}
	}
	return append(list, a.rule.Options...)
}

// binds tells whether a Defaults line is for a command. cvtsudoers tells the user who
// calls ("Defaults:") from the one as whom it is run ("Defaults>") by nothing.
func (s *sudo) binds(o grants.Setting, a *allowed) bool {
	if o.Binding == nil {
		return true
	}
	if is, _ := s.Rules.Is(a.who, o.Binding); is {
		return true
	}
	for _, m := range s.Rules.Expand(o.Binding) {
		switch m.Kind {
		case "command":
			program, _ := split(m.Name)
			if m.Name == "ALL" || a.program == "" || program == a.program {
				return true
			}
		case "hostname", "networkaddr", "hostalias":
			return true // sudoers may be for many machines
		case "username":
			if m.Name == "root" && a.target.root && s.setting("Defaults>root", o.Name).Path != "" {
				return true
			}
		}
	}
	return false
}

// setting is the line that sets an option; an empty one where it cannot be told.
func (s *sudo) setting(how, option string) grants.Line {
	l, _ := grants.FindSetting(s.Lines, how, option)
	return l
}

// at makes a finding at a command, or at the file where its line cannot be told.
func (s *sudo) at(a *allowed, message, hint string, witness ...string) Finding {
	f := s.place(a.rule, a.command, message, hint)
	f.Witness = witness
	return f
}

func (s *sudo) place(g *grants.Grant, command, message, hint string) Finding {
	for _, m := range g.Users {
		if l, ok := grants.Find(s.Lines, m.String(), command); ok {
			return s.onLine(l, command, message, hint)
		}
	}
	l, _ := grants.Find(s.Lines, "", command) // in an alias, or with other users
	return s.onLine(l, command, message, hint)
}

func (s *sudo) onLine(l grants.Line, text, message, hint string) Finding {
	f := Finding{Path: s.Path, Message: message, Hint: hint}
	if l.Path == "" {
		return f
	}
	f.Path, f.Line, f.Cited = l.Path, l.Number, l.First
	f.Column, f.Width = mark(l.First, text)
	return f
}

// mark is where a text stands in a line, the last if there are more; else where the
// line begins and how long it is. In characters, from 1.
func mark(line, text string) (column, width int) {
	if i := strings.LastIndex(line, text); i >= 0 && text != "" {
		return len([]rune(line[:i])) + 1, len([]rune(text))
	}
	trimmed := strings.TrimSpace(line)
	return len([]rune(line)) - len([]rune(strings.TrimLeft(line, " \t"))) + 1, max(len([]rune(trimmed)), 1)
}

// may begins a message: who may run what.
func (a *allowed) may(as string) string {
	who := quote(a.who.User)
	if a.who.Group != "" {
		who = "group " + quote(a.who.Group)
	} else if a.who.User == "" {
		who = "everybody"
	}
	command := quote(a.command)
	if a.program == "" {
		command = "every command"
	} else if a.args.Text == "" {
		command += " with any arguments"
	}
	text := who + " may run " + command
	if as != "" {
		text += " as " + as
	}
	return text + hosts(a.rule.Hosts)
}

// hosts says on which machines, where that is not all.
func hosts(list []grants.Member) string {
	var words []string
	for _, m := range list {
		if m.Name == "ALL" && !m.Negated {
			return ""
		}
		words = append(words, strings.Repeat("!", btoi(m.Negated))+quote(m.Name))
	}
	if len(words) == 0 {
		return ""
	}
	return " on " + strings.Join(words, ", ")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// called is the command line of sudo's that runs argv.
func (a *allowed) called(argv []string) []string {
	words := []string{"sudo"}
	switch t := a.target; {
	case t.root:
	case len(t.users) > 0:
		words = append(words, "-u", t.users[0])
	case t.any:
		words = append(words, "-u", "nobody")
	case t.group != "" && t.group != "ALL":
		words = append(words, "-g", t.group)
	}
	return append(words, argv...)
}

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
func denied(err error) bool  { return errors.Is(err, fs.ErrPermission) }
