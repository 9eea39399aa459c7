package breaker

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Int64Range(0, 1<<62)
		text := rapid.StringN(0, 20, 128)
		r := &record{
			state: rapid.SampledFrom([]State{Closed, Open, HalfOpen}).Draw(t, "state"),
			owner: text.Draw(t, "owner"), probe: text.Draw(t, "probe"), cause: text.Draw(t, "cause"),
			failures: number.Draw(t, "failures"), until: number.Draw(t, "until"), touched: number.Draw(t, "touched"),
		}
		for range rapid.IntRange(0, parts+1).Draw(t, "parts") {
			r.width = max(number.Draw(t, "width"), 1)
			r.parts = append(r.parts, part{number.Draw(t, "index"), number.Draw(t, "calls"), number.Draw(t, "failed")})
		}
		raw := r.encode()
		got, err := decode(raw)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%+v became %+v, %v", r, got, err)
		}
		i, bit := rapid.IntRange(0, len(raw)-1).Draw(t, "byte"), rapid.IntRange(0, 7).Draw(t, "bit")
		raw[i] ^= 1 << bit
		if got, err := decode(raw); err == nil {
			t.Fatalf("bit %d of byte %d turned over, and it became %+v", bit, i, got)
		}
	})
	if r, err := decode(nil); r != nil || err != nil {
		t.Fatalf("none became %+v, %v", r, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add((&record{state: Open, owner: "a", until: 5, failures: 3}).encode())
	f.Add((&record{state: Closed, width: 6, parts: []part{{1, 2, 3}}}).encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := decode(raw)
		if err == nil && r != nil && !reflect.DeepEqual(mustDecode(t, r.encode()), r) {
			t.Fatalf("%x", raw)
		}
	})
}

func mustDecode(t *testing.T, raw []byte) *record {
	t.Helper()
	r, err := decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
