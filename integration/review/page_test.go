package review

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"ironwrap/integration/rig/debian"
	"ironwrap/policy/review/exposure/page"
)

// browser is a tab of Chromium in which the audit of Debian's manila is open, with
// all that it complained of and asked for.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string

	mu         sync.Mutex
	complaints []string
	requests   []string
}

// openPage starts Chromium on the page of a policy.
func openPage(t *testing.T, service string, width, height int64) *browser {
	t.Helper()
	if err := debian.Install("chromium", "/usr/bin/chromium"); err != nil {
		t.Skipf("the audit's page was not looked at with a browser: %v", err)
	}
	var text bytes.Buffer
	if err := page.Write(&text, assessed(t, debianPolicies(t)[service]), "test"); err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/" + service + ".html"
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	var family *exec.Cmd // of processes: the browser starts some, which write to its directory
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR="+t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.ModifyCmdFunc(func(c *exec.Cmd) {
			family, c.SysProcAttr = c, &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}))
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); family != nil && family.Process != nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if syscall.Kill(-family.Process.Pid, syscall.SIGKILL) == syscall.ESRCH {
				return
			}
		}
	})
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	b := &browser{t: t, url: "file://" + file}
	ctx, stop = chromedp.NewContext(ctx, chromedp.WithErrorf(b.trouble))
	t.Cleanup(stop)
	b.ctx = ctx
	chromedp.ListenTarget(ctx, b.listen)
	b.do(log.Enable(), network.Enable(), runtime.Enable(), chromedp.EmulateViewport(width, height), chromedp.Navigate(b.url))
	return b
}

// trouble takes what chromedp itself stumbles over; events that are newer than it are
// none.
func (b *browser) trouble(format string, args ...any) {
	if strings.HasPrefix(format, "unhandled") {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, fmt.Sprintf(format, args...))
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, fmt.Sprintf("console.%s %v", e.Type, e.Args))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if e.Request.URL != b.url {
			b.requests = append(b.requests, e.Request.URL)
		}
	}
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// ask evaluates an expression.
func ask[T any](b *browser, expression string) (answer T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(expression, &answer))
	return answer
}

