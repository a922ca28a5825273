package grants

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Line is a line of a sudoers file, with those that continue it.
type Line struct {
	Path   string
	Number int    // from 1: its first
	Text   string // continuation lines joined by a blank
	First  string // its first line as it stands there
}

// Lines reads the lines of a sudoers file and of the files that it includes, as far as
// read can read them: cvtsudoers tells no places. dir lists the names in a directory.
func Lines(path string, read func(path string) ([]byte, error), dir func(path string) []string) []Line {
	s := scanner{read: read, dir: dir}
	s.file(path, 0)
	return s.lines
}

// How deep files include each other, as sudo has it, and how much is read.
const (
	maxDepth = 128
	maxFiles = 2_000
	maxLines = 200_000
)

type scanner struct {
	read  func(string) ([]byte, error)
	dir   func(string) []string
	lines []Line
	files []string
}

var include = regexp.MustCompile(`^[@#]include(dir)?[ \t]+(.+?)[ \t]*$`)

func (s *scanner) file(path string, depth int) {
	if depth > maxDepth || len(s.lines) > maxLines || len(s.files) > maxFiles || slices.Contains(s.files, path) {
		return
	}
	data, err := s.read(path)
	if err != nil {
		return
	}
	s.files = append(s.files, path)
	texts := strings.Split(string(data), "\n")
	for n := 0; n < len(texts); n++ {
		line := Line{Path: path, Number: n + 1, Text: texts[n], First: texts[n]}
		for strings.HasSuffix(line.Text, `\`) && n+1 < len(texts) {
			n++
			line.Text = strings.TrimRight(strings.TrimSuffix(line.Text, `\`), " \t") + " " + strings.TrimLeft(texts[n], " \t")
		}
		if found := include.FindStringSubmatch(strings.TrimSpace(line.Text)); found != nil {
			s.include(path, found[1] != "", strings.Trim(strings.ReplaceAll(found[2], `\ `, " "), `"`), depth)
			continue
		}
		if text := strings.TrimSpace(line.Text); text != "" && (text[0] != '#' || len(text) > 1 && text[1] >= '0' && text[1] <= '9') {
			s.lines = append(s.lines, line)
		}
	}
}

func (s *scanner) include(from string, directory bool, path string, depth int) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(from), path)
	}
	if !directory {
		s.file(path, depth+1)
		return
	}
	for _, name := range s.dir(path) {
		if !strings.Contains(name, ".") && !strings.HasSuffix(name, "~") {
			s.file(filepath.Join(path, name), depth+1)
		}
	}
}

// Find is the line in which user stands before the first "=" and command behind it, as
// cvtsudoers writes them, where there is but one such line. "" is any user.
func Find(lines []Line, user, command string) (Line, bool) {
	return only(lines, func(l Line) bool {
		left, right, _ := strings.Cut(bare(l.Text), "=")
		return (user == "" || within(left, user, "")) && within(right, bare(command), ",:#")
	})
}

// FindSetting is the Defaults line that sets an option, where there is but one. It
// begins with how: "Defaults", "Defaults>root".
func FindSetting(lines []Line, how, option string) (Line, bool) {
	return only(lines, func(l Line) bool {
		text := bare(l.Text)
		return strings.HasPrefix(text, how) && within(text, option, "")
	})
}

func only(lines []Line, is func(Line) bool) (Line, bool) {
	var found []Line
	for _, l := range lines {
		if is(l) {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		return Line{}, false
	}
	return found[0], true
}

// bare is a text as it is compared: without escapes and quotes, and with single blanks.
func bare(text string) string {
	return strings.Join(strings.Fields(strings.NewReplacer(`\`, "", `"`, "").Replace(text)), " ")
}

// within tells whether part stands in text, and is not a part of a longer word. With
// ends, one of those must follow, or nothing.
func within(text, part, ends string) bool {
	for from := 0; part != ""; {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return false
		}
		i += from
		before := i == 0 || strings.IndexByte(" ,=:!%()+-", text[i-1]) >= 0
		rest := text[i+len(part):]
		after := rest == "" || strings.IndexByte(" ,=:()+-", rest[0]) >= 0
		if ends != "" {
			rest = strings.TrimLeft(rest, " ")
			after = rest == "" || strings.IndexByte(ends, rest[0]) >= 0
		}
		if before && after {
			return true
		}
		from = i + 1
	}
	return false
}
