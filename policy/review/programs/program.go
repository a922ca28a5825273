// Package programs says how programs read their words.
package programs

// Program is how one program reads its words.
type Program struct {
	Names  string // base names, separated by blanks
	Style  Style  // how options stand among operands
	Short  string // as getopt(3)
	Long   string // names separated by blanks: "quiet", "file=", "color[=]"
	Single string // long options with one dash: "name="
	Verbs  string // of programs whose first operand is a command
}

// Style is how options stand among operands.
type Style int

// The styles.
const (
	Permuted Style = iota
	POSIX
	Single
	Assignments
	Plain
	Prefix
)
