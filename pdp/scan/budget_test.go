package scan

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestThreat_E1_ViewsTakeLinearTime feeds what would be slow if a run were looked at again from each of its
// characters. The bound is a hundred times what each takes, and a fraction of what quadratic time would be.
func TestThreat_E1_ViewsTakeLinearTime(t *testing.T) {
	const size = 256 << 10
	noise := make([]byte, size)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	picture := encodings[0].encode(string(noise))[:size]
	var mime strings.Builder
	for rest := picture; len(rest) >= 76; rest = rest[76:] {
		mime.WriteString(rest[:76] + "\n")
	}
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	tests := map[string]struct {
		text    string
		decoded bool // whether anything in it may be taken for encoded text
	}{
		"binary percent": {fill("%ff"), false}, "binary \\x": {fill(`\xff`), false}, "percent signs": {fill("%"), false},
		"ampersands": {fill("&"), false}, "entities": {fill("&amp"), true}, "backslashes": {fill(`\`), true},
		"unicode escapes": {fill(`\u0041`), true}, "half surrogates": {fill(`\ud83d`), true},
		"picture in one line": {picture, false}, "picture in lines": {mime.String(), false},
		"zeros in lines": {fill(strings.Repeat("A", 64) + "\n"), false}, "hex": {fill("ff"), false},
		"words with dashes": {fill("aaaaaaaaaaaaaaaa-"), false}, "one-letter words": {fill("a-"), false},
		"zero-width": {fill("\u200ba"), true}, "accents": {fill("\u0300\u0316"), true}, "ligature of 18": {fill("\ufdfa"), true},
		"tags": {fill("\U000E0041"), true}, "equals signs": {fill("="), false}, "binary quoted": {fill("=ff"), false},
		"quoted": {fill("=41"), true}, "comments never closed": {fill("x<!--"), false}, "tags never closed": {fill("x<a "), false},
		"braces never closed": {fill(`\u{`), false}, "binary octal": {fill(`\377`), false}, "Hangul": {fill("\u1100\u1161"), true},
		"combining for ever": {"e" + fill("\u0301"), true}, "packed, broken": {fill("H4sIAAAAAAAA/"), false},
	}
	for name, tt := range tests {
		start := time.Now()
		v := &viewer{}
		v.build([]Text{{Pointer: "/a", Value: tt.text}}, Budget{}.withDefaults())
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if !tt.decoded && (len(v.views) > 1 || len(v.undecoded) > 0) {
			t.Errorf("%s: %d views, undecoded %v", name, len(v.views), v.undecoded)
		}
		if v.bytes > DefaultMaxBytes {
			t.Errorf("%s: %d bytes of views", name, v.bytes)
		}
	}
}

// TestFind_ALogOfManyFindingsIsComplete: an address, and a host that is allowed, in each line of a quarter
// of a megabyte are no attack, and nobody need be asked.
func TestFind_ALogOfManyFindingsIsComplete(t *testing.T) {
	s := scannerOf(t, []Pattern{
		{Regex: `[A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,63})@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,6}[A-Za-z]{2,24}\b`},
		{
			Regex: `\b(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}\b`,
			Allow: []string{`127\..*`, `192\.168\..*`, `172\.(?:1[6-9]|2\d|3[01])\..*`, `169\.254\..*`, `0\..*`, `10\..*`},
		},
	})
	line := "2026-03-14 12:00:11 INFO login user=first.second@example.com ip=10.20.30.40 ok\n"
	lines := 256 << 10 / len(line)
	var f Scratch
	found, complete := s.Find(t.Context(), strings.Repeat(line, lines), &f)
	if !complete || len(found) != lines {
		t.Errorf("%d found in %d lines, complete %t", len(found), lines, complete)
	}
}
