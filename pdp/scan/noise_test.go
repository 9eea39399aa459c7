package scan

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
)

// plainBase64 is what fromBase64 means.
func plainBase64(s string) []byte {
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(s))
	if err != nil || !isText(b) && !strings.HasPrefix(s, "H4sI") {
		return nil
	}
	return b
}

// checkBase64Run compares with decoding a run at each of its places, until that gives text.
func checkBase64Run(t *testing.T, run string) {
	t.Helper()
	var want []byte
	for skip := 0; skip < 4 && len(run)-skip >= minBase64 && want == nil; skip++ {
		want = plainBase64(run[skip:])
	}
	d := runs{}
	if got := d.fromAnywhere(run); string(got) != string(want) {
		t.Fatalf("%q decodes to %q, want %q", run, got, want)
	}
}

func FuzzBase64Run(f *testing.F) {
	for _, text := range []string{"hunter2hunter2", "é中𐍈 — “é中𐍈”", "nine of ten, no more\x00", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01", "\t\n\r\t\n\r\t\n\r\t\n\r"} {
		for skip := range 4 {
			f.Add("xyz/"[:skip] + base64.RawStdEncoding.EncodeToString([]byte(text)))
		}
	}
	f.Add("findByIdentifier")
	f.Fuzz(func(t *testing.T, run string) {
		if len(run) >= minBase64 && runEnd(run, 0) == len(run) {
			checkBase64Run(t, run)
		}
	})
}

// TestBase64Run_IsReadWhereverItHoldsText, though nearly none of what is like one does.
func TestBase64Run_IsReadWhereverItHoldsText(t *testing.T) {
	g := newGenerator(40)
	for range 200_000 {
		var b strings.Builder
		for b.Len() < 9+g.IntN(14) {
			b.WriteString(g.pick("a", "Z", "9", " ", "~", "\n", "é", "中", "𐍈", "\x10", "\x7f", "\xe2", "\x80"))
		}
		run := base64.RawURLEncoding.EncodeToString([]byte(b.String()))
		checkBase64Run(t, "x_9-"[:g.IntN(4)]+run[:max(minBase64, len(run)-g.IntN(4))])
	}
}

// TestNoise_HoldsNoText whatever stands behind what tells it.
func TestNoise_HoldsNoText(t *testing.T) {
	g := newGenerator(41)
	bytes := "aZ09 ~\x00\x07\x08\t\n\r\x0e\x0f\x10\x1f\x7f\x80\xbf\xc0\xc1\xc2\xdf\xe0\xe2\xed\xef\xf0\xf4\xf5\xff"
	endings := []string{"", "\x80", "\x80\x80", "\x80\x80\x80", "\x8b\x9f", "a"}
	for range 300_000 {
		var b [8]byte
		for i := range b {
			b[i] = bytes[g.IntN(len(bytes))]
		}
		if g.IntN(2) == 0 {
			copy(b[g.IntN(5):], g.pick("é", "中", "𐍈", "\xe2\x80", "\xf0\x9f\x98"))
		}
		bad := badBytes(binary.BigEndian.Uint64(b[:]))
		for _, ending := range endings {
			check := textCheck{most: 99}
			if check.check([]byte(string(b[:])+ending), true); bad > check.bad {
				t.Fatalf("%q has %d bad characters, not %d", string(b[:])+ending, check.bad, bad)
			}
		}
	}
}
