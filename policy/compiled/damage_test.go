package compiled

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ironwrap/policy/document"
)

// small is a policy whose file can be damaged in each way that there is: a few hundred
// lines of tests would take no other.
func small() *Policy {
	return &Policy{
		Build: Build, Path: "/etc/x/rootwrap.conf",
		Conf: &document.Document{
			Defaults: []document.Entry{{Key: "filters_path", Value: "/etc/x/d", Line: 2}},
			Sections: []*document.Section{{Name: "Sandbox", Line: 4, Own: []document.Entry{{Key: "seccomp", Value: "storage", Line: 5}}}},
		},
		Sources: []Source{{Kind: Conf, Path: "/etc/x/rootwrap.conf"}, {Kind: Dir, Path: "/etc/x/d"}, {Kind: File, Path: "/etc/x/d/a.filters"}},
	}
}

// policies are a small one, which is read at once, and one in which nothing that a word
// leads to is in what is read first, but the end and the last bytes of the head.
func policies() map[string]*Policy {
	one := small()
	for i, w := range [][]string{{"id"}, {"/bin/ls", "ls"}, {"ls"}, {"ip"}, nil, {"ip"}, {"kill"}} {
		one.Lines = append(one.Lines, Line{
			Entry: document.Entry{Key: fmt.Sprint("filter", i), Value: "CommandFilter, x, root", Line: i + 2}, Source: 2,
			Words: w, Always: w == nil, Prefix: max(0, i-4),
		})
	}
	one.Lines[1].Own = []document.Entry{}
	one.Lines[2].Own = []document.Entry{{Key: "seccomp", Value: "none", Line: 9}}
	two := small()
	two.Lines = slices.Clone(one.Lines)
	two.Conf.Defaults = append(two.Conf.Defaults, document.Entry{Key: "long", Value: strings.Repeat("x", 2*tailSize), Line: 3})
	return map[string]*Policy{"read at once": one, "read in parts": two}
}

// wants are the answers of the policy as it was written.
type wants struct {
	p         *Policy
	questions [][]string
}

func expect(p *Policy) wants { return wants{p, questions(rand.New(rand.NewPCG(1, 1)), p)} }

// check demands of data an error, or the answers of the policy that it was made of.
func (w wants) check(t testing.TB, data []byte, what func() string) (refused bool) {
	b, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		if err != ErrDamaged {
			t.Errorf("%s: %v", what(), err)
		}
		return true
	}
	// Each question by itself, for one that is refused says nothing of the others.
	for _, q := range w.questions {
		ok, err := same(w.p, b, [][]string{q})
		if !ok {
			t.Fatalf("%s: another policy", what())
		}
		if err != nil && err != ErrDamaged {
			t.Errorf("%s: %v", what(), err)
		}
		refused = refused || err != nil
	}
	return refused
}

// Each bit of each byte is flipped. None is without a meaning: each is noticed by those
// who ask for what is there.
func TestFlipped(t *testing.T) {
	for name, p := range policies() {
		data, w := encode(t, p), expect(p)
		long := strings.Index(string(data), strings.Repeat("x", 100))
		for i := range data {
			bits := 8
			if long >= 0 && i > long && i < long+2*tailSize-8 {
				if bits = 1; i%8 > 0 {
					continue // one text, 24 KiB long
				}
			}
			for bit := range bits {
				data[i] ^= 1 << bit
				if !w.check(t, data, func() string { return fmt.Sprintf("%s: bit %d of byte %d of %d", name, bit, i, len(data)) }) {
					t.Errorf("%s: bit %d of byte %d of %d: nobody has noticed", name, bit, i, len(data))
				}
				data[i] ^= 1 << bit
			}
			for _, c := range []byte{0, 0xff} {
				old := data[i]
				data[i] = c
				w.check(t, data, func() string { return fmt.Sprintf("%s: byte %d of %d is %#x", name, i, len(data), c) })
				data[i] = old
			}
		}
	}
}

func TestCut(t *testing.T) {
	for name, p := range policies() {
		data, w := encode(t, p), expect(p)
		for n := range data {
			if !w.check(t, data[:n], func() string { return fmt.Sprintf("%s: the first %d bytes", name, n) }) ||
				!w.check(t, data[n+1:], func() string { return fmt.Sprintf("%s: without the first %d bytes", name, n+1) }) {
				t.Errorf("%s: %d bytes of it will do", name, n)
			}
		}
		for _, more := range []string{"\x00", "\n", strings.Repeat("\x00", 4096), string(data[len(data)-endSize:]), string(data)} {
			if !w.check(t, append(slices.Clone(data), more...), func() string { return fmt.Sprintf("%s: with %d bytes more", name, len(more)) }) ||
				!w.check(t, append([]byte(more), data...), func() string { return fmt.Sprintf("%s: behind %d bytes more", name, len(more)) }) {
				t.Errorf("%s: %d bytes more will do", name, len(more))
			}
		}
		// What a machine leaves that stops while it writes: a hole.
		for from := 0; from < len(data); from += 512 {
			torn := slices.Clone(data)
			clear(torn[from:min(len(torn), from+4096)])
			w.check(t, torn, func() string { return fmt.Sprintf("%s: zeros from byte %d", name, from) })
		}
	}
}

