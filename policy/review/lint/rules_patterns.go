package lint

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"ironwrap/filters/pyre"
)

// patternRules are about regular expressions that match other words than they seem
// to. Each finding names a word that the pattern was tried with.
var patternRules = []*Rule{
	{
		ID: "bad-pattern", Severity: Error,
		Title: "a pattern cannot be used as a regular expression",
		Help:  "The filter matches nothing. oslo.rootwrap takes some of what is refused here, such as back-references: write the pattern without.",
		check: func(c *config) []Finding {
			return c.eachPattern(func(f *filter, i int, p field) (string, string) {
				_, err := pyre.Compile(p.text)
				if err == nil || splitAt(f.patterns(), i) || i > 0 && splitAt(f.patterns(), i-1) {
					return "", ""
				}
				return "pattern " + quote(p.text) + " cannot be used: " + err.Error(), ""
			})
		},
		finds: []example{
			{filters: "x: RegExpFilter, ls, root, ls, [a-z", at: "a.filters:2:32", says: "class without end"},
			{filters: `x: RegExpFilter, ls, root, ls, (.)\1`, says: "back-reference"},
			{filters: "x: EnvFilter, env, root, A=, ls, *", at: "a.filters:2:34", says: "nothing to repeat"},
		},
		passes: []example{{filters: `x: RegExpFilter, ls, root, ls, [a-z]+, (?!\.\.).*`}, {filters: "x: PathFilter, ls, root, ["}},
	},
	{
		ID: "pattern-split-at-comma", Severity: Error,
		Title: "a comma has cut a pattern in two",
		Help:  "Filters are split at every comma, also within a regular expression. Write a count such as [a-z]{1,3} out: [a-z][a-z]?[a-z]?.",
		check: func(c *config) []Finding {
			return c.eachPattern(func(f *filter, i int, p field) (string, string) {
				if !splitAt(f.patterns(), i) {
					return "", ""
				}
				return "pattern " + quote(p.text) + " and the next, " + quote(f.patterns()[i+1].text) + ", were one", ""
			})
		},
		finds: []example{
			{filters: "x: RegExpFilter, ls, root, ls, [a-z]{1,3}", at: "a.filters:2:32", says: "[a-z]{1 and the next, 3}, were one"},
			{filters: "x: RegExpFilter, ls, root, ls, (a,b)", at: "a.filters:2:32"},
			{filters: "x: RegExpFilter, ls, root, ls, [,;]", at: "a.filters:2:32"},
		},
		passes: []example{{filters: "x: RegExpFilter, ls, root, ls, [a-z]{3}, (a), (b)"}, {filters: "x: RegExpFilter, ls, root, ls, [a-z, x"}},
	},
	{
		ID: "open-alternation", Severity: Warning,
		Title: "alternatives a|b stand without a group around them",
		Help:  "Here the whole word must be one of them. oslo.rootwrap ends only the last one, so there a word may go on behind any other. Write (a|b), which both read alike.",
		check: func(c *config) []Finding {
			return c.eachPattern(func(f *filter, _ int, p field) (string, string) {
				re, err := pyre.Compile(p.text)
				if err != nil || !re.OpenAlternation() {
					return "", ""
				}
				return "alternatives without a group: " + quote(p.text), "write (" + quote(p.text) + ")"
			})
		},
		finds:  []example{{filters: "x: RegExpFilter, ls, root, ls, start|stop", at: "a.filters:2:32", says: "start|stop"}},
		passes: []example{{filters: "x: RegExpFilter, ls, root, ls, (start|stop), [|], a\\|b"}},
	},
	{
		ID: "pattern-admits-dotdot", Severity: Warning,
		Title: "a pattern for the paths in a directory also matches paths out of it",
		Help:  "Two dots lead back up: /dev/.* matches /dev/../etc/shadow. Write [^/]+ in the place of .* for one name without a slash. A PathFilter compares where a path really leads.",
		check: func(c *config) []Finding {
			return c.eachPattern(func(_ *filter, _ int, p field) (string, string) {
				word, leads := dotdot(p.text)
				if word == "" {
					return "", ""
				}
				return "pattern " + quote(p.text) + " matches " + quote(word) + ", which leads to " + quote(leads), ""
			})
		},
		finds: []example{
			{filters: "x: RegExpFilter, blockdev, root, blockdev, (--getsize64|--flushbufs), /dev/.*", at: "a.filters:2:71", says: "matches /dev/../etc/shadow, which leads to /etc/shadow"},
			{filters: `x: RegExpFilter, p, root, p, --config-file, /etc/(?!\.\.).*`, at: "a.filters:2:45", says: "/etc/x/../../tmp/x, which leads to /tmp/x"},
			{filters: `x: RegExpFilter, p, root, p, /dev/(?!.*/\.\.).*`, says: "/dev/../etc/shadow"},
			{filters: "x: RegExpFilter, dd, root, dd, of=/dev/.*", says: "of=/dev/../etc/shadow"},
			{filters: `x: RegExpFilter, p, root, p, /srv/.*/disk\.img`, says: "/srv/../etc/shadow/disk.img, which leads to /etc/shadow/disk.img"},
		},
		passes: []example{
			{filters: `x: RegExpFilter, p, root, p, /dev/[^/]+, .*, /.*, /dev/sda, /dev/(?!\.\.)(?!.*/\.\.).*, https://host/.*, s/.*/x/, .*/x, -?\d+`},
			{filters: `x: RegExpFilter, find, root, find, ^[/]*([^/\0]+(/+)?)*$`},
		},
	},
	{
		ID: "pattern-admits-option", Severity: Warning,
		Title: "a pattern for a path also matches an option",
		Help:  "A word that begins with a dash means something else to most programs. Begin the pattern with the directory.",
		check: func(c *config) []Finding {
			return c.eachPattern(func(f *filter, i int, p field) (string, string) {
				if i == 0 && f.Class != "EnvFilter" || !pyre.Requires(p.text, '/') {
					return "", ""
				}
				for _, filler := range []string{"-x", "--option="} {
					for _, w := range pyre.Words(p.text, filler) {
						if strings.HasPrefix(w, filler) && !strings.Contains(w, "://") {
							return "pattern " + quote(p.text) + " matches the option " + quote(w), ""
						}
					}
				}
				return "", ""
			})
		},
		finds:  []example{{filters: `x: RegExpFilter, cat, root, cat, .*/console\.log`, at: "a.filters:2:34", says: "the option -x/console.log"}},
		passes: []example{{filters: `x: RegExpFilter, cat, root, cat, /srv/.*, .*, --file=/srv/.*, [^-].*/x, .*://.*`}},
	},
	{
		ID: "unescaped-dot", Severity: Note,
		Title: "a dot in a pattern stands for any character",
		Help:  `It was probably meant as a dot: write \. for a dot.`,
		check: func(c *config) []Finding {
			return c.eachPattern(func(f *filter, _ int, p field) (string, string) {
				meant, also, ok := pyre.Dotted(p.text)
				if !ok || base(f.Exec()) == "chown" && !strings.Contains(meant, "/") { // USER.GROUP: what else it matches is no user
					return "", ""
				}
				return "pattern " + quote(p.text) + " matches " + quote(also) + " as well as " + quote(meant), ""
			})
		},
		finds: []example{
			{filters: "x: RegExpFilter, p, root, p, --privsep_context, os_brick.privileged.default", at: "a.filters:2:49", says: "matches os_brickXprivilegedXdefault as well as os_brick.privileged.default"},
			{filters: "x: RegExpFilter, chown, root, chown, root.root, /etc/x.conf", at: "a.filters:2:49", says: "/etc/xXconf"},
		},
		passes: []example{
			{filters: `x: RegExpFilter, p, root, p, os_brick\.privileged, .*, a.*b, /tmp/.*, .+x, .`},
			{filters: `x: RegExpFilter, chown, root, chown, root.root, /etc/x`},
		},
	},
}

