package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// page is a document with examples: its name (docs/daemon.md, "check --help") and blocks.
type page struct {
	name   string
	blocks []block
}

// block is one example: its lines, and the path of the file that they are, if the page
// says so in the line before.
type block struct {
	file  string
	lines []string
}

func (b block) text() string { return strings.Join(b.lines, "\n") + "\n" }

// first is by what the table names a block: its first line.
func (b block) first() string { return b.lines[0] }

// written stands in docs/check.md before the examples of its rules, which are written from
// tests of package lint, that hold them.
const written = "<!-- What follows is written by"

// pages are the documents, the man pages that are written by hand, and the help of each
// command.
func pages(t *testing.T, ctl string) (list []page) {
	t.Helper()
	for _, pattern := range []string{"README.md", "docs/*.md", "profiles/README.md", "man/*.[1-8]"} {
		paths, err := filepath.Glob(top + pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no page is called %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			p := page{name: strings.TrimPrefix(path, top)}
			if strings.HasSuffix(path, ".md") {
				before, _, _ := strings.Cut(string(text), written)
				p.blocks = markdown(before)
			} else {
				p.blocks = literal(string(text))
			}
			list = append(list, p)
		}
	}
	list = append(list, helps(t, ctl, []string{"man"})...) // which is hidden
	return append(list, helps(t, ctl, nil)...)
}

// given is the line of a page that says which file the next block is.
var given = regexp.MustCompile("^`([^`]+)`:$")

// markdown are the indented blocks of a page, with the blank lines in them. In a list they
// stand deeper than its text.
func markdown(text string) (list []block) {
	var b *block
	before, blank, indent := "", true, 4
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		deep := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case line == "":
			blank = true
			continue
		case b != nil && deep >= indent:
			if blank {
				b.lines = append(b.lines, "")
			}
			b.lines = append(b.lines, line[indent:])
		case blank && deep >= 4:
			indent = deep
			list = append(list, block{lines: []string{line[indent:]}})
			b = &list[len(list)-1]
			if m := given.FindStringSubmatch(before); m != nil {
				b.file = m[1]
			}
		default:
			b = nil
		}
		before, blank = line, false
	}
	return list
}

// literal are the blocks of a page in the macros of mdoc(7).
func literal(text string) (list []block) {
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, ".Bd -literal"):
			in = true
			list = append(list, block{})
		case line == ".Ed":
			in = false
		case in:
			b := &list[len(list)-1]
			b.lines = append(b.lines, strings.ReplaceAll(line, `\e`, `\`))
		}
	}
	return list
}

// helps are the examples in the help of a command, and of those below it.
func helps(t *testing.T, ctl string, command []string) (list []page) {
	t.Helper()
	help := string(output(t, ctl, append(command, "--help")...))
	if _, rest, ok := strings.Cut(help, "\nExamples:\n"); ok {
		examples, _, _ := strings.Cut(rest, "\n\n")
		p := page{name: strings.Join(append(command, "--help"), " ")}
		for line := range strings.Lines(examples) {
			p.blocks = append(p.blocks, block{lines: []string{strings.TrimSpace(line)}})
		}
		list = append(list, p)
	}
	if _, rest, ok := strings.Cut(help, "\nAvailable Commands:\n"); ok {
		subs, _, _ := strings.Cut(rest, "\n\n")
		for line := range strings.Lines(subs) {
			if name := strings.Fields(line)[0]; name != "help" && name != "completion" {
				list = append(list, helps(t, ctl, append(command[:len(command):len(command)], name))...)
			}
		}
	}
	return list
}
