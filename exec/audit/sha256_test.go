package audit

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestDigest(t *testing.T) {
	for n := range 400 {
		message := []byte(strings.Repeat("\xffword\x00", n)[:n])
		if sum256(message) != sha256.Sum256(message) {
			t.Errorf("%d bytes: another digest than package crypto's", n)
		}
	}
	long := make([]byte, 3<<20+7)
	if sum256(long) != sha256.Sum256(long) {
		t.Error("3 MiB: another digest than package crypto's")
	}
}

func FuzzDigest(f *testing.F) {
	f.Add([]byte("abc"))
	f.Add(make([]byte, 119))
	f.Fuzz(func(t *testing.T, message []byte) {
		if sum256(message) != sha256.Sum256(message) {
			t.Errorf("%x: another digest than package crypto's", message)
		}
	})
}
