package review

import (
	"testing"

	"ironwrap/integration/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }
