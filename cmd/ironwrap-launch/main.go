// Command ironwrap-launch runs what ironwrap-daemon decided about. It is started
// by the daemon alone, ahead of need, and is of no use to anybody else: it takes
// its orders from a socket that only a parent of root's can have made.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"os"

	"ironwrap/exec/launch"
	"ironwrap/exec/stderr"
	"ironwrap/sandbox"
)

// The program is an init function, as ironwrap is.
func init() {
	if err := launch.Serve(); err != nil {
		stderr.New("ironwrap-launch", sandbox.Owner{}).Last(err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func main() {}
