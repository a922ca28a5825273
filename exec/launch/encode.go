package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"ironwrap/filters"
	"ironwrap/sandbox"
	"ironwrap/sandbox/seccomp"
)

// The form in which the daemon hands a Command to ironwrap-launch: numbers as
// varints, strings with their length before them, all fields in the order of
// these two functions, and nothing behind them. Descriptors are not numbers in
// it: they travel beside it (SCM_RIGHTS, unix(7)), in the order of descriptors.

// format is the number of this form: another one is of another build, which
// happens only where the two programs were not installed together.
const format = 4

var errMalformed = errors.New("the daemon and ironwrap-launch do not understand each other: install both from one build")

// encode returns c without its descriptors.
func encode(c *Command) []byte {
	e := encoder{}
	e.number(format)
	e.words(c.Argv)
	e.count(len(c.Env))
	for _, v := range c.Env {
		e.text(v.Name.Raw())
		e.text(v.Value.Raw())
	}
	e.spec(&c.Spec)
	// Which words name a kept file is told by the file's place in Keep.
	e.count(len(c.Pins))
	for _, p := range c.Pins {
		e.count(p.Word)
		e.count(position(c.Spec.Keep, p.FD))
	}
	e.flag(c.Signal != nil)
	if c.Signal != nil {
		e.count(c.Signal.Number)
		e.count(c.Signal.Process.PID)
		e.number(c.Signal.Process.Exe.Dev)
		e.number(c.Signal.Process.Exe.Ino)
	}
	return e.b
}

func encodeClient(c *Client) []byte {
	e := encoder{}
	e.number(uint64(c.UID))
	e.number(uint64(c.GID))
	e.count(len(c.Groups))
	for _, g := range c.Groups {
		e.number(uint64(g))
	}
	return e.b
}

// decode reads who the client is, and returns what comes behind.
func (c *Client) decode(data []byte) (rest []byte, err error) {
	d := decoder{rest: data}
	c.UID, c.GID = d.id(), d.id()
	for range d.count() {
		c.Groups = append(c.Groups, d.id())
	}
	return d.rest, d.err
}

// Confinement describes what c is confined to: two commands with the same text are
// confined alike.
func (c *Command) Confinement() string {
	e := encoder{}
	e.spec(&c.Spec)
	return string(e.b)
}

// Plain tells that c is a command of root's without any confinement, so that its
// launcher loses nothing by starting it, and can start another one of the kind
// (Order.Stay).
func (c *Command) Plain() bool {
	s := &c.Spec
	plain := Command{Spec: sandbox.Spec{Groups: s.Groups, Umask: s.Umask, NoFile: s.NoFile, Capabilities: sandbox.Capabilities{All: true}, Keyring: s.Keyring}}
	return c.Signal == nil && len(c.Pins) == 0 && c.Confinement() == plain.Confinement()
}

// descriptors lists those of c that travel beside its bytes.
func descriptors(c *Command) []int {
	fds := slices.Concat(held(c.Spec.PrivateTmp), held(c.Spec.ReadOnly), c.Spec.Landlock, c.Spec.Keep)
	if c.Signal != nil {
		fds = append(fds, c.Signal.Process.FD, c.Signal.Process.Dir)
	}
	return fds
}

func position(list []int, fd int) int {
	for i, f := range list {
		if f == fd {
			return i
		}
	}
	return len(list) // which decode refuses
}

// decode is the inverse of encode; fds are the descriptors as they came.
func decode(data []byte, fds []int) (*Command, error) {
	d := decoder{rest: data, fds: fds}
	if d.number() != format {
		d.fail()
	}
	c := &Command{Argv: d.words()}
	for range d.count() {
		c.Env = append(c.Env, filters.Var{Name: filters.Untrusted(d.text()), Value: filters.Untrusted(d.text())})
	}
	s := &c.Spec
	s.UID, s.GID = d.id(), d.id()
	for range d.count() {
		s.Groups = append(s.Groups, d.id())
	}
	s.Umask = d.id()
	s.NoFile = d.number()
	for range d.count() {
		s.Limits = append(s.Limits, sandbox.Limit{Resource: d.small(), Value: d.number()})
	}
	s.Nice, s.OOMScore = d.signed(), d.signed()
	s.Capabilities.All = d.flag()
	s.Capabilities.Set = d.number()
	for _, set := range []*bool{&s.NoNewPrivs, &s.DenyWriteExec, &s.NiceAsked, &s.OOMScoreAsked, &s.PrivateNetwork, &s.PrivateMounts, &s.LandlockLog} {
		*set = d.flag()
	}
	s.Keyring = sandbox.Keyring(d.small())
	s.AppArmor, s.SELinux = d.text(), d.text()
	s.PrivateTmp, s.ReadOnly = d.places(), d.places()
	if d.flag() {
		program, err := seccomp.Parse([]byte(d.text()))
		if err != nil && d.err == nil {
			d.err = fmt.Errorf("seccomp program: %w", err)
		}
		s.Seccomp = program
	}
	for range d.fdCount() {
		s.Landlock = append(s.Landlock, d.fd())
	}
	for range d.fdCount() {
		s.Keep = append(s.Keep, d.fd())
	}
	for range d.count() {
		word, at := d.small(), d.small()
		if word >= len(c.Argv) || at >= len(s.Keep) {
			d.fail()
			break
		}
		c.Pins = append(c.Pins, Pin{word, s.Keep[at]})
		c.Argv[word] = pinnedPath(s.Keep[at])
	}
	if d.flag() {
		c.Signal = &filters.Signal{Number: d.small(), Process: filters.Process{
			PID: d.small(), Exe: filters.File{Dev: d.number(), Ino: d.number()}, FD: d.fd(), Dir: d.fd(),
		}}
	}
	if len(d.rest) > 0 || len(d.fds) > 0 || len(c.Argv) == 0 {
		d.fail()
	}
	if d.err != nil {
		return nil, d.err
	}
	return c, nil
}

