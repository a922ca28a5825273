package expect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ironwrap/filters"
	"ironwrap/policy/review/plainyaml"
)

// Read reads a file of expectations. The error begins with where in it.
func Read(path string) (*Suite, error) {
	s := &Suite{Path: path}
	return s, plainyaml.Read(path, s.parse)
}

// Parse reads expectations; path is for messages, and what Config is relative to.
func Parse(path string, data []byte) (*Suite, error) {
	s := &Suite{Path: path}
	return s, plainyaml.Parse(path, data, s.parse)
}

const nothing = "a suite that expects nothing holds whatever the policy says"

func (s *Suite) parse(top *yaml.Node) error {
	if top == nil {
		return errors.New("it is empty: " + nothing)
	}
	err := plainyaml.Each(top, map[string]func(*yaml.Node) error{
		"config":          plainyaml.Scalar(&s.Config),
		"assume_programs": plainyaml.Decode(&s.AssumePrograms),
		"groups":          s.groups,
	})
	switch {
	case err != nil:
		return err
	case s.Config == "":
		return plainyaml.At(top, "config is missing: which rootwrap.conf are the expectations about?")
	case len(s.Groups) == 0:
		return plainyaml.At(top, "groups is missing: "+nothing)
	}
	return nil
}

func (s *Suite) groups(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return plainyaml.At(n, "groups are names, each with a list of expectations")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, list := n.Content[i], n.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || name.Value == "":
			return plainyaml.At(name, "the group has no name")
		case seen[name.Value]:
			return plainyaml.At(name, "group %s is given twice", filters.Show(name.Value))
		case list.Kind != yaml.SequenceNode || len(list.Content) == 0:
			return plainyaml.At(name, "group %s has no list of expectations", filters.Show(name.Value))
		}
		seen[name.Value] = true
		g := Group{Name: name.Value}
		for _, item := range list.Content {
			cases, err := parseCases(item)
			if err != nil {
				return err
			}
			g.Cases = append(g.Cases, cases...)
		}
		s.Groups = append(s.Groups, g)
	}
	return nil
}

// command is one line of a case.
type command struct {
	line  int
	words []filters.Untrusted
}

// parseCases reads an item of a group: what is expected of each of its commands.
func parseCases(n *yaml.Node) (cases []Case, err error) {
	var c Case
	var commands []command
	var argv command
	outcome := func(o Outcome) func(*yaml.Node) error {
		return func(n *yaml.Node) (err error) {
			if c.Outcome != "" {
				return plainyaml.At(n, "it has one of allow, refuse and missing, not two")
			}
			c.Outcome = o
			commands, err = parseCommands(n)
			return err
		}
	}
	err = plainyaml.Each(n, map[string]func(*yaml.Node) error{
		"allow": outcome(Allow), "refuse": outcome(Refuse), "missing": outcome(Missing),
		"caller": plainyaml.Scalar(&c.Caller), "given_env": plainyaml.Decode(&c.Given),
		"by": plainyaml.Scalar(&c.By), "nested": plainyaml.Scalar(&c.Nested), "run_as": plainyaml.Scalar(&c.RunAs),
		"uid": plainyaml.Decode(&c.UID), "gid": plainyaml.Decode(&c.GID), "groups": plainyaml.Decode(&c.Groups),
		"executable": plainyaml.Scalar(&c.Executable), "env": plainyaml.Decode(&c.Env), "sandbox": sandbox(&c.Sandbox),
		"argv": func(n *yaml.Node) (err error) { argv, err = parseCommand(n); return err },
	})
	if err != nil {
		return nil, err
	}
	c.Argv = argv.words
	if c.Outcome == "" {
		return nil, plainyaml.At(n, "it has none of allow, refuse and missing")
	}
	if err := c.fits(); err != nil {
		return nil, plainyaml.At(n, "%v", err)
	}
	for _, command := range commands {
		c.Line, c.Command = command.line, command.words
		cases = append(cases, c)
	}
	return cases, nil
}

