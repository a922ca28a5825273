package services

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/privsep"
)

// Every context of Debian's packages is in the table, and declares what stands there.
func TestContexts(t *testing.T) {
	ready(t)
	lines := json.NewDecoder(bytes.NewReader(play(t, "neutron", nil, nil, "python3", "/opt/contexts.py")))
	found := 0
	for ; lines.More(); found++ {
		var c struct {
			Module, Name string
			Capabilities []string
		}
		if err := lines.Decode(&c); err != nil {
			t.Fatal(err)
		}
		row := privsep.Find(c.Name)
		if row == nil {
			t.Errorf("%s: the context %q is not in the table", c.Module, c.Name)
			continue
		}
		declared := strings.Fields(row.Declared)
		slices.Sort(declared)
		if !slices.Equal(declared, c.Capabilities) || row.Unread {
			t.Errorf("%s declares %q; the table has %q, unread: %t", c.Name, c.Capabilities, declared, row.Unread)
		}
	}
	if found < 15 {
		t.Errorf("only %d contexts were found", found)
	}
}
