package sandbox

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Each row of the table says who sees to it, and the list of docs/security.md is this
// one.
func TestInherited(t *testing.T) {
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## What is inherited\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("docs/security.md has no section on what is inherited")
	}
	var documented []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 4 {
			documented = append(documented, strings.TrimSpace(line))
		}
	}
	var rows []string
	seen := map[string]bool{}
	for _, r := range inherited {
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |", r.Name, r.Done, r.Why, r.Source))
		done := 0
		for _, yes := range []bool{r.by != "", r.begin != nil, r.enter != nil, r.reset != option{}} {
			if yes {
				done++
			}
		}
		if (done == 1) != (r.Done != Left) || done > 1 {
			t.Errorf("%s is %s, and %d see to it", r.Name, r.Done, done)
		}
		known := r.by == "" || r.by == inBegin || r.by == inExec
		for _, s := range steps {
			known = known || s.what == r.by
		}
		if !known {
			t.Errorf("%s: there is no step %q", r.Name, r.by)
		}
		if seen[r.Name] || r.Source == "" || r.Why == "" {
			t.Errorf("%s is there twice, or says too little", r.Name)
		}
		seen[r.Name] = true
	}
	if len(documented) > 2 {
		documented = documented[1:] // the head of the table
	}
	if !slices.Equal(documented, rows) {
		t.Errorf("docs/security.md has another table. It should be\n%s", strings.Join(rows, "\n"))
	}
}

// What is said of a missing capability names a step that is there.
func TestTakes(t *testing.T) {
	for _, takes := range takes {
		what := takes.step
		if !slices.ContainsFunc(steps[:], func(s struct {
			what string
			do   func(*Spec) error
		}) bool {
			return s.what == what
		}) {
			t.Errorf("there is no step %q", what)
		}
	}
}
