package console

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// Bounds of sessions.
const (
	idleFor     = 15 * time.Minute
	lastsFor    = 8 * time.Hour
	maxSessions = 1024
	maxOfOwner  = 8
	secretBytes = 32
)

// owner is whose session it is. Roles and groups are not part of it: what they allow is asked anew each time.
type owner struct{ tenant, subject, person, credential string }

func ownerOf(c identity.Caller) owner {
	return owner{c.Tenant, c.Subject, c.Person, c.CredentialID}
}

// place is the other half of a session without TLS, or on the browser's own machine: a word in the paths of its pages. Browsers
// send a cookie to every port of such a host, so that a server that an agent runs on a reviewer's machine might be handed it; an
// address they tell to nobody. Neither half is of use without the other. The zero place is that of a session over TLS with another
// host, whose cookie stays where it belongs.
type place string

func newPlace() place {
	word := make([]byte, secretBytes)
	_, _ = rand.Read(word) // never fails
	return place(encode(word))
}

// session is what is kept of one. Whoever reads this memory has neither the cookie nor the credential: the one is kept as a
// digest, the other sealed under a key that is made from the cookie.
type session struct {
	owner       owner
	sealed      []byte
	place       [sha256.Size]byte
	began, seen time.Time
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.seen) >= idleFor || now.Sub(s.began) >= lastsFor
}

// sessions are those who are signed in, in memory: a restart signs everybody out. A session ends by sign-out, by time, when
// its credential is refused, and when its owner opens more than maxOfOwner. It is safe for concurrent use.
type sessions struct {
	now func() time.Time

	mu    sync.Mutex
	byID  map[[sha256.Size]byte]*session
	swept time.Time
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byID: map[[sha256.Size]byte]*session{}}
}

// begin opens a session with a secret that nobody has had before, and says false if there are too many.
func (s *sessions) begin(who owner, header string, at place) (secret []byte, ok bool) {
	secret = make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	k := keysOf(secret)
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	var oldest [sha256.Size]byte
	own := 0
	for id, other := range s.byID {
		if other.owner != who {
			continue
		}
		if own++; own == 1 || other.seen.Before(s.byID[oldest].seen) {
			oldest = id
		}
	}
	if own >= maxOfOwner {
		delete(s.byID, oldest)
	}
	if len(s.byID) >= maxSessions {
		return nil, false
	}
	s.byID[k.id] = &session{owner: who, sealed: k.seal(header), place: sha256.Sum256([]byte(at)), began: now, seen: now}
	return secret, true
}

// find is the session of a cookie at its place, with the header that its owner signed in with. active puts its idle time-out off.
func (s *sessions) find(k keys, at place, active bool) (who owner, header string, ok bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.swept) > time.Minute {
		s.sweep(now)
	}
	found := s.byID[k.id]
	if found == nil || found.over(now) {
		delete(s.byID, k.id)
		return owner{}, "", false
	}
	if sha256.Sum256([]byte(at)) != found.place {
		return owner{}, "", false
	}
	if header, ok = k.open(found.sealed); !ok {
		return owner{}, "", false
	}
	if active {
		found.seen = now
	}
	return found.owner, header, true
}

func (s *sessions) end(k keys) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, k.id)
}

func (s *sessions) sweep(now time.Time) {
	s.swept = now
	for id, one := range s.byID {
		if one.over(now) {
			delete(s.byID, id)
		}
	}
}

// keys are what a session's secret is for. They are made from it, one way and each by itself.
type keys struct {
	id   [sha256.Size]byte // under which it is kept
	box  []byte            // seals the credential
	form []byte            // is in each form
	read []byte            // vouches for what was read
}

func keysOf(secret []byte) keys {
	derive := func(what string) []byte {
		key, err := hkdf.Key(sha256.New, secret, nil, "portcullis console "+what, sha256.Size)
		if err != nil { // lengths are constant
			panic(fmt.Sprintf("derive a key: %v", err))
		}
		return key
	}
	return keys{id: [sha256.Size]byte(derive("id")), box: derive("credential"), form: derive("form"), read: derive("read")}
}

func (k keys) aead() cipher.AEAD {
	block, err := aes.NewCipher(k.box)
	if err != nil {
		panic(fmt.Sprintf("make a cipher: %v", err))
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("make a cipher: %v", err))
	}
	return aead
}

func (k keys) seal(text string) []byte { return k.aead().Seal(nil, nil, []byte(text), nil) }

func (k keys) open(sealed []byte) (string, bool) {
	text, err := k.aead().Open(nil, nil, sealed, nil)
	return string(text), err == nil
}

// formToken is in every form of the session's pages, and nowhere else.
func (k keys) formToken() string { return encode(k.form) }

func (k keys) isFormToken(given string) bool { return same(given, k.formToken()) }

// wholly is the position after the last page.
const wholly = -1

// readTo vouches that this session was shown an action, under this digest, from its begin to a position. A page hands it to
// the next, so that who has it at the end has been shown all pages; nothing has to be kept, and no GET changes anything.
func (k keys) readTo(id, digest string, position int64) string {
	mac := hmac.New(sha256.New, k.read)
	fmt.Fprintf(mac, "%q %q %d", id, digest, position)
	return encode(mac.Sum(nil))
}

func (k keys) isReadTo(given, id, digest string, position int64) bool {
	return same(given, k.readTo(id, digest, position))
}

// same compares in constant time.
func same(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }

func encode(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
