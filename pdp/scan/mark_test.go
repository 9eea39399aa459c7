package scan

import (
	"slices"
	"strings"
	"testing"
)

// FuzzMark looks for a text of which many places at a time are marked otherwise than one by one.
func FuzzMark(f *testing.F) {
	f.Add("a text of a few words, long enough for two rounds of sixteen places, and then some", uint16(0), uint16(80), uint32(1))
	f.Add(strings.Repeat("secret\xff", 400), uint16(2048), uint16(700), uint32(0x9E3779B1))
	f.Add("short", uint16(0), uint16(5), uint32(2))
	f.Fuzz(func(t *testing.T, text string, from, length uint16, factor uint32) {
		if !hasVectors {
			t.Skip("the processor has no vectors of sixteen")
		}
		start := min(int(from), len(text))
		to := min(start+int(length)%(gramBatch+1), len(text))
		// Every other word of the text is known, about.
		g := gramGate{bitmap: new([bitmapWords]uint64)}
		for i := range len(text) {
			if word := uint32(loadAcross(text, i)) | foldWord; word*factor>>31 == 1 {
				k := gramBit(word)
				g.bitmap[k/64] |= 1 << (k % 64)
			}
		}
		var w gramWork
		want := new([gramBatch]int32)
		n, wide := g.mark(&w, text, start, to)
		m, beyond := markPlaces(g.bitmap, text, start, to, 0, want)
		if got := w.places[:n]; !slices.Equal(got, want[:m]) {
			t.Errorf("%q from %d to %d: places %v, want %v", text, start, to, got, want[:m])
		}
		// The words of the last places reach a little further, and it costs only time to look there.
		if reach := text[start:min(to+gramBytes, len(text))]; beyond && !wide || wide && strings.IndexFunc(reach, func(r rune) bool { return r > 0x7F }) < 0 {
			t.Errorf("%q from %d to %d: beyond ASCII is %v, want %v", text, start, to, wide, beyond)
		}
	})
}

// TestMark_SixteenAtATimeAreWhatOneByOneAre goes through all ways in which a batch and a text may end.
func TestMark_SixteenAtATimeAreWhatOneByOneAre(t *testing.T) {
	if !hasVectors {
		t.Skip("the processor has no vectors of sixteen")
	}
	g := newGenerator(5)
	gate := gramGate{bitmap: new([bitmapWords]uint64)}
	text := make([]byte, 2*gramBatch+100)
	for i := range text {
		text[i] = byte(g.IntN(128))
	}
	whole := string(text)
	for i := 0; i+8 <= len(whole); i += 1 + g.IntN(4) {
		k := gramBit(load32(whole[i:]) | foldWord)
		gate.bitmap[k/64] |= 1 << (k % 64)
	}
	var w gramWork
	want := new([gramBatch]int32)
	for from := 0; from <= gramBatch; from += gramBatch / 4 {
		for length := range 120 {
			for _, to := range []int{from + length, from + gramBatch - length} {
				for behind := range 4 {
					end := min(to+behind, len(whole))
					cut := whole[:max(end, to)]
					n, _ := gate.mark(&w, cut, from, to)
					m, _ := markPlaces(gate.bitmap, cut, from, to, 0, want)
					if n == 0 && length > 60 || !slices.Equal(w.places[:n], want[:m]) {
						t.Fatalf("from %d to %d of %d: %v, want %v", from, to, len(cut), w.places[:n], want[:m])
					}
				}
			}
		}
	}
}

// TestMark_OneByteBeyondASCIIIsSeen wherever it is.
func TestMark_OneByteBeyondASCIIIsSeen(t *testing.T) {
	g := gramGate{bitmap: new([bitmapWords]uint64)}
	var w gramWork
	for at := range 100 {
		text := []byte(strings.Repeat("a", 100))
		text[at] = 0x80
		if _, wide := g.mark(&w, string(text), 0, len(text)); !wide {
			t.Errorf("not at %d", at)
		}
	}
}
