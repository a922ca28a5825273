package daemon

import (
	"strings"

	"ironwrap/integration/rig"
)

// refuses complains unless a request is answered with an error, which holds why,
// and the connection goes on.
func refuses(c *rig.RPC, why, request string) {
	c.Helper()
	answer := c.Call(request)
	if !strings.HasPrefix(answer, `["#TRACEBACK", "`) || !strings.Contains(answer, why) || strings.Contains(answer, "goroutine") {
		c.Errorf("%.300q: not refused for %q: %.300q", request, why, answer)
	}
}