// eachPattern makes a finding at each pattern of which look has something to say.
// i counts from the first pattern of the filter.
func (c *config) eachPattern(look func(f *filter, i int, p field) (message, hint string)) (found []Finding) {
	for _, f := range c.filters {
		if f.file == nil {
			continue
		}
		for i, p := range f.patterns() {
			if message, hint := look(f, i, p); message != "" {
				found = append(found, f.file.at(p.place, message, hint))
			}
		}
	}
	return found
}

var (
	countOpens  = regexp.MustCompile(`\{\d*$`)
	countCloses = regexp.MustCompile(`^\d*\}`)
)

// splitAt tells whether pattern i and the next are what a comma has left of one: a
// count that is cut, or two halves that are no patterns and together are one.
func splitAt(patterns []field, i int) bool {
	if i+1 >= len(patterns) {
		return false
	}
	a, b := patterns[i].text, patterns[i+1].text
	if _, err := pyre.Compile(a + "," + b); err != nil {
		return false
	}
	if countOpens.MatchString(a) && countCloses.MatchString(b) {
		return true
	}
	_, err := pyre.Compile(a)
	return err != nil
}

// dotdot returns a word that pattern matches and that leads somewhere by way of
// "..", where the pattern refuses the very path that it leads to. A pattern that
// matches that path as well was not meant to keep to a directory.
func dotdot(pattern string) (word, leads string) {
	p, err := pyre.Compile(pattern)
	if err != nil {
		return "", ""
	}
	for _, filler := range []string{"../etc/shadow", "x/../../tmp/x", "../etc", "x/../../../tmp/x", "x/../../../../tmp/x", "../../etc/shadow", "../../../etc/shadow"} {
		for _, w := range pyre.Words(pattern, filler) {
			lead, rest, ok := cutPath(w)
			if !ok || !slices.Contains(strings.Split(rest, "/"), "..") {
				continue
			}
			to := path.Clean(rest)
			first, _, _ := strings.Cut(rest[1:], "/")
			if first != ".." && first != "x" && to != "/"+first && !strings.HasPrefix(to, "/"+first+"/") && !p.Match(lead+to) {
				return w, to
			}
		}
	}
	return "", ""
}

// cutPath takes off what stands before the path in a word: nothing, or an option
// or name with an equals sign, or words of a command line.
func cutPath(w string) (lead, rest string, ok bool) {
	i := strings.IndexByte(w, '/')
	if i < 0 || strings.Contains(w, "://") || i > 0 && w[i-1] != '=' && w[i-1] != ' ' {
		return "", "", false
	}
	return w[:i], w[i:], true
}
