package page

import (
	"bytes"
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
	if len(links) < 20 {
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

// TestEmpty: a policy without filters is a page too.
func TestEmpty(t *testing.T) {
	text := page(t, exposure.Assess(&policy.Policy{Path: "/etc/x/rootwrap.conf"}, exposure.Machine{}))
	if !strings.Contains(text, "0 filters") || !strings.Contains(text, "No filter gives away anything") {
		t.Error("it does not say that nothing is given away")
	}
}
