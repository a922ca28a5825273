package main

import (
	"slices"
	"testing"

	"ironwrap/policy/review/difference"
	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/lint"
)

// TestAcceptable: what an entry accepts is of one command alone.
func TestAcceptable(t *testing.T) {
	all := slices.Concat(lint.Acceptable(), exposure.PowerIDs(), difference.Directions)
	slices.Sort(all)
	if one := slices.Compact(slices.Clone(all)); len(one) != len(all) {
		t.Errorf("a name is there twice: %v", all)
	}
}
