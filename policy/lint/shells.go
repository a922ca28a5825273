package lint

import (
	"strings"

	"ironwrap/filters/pyre"
)

// interpreter is a program that runs code which it is given as an argument.
type interpreter struct {
	names []string
	flag  string // after which code stands; empty where the first word is code
	code  string // that runs PROGRAM
	shell bool   // code is for a POSIX shell
	file  bool   // the first word names a file of code
}

// interpreters are shells and languages.
var interpreters = []interpreter{
	{[]string{"sh", "bash", "dash", "ash", "ksh", "ksh93", "mksh", "pdksh", "zsh", "yash", "posh"}, "-c", "PROGRAM", true, true},
	{[]string{"csh", "tcsh", "fish"}, "-c", "PROGRAM", false, true},
	{[]string{"python*", "pypy*"}, "-c", `import os; os.system("PROGRAM")`, false, true},
	{[]string{"perl*"}, "-e", `exec "PROGRAM"`, false, true},
	{[]string{"ruby*"}, "-e", `exec "PROGRAM"`, false, true},
	{[]string{"node", "nodejs", "bun", "deno"}, "-e", `require("child_process").execFileSync("PROGRAM")`, false, true},
	{[]string{"php*"}, "-r", `system("PROGRAM");`, false, true},
	{[]string{"lua*", "luajit"}, "-e", `os.execute("PROGRAM")`, false, true},
	{[]string{"tclsh*", "wish*"}, "", "", false, true},
	{[]string{"expect"}, "-c", "spawn PROGRAM; expect eof", false, true},
	{[]string{"guile*"}, "-c", `(system "PROGRAM")`, false, true},
	{[]string{"java"}, "-jar", "PROGRAM", false, true},
	{[]string{"awk", "gawk", "mawk", "nawk", "original-awk"}, "", `BEGIN{system("PROGRAM")}`, false, false},
}

func interpreterOf(program string) *interpreter {
	for i := range interpreters {
		for _, n := range interpreters[i].names {
			if named(n, base(program)) {
				return &interpreters[i]
			}
		}
	}
	return nil
}

// commands are argument lists that have the interpreter run PROGRAM.
func (in *interpreter) commands() (list [][]string) {
	code := strings.ReplaceAll(in.code, "PROGRAM", blanks["PROGRAM"])
	switch {
	case in.flag != "":
		list = append(list, []string{in.flag, code})
	case code != "":
		list = append(list, []string{code})
	}
	if in.file {
		list = append(list, []string{blanks["SOURCE"]})
	}
	return list
}

// escapes returns a command that f accepts and that has its interpreter run
// something of the caller's, with the field that lets it pass; nil for none.
func (in *interpreter) escapes(f *filter) (argv []string, at int) {
	for _, args := range in.commands() {
		if argv = append(f.called(), args...); f.accepts(argv) {
			return argv, f.execField()
		}
	}
	patterns := f.patterns()
	offset := len(f.fields) - len(patterns)
	for i, p := range patterns {
		for _, word := range in.injections(patterns, i, p.text) {
			argv := f.spelled(i, word)
			if argv != nil && f.accepts(argv) {
				return argv, offset + i
			}
		}
	}
	return nil, 0
}

// injections are words for pattern i that hold code of the caller's, in a place
// where the interpreter takes code.
func (in *interpreter) injections(patterns []field, i int, pattern string) (words []string) {
	if i == 0 || !in.codeAt(patterns, i) {
		return nil
	}
	program := blanks["PROGRAM"]
	if !in.shell {
		code := strings.ReplaceAll(in.code, "PROGRAM", program)
		for _, w := range pyre.Words(pattern, code) {
			if w == code {
				words = append(words, w)
			}
		}
		return words
	}
	for _, payload := range []struct{ text, quotes string }{
		{"; " + program + "; ", ""}, {"\n" + program + "\n", ""}, {"'; " + program + "; '", "'"}, {`"; ` + program + `; "`, `"`}, {"$(" + program + ")", ""}, {"$(" + program + ")", `"`},
	} {
		for _, w := range pyre.Words(pattern, payload.text) {
			if before, _, ok := strings.Cut(w, payload.text); ok && quotesOpen(before) == payload.quotes {
				words = append(words, w)
			}
		}
	}
	return words
}

// codeAt tells whether the word of pattern i is code: it stands right after the
// flag, or it is the first word of an interpreter that has no flag.
func (in *interpreter) codeAt(patterns []field, i int) bool {
	if in.flag == "" {
		return i == 1
	}
	return i > 1 && literal(patterns[i-1].text, in.flag)
}

// spelled is a command whose word i is given, the others being what their
// patterns match.
func (f *filter) spelled(i int, word string) []string {
	var argv []string
	if f.Class == "EnvFilter" {
		argv = f.called()
	}
	for j, p := range f.patterns() {
		if j == i {
			argv = append(argv, word)
			continue
		}
		words := pyre.Words(p.text, "")
		if len(words) == 0 {
			return nil
		}
		argv = append(argv, words[0])
	}
	return argv
}

// quotesOpen is the quote within which a shell is at the end of text: ', " or none.
func quotesOpen(text string) (open string) {
	for i := 0; i < len(text); i++ {
		switch c := text[i : i+1]; {
		case c == `\` && open != "'":
			i++
		case open == "" && (c == "'" || c == `"`):
			open = c
		case c == open:
			open = ""
		}
	}
	return open
}
