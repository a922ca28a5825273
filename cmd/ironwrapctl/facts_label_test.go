package main

import (
	"maps"
	"testing"
)

// TestAppArmorProfiles: as securityfs lists them.
func TestAppArmorProfiles(t *testing.T) {
	got := appArmorProfiles("/usr/sbin/a b (x) (complain)\nheld (enforce)\nc//hat (enforce)\n")
	if want := map[string]string{"/usr/sbin/a b (x)": "complain", "held": "enforce", "c//hat": "enforce"}; !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := appArmorProfiles(""); got == nil || len(got) != 0 {
		t.Errorf("%v", got)
	}
}
