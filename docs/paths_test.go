package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// span is a path of the repository in code, and what may stand behind it: a line, a word.
var span = regexp.MustCompile("`((?:cmd|exec|filters|integration|man|packaging|policy|profiles|sandbox)/[A-Za-z0-9_./*@-]*)")

// command is a run of tests: the packages, and the tests that are named.
var command = regexp.MustCompile("go test ([^`|]*?\\./[^`|]*?)(?:\\s-run[ =]'?([\\w|^$]+)'?[^`|]*?)?(?:`| -->)")

// TestPaths: what a document says of the source's folders and files is there.
func TestPaths(t *testing.T) {
	looked := 0
	for _, from := range documents(t) {
		for _, m := range span.FindAllStringSubmatch(read(t, from), -1) {
			looked++
			path := strings.TrimRight(m[1], ".")
			if found, err := filepath.Glob(top + path); err != nil || len(found) == 0 {
				t.Errorf("%s: %s is not there", from, path)
			}
		}
	}
	if looked < 50 {
		t.Errorf("only %d paths were looked at", looked)
	}
}

// TestCommands: the tests that a document has run are in the packages that it names.
func TestCommands(t *testing.T) {
	looked := 0
	for _, from := range documents(t) {
		for _, m := range command.FindAllStringSubmatch(read(t, from), -1) {
			looked++
			text := ""
			for _, word := range strings.Fields(m[1]) {
				dir, ok := strings.CutPrefix(word, "./")
				if !ok || strings.HasSuffix(dir, "...") {
					continue
				}
				files, _ := filepath.Glob(top + dir + "/*_test.go")
				if len(files) == 0 {
					t.Errorf("%s: %s: %s has no tests", from, m[0], word)
				}
				for _, f := range files {
					text += read(t, f)
				}
			}
			for name := range strings.SplitSeq(m[2], "|") {
				if name = strings.Trim(name, "^$"); name != "" && !regexp.MustCompile(`(?m)^func `+name).MatchString(text) {
					t.Errorf("%s: %s: there is no test %s", from, m[0], name)
				}
			}
		}
	}
	if looked < 3 {
		t.Errorf("only %d commands were looked at", looked)
	}
}
