package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ironwrap/policy/review/fleet"
)

// hosts lays out trees of n hosts. Every tenth has a filter of its own; two have the same
// name.
func hosts(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		filters := "[Filters]\n"
		for k := range 60 {
			filters += fmt.Sprintf("f%d: RegExpFilter, tee, root, tee, -a, /var/lib/service/%d/[0-9a-f]+\n", k, k)
		}
		if i%10 == 0 {
			filters += fmt.Sprintf("own: RegExpFilter, tee, root, tee, /srv/%d/.*\n", i)
		}
		for name, text := range map[string]string{
			"etc/hostname":        fmt.Sprintf("h%02d\n", max(i, 1)),
			"etc/x/rootwrap.conf": fmt.Sprintf("# host %d\n[DEFAULT]\nfilters_path=/etc/x/d\nprivsep_contexts=none\n", i),
			"etc/x/d/a.filters":   filters,
		} {
			path := filepath.Join(dir, fmt.Sprint(i), name)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// TestFleet: fifty hosts take seconds, those that decide alike are found, and so are the
// others.
func TestFleet(t *testing.T) {
	dir := hosts(t, 50)
	begun := time.Now()
	out, errs, exit := session(t, "audit", "--root", dir+"/*", "--format", "json", "/etc/x/rootwrap.conf")
	if took := time.Since(begun); exit != 0 || took > 30*time.Second {
		t.Fatalf("exit status %d after %v: %s", exit, took, errs)
	}
	var r fleet.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Policies) != 50 || len(r.Variants) != 6 || r.Variants[0].Name != "A" || len(r.Variants[0].Hosts) != 45 {
		t.Fatalf("%d policies, variants %+v", len(r.Policies), r.Variants)
	}
	names := map[string]bool{}
	for i, p := range r.Policies {
		names[p.Host.Raw()] = true
		if own := i < 5; (p.Variant != "A") != own {
			t.Errorf("%s stands in place %d, and is %s", p.Host, i, p.Variant)
		}
	}
	if len(names) != 50 {
		t.Errorf("%d names", len(names))
	}
	for _, v := range r.Variants[1:] {
		if !v.Compared || !v.Wider || len(v.Hosts) != 1 || len(v.Witnesses) != 1 || !strings.HasPrefix(v.Witnesses[0].Raw(), "wider: tee /srv/") {
			t.Errorf("%+v", v)
		}
	}
}
