// Command ends is a launcher that cannot work: it notes that it was started, and
// ends.
package main

import "os"

func main() {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	f, err := os.OpenFile(self+".count", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		panic(err)
	}
	f.WriteString("x")
}
