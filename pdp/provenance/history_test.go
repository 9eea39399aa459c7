package provenance

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// play proposes one call a letter and returns what was known of the last.
func play(t *testing.T, s *Sessions, calls string) Facts {
	t.Helper()
	var f Facts
	for _, c := range calls {
		var err error
		if f, err = s.Propose(t.Context(), someone, string(c)); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestThreat_A9_Cycles(t *testing.T) {
	for calls, want := range map[string]Cycle{
		"":           {},
		"A":          {},
		"AA":         {},
		"AAAAAAAA":   {}, // a repetition
		"AB":         {},
		"ABA":        {},
		"ABAB":       {2, 2, 4},
		"ABABA":      {2, 2, 5},
		"ABABAB":     {2, 3, 6},
		"XYABAB":     {2, 2, 4},
		"ABABX":      {},
		"ABABXABAB":  {2, 2, 4}, // begins again
		"ABCABC":     {3, 2, 6},
		"ABCABCA":    {3, 2, 7},
		"AABAAB":     {3, 2, 6},
		"AABAABAA":   {3, 2, 8}, // the two at the end are the round's own
		"ABCDABCD":   {4, 2, 8},
		"AAABAAAB":   {4, 2, 8},
		"ABABABAB":   {2, 4, 8}, // not ABAB twice
		"ABCDEABCDE": {},        // a round of five is not looked for
		"ABCABDABE":  {},
		"ABABB":      {},
	} {
		t.Run(calls, func(t *testing.T) {
			s, _, _ := room(t, Config{})
			if got := play(t, s, calls).Cycle; got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		})
	}
}

// The history of a session is kept in constant space; this is what it must say, worked out from all calls.
func TestHistoryIsWhatAllCallsSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const most = 3
		letters := rapid.SampledFrom([]string{"AB", "ABC", "ABCDE"}).Draw(rt, "letters")
		calls := rapid.SliceOfN(rapid.SampledFrom([]byte(letters)), 1, 40).Draw(rt, "calls")
		var h history
		for i, c := range calls {
			before, digest := calls[:i], uint64(c)
			if got, want := h.repeats(digest), repeatsOf(before, c, most); got != want {
				rt.Fatalf("%s then %c: %d repeats, want %d", before, c, got, want)
			}
			if got, want := h.cycle(digest), cycleOf(calls[:i+1]); got != want {
				rt.Fatalf("%s: %+v, want %+v", calls[:i+1], got, want)
			}
			repeats, cycle := h.repeats(digest), h.cycle(digest)
			h.count(digest, most)
			if r, c := h.again(digest); r != repeats || c != cycle {
				rt.Fatalf("%s: counted, it is %d repeats and %+v; before, it was %d and %+v", calls[:i+1], r, c, repeats, cycle)
			}
			in := &reader{rest: h.append(nil)}
			if again := in.history(); in.bad || again.known != h.known || again.last != h.last || again.runs != h.runs ||
				!slices.Equal(again.counted, h.counted) {
				rt.Fatalf("stored and read, %+v became %+v", h, again)
			}
		}
	})
}

// repeatsOf counts c since it last fell out of the latest different calls.
func repeatsOf(before []byte, c byte, most int) int64 {
	var n int64
	others := map[byte]bool{}
	for _, b := range slices.Backward(before) {
		if b == c {
			n++
			clear(others)
			continue
		}
		if others[b] = true; len(others) >= most {
			break
		}
	}
	return n
}

// cycleOf is the definition of a Cycle, word for word.
func cycleOf(calls []byte) Cycle {
	var best Cycle
	for n := 2; n <= maxCycle; n++ {
		in := 0
		for i := len(calls) - 1; i >= n && calls[i] == calls[i-n]; i-- {
			in++
		}
		if in == 0 || in+n < 2*n {
			continue
		}
		round := calls[len(calls)-n:]
		if strings.Count(string(round), string(round[0])) == n {
			continue
		}
		if rounds := int64((in + n) / n); rounds > best.Rounds {
			best = Cycle{int64(n), rounds, int64(in + n)}
		}
	}
	return best
}

func TestThreat_A8_RepeatsAreCountedAcrossOthers(t *testing.T) {
	s, _, _ := room(t, Config{})
	var others strings.Builder
	for i := range 255 {
		others.WriteRune(rune(0x4e00 + i))
	}
	if got := play(t, s, "A"+others.String()+"A").Repeats; got != 1 {
		t.Fatalf("with 255 others in between, %d repeats; want 1", got)
	}
	if got := play(t, s, others.String()+"!"+"A").Repeats; got != 0 {
		t.Fatalf("with 256 others in between, %d repeats; want 0", got)
	}
}

func TestThreat_I10_AHistoryIsBounded(t *testing.T) {
	s, store, _ := room(t, Config{})
	for i := range 2000 {
		if _, err := s.Propose(t.Context(), someone, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if size := len(store.data[someone.key()]); size > 4<<10 {
		t.Fatalf("a session of 2,000 different calls takes %d bytes", size)
	}
}

func TestAnApprovedCallStandsWhereItWasAsked(t *testing.T) {
	s, _, _ := room(t, Config{})
	asked := play(t, s, "ABABAB")
	for range 2 { // looking counts nothing
		got, err := s.Facts(t.Context(), someone, "B")
		if err != nil || got.Repeats != asked.Repeats || got.Cycle != asked.Cycle {
			t.Fatalf("asked at %+v, redeemed at %+v, %v", asked, got, err)
		}
	}
}

func TestSessionsOfTheFirstVersionAreRead(t *testing.T) {
	s, store, c := room(t, Config{})
	old := []byte{1}
	for _, v := range []int64{c.t.UnixNano(), c.t.UnixNano(), 7} {
		old = binary.AppendVarint(old, v)
	}
	old = append(old, 1, 1, 'l', 0, 0)           // one label, no tools, no items
	old = append(old, 0, 0, 0, 0, 0, 0, 0, 1, 4) // a digest, counted twice
	store.data[someone.key()] = old
	got, err := s.Propose(t.Context(), someone, "d")
	if err != nil || !slices.Equal(got.Labels, []string{"l"}) || got.Repeats != 0 || !got.StartedAt.Equal(c.t) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if got, err = open(t, Config{}, store, c).Propose(t.Context(), someone, "d"); err != nil || got.Repeats != 1 {
		t.Fatalf("after it was stored again: %+v, %v", got, err)
	}
}
