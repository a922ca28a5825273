package page

import (
	"bytes"
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"

	"ironwrap/filters"
	"ironwrap/policy"
	"ironwrap/policy/review/exposure"
)

// report is of a policy whose every string is hostile.
func report(t *testing.T) exposure.Report {
	t.Helper()
	p := &policy.Policy{Path: "/etc/<script>alert(1)</script>/rootwrap.conf"}
	p.Notes = append(p.Notes, policy.Note{Path: "</code><img src=x onerror=alert(2)>", Text: "\x1b[2J\u202e"})
	for _, d := range []string{
		"CommandFilter, dd, root",
		`RegExpFilter, "><img src=x onerror=alert(3)>, root, x, .*`,
		"CommandFilter, /usr/bin/';alert(4);', javascript:alert(5)",
		"RegExpFilter, sh, root, sh, -c, echo '<b>' .*",
	} {
		f, err := filters.New(d)
		if err != nil {
			t.Fatal(err)
		}
		p.Filters = append(p.Filters, policy.Entry{Filter: f, Name: "</td><script>alert(6)</script>\x1b[31m\xff", Class: filters.Fields(d)[0], File: "/etc/{{.}}\n", Line: 1,
			Sandbox: &policy.Sandbox{Seccomp: "/<script>", LandlockRW: []string{"/\"><script>"}}})
	}
	return exposure.Assess(p, exposure.Machine{})
}

func page(t *testing.T, r exposure.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r, "1<2"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHostile: nothing from files becomes part of the page's own text, nor of what a
// screen acts upon.
func TestHostile(t *testing.T) {
	text := page(t, report(t))
	if n := strings.Count(text, "<script"); n != 1 {
		t.Errorf("%d scripts, not one", n)
	}
	if strings.Contains(text, "<img") || strings.Contains(text, "href=\"javascript:") {
		t.Error("there is an image, or a link that is a script")
	}
	for _, c := range text {
		if c < ' ' && c != '\n' || c == '\u202e' || c == '\ufffd' {
			t.Fatalf("it has the character %+q", c)
		}
	}
}

// TestSelfContained: nothing is loaded from anywhere, and a browser is told so.
func TestSelfContained(t *testing.T) {
	text := page(t, report(t))
	for _, banned := range []string{"http:", "https:", "@import", "url(", "<link"} {
		if strings.Contains(text, banned) {
			t.Errorf("the page has %q", banned)
		}
	}
	if a := regexp.MustCompile(`<[a-z][^>]*\s(src|style|on[a-z]+)=`).FindString(text); a != "" {
		t.Errorf("an element loads something, or has a style or script of its own: %s", a)
	}
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)
	if policy == nil || !strings.HasPrefix(policy[1], "default-src &#39;none&#39;;") {
		t.Fatalf("no policy, or a loose one: %q", policy)
	}
	for _, part := range []struct{ element, directive string }{{"style", "style-src"}, {"script", "script-src"}} {
		_, body, _ := strings.Cut(text, "<"+part.element+">")
		body, _, _ = strings.Cut(body, "</"+part.element+">")
		want := part.directive + " &#39;" + strings.ReplaceAll(hash(body), "+", "&#43;") + "&#39;"
		if !strings.Contains(policy[1], want) {
			t.Errorf("the policy does not let the page's own %s pass: %s", part.element, policy[1])
		}
	}
}

// TestLinks: every cell leads to its reason, and every id is there once.
func TestLinks(t *testing.T) {
	text := page(t, report(t))
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		ids[m[1]]++
	}
	links := regexp.MustCompile(` href="#([^"]*)"`).FindAllStringSubmatch(text, -1)
	if len(links) < 10 {
		t.Errorf("only %d links", len(links))
	}
	for _, m := range links {
		if ids[m[1]] != 1 {
			t.Errorf("#%s leads to %d places", m[1], ids[m[1]])
		}
	}
	for id, n := range ids {
		if n != 1 {
			t.Errorf("id %s is there %d times", id, n)
		}
	}
}

// node is an element of the page, and the text in it.
type node struct {
	name   string
	attr   map[string]string
	text   string
	before string // the element that opened before it, for captions
}

// parsed are the elements of the page, without its style and script.
func parsed(t *testing.T, text string) (all []*node) {
	t.Helper()
	text = regexp.MustCompile(`(?s)(<style>|<script>).*?(</style>|</script>)`).ReplaceAllString(text, "$1$2")
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []*node
	before := ""
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			n := &node{name: token.Name.Local, attr: map[string]string{}, before: before}
			for _, a := range token.Attr {
				n.attr[a.Name.Local] = a.Value
			}
			all, open, before = append(all, n), append(open, n), n.name
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, n := range open {
				n.text += string(token)
			}
		}
	}
}

// TestRead: tables have captions and headers with a scope, headings skip no level and
// have words, nothing that explains is folded away, and all are words of the page.
func TestRead(t *testing.T) {
	r := report(t)
	r.Filters[0].Text = "</pre><script>alert(7)</script>"
	r.About = exposure.About{Date: "2026-01-02T03:04:05Z", Host: "<b>host</b>", Version: "1", Digest: "abc", Files: []exposure.File{{Path: "/etc/<i>", Digest: "def"}}, Callers: []string{"<u>nova</u>"}}
	r.Compare(exposure.Baseline{})
	count := map[string]int{}
	level := byte('0')
	for _, n := range parsed(t, page(t, r)) {
		count[n.name]++
		switch n.name {
		case "caption":
			if n.before != "table" || strings.TrimSpace(n.text) == "" {
				t.Error("a table has no caption")
			}
		case "th":
			if scope := n.attr["scope"]; scope != "col" && scope != "row" {
				t.Errorf("a header has the scope %q", scope)
			}
		case "details":
			if _, open := n.attr["open"]; !open {
				t.Error("something is folded away")
			}
		case "h1", "h2", "h3":
			if n.name[1] > level+1 || strings.TrimSpace(n.text) == "" {
				t.Errorf("%s %q behind level %c", n.name, strings.TrimSpace(n.text), level)
			}
			level = n.name[1]
		case "html":
			if lang := n.attr["lang"]; lang != "en" {
				t.Error("no language")
			}
		}
	}
	if count["table"] != 2 || count["caption"] != 2 || count["h1"] != 1 || count["h3"] < 5 || count["details"] == 0 || count["script"] != 1 || count["i"]+count["u"] != 0 {
		t.Errorf("%v", count)
	}
	text := page(t, r)
	for _, want := range []string{"What to change first", r.Plan.String(), "2026-01-02T03:04:05Z", "New since the baseline", "&lt;u&gt;nova&lt;/u&gt;", "alert(7)", "RegExpFilter"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has not %q", want)
		}
	}
}

// TestPrinted: on paper nothing is in a frame that is scrolled, and what somebody has
// folded away is there.
func TestPrinted(t *testing.T) {
	_, print, ok := strings.Cut(page(t, report(t)), "@media print {")
	for _, want := range []string{"max-height: none; overflow: visible", "details-content { content-visibility: visible", "position: static"} {
		if !ok || !strings.Contains(print, want) {
			t.Errorf("the style for paper has not %q", want)
		}
	}
}

// TestEmpty: a policy without filters is a page too.
func TestEmpty(t *testing.T) {
	text := page(t, exposure.Assess(&policy.Policy{Path: "/etc/x/rootwrap.conf"}, exposure.Machine{}))
	if !strings.Contains(text, "0 filters") || !strings.Contains(text, "No filter gives away anything") {
		t.Error("it does not say that nothing is given away")
	}
}
