package compiled

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"runtime/metrics"
	"slices"
	"testing"
)

// FuzzOpen: any bytes are an error, or answer as the policy does that they were made of.
// The seeds are valid files, and damaged ones.
func FuzzOpen(f *testing.F) {
	var valid []wants
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range []*Policy{policies()["read at once"], policies()["read in parts"], random(r, 0), random(r, 3), random(r, 40)} {
		valid = append(valid, expect(p))
		data := encode(f, p)
		f.Add(data)
		for range 20 {
			i := r.IntN(len(data))
			damaged := slices.Clone(data)
			damaged[i] ^= 1 << r.IntN(8)
			f.Add(damaged)
			f.Add(data[:i])
			f.Add(slices.Concat(data[:i], data[i/2:]))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, data, func() {
			if b, err := Open(bytes.NewReader(data), int64(len(data))); err == nil {
				_, _ = b.Lines(alphabet)
			}
		})
		b, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		if !slices.ContainsFunc(valid, func(w wants) bool { return all(w, b) }) {
			t.Errorf("it answers as none of the policies does")
		}
	})
}

// FuzzSealed puts changes into the file of a policy, and the right sums behind them, so
// that what takes the blocks apart has to bear all that they can hold. A change is six
// bytes of place and length, and the bytes themselves.
func FuzzSealed(f *testing.F) {
	base := policies()["read at once"]
	whole := encode(f, base)
	kinds, blocks := blocksOf(f, base)
	f.Add([]byte{}, "ls")
	for i, s := range blocks {
		for at := uint32(0); at+4 <= s.size-sumSize; at += 4 {
			for _, n := range []uint32{0, 1, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1, blocks[(i+1)%len(blocks)].offset} {
				f.Add(change(s.offset+at, binary.LittleEndian.AppendUint32(nil, n)), "ls")
			}
		}
	}
	f.Fuzz(func(t *testing.T, changes []byte, word string) {
		data := slices.Clone(whole)
		for len(changes) > 6 {
			at, n := binary.LittleEndian.Uint32(changes), int(binary.LittleEndian.Uint16(changes[4:]))
			changes = changes[6:]
			n = min(n, len(changes))
			copy(data[at%uint32(len(data)):], changes[:n])
			changes = changes[n:]
		}
		reseal(data, kinds, blocks)
		bounded(t, data, func() { askSealed(t, data, word) })
	})
}

func askSealed(t *testing.T, data []byte, word string) {
	b, err := Open(bytes.NewReader(data), int64(len(data)))
	if err == nil {
		for _, words := range [][]string{nil, {word}, {"ls", "ip", word}} {
			lines, err := b.Lines(words)
			if err != nil && err != ErrDamaged {
				t.Errorf("%v", err)
			}
			for _, l := range lines {
				if l.Source < 0 || l.Source >= len(sources(b)) {
					t.Errorf("a line of file %d of %d", l.Source, len(sources(b)))
				}
			}
		}
		for _, n := range b.Prefixes() {
			if n < 0 {
				t.Errorf("a prefix of %d words", n)
			}
		}
	} else if err != ErrDamaged {
		t.Errorf("%v", err)
	}
}

func change(at uint32, to []byte) []byte {
	c := binary.LittleEndian.AppendUint32(nil, at)
	return append(binary.LittleEndian.AppendUint16(c, uint16(len(to))), to...)
}

// reseal puts the right sums behind all blocks.
func reseal(data []byte, kinds []uint64, blocks []span) {
	mark := le64(data[len(data)-endSize+markAt:])
	for i, s := range blocks {
		of := mark
		if kinds[i] == endBlock {
			of = 0
		}
		body := s.of(data)[:s.size-sumSize]
		put64(data[int(s.offset)+len(body):], sum(of, kinds[i], int(s.offset), body))
	}
}

// bounded demands that do allocates no more than what goes with the size of a file.
func bounded(t *testing.T, data []byte, do func()) {
	t.Helper()
	most, n := uint64(128<<10+32*len(data)), uint64(0)
	for range 3 { // others allocate too, at times
		before := allocated()
		do()
		if n = allocated() - before; n <= most {
			return
		}
	}
	t.Errorf("%d bytes are allocated for a file of %d", n, len(data))
}

// allocated is how much was ever allocated, to some KiB.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
