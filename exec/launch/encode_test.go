package launch

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ironwrap/filters"
	"ironwrap/sandbox"
	"ironwrap/sandbox/seccomp"
)

// full is a command that has something in every field, which fill checks.
func full(t testing.TB) *Command {
	t.Helper()
	program, err := seccomp.New([]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}, unix.SECCOMP_FILTER_FLAG_LOG, [3]uint8{2, 5, 4}, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	return &Command{
		Argv: []filters.Untrusted{"/bin/x", "", "a\xff\n b", pinnedPath(21), pinnedPath(20)},
		Env:  []filters.Var{{Name: "A", Value: "b=c\xfe"}, {Name: "E", Value: ""}},
		Pins: []Pin{{3, 21}, {4, 20}},
		Spec: sandbox.Spec{
			UID: 1<<32 - 2, GID: 7, Groups: []uint32{7, 0, 1<<32 - 2},
			Umask: 0o777, NoFile: 1<<64 - 1, Limits: []sandbox.Limit{{Resource: 7, Value: 1<<64 - 1}, {Resource: 0, Value: 0}},
			Nice: -20, OOMScore: -1000,
			Capabilities: sandbox.Capabilities{All: true, Set: 1 << 63}, NoNewPrivs: true, DenyWriteExec: true, Keyring: sandbox.KeyringPrivate,
			NiceAsked: true, OOMScoreAsked: true,
			PrivateNetwork: true, PrivateMounts: true, LandlockLog: true,
			AppArmor: "a profile", SELinux: "u:r:t",
			PrivateTmp: []sandbox.Place{{Path: "/tmp", FD: 12}, {Path: "/var/tmp", FD: 13}}, ReadOnly: []sandbox.Place{{Path: "/etc", FD: 14}, {Path: "/a b", FD: 15}},
			Landlock: []int{10, 11}, Seccomp: program, Keep: []int{20, 21},
		},
		Signal: &filters.Signal{Number: 64, Process: filters.Process{PID: 1 << 22, Exe: filters.File{Dev: 1<<64 - 1, Ino: 7}, FD: 30, Dir: 31}},
	}
}

// A field that is added to Spec or Command and forgotten in encode would be a
// confinement that is lost on the way.
func TestEveryFieldTravels(t *testing.T) {
	c := full(t)
	for _, v := range []reflect.Value{reflect.ValueOf(*c), reflect.ValueOf(c.Spec), reflect.ValueOf(c.Spec.Capabilities)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() && v.Type().Field(i).IsExported() {
				t.Errorf("%s.%s has no value in this test", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	got, err := decode(encode(c), descriptors(c))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, c) {
		t.Errorf("%+v\nbecame\n%+v", c, got)
	}
	// Each field by itself: all others zero.
	for i := range reflect.TypeFor[sandbox.Spec]().NumField() {
		if !reflect.TypeFor[sandbox.Spec]().Field(i).IsExported() {
			continue // of Enter's own
		}
		one := &Command{Argv: []filters.Untrusted{"/x"}}
		reflect.ValueOf(&one.Spec).Elem().Field(i).Set(reflect.ValueOf(c.Spec).Field(i))
		got, err := decode(encode(one), descriptors(one))
		if err != nil || !reflect.DeepEqual(got, one) {
			t.Errorf("%s: %+v became %+v, %v", reflect.TypeFor[sandbox.Spec]().Field(i).Name, one, got, err)
		}
	}
}

// The numbers of descriptors are others where they arrive.
func TestPinsAreRenumbered(t *testing.T) {
	c := full(t)
	got, err := decode(encode(c), []int{10, 11, 12, 13, 4, 5, 6, 7, 8, 9})
	if err != nil {
		t.Fatal(err)
	}
	if got.Argv[3] != "/proc/self/fd/7" || got.Argv[4] != "/proc/self/fd/6" || !slices.Equal(got.Spec.Keep, []int{6, 7}) ||
		!slices.Equal(got.Spec.Landlock, []int{4, 5}) || got.Signal.Process.FD != 8 || got.Signal.Process.Dir != 9 ||
		!slices.Equal(held(got.Spec.PrivateTmp), []int{10, 11}) || !slices.Equal(held(got.Spec.ReadOnly), []int{12, 13}) {
		t.Errorf("%+v", got)
	}
}

func TestDecodeRefuses(t *testing.T) {
	c := full(t)
	data, fds := encode(c), descriptors(c)
	for n := range data {
		if got, err := decode(data[:n], fds); err == nil {
			t.Errorf("cut to %d of %d bytes: %+v", n, len(data), got)
		}
	}
	for what, try := range map[string]struct {
		data []byte
		fds  []int
	}{
		"a byte more":         {append(slices.Clone(data), 0), fds},
		"a descriptor less":   {data, fds[1:]},
		"a descriptor more":   {data, append(slices.Clone(fds), 3)},
		"no descriptors":      {data, nil},
		"nothing":             {nil, nil},
		"no argv":             {encode(&Command{}), nil},
		"a count beyond all":  {[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, nil},
		"a varint of 11 byte": {[]byte(strings.Repeat("\xff", 11)), nil},
	} {
		if got, err := decode(try.data, try.fds); err == nil {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestClientTravels(t *testing.T) {
	for _, c := range []Client{{}, {UID: 1<<32 - 2, GID: 7, Groups: []uint32{0, 1 << 31}}} {
		data := encodeClient(&c)
		var got Client
		rest, err := got.decode(append(slices.Clone(data), "rest"...))
		if err != nil || string(rest) != "rest" || !reflect.DeepEqual(got, c) {
			t.Errorf("%+v became %+v with %q, %v", c, got, rest, err)
		}
		for n := range data {
			if rest, err := new(Client).decode(data[:n]); err == nil {
				t.Errorf("cut to %d of %d bytes: %q", n, len(data), rest)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(full(f)), 5)
	f.Add(encode(&Command{Argv: []filters.Untrusted{"/bin/true"}}), 0)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		var fds []int
		for i := range min(max(n, 0), 300) {
			fds = append(fds, 100+i)
		}
		c, err := decode(data, fds)
		if (c == nil) == (err == nil) {
			t.Fatalf("%+v, %v", c, err)
		}
		if err != nil {
			return
		}
		again, err := decode(encode(c), descriptors(c))
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Errorf("%+v became %+v, %v", c, again, err)
		}
	})
}
