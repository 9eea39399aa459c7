package scan

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// FuzzVectors looks for a text of which many places at a time are marked, sifted or checked otherwise than one by one.
func FuzzVectors(f *testing.F) {
	f.Add("a text of a few words, long enough for two rounds of sixteen places, and then some", uint16(0), uint16(80), uint32(1))
	f.Add(strings.Repeat("secret\xff \x00", 400), uint16(2048), uint16(700), uint32(0x9E3779B1))
	f.Add("short", uint16(0), uint16(5), uint32(2))
	f.Add("wide by itself\x8b", uint16(0), uint16(9), uint32(23))
	g := emptyGate()
	f.Fuzz(func(t *testing.T, text string, from, length uint16, factor uint32) {
		start := min(int(from), len(text))
		to := min(start+int(length)%(gramBatch+1), len(text))
		g.knowWords(text, factor)
		defer best.take()
		for _, vectors := range ways[1:] {
			vectors.take()
			asOneByOne(t, g, text, start, to)
		}
	})
}

// asOneByOne compares what the stages of a gate do with a text.
func asOneByOne(t *testing.T, g *gramGate, text string, start, to int) {
	t.Helper()
	var w gramWork
	want := new([gramBatch]int32)
	n, wide := g.mark(&w, text, start, to)
	m, beyond := markPlaces(g.bitmap, text, start, to, 0, want)
	if got := w.places[:n]; !slices.Equal(got, want[:m]) {
		t.Fatalf("%q from %d to %d: places %v, want %v", text, start, to, got, want[:m])
	}
	// The last places are looked at by eight bytes, and it costs only time to look so much further.
	if reach := text[start:min(to+7, len(text))]; beyond && !wide || wide && isASCII(reach) {
		t.Errorf("%q from %d to %d: beyond ASCII is %v, want %v", text, start, to, wide, beyond)
	}

	n, m = g.sift(&w, text, n), g.siftPlaces(want, text, 0, m, 0)
	if got := w.places[:n]; !slices.Equal(got, want[:m]) {
		t.Fatalf("%q: sifted %v, want %v", text, got, want[:m])
	}

	hits := make([]gramHit, g.mostHits)
	for at := 0; at < n; { // where a gram is that of very many patterns, in more than one round
		stopped, found := g.comparePlaces(want, text, at, m, hits, 0)
		if at = g.compare(&w, text, at, n); at != stopped || !slices.Equal(w.hits, hits[:found]) {
			t.Fatalf("%q: compared to %d %v, want to %d %v", text, at, w.hits, stopped, hits[:found])
		}
	}
	w.hits = w.hits[:0]
	for i := range len(text) + 4 {
		w.hits = append(w.hits, gramHit{int32(i - 2), int32(i % len(g.checks))})
	}
	hits = slices.Clone(w.hits)
	hits = hits[:g.checkHits(hits, text)]
	if g.check(&w, text); !slices.Equal(w.hits, hits) {
		t.Errorf("%q: checked %v, want %v", text, w.hits, hits)
	}
}

func emptyGate() *gramGate {
	return &gramGate{bitmap: new([bitmapWords]uint64), buckets: new([buckets + 1]gramBucket), checks: make([]routeCheck, 3)}
}

// knowWords makes a gate know every other word of a text, about, and some of what stands beside it, and nothing else.
func (g *gramGate) knowWords(text string, factor uint32) {
	clear(g.bitmap[:])
	clear(g.buckets[:])
	clear(g.checks)
	g.slots = g.slots[:0]
	var hashes []uint32
	for i := range len(text) {
		word := uint32(loadAcross(text, i)) | foldWord
		if random := word * factor; random>>31 == 1 {
			h := gramHash(word)
			g.add(h, [siftPairs]uint32{random & (random << 3), random >> 9 & random, random << 5 & random})
			copies := 1 + int(random>>4%4)
			if random>>6%32 == 0 {
				copies = 300
			}
			for j := range copies {
				hashes = append(hashes, h)
				g.slots = append(g.slots, gramSlot{tag: uint16(h), at: int16(random>>12%16) - 1, probe: int32(i*copies + j)})
			}
			if random>>11%4 == 0 { // another one of the bucket
				hashes = append(hashes, h^1)
				g.slots = append(g.slots, gramSlot{tag: uint16(h ^ 1), probe: -1})
			}
		}
		if i%5 > 0 {
			continue
		}
		check := &g.checks[i/5%len(g.checks)]
		for j := range check {
			check[j] |= 1 << checkClass[byte(loadAcross(text, i+j-checkedBefore))]
		}
	}
	g.sortSlots(hashes)
}

// TestVectors_MarkAsOneByOneDoes goes through all ways in which a batch and a text may end.
func TestVectors_MarkAsOneByOneDoes(t *testing.T) {
	byAssembly(t, markAsOneByOneDoes)
}