// blocksOf are the blocks of a policy's file, with their sums.
func blocksOf(t testing.TB, p *Policy) (kinds []uint64, blocks []span) {
	t.Helper()
	var e encoder
	lines := e.lines(p.Lines)
	pages := e.pages(e.lists(p.Lines, lines))
	head := e.block(headBlock, func() { e.head(p, lines, pages) })
	e.block(endBlock, func() { e.end(head) })
	for _, b := range e.blocks {
		kinds, blocks = append(kinds, b.kind), append(blocks, span{b.offset, b.size + sumSize})
	}
	return kinds, blocks
}

func (s span) of(data []byte) []byte { return data[s.offset:][:s.size] }

func TestExchangedBlocks(t *testing.T) {
	for name, p := range policies() {
		data, w := encode(t, p), expect(p)
		_, blocks := blocksOf(t, p)
		for i, a := range blocks {
			for _, b := range blocks[i+1:] {
				for _, whole := range []uint32{0, sumSize} { // with the sums, and without
					if a.size != b.size {
						continue
					}
					x, y := span{a.offset, a.size - whole}, span{b.offset, b.size - whole}
					moved := slices.Clone(data)
					copy(x.of(moved), y.of(data))
					copy(y.of(moved), x.of(data))
					if !bytes.Equal(moved, data) && !w.check(t, moved, func() string { return fmt.Sprintf("%s: blocks %v and %v exchanged", name, a, b) }) {
						t.Errorf("%s: blocks %v and %v exchanged: nobody has noticed", name, a, b)
					}
				}
			}
		}
	}
}

// A block of another policy, of the same length and in the same place, is none of this
// one, though its sum is right.
func TestForeignBlocks(t *testing.T) {
	for name, p := range policies() {
		data, w := encode(t, p), expect(p)
		kinds, blocks := blocksOf(t, p)
		for _, change := range []func(o *Policy){
			func(o *Policy) { o.Lines[0].Value = "CommandFilter, y, root" },
			func(o *Policy) { o.Lines[0].Words = []string{"rm"} },
			func(o *Policy) { o.Lines[0].Words, o.Lines[3].Words = o.Lines[3].Words, o.Lines[0].Words },
			func(o *Policy) { o.Lines[4].Always, o.Lines[5].Always = false, true },
			func(o *Policy) { o.Conf.Defaults[0].Value = "/etc/y/d" },
			func(o *Policy) { o.Sources[2].Identity.Mtime++ },
			func(o *Policy) { o.Path = "/etc/y/rootwrap.conf" },
		} {
			other := *p
			other.Lines, other.Sources = slices.Clone(p.Lines), slices.Clone(p.Sources)
			other.Conf = &document.Document{Defaults: slices.Clone(p.Conf.Defaults), Sections: p.Conf.Sections}
			change(&other)
			foreign := encode(t, &other)
			if len(foreign) != len(data) {
				t.Fatalf("%s: the other policy has another shape", name)
			}
			// Each block that differs alone, and each set of all of a kind, the end with
			// the mark last.
			for i, s := range blocks {
				moved := slices.Clone(data)
				copy(s.of(moved), s.of(foreign))
				if !bytes.Equal(moved, data) && !w.check(t, moved, func() string { return fmt.Sprintf("%s: block %v of another policy", name, s) }) {
					t.Errorf("%s: block %v of another policy: nobody has noticed", name, s)
				}
				kind := slices.Clone(data)
				for j, o := range blocks {
					if kinds[j] == kinds[i] {
						copy(o.of(kind), o.of(foreign))
					}
				}
				if !bytes.Equal(kind, data) && !w.check(t, kind, func() string { return fmt.Sprintf("%s: blocks of kind %d of another policy", name, kinds[i]) }) {
					t.Errorf("%s: blocks of kind %d of another policy: nobody has noticed", name, kinds[i])
				}
			}
			for cut := range data { // the beginning of one, the rest of the other
				if cut%61 > 0 && cut < len(data)-100 {
					continue
				}
				mixed := append(slices.Clone(data[:cut]), foreign[cut:]...)
				if bytes.Equal(mixed, data) || bytes.Equal(mixed, foreign) {
					continue
				}
				if b, err := Open(bytes.NewReader(mixed), int64(len(mixed))); err == nil {
					// A file whose head and end are the other's is the other's file.
					right := 0
					for _, of := range []wants{w, expect(&other)} {
						if all(of, b) {
							right++
						}
					}
					if right == 0 {
						t.Fatalf("%s: %d bytes of one and the rest of another are a third policy", name, cut)
					}
				}
			}
		}
	}
}

// all tells that b answers each question as w does, or not at all.
func all(w wants, b *Book) bool {
	for _, q := range w.questions {
		if ok, _ := same(w.p, b, [][]string{q}); !ok {
			return false
		}
	}
	return true
}
