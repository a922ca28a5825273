package main

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"

	"ironwrap/policy/review/lint"
)

// ink colours text for a terminal. The zero value leaves it as it is.
type ink struct{ on bool }

// colours is for w: plain unless that is a terminal which shows colours, and the
// user has not said otherwise (https://no-color.org).
func colours(w io.Writer) ink {
	f, ok := w.(*os.File)
	return ink{ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (i ink) paint(code int, text string) string {
	if !i.on {
		return text
	}
	return "\x1b[" + strconv.Itoa(code) + "m" + text + "\x1b[0m"
}

func (i ink) bold(text string) string  { return i.paint(1, text) }
func (i ink) red(text string) string   { return i.paint(31, text) }
func (i ink) green(text string) string { return i.paint(32, text) }

// of is the colour of a severity.
func (i ink) of(s lint.Severity) func(string) string {
	code := map[lint.Severity]int{lint.Error: 31, lint.Warning: 33, lint.Note: 36}[s]
	return func(text string) string { return i.paint(code, text) }
}
