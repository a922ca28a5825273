package compiled

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// Encode returns the bytes of p. It fails only for what is too large.
func Encode(p *Policy) ([]byte, error) {
	e := encoder{out: make([]byte, 0, estimate(p)), blocks: make([]block, 0, 3*len(p.Lines)+8)}
	lines := e.lines(p.Lines)
	pages := e.pages(e.lists(p.Lines, lines))
	head := e.block(headBlock, func() { e.head(p, lines, pages) })
	e.block(endBlock, func() { e.end(head) })
	if len(e.out) > math.MaxInt32 {
		return nil, errors.New("the policy is larger than 2 GiB once compiled")
	}
	e.seal()
	return e.out, nil
}

type encoder struct {
	out    []byte
	blocks []block
}

type block struct {
	kind uint64
	span
}

// span is where a block is.
type span struct{ offset, size uint32 } // without the sum

// block adds one, with room for its sum.
func (e *encoder) block(kind uint64, fill func()) span {
	start := len(e.out)
	fill()
	s := span{uint32(start), uint32(len(e.out) - start)}
	e.u64(0)
	e.blocks = append(e.blocks, block{kind, s})
	return s
}

// seal puts in the sums, and the mark, which is the sum of all that the file holds. The
// end's is without it: there it is found.
func (e *encoder) seal() {
	mark := sum(0, 0, 0, e.out)
	put64(e.out[len(e.out)-endSize+markAt:], mark)
	for _, b := range e.blocks {
		of := mark
		if b.kind == endBlock {
			of = 0
		}
		data := e.out[b.offset:][:b.size]
		put64(e.out[int(b.offset)+len(data):], sum(of, b.kind, int(b.offset), data))
	}
}

func (e *encoder) lines(lines []Line) []span {
	spans := make([]span, len(lines))
	for i, l := range lines {
		spans[i] = e.block(lineBlock, func() {
			e.u32(uint32(i))
			e.u32(uint32(l.Source))
			e.entry(l.Entry)
			e.flag(l.Own != nil)
			e.entries(l.Own)
			e.sections(l.Added)
		})
	}
	return spans
}

// estimate is about how many bytes p takes.
func estimate(p *Policy) int {
	n := 4 << 10
	for _, l := range p.Lines {
		n += len(l.Key) + len(l.Value) + 128
	}
	return n + len(p.Sources)*128
}

// found is where the list of a word is.
type found struct {
	hash uint64
	list span
}

// lists adds which lines each word finds, and returns them in the order of the hashes.
func (e *encoder) lists(lines []Line, spans []span) []found {
	type pair struct {
		hash uint64
		line int
	}
	pairs := make([]pair, 0, 2*len(lines)) // most filters have a path and its base name
	for i, l := range lines {
		for _, word := range l.Words {
			pairs = append(pairs, pair{Hash(word), i})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.line, b.line))
	})
	pairs = slices.Compact(pairs)
	words := make([]found, 0, len(pairs))
	for len(pairs) > 0 {
		n := 1
		for n < len(pairs) && pairs[n].hash == pairs[0].hash {
			n++
		}
		words = append(words, found{pairs[0].hash, e.block(listBlock, func() {
			for _, p := range pairs[:n] {
				e.place(p.line, spans)
			}
		})})
		pairs = pairs[n:]
	}
	return words
}

// place says where a line is.
func (e *encoder) place(line int, spans []span) {
	e.u32(uint32(line))
	e.span(spans[line])
}

// fence says what is on a page.
type fence struct {
	first uint64
	page  span
}

func (e *encoder) pages(words []found) []fence {
	var fences []fence
	for part := range slices.Chunk(words, pageEntries) {
		fences = append(fences, fence{part[0].hash, e.block(pageBlock, func() {
			for _, w := range part {
				e.u64(w.hash)
				e.span(w.list)
			}
		})})
	}
	return fences
}

func (e *encoder) head(p *Policy, lines []span, pages []fence) {
	e.text(p.Build)
	e.text(p.Path)
	e.u32(uint32(len(p.Sources)))
	for _, s := range p.Sources {
		e.u32(uint32(s.Kind))
		e.text(s.Path)
		e.identity(s.Identity)
	}
	e.entries(p.Conf.Defaults)
	e.sections(p.Conf.Sections)
	var prefixes, always []int
	for i, l := range p.Lines {
		if l.Prefix > 0 && !slices.Contains(prefixes, l.Prefix) {
			prefixes = append(prefixes, l.Prefix)
		}
		if l.Always {
			always = append(always, i)
		}
	}
	e.u32(uint32(len(prefixes)))
	for _, n := range prefixes {
		e.u32(uint32(n))
	}
	e.u32(uint32(len(always)))
	for _, line := range always {
		e.place(line, lines)
	}
	e.u32(uint32(len(pages)))
	for _, f := range pages {
		e.u64(f.first)
		e.span(f.page)
	}
}

func (e *encoder) end(head span) {
	e.span(head)
	e.u64(uint64(len(e.out) - 4 - 4 + endSize))
	e.u64(0) // the mark
	e.u32(format)
	e.out = append(e.out, magic...)
}

func (e *encoder) identity(id trust.Identity) {
	for _, n := range []uint64{id.Dev, id.Ino, id.Size, id.Nlink, uint64(id.Mtime), uint64(id.Ctime)} {
		e.u64(n)
	}
	e.u32(id.Mode)
	e.u32(id.UID)
	e.u32(id.GID)
	e.flag(id.Local)
}

func (e *encoder) sections(list []*document.Section) {
	e.u32(uint32(len(list)))
	for _, s := range list {
		e.text(s.Name)
		e.text(s.Path)
		e.u32(uint32(s.Line))
		e.entries(s.Own)
	}
}

func (e *encoder) entries(list []document.Entry) {
	e.u32(uint32(len(list)))
	for _, entry := range list {
		e.entry(entry)
	}
}

func (e *encoder) entry(entry document.Entry) {
	e.u32(uint32(entry.Line))
	e.text(entry.Key)
	e.text(entry.Value)
}

func (e *encoder) span(s span) {
	e.u32(s.offset)
	e.u32(s.size)
}

func (e *encoder) text(s string) {
	e.u32(uint32(len(s)))
	e.out = append(e.out, s...)
}

func (e *encoder) flag(set bool) {
	if set {
		e.u32(1)
	} else {
		e.u32(0)
	}
}

func (e *encoder) u32(n uint32) {
	e.out = append(e.out, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func (e *encoder) u64(n uint64) {
	e.u32(uint32(n))
	e.u32(uint32(n >> 32))
}

func put64(b []byte, n uint64) {
	for i := range 8 {
		b[i] = byte(n >> (8 * i))
	}
}
