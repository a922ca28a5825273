package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"ironwrap/filters"
	"ironwrap/sandbox/record/audited"
)

// pathRule is a path that a Landlock key would have to name.
type pathRule struct {
	key, path string
	records   int
	why       string // it cannot be written so, or takes a look; "" for nothing special
}

// readAccesses are the accesses that landlock_ro gives (sandbox.Rules).
var readAccesses = []string{"fs.execute", "fs.read_file", "fs.read_dir"}

// refusals tells what Landlock's records ask for.
func (t *trial) refusals() {
	rules := map[[2]string]int{} // by key and path
	others := map[string]int{}
	for _, r := range sorted(t.log.Refusals, func(a, b audited.Refusal) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Blockers, b.Blockers), strings.Compare(a.Exe, b.Exe))
	}) {
		n := t.log.Refusals[r]
		asked := strings.Split(r.Blockers, ",")
		writes := slices.ContainsFunc(asked, func(b string) bool { return !slices.Contains(readAccesses, b) })
		switch {
		case r.Exe != "" && !slices.Contains(t.programs, r.Exe):
			t.strange[r.Exe] += n
		case strings.HasPrefix(r.Path, "/") && !slices.Contains(asked, "fs.change_topology") && writes:
			rules[[2]string{"landlock_rw", r.Path}] += n
		case strings.HasPrefix(r.Path, "/") && !slices.Contains(asked, "fs.change_topology"):
			rules[[2]string{"landlock_ro", r.Path}] += n
		case r.Blockers == "net.bind_tcp" && r.Port != "":
			rules[[2]string{"landlock_tcp_bind", r.Port}] += n
		case r.Blockers == "net.connect_tcp" && r.Port != "":
			rules[[2]string{"landlock_tcp_connect", r.Port}] += n
		default:
			others[r.Blockers] += n
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(rules), func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) }) {
		rule := pathRule{key: k[0], path: k[1], records: rules[k]}
		if strings.HasPrefix(rule.path, "/") {
			rule.why = doubts(rule)
		}
		t.rules = append(t.rules, rule)
	}
	for _, b := range slices.Sorted(maps.Keys(others)) {
		why := "no key allows it"
		if scope, ok := strings.CutPrefix(b, "scope."); ok {
			why = fmt.Sprintf("landlock_scope without %s would allow it", scope)
		}
		t.remarks = append(t.remarks, fmt.Sprintf("%s: %s, %s", b, count(others[b], "record", "records"), why))
	}
}

// doubts says why a path is not simply to be written down.
func doubts(r pathRule) string {
	info, err := os.Lstat(r.path)
	switch {
	case strings.ContainsFunc(r.path, func(c rune) bool { return c == ',' || c < ' ' }) || strings.TrimSpace(r.path) != r.path:
		return "a section cannot name such a path: name a directory above"
	case err != nil:
		return "it is not there now, and a rule needs what is: name a directory above"
	case info.IsDir() && r.key == "landlock_rw" && strings.Count(r.path, "/") < 3:
		return "DANGEROUS: everything below may be written"
	case info.IsDir() && r.key == "landlock_rw":
		return "everything below may be written"
	case info.IsDir():
		return "everything below may be read and executed"
	}
	return ""
}

// keyLines are the section's lines with the paths and ports that it has and those to be
// added.
func (t *trial) keyLines() (lines []string) {
	has := map[string][]string{
		"landlock_ro": t.box.LandlockRO, "landlock_rw": t.box.LandlockRW,
		"landlock_tcp_bind": portWords(t.box.LandlockBind), "landlock_tcp_connect": portWords(t.box.LandlockConnect),
	}
	for _, key := range slices.Sorted(maps.Keys(has)) {
		words := slices.Clone(has[key])
		n := len(words)
		for _, r := range t.rules {
			if r.key == key && (r.why == "" || strings.HasPrefix(r.why, "everything")) && !slices.Contains(words, r.path) {
				words = append(words, filters.Prose(r.path))
			}
		}
		if len(words) > n {
			lines = append(lines, key+" = "+strings.Join(words, ", "))
		}
	}
	return lines
}

func portWords(ports []uint16) (words []string) {
	for _, p := range ports {
		words = append(words, fmt.Sprint(p))
	}
	return words
}
