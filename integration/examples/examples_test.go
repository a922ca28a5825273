// Package examples runs each example of README.md, the documents, the man pages and the
// help: commands in a root of their own, in which neutron, nova, cinder and manila have
// Debian's filter files and ironwrap is installed; snippets of configuration by what
// reads them.
//
// In a block, what stands after "$ " is a command, and what stands below it is what it
// prints. A line "..." stands for any number of lines, and "..." at the end of a line for
// its rest. Where nothing stands below, what it prints is not compared. A block below the
// line "`FILE`:" is that file.
//
// testdata/examples.txt has the blocks that cannot be run, with the reason, and the
// commands that end with another status than 0. A row of it that is for nothing is an
// error.
package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ironwrap/policy"
	"ironwrap/policy/inifile"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/expect"
	"ironwrap/policy/trust"
)

const top = "../../"

func TestExamples(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: no example was run")
	}
	r := newRoot(t)
	table := readTable(t)
	all := pages(t, r.dir+"/usr/bin/ironwrapctl")
	ran, played := 0, map[string]bool{}
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			played[p.name] = true
			ran += table.page(t, r, p)
		})
	}
	if ran < 100 && len(played) == len(all) {
		t.Errorf("%d commands were run", ran)
	}
	for key := range table.rows {
		known := slices.ContainsFunc(all, func(p page) bool { return p.name == key.page })
		if !known || played[key.page] && !table.used[key] {
			t.Errorf("testdata/examples.txt: %s has no such block or command, or needs no row: %s", key.page, key.line)
		}
	}
}

// table is testdata/examples.txt: a page, the first line of a block or a command, and
// either the reason why it is not run or the status that the command ends with, with tabs
// between.
type table struct {
	rows map[key]string
	used map[key]bool
}

type key struct{ page, line string }

func readTable(t *testing.T) table {
	t.Helper()
	text, err := os.ReadFile("testdata/examples.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := table{map[key]string{}, map[key]bool{}}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 || list.rows[key{fields[0], fields[1]}] != "" {
			t.Fatalf("testdata/examples.txt: not PAGE, LINE and WHAT, or there twice: %q", line)
		}
		list.rows[key{fields[0], fields[1]}] = fields[2]
	}
	return list
}

// status is that which a command ends with.
func (list table) status(page, command string) int {
	k := key{page, command}
	n, err := strconv.Atoi(list.rows[k])
	if err != nil {
		return 0
	}
	list.used[k] = true
	return n
}

// left tells whether a block is not run.
func (list table) left(page string, b block) bool {
	k := key{page, b.first()}
	why, ok := list.rows[k]
	if _, err := strconv.Atoi(why); !ok || err == nil {
		return false
	}
	list.used[k] = true
	return true
}

// page runs or reads each block of a page, and returns how many commands were run.
func (list table) page(t *testing.T, r root, p page) int {
	var steps []step
	for _, b := range p.blocks {
		if list.left(p.name, b) {
			continue
		}
		switch kind := kindOf(b); kind {
		case file:
			steps = append(steps, step{file: b.file, want: b.lines})
		case console:
			steps = append(steps, commands(b)...)
		case synopsis:
			r.checkOptions(t, b)
		case configuration:
			checkPolicy(t, b)
		case unit:
			r.checkUnit(t, b)
		case sudoers:
			checkSudoers(t, b)
		case service:
			r.checkService(t, b)
		case risks, expectations:
			checkYAML(t, b, kind)
		default:
			t.Errorf("nobody knows how to run this block: make it one of those that are known (kindOf), or give testdata/examples.txt the reason:\n%s", b.text())
		}
	}
	return list.play(t, r, p.name, steps)
}

// step is a command with what it prints, or a file with its lines.
type step struct {
	command string
	file    string
	want    []string
}

// commands are those of a block, each with what stands below it. Without any "$ " each
// line is one.
func commands(b block) (list []step) {
	prompts := slices.ContainsFunc(b.lines, func(s string) bool { return strings.HasPrefix(s, "$ ") })
	for _, line := range b.lines {
		command, prompted := strings.CutPrefix(line, "$ ")
		switch {
		case line == "":
		case prompted || !prompts:
			list = append(list, step{command: command})
		case len(list) > 0:
			list[len(list)-1].want = append(list[len(list)-1].want, line)
		}
	}
	return list
}

