package seccomp

import (
	"fmt"
	"strings"
)

// Dir is where the shipped profiles are. The build sets it.
var Dir = "/usr/lib/ironwrap/profiles"

// Locate tells where the profile of a `seccomp` key's value is, and its program:
// NAME is Dir/NAME.json and Dir/NAME.bpf, /x/p.json is itself and /x/p.bpf.
func Locate(value string) (profile, program string, err error) {
	if stem, ok := strings.CutSuffix(value, ".json"); ok && strings.HasPrefix(value, "/") {
		for _, part := range strings.Split(value[1:], "/") {
			if part == "" || part == "." || part == ".." || part == ".json" {
				return "", "", fmt.Errorf("seccomp profile %q is not a plain path: write it without empty parts, . and ..", value)
			}
		}
		if strings.IndexByte(value, 0) >= 0 {
			return "", "", fmt.Errorf("seccomp profile %q has a NUL byte in its path", value)
		}
		return value, stem + ".bpf", nil
	}
	if !isName(value) {
		return "", "", fmt.Errorf("seccomp profile %q is neither the name of a shipped profile (a-z, 0-9, _ and -) nor an absolute path that ends with .json", value)
	}
	return Dir + "/" + value + ".json", Dir + "/" + value + ".bpf", nil
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case (c == '_' || c == '-') && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

// NotCompiled is the error of a profile, by its `seccomp` key's value, without a
// usable program for the reason why: an error of Parse or Check, or that there is
// none. It tells what to do.
func NotCompiled(value string, why error) error {
	shown := value
	if strings.ContainsFunc(value, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+", r)
	}) {
		shown = fmt.Sprintf("%q", value)
	}
	return fmt.Errorf("seccomp profile %s is not compiled for this machine: %w: run `ironwrapctl seccomp compile %s`", shown, why, shown)
}
