package compiled

import (
	"io"
	"iter"
	"slices"

	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// Book is a compiled policy that is read as far as it is needed. It serves one call.
type Book struct {
	Path string             // of rootwrap.conf
	Conf *document.Document // rootwrap.conf

	sources  decoder // where they are in the head
	count    int
	in       io.ReaderAt
	size     int64
	tail     []byte // the last bytes of the file, which hold the head
	tailAt   int64
	mark     uint64 // of the file; 0 until the end is read
	prefixes []int
	always   []place
	pages    []fence
	word     []byte // what read used last
}

// place is where a line is.
type place struct {
	number uint32
	span
}

// sourceSize is the least that one takes in bytes.
const sourceSize = 4 + 4 + identitySize

const identitySize = 6*8 + 4*4

// tailSize is how much is read at first: the head and the pages of a policy of some
// hundred filters in some dozen files.
const tailSize = 12 << 10

// Open reads the head of a compiled policy of so many bytes. The error is ErrDamaged,
// or the reader's.
func Open(in io.ReaderAt, size int64) (*Book, error) {
	b := &Book{in: in, size: size}
	if size < int64(endSize) || size > 1<<31 {
		return nil, ErrDamaged
	}
	b.tailAt = max(0, size-tailSize)
	b.tail = make([]byte, size-b.tailAt)
	if _, err := in.ReadAt(b.tail, b.tailAt); err != nil && err != io.EOF {
		return nil, err
	}
	end, err := b.block(endBlock, span{uint32(size) - uint32(endSize), uint32(endSize - sumSize)})
	if err != nil {
		return nil, err
	}
	d := decoder{rest: end}
	head, length := d.span(), d.u64()
	b.mark = d.u64()
	if length != uint64(size) || d.u32() != format || string(d.rest) != magic {
		return nil, ErrDamaged
	}
	data, err := b.block(headBlock, head)
	if err != nil {
		return nil, err
	}
	// Sources reads it again later.
	if int64(head.offset) < b.tailAt {
		data = slices.Clone(data)
	}
	if d = (decoder{rest: data}); !b.head(&d) {
		return nil, ErrDamaged
	}
	return b, nil
}

func (b *Book) head(d *decoder) bool {
	if d.text() != Build {
		return false
	}
	b.Path = d.text()
	b.count = d.count(sourceSize)
	b.sources = *d
	for range b.count {
		d.take(4)
		d.take(int(d.u32()))
		d.take(identitySize)
	}
	b.Conf = &document.Document{Defaults: d.entries(), Sections: d.sections()}
	b.prefixes = make([]int, d.count(4))
	for i := range b.prefixes {
		b.prefixes[i] = int(d.u32())
	}
	b.always = d.places(d.count(placeSize))
	b.pages = make([]fence, d.count(entrySize))
	for i := range b.pages {
		b.pages[i] = fence{d.u64(), d.span()}
	}
	return d.done()
}

// Sources are what the policy came from, in the order in which it was read.
func (b *Book) Sources() iter.Seq2[int, Source] {
	return func(yield func(int, Source) bool) {
		d := b.sources
		for i := range b.count {
			if !yield(i, d.source()) {
				return
			}
		}
	}
}

// File is the path of the Source in which a line stands.
func (b *Book) File(l Line) string {
	dir := ""
	for i, s := range b.Sources() {
		switch {
		case i == l.Source:
			return dir + "/" + s.Path
		case s.Kind == Dir:
			dir = s.Path
		}
	}
	return ""
}

// Prefixes are how many words stand before a command that another filter has to allow:
// a number for each filter that has some.
func (b *Book) Prefixes() []int { return b.prefixes }

// Lines returns what is needed for a command that can be called by one of words, in the
// order in which it is asked. The error is ErrDamaged, or the reader's.
func (b *Book) Lines(words []string) ([]Line, error) {
	places := b.always
	for _, word := range words {
		more, err := b.find(Hash(word))
		if err != nil {
			return nil, err
		}
		places = append(slices.Clip(places), more...)
	}
	slices.SortFunc(places, func(x, y place) int { return int(x.number) - int(y.number) })
	places = slices.Compact(places)
	lines := make([]Line, len(places))
	for i, p := range places {
		var err error
		if lines[i], err = b.line(p); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// find returns where the lines are that a word finds.
func (b *Book) find(h uint64) ([]place, error) {
	i, exact := slices.BinarySearchFunc(b.pages, h, func(f fence, h uint64) int { return compare(f.first, h) })
	if !exact {
		i--
	}
	if i < 0 {
		return nil, nil
	}
	page, err := b.block(pageBlock, b.pages[i].page)
	if err != nil {
		return nil, err
	}
	low, high := 0, len(page)/entrySize
	for low < high {
		middle := (low + high) / 2
		switch c := compare(le64(page[middle*entrySize:]), h); {
		case c < 0:
			low = middle + 1
		case c > 0:
			high = middle
		default:
			at := page[middle*entrySize+8:]
			list, err := b.block(listBlock, span{le32(at), le32(at[4:])})
			if err != nil {
				return nil, err
			}
			d := decoder{rest: list}
			places := d.places(len(list) / placeSize)
			if !d.done() {
				return nil, ErrDamaged
			}
			return places, nil
		}
	}
	return nil, nil
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (b *Book) line(p place) (Line, error) {
	data, err := b.block(lineBlock, p.span)
	if err != nil {
		return Line{}, err
	}
	d := decoder{rest: data}
	number := d.u32()
	l := Line{Source: int(d.u32()), Entry: d.entry()}
	own := d.flag()
	if entries := d.entries(); own {
		l.Own = append([]document.Entry{}, entries...)
	}
	l.Added = d.sections()
	if !d.done() || number != p.number || l.Source < 0 || l.Source >= b.count {
		return Line{}, ErrDamaged
	}
	return l, nil
}

// block returns what a block holds, until the next call.
func (b *Book) block(kind uint64, s span) ([]byte, error) {
	start, end := int64(s.offset), int64(s.offset)+int64(s.size)+sumSize
	if end > b.size {
		return nil, ErrDamaged
	}
	var data []byte
	if start >= b.tailAt {
		data = b.tail[start-b.tailAt : end-b.tailAt]
	} else {
		b.word = slices.Grow(b.word[:0], int(end-start))[:end-start]
		if _, err := b.in.ReadAt(b.word, start); err != nil {
			return nil, err
		}
		data = b.word
	}
	if sum(b.mark, kind, int(start), data[:s.size]) != le64(data[s.size:]) {
		return nil, ErrDamaged
	}
	return data[:s.size], nil
}

// decoder takes a block apart. What is not there is zero, and is remembered.
type decoder struct {
	rest  []byte
	short bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.short, d.rest = true, nil
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

// done tells that there was enough and that nothing is left.
func (d *decoder) done() bool { return !d.short && len(d.rest) == 0 }

// count is a number of things of at least so many bytes each.
func (d *decoder) count(least int) int {
	n := int(d.u32())
	if n > len(d.rest)/least {
		d.short = true
		return 0
	}
	return n
}

func (d *decoder) places(n int) []place {
	places := make([]place, n)
	for i := range places {
		places[i] = place{d.u32(), d.span()}
	}
	return places
}

func (d *decoder) source() Source { return Source{Kind(d.u32()), d.text(), d.identity()} }

func (d *decoder) identity() (id trust.Identity) {
	id.Dev, id.Ino, id.Size, id.Nlink = d.u64(), d.u64(), d.u64(), d.u64()
	id.Mtime, id.Ctime = int64(d.u64()), int64(d.u64())
	id.Mode, id.UID, id.GID, id.Local = d.u32(), d.u32(), d.u32(), d.flag()
	return id
}

func (d *decoder) sections() []*document.Section {
	n := d.count(4 + 4 + 4 + 4)
	if n == 0 {
		return nil
	}
	list := make([]*document.Section, n)
	for i := range list {
		list[i] = &document.Section{Name: d.text(), Path: d.text(), Line: int(d.u32()), Own: d.entries()}
	}
	return list
}

func (d *decoder) entries() []document.Entry {
	n := d.count(4 + 4 + 4)
	if n == 0 {
		return nil
	}
	list := make([]document.Entry, n)
	for i := range list {
		list[i] = d.entry()
	}
	return list
}

func (d *decoder) entry() document.Entry {
	line := int(d.u32())
	return document.Entry{Line: line, Key: d.text(), Value: d.text()}
}

func (d *decoder) span() span { return span{d.u32(), d.u32()} }

func (d *decoder) text() string { return string(d.take(int(d.u32()))) }

func (d *decoder) flag() bool { return d.u32() == 1 }

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return le32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return le64(b)
	}
	return 0
}
