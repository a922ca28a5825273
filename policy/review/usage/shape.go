package usage

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ironwrap/filters"
)

// A word is taken for a row of pieces: text as it is, and values of kinds that differ
// from call to call. Words whose pieces differ in nothing but these values have one form;
// the commands whose words have the same forms are a group. Then groups are joined that
// differ in one word, so that what they allow together is what they allowed each.

// kind is values that differ from call to call.
type kind struct {
	name    string
	pattern string // Python's; without a comma, which would end a field of the filter
	always  bool   // the next call has another one for sure
}

var (
	uuid   = &kind{"UUID", hex(8) + "-" + hex(4) + "-" + hex(4) + "-" + hex(4) + "-" + hex(12), true}
	port   = &kind{"first characters of a UUID", hex(8) + "-" + hex(2), true}
	mac    = &kind{"MAC address", "[0-9A-Fa-f][0-9A-Fa-f](?::[0-9A-Fa-f][0-9A-Fa-f]){5}", true}
	ip4    = &kind{"IPv4 address", `[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+`, false}
	ip6    = &kind{"IPv6 address", `[0-9A-Fa-f:]+:[0-9A-Fa-f:.]*`, false}
	number = &kind{"number", "[0-9]+", false}
	disk   = &kind{"letters of a disk", "[a-z]+", false}
	hexes  = map[int]*kind{}
)

func hex(n int) string { return fmt.Sprintf("[0-9a-f]{%d}", n) }

// hexadecimal is an identifier of n digits.
func hexadecimal(n int) *kind {
	if hexes[n] == nil {
		hexes[n] = &kind{fmt.Sprintf("identifier of %d hexadecimal digits", n), hex(n), true}
	}
	return hexes[n]
}

// piece is text, or values of a kind.
type piece struct {
	kind   *kind
	text   string   // without a kind
	values []string // that were seen, the first few
	more   bool     // there were more
}

// fewValues is how many different values are listed instead of generalised, if each
// was seen often.
const fewValues = 3

func (p *piece) add(q piece) {
	for _, v := range q.values {
		switch {
		case slices.Contains(p.values, v):
		case len(p.values) > fewValues:
			p.more = true
		default:
			p.values = append(p.values, v)
		}
	}
	p.more = p.more || q.more
}

// general tells whether the pattern of the kind stands for the values, calls of them
// having been seen.
func (p piece) general(calls int) bool {
	if p.kind == nil {
		return false
	}
	n := len(p.values)
	return p.kind.always || p.more || n > fewValues || n > 1 && calls < 20*n
}

func (p piece) pattern(calls int) string {
	switch {
	case p.kind == nil:
		return literal(p.text)
	case p.general(calls):
		return p.kind.pattern
	}
	var values []string
	for _, v := range slices.Sorted(slices.Values(p.values)) {
		values = append(values, literal(v))
	}
	return either(values)
}

// form is the pieces of words that differ in values only.
type form struct {
	key    string
	pieces []piece
	calls  int
	wide   string // a pattern that has taken the place of many forms; "" for none
	how    string // what that pattern stands for
	dir    string // the directory that all paths are in, where it is one of paths
	exact  bool   // another value gives away more: it is listed
	sample []string
}

var (
	uuidText = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	macText  = regexp.MustCompile(`^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}`)
	portText = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{2}`)
	ip4Text  = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){3}`)
	ip6Text  = regexp.MustCompile(`^[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`)
	hexText  = regexp.MustCompile(`^[0-9a-f]{12,}`)
	numText  = regexp.MustCompile(`^[0-9]+`)
	diskText = regexp.MustCompile(`^/dev/(?:sd|vd|hd|xvd)([a-z]+)[0-9]*$`)
)

