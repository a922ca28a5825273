package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCommand writes the man pages of all commands, for make install.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "write the man pages of all commands into a directory",
		Hidden:  true,
		Example: "  ironwrapctl man /usr/share/man/man1",
		Args:    takes("DIRECTORY"),
		RunE: func(c *cobra.Command, args []string) error {
			day, err := manDay()
			if err != nil {
				return err
			}
			return writePages(c.Root(), args[0], day)
		},
	}
}

// manDay is the day on the pages: SOURCE_DATE_EPOCH's, in seconds since 1970, so that
// packages are reproducible.
func manDay() (time.Time, error) {
	text, ok := os.LookupEnv("SOURCE_DATE_EPOCH")
	if !ok {
		return time.Now(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// writePages writes the page of a command, and those of the commands below it.
func writePages(c *cobra.Command, dir string, day time.Time) error {
	path := filepath.Join(dir, manName(c)+".1")
	if err := os.WriteFile(path, []byte(manPage(c, day)), 0o644); err != nil {
		return fmt.Errorf("cannot write the man page of %s: %w", c.CommandPath(), err)
	}
	for _, sub := range manSubs(c) {
		if err := writePages(sub, dir, day); err != nil {
			return err
		}
	}
	return nil
}

// manPage is the page of a command, in the macros of mdoc(7).
func manPage(c *cobra.Command, day time.Time) string {
	var b strings.Builder
	name := manName(c)
	fmt.Fprintf(&b, ".Dd %s\n.Dt %s 1\n.Os\n", day.Format("January 2, 2006"), strings.ToUpper(name))
	fmt.Fprintf(&b, ".Sh NAME\n.Nm %s\n.Nd %s\n", name, manText(c.Short))
	fmt.Fprintf(&b, ".Sh SYNOPSIS\n%s", manLines(useLine(c)))

	fmt.Fprintf(&b, ".Sh DESCRIPTION\n")
	status, between := "", ""
	for _, paragraph := range strings.Split(c.Long, "\n\n") {
		if text, ok := strings.CutPrefix(paragraph, "exit status: "); ok {
			status = text
			continue
		}
		b.WriteString(between + manLines(paragraph))
		between = ".Pp\n"
	}
	fmt.Fprintf(&b, ".Pp\nThe options are:\n.Bl -tag -width Ds\n")
	option := func(f *pflag.Flag) {
		if !f.Hidden {
			b.WriteString(manOption(f))
		}
	}
	c.InitDefaultHelpFlag() // which is made only when a command runs
	c.LocalFlags().VisitAll(option)
	c.InheritedFlags().VisitAll(option)
	fmt.Fprintf(&b, ".El\n")
	if status != "" {
		fmt.Fprintf(&b, ".Sh EXIT STATUS\n%s", manLines(status))
	}
	if c.HasExample() {
		fmt.Fprintf(&b, ".Sh EXAMPLES\n.Bd -literal\n%s\n.Ed\n", manLiteral(c.Example))
	}
	fmt.Fprintf(&b, ".Sh SEE ALSO\n%s", manAlso(c))
	return b.String()
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manSubs are the commands below c that have a page.
func manSubs(c *cobra.Command) (list []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			list = append(list, sub)
		}
	}
	return list
}

func manOption(f *pflag.Flag) string {
	names := "Fl -" + f.Name
	if f.Shorthand != "" {
		names = "Fl " + f.Shorthand + " , " + names
	}
	value, usage := pflag.UnquoteUsage(f)
	if value != "" {
		names += " Ar " + manText(value)
	}
	if f.Value.Type() == "string" && f.DefValue != "" {
		usage += " (default " + f.DefValue + ")"
	}
	return ".It " + names + "\n" + manLines(usage)
}

// manAlso names the command above, those below, and the executor.
func manAlso(c *cobra.Command) string {
	var names []string
	if c.HasParent() {
		names = append(names, manName(c.Parent())+" 1")
	}
	for _, sub := range manSubs(c) {
		names = append(names, manName(sub)+" 1")
	}
	return ".Xr " + strings.Join(append(names, "ironwrap 8"), " ,\n.Xr ") + "\n"
}

// manWidth is how long the lines of a page may be (mandoc -Tlint).
const manWidth = 78

// manLines breaks a paragraph: each sentence on lines of its own, as roff has it.
func manLines(text string) string {
	var b strings.Builder
	line := ""
	end := func() {
		if line != "" {
			b.WriteString(line + "\n")
		}
		line = ""
	}
	for _, word := range strings.Fields(text) {
		if word = strings.ReplaceAll(word, `\`, `\e`); word == "--" {
			word = `\-\-` // not a dash
		}
		if len(line)+1+len(word) > manWidth {
			end()
		}
		switch {
		case line != "":
			line += " " + word
		case strings.HasPrefix(word, ".") || strings.HasPrefix(word, "'"):
			line = `\&` + word
		default:
			line = word
		}
		if strings.HasSuffix(word, ".") && !strings.HasSuffix(word, "..") {
			end()
		}
	}
	end()
	return b.String()
}

func manText(text string) string { return strings.TrimSuffix(manLines(text), "\n") }

// manLiteral is text that keeps its lines.
func manLiteral(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, `\`, `\e`), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
