package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// privileged are the packages whose messages a caller of ironwrap, ironwrap-call or the
// daemon may meet with status 96 to 99: what these programs link, but for the protocol, whose
// errors Python raises.
var privileged = []string{
	"cmd/ironwrap", "cmd/ironwrap-call", "cmd/ironwrap-daemon", "cmd/ironwrap-launch", "cmd/ironwrap-read",
	"exec", "exec/audit", "exec/call", "exec/daemon", "exec/launch", "exec/reading", "exec/stderr", "filters",
	"policy", "policy/account", "policy/inifile", "policy/machine", "policy/program", "policy/trust",
	"sandbox", "sandbox/seccomp",
}

// elsewhere are the other packages that these programs link.
var elsewhere = map[string]string{
	"exec/daemon/wire":       "its errors are raised by Python, or stand in the daemon's log",
	"exec/stack":             "says nothing",
	"filters/pyre":           "what is wrong with a pattern, which explain and check tell",
	"policy/compiled":        "any doubt ends in the whole reader",
	"policy/document":        "says nothing",
	"policy/environ":         "why a variable is refused: a part of a message",
	"policy/internal/copied": "says nothing",
	"policy/privsep":         "a table",
	"policy/store":           "any doubt ends in the whole reader; ironwrapctl compile tells",
}

// TestPrivileged: the two lists are what the programs link.
func TestPrivileged(t *testing.T) {
	out, err := exec.Command("go", "list", "-C", top, "-deps", "./cmd/ironwrap", "./cmd/ironwrap-call", "./cmd/ironwrap-daemon", "./cmd/ironwrap-launch", "./cmd/ironwrap-read").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		dir, ours := strings.CutPrefix(path, "ironwrap/")
		if ours && slices.Contains(privileged, dir) == (elsewhere[dir] != "") {
			t.Errorf("%s is in both lists or in none: have its messages in operate.md", dir)
		}
	}
}

// silent are functions that are given words which no caller gets with a status of ours.
var silent = map[string]string{
	"fmt.Fprintf": "metrics, and parts of messages",
	"fmt.Appendf": "the end of an output that was cut",
	"head":        "the names of metrics",
	"note":        "explain's notes",
	"Because":     "explain's reasons",
	"bad":         "what is wrong with an instruction: a part of its message",
	"byte":        "what is written to the kernel",
	"about":       "a part of a message of trust's",
	"Replace":     "a part of a message",
}

// nouns are parts of messages that no row could say more about, and a reason of explain's.
var nouns = []string{
	"no other filter with run-as … allows the nested command …",
	"a directory", "a socket", "a device", "group and others", "its directory …", "it leads to …, which",
	"[Sandbox] or [Profile:NAME]", " is written …", "cannot trust …: ",
}

// TestOperate: docs/operate.md has each message, with what to do, and names none that is
// not in the code. What varies in a message is "…" in both.
func TestOperate(t *testing.T) {
	messages := sources(t)
	if len(messages) < 300 {
		t.Fatalf("%d messages", len(messages))
	}
	rows := documented(read(t, "operate.md"))
	patterns, met := map[string]*regexp.Regexp{}, map[string]int{}
	for _, row := range rows {
		patterns[row] = pattern(row)
	}
	for _, m := range messages {
		found := false
		for _, row := range rows {
			if patterns[row].MatchString(m.text) {
				found = true
				met[row]++
			}
		}
		if !found {
			t.Errorf("%s: operate.md has no row for this message: %s", m.at, m.text)
		}
	}
	for _, row := range rows {
		if met[row] == 0 {
			t.Errorf("operate.md: no program says: %s", row)
		}
	}
	for line := range strings.Lines(section(read(t, "operate.md"))) {
		if strings.HasPrefix(line, "| `") && regexp.MustCompile(`\|\s*\|`).MatchString(line) {
			t.Errorf("operate.md: a row without a cause or a remedy: %s", line)
		}
	}
}

// section is what stands below "## Messages".
func section(page string) string {
	_, page, _ = strings.Cut(page, "\n## Messages\n")
	page, _, _ = strings.Cut(page, "\n## Where ")
	return page
}