// play runs the steps one after the other, in one root.
func (list table) play(t *testing.T, r root, page string, steps []step) (ran int) {
	if len(steps) == 0 {
		return 0
	}
	results := r.run(t, steps)
	for i, s := range steps {
		if s.file != "" {
			continue
		}
		ran++
		if want := list.status(page, s.command); results[i].status != want {
			t.Errorf("$ %s\n%sexit status %d, not %d; where it must be so, testdata/examples.txt has a row: %s, the command, the status", s.command, begin(results[i].out), results[i].status, want, page)
		}
		if len(s.want) > 0 && !pattern(s.want).MatchString(plain(results[i].out)) {
			t.Errorf("$ %s\nprints\n%sand the page says\n%s", s.command, begin(results[i].out), strings.Join(s.want, "\n"))
		}
	}
	return ran
}

// begin is what a person can read of a long output.
func begin(out string) string {
	if lines := strings.SplitAfterN(out, "\n", 31); len(lines) == 31 {
		return strings.Join(lines[:30], "") + "...\n"
	}
	return out
}

// pattern is what the output of a command must match.
func pattern(lines []string) *regexp.Regexp {
	var b strings.Builder
	for _, line := range lines {
		begin, cut := strings.CutSuffix(line, "...")
		switch {
		case line == "...":
			b.WriteString(`(?:.*\n)*`)
		case cut:
			b.WriteString(regexp.QuoteMeta(begin) + ".*\n")
		default:
			b.WriteString(regexp.QuoteMeta(line) + "\n")
		}
	}
	return regexp.MustCompile("^" + b.String() + "$")
}