// value is the value at the front of text, which stands behind before; "" for none.
func value(before, text string) (string, *kind) {
	digits := strings.IndexFunc(text+" ", func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) })
	if end := text[digits:]; digits < 8 && (end == "" || end[0] != ':' && end[0] != '.') {
		found := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
		return found, number
	}
	whole := before == "" || !alphanumeric(before[len(before)-1])
	for _, k := range []struct {
		text  *regexp.Regexp
		kind  *kind
		whole bool // nothing that could belong to it stands before it
	}{{uuidText, uuid, false}, {macText, mac, true}, {portText, port, false}, {ip6Text, ip6, true}, {ip4Text, ip4, true}, {hexText, nil, true}, {numText, number, false}} {
		found := k.text.FindString(text)
		if found == "" || k.whole && !whole {
			continue
		}
		rest := text[len(found):]
		if k.kind != number && rest != "" && alphanumeric(rest[0]) {
			continue
		}
		switch k.kind {
		case ip4, ip6:
			if a, err := netip.ParseAddr(found); err != nil || (k.kind == ip4) != a.Is4() {
				continue
			}
		case nil:
			if !strings.ContainsAny(found, "0123456789") || !strings.ContainsAny(found, "abcdef") {
				continue
			}
			return found, hexadecimal(len(found))
		}
		return found, k.kind
	}
	return "", nil
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// formOf takes a word apart.
func formOf(word string) form {
	f := form{calls: 1, sample: []string{word}}
	done := 0 // what stands before it is in pieces
	take := func(from, to int, k *kind) {
		if from > done {
			f.pieces = append(f.pieces, piece{text: word[done:from]})
		}
		if to > from {
			f.pieces = append(f.pieces, piece{kind: k, values: []string{word[from:to]}})
		}
		done = to
	}
	letters := diskText.FindStringSubmatchIndex(word)
	for i := 0; i < len(word); {
		c := word[i]
		switch {
		case letters != nil && i == letters[2]:
			take(i, letters[3], disk)
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f', c >= 'A' && c <= 'F', c == ':':
			if v, k := value(word[:i], word[i:]); v != "" {
				take(i, i+len(v), k)
			}
		}
		i = max(i+1, done)
	}
	take(len(word), len(word), nil)
	f.setKey()
	return f
}

func (f *form) setKey() {
	var b strings.Builder
	if len(f.pieces) == 1 && f.pieces[0].kind == nil {
		f.key = f.pieces[0].text
		return
	}
	for _, p := range f.pieces {
		if p.kind != nil {
			b.WriteByte(0)
			b.WriteString(p.kind.name)
			b.WriteByte(0)
		} else {
			b.WriteString(p.text)
		}
	}
	f.key = b.String()
}

// join adds what a form of the same key has seen.
func (f *form) join(g form) {
	for i := range f.pieces {
		f.pieces[i].add(g.pieces[i])
	}
	f.calls += g.calls
	for _, s := range g.sample {
		if len(f.sample) < 3 && !slices.Contains(f.sample, s) {
			f.sample = append(f.sample, s)
		}
	}
}

func (f form) pattern() string {
	if f.wide != "" {
		return f.wide
	}
	var b strings.Builder
	for _, p := range f.pieces {
		b.WriteString(p.pattern(f.calls))
	}
	return b.String()
}

// fixed tells that f is one word.
func (f form) fixed() bool {
	return f.wide == "" && !slices.ContainsFunc(f.pieces, func(p piece) bool {
		return p.kind != nil && (p.general(f.calls) || len(p.values) > 1)
	})
}

// column is what stands at one place of the commands of a group.
type column struct {
	key   string
	forms map[string]form
}

func columnOf(f form) column { return column{f.key, map[string]form{f.key: f}} }

// joined is a column of all that columns have.
func joined(columns []column) column {
	all := map[string]form{}
	for _, c := range columns {
		for key, f := range c.forms {
			if known, ok := all[key]; ok {
				known.join(f)
				f = known
			}
			all[key] = f
		}
	}
	return column{strings.Join(slices.Sorted(maps.Keys(all)), "\x01"), all}
}

func (c column) sorted() (forms []form) {
	for _, key := range slices.Sorted(maps.Keys(c.forms)) {
		forms = append(forms, c.forms[key])
	}
	return forms
}

func (c column) pattern() string {
	var list []string
	for _, f := range c.sorted() {
		list = append(list, f.pattern())
	}
	slices.Sort(list)
	return either(slices.Compact(list))
}

// word is the only word of a column.
func (c column) word() (string, bool) {
	if len(c.forms) != 1 || !c.sorted()[0].fixed() {
		return "", false
	}
	return c.sorted()[0].sample[0], true
}

// group is commands whose words have the same forms.
type group struct {
	columns []column
	calls   int
	example []filters.Untrusted
}

func groupOf(words []filters.Untrusted, calls int) group {
	g := group{calls: calls, example: words}
	given := rights(words)
	for i, w := range words {
		f := formOf(w.Raw())
		if given[i] {
			f = form{exact: true, sample: []string{w.Raw()}, pieces: []piece{{text: w.Raw()}}}
			f.setKey()
		}
		f.calls = calls
		g.columns = append(g.columns, columnOf(f))
	}
	return g
}

var (
	octal    = regexp.MustCompile(`^0?[0-7]{3,4}$`)
	modeText = regexp.MustCompile(`(^|[,-])mode=[0-7]+(,|$)|^-[a-zA-Z]*m[0-7]{3,5}$`)
)

