package exposure

import (
	"regexp"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/programs"
)

// Attempt looks for a command of program, run as root by something else than a filter,
// that gives one of powers away: sudo, for one, which compares arguments in its own
// way. takes tells whether arguments are allowed; hints are words that are likely to
// be, such as a directory that they must begin with. fixed tells that but one list of
// arguments is allowed, and the caller has no choice in it. The first form of the table
// counts. how says what the command does; argv begins with program.
func Attempt(program string, powers []string, takes func(args []string) bool, hints []string, fixed bool) (how string, argv []string, ok bool) {
	for _, w := range ways(program) {
		if !slices.Contains(powers, w.power) || fixed && placeholder.MatchString(w.form) {
			continue
		}
		if args, ok := form(w, grammar(program, w.form), hints, takes); ok {
			return w.how, append([]string{program}, args...), true
		}
	}
	return "", nil, false
}

// Given tells whether a command of root's gives one of powers away although the caller
// has no word to choose: by what they bring to it.
func Given(program string, args []string, powers []string) (how string, ok bool) {
	words := []string{"RegExpFilter", program, "root"}
	for _, w := range append([]string{baseName(program)}, args...) {
		words = append(words, strings.ReplaceAll(regexp.QuoteMeta(w), ",", `\x2c`))
	}
	f, err := filters.New(strings.Join(words, ", "))
	if err != nil {
		return "", false
	}
	e := &policy.Entry{Filter: f, Class: "RegExpFilter", File: program}
	for _, c := range Of(e, Machine{}).Cells {
		if (c.Power == Run || c.Power == Code) && c.Extent != Implied && Band(c.Score) == "root" && slices.Contains(powers, c.Power) {
			return c.How, true
		}
	}
	for _, w := range ways(program) {
		if !slices.Contains(powers, w.power) || !slices.Contains(inputRows, w) && !strings.Contains(w.form, "{mine}") && !strings.Contains(w.form, "{from}") {
			continue // what it is done to is what the command says
		}
		if _, l, ok := newSubject(e).fits(w); ok && l == toAll {
			return w.how, true
		}
	}
	return "", false
}

// form puts words into a form until takes likes them. Options of the hints go before it,
// where the program would read them so.
func form(w way, p *programs.Program, hints []string, takes func([]string) bool) ([]string, bool) {
	var places [][][]string // for each place, what may stand there
	if p.Style != programs.Plain && p.Style != programs.Assignments {
		places = append(places, leading(hints))
	}
	words := slices.DeleteFunc(strings.Fields(w.loosened()), func(word string) bool { return strings.HasPrefix(word, "!-") })
	for i, word := range words {
		switch {
		case word != "…":
			places = append(places, single(word, hints, w.power == Run || w.power == Code))
		case i == 0 || i == len(words)-1:
			place := [][]string{nil}
			for _, h := range hints {
				place = append(place, strings.Fields(h))
			}
			places = append(places, place)
		}
	}
	left := maxTries
	return try(nil, places, takes, &left)
}

// leading are the options with which hints begin.
func leading(hints []string) [][]string {
	list := [][]string{nil}
	for _, h := range hints {
		words := strings.Fields(h)
		n := slices.IndexFunc(words, func(word string) bool { return !strings.HasPrefix(word, "-") })
		if n > 0 {
			list = append(list, words[:n])
		}
	}
	return list
}

// maxTries bounds how many commands are put before takes for one form.
const maxTries = 2000

func try(args []string, places [][][]string, takes func([]string) bool, left *int) ([]string, bool) {
	if len(places) == 0 {
		*left--
		return args, takes(args)
	}
	for _, words := range places[0] {
		if *left <= 0 {
			break
		}
		if found, ok := try(slices.Concat(args, words), places[1:], takes, left); ok {
			return found, true
		}
	}
	return nil, false
}

// single are the words for one word of a form, each as a list of one. anyFile tells
// that it makes no difference which file a form is about.
func single(word string, hints []string, anyFile bool) (list [][]string) {
	at := placeholder.FindStringIndex(word)
	if at == nil {
		for text := range strings.SplitSeq(word, "|") {
			list = append(list, []string{text})
		}
		return list
	}
	before, name, after := word[:at[0]], word[at[0]+1:at[1]-1], word[at[1]:]
	if name == "free" {
		return [][]string{{before + "x" + after}}
	}
	var examples []string
	for _, h := range hints {
		examples = append(examples, strings.Fields(h)...)
	}
	full, part := candidates(name, examples)
	if anyFile || !slices.Contains([]string{"file", "name", "dir", "new"}, name) {
		full = slices.Concat(full, part)
	}
	for _, c := range full {
		list = append(list, []string{before + c + after})
	}
	return list
}
