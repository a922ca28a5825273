package call

import (
	"reflect"
	"strings"
	"testing"
)

func TestRequestComesBack(t *testing.T) {
	for _, r := range []Request{
		{},
		{Argv: []string{"ls", "", "-l\n\xff"}, Env: []string{"A=b", "", "="}, CPU: 1, Memory: ^uint64(0)},
		{Argv: []string{strings.Repeat("x", 1<<20)}},
	} {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		kind, length := Head([HeadSize]byte(b))
		if Long(kind, length) || int(length) != len(b)-HeadSize {
			t.Errorf("%q %d", kind, length)
		}
		got, err := DecodeRequest(b[HeadSize:])
		if err != nil || strings.Join(got.Argv, "\x00") != strings.Join(r.Argv, "\x00") || len(got.Argv) != len(r.Argv) || len(got.Env) != len(r.Env) || got.CPU != r.CPU || got.Memory != r.Memory {
			t.Errorf("%v %.200v", err, got)
		}
	}
	if _, err := (Request{Argv: []string{strings.Repeat("x", MaxRequest)}}).Encode(); err == nil {
		t.Error("a request of any length")
	}
}

func TestAnswerComesBack(t *testing.T) {
	for _, a := range []Answer{{true, 0x80, ""}, {true, 1 << 8, ""}, {false, 99, "no\n"}, {false, 97, ""}} {
		b := a.Encode()
		kind, length := Head([HeadSize]byte(b))
		got, err := DecodeAnswer(kind, b[HeadSize:])
		if err != nil || got != a || int(length) != len(b)-HeadSize {
			t.Errorf("%v %v", err, got)
		}
	}
	for _, bad := range []string{"", "abc", "abcde"} {
		if _, err := DecodeAnswer(kindEnded, []byte(bad)); err == nil {
			t.Errorf("%q is an answer", bad)
		}
	}
	if _, err := DecodeAnswer('x', []byte("abcd")); err == nil {
		t.Error("any kind is an answer")
	}
}

// FuzzRequest: what is understood comes back, and takes no more memory than it came in.
func FuzzRequest(f *testing.F) {
	for _, r := range []Request{{}, {Argv: []string{"a", ""}, Env: []string{"A=b"}}} {
		b, _ := r.Encode()
		f.Add(b[HeadSize:])
	}
	f.Add([]byte("0123456789abcdef\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRequest(body)
		if words, countErr := Words(body); err == nil && (countErr != nil || words != len(r.Argv)+len(r.Env)) {
			t.Errorf("%d words and variables, %v, not %d and %d", words, countErr, len(r.Argv), len(r.Env))
		}
		if err != nil {
			return
		}
		b, err := r.Encode()
		if err != nil {
			return
		}
		again, err := DecodeRequest(b[HeadSize:])
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%v: %+v, then %+v", err, r, again)
		}
		if cap(r.Argv) > 2*len(body)+8 || cap(r.Env) > 2*len(body)+8 {
			t.Errorf("%d bytes became lists of %d and %d", len(body), cap(r.Argv), cap(r.Env))
		}
	})
}