// rights are the places of modes and owners: chmod 0640 is not chmod 4777, however many
// numbers were seen.
func rights(words []filters.Untrusted) map[int]bool {
	places := map[int]bool{}
	for i, w := range words {
		switch path.Base(w.Raw()) {
		case "chmod", "chown", "chgrp":
			for j := i + 1; j < len(words); j++ {
				if !strings.HasPrefix(words[j].Raw(), "-") {
					places[j] = true
					break
				}
			}
		}
		before := ""
		if i > 0 {
			before = words[i-1].Raw()
		}
		after := before == "--mode" || strings.HasPrefix(before, "-") && !strings.HasPrefix(before, "--") && strings.HasSuffix(before, "m")
		if modeText.MatchString(w.Raw()) || after && octal.MatchString(w.Raw()) {
			places[i] = true
		}
	}
	return places
}

// key is the forms of all columns but one.
func (g group) key(but int) string {
	var b strings.Builder
	for i, c := range g.columns {
		if i != but {
			b.WriteString(c.key)
		}
		b.WriteByte(2)
	}
	return b.String()
}

// together is all that groups have, which are no more then.
func together(groups []group) group {
	if len(groups) == 1 {
		return groups[0]
	}
	all := group{example: groups[0].example}
	for _, g := range groups {
		all.calls += g.calls
	}
	for i := range groups[0].columns {
		var columns []column
		for _, g := range groups {
			columns = append(columns, g.columns[i])
		}
		all.columns = append(all.columns, joined(columns))
	}
	return all
}

const (
	mostGroups = 8  // of commands of one length, before words are generalised
	mostForms  = 12 // alternatives at one place
	mostShapes = 20_000
	mostWords  = 64      // of a command
	mostInAll  = 100_000 // words of all groups
)

// shapes are the groups that commands fall into, each key once.
type shapes struct {
	groups map[string]*group
	words  int
	full   bool // there is more
}

// add adds a command that was called so often.
func (s *shapes) add(words []filters.Untrusted, calls int) {
	if len(words) > mostWords {
		s.full = true
		return
	}
	g := groupOf(words, calls)
	key := g.key(-1)
	known := s.groups[key]
	switch {
	case known == nil && (len(s.groups) >= mostShapes || s.words >= mostInAll):
		s.full = true
	case known == nil:
		s.groups[key] = &g
		s.words += len(words)
	default:
		known.calls += calls
		for i, c := range known.columns {
			f := c.forms[c.key]
			f.join(g.columns[i].forms[c.key])
			c.forms[c.key] = f
		}
	}
}

// joined are the groups, as few as there may be, or why there are too many.
func (s *shapes) joined() ([]group, string) {
	if s.full {
		return nil, fmt.Sprintf("not assessed: its commands have more than %d words, or too many forms (%d at the most)", mostWords, mostShapes)
	}
	lengths := map[int][]group{}
	for _, key := range slices.Sorted(maps.Keys(s.groups)) {
		g := *s.groups[key]
		lengths[len(g.columns)] = append(lengths[len(g.columns)], g)
	}
	var all []group
	for _, n := range slices.Sorted(maps.Keys(lengths)) {
		groups := join(lengths[n])
		for tooMany(groups) {
			wider, ok := widen(groups)
			if !ok {
				break
			}
			groups = join(wider)
		}
		if tooMany(groups) {
			return nil, fmt.Sprintf("its commands of %d words are of more kinds than a filter should list", n)
		}
		all = append(all, groups...)
	}
	return all, ""
}

func tooMany(groups []group) bool {
	if len(groups) > mostGroups {
		return true
	}
	for _, g := range groups {
		for _, c := range g.columns {
			if len(c.forms) > mostForms {
				return true
			}
		}
	}
	return false
}

// join joins groups that differ in one column until there are none.
func join(groups []group) []group {
	for {
		before := len(groups)
		for column := range groups[0].columns {
			var order []string
			same := map[string][]group{}
			for _, g := range groups {
				key := g.key(column)
				if same[key] == nil {
					order = append(order, key)
				}
				same[key] = append(same[key], g)
			}
			groups = groups[:0:0]
			for _, key := range order {
				groups = append(groups, together(same[key]))
			}
		}
		if len(groups) == before {
			return groups
		}
	}
}

// widen puts one pattern in the place of the forms of the column that has most, of those
// that can be generalised.
func widen(groups []group) (wider []group, ok bool) {
	type candidate struct {
		column int
		all    column
	}
	var list []candidate
	for i := range groups[0].columns {
		all := column{forms: map[string]form{}}
		for _, g := range groups {
			for key, f := range g.columns[i].forms {
				all.forms[key] = f
			}
		}
		if len(all.forms) > 2 {
			list = append(list, candidate{i, all})
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(len(b.all.forms), len(a.all.forms)) })
	for _, c := range list {
		if w, ok := generalise(c.all.sorted()); ok {
			for _, g := range groups {
				g.columns = slices.Clone(g.columns)
				g.columns[c.column] = columnOf(w)
				wider = append(wider, g)
			}
			return wider, true
		}
	}
	return nil, false
}

