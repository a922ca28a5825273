package privsep

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every context is a dotted name, once, in order, and says what was read. A profile has the
// capability without which the helper reaches nobody, and no capability twice.
func TestTable(t *testing.T) {
	before := ""
	for _, c := range All() {
		if c.Name <= before || !strings.Contains(c.Name, ".") || strings.Trim(c.Name, "abcdefghijklmnopqrstuvwxyz_.0123456789") != "" {
			t.Errorf("%q behind %q", c.Name, before)
		}
		before = c.Name
		if found := Find(c.Name); found == nil || found.Name != c.Name {
			t.Errorf("%s is not found", c.Name)
		}
		caps := c.Capabilities()
		if len(slices.Compact(slices.Clone(caps))) != len(caps) {
			t.Errorf("%s: %v", c.Name, caps)
		}
		for _, capability := range caps {
			if !strings.HasPrefix(capability, "cap_") || strings.ToLower(capability) != capability {
				t.Errorf("%s: %q", c.Name, capability)
			}
		}
		if c.How == "" || c.Read == "" {
			t.Errorf("%s: %+v", c.Name, c)
		}
		if c.Profiled() && (!slices.Contains(caps, Reach) || c.Unread || c.Work > c.Calls || c.Work < c.Calls && c.Lost == "") ||
			!c.Profiled() && (c.Beside+c.Keys+c.Lost != "" || c.Work != 0) {
			t.Errorf("%s: the profile is not one: %+v", c.Name, c)
		}
	}
	for _, name := range []string{"", "a", "nova.privsep", "nova.privsep.sys_admin_pctxt ", "NOVA.privsep.sys_admin_pctxt", "zzz.z"} {
		if c := Find(name); c != nil || c.Profiled() {
			t.Errorf("%q is %+v", name, c)
		}
	}
}

var update = flag.Bool("update", false, "write the table into docs/privsep.md")

// TestDocs: docs/privsep.md has the table as it is.
func TestDocs(t *testing.T) {
	const path, marker = "../../docs/privsep.md", "-update -->\n"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	intro, rest, ok := strings.Cut(string(data), marker)
	if !ok {
		t.Fatalf("%s has no line that ends with %q", path, marker)
	}
	if rest == markdown() {
		return
	}
	if !*update {
		t.Fatalf("%s has another table: go test ./policy/privsep -run TestDocs -update", path)
	}
	if err := os.WriteFile(path, []byte(intro+marker+markdown()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func markdown() string {
	var b strings.Builder
	short := func(list string) string {
		return strings.ReplaceAll(list, "cap_", "")
	}
	b.WriteString("\n| context | declares (cap_...) | besides | calls that work within the profile as without it; known not to work |\n|---|---|---|---|\n")
	for _, c := range All() {
		declared, besides, tried := short(c.Declared), strings.TrimSpace(short(c.Beside)+" "+c.Keys), fmt.Sprintf("%d of %d", c.Work, c.Calls)
		switch {
		case c.Unread:
			declared = "not read; taken for " + declared
		case declared == "":
			declared = "none"
		}
		switch {
		case !c.Profiled():
			besides, tried = "no profile", "not tried"
		case besides == "":
			besides = "nothing"
		}
		if c.Lost != "" {
			tried += "; " + c.Lost
		}
		b.WriteString("| " + strings.Join([]string{"`" + c.Name + "`", declared, besides, tried}, " | ") + " |\n")
	}
	return b.String()
}
