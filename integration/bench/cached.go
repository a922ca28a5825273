package main

// What ironwrap keeps between calls to save work. A call that finds it is warm, one that
// finds nothing is cold.

// warm sees to it that the next calls with this configuration find all that is kept.
func warm(s starter, b build, conf string, argv []string, env []string, status int) error {
	// The first call of a program reads it from the disk.
	for range 3 {
		if _, err := s.once(append([]string{b.ironwrap(), conf}, argv...), env, status); err != nil {
			return err
		}
	}
	return nil
}

// chill takes away what is kept for this configuration, and nothing else. Nothing is kept
// today: a cold call is a warm one.
func chill(conf string) error { return nil }