// Characters that a generalised word is made of. It does not begin with a dash, for it
// would be an option, nor is it ".." anywhere, for it would lead elsewhere.
const (
	plainFirst = "[0-9A-Za-z_+@:%]"
	plainRest  = "[0-9A-Za-z_.+@:%=-]*"
	segment    = plainFirst + plainRest
)

var plainWord = regexp.MustCompile(`^` + plainFirst + plainRest + `$`)

// generalise finds one pattern for many forms: paths below a directory, or plain words,
// behind what they all begin with.
func generalise(forms []form) (form, bool) {
	var texts []string // with a letter for each value
	w := form{}
	for _, f := range forms {
		if f.wide != "" || f.exact {
			return form{}, false
		}
		text := ""
		for _, p := range f.pieces {
			if p.kind == nil {
				text += p.text
			} else if strings.Contains(p.values[0], "/") {
				return form{}, false
			} else {
				text += p.values[0]
			}
		}
		texts = append(texts, text)
		w.calls += f.calls
		if len(w.sample) < 3 {
			w.sample = append(w.sample, f.sample[0])
		}
	}
	begin, rests := "", texts
	if at := strings.IndexByte(texts[0], '/'); at >= 0 {
		begin, rests = texts[0][:at], nil
		for _, t := range texts {
			rest, ok := strings.CutPrefix(t, begin)
			if !ok || !strings.HasPrefix(rest, "/") || path.Clean(rest) != rest {
				return form{}, false
			}
			rests = append(rests, rest)
		}
		dir, depths := common(rests)
		if strings.Count(dir, "/") < 1 || dir == "" {
			return form{}, false
		}
		w.wide = literal(begin+dir) + deeper(depths)
		w.how = fmt.Sprintf("%d forms of paths below %s", len(forms), filters.Show(begin+dir))
		if begin == "" {
			w.dir = dir
		}
		for _, rest := range rests {
			for _, s := range strings.Split(strings.TrimPrefix(rest, dir+"/"), "/") {
				if !plainWord.MatchString(s) {
					return form{}, false
				}
			}
		}
	} else {
		for _, t := range texts {
			if !plainWord.MatchString(t) {
				return form{}, false
			}
		}
		w.wide = segment
		w.how = fmt.Sprintf("%d forms of words without a slash", len(forms))
	}
	w.key = "\x03" + w.wide
	return w, true
}

// common is the directory that all paths are below, and how many steps each goes on.
func common(paths []string) (dir string, depths map[int]bool) {
	dir = path.Dir(paths[0])
	for _, p := range paths {
		for !strings.HasPrefix(p, dir+"/") && dir != "/" && dir != "." {
			dir = path.Dir(dir)
		}
	}
	if dir == "/" || dir == "." {
		return "", nil
	}
	depths = map[int]bool{}
	for _, p := range paths {
		depths[strings.Count(p[len(dir):], "/")] = true
	}
	return dir, depths
}

func deeper(depths map[int]bool) string {
	if len(depths) > 1 {
		return "(?:/" + segment + ")+"
	}
	text := ""
	for n := range depths {
		text = strings.Repeat("/"+segment, n)
	}
	return text
}

// literal is the pattern of one text. What a filters file gives a meaning to (commas,
// blanks at the ends, line breaks) stands as an escape.
func literal(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune(`\.^$*+?{}[]|()`, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == ',' || r == ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x7f:
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// sayable tells that a word can stand in a filters file: text without bytes that are
// no UTF-8.
func sayable(words []filters.Untrusted) bool {
	for _, w := range words {
		if !utf8.ValidString(w.Raw()) {
			return false
		}
	}
	return true
}

func either(patterns []string) string {
	if len(patterns) == 1 {
		return patterns[0]
	}
	return "(?:" + strings.Join(patterns, "|") + ")"
}

// told says how the words at one place were generalised; "" where they were not.
func (c column) told(place int) string {
	var parts []string
	for _, f := range c.sorted() {
		var samples []string
		for _, s := range f.sample {
			samples = append(samples, filters.Show(s[:min(len(s), 100)]))
		}
		if f.wide != "" {
			parts = append(parts, fmt.Sprintf("%s (%s, ...)", f.how, strings.Join(samples, ", ")))
			continue
		}
		var kinds []string
		for _, p := range f.pieces {
			if p.general(f.calls) && !slices.Contains(kinds, p.kind.name) {
				kinds = append(kinds, p.kind.name)
			}
		}
		if kinds != nil {
			parts = append(parts, fmt.Sprintf("any %s (%s)", strings.Join(kinds, ", any "), strings.Join(samples, ", ")))
		}
	}
	if parts == nil {
		return ""
	}
	if len(parts) > 3 {
		parts = append(parts[:3], strconv.Itoa(len(parts)-3)+" more")
	}
	return fmt.Sprintf("word %d: %s", place, strings.Join(parts, "; "))
}
