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
		s := scannerOf(t, []Pattern{{Regex: fmt.Sprintf(`[a-z]{%d}`, length)}, {Regex: fmt.Sprintf(`\b[a-z]{%d}\b`, length)}, {Regex: `[a-z0-9]{70}`}})
		if kindsOf(s.rules[0])[0] != planRun.String() {
			t.Fatal("found by something else")
		}
		for before := range 17 {
			for _, more := range []int{-1, 0, 1, 9} {
				for _, around := range []string{".", "_", " "} {
					text := strings.Repeat(around, before) + strings.Repeat("a", length+more) + strings.Repeat(around, before%3)
					if d := s.difference(text, &f, nil); d != "" {
						t.Fatal(d)
					}
				}
			}
		}
	}
}
