// Package grants reads what sudo allows whom: sudoers as cvtsudoers prints it. It is for
// ironwrapctl alone, which asks what stands beside a policy.
package grants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Rules are what a sudoers file says, as "cvtsudoers -f json" prints it
// (cvtsudoers(1), sudoers(5)).
type Rules struct {
	Settings []Setting // Defaults, in order
	Grants   []Grant   // in order: the last that matches counts
	// Strange are parts that are not known here: sudo may read more out of the file
	// than stands in Rules.
	Strange []string

	aliases map[string][]Member // by the kind of member that names them, and name
}

// Setting is one option of a Defaults line.
type Setting struct {
	Name    string
	Add     bool     // to a list, instead of setting it
	Remove  bool     // from a list
	On      bool     // false where it is switched off
	Values  []string // of a list or a text
	Binding []Member // for whom, on what, or for which command; nil for all
}

// Grant is one part of a user specification: some commands, as some users.
type Grant struct {
	Users, Hosts []Member
	// RunasUsers and RunasGroups are nil where the line has none. A user "" is the
	// one who calls.
	RunasUsers, RunasGroups []Member
	Options                 []Setting // tags: setenv, authenticate, runcwd, runchroot
	Commands                []Member
}

// Member is one word of a list: a user, a host, a command.
type Member struct {
	Kind    string // username, usergroup, userid, usergid, netgroup, hostname, command, ...
	Name    string // for a command: its path, and its arguments behind a blank
	Negated bool
}

// String is the member as a sudoers file has it.
func (m Member) String() string {
	switch m.Kind {
	case "usergroup":
		return "%" + m.Name
	case "userid":
		return "#" + m.Name
	case "usergid":
		return "%#" + m.Name
	case "netgroup":
		return "+" + m.Name
	case "nonunixgroup":
		return "%:" + m.Name
	}
	return m.Name
}

// The kinds of members that stand for others, and where those are listed.
var aliasKinds = map[string]string{
	"useralias": "User_Aliases", "runasalias": "Runas_Aliases", "hostalias": "Host_Aliases", "cmndalias": "Command_Aliases",
}

// MaxSize is how long the text of Read may be, in bytes.
const MaxSize = 16 << 20

// Read reads the output of "cvtsudoers -f json", with its aliases expanded (-e) or
// not. What is in it that is not known is passed over, and told in Strange.
func Read(data []byte) (*Rules, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("it is longer than %d bytes", MaxSize)
	}
	var top map[string]any
	d := json.NewDecoder(bytes.NewReader(mend(data)))
	d.UseNumber()
	if err := d.Decode(&top); err != nil {
		return nil, fmt.Errorf("it is not the JSON of cvtsudoers: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("it is not the JSON of cvtsudoers: something follows it")
	}
	if top == nil {
		return nil, errors.New("it is not the JSON of cvtsudoers: null")
	}
	r := &Rules{aliases: map[string][]Member{}}
	for _, key := range slices.Sorted(maps.Keys(top)) {
		switch kind := aliasOf(key); {
		case kind != "":
			for name, list := range r.object(key, top[key]) {
				r.aliases[kind+" "+name] = r.members(key, list)
			}
		case key == "Defaults":
			r.defaults(top[key])
		case key == "User_Specs":
			r.specs(top[key])
		default:
			r.strange("%s", key)
		}
	}
	return r, nil
}

func aliasOf(key string) string {
	for kind, list := range aliasKinds {
		if list == key {
			return kind
		}
	}
	return ""
}

// mend puts braces around the pairs that cvtsudoers 1.9.13 writes into arrays
// without them: "Options": [ "runcwd": "*" ].
func mend(data []byte) []byte {
	var out []byte
	var open []byte // brackets and braces
	for i := 0; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			end := stringEnd(data, i)
			rest := skipBlank(data, end)
			if len(open) > 0 && open[len(open)-1] == '[' && rest < len(data) && data[rest] == ':' {
				value := skipBlank(data, rest+1)
				if value < len(data) && data[value] == '"' {
					last := stringEnd(data, value)
					out = append(append(append(out, '{'), data[i:last]...), '}')
					i = last
					continue
				}
			}
			out = append(out, data[i:end]...)
			i = end
			continue
		case c == '[' || c == '{':
			open = append(open, c)
		case (c == ']' || c == '}') && len(open) > 0:
			open = open[:len(open)-1]
		}
		out = append(out, data[i])
		i++
	}
	return out
}

// stringEnd is where the string that begins at i has ended.
func stringEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}

func skipBlank(data []byte, i int) int {
	for i < len(data) && strings.IndexByte(" \t\r\n", data[i]) >= 0 {
		i++
	}
	return i
}

func (r *Rules) strange(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(r.Strange, s) {
		r.Strange = append(r.Strange, s)
	}
}

