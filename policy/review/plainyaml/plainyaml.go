// Package plainyaml reads files that people write in YAML 1.2 without what makes such a
// file say something else than it seems to: anchors, aliases, tags, keys that are given
// twice or that nobody knows, a second document.
package plainyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"ironwrap/filters"
)

// maxFile is the longest file in bytes.
const maxFile = 16 << 20

// Read reads the file at path. take gets its one document, nil for an empty file. The
// error begins with the path and, where it has one, the line.
func Read(path string, take func(top *yaml.Node) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return fmt.Errorf("%s: %w", filters.Show(path), err)
	}
	if len(data) > maxFile {
		return fmt.Errorf("%s: longer than %d bytes", filters.Show(path), maxFile)
	}
	return Parse(path, data, take)
}

// Parse is Read of data; path is for messages.
func Parse(path string, data []byte, take func(top *yaml.Node) error) error {
	err := parse(data, take)
	var f *fault
	switch {
	case errors.As(err, &f):
		return fmt.Errorf("%s:%d: %s", filters.Show(path), f.line, f.text)
	case err != nil:
		return fmt.Errorf("%s: %s", filters.Show(path), filters.Prose(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	return nil
}

func parse(data []byte, take func(top *yaml.Node) error) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	if err := d.Decode(&root); err == io.EOF {
		return take(nil)
	} else if err != nil {
		return err
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return errors.New("it has a second document, which would not be read: give it a file of its own")
	}
	if err := simple(&root); err != nil {
		return err
	}
	return take(root.Content[0])
}

// fault is an error in a line of a file.
type fault struct {
	line int
	text string
}

func (f *fault) Error() string { return f.text }

// At is an error about a place of the file.
func At(n *yaml.Node, format string, args ...any) error {
	return &fault{n.Line, fmt.Sprintf(format, args...)}
}

// simple refuses what makes a file say something else than it seems to.
func simple(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return At(n, "anchors and aliases are not understood: write it out")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		return At(n, "the tag %s is not understood: leave it out", filters.Show(n.Tag))
	}
	for _, sub := range n.Content {
		if err := simple(sub); err != nil {
			return err
		}
	}
	return nil
}

// Each reads a mapping, each key once.
func Each(n *yaml.Node, keys map[string]func(*yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return At(n, "not a list of keys with values")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := keys[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || read == nil:
			return At(key, "unknown key %s", filters.Show(key.Value))
		case seen[key.Value]:
			return At(key, "%s is given twice", key.Value)
		}
		seen[key.Value] = true
		if err := read(value); err != nil {
			var f *fault
			if errors.As(err, &f) {
				return err
			}
			return At(value, "%s: %s", key.Value, filters.Prose(err.Error()))
		}
	}
	return nil
}

// Scalar reads one value, as it is written.
func Scalar(to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			return At(n, "not one value")
		}
		*to = n.Value
		return nil
	}
}

// Decode reads a value of the kind of to.
func Decode[T any](to *T) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Tag == "!!null" {
			return At(n, "the value is missing")
		}
		if err := n.Decode(to); err != nil {
			return At(n, "not a value of the kind that is wanted here")
		}
		return nil
	}
}