type encoder struct{ b []byte }

func (e *encoder) spec(s *sandbox.Spec) {
	e.number(uint64(s.UID))
	e.number(uint64(s.GID))
	e.count(len(s.Groups))
	for _, g := range s.Groups {
		e.number(uint64(g))
	}
	e.number(uint64(s.Umask))
	e.number(s.NoFile)
	e.count(len(s.Limits))
	for _, l := range s.Limits {
		e.number(uint64(l.Resource))
		e.number(l.Value)
	}
	e.signed(s.Nice)
	e.signed(s.OOMScore)
	e.flag(s.Capabilities.All)
	e.number(s.Capabilities.Set)
	for _, set := range []bool{s.NoNewPrivs, s.DenyWriteExec, s.NiceAsked, s.OOMScoreAsked, s.PrivateNetwork, s.PrivateMounts, s.LandlockLog} {
		e.flag(set)
	}
	e.count(int(s.Keyring))
	e.text(s.AppArmor)
	e.text(s.SELinux)
	e.places(s.PrivateTmp)
	e.places(s.ReadOnly)
	e.flag(s.Seccomp != nil)
	if s.Seccomp != nil {
		e.text(string(s.Seccomp.Encode()))
	}
	e.count(len(s.Landlock))
	e.count(len(s.Keep))
}

func (e *encoder) number(n uint64) { e.b = binary.AppendUvarint(e.b, n) }
func (e *encoder) count(n int)     { e.number(uint64(n)) }
func (e *encoder) signed(n int)    { e.b = binary.AppendVarint(e.b, int64(n)) }

func (e *encoder) flag(set bool) {
	if set {
		e.number(1)
	} else {
		e.number(0)
	}
}

func (e *encoder) text(s string) {
	e.count(len(s))
	e.b = append(e.b, s...)
}

func (e *encoder) words(words []filters.Untrusted) {
	e.count(len(words))
	for _, w := range words {
		e.text(w.Raw())
	}
}

func (e *encoder) places(places []sandbox.Place) {
	e.count(len(places))
	for _, p := range places {
		e.text(p.Path)
	}
}

// decoder reads on after an error, and gets zeros.
type decoder struct {
	rest []byte
	fds  []int
	err  error
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errMalformed
	}
	d.rest = nil
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) signed() int {
	n, size := binary.Varint(d.rest)
	if size <= 0 || n != int64(int32(n)) {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return int(n)
}

// count reads the number of things that follow, each of at least one byte.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) small() int {
	n := d.number()
	if n > 1<<31-1 {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) id() uint32 {
	n := d.number()
	if n > 1<<32-1 {
		d.fail()
		return 1<<32 - 1 // nobody's
	}
	return uint32(n)
}

func (d *decoder) flag() bool {
	n := d.number()
	if n > 1 {
		d.fail()
	}
	return n == 1
}

func (d *decoder) text() string {
	n := d.count()
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) words() []filters.Untrusted {
	var words []filters.Untrusted
	for range d.count() {
		words = append(words, filters.Untrusted(d.text()))
	}
	return words
}

func (d *decoder) places() (places []sandbox.Place) {
	for range d.count() {
		places = append(places, sandbox.Place{Path: d.text(), FD: d.fd()})
	}
	return places
}

// fdCount reads a number of descriptors.
func (d *decoder) fdCount() int {
	n := d.small()
	if n > len(d.fds) {
		d.fail()
		return 0
	}
	return n
}

func (d *decoder) fd() int {
	if len(d.fds) == 0 {
		d.fail()
		return -1
	}
	fd := d.fds[0]
	d.fds = d.fds[1:]
	return fd
}