// drawn waits until what was changed is on the screen: the second frame from now.
func (b *browser) drawn() {
	b.t.Helper()
	b.do(chromedp.Evaluate(`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`, nil,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

// shot keeps a picture where IRONWRAP_SHOTS names a directory.
func (b *browser) shot(name string) {
	if dir := os.Getenv("IRONWRAP_SHOTS"); dir != "" {
		var png []byte
		b.do(chromedp.CaptureScreenshot(&png))
		os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
}

const visibleRows = `[...document.querySelectorAll("tbody tr")].filter(r => !r.hidden)`

// TestPageWorks: the page loads nothing, complains of nothing, and is sorted,
// searched and read with the mouse and the keyboard.
func TestPageWorks(t *testing.T) {
	b := openPage(t, "manila", 1400, 1000)
	b.shot("light")
	all := ask[int](b, visibleRows+`.length`)
	if all < 60 {
		t.Fatalf("%d rows", all)
	}

	// Sort: first the largest, and rows that have nothing there last; then the other
	// way round; one column at a time.
	sorted := `JSON.stringify([` + visibleRows + `[0].dataset.read ?? "-", ` + visibleRows + `.at(-1).dataset.read ?? "-",
		document.querySelector('[data-key=read]').closest("th").ariaSort, document.querySelectorAll("th[aria-sort=none]").length])`
	headers := ask[int](b, `document.querySelectorAll("thead th").length`)
	b.do(chromedp.Click(`[data-key=read]`))
	if got, want := ask[string](b, sorted), fmt.Sprintf(`["7","-","descending",%d]`, headers-1); got != want {
		t.Errorf("sorted by a power: %s, want %s", got, want)
	}
	b.do(chromedp.Focus(`[data-key=read]`), chromedp.KeyEvent(kb.Enter))
	if got, want := ask[string](b, sorted), fmt.Sprintf(`["-","7","ascending",%d]`, headers-1); got != want {
		t.Errorf("and again, with the keyboard: %s, want %s", got, want)
	}
	b.do(chromedp.Click(`[data-key=name]`))
	if got := ask[bool](b, `(n => n.every((x, i) => i === 0 || n[i-1].localeCompare(x) <= 0))(`+visibleRows+`.map(r => r.dataset.name))`); !got {
		t.Error("not sorted by name")
	}
	if said := ask[string](b, `document.getElementById("said").textContent`); said != "sorted by Filter, ascending" {
		t.Errorf("what is said to those who do not see: %q", said)
	}

	// Search, in names and in what is folded away; and by score.
	for _, c := range []struct {
		words string
		want  int
	}{{"shcat", 1}, {"SHCAT nobody", 0}, {"regexpfilter sh root share.filters", 5}, {"no such filter", 0}, {"", all}} {
		b.do(chromedp.Evaluate(`search.value = ""; search.focus()`, nil), chromedp.KeyEvent(c.words+" "))
		rows, details := ask[int](b, visibleRows+`.length`), ask[int](b, `[...document.querySelectorAll("details")].filter(d => !d.hidden).length`)
		if c.words != "regexpfilter sh root share.filters" && rows != c.want || rows != details || rows < min(c.want, 2) {
			t.Errorf("search for %q: %d rows, %d explanations, want %d", c.words, rows, details, c.want)
		}
		if said := ask[string](b, `document.getElementById("said").textContent`); said != fmt.Sprintf("%d of %d filters", rows, all) {
			t.Errorf("search for %q: %q", c.words, said)
		}
	}
	b.do(chromedp.Evaluate(`search.value = ""; band.value = "9"; band.dispatchEvent(new Event("change"))`, nil))
	if n := ask[int](b, visibleRows+`.length`); n == 0 || n >= all || ask[bool](b, visibleRows+`.some(r => Number(r.dataset.score) < 9)`) {
		t.Errorf("%d rows of 9 and more", n)
	}

	// A cell: its reason, by click and by key; Escape goes back to where one was.
	b.do(chromedp.Evaluate(`document.querySelector('tr[data-name=shcat] a[href$="-run"]').focus()`, nil), chromedp.KeyEvent(kb.Enter))
	if text := ask[string](b, `document.querySelector("dialog[open]")?.innerText ?? ""`); !strings.Contains(text, "shcat") || !strings.Contains(text, "sh -c") || !strings.Contains(text, "Run programs") {
		t.Errorf("the reason: %q", text)
	}
	b.shot("reason")
	b.do(chromedp.KeyEvent(kb.Escape))
	if at := ask[string](b, `document.querySelector("dialog").open ? "open" : document.activeElement.getAttribute("href")`); !strings.HasSuffix(at, "-run") {
		t.Errorf("after Escape: %q", at)
	}
	b.do(chromedp.Evaluate(`document.querySelector('tr[data-name=dd] a[href$="-write"]').focus()`, nil), chromedp.KeyEvent(kb.ArrowRight))
	if at := ask[string](b, `document.activeElement.getAttribute("href")`); !strings.HasSuffix(at, "-device") {
		t.Errorf("the arrow key went to %q", at)
	}
	b.do(chromedp.Evaluate(`document.querySelector("tr[data-name=tee]").scrollIntoView({block: "center", behavior: "instant"})`, nil),
		chromedp.Click(`tr[data-name=tee] a[href$="-write"]`))
	if text := ask[string](b, `document.querySelector("dialog[open]")?.innerText ?? ""`); !strings.Contains(text, "tee /etc/shadow") {
		t.Errorf("the reason: %q", text)
	}
	b.do(chromedp.Click(`dialog .close`))

	// A filter's name opens its explanation.
	b.do(chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = false)`, nil))
	b.do(chromedp.Evaluate(`document.querySelector("tr[data-name=docker]").scrollIntoView({block: "center", behavior: "instant"})`, nil),
		chromedp.Click(`tr[data-name=docker] th a`),
		chromedp.Poll(`document.querySelector("details[open] summary b")?.textContent === "docker"`, nil))
	b.quiet()
}

// quiet complains of what the browser complained of.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 || len(b.requests) > 0 {
		b.t.Errorf("complaints %q, requests %q", b.complaints, b.requests)
	}
}

// contrast is the least contrast of any text with what is behind it (WCAG 2.1).
const contrast = `(() => {
  const rgb = (c) => (c.match(/[\d.]+/g) ?? []).map(Number);
  const lum = (c) => c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  let worst = [99, ""];
  for (const e of document.querySelectorAll("body *:not(script, svg, svg *)")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length) continue;
    const [a, b] = [lum(rgb(getComputedStyle(e).color)), lum(behind(e))];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < worst[0]) worst = [ratio, e.className + " " + e.textContent.trim().slice(0, 30)];
  }
  return worst[0] >= 4.5 ? "" : worst.join(" ");
})()`

// TestPageShows: light and dark, wide and narrow, and without scripts.
func TestPageShows(t *testing.T) {
	b := openPage(t, "cinder", 1400, 1000)
	b.do(chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
	for _, scheme := range []string{"light", "dark"} {
		b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
		if bad := ask[string](b, contrast); bad != "" {
			t.Errorf("%s: contrast %s", scheme, bad)
		}
		dark := ask[bool](b, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).every(v => v < 64)`)
		if dark != (scheme == "dark") {
			t.Errorf("%s: the page is dark: %v", scheme, dark)
		}
		b.shot("wide-" + scheme)
	}
	for _, width := range []int64{320, 390, 768} {
		b.do(chromedp.EmulateViewport(width, 844, chromedp.EmulateMobile))
		if over := ask[int64](b, `document.documentElement.scrollWidth`); over > width {
			t.Errorf("at %d the page is %d wide: %s", width, over, ask[string](b, `[...document.querySelectorAll("body *")].filter(e => !e.closest("table, dialog") && (e.getBoundingClientRect().right > `+fmt.Sprint(width+1)+` || e.scrollWidth > e.clientWidth && e.clientWidth)).map(e => e.tagName + "." + e.className).slice(0, 5).join()`))
		}
		if !ask[bool](b, `(s => s.scrollWidth > s.clientWidth)(document.querySelector(".scroll"))`) {
			t.Errorf("at %d the matrix is not to be scrolled", width)
		}
		b.shot(fmt.Sprintf("phone-%d", width))
		b.do(chromedp.Evaluate(`document.getElementById("matrix").scrollIntoView()`, nil))
		b.shot(fmt.Sprintf("phone-%d-matrix", width))
		b.do(chromedp.Evaluate(`document.getElementById("each").scrollIntoView()`, nil))
		b.shot(fmt.Sprintf("phone-%d-each", width))
	}

	// What a screen reader is told.
	for what, expression := range map[string]string{
		"a cell without a header":       `[...document.querySelectorAll("th")].some(h => !h.scope)`,
		"no caption":                    `!document.querySelector("caption").textContent`,
		"a link without words":          `[...document.querySelectorAll("td a")].some(a => !(a.ariaLabel ?? "").includes(": "))`,
		"a field without a label":       `[...document.querySelectorAll("input, select")].some(i => !i.labels.length)`,
		"headings that skip a level":    `[...document.querySelectorAll("h1,h2,h3,h4")].some((h, i, all) => i && h.tagName[1] - all[i-1].tagName[1] > 1)`,
		"a part that cannot be focused": `document.querySelector(".scroll").tabIndex !== 0`,
	} {
		if ask[bool](b, expression) {
			t.Error(what)
		}
	}
	b.quiet()

	b.do(emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(b.url+"#f1"))
	var open string
	b.do(chromedp.AttributeValue(`#f1`, "data-row", &open, nil), chromedp.Text(`#table`, &open))
	if !strings.Contains(open, "netapp_nfs_find") {
		t.Error("without scripts there is no table")
	}
}

// TestPagePrints: on an A4 sheet in landscape nothing is clipped, and what somebody has
// folded away is there, without a script too.
func TestPagePrints(t *testing.T) {
	b := openPage(t, "cinder", 1032, 700)
	b.do(chromedp.Evaluate(`document.querySelectorAll("details").forEach(d => d.open = false)`, nil), emulation.SetEmulatedMedia().WithMedia("print"))
	b.drawn()
	if n := ask[int](b, `[...document.querySelectorAll(".reason, .filter dl, .line")].filter(e => !e.checkVisibility({contentVisibilityAuto: true}) || !e.getClientRects().length).length`); n > 0 {
		t.Errorf("%d parts are not printed", n)
	}
	if over := ask[string](b, `[...document.querySelectorAll("body *:not(svg *)")].filter(e => e.getClientRects().length && !e.closest(".hidden") && (e.getBoundingClientRect().right > innerWidth + 1 || getComputedStyle(e).overflow !== "visible" && e.scrollWidth > e.clientWidth + 1)).map(e => e.tagName + "." + e.className).slice(0, 5).join()`); over != "" {
		t.Errorf("clipped: %s", over)
	}
	b.shot("print")
	b.quiet()
}
