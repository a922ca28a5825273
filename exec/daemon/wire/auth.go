package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"time"
)

// Both sides prove that they have the key (multiprocessing.connection of CPython).
// Up to Python 3.11 the challenge is 20 random bytes, and the answer their
// HMAC-MD5. Since 3.12 it is the name of a digest in braces and 40 random bytes,
// and the answer is such a name and the HMAC over the whole challenge. A client of
// the older kind takes the newer challenge for any bytes, and answers with
// HMAC-MD5 over all of it.
const (
	challenge = "#CHALLENGE#"
	welcome   = "#WELCOME#"
	failure   = "#FAILURE#"

	oldChallenge = 20 // bytes
	newChallenge = 40
)

// digests are those that CPython allows. MD5 is there for clients up to 3.11; no
// weakness of it is known that would matter in an HMAC with a random key.
var digests = map[string]func() hash.Hash{
	"md5":      md5.New,
	"sha256":   sha256.New,
	"sha384":   sha512.New384,
	"sha3_256": func() hash.Hash { return sha3.New256() },
	"sha3_384": func() hash.Hash { return sha3.New384() },
}

// ErrKey tells that the other side has not the key.
var ErrKey = errors.New("the client has not the key")

var errProtocol = errors.New("the client does not speak the protocol")

// Authenticate does the server's part. Afterwards the connection has no deadline,
// and takes longer messages.
func (c *Conn) Authenticate(key []byte) error {
	if err := c.deliver(key); err != nil {
		return err
	}
	if err := c.answer(key); err != nil {
		return err
	}
	c.max, c.stall = MaxMessage, Stall
	return c.c.SetDeadline(time.Time{})
}

// AuthenticateClient does the client's part.
func (c *Conn) AuthenticateClient(key []byte) error {
	if err := c.answer(key); err != nil {
		return err
	}
	if err := c.deliver(key); err != nil {
		return err
	}
	c.max, c.stall = MaxMessage, Stall
	return c.c.SetDeadline(time.Time{})
}

// deliver makes the other side prove that it has the key.
func (c *Conn) deliver(key []byte) error {
	message := append([]byte("{sha256}"), make([]byte, newChallenge)...)
	rand.Read(message[len("{sha256}"):]) // it never fails, see its documentation
	if err := c.Write(append([]byte(challenge), message...)); err != nil {
		return err
	}
	response, err := c.Read()
	if err != nil {
		return err
	}
	if err := verify(key, message, response); err != nil {
		// It may be gone; that it is not let in is all that counts.
		_ = c.Write([]byte(failure))
		return err
	}
	return c.Write([]byte(welcome))
}

// answer proves to the other side that we have the key.
func (c *Conn) answer(key []byte) error {
	message, err := c.Read()
	if err != nil {
		return err
	}
	message, ok := bytes.CutPrefix(message, []byte(challenge))
	if !ok {
		return errProtocol
	}
	response, err := respond(key, message)
	if err != nil {
		return err
	}
	if err := c.Write(response); err != nil {
		return err
	}
	verdict, err := c.Read()
	if err != nil {
		return err
	}
	if string(verdict) != welcome {
		return ErrKey
	}
	return nil
}

// verify checks a response to a challenge of ours.
func verify(key, message, response []byte) error {
	name, mac, ok := digest(response)
	if !ok {
		return errProtocol
	}
	if name == "" {
		name = "md5"
	}
	if !hmac.Equal(mac, sum(name, key, message)) {
		return ErrKey
	}
	return nil
}

// respond answers a challenge in its own form.
func respond(key, message []byte) ([]byte, error) {
	name, _, ok := digest(message)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: a challenge of %d bytes", errProtocol, len(message))
	case name == "":
		return sum("md5", key, message), nil
	}
	return append([]byte("{"+name+"}"), sum(name, key, message)...), nil
}

// digest splits a challenge or a response into the name of its digest, "" for the
// old form, and the rest. The old form is told by its length alone.
func digest(message []byte) (name string, rest []byte, ok bool) {
	if len(message) == oldChallenge || len(message) == md5.Size {
		return "", message, true
	}
	inner, ok := bytes.CutPrefix(message, []byte("{"))
	if !ok {
		return "", nil, false
	}
	before, rest, ok := bytes.Cut(inner, []byte("}"))
	if !ok || digests[string(before)] == nil {
		return "", nil, false
	}
	return string(before), rest, true
}

func sum(name string, key, message []byte) []byte {
	mac := hmac.New(digests[name], key)
	mac.Write(message)
	return mac.Sum(nil)
}
