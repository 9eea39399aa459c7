package seal

import (
	"crypto/ed25519"
	"errors"
	"testing"
)

func TestWhatIsSignedIsCheckedWithThePublicKey(t *testing.T) {
	keys := writeKeys(t, "new", "old")
	id, signature := keys.Sign("p", []byte("text"))
	if id != "new" || keys.SigningKey() != "new" {
		t.Fatalf("signed with %s", id)
	}
	for range 2 { // worked out, and remembered
		public, err := keys.PublicKey("p", id)
		if err != nil || !ed25519.Verify(public, []byte("text"), signature) {
			t.Fatalf("does not fit: %v", err)
		}
	}
	for _, other := range []struct{ purpose, id string }{{"q", "new"}, {"p", "old"}} {
		public, err := keys.PublicKey(other.purpose, other.id)
		if err != nil || ed25519.Verify(public, []byte("text"), signature) {
			t.Errorf("fits another purpose or key, %v: %v", other, err)
		}
	}
	if _, err := keys.PublicKey("p", "gone"); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("a key that is not there: %v", err)
	}
}