func markAsOneByOneDoes(t *testing.T) {
	t.Helper()
	g := newGenerator(5)
	text := make([]byte, 2*gramBatch+100)
	for i := range text {
		text[i] = byte(g.IntN(128))
	}
	whole := string(text)
	gate := emptyGate()
	gate.knowWords(whole, 0x9E3779B1)
	var w gramWork
	want := new([gramBatch]int32)
	for from := 0; from <= gramBatch; from += gramBatch / 4 {
		for length := range 120 {
			for _, to := range []int{from + length, from + gramBatch - length} {
				for behind := range 4 {
					cut := whole[:min(to+behind, len(whole))]
					n, _ := gate.mark(&w, cut, from, to)
					m, _ := markPlaces(gate.bitmap, cut, from, to, 0, want)
					if n == 0 && length > 60 || !slices.Equal(w.places[:n], want[:m]) {
						t.Fatalf("from %d to %d of %d: %v, want %v", from, to, len(cut), w.places[:n], want[:m])
					}
					if n, m = gate.sift(&w, cut, n), gate.siftPlaces(want, cut, 0, m, 0); !slices.Equal(w.places[:n], want[:m]) {
						t.Fatalf("from %d to %d of %d: sifted %v, want %v", from, to, len(cut), w.places[:n], want[:m])
					}
				}
			}
		}
	}
}

// TestVectors_SeeOneByteBeyondASCII wherever it is.
func TestVectors_SeeOneByteBeyondASCII(t *testing.T) {
	inAllWays(t, seeOneByteBeyondASCII)
}

func seeOneByteBeyondASCII(t *testing.T) {
	t.Helper()
	g := gramGate{bitmap: new([bitmapWords]uint64)}
	var w gramWork
	for length := range 110 {
		for at := range length {
			text := []byte(strings.Repeat("a", length))
			text[at] = 0x80
			if _, wide := g.mark(&w, string(text), 0, length); !wide {
				t.Errorf("not at %d of %d", at, length)
			}
		}
	}
}

// someTails is a table of tails in which they are lost sooner or later, and runs of it over a text.
func someTails(g generator, next []atomic.Uint32, length, n int) (table *tailTable, runs *tailRuns) {
	table, runs = &tailTable{next: next}, &tailRuns{}
	for s := range uint32(len(next) / (tailClasses / 2)) {
		for class := range uint32(tailClasses) {
			switch to := uint32(g.IntN(len(next) / (tailClasses / 2))); {
			case s < tailStates:
				table.set(s, class, s)
			case to < tailStates && g.IntN(2) == 0: // so that some go on for long
				table.set(s, class, s)
			default:
				table.set(s, class, to)
			}
		}
	}
	runs.begin(n)
	for i := range n {
		runs.add(i, int32(g.IntN(length-tailAtOnce+1)), uint32(g.IntN(len(next)/(tailClasses/2))))
	}
	return table, runs
}

// TestVectors_FollowTailsAsOneByOneDoes, however many there are.
func TestVectors_FollowTailsAsOneByOneDoes(t *testing.T) {
	byAssembly(t, followTailsAsOneByOneDoes)
}

func followTailsAsOneByOneDoes(t *testing.T) {
	t.Helper()
	g := newGenerator(64)
	kept := 0
	for round := range 2000 {
		text := make([]byte, tailAtOnce+g.IntN(200))
		for i := range text {
			text[i] = byte(g.IntN(256)) >> (round % 2)
		}
		table, runs := someTails(g, make([]atomic.Uint32, 40*tailClasses/2), len(text), round%70)
		plain := tailRuns{slices.Clone(runs.hits), slices.Clone(runs.places), slices.Clone(runs.states)}
		runs.cut(table.advance(string(text), runs))
		plain.cut(table.advanceEach(string(text), &plain))
		if !slices.Equal(runs.hits, plain.hits) || !slices.Equal(runs.places, plain.places) || !slices.Equal(runs.states, plain.states) {
			t.Fatalf("%q: %v, want %v", text, *runs, plain)
		}
		kept += len(runs.hits)
	}
	if kept < 2000 {
		t.Errorf("only %d are left", kept)
	}
}

// TestVectors_StopWhenThatIsEnough where a gram is that of many patterns, and go on from there.
func TestVectors_StopWhenThatIsEnough(t *testing.T) {
	byAssembly(t, stopWhenThatIsEnough)
}

func stopWhenThatIsEnough(t *testing.T) {
	t.Helper()
	for _, patterns := range []int{255, 256, 300} { // 256 times sixteen is enough to the hit
		stopWhereSoManyHaveOneGram(t, patterns)
	}
}

func stopWhereSoManyHaveOneGram(t *testing.T, patterns int) {
	t.Helper()
	text := strings.Repeat("abcd", 100)
	g := emptyGate()
	h := gramHash(uint32(loadAcross(text, 0)) | foldWord)
	var hashes []uint32
	for i := range patterns {
		hashes = append(hashes, h)
		g.slots = append(g.slots, gramSlot{tag: uint16(h), probe: int32(i)})
	}
	g.sortSlots(hashes)
	var w gramWork
	for i := range 100 {
		w.places[i] = int32(4 * i)
	}
	want := make([]gramHit, g.mostHits)
	rounds := 0
	for at := 0; at < 100; rounds++ {
		stopped, found := g.comparePlaces(&w.places, text, at, 100, want, 0)
		if at = g.compare(&w, text, at, 100); at != stopped || !slices.Equal(w.hits, want[:found]) {
			t.Fatalf("%d patterns: compared to %d, %d hits, want to %d, %d hits", patterns, at, len(w.hits), stopped, found)
		}
	}
	perRound := (enoughHits + patterns - 1) / patterns
	if rounds != (100+perRound-1)/perRound {
		t.Errorf("%d patterns: %d rounds", patterns, rounds)
	}
}