// fits tells what cannot be expected of a command that does not run.
func (c Case) fits() error {
	runs := c.Nested != "" || c.RunAs != "" || c.UID != nil || c.GID != nil || c.Groups != nil || c.Executable != "" || c.Argv != nil || c.Env != nil || c.Sandbox != nil
	switch {
	case c.Outcome != Allow && runs:
		return fmt.Errorf("a command that is not allowed has no nested, run_as, uid, gid, groups, executable, argv, env or sandbox")
	case c.Outcome == Refuse && c.By != "":
		return fmt.Errorf("no filter refuses a command: leave out by")
	}
	return nil
}

func parseCommands(n *yaml.Node) (list []command, err error) {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	if len(nodes) == 0 {
		return nil, plainyaml.At(n, "the command is missing")
	}
	for _, n := range nodes {
		c, err := parseCommand(n)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func parseCommand(n *yaml.Node) (command, error) {
	if n.Kind != yaml.ScalarNode {
		return command{}, plainyaml.At(n, "a command is one line: put it into single quotes where it holds \": \" or \" #\", or begins with a double quote")
	}
	if strings.ContainsAny(n.Value, "\n\t") {
		return command{}, plainyaml.At(n, "a command is one line, with blanks between its words: write a line break within a word as \\n, in double quotes, and a tab as \\t")
	}
	words, err := filters.UnquoteLine(n.Value)
	if err != nil {
		return command{}, plainyaml.At(n, "%v", err)
	}
	if len(words) == 0 {
		return command{}, plainyaml.At(n, "the command is missing")
	}
	return command{n.Line, words}, nil
}

// sandbox reads values as JSON has them, but for umask, which is not the number that
// YAML takes it for.
func sandbox(to *map[string]any) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		*to = map[string]any{}
		keys := map[string]func(*yaml.Node) error{}
		for _, key := range SandboxKeys {
			keys[key] = func(n *yaml.Node) error {
				if key == "umask" {
					mask, err := strconv.ParseUint(n.Value, 8, 9)
					if err != nil {
						return plainyaml.At(n, "umask is a number of up to three octal digits")
					}
					(*to)[key] = fmt.Sprintf("%04o", mask)
					return nil
				}
				var value any
				if err := n.Decode(&value); err != nil {
					return err
				}
				text, err := json.Marshal(value)
				if err != nil {
					return err
				}
				value = nil
				err = json.Unmarshal(text, &value)
				(*to)[key] = value
				return err
			}
		}
		return plainyaml.Each(n, keys)
	}
}

// Write writes a suite, for people to go on with. Comment stands at its head.
func (s Suite) Write(w io.Writer, comment string) error {
	top := mapping("config", text1(s.Config))
	top.HeadComment = "# " + strings.ReplaceAll(filters.Prose(comment), "\n", "\n# ")
	if s.AssumePrograms {
		add(top, "assume_programs", &yaml.Node{Kind: yaml.ScalarNode, Value: "true"})
	}
	groups := mapping()
	for _, g := range s.Groups {
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, c := range g.Cases {
			list.Content = append(list.Content, c.node())
		}
		add(groups, g.Name, list)
	}
	add(top, "groups", groups)
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	return errors.Join(e.Encode(top), e.Close())
}

func (c Case) node() *yaml.Node {
	n := mapping(string(c.Outcome), text1(filters.QuoteLine(c.Command)))
	for _, key := range []struct{ name, value string }{{"by", c.By}, {"nested", c.Nested}, {"run_as", c.RunAs}} {
		if key.value != "" {
			add(n, key.name, text1(key.value))
		}
	}
	if len(c.Sandbox) > 0 {
		box := mapping()
		for _, key := range SandboxKeys {
			if value, ok := c.Sandbox[key]; ok {
				node := &yaml.Node{}
				if err := node.Encode(value); err == nil {
					node.Style = yaml.FlowStyle
					add(box, key, node)
				}
			}
		}
		box.Style = yaml.FlowStyle
		add(n, "sandbox", box)
	}
	return n
}

func mapping(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i+1 < len(pairs); i += 2 {
		add(n, pairs[i].(string), pairs[i+1].(*yaml.Node))
	}
	return n
}

func add(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, text1(key), value)
}

// text1 is a string on one line, in quotes where YAML would read something else.
func text1(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.ContainsAny(s, "\n\r") || slices.Contains([]string{"", "~"}, s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
