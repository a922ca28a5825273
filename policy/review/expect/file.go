package expect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ironwrap/filters"
)

// maxFile is the longest file of expectations in bytes.
const maxFile = 16 << 20

// Read reads a file of expectations. The error begins with where in it.
func Read(path string) (*Suite, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filters.Show(path), err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", filters.Show(path), maxFile)
	}
	return Parse(path, data)
}

// fault is an error in a line of a file.
type fault struct {
	line int
	text string
}

func (f *fault) Error() string { return f.text }

func at(n *yaml.Node, format string, args ...any) error {
	return &fault{n.Line, fmt.Sprintf(format, args...)}
}

// Parse reads expectations; path is for messages, and what Config is relative to.
func Parse(path string, data []byte) (*Suite, error) {
	s := &Suite{Path: path}
	err := s.parse(data)
	var f *fault
	switch {
	case errors.As(err, &f):
		return nil, fmt.Errorf("%s:%d: %s", filters.Show(path), f.line, f.text)
	case err != nil:
		return nil, fmt.Errorf("%s: %s", filters.Show(path), filters.Prose(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	return s, nil
}

func (s *Suite) parse(data []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	if err := d.Decode(&root); err == io.EOF {
		return errors.New("it is empty: a suite that expects nothing holds whatever the policy says")
	} else if err != nil {
		return err
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return errors.New("it has a second document, which would not be read: give it a file of its own")
	}
	if err := simple(&root); err != nil {
		return err
	}
	top := root.Content[0]
	err := each(top, map[string]func(*yaml.Node) error{
		"config":          scalar(&s.Config),
		"assume_programs": decode(&s.AssumePrograms),
		"groups":          s.groups,
	})
	switch {
	case err != nil:
		return err
	case s.Config == "":
		return at(top, "config is missing: which rootwrap.conf are the expectations about?")
	case len(s.Groups) == 0:
		return at(top, "groups is missing: a suite that expects nothing holds whatever the policy says")
	}
	return nil
}

// simple refuses what makes a file say something else than it seems to.
func simple(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return at(n, "anchors and aliases are not understood: write it out")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return at(n, "the tag %s is not understood: leave it out", filters.Show(n.Tag))
	}
	for _, sub := range n.Content {
		if err := simple(sub); err != nil {
			return err
		}
	}
	return nil
}

// each reads a mapping, each key once.
func each(n *yaml.Node, keys map[string]func(*yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "not a list of keys with values")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := keys[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || read == nil:
			return at(key, "unknown key %s", filters.Show(key.Value))
		case seen[key.Value]:
			return at(key, "%s is given twice", key.Value)
		}
		seen[key.Value] = true
		if err := read(value); err != nil {
			var f *fault
			if errors.As(err, &f) {
				return err
			}
			return at(value, "%s: %s", key.Value, filters.Prose(err.Error()))
		}
	}
	return nil
}

// scalar reads one value, as it is written.
func scalar(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			return at(n, "not one value")
		}
		*to = n.Value
		return nil
	}
}

func decode[T any](to *T) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Tag == "!!null" {
			return at(n, "the value is missing")
		}
		if err := n.Decode(to); err != nil {
			return at(n, "not a value of the kind that is wanted here")
		}
		return nil
	}
}

func (s *Suite) groups(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "groups are names, each with a list of expectations")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, list := n.Content[i], n.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || name.Value == "":
			return at(name, "the group has no name")
		case seen[name.Value]:
			return at(name, "group %s is given twice", filters.Show(name.Value))
		case list.Kind != yaml.SequenceNode || len(list.Content) == 0:
			return at(name, "group %s has no list of expectations", filters.Show(name.Value))
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
				return at(n, "it has one of allow, refuse and missing, not two")
			}
			c.Outcome = o
			commands, err = parseCommands(n)
			return err
		}
	}
	err = each(n, map[string]func(*yaml.Node) error{
		"allow": outcome(Allow), "refuse": outcome(Refuse), "missing": outcome(Missing),
		"caller": scalar(&c.Caller), "given_env": decode(&c.Given),
		"by": scalar(&c.By), "nested": scalar(&c.Nested), "run_as": scalar(&c.RunAs),
		"uid": decode(&c.UID), "gid": decode(&c.GID), "groups": decode(&c.Groups),
		"executable": scalar(&c.Executable), "env": decode(&c.Env), "sandbox": sandbox(&c.Sandbox),
		"argv": func(n *yaml.Node) (err error) { argv, err = parseCommand(n); return err },
	})
	if err != nil {
		return nil, err
	}
	c.Argv = argv.words
	if c.Outcome == "" {
		return nil, at(n, "it has none of allow, refuse and missing")
	}
	if err := c.fits(); err != nil {
		return nil, at(n, "%v", err)
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
		return nil, at(n, "the command is missing")
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
		return command{}, at(n, "a command is one line: put it into single quotes where it holds \": \" or \" #\", or begins with a double quote")
	}
	if strings.ContainsAny(n.Value, "\n\t") {
		return command{}, at(n, "a command is one line, with blanks between its words: write a line break within a word as \\n, in double quotes, and a tab as \\t")
	}
	words, err := filters.UnquoteLine(n.Value)
	if err != nil {
		return command{}, at(n, "%v", err)
	}
	if len(words) == 0 {
		return command{}, at(n, "the command is missing")
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
						return at(n, "umask is a number of up to three octal digits")
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
		return each(n, keys)
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
