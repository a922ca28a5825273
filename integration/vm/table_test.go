package vm

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// outcome is a row of the table: what must come, or came, of one scenario. An empty
// string is for a program that it was not played with.
type outcome struct{ name, peer, ironwrap string }

func (o outcome) script() string {
	script, _, _ := strings.Cut(o.name, "/")
	return script
}

// compare holds rows, as machines left them, against what the table has of scripts.
func compare(t *testing.T, rows string, scripts []string) {
	t.Helper()
	have, all := parseRows(t, rows), parseTable(t, read(t, *table))
	other := func(o outcome) bool { return !slices.Contains(scripts, o.script()) }
	if *update {
		list := append(slices.DeleteFunc(all, func(o outcome) bool { return !other(o) }), have...)
		slices.SortStableFunc(list, func(a, b outcome) int { return strings.Compare(a.script(), b.script()) })
		write(t, *table, replaceTable(read(t, *table), list))
		return
	}
	want := slices.DeleteFunc(all, other)
	for _, w := range want {
		i := slices.IndexFunc(have, func(h outcome) bool { return h.name == w.name })
		if i < 0 {
			t.Errorf("%s: was not played", w.name)
			continue
		}
		h := have[i]
		if h.peer != w.peer {
			t.Errorf("%s\nthe peer:  %s\nexpected:  %s", h.name, h.peer, w.peer)
		}
		if h.ironwrap != w.ironwrap {
			t.Errorf("%s\nironwrap:  %s\nexpected:  %s", h.name, h.ironwrap, w.ironwrap)
		}
	}
	for _, h := range have {
		if !slices.ContainsFunc(want, func(w outcome) bool { return w.name == h.name }) {
			t.Errorf("%s: not in the table\nthe peer:  %s\nironwrap:  %s", h.name, h.peer, h.ironwrap)
		}
	}
}

// parseRows puts together what the scripts wrote: name, program and outcome, with
// tabs between. Rows keep the order in which their names come first.
func parseRows(t *testing.T, text string) (list []outcome) {
	t.Helper()
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 || f[0] == "" || f[2] == "" {
			t.Errorf("not a row: %q", line)
			continue
		}
		i := slices.IndexFunc(list, func(o outcome) bool { return o.name == f[0] })
		if i < 0 {
			i, list = len(list), append(list, outcome{name: f[0]})
		}
		to := map[string]*string{"peer": &list[i].peer, "ironwrap": &list[i].ironwrap}[f[1]]
		if to == nil || *to != "" {
			t.Errorf("a row twice, or of no program: %q", line)
			continue
		}
		*to = strings.Join(strings.Fields(f[2]), " ")
	}
	return list
}

// The table stands between these lines; a heading of its own for each script.
const (
	begin = "<!-- the table: make vm-test compares it, make vm-update writes it -->\n"
	end   = "<!-- end of the table -->\n"
)

func parseTable(t *testing.T, text string) (list []outcome) {
	t.Helper()
	_, rest, ok := strings.Cut(text, begin)
	body, _, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no table between its two marks", *table)
	}
	script := ""
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			script = heading
		}
		f := strings.Split(line, "|")
		if len(f) != 5 || strings.HasPrefix(line, "| scenario |") || strings.HasPrefix(line, "|---") {
			continue
		}
		cell := func(i int) string { return unescape(strings.TrimSpace(f[i])) }
		list = append(list, outcome{script + "/" + cell(1), cell(2), cell(3)})
	}
	return list
}

func replaceTable(text string, list []outcome) string {
	before, rest, _ := strings.Cut(text, begin)
	_, after, _ := strings.Cut(rest, end)
	var b strings.Builder
	script := ""
	for _, o := range list {
		s, name, _ := strings.Cut(o.name, "/")
		if s != script {
			script = s
			fmt.Fprintf(&b, "\n## %s\n\n| scenario | oslo.rootwrap | ironwrap |\n|---|---|---|\n", script)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", escape(name), escape(o.peer), escape(o.ironwrap))
	}
	return before + begin + b.String() + "\n" + end + after
}

// What Markdown would take for its own.
var marks = []string{"&", "&amp;", "<", "&lt;", "*", "&ast;", "`", "&grave;"}

func escape(s string) string { return strings.NewReplacer(marks...).Replace(s) }

func unescape(s string) string {
	back := slices.Clone(marks)
	slices.Reverse(back)
	return strings.NewReplacer(back...).Replace(s)
}

// scripts lists those in a directory.
func scripts(t *testing.T, dir string) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(dir + "/*.sh")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no scripts: %v", dir, err)
	}
	for _, path := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(path), ".sh"))
	}
	return names
}

