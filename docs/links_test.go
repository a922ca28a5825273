// Package docs holds the documents' links to what they lead to.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const top = "../"

// documents are the pages that people read.
func documents(t *testing.T) (list []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "profiles/*.md", "packaging/*.md", "packaging/*/*.md"} {
		found, err := filepath.Glob(top + pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	if len(list) < 20 {
		t.Fatalf("%d documents", len(list))
	}
	return list
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	code    = regexp.MustCompile("`[^`\n]*`")
	heading = regexp.MustCompile(`^#{1,6} (.*)$`)
	named   = regexp.MustCompile(`<a (?:id|name)="([^"]+)">`)
	linked  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N}\p{M}_ -]`)
)

// TestLinks: each relative link leads to a file that is there, and to a heading of it.
func TestLinks(t *testing.T) {
	looked := 0
	for _, from := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(prose(read(t, from)), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			looked++
			path, anchor, _ := strings.Cut(m[1], "#")
			to := from
			if path != "" {
				to = filepath.Join(filepath.Dir(from), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", from, m[1], err)
			} else if anchor != "" && !anchors(read(t, to))[anchor] {
				t.Errorf("%s: the link %s leads to no heading of %s", from, m[1], to)
			}
		}
	}
	if looked < 50 {
		t.Errorf("%d links", looked)
	}
}

// prose is a document without its blocks of code and what stands between back quotes.
func prose(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    ") {
			b.WriteString(line)
		}
	}
	return code.ReplaceAllString(b.String(), "`code`")
}

// anchors are the names that a code host gives the headings of a document: lower case,
// blanks become dashes, all but letters, digits, dashes and underscores is dropped; the
// second of a name gets -1.
func anchors(text string) map[string]bool {
	list, times := map[string]bool{}, map[string]int{}
	for line := range strings.Lines(text) {
		for _, m := range named.FindAllStringSubmatch(line, -1) {
			list[m[1]] = true
		}
		m := heading.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		name := linked.ReplaceAllString(m[1], "$1")
		name = strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(name), ""), " ", "-")
		if n := times[name]; n > 0 {
			list[name+"-"+strconv.Itoa(n)] = true
		} else {
			list[name] = true
		}
		times[name]++
	}
	return list
}

// TestNamed: a document that the help, a man page, a unit or a comment names is there.
func TestNamed(t *testing.T) {
	name := regexp.MustCompile(`(?:docs|doc/ironwrap)/([a-z_]+\.(?:md|svg|json|yaml|yml))`)
	looked := 0
	for _, pattern := range []string{"README.md", "docs/*.md", "man/*.[1-8]", "cmd/*/*.go", "packaging/*/*", "packaging/*", "Makefile"} {
		paths, _ := filepath.Glob(top + pattern)
		for _, path := range paths {
			if st, err := os.Stat(path); err != nil || st.IsDir() {
				continue
			}
			for _, m := range name.FindAllStringSubmatch(read(t, path), -1) {
				looked++
				if _, err := os.Stat(m[1]); err != nil {
					t.Errorf("%s names %s, which is not there", path, m[0])
				}
			}
		}
	}
	if looked < 20 {
		t.Errorf("%d names", looked)
	}
}

// TestTables: no table is cut by a blank line: what comes behind would be no row.
func TestTables(t *testing.T) {
	rule := regexp.MustCompile(`^\|[ :|-]*-[ :|-]*\|$`)
	for _, path := range documents(t) {
		lines := strings.Split(read(t, path), "\n")
		for i := 1; i+1 < len(lines); i++ {
			if strings.HasPrefix(lines[i], "|") && lines[i-1] == "" && !rule.MatchString(lines[i+1]) {
				t.Errorf("%s:%d: this row stands behind a blank line, and belongs to no table", path, i+1)
			}
		}
	}
}

// TestDoors: each page of docs/ stands in docs/README.md, once.
func TestDoors(t *testing.T) {
	index := read(t, "README.md")
	pages, _ := filepath.Glob("*.md")
	for _, page := range pages {
		if n := strings.Count(index, "]("+page+")"); page != "README.md" && n != 1 {
			t.Errorf("docs/README.md names %s %d times, not once", page, n)
		}
	}
}
