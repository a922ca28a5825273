package sandbox

import "golang.org/x/sys/unix"

// keyring leaves the caller's session keyring, whose keys the command could use
// unknowingly (session-keyring(7)).
func keyring(s *Spec) error {
	if s.Keyring == KeyringKept {
		return nil
	}
	err := result(unix.RawSyscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0))
	return s.withoutKeyrings(err)
}

// userKeys makes the keys of the run-as user's own findable, as they are for a process
// that has no session keyring: for file systems that ask for one (request_key(2)).
func userKeys(s *Spec) error {
	if s.Keyring != KeyringFresh {
		return nil
	}
	// KEY_SPEC_USER_KEYRING and KEY_SPEC_SESSION_KEYRING are negative.
	user, session := unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_SESSION_KEYRING
	err := result(unix.RawSyscall(unix.SYS_KEYCTL, unix.KEYCTL_LINK, uintptr(user), uintptr(session)))
	return s.withoutKeyrings(err)
}

// withoutKeyrings forgives an error where there are no keyrings: in a kernel that was
// built without, and in containers, whose filter refuses all these calls, the question
// for the session keyring as well. A section that asks for a keyring gets one or nothing.
func (s *Spec) withoutKeyrings(err error) error {
	if s.Keyring == KeyringFresh && (err == unix.ENOSYS || err == unix.EPERM) {
		session := unix.KEY_SPEC_SESSION_KEYRING
		if result(unix.RawSyscall(unix.SYS_KEYCTL, unix.KEYCTL_GET_KEYRING_ID, uintptr(session), 0)) == err {
			return nil
		}
	}
	return err
}

// RenewKeyring is for a process that starts one command after the other: none of them
// finds what an earlier one has put there.
func RenewKeyring(s *Spec) error {
	if err := keyring(s); err != nil {
		return err
	}
	return userKeys(s)
}