// The table is there, whether or not a machine can be: every scenario has what must
// come of it with ironwrap, or with the peer, and no script is left out.
func TestTable(t *testing.T) {
	list := parseTable(t, read(t, *table))
	tried, named := map[string]bool{}, map[string]bool{}
	for _, o := range list {
		script, name, _ := strings.Cut(o.name, "/")
		tried[script] = true
		if script == "" || name == "" || o.peer == "" && o.ironwrap == "" {
			t.Errorf("not a scenario: %+v", o)
		}
		if named[o.name] {
			t.Errorf("%s: there twice", o.name)
		}
		named[o.name] = true
		// What the peer's caller gets by a program or a configuration of their own
		// nobody gets from ironwrap.
		if strings.Contains(o.ironwrap, "code of the caller ran") {
			t.Errorf("%s: %s", o.name, o.ironwrap)
		}
	}
	for _, script := range append(scripts(t, "scenarios"), scripts(t, "long")...) {
		if !tried[script] {
			t.Errorf("%s.sh has no row in %s", script, *table)
		}
	}
}

// make vm-test plays each script of scenarios/ once, and undenied in each machine, after
// all others; make vm-test-long those of long/, and some of the others again.
func TestMachines(t *testing.T) {
	counts := func(kind string) map[string]int {
		played := map[string]int{}
		for _, m := range machines(t, kind) {
			for i, script := range m.scripts {
				played[script]++
				if last := i == len(m.scripts)-1; kind == "short" && (script == "undenied") != last {
					t.Errorf("%s: undenied is not last", m.scripts)
				}
			}
		}
		return played
	}
	short, long := counts("short"), counts("long")
	for _, script := range scripts(t, "scenarios") {
		if n := short[script]; n == 0 || n > 1 && script != "undenied" {
			t.Errorf("scenarios/%s.sh is played by %d machines", script, n)
		}
		delete(short, script)
		delete(long, script)
	}
	for _, script := range scripts(t, "long") {
		if n := long[script]; n != 1 {
			t.Errorf("long/%s.sh is played by %d machines", script, n)
		}
		delete(long, script)
	}
	if len(short)+len(long) > 0 {
		t.Errorf("there are no scripts %v %v", short, long)
	}
}

// A row that two machines leave counts once if it is the same, and one that a machine
// leaves twice counts twice.
func TestTogether(t *testing.T) {
	got := together([]string{"b/x\tpeer\tran\nz/end\tpeer\tnothing\n", "a/x\tpeer\tran\na/x\tpeer\tran\nz/end\tpeer\tnothing\nz/end\tpeer\tsomething\n"})
	if want := "a/x\tpeer\tran\na/x\tpeer\tran\nb/x\tpeer\tran\nz/end\tpeer\tnothing\nz/end\tpeer\tsomething\n"; got != want {
		t.Errorf("%q", got)
	}
}

// Rows become a table and are read from it again as they were.
func TestTableKeeps(t *testing.T) {
	want := []outcome{{"a/x", "ran: <a> & `b`*_", "refused (99)"}, {"a/y", "", "ran"}, {"b/x", "ran", ""}}
	text := replaceTable("before\n"+begin+"old\n"+end+"after\n", want)
	if got := parseTable(t, text); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if !strings.HasPrefix(text, "before\n") || !strings.HasSuffix(text, "after\n") || strings.Contains(text, "old") {
		t.Errorf("%q", text)
	}
	rows := "a/x\tpeer\t ran  1\na/x\tironwrap\trefused (99)\nb/x\tironwrap\tran\n"
	if got := parseRows(t, rows); !slices.Equal(got, []outcome{{"a/x", "ran 1", "refused (99)"}, {"b/x", "", "ran"}}) {
		t.Errorf("%+v", got)
	}
}
