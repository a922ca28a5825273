package exposure

import (
	"regexp"
	"slices"
	"strings"

	"ironwrap/filters"
)

// script is the text for a shell that an inner command stands in.
type script struct {
	from          int            // the first word of the command is this one of the line
	before, after string         // what stands around it in the text
	quotes        map[int]string // around the words of the line
	rest          []filters.Untrusted
}

// text puts the words of a line together as the filter sees them.
func (sc *script) text(argv []filters.Untrusted) []filters.Untrusted {
	words := []string{}
	for i, w := range argv[sc.from:] {
		q := sc.quotes[sc.from+i]
		words = append(words, q+w.Raw()+q)
	}
	line := append(slices.Clone(argv[:sc.from]), filters.Untrusted(sc.before+strings.Join(words, " ")+sc.after))
	return append(line, sc.rest...)
}

var (
	keywords = fieldSet("! { exec command builtin if then elif else while until do time") // before a command
	builtins = fieldSet(": [ break cd continue done esac exit export fi hash local pwd read readonly return set shift test times trap true type ulimit umask unalias unset wait } false")
	shells   = fieldSet("sh bash dash ash ksh mksh zsh rbash su runuser script flock sg") // what stands behind -c is a text for a shell
	redirect = regexp.MustCompile(`^[0-9&]?(<|>>?\|?)(.*)$`)
)

// scripts are the commands that a filter names in a text for a shell: "sh, -c, cat
// /etc/[a-z]+". What a redirection writes is as what tee writes, what it reads as what
// cat reads.
func (s *subject) scripts() (all []*subject) {
	if !shells[baseName(s.exec)] || s.piped {
		return nil
	}
	for at := 1; at < len(s.slots); at++ {
		flag := s.slots[at-1].some
		if len(flag) != 1 || !strings.HasPrefix(flag[0], "-") || strings.HasPrefix(flag[0], "--") || !strings.Contains(flag[0], "c") {
			continue
		}
		_, pattern, _ := strings.Cut(s.slots[at].key, " ")
		return s.commands(at, blanksOf(pattern))
	}
	return nil
}

// part is a word of a text, as a pattern.
type part struct {
	pattern string
	slot    slot
	quote   string
}

// commands are those of a text, which is the argument at this place.
func (s *subject) commands(at int, patterns []string) (all []*subject) {
	var parts []part
	for _, p := range patterns {
		quote := ""
		if len(p) > 1 && (p[0] == '\'' || p[0] == '"') && p[len(p)-1] == p[0] {
			p, quote = p[1:len(p)-1], p[:1]
		}
		parts = append(parts, part{p, newSlot(p, false), quote})
	}
	from := 0
	for to := 0; to <= len(parts); to++ {
		if to < len(parts) && !parts[to].ends() {
			continue
		}
		all = append(all, s.simple(at, parts, from, to)...)
		from = to + 1
	}
	return all
}

// ends tells that a word ends a command.
func (p part) ends() bool {
	return p.quote == "" && slices.Contains([]string{"|", "||", "&&", "&", ";"}, p.slot.example)
}

// simple are the command of some parts of a text, and what its redirections do.
func (s *subject) simple(at int, parts []part, from, to int) (all []*subject) {
	argv, ok := s.some()
	lead := len(s.call()) + at
	if !ok || len(argv) < lead {
		return nil
	}
	words := func(parts []part) (text string) {
		for _, p := range parts {
			text += p.quote + p.slot.example + p.quote + " "
		}
		return text
	}
	begin := func(program string, first, last int) *subject {
		in := &subject{entry: s.entry, exec: program, shape: s.shape, veil: s.veil, who: s.who}
		in.script = &script{from: lead, before: words(parts[:first]), after: strings.TrimSuffix(" "+words(parts[last:]), " "), quotes: map[int]string{}}
		for _, w := range argv[:lead] {
			in.lead = append(in.lead, w.Raw())
		}
		for i, p := range parts[first:last] {
			in.script.quotes[lead+i] = p.quote
		}
		for i := at + 1; i < len(s.slots); i++ {
			in.script.rest = append(in.script.rest, argv[len(argv)-len(s.slots)+i])
		}
		return in
	}
	end := to
	for i := from; i < to; i++ {
		m := redirect.FindStringSubmatch(parts[i].pattern)
		if m == nil || parts[i].quote != "" {
			continue
		}
		end = min(end, i)
		program := map[bool]string{true: "cat", false: "tee"}[m[1] == "<"]
		if m[2] == "" && i+1 < to {
			in := begin(program, i+1, i+2)
			in.redirected = true
			in.slots = []slot{parts[i+1].slot}
			all = append(all, in)
		}
	}
	for from < end && (keywords[parts[from].slot.example] || strings.Contains(parts[from].slot.example, "=")) {
		from++
	}
	if from >= end {
		return all
	}
	for _, name := range parts[from].slot.names() {
		program := strings.TrimLeft(name, "(") // of a subshell
		switch {
		case builtins[program]:
			continue
		case name == "." || name == "source":
			program = "sh"
		}
		in := begin(program, from, end)
		in.lead = append(in.lead, name)
		for _, p := range parts[from+1 : end] {
			in.slots = append(in.slots, p.slot)
		}
		all = append(all, in)
	}
	return all
}

// blanksOf takes a pattern apart at its blanks; nil where it has alternatives.
func blanksOf(pattern string) (parts []string) {
	var word strings.Builder
	depth, class := 0, false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '\\' && i+1 < len(pattern) && pattern[i+1] == ' ' && depth == 0 && !class:
			continue // the blank counts as such
		case c == '\\' && i+1 < len(pattern):
			word.WriteByte(c)
			i++
			c = pattern[i]
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|' && depth == 0:
			return nil
		case c == ' ' && depth == 0:
			for i+1 < len(pattern) && strings.IndexByte(" +*?", pattern[i+1]) >= 0 {
				i++
			}
			if word.Len() > 0 {
				parts = append(parts, word.String())
				word.Reset()
			}
			continue
		}
		word.WriteByte(c)
	}
	if word.Len() > 0 {
		parts = append(parts, word.String())
	}
	return parts
}
