package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ironwrap/filters"
)

// explainAll explains the commands of a file, one a line. The error is the greatest
// exit status among them.
func (x *explainer) explainAll(c *cobra.Command, path, format string) error {
	in := c.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	out := bufio.NewWriter(c.OutOrStdout())
	worst := status(0)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 4<<20) // more than execve(2) takes
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' { // no word begins so without its quotes
			continue
		}
		argv, err := unquoteLine(text)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if format == "text" {
			fmt.Fprintf(out, "\n%s\n", filters.QuoteLine(argv))
		}
		var s status
		if err := x.answer(out, argv, format, ""); errors.As(err, &s) {
			worst = max(worst, s)
		} else if err != nil {
			return err
		}
	}
	if err := errors.Join(lines.Err(), out.Flush()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if worst != 0 {
		return worst
	}
	return nil
}

// unquoteLine reads what filters.QuoteLine writes: words separated by blanks, each
// as it is or in double quotes with Go's escapes.
func unquoteLine(line string) (argv []filters.Untrusted, err error) {
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		word, rest, _ := strings.Cut(line, " ")
		if line[0] == '"' {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				return nil, fmt.Errorf("%s is not quoted to its end", filters.Untrusted(line))
			}
			if word, err = strconv.Unquote(quoted); err != nil {
				return nil, fmt.Errorf("%s cannot be unquoted: %w", filters.Untrusted(quoted), err)
			}
			rest = line[len(quoted):]
		}
		argv, line = append(argv, filters.Untrusted(word)), rest
	}
	return argv, nil
}