// documented are the first cells of its tables, as they are quoted.
func documented(page string) (rows []string) {
	for _, m := range regexp.MustCompile("(?m)^\\| ((?:`[^`\n]+`(?:<br>)?)+) \\|").FindAllStringSubmatch(section(page), -1) {
		for _, row := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
			rows = append(rows, row[1])
		}
	}
	return rows
}

// pattern is what a row stands for: messages with anything where it has "…", if it has words
// enough of its own, else the one that is written so.
func pattern(row string) *regexp.Regexp {
	anything := "…"
	if len(regexp.MustCompile(`cannot|[^a-zA-Z_]`).ReplaceAllString(row, "")) >= 10 {
		anything = ".*"
	}
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(row), "…", anything) + "$")
}

type message struct{ at, text string }

var verb = regexp.MustCompile(`%(\[\d+\])?[-+# 0-9.]*[a-zA-Z]`)

// sources are the messages in the code: the words that are given to a function, returned or
// put into a variable, where they are more than one; and the steps of the privileged section.
func sources(t *testing.T) (list []message) {
	t.Helper()
	for _, dir := range privileged {
		each(t, dir, func(at string, n ast.Node) {
			if strings.HasPrefix(at, "filters/untrusted.go") {
				return // lines of commands, which ironwrapctl alone reads
			}
			for _, said := range spoken(dir, n) {
				if text, ok := words(said); ok && !slices.Contains(nouns, text) {
					list = append(list, message{at, verb.ReplaceAllString(text, "…")})
				}
			}
		})
	}
	for _, what := range steps(t) {
		list = append(list, message{"sandbox/enter.go", "cannot " + what + ": …"})
	}
	return list
}

// spoken are the expressions in which a message may be written.
func spoken(dir string, n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch called := name(n.Fun); {
		case silent[called] != "":
			return nil
		case dir == "filters" && called != "New" && called != "fmt.Errorf": // explain's reasons
			return nil
		case dir == "exec/audit" && called == "fmt.Sprintf": // a record, which records.md is about
			return nil
		}
		return n.Args
	case *ast.ReturnStmt:
		if dir != "filters" {
			return n.Results
		}
	case *ast.AssignStmt:
		if dir != "filters" {
			return n.Rhs
		}
	}
	return nil
}

// steps are the names of the steps in sandbox/enter.go, in order.
func steps(t *testing.T) (list []string) {
	t.Helper()
	each(t, "sandbox", func(_ string, n ast.Node) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "steps" || len(spec.Values) != 1 {
			return
		}
		for _, step := range spec.Values[0].(*ast.CompositeLit).Elts {
			if text, ok := words(step.(*ast.CompositeLit).Elts[0]); ok {
				list = append(list, text)
			}
		}
	})
	if len(list) < 30 {
		t.Fatalf("%d steps in sandbox/enter.go", len(list))
	}
	return list
}

// each has do see all that is in the files of a directory, but for the tests.
func each(t *testing.T, dir string, do func(at string, n ast.Node)) {
	t.Helper()
	files := token.NewFileSet()
	paths, _ := filepath.Glob(top + dir + "/*.go")
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.HasSuffix(p, "_test.go") })
	if len(paths) == 0 {
		t.Fatalf("%s has no files", dir)
	}
	for _, path := range paths {
		parsed, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if n != nil {
				at := files.Position(n.Pos())
				do(strings.TrimPrefix(at.Filename, top)+":"+strconv.Itoa(at.Line), n)
			}
			return true
		})
	}
}

// words is a literal of more than one word, or several that are put together with other
// things.
func words(n ast.Expr) (string, bool) {
	text := literal(n)
	return text, strings.Contains(strings.TrimSpace(strings.ReplaceAll(text, "…", "")), " ") && len(text) > 7
}

func literal(n ast.Expr) string {
	switch n := n.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
			return text
		}
	case *ast.BinaryExpr:
		if n.Op == token.ADD {
			return literal(n.X) + literal(n.Y)
		}
	}
	return "…"
}

// name is that of a function, with its package where it is one of package fmt's.
func name(fun ast.Expr) string {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok && x.Name == "fmt" {
			return "fmt." + f.Sel.Name
		}
		return f.Sel.Name
	case *ast.ArrayType:
		return "byte"
	}
	return ""
}