// plain is output without its blank lines and what is blank at the end of a line.
func plain(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// The kinds of blocks.
const (
	file          = "file"
	console       = "console"
	synopsis      = "synopsis"
	configuration = "configuration"
	unit          = "unit"
	sudoers       = "sudoers"
	service       = "service"
	risks         = "risks"
	expectations  = "expectations"
)

var kinds = []struct {
	name string
	is   *regexp.Regexp
}{
	{console, regexp.MustCompile(`(?m)^\$ `)},
	{configuration, regexp.MustCompile(`(?m)\A(#.*\n)*(\[(DEFAULT|Filters|Sandbox|Sandbox:.*|Profile:.*)\]$|[\w-]+: \w+Filter,)`)},
	{unit, regexp.MustCompile(`(?m)\A(#.*\n)*\[(Unit|Service|Socket)\]$`)},
	{service, regexp.MustCompile(`(?m)\A(#.*\n)*(\[\w+\]\n)?root_helper(_daemon)? = `)},
	{sudoers, regexp.MustCompile(`^\w+ ALL = `)},
	{risks, regexp.MustCompile(`(?m)\A(#.*\n)*accepted:$`)},
	{expectations, regexp.MustCompile(`(?m)\A(#.*\n)*(config|groups): `)},
	{synopsis, regexp.MustCompile(`\A(ironwrapctl [a-z -]*.*\b(CONFIG|FILE|OLD|NEW|NAME|DIR)\b.*\n( +.*\n)*)+\z`)},
	{console, regexp.MustCompile(`\A((ironwrapctl|visudo) .*\n)+\z`)},
}

// kindOf is what a block is; "" where nobody knows.
func kindOf(b block) string {
	if b.file != "" {
		return file
	}
	for _, k := range kinds {
		if k.is.MatchString(b.text()) {
			return k.name
		}
	}
	return ""
}

// checkPolicy loads a snippet of rootwrap.conf or of a filters file, and takes no note
// about it: all that it says counts. A section for a filter that the snippet has not got
// gets one.
func checkPolicy(t *testing.T, b block) {
	t.Helper()
	dir, err := os.MkdirTemp("/var/lib", "ironwrap-example-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	own := regexp.MustCompile(`(?m)^\[Sandbox:(.*)\]$`)
	text, conf, rules := b.text(), "[DEFAULT]\nfilters_path="+dir+"/d\n", ""
	switch body, ok := strings.CutPrefix(text, "[DEFAULT]\n"); {
	case strings.Contains(text, "[DEFAULT]\n"):
		if !ok {
			_, body, _ = strings.Cut(text, "[DEFAULT]\n")
		}
		conf += regexp.MustCompile(`(?m)^filters_path *=.*\n`).ReplaceAllString(body, "")
	case strings.Contains(text, "[Filters]\n"):
		rules = text
	case own.MatchString(text):
		rules = "[Filters]\n" + own.FindStringSubmatch(text)[1] + ": CommandFilter, id, root\n" + text
	case strings.HasPrefix(text, "["):
		conf += text
	default:
		rules = "[Filters]\n" + text
	}
	for name, content := range map[string]string{"rootwrap.conf": conf, "d/a.filters": rules} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if content == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(dir, 0o755)
	p, err := policy.Load(dir+"/rootwrap.conf", trust.Object, inifile.Parse)
	if err != nil {
		t.Errorf("%v, with\n%s", err, text)
		return
	}
	for _, note := range p.Notes {
		t.Errorf("%s, with\n%s", note.Text, text)
	}
}

// checkYAML reads a file of accepted risks or of expectations.
func checkYAML(t *testing.T, b block, kind string) {
	t.Helper()
	if kind == expectations {
		if _, err := expect.Parse("example", []byte(b.text())); err != nil {
			t.Errorf("%v, with\n%s", err, b.text())
		}
		return
	}
	path := filepath.Join(t.TempDir(), "accepted.yaml")
	if err := os.WriteFile(path, []byte(b.text()), 0o644); err != nil {
		t.Fatal(err)
	}
	named := found(regexp.MustCompile(`rules: \[(.*)\]`), b.text())
	if _, err := accepted.Read(path, strings.Split(strings.Join(named, ", "), ", "), nil, time.Now()); err != nil {
		t.Errorf("%v, with\n%s", err, b.text())
	}
}

// checkSudoers asks visudo.
func checkSudoers(t *testing.T, b block) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sudoers")
	if err := os.WriteFile(path, []byte(b.text()), 0o440); err != nil {
		t.Fatal(err)
	}
	need(t, "sudo", "visudo")
	output(t, "visudo", "-c", "-f", path)
}

// checkOptions: each option that a synopsis names is one of the command.
func (r root) checkOptions(t *testing.T, b block) {
	t.Helper()
	option := regexp.MustCompile(`(--[a-z-]+)`)
	for call := range strings.SplitSeq(strings.ReplaceAll(b.text(), "\n ", " "), "\n") {
		words := strings.Fields(call)
		if len(words) == 0 {
			continue
		}
		command := slices.DeleteFunc(slices.Clone(words[1:]), func(w string) bool { return strings.ToLower(w) != w || strings.ContainsAny(w, "-[|./") })
		help := string(output(t, r.dir+"/usr/bin/ironwrapctl", append(command[:1:1], "--help")...))
		for _, name := range found(option, call) {
			if !slices.Contains(found(option, help), name) {
				t.Errorf("ironwrapctl %s has no option %s", command[0], name)
			}
		}
	}
}

// checkUnit asks systemd-analyze, of the unit whose name a comment says, in the root.
func (r root) checkUnit(t *testing.T, b block) {
	t.Helper()
	need(t, "systemd", "systemd-analyze")
	dir := t.TempDir()
	text := b.text()
	if !strings.Contains(text, "ExecStart=") { // it is a drop-in
		text = strings.Replace(text, "[Service]\n", "[Service]\nExecStart=/bin/true\n", 1)
	}
	path := dir + "/example.service"
	text = strings.ReplaceAll(text, "=/usr/bin/ironwrap", "="+r.dir+"/usr/bin/ironwrap")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := output(t, "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path); strings.Contains(string(out), "example") {
		t.Errorf("%s, with\n%s", out, text)
	}
}

// checkService: the root helper that a service is given is there, and so are the files
// that it names.
func (r root) checkService(t *testing.T, b block) {
	t.Helper()
	value := found(regexp.MustCompile(`(?m)^root_helper(?:_daemon)? = (.*)$`), b.text())
	for _, word := range strings.Fields(strings.Join(value, " ")) {
		path := word
		if !strings.Contains(word, "/") {
			path = "/usr/bin/" + word
		}
		if word == "neutron" || word == "sudo" {
			continue // an instance; not ours
		}
		if _, err := os.Stat(r.dir + path); err != nil {
			t.Errorf("%v, with\n%s", err, b.text())
		}
	}
}

// found are what the first group of a pattern matches.
func found(pattern *regexp.Regexp, text string) (list []string) {
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}
