package seal

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var sealedAt = time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("X", 3600))

func claims() MemoryClaims {
	return MemoryClaims{
		Tenant: "t", Agent: "a", Session: "s", Layer: "long", Key: "k", ContentDigest: "abc",
		Labels: []string{"private", "untrusted"}, Created: sealedAt, Expires: sealedAt.Add(time.Hour), Sequence: 7,
	}
}

func mustSeal(t *testing.T, k *Keys, c MemoryClaims) string {
	t.Helper()
	token, err := k.SealMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOpenMemoryGivesBackTheClaims(t *testing.T) {
	k := writeKeys(t, "one")
	token := mustSeal(t, k, claims())
	if !strings.HasPrefix(token, "pms1.") || strings.Count(token, ".") != 2 {
		t.Fatalf("token %q is not pms1.<claims>.<mac>", token)
	}
	got, err := k.OpenMemory(token)
	if err != nil {
		t.Fatal(err)
	}
	want := claims()
	want.Created, want.Expires = want.Created.UTC(), want.Expires.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestEveryClaimIsInTheSeal(t *testing.T) {
	k := writeKeys(t, "one")
	token := mustSeal(t, k, claims())
	kind := reflect.TypeFor[MemoryClaims]()
	for i := range kind.NumField() {
		c := claims()
		switch f := reflect.ValueOf(&c).Elem().Field(i); v := f.Interface().(type) {
		case string:
			f.SetString(v + "x")
		case []string:
			f.Set(reflect.ValueOf(v[:1]))
		case time.Time:
			f.Set(reflect.ValueOf(v.Add(1)))
		case uint64:
			f.SetUint(v + 1)
		default:
			t.Fatalf("field %s has a type that this test does not know", kind.Field(i).Name)
		}
		if mustSeal(t, k, c) == token {
			t.Errorf("%s is not part of the seal", kind.Field(i).Name)
		}
	}
}

func TestThreat_B19_EveryFlippedByteOfAMemorySealIsRefused(t *testing.T) {
	k := writeKeys(t, "one")
	token := mustSeal(t, k, claims())
	for i := range len(token) {
		for b := range 256 {
			if byte(b) == token[i] {
				continue
			}
			bad := token[:i] + string([]byte{byte(b)}) + token[i+1:]
			_, err := k.OpenMemory(bad)
			if e, ok := errors.AsType[*Error](err); !ok || (e.Reason != Malformed && e.Reason != Forged && e.Reason != UnknownKey) {
				t.Fatalf("byte %d set to %#x: %v", i, b, err)
			}
		}
		for _, bad := range []string{token[:i], token[i:], token[:i] + "\n" + token[i:], token[:i] + "=" + token[i:]} {
			if _, err := k.OpenMemory(bad); err == nil && bad != token {
				t.Fatalf("cut or stretched at byte %d, and it opened", i)
			}
		}
	}
}

func TestMemorySealOfAnotherKey(t *testing.T) {
	token := mustSeal(t, writeKeys(t, "one"), claims())
	if _, err := writeKeys(t, "two").OpenMemory(token); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("got %v, want ErrUnknownKey", err)
	}
	if _, err := writeKeys(t, "two", "one").OpenMemory(token); err != nil {
		t.Errorf("a token of the older key did not open: %v", err)
	}
	k := writeKeys(t, "one")
	signed := token[:strings.LastIndexByte(token, '.')]
	forged := signed + "." + b64.EncodeToString(k.MAC("another purpose", []byte(signed)))
	if _, err := k.OpenMemory(forged); !errors.Is(err, ErrForged) {
		t.Errorf("a MAC of another purpose: got %v, want ErrForged", err)
	}
}

func TestOpenMemoryRefusesWhatIsNoToken(t *testing.T) {
	k := writeKeys(t, "one")
	for _, token := range []string{"", ".", "..", "pms1", "pms1.", "pms1..", "pms2.a.b", "pms1.a", "pms1.a.", strings.Repeat("a", 1<<20), "pms1." + strings.Repeat(".", 8000)} {
		if _, err := k.OpenMemory(token); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.20q: got %v, want ErrMalformed", token, err)
		}
	}
}

func TestSealMemoryStaysWithinTheContract(t *testing.T) {
	k := writeKeys(t, "one")
	c := claims()
	c.Key = strings.Repeat("k", maxTokenBytes)
	if _, err := k.SealMemory(c); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("got %v, want ErrTooLarge", err)
	}
}

func TestExpired(t *testing.T) {
	c := claims()
	for name, tc := range map[string]struct {
		now  time.Time
		want bool
	}{
		"before": {c.Expires.Add(-1), false},
		"at":     {c.Expires, true},
		"after":  {c.Expires.Add(1), true},
	} {
		if got := c.Expired(tc.now); got != tc.want {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	if !(MemoryClaims{}).Expired(time.Time{}) {
		t.Error("claims without an expiry are good for ever")
	}
}
