package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustEncrypt(t *testing.T, k *Keys, purpose, ad, text string) []byte {
	t.Helper()
	blob, err := k.Encrypt(purpose, []byte(ad), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestDecryptGivesBackWhatWasEncrypted(t *testing.T) {
	k := writeKeys(t, "one")
	rapid.Check(t, func(t *rapid.T) {
		purpose := rapid.String().Draw(t, "purpose")
		ad := rapid.SliceOf(rapid.Byte()).Draw(t, "ad")
		text := rapid.SliceOf(rapid.Byte()).Draw(t, "text")
		blob, err := k.Encrypt(purpose, ad, text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Decrypt(purpose, ad, blob); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("got %x, %v; want %x", got, err, text)
		}
	})
}

func TestThreat_B19_EveryFlippedByteOfABlobIsRefused(t *testing.T) {
	k := writeKeys(t, "one")
	blob := mustEncrypt(t, k, "p", "ad", "the action")
	for i := range blob {
		for bit := range 8 {
			bad := bytes.Clone(blob)
			bad[i] ^= 1 << bit
			if _, err := k.Decrypt("p", []byte("ad"), bad); err == nil {
				t.Errorf("byte %d, bit %d changed, and it opened", i, bit)
			}
		}
		if _, err := k.Decrypt("p", []byte("ad"), blob[:i]); err == nil {
			t.Errorf("cut to %d bytes, and it opened", i)
		}
	}
}

func TestBlobOpensOnlyWhereItBelongs(t *testing.T) {
	k, other, same := writeKeys(t, "one"), writeKeys(t, "two"), writeKeys(t, "one")
	impostor := writeKeys(t, "oneself")
	impostor.byID["one"] = impostor.newest // another key under the same id
	blob := mustEncrypt(t, k, "p", "ad", "text")
	for _, tc := range []struct {
		name    string
		keys    *Keys
		purpose string
		ad      string
		blob    []byte
		want    error
	}{
		{"same file", same, "p", "ad", blob, nil},
		{"other purpose", k, "q", "ad", blob, ErrForged},
		{"other data", k, "p", "da", blob, ErrForged},
		{"no data", k, "p", "", blob, ErrForged},
		{"other key", other, "p", "ad", blob, ErrUnknownKey},
		{"nothing", k, "p", "ad", nil, ErrMalformed},
		{"header only", k, "p", "ad", blob[:5], ErrMalformed},
		{"a MAC", k, "p", "ad", k.MAC("p", []byte("ad")), ErrForged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := tc.keys.Decrypt(tc.purpose, []byte(tc.ad), tc.blob); !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestKeysRotate(t *testing.T) {
	before, during, after := writeKeys(t, "old"), writeKeys(t, "new", "old"), writeKeys(t, "new")
	blob, mac := mustEncrypt(t, before, "p", "", "text"), before.MAC("p", []byte("data"))
	if _, err := during.Decrypt("p", nil, blob); err != nil {
		t.Errorf("a blob of the old key did not open beside the new one: %v", err)
	}
	if err := during.Verify("p", []byte("data"), mac); err != nil {
		t.Errorf("a MAC of the old key did not verify beside the new one: %v", err)
	}
	if _, err := after.Decrypt("p", nil, mustEncrypt(t, during, "p", "", "text")); err != nil {
		t.Errorf("new things are not made with the first key: %v", err)
	}
	if _, err := after.Decrypt("p", nil, blob); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v after the old key was removed, want ErrUnknownKey", err)
	}
	if err := after.Verify("p", []byte("data"), mac); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v after the old key was removed, want ErrUnknownKey", err)
	}
}

func TestVerifyRefusesEveryFlippedByte(t *testing.T) {
	k := writeKeys(t, "one")
	mac := k.MAC("p", []byte("data"))
	if err := k.Verify("p", []byte("data"), mac); err != nil {
		t.Fatal(err)
	}
	for i := range mac {
		bad := bytes.Clone(mac)
		bad[i] ^= 1
		if k.Verify("p", []byte("data"), bad) == nil {
			t.Errorf("byte %d changed, and it verified", i)
		}
	}
	if err := k.Verify("q", []byte("data"), mac); !errors.Is(err, ErrForged) {
		t.Errorf("for another purpose: %v, want ErrForged", err)
	}
	if err := k.Verify("p", []byte("date"), mac); !errors.Is(err, ErrForged) {
		t.Errorf("for other data: %v, want ErrForged", err)
	}
	if err := k.Verify("p", []byte("data"), append(mac, 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("with a byte more: %v, want ErrMalformed", err)
	}
}

func TestFingerprint(t *testing.T) {
	k := writeKeys(t, "one")
	print := k.Fingerprint("t1", "secret")
	if len(print) != 16 || strings.Trim(print, "0123456789abcdef") != "" {
		t.Fatalf("%q is not 16 hex digits", print)
	}
	if again := writeKeys(t, "one").Fingerprint("t1", "secret"); again != print {
		t.Errorf("not stable: %s, then %s", print, again)
	}
	for name, other := range map[string]string{
		"text":   k.Fingerprint("t1", "Secret"),
		"tenant": k.Fingerprint("t2", "secret"),
		"key":    writeKeys(t, "two").Fingerprint("t1", "secret"),
		"cut":    k.Fingerprint("t1s", "ecret"),
	} {
		if other == print {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	k := writeKeys(t, "s")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%q"} {
		for _, value := range []any{k, k.newest, []*Keys{k}, struct{ K *Keys }{k}} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, "115 115") || strings.Contains(text, "7373") || strings.Contains(text, "0x73, 0x73") || strings.Contains(text, "ssss") {
				t.Errorf("%s prints a key: %s", verb, text)
			}
		}
	}
}
