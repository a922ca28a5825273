package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ironwrap/filters"
)

// explainAll explains the commands of a file, one a line. The error is the greatest
// exit status among them.
func (x *explainer) explainAll(c *cobra.Command, path, format string) error {
	out := bufio.NewWriter(c.OutOrStdout())
	worst := status(0)
	err := eachCommand(c, path, func(argv []filters.Untrusted) error {
		if format == "text" {
			fmt.Fprintf(out, "\n%s\n", filters.QuoteLine(argv))
		}
		var s status
		if err := x.answer(out, argv, format, ""); errors.As(err, &s) {
			worst = max(worst, s)
		} else if err != nil {
			return err
		}
		return nil
	})
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if worst != 0 {
		return worst
	}
	return nil
}

// eachCommand reads a file of commands, one a line, each as the log has it.
func eachCommand(c *cobra.Command, path string, do func(argv []filters.Untrusted) error) error {
	in := c.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4<<20) // more than execve(2) takes
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' { // no word begins so without its quotes
			continue
		}
		argv, err := filters.UnquoteLine(text)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if err := do(argv); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
