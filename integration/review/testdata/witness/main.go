// Command witness tells as whom it runs: a program of a caller's, static, so that it
// also runs below a root directory that holds nothing else.
package main

import (
	"fmt"
	"os"
)

func main() { fmt.Println("uid", os.Geteuid()) }
