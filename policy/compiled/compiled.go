// Package compiled is the form in which a policy is kept between two calls: what the
// INI reader returned of each file, what each file and directory was at that moment,
// and an index of the filters by the words that they can be called by. No decision is
// in it, nor that anything may be trusted: whoever reads it asks anew.
//
// All is in blocks, each with a sum that knows where the block begins, and of which file
// it is, so that what was flipped, cut, moved or taken from elsewhere is an error and
// never another policy. The sums are no signature: that root alone can have written the
// file is for the reader to see to.
//
//	lines   one filter each: file, line, name, definition, sandbox section
//	lists   which lines are found by a word, and where they are
//	pages   hash of a word, where its list is; sorted by hash
//	head    build, path, sources, rootwrap.conf, lines for every call, first hash of each page
//	end     where the head is, size of the file, its mark, format, magic
//
// Numbers are little-endian. A call reads the end of the file with the head, then one
// page, one list and a few lines for each word that it looks up, however many filters
// there are.
package compiled

import (
	"errors"
	"math/bits"

	"ironwrap/policy/document"
	"ironwrap/policy/trust"
)

// Build names the build that reads and writes: another one may understand the same
// words otherwise. The linker sets it (-X). Without it nothing is kept.
var Build string

// format is the number of this layout.
const format = 2

// Policy is what is compiled.
type Policy struct {
	Build   string
	Path    string             // of rootwrap.conf
	Conf    *document.Document // rootwrap.conf
	Sources []Source           // in the order in which they were read, rootwrap.conf first
	Lines   []Line             // of all sections [Filters], in the order in which they are asked

	// Passing is why it may not be kept: what it depends on besides Sources. Empty for
	// nothing.
	Passing string
}

// Source is a file or directory that the policy came from.
type Source struct {
	Kind Kind
	Path string // of a File its name in the Dir before it
	// Identity is what it was; zero for what was not there.
	Identity trust.Identity
}

// Kind says how a Source was found.
type Kind uint32

const (
	Conf   Kind = iota // rootwrap.conf
	Dir                // a directory of filters_path, or with sections that are added
	File               // a *.filters or *.sandbox file in the Dir before it
	Absent             // such a directory that does not exist
)

// Line is one line of a section [Filters].
type Line struct {
	document.Entry
	Source int // the File, as its place in Sources
	// Own are the keys of the filter's own sandbox section: nil without one, and not
	// nil where it is empty.
	Own []document.Entry
	// Added are the sections that are laid over it, each of which has its Path.
	Added []*document.Section

	Words  []string // by which the filter can be called; see filters.Names
	Always bool     // it is needed whatever is called
	Prefix int      // words before the command that it prefixes; 0 for none
}

// ErrDamaged tells that what was read is no compiled policy of this format and build,
// or not a whole one.
var ErrDamaged = errors.New("not a compiled policy of this build")

// What a block is, as its sum knows it.
const (
	lineBlock uint64 = iota + 1
	listBlock
	pageBlock
	headBlock
	endBlock
)

const (
	magic   = "ironwrap-policy\n"
	sumSize = 8
	markAt  = 4 + 4 + 8 // in the end
	endSize = markAt + 8 + 4 + len(magic) + sumSize

	pageEntries = 255
	entrySize   = 8 + 4 + 4 // of a page: hash, offset, size
	placeSize   = 4 + 4 + 4 // of a list: number, offset, size
)

// sum is a sum of a block at an offset, in the file of that mark. Each step is a bijection
// of what was summed up before, so that no change of one word can be lost.
func sum(mark, block uint64, offset int, data []byte) uint64 {
	h := mix(mark ^ block<<48 ^ uint64(offset) ^ uint64(len(data))<<20)
	for len(data) >= 8 {
		h = mix(h ^ le64(data))
		data = data[8:]
	}
	var last uint64
	for i, c := range data {
		last |= uint64(c) << (8 * i)
	}
	return mix(h ^ last)
}

// Hash is what a word is looked up by. Two words of one hash find each other's filters,
// which are asked in vain.
func Hash(word string) uint64 {
	h := mix(uint64(len(word)) + 1)
	for len(word) >= 8 {
		h = mix(h ^ (uint64(word[0]) | uint64(word[1])<<8 | uint64(word[2])<<16 | uint64(word[3])<<24 |
			uint64(word[4])<<32 | uint64(word[5])<<40 | uint64(word[6])<<48 | uint64(word[7])<<56))
		word = word[8:]
	}
	var last uint64
	for i := range len(word) {
		last |= uint64(word[i]) << (8 * i)
	}
	return mix(h ^ last)
}

// mix is a bijection of 64 bits in which each bit of the argument reaches all others:
// the finalizer of MurmurHash3, with a rotation more.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return bits.RotateLeft64(x^x>>33, 23)
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func le64(b []byte) uint64 { return uint64(le32(b)) | uint64(le32(b[4:]))<<32 }
