package scan

import (
	"fmt"
	"strings"
	"testing"
)

// TestRunGate_FindsRunsOfEachLengthAtEachPlace: where in a block or a batch it begins, and how much of it is in the next one.
func TestRunGate_FindsRunsOfEachLengthAtEachPlace(t *testing.T) {
	inAllWays(t, findsRunsOfEachLengthAtEachPlace)
}

func findsRunsOfEachLengthAtEachPlace(t *testing.T) {
	t.Helper()
	for length := minRun; length < 75; length++ {
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
		// By itself each lets less through.
		words := scannerOf(t, []Pattern{{Regex: fmt.Sprintf(`\b[a-z]{%d}\b`, length)}})
		others := scannerOf(t, []Pattern{{Regex: fmt.Sprintf(`[a-z/]{%d}`, length)}, {Regex: fmt.Sprintf(`[Y/][Z/][a-z/]{%d}`, length)}})
		prefixed := scannerOf(t, []Pattern{{Regex: fmt.Sprintf(`\b[YZ]{2}[a-z]{%d}`, length)}})
		places := []int{0, 1, 2, 7, 15, 16}
		for i := range 4 {
			places = append(places, blockBytes-length+i*length/3)
		}
		if length%12 == 0 {
			places = append(places, markBatch-length-1, markBatch-longRunBytes, markBatch-longRunBytes+1, markBatch-1, markBatch)
		}
		var f Scratch
		for _, before := range places {
			for _, more := range []int{-1, 0, 1, 9} {
				for _, around := range []string{".", "_", " ", "/", "x-", "YZ", "YZ/", ".YZ"} {
					run := strings.Repeat("a", length+more)
					text := strings.Repeat(".", max(before-len(around), 0)) + around + run + strings.Repeat(around, length%3)
					for _, s := range []*Scanner{s, words, others, prefixed} {
						if d := s.difference(text, &f, nil); d != "" {
							t.Fatal(d)
						}
					}
				}
			}
		}
	}
}
