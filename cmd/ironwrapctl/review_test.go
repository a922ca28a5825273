package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// given is the line of a page that says which file the next block is.
var given = regexp.MustCompile("^`([^`]+)`:$")

// TestReview follows docs/review.md: it writes the files that the page gives, runs each
// command as it stands there, and looks for what the page says that it prints.
func TestReview(t *testing.T) {
	for _, program := range []string{"bash", "patch"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s: the tutorial was not followed", program)
		}
	}
	page, err := os.ReadFile("../../docs/review.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, name, ran := t.TempDir(), "", 0
	for _, block := range blocks(string(page)) {
		switch {
		case !block.indented:
			name = ""
			if m := given.FindStringSubmatch(block.lines[len(block.lines)-1]); m != nil {
				name = m[1]
			}
		case name != "":
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.Join(block.lines, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			ran += follow(t, dir, block.lines)
		}
	}
	if ran < 20 {
		t.Errorf("%d commands were run", ran)
	}
}

// block is a paragraph, or an indented block of code with blank lines in it, as Markdown
// has it.
type block struct {
	indented bool
	lines    []string
}

func blocks(page string) (list []block) {
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		text, indented := strings.CutPrefix(line, "    ")
		last := len(list) - 1
		switch {
		case line == "":
		case last >= 0 && list[last].indented && indented, last >= 0 && !list[last].indented && !indented:
			list[last].lines = append(list[last].lines, text)
		default:
			list = append(list, block{indented, []string{text}})
		}
	}
	return list
}

// follow runs the commands of a block, each from "$ " on, and compares what stands below it.
func follow(t *testing.T, dir string, lines []string) (ran int) {
	t.Helper()
	var left []string // of what the last command printed
	for _, want := range lines {
		if command, ok := strings.CutPrefix(want, "$ "); ok {
			c := exec.Command("bash", "-o", "pipefail", "-c", command)
			c.Dir = dir
			var errs strings.Builder
			c.Stderr = &errs
			out, err := c.Output()
			if err != nil {
				t.Errorf("$ %s\n%s%s%v", command, out, errs.String(), err)
			}
			left = strings.Split(string(out), "\n")
			ran++
			continue
		}
		if want == "..." {
			continue
		}
		for len(left) > 0 && left[0] != want {
			left = left[1:]
		}
		if len(left) == 0 {
			t.Errorf("%q is not printed, or not there", want)
			return ran
		}
	}
	return ran
}
