package scan

import (
	"strings"
	"testing"
)

// TestLeads_FindACharacterWhereverItStands among ASCII, which is passed by many bytes at a time.
func TestLeads_FindACharacterWhereverItStands(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `[\x{200b}\x{200e}]`}, {Regex: `[é-ü]x`}})
	var f Scratch
	for at := range 200 {
		for _, char := range []string{"\u200b", "\u200e", "éx", "üy", "\xe2\x80", "—"} {
			for _, behind := range []int{0, 1, 9, 70} {
				text := strings.Repeat("a", at) + char + strings.Repeat("b", behind)
				if d := s.difference(text, &f, nil); d != "" {
					t.Fatal(d)
				}
			}
		}
	}
}
