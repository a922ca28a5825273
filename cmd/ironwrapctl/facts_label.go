package main

import (
	"os"
	"strings"
)

// AppArmor reads the kernel's list, which it shows to root alone.
func (facts) AppArmor() map[string]string {
	text, err := os.ReadFile("/sys/kernel/security/apparmor/profiles")
	if err != nil {
		return nil
	}
	return appArmorProfiles(string(text))
}

// appArmorProfiles reads lines as "NAME (MODE)". A name may have spaces.
func appArmorProfiles(text string) map[string]string {
	loaded := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(strings.TrimSpace(line), ")")
		if i := strings.LastIndex(line, " ("); i >= 0 {
			loaded[line[:i]] = line[i+2:]
		}
	}
	return loaded
}
