package peer

import (
	"testing"

	"ironwrap/integration/rig"
)

// The tests of the known holes, in a container. What needs more is listed.
func TestContainerCompliance(t *testing.T) {
	rig.RunContained(t, "^TestCompliance$", needsMore, 280)
}

// needsMore are tests of this suite that themselves need what the container has not:
// namespaces for the attempt (CAP_SYS_ADMIN), a terminal, for which there are tests of the
// one-shot program, or the nice value that is left there (CAP_SYS_NICE), likewise.
const needsMore = "^TestCompliance$/^(A32|A33|B5|B6)$" +
	"|^TestCompliance$/^A31$/^id_that" +
	"|^TestCompliance$/^A36$/^(every_process|the_caller's_process_group)$" +
	"|^TestCompliance$/^B4$/^nice_value$"
