package scan

import (
	"fmt"
	"strings"
	"testing"
)

// TestRunGate_FindsRunsOfEachLengthAtEachPlace: which eights of bytes a run fills depends on both.
func TestRunGate_FindsRunsOfEachLengthAtEachPlace(t *testing.T) {
	var f Scratch
	for length := minRun; length < 60; length++ {
		s := scannerOf(t, []Pattern{
			{Regex: fmt.Sprintf(`[a-z]{%d}`, length)},
			{Regex: fmt.Sprintf(`\b[a-z]{%d}\b`, length)},
			{Regex: `[a-z0-9]{70}`},
			{Regex: fmt.Sprintf(`[a-z/]{%d}`, length)},
			{Regex: fmt.Sprintf(`\b[A-Z]?[a-z]{%d}`, length)},
		})
		if kindsOf(s.rules[0])[0] != planRun.String() {
			t.Fatal("found by something else")
		}
		long := scannerOf(t, []Pattern{{Regex: fmt.Sprintf(`[a-z/]{%d}`, wideRun+length-minRun)}, {Regex: fmt.Sprintf(`\b[a-z]{%d}\b`, wideRun+length-minRun)}})
		for before := range 17 {
			for _, more := range []int{-1, 0, 1, 9} {
				for _, around := range []string{".", "_", " ", "/"} {
					for _, s := range []*Scanner{s, long} {
						text := strings.Repeat(around, before) + strings.Repeat("a", length+more) + strings.Repeat(around, before%3)
						if s == long {
							text = strings.Repeat(around, before) + strings.Repeat("a", wideRun+length-minRun+more) + strings.Repeat(around, before%3)
						}
						if d := s.difference(text, &f, nil); d != "" {
							t.Fatal(d)
						}
					}
				}
			}
		}
	}
}
