package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestManPages: the page of each command has an entry for each option that its help lists,
// its examples as they are, and its name in a list of a page above.
func TestManPages(t *testing.T) {
	var look func(c *cobra.Command)
	look = func(c *cobra.Command) {
		page := manPage(c, time.Unix(0, 0).UTC())
		c.InitDefaultHelpFlag()
		option := func(f *pflag.Flag) {
			if !f.Hidden && !strings.Contains(page, "Fl -"+f.Name+"\n") && !strings.Contains(page, "Fl -"+f.Name+" Ar ") {
				t.Errorf("the page of %s has no option --%s", c.CommandPath(), f.Name)
			}
		}
		c.LocalFlags().VisitAll(option)
		c.InheritedFlags().VisitAll(option)
		for line := range strings.Lines(c.Example) {
			if !strings.Contains(page, manLiteral(strings.TrimRight(line, "\n"))) {
				t.Errorf("the page of %s has no example %q", c.CommandPath(), line)
			}
		}
		for _, sub := range manSubs(c) {
			if !strings.Contains(page, ".Xr "+manName(sub)+" 1") {
				t.Errorf("the page of %s does not name that of %s", c.CommandPath(), sub.CommandPath())
			}
			look(sub)
		}
	}
	look(newRoot())
}

// TestManLines: what roff would take for a request, an escape or a dash is text.
func TestManLines(t *testing.T) {
	for text, want := range map[string]string{
		"One. Two.":                 "One.\nTwo.\n",
		".x is a file":              "\\&.x is a file\n",
		"'quoted' word":             "\\&'quoted' word\n",
		`a\b`:                       "a\\eb\n",
		"learn CONFIG -- COMMAND":   "learn CONFIG \\-\\- COMMAND\n",
		strings.Repeat("word ", 30): strings.Repeat("word ", 14) + "word\n" + strings.Repeat("word ", 14) + "word\n",
	} {
		if got := manLines(text); got != want {
			t.Errorf("%q becomes %q, not %q", text, got, want)
		}
	}
}
