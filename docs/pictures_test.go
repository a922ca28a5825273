package docs

import (
	"bytes"
	"html"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestRoad: docs/pictures/road.dot has the calls of cmd/ironwrap/main.go and the steps of
// sandbox/enter.go, all of them, in their order; and road.svg was drawn from it.
func TestRoad(t *testing.T) {
	source := read(t, "pictures/road.dot")
	drawn := texts(source, `(?:label=<|<br/>|<b>|<td[^<>]*>)([^<>\n]+)`)
	main := read(t, top+"cmd/ironwrap/main.go")
	at := 0
	for _, call := range texts(source, `<b>(\w+\.\w+)[:<]`) {
		next := strings.Index(main[at:], call+"(")
		if next < 0 {
			t.Errorf("road.dot names %s, which main does not call, or not there", call)
			continue
		}
		at += next
	}
	var want, got []string
	for i, step := range steps(t) {
		want = append(want, strconv.Itoa(i+1)+"  "+step)
	}
	step := regexp.MustCompile(`^\d+  `)
	for _, text := range drawn {
		if step.MatchString(text) {
			got = append(got, text)
		}
	}
	number := func(s string) int { n, _ := strconv.Atoi(strings.Fields(s)[0]); return n }
	slices.SortFunc(got, func(a, b string) int { return number(a) - number(b) })
	if !slices.Equal(got, want) {
		t.Errorf("road.dot has other steps than sandbox/enter.go:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	shown := texts(read(t, "pictures/road.svg"), `<text [^>]*>([^<]*)</text>`)
	slices.Sort(drawn)
	slices.Sort(shown)
	if !slices.Equal(drawn, shown) {
		t.Errorf("road.svg is not that of road.dot: make pictures\n%q\n%q", drawn, shown)
	}
}

// texts are what a pattern finds, without what is blank.
func texts(text, pattern string) (list []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		words := strings.TrimSpace(strings.ReplaceAll(html.UnescapeString(m[1]), "\u00a0", " "))
		if words != "" {
			list = append(list, words)
		}
	}
	return list
}

// TestPictures: each is shown somewhere, and is no heavy burden for a repository.
func TestPictures(t *testing.T) {
	for _, name := range []string{"road.svg", "audit.png"} {
		data, err := os.ReadFile("pictures/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 150_000 {
			t.Errorf("%s has %d bytes", name, len(data))
		}
		if strings.HasSuffix(name, ".png") && !bytes.HasPrefix(data, []byte("\x89PNG")) {
			t.Errorf("%s is no PNG", name)
		}
		if !strings.Contains(read(t, top+"README.md"), "docs/pictures/"+name) {
			t.Errorf("README.md does not show %s", name)
		}
	}
}