func (r *Rules) list(where string, v any) []any {
	list, ok := v.([]any)
	if !ok {
		r.strange("%s is not a list", where)
	}
	return list
}

func (r *Rules) object(where string, v any) map[string]any {
	object, ok := v.(map[string]any)
	if !ok {
		r.strange("%s is not an object", where)
	}
	return object
}

func (r *Rules) defaults(v any) {
	for _, item := range r.list("Defaults", v) {
		var binding []Member
		object := r.object("Defaults", item)
		for key, value := range object {
			switch key {
			case "Binding":
				if binding = r.members(key, value); len(binding) == 0 {
					binding = []Member{{Kind: "nobody"}}
				}
			case "Options":
			default:
				r.strange("Defaults: %s", key)
			}
		}
		for _, s := range r.options("Defaults", object["Options"]) {
			s.Binding = binding
			r.Settings = append(r.Settings, s)
		}
	}
}

func (r *Rules) options(where string, v any) (settings []Setting) {
	for _, item := range r.list(where+": Options", v) {
		object := r.object(where+": Options", item)
		operation, _ := object["operation"].(string)
		for _, name := range slices.Sorted(maps.Keys(object)) {
			if name == "operation" {
				continue
			}
			s := Setting{Name: name, On: true, Add: operation == "list_add", Remove: operation == "list_remove"}
			switch value := object[name].(type) {
			case bool:
				s.On = value
			case string:
				s.Values = []string{value}
			case json.Number:
				s.Values = []string{value.String()}
			case []any:
				s.Values = r.texts(where+": "+name, value)
			default:
				r.strange("%s: %s", where, name)
			}
			settings = append(settings, s)
		}
	}
	return settings
}

func (r *Rules) texts(where string, list []any) (texts []string) {
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			r.strange("%s", where)
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

func (r *Rules) specs(v any) {
	for _, item := range r.list("User_Specs", v) {
		var users, hosts []Member
		object := r.object("User_Specs", item)
		for _, key := range slices.Sorted(maps.Keys(object)) {
			switch key {
			case "User_List":
				users = r.members(key, object[key])
			case "Host_List":
				hosts = r.members(key, object[key])
			case "Cmnd_Specs":
			default:
				r.strange("User_Specs: %s", key)
			}
		}
		for _, item := range r.list("Cmnd_Specs", object["Cmnd_Specs"]) {
			g := Grant{Users: users, Hosts: hosts}
			r.command(&g, r.object("Cmnd_Specs", item))
			r.Grants = append(r.Grants, g)
		}
	}
}

func (r *Rules) command(g *Grant, object map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(object)) {
		switch key {
		case "runasusers":
			g.RunasUsers = r.members(key, object[key])
		case "runasgroups":
			g.RunasGroups = r.members(key, object[key])
		case "Options":
			g.Options = r.options("Cmnd_Specs", object[key])
		case "Commands":
			g.Commands = r.members(key, object[key])
		case "SELinux_Spec", "AppArmor_Spec", "Solaris_Priv_Spec":
		default:
			r.strange("Cmnd_Specs: %s", key)
		}
	}
}

// What a member may say besides its name: digests only narrow a command.
var narrowing = []string{"negated", "sha224", "sha256", "sha384", "sha512"}

func (r *Rules) members(where string, v any) (members []Member) {
	for _, item := range r.list(where, v) {
		m := Member{}
		object := r.object(where, item)
		m.Negated, _ = object["negated"].(bool)
		for _, kind := range slices.Sorted(maps.Keys(object)) {
			if slices.Contains(narrowing, kind) {
				continue
			}
			name, ok := object[kind].(string)
			if number, is := object[kind].(json.Number); is { // an id
				name, ok = number.String(), true
			}
			if !ok || m.Kind != "" {
				r.strange("%s: %s", where, kind)
				continue
			}
			m.Kind, m.Name = kind, name
		}
		if m.Kind == "" {
			r.strange("%s: a member without a name", where)
			continue
		}
		members = append(members, m)
	}
	return members
}

// Expand puts what they stand for in the place of aliases. An alias that is not
// there, or stands for itself, stays, and matches nothing.
func (r *Rules) Expand(list []Member) []Member {
	left := maxMembers
	return r.expand(list, nil, &left)
}

// maxMembers is how long a list may become, against aliases that double each other.
const maxMembers = 100_000

func (r *Rules) expand(list []Member, through []string, left *int) (out []Member) {
	for _, m := range list {
		key := m.Kind + " " + m.Name
		inner, ok := r.aliases[key]
		if *left--; *left < 0 {
			r.strange("aliases that stand for more than %d words", maxMembers)
			return out
		}
		if !ok || slices.Contains(through, key) {
			out = append(out, m)
			continue
		}
		for _, i := range r.expand(inner, append(slices.Clip(through), key), left) {
			i.Negated = i.Negated != m.Negated
			out = append(out, i)
		}
	}
	return out
}
