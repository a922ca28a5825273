// Package parrot says what the command that tests have a daemon run (parrot/command)
// does when told: the command and the test that checks the answer ask the same
// function.
package parrot

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
)

// Order is the second of the command's arguments, as JSON. The first one is a name
// for the request, to be found in /proc.
type Order struct {
	Seed     uint64
	Out, Err int // bytes of noise on standard output and error
	Sleep    int // milliseconds, before the end
	Status   int // exit status; -n for death by signal n
}

// String is the order as an argument.
func (o Order) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Say returns what the command writes that has such arguments and such input: all
// of both, and noise.
func (o Order) Say(args []string, stdin []byte) (stdout, stderr []byte) {
	noise := rand.New(rand.NewPCG(o.Seed, 0))
	fill := func(b []byte, n int) []byte {
		for ; n >= 8; n -= 8 {
			v := noise.Uint64()
			b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
		}
		for ; n > 0; n-- {
			b = append(b, byte(noise.Uint32()))
		}
		return b
	}
	stdout = fmt.Appendf(nil, "%d\n", len(args))
	for _, a := range args {
		stdout = fmt.Appendf(stdout, "%d:%s\n", len(a), a)
	}
	stdout = append(append(stdout, stdin...), '\n')
	return fill(stdout, o.Out), fill(nil, o.Err)
}
