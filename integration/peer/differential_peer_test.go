package peer

import (
	"encoding/json"

	"ironwrap/integration/rig"
)

// askAll puts commands before the peer. They are written while it answers, so
// that neither waits for the other.
func askAll(o *rig.Oracle, commands [][]string) []rig.PeerAnswer {
	o.T.Helper()
	questions := make([]rig.PeerQuestion, len(commands))
	for i, argv := range commands {
		questions[i] = rig.PeerQuestion{Argv: argv}
	}
	return o.Ask(questions)
}

// wordsFor asks for words that Python's re matches with pattern (and perhaps some
// that it does not), made from the pattern itself.
func wordsFor(o *rig.Oracle, pattern string, count, seed int) (list []string) {
	o.T.Helper()
	if err := json.NewEncoder(o.In).Encode(map[string]any{"pattern": pattern, "count": count, "seed": seed}); err != nil {
		o.T.Fatalf("the peer's process is gone: %v", err)
	}
	o.Read(&list)
	return rig.Unhex(o.T, list)
}
