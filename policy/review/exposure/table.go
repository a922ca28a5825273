package exposure

import (
	"slices"
	"strings"
)

// way is one row of the table: a command line that turns a program, run by a
// filter, into a power.
//
// form is the arguments, a blank between the words. In it
//
//	{mine}     is a path at which the caller can put what they like
//	{from}     is such a path that is read, or searched: also standard input, and a name
//	           in the working directory
//	{dest}     is a path of the caller's that they can read afterwards; like {mine}, any word
//	           where the effect comes from something else in the form (see bears)
//	{file}     is any file; where it is a link, the program follows it
//	{name}     is any file; a link is not followed
//	{dir}      is any directory; {new}, a file that was not there
//	{disk}     is a block device
//	{shell}    is text for a shell
//	{mode}     is a mode that gives something away
//	{any}      is some word; also {user}, {group}, {num}, {pid}, {ns}, {url}
//	{free}     is any word, of the caller's choice
//	{awk} ...  is a program text in the language of the name
//	a|b        is one of these words
//	!-x        is an option that must not be there, as it takes the effect away
//	…          as the first or last word: others may stand there and change nothing
//
// Where package programs knows how the program reads its words, those of a form that
// are options may stand anywhere, however they are spelled, and any other options may
// stand there too.
//
// A filter gives the power away when it really allows the form, with some words in
// the places of these (see fit).
type way struct {
	power    string
	programs string // base names
	form     string
	how      string // what happens, and where it is documented
	caps     string // needed to do it as root; "" for none
}

// parts are the rows, one variable a line. TestRows runs them where it can.
var parts = [][]way{
	runsRows,
	filesRows,
	systemRows,
	networkRows,
	servicesRows,
	prefixes,
	inputRows,
}

// documented are the rows that nobody ran: what they say is from documentation.
var documented = [][]way{
	runsDocumented,
	filesDocumented,
	systemDocumented,
	networkDocumented,
	servicesDocumented,
	inputDocumented,
}

// table says which commands give which power with which arguments. A row is only in
// here when the command does what it says.
var table = func() map[string][]way {
	all := byProgram(slices.Concat(parts, documented))
	for p, rows := range all {
		all[p] = append(rows, overwriting(rows)...)
	}
	return all
}()

func byProgram(parts [][]way) map[string][]way {
	rows := map[string][]way{}
	for _, part := range parts {
		for _, w := range part {
			for _, p := range strings.Fields(w.programs) {
				rows[p] = append(rows[p], w)
			}
		}
	}
	return rows
}

// harmless are programs that give away next to nothing, whatever their arguments, and
// what they do.
var harmless = func() map[string]string {
	all := map[string]string{}
	for _, row := range trifles {
		for _, name := range strings.Fields(row.programs) {
			all[name] = row.does
		}
	}
	return all
}()

// omitted are the options that must not be there in a row of a program.
func omitted(program, power string) (names []string) {
	o, ok := omissions[baseName(program)]
	if !ok {
		o = omissions[family(baseName(program))]
	}
	if powers := fieldSet(o.powers); powers[power] || power == Destroy && powers[Write] {
		for _, option := range strings.Fields(o.options) {
			names = append(names, strings.TrimLeft(option, "-"))
		}
	}
	return names
}

// interpreters run a service's code under their own name: whoever may signal one
// may signal every service of that language.
var interpreters = fieldSet("sh bash dash ash zsh ksh mksh pdksh yash posh csh tcsh fish rbash rzsh rc sash pwsh powershell xonsh busybox " +
	"python python3 pypy pypy3 perl ruby lua luajit php node nodejs bun deno tclsh wish expect guile java awk mawk gawk nawk original-awk octave R Rscript raku swipl ocaml sbcl slsh")

// Interpreter tells whether a program is a shell, or interprets some language.
func Interpreter(program string) bool { return interpreters[family(baseName(program))] }

func fieldSet(s string) map[string]bool {
	set := map[string]bool{}
	for _, f := range strings.Fields(s) {
		set[f] = true
	}
	return set
}

// ways returns the rows for a program by its path or name. Versions do not count:
// python3.11 is python3, mkfs.ext4 is mkfs.
func ways(program string) []way {
	name := baseName(program)
	if w := table[name]; w != nil {
		return w
	}
	return table[family(name)]
}

func known(program string) bool {
	name := baseName(program)
	return table[name] != nil || table[family(name)] != nil || harmless[name] != ""
}

// family is the name that the table has for programs which differ in a version or
// a kind alone.
func family(name string) string {
	switch base, _, kind := strings.Cut(name, "."); base {
	case "mkfs", "fsck":
		return base
	case "mount":
		if kind {
			return "mount.*" // helpers, which know none of mount's options
		}
	}
	if strings.HasPrefix(name, "qemu-system-") {
		return "qemu-system"
	}
	trimmed := strings.TrimRight(name, "0123456789.")
	switch trimmed {
	case "python":
		if strings.HasPrefix(name, "python3") {
			return "python3"
		}
		return "python"
	case "perl", "ruby", "php", "lua", "tclsh", "node", "ksh", "pypy", "wish", "guile":
		return trimmed
	}
	return name
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
