// Command ironwrap-read reads a policy for ironwrap, where none is kept that still holds.
// It is started by ironwrap alone, and is of no use to anybody else: it has no rights of
// its own, and writes to a descriptor that it is given.
//
//go:debug updatemaxprocs=0
//go:debug decoratemappings=0
package main

import (
	"os"

	"ironwrap/exec/reading"
	_ "ironwrap/exec/stack"
	"ironwrap/policy/inifile"
)

func main() { os.Exit(reading.Serve(os.Args, new(inifile.Reader).Parse)) }
