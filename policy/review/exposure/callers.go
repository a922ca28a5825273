package exposure

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"ironwrap/policy"
	"ironwrap/policy/review/language"
	"ironwrap/policy/review/programs"
)

// Callers are those who may call ironwrap, besides the services that places.go knows, as
// far as somebody has found out.
type Callers struct {
	Users []string // and services: what is called by their name is theirs
	Dirs  []string // directories that are theirs
}

// Of adds those whom a policy names: the service whose configuration it is, and
// allow_users.
func (c Callers) Of(p *policy.Policy) Callers {
	c.Users = append(slices.Concat(c.Users, p.AllowUsers), serviceOf(p.Path))
	return c
}

// who is Callers as patterns, the same for the same; the zero who adds nobody.
type who struct{ users, dirs string }

var named = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(` + users + `)$`) })

func (c Callers) who() (w who) {
	w.users = union(c.Users, func(name string) bool {
		return name != "" && name != "root" && !strings.ContainsAny(name, "/\n") && strings.Trim(name, ".") != "" && !named().MatchString(name)
	})
	w.dirs = union(c.Dirs, func(dir string) bool { return strings.HasPrefix(dir, "/") && strings.Trim(dir, "/") != "" })
	return w
}

// union is a pattern for some of a list.
func union(list []string, some func(string) bool) string {
	var quoted []string
	for _, text := range list {
		if some(text) {
			quoted = append(quoted, regexp.QuoteMeta(strings.TrimRight(text, "/")))
		}
	}
	slices.Sort(quoted)
	return strings.Join(slices.Compact(quoted), "|")
}

// land tells whose paths are whose, for some callers. Its sets are made when they are
// first asked for: that takes memory, and most commands do not ask.
type land struct {
	who
	own  string // directories that belong to the callers
	rows []place
	// ledIn is what lies in a directory of the caller's. One of its directories can be a
	// link of theirs, and lead anywhere; so can the last name, where that is followed.
	// In a sticky directory the kernel follows no link of others (protected_symlinks in
	// proc(5)) that is the last name.
	ledIn, ledTo  func() language.Word
	gone          func() language.Word
	brought, read func() language.Word
	ownFile       func() *programs.Value
}

// maxLands is for how many callers sets are kept.
const maxLands = 16

// landOf is made once for some callers, under the lock of memory.
func landOf(w who) *land {
	if l := memory.lands[w]; l != nil {
		return l
	}
	if len(memory.lands) > maxLands {
		forget()
	}
	l := &land{who: w, own: services, rows: slices.Clone(places)}
	if w.users != "" {
		l.own += `|/var/(lib|log|cache|run|spool)/(` + w.users + `)|/run/(` + w.users + `)`
	}
	if w.dirs != "" {
		l.own += `|` + w.dirs
	}
	l.own = `(` + l.own + `)`
	l.rows[slices.IndexFunc(places, func(p place) bool { return p.worth == own })].paths = sticky + `/.+|` + l.own + `/.+|/run/user/[0-9]+/.+`
	l.ledIn = sync.OnceValue(func() language.Word {
		return detours().Then(paths(sticky + `/` + step + `/.+|` + l.own + `/` + step + `/.+`))
	})
	l.ledTo = sync.OnceValue(func() language.Word { return l.ledIn().Or(detours().Then(paths(l.own + `/.+`))) })
	l.gone = sync.OnceValue(func() language.Word {
		return detours().Then(paths(`(` + sticky + `|` + l.own + `)/` + step + `/(.*/)?` + missed)).Or(paths(`([^/-].*/)?` + missed))
	})
	l.brought = sync.OnceValue(func() language.Word { return l.worthOne(own).Or(paths(`[^/-][^/]*/.+`), paths(input+`(/.+)?`)) })
	l.read = sync.OnceValue(func() language.Word { return l.brought().Or(another(), language.Text("-")) })
	l.ownFile = sync.OnceValue(func() *programs.Value { return &programs.Value{Word: l.worthOne(own), Like: []string{mine}} })
	memory.lands[w] = l
	return l
}

// input is standard input, which is the caller's: a file, a program, or a directory.
const input = `/(dev/stdin|dev/fd/0|proc/(self|thread-self)/fd/0)`

// worthOne are the paths, with detours, that are worth one of these.
func (l *land) worthOne(list ...worth) language.Word { return l.worthOf(paths(`.*`), list...) }

// worthOf is worthOne of those that are like kind.
func (l *land) worthOf(kind language.Word, list ...worth) language.Word {
	found := language.Word{}
	for i := len(l.rows) - 1; i >= 0; { // the first row that has a path counts, so it comes last here
		in := slices.Contains(list, l.rows[i].worth)
		var run []string
		for ; i >= 0 && slices.Contains(list, l.rows[i].worth) == in; i-- {
			run = append(run, l.rows[i].paths)
		}
		if these := paths(strings.Join(run, "|")); in {
			found = found.Or(these)
		} else {
			found = found.Minus(these)
		}
	}
	return detours().Then(found.And(straight()).And(kind))
}
