package exposure

import (
	"errors"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

var errNothing = errors.New("not looked at")

// mine is a path at which the caller can put what they like, stolen a file that
// they should not have.
const (
	mine   = "/tmp/x"
	stolen = "/etc/shadow"
	up     = "../../../../../../../.."
)

// injections end what a pattern puts around a caller's text in a shell command, and
// begin a command of their own.
var injections = []string{"'; id; '", "; id; ", `"; id; "`, "$(id)", "`id`", "| id ", "& id ", "\nid\n", ";id;", "a/" + up + stolen, "a/" + up + mine}

// candidates are the words that may stand for a placeholder: full, those that leave
// the caller free, and part, those that only the filter's own pattern suggests.
// examples are what that pattern matches.
func candidates(name string, examples []string) (full, part []string) {
	switch name {
	case "file", "name", "dir", "new":
		target := map[string]string{"file": stolen, "name": stolen, "dir": "/etc", "new": "/etc/nologin"}[name]
		full = append(full, target)
		if name == "dir" {
			full = append(full, "/")
		}
		examples = slices.DeleteFunc(slices.Clone(examples), func(e string) bool { return strings.HasPrefix(e, "-") })
		for _, e := range examples {
			full = append(full, climbs(e, target)...)
			if name != "name" {
				full = append(full, in(mine, e)...) // a link of the caller's
			}
		}
		return full, examples
	case "some", "word", "readable":
		return append([]string{mine}, examples...), nil
	case "mine", "dest", "from":
		full = append(full, mine)
		for _, e := range examples {
			full = append(full, climbs(e, mine)...)
			full = append(full, in(mine, e)...)
		}
		return full, nil
	case "shell":
		for _, e := range examples {
			if runs(e, "id") {
				full = append(full, e)
			}
		}
		return append(full, "id"), nil
	case "user":
		return []string{"nobody", "65534", "nobody:nogroup"}, examples
	case "group":
		return []string{"nogroup", "65534"}, examples
	case "bus":
		return []string{"org.freedesktop.systemd1"}, examples
	case "unit":
		return []string{"ssh"}, examples
	case "any", "num", "pid", "ns", "url":
		return append([]string{map[string]string{"any": "x", "num": "1", "pid": "1", "ns": "x", "url": "http://x/"}[name]}, examples...), nil
	}
	words := fixed[name]
	for _, v := range vocabulary {
		if words == nil && v.name == name {
			words = v.like
		}
	}
	if name == "regex" || name == "print" {
		words = append(slices.Clone(words), examples...)
	}
	return words, nil
}

// climbs are the ways from the directories of a path to another file.
func climbs(example, to string) (paths []string) {
	if !strings.HasPrefix(example, "/") {
		return nil
	}
	for i := 0; i < len(example); i++ {
		if example[i] == '/' {
			paths = append(paths, example[:i+1]+up+to, example[:i+1]+"a/"+up+to)
		}
	}
	return paths
}

// in is a file of the example's name in a directory.
func in(dir, example string) []string {
	parts := strings.Split(strings.Trim(example, "/"), "/")
	var paths []string
	for i := range parts {
		paths = append(paths, dir+"/"+strings.Join(parts[i:], "/"))
	}
	return paths
}

// runs tells whether text, given to a shell, runs the command: it is parsed as a
// shell does.
func runs(text, command string) bool {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(text), "")
	if err != nil {
		return false
	}
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		if c, ok := n.(*syntax.CallExpr); ok && len(c.Args) > 0 && c.Args[0].Lit() == command {
			found = true
		}
		return !found
	})
	return found
}
