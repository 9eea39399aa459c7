package scan

import (
	"strings"
	"testing"
)

// TestI11_WordsByThemselves goes through what may stand around a word, at every place of the gates' grid: what the gates
// look at beside a gram or a run must never cost a match.
func TestI11_WordsByThemselves(t *testing.T) {
	s := scannerOf(t, []Pattern{
		{Regex: `\b[A-Za-z0-9]{16}\b`},
		{Regex: `\b[a-f0-9]{16,20}\b`},
		{Regex: `:\b[a-z]{18}\b`},
		{Regex: `[A-Z]{17}\b`},
		{Regex: `(?i)\b(?:netcat|nc)\s`},
		{Regex: `(?:\b|_)token=`},
		{Regex: `(?m)(?:^|\b)sk-live`},
		{Regex: `ghp_[a-z]`},
		{Regex: `x{0,3}\bpass\s+\w`},
	})
	words := []string{"ghp_a", "nc ", "NC\t", "netcat ", "token=", "sk-live", "pass  a", "xxpass a", "xx pass a"}
	for n := range 8 {
		words = append(words, strings.Repeat("a", 14+n), strings.Repeat("Z", 14+n))
	}
	around := []string{"", " ", "_", "a", "7", "-", "/", "é", "\n", ":", "\xff", "ſ"}
	var f Scratch
	for _, word := range words {
		for _, before := range around {
			for _, after := range around {
				for shift := range 9 {
					text := strings.Repeat(" ", shift) + before + word + after + "  "
					if d := s.difference(text, &f, nil); d != "" {
						t.Fatalf("%q: %s", text, d)
					}
				}
				if d := s.difference(before+word+after, &f, nil); d != "" {
					t.Fatalf("%q: %s", before+word+after, d)
				}
			}
		}
	}
}
