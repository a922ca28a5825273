package grants

import (
	"slices"
	"strconv"
	"strings"

	"ironwrap/policy/account"
	"ironwrap/policy/trust"
)

// Who is somebody whose lines are looked for: a user, a group or, as the zero Who,
// whoever there is.
type Who struct {
	User, Group string
}

func (w Who) String() string {
	switch {
	case w.User != "":
		return w.User
	case w.Group != "":
		return "%" + w.Group
	}
	return "ALL"
}

// Is tells whether a list of users means w: the last word about them counts, as in
// sudo. unsure are words about which nothing can be said here: netgroups, groups of a
// plug-in, groups where the user is not known on this machine.
func (r *Rules) Is(w Who, list []Member) (is bool, unsure []Member) {
	for _, m := range slices.Backward(r.Expand(list)) {
		switch w.is(m) {
		case yes:
			return !m.Negated, unsure
		case unknown:
			unsure = append(unsure, m)
		}
	}
	return false, unsure
}

type answer int

const (
	no answer = iota
	yes
	unknown
)

func (w Who) is(m Member) answer {
	switch m.Kind {
	case "username":
		return either(m.Name == "ALL" || w.User != "" && strings.EqualFold(m.Name, w.User))
	case "userid", "usergid", "usergroup":
		return w.belongs(m)
	case "useralias", "nobody":
		return no // one that is not there
	}
	return unknown // netgroup, nonunixgroup, and what is not known here
}

func either(is bool) answer {
	if is {
		return yes
	}
	return no
}

// belongs asks the user and group databases.
func (w Who) belongs(m Member) answer {
	if w.User == "" {
		return w.group(m)
	}
	u, err := account.Lookup(w.User)
	if err != nil {
		return unknown
	}
	var id uint32
	if m.Kind == "usergroup" {
		if id, err = account.GID(m.Name); err != nil {
			return no // a group that is not there has no members
		}
	} else {
		n, err := strconv.ParseUint(m.Name, 10, 32)
		if err != nil {
			return unknown
		}
		id = uint32(n)
	}
	if m.Kind == "userid" {
		return either(u.UID == id)
	}
	return either(slices.Contains(u.Groups, id))
}

func (w Who) group(m Member) answer {
	switch {
	case w.Group == "" || m.Kind == "userid":
		return no
	case m.Kind == "usergroup":
		return either(strings.EqualFold(m.Name, w.Group))
	}
	id, err := account.GID(w.Group)
	return either(err == nil && strconv.FormatUint(uint64(id), 10) == m.Name)
}

// Named are those whom a list names, who can be asked about, and not root.
func (r *Rules) Named(list []Member) (all []Who) {
	for _, m := range r.Expand(list) {
		switch {
		case m.Negated:
		case m.Kind == "username" && m.Name == "ALL":
			all = append(all, Who{})
		case m.Kind == "username" && m.Name != "root":
			all = append(all, Who{User: m.Name})
		case m.Kind == "usergroup":
			all = append(all, Who{Group: m.Name})
		case m.Kind == "userid" && m.Name != "0":
			if id, err := strconv.ParseUint(m.Name, 10, 32); err == nil {
				if name := account.Name(uint32(id)); name != m.Name {
					all = append(all, Who{User: name})
				}
			}
		}
	}
	return all
}

// Members are the users of a group, by /etc/group and /etc/passwd; none of a group that
// only a name service knows.
func Members(group string) (users []string) {
	id, err := account.GID(group)
	if err != nil {
		return nil
	}
	gid := strconv.FormatUint(uint64(id), 10)
	add := func(name string) {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(users, name) {
			users = append(users, name)
		}
	}
	for _, f := range database(account.GroupFile, 4) {
		if f[2] == gid {
			for _, name := range strings.Split(f[3], ",") {
				add(name)
			}
		}
	}
	for _, f := range database(account.PasswdFile, 7) {
		if f[3] == gid {
			add(f[0])
		}
	}
	return users
}

// database are the lines of passwd(5) or group(5) that have all their fields.
func database(path string, fields int) (lines [][]string) {
	data, err := trust.File(path, trust.Parent)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), ":"); len(f) == fields && line[0] != '#' {
			lines = append(lines, f)
		}
	}
	return lines
}
