package packages

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// step is a command of the page with what it prints, or a file with its lines.
type step struct {
	command, file string
	want          []string
}

// given is the line of a page that says which file the next block is.
var given = regexp.MustCompile("^`(/[^`]+)`:$")

// stepsOf are those of a page, by the sections ("## ") that they stand in.
func stepsOf(text string) (sections []string, steps map[string][]step) {
	steps = map[string][]step{}
	section, before := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		list := steps[section]
		shown, indented := strings.CutPrefix(line, "    ")
		command, prompted := strings.CutPrefix(shown, "$ ")
		switch name, heading := strings.CutPrefix(line, "## "); {
		case heading:
			section = name
			sections = append(sections, name)
		case !indented && line != "":
			before = line
		case indented && prompted:
			steps[section] = append(list, step{command: command})
			before = ""
		case indented && given.MatchString(before):
			steps[section] = append(list, step{file: given.FindStringSubmatch(before)[1], want: []string{shown}})
			before = ""
		case indented && len(list) > 0:
			list[len(list)-1].want = append(list[len(list)-1].want, shown)
		}
	}
	return sections, steps
}

// status is what the page says that a command ends with.
func (s step) status() int {
	shown := strings.Join(s.want, "\n")
	verdicts := map[string]int{": protected": 0, ": weak": 1, ": not protected": 2, ": cannot tell": 3}
	if strings.HasPrefix(s.command, "ironwrapctl doctor ") {
		for verdict, status := range verdicts {
			if strings.Contains(s.want[0], verdict) {
				return status
			}
		}
	}
	if strings.Contains(shown, "Unauthorized command") {
		return 99
	}
	return 0
}

// prints tells whether out is what the page shows, where "..." stands for any lines, or for
// the rest of one. The page has no empty lines in what is printed.
func (s step) prints(out string) bool {
	var pattern strings.Builder
	for _, line := range s.want {
		begin, cut := strings.CutSuffix(line, "...")
		switch {
		case line == "...":
			pattern.WriteString(`(?:.*\n)*`)
		case cut:
			pattern.WriteString(regexp.QuoteMeta(begin) + ".*\n")
		default:
			pattern.WriteString(regexp.QuoteMeta(line) + "\n")
		}
	}
	var plain strings.Builder
	for line := range strings.Lines(out) {
		if line = strings.TrimRight(line, " \r\n"); line != "" {
			plain.WriteString(line + "\n")
		}
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(plain.String())
}

// TestMigration goes the way of docs/migration.md to the letter: every line of it, in its
// order, and at the end nothing is left.
func TestMigration(t *testing.T) {
	if !all {
		t.Skip("docs/migration.md was not followed: make test-packages does")
	}
	built(t)
	root := aDebian(t)
	text, err := os.ReadFile(top + "/docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	before := files(t, root)
	do(t, "mkdir", root+"/var/tmp/packages")
	for _, deb := range glob(t, building.first+"/*.deb") {
		do(t, "cp", deb, root+"/var/tmp/packages/")
	}
	sections, steps := stepsOf(string(text))
	if len(steps[""]) == 0 {
		t.Error("the page does not begin with an example")
	}
	for _, s := range append(steps[""], step{command: "apt-get purge -y 'ironwrap*'", want: []string{"..."}}) {
		s.follow(t, root)
	}
	ran := 0
	for _, section := range sections {
		for _, s := range steps[section] {
			s.follow(t, root)
			ran++
		}
		answer(t, root, "original", "after "+section)
	}
	if ran < 40 {
		t.Errorf("only %d steps were found in the page", ran)
	}
	do(t, "rm", "-r", root+"/var/tmp/packages")
	endAllIn(t, root)
	same(t, before, files(t, root), "the way and back")
	nothingOfOurs(t, root)
}

func (s step) follow(t *testing.T, root string) {
	t.Helper()
	if s.file != "" {
		if err := os.WriteFile(root+s.file, []byte(strings.Join(s.want, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	status, out := in(t, root, "root", "sh", "-c", "cd /var/tmp/packages && "+s.command)
	if status != s.status() || !s.prints(out) && len(s.want) > 0 {
		t.Errorf("$ %s\n%sexit status %d, not %d; the page shows\n%s", s.command, out, status, s.status(), strings.Join(s.want, "\n"))
	}
}
