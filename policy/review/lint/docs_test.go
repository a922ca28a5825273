package lint

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of rules in docs/check.md anew")

// TestDocs: docs/check.md lists the rules as they are.
func TestDocs(t *testing.T) {
	const path = "../../../docs/check.md"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const marker = "-update -->\n"
	intro, rest, ok := strings.Cut(string(data), marker)
	if !ok {
		t.Fatalf("%s has no line that ends with %q", path, marker)
	}
	list := markdown()
	if rest == list {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the rules as they are: go test ./policy/review/lint -run TestDocs -update", path)
	}
	if err := os.WriteFile(path, []byte(intro+marker+list), 0o644); err != nil {
		t.Fatal(err)
	}
}

// markdown is the list of rules.
func markdown() string {
	var b strings.Builder
	plain := strings.NewReplacer("*", `\*`, "<", `\<`, "[", `\[`)
	for _, r := range rules {
		fmt.Fprintf(&b, "\n## %s\n\n%s: %s.\n\n", r.ID, r.Severity, plain.Replace(r.Title))
		for _, line := range fill(plain.Replace(r.Help), 84) {
			fmt.Fprintln(&b, line)
		}
		for _, side := range []struct {
			label string
			list  []example
		}{{"found in", r.finds}, {"not in", r.passes}} {
			text := shown(side.list)
			if text == "" {
				break
			}
			fmt.Fprintf(&b, "\n%s\n\n%s", side.label, text)
		}
	}
	return b.String()
}

// shown is the first example that is all text. What a profile is does not stand in it.
func shown(list []example) string {
	for _, e := range list {
		if e.setup != "" || e.network != "" || !reflect.DeepEqual(e.profile, Profile{}) || e.filters == "" && e.conf == "" && e.sudoers == "" || e.also != "" || e.unread != "" {
			continue
		}
		where := "/etc/x"
		if e.sudoers != "" {
			where = "/etc/nova"
		}
		var b strings.Builder
		for _, part := range []string{e.conf, e.filters, e.sudoers, e.accepts} {
			for line := range strings.Lines(part) {
				fmt.Fprintf(&b, "    %s\n", placeholder.ReplaceAllString(strings.TrimRight(line, "\n"), where))
			}
		}
		return b.String()
	}
	return ""
}

// fill breaks text at blanks into lines of at most width characters.
func fill(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
