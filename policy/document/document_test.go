package document

import (
	"slices"
	"testing"
)

func entry(key, value string, line int) Entry { return Entry{Key: key, Value: value, Line: line} }

var document = Document{
	Defaults: []Entry{entry("a", "default a", 2), entry("b", "default b", 3)},
	Sections: []*Section{
		{Name: "Filters", Line: 4, Own: []Entry{entry("x", "1", 5), entry("b", "own b", 6), entry("y", "", 7)}},
		{Name: "empty", Line: 9},
		{Name: "filters", Line: 10, Own: []Entry{entry("z", "2", 11)}},
	},
}

// As RawConfigParser.items: what is inherited comes first, in its place even where the
// section has a value of its own.
func TestItems(t *testing.T) {
	for _, c := range []struct {
		section string
		want    []Entry
		ok      bool
	}{
		{"Filters", []Entry{entry("a", "default a", 2), entry("b", "own b", 6), entry("x", "1", 5), entry("y", "", 7)}, true},
		{"empty", document.Defaults, true},
		{"filters", append(slices.Clone(document.Defaults), entry("z", "2", 11)), true},
		{"DEFAULT", document.Defaults, true},
		{"default", nil, false},
		{"FILTERS", nil, false},
		{"", nil, false},
	} {
		got, ok := document.Items(c.section)
		if ok != c.ok || ok && !slices.Equal(got, c.want) {
			t.Errorf("[%s]: %v, %v", c.section, got, ok)
		}
	}
	if got, ok := new(Document).Items("DEFAULT"); len(got) != 0 || !ok {
		t.Errorf("of an empty one: %v, %v", got, ok)
	}
}

// The list is the caller's: what is done to it is not done to the document.
func TestItemsAreTheCallers(t *testing.T) {
	for _, section := range []string{"DEFAULT", "Filters", "empty"} {
		items, _ := document.Items(section)
		items[0].Value = "changed"
		if again, _ := document.Items(section); again[0].Value != "default a" {
			t.Errorf("[%s] was changed: %v", section, again)
		}
	}
}

func TestOwn(t *testing.T) {
	for section, want := range map[string]int{"Filters": 3, "empty": 0, "filters": 1, "DEFAULT": 2, "none": 0} {
		if got := document.Own(section); len(got) != want {
			t.Errorf("[%s]: %v", section, got)
		}
	}
}
