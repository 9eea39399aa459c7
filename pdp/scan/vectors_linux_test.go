package scan

import (
	"slices"
	"sync/atomic"
	"testing"
	"unsafe"
)

// TestVectors_TouchNothingElse than the text, the tables and the places, wherever the text ends and whatever is kept of it.
func TestVectors_TouchNothingElse(t *testing.T) {
	byAssembly(t, touchNothingElse)
}

func touchNothingElse(t *testing.T) {
	t.Helper()
	for _, behind := range []bool{true, false} {
		gate := &gramGate{
			bitmap:  &fenced[[bitmapWords]uint64](t, 1, behind)[0],
			buckets: &fenced[[buckets + 1]gramBucket](t, 1, behind)[0],
			checks:  fenced[routeCheck](t, 3, behind),
		}
		kinds := &fenced[siftKinds](t, 1, behind)[0]
		classes := &fenced[[256]uint8](t, 1, behind)[0]
		*kinds, *classes = kindsBeside, checkClass
		memory := fenced[byte](t, gramBatch, behind)
		g := newGenerator(8)
		for i := range memory {
			memory[i] = byte(g.IntN(256))
		}
		gate.knowWords(string(memory), 0x9E3779B1)
		slots := fenced[gramSlot](t, len(gate.slots), behind)
		copy(slots, gate.slots)
		gate.slots = slots
		places := &fenced[[gramBatch]int32](t, 1, behind)[0]
		all := fenced[gramHit](t, gramBatch+8, behind)
		room := fenced[gramHit](t, gate.mostHits, behind)

		lengths := []int{gramBatch - 33, gramBatch - 2, gramBatch - 1, gramBatch}
		for n := range 300 {
			lengths = append(lengths, n)
		}
		for _, n := range lengths {
			text := unsafe.String(unsafe.SliceData(memory), n)
			hits := all[:n+8]
			if behind {
				text = unsafe.String(unsafe.SliceData(memory[gramBatch-n:]), n)
				hits = all[len(all)-n-8:]
			}
			tryFenced(t, gate, kinds, classes, places, text, hits, room)
		}
		for i := range gate.bitmap { // every place is one
			gate.bitmap[i] = ^uint64(0)
		}
		for i := range buckets {
			gate.buckets[i].cells = [siftPairs]uint32{^uint32(0), ^uint32(0), ^uint32(0)}
		}
		tryFenced(t, gate, kinds, classes, places, unsafe.String(unsafe.SliceData(memory), gramBatch), all, room)
	}
}

func tryFenced(t *testing.T, g *gramGate, kinds *siftKinds, classes *[256]uint8, places *[gramBatch]int32, text string, hits, room []gramHit) {
	t.Helper()
	var w gramWork
	want := new([gramBatch]int32)
	n, _ := g.mark(&w, text, 0, len(text))
	m, _ := markPlaces(g.bitmap, text, 0, len(text), 0, want)
	if !slices.Equal(w.places[:n], want[:m]) {
		t.Fatalf("%d bytes: places %v, want %v", len(text), w.places[:n], want[:m])
	}
	markVectors(g.bitmap, text, 0, len(text), 0, places)
	*places = w.places
	found := make([]gramHit, g.mostHits)
	whole := n // without those at the end of the text, which are not for the vectors
	for whole > 0 && int(places[whole-1])+gramBytes > len(text) {
		whole--
	}
	for at := 0; at < whole; {
		stopped, some := g.comparePlaces(places, text, at, whole, found, 0)
		if at, m = compareVectors(g.buckets, g.slots, text, places, at, whole, room); at != stopped || !slices.Equal(room[:m], found[:some]) {
			t.Fatalf("%d bytes: compared to %d %v, want to %d %v", len(text), at, room[:m], stopped, found[:some])
		}
	}
	if n, m = g.sift(&w, text, n), g.siftPlaces(want, text, 0, n, 0); !slices.Equal(w.places[:n], want[:m]) {
		t.Fatalf("%d bytes: sifted %v, want %v", len(text), w.places[:n], want[:m])
	}
	for at := range places { // those at the ends of the text, which the others need not be, are not for the vectors
		places[at] = min(max(places[at], siftBack), int32(len(text)-vectorReach))
	}
	if len(text) >= siftBack+vectorReach {
		siftVectors(g.buckets, kinds, text, places, 0, n)
	}

	for i := range hits {
		hits[i] = gramHit{int32(i - 4), int32(i % len(g.checks))}
	}
	wanted := slices.Clone(hits)
	wanted = wanted[:g.checkHits(wanted, text)]
	if len(text) >= routeChecked {
		same := slices.Clone(hits)
		checkVectors(&g.checks[0], classes, text, &same[0], len(same))
	}
	w.hits = hits
	if g.check(&w, text); !slices.Equal(w.hits, wanted) {
		t.Fatalf("%d bytes: checked %v, want %v", len(text), w.hits, wanted)
	}
}

// TestVectors_CompareSlotsAlone, however many of them the last bucket has.
func TestVectors_CompareSlotsAlone(t *testing.T) {
	byAssembly(t, compareSlotsAlone)
}

func compareSlotsAlone(t *testing.T) {
	t.Helper()
	for _, behind := range []bool{true, false} {
		memory := fenced[byte](t, gramBytes, behind)
		text := unsafe.String(unsafe.SliceData(memory), copy(memory, "abcd"))
		h := gramHash(load32(text) | foldWord)
		for n := range 2*vectorSlots + 2 {
			g, hashes := emptyGate(), []uint32(nil)
			for i := range n {
				hashes = append(hashes, h)
				g.slots = append(g.slots, gramSlot{tag: uint16(h), at: int16(i - 1), probe: int32(i)})
			}
			g.sortSlots(hashes)
			slots := fenced[gramSlot](t, n, behind)
			copy(slots, g.slots)
			var places [gramBatch]int32
			room, want := fenced[gramHit](t, g.mostHits, behind), make([]gramHit, g.mostHits)
			_, some := g.comparePlaces(&places, text, 0, 1, want, 0)
			if _, found := compareVectors(g.buckets, slots, text, &places, 0, 1, room); !slices.Equal(room[:found], want[:some]) {
				t.Fatalf("%d slots: %v, want %v", n, room[:found], want[:some])
			}
		}
	}
}

// TestVectors_FollowTailsInTheTextAlone and in the table and the runs, wherever they end.
func TestVectors_FollowTailsInTheTextAlone(t *testing.T) {
	byAssembly(t, followTailsInTheTextAlone)
}

func followTailsInTheTextAlone(t *testing.T) {
	t.Helper()
	g := newGenerator(65)
	const most = 40
	for _, behind := range []bool{true, false} {
		next := fenced[atomic.Uint32](t, 20*tailClasses/2, behind)
		text := fenced[byte](t, tailAtOnce, behind)
		hits, places, states := fenced[int32](t, most, behind), fenced[int32](t, most, behind), fenced[uint32](t, most, behind)
		for round := range 100 * most {
			for i := range text {
				text[i] = byte(g.IntN(256))
			}
			table, runs := someTails(g, next, len(text), round%most)
			at := 0 // where the arrays begin, so that all that may be touched behind the last run is theirs
			if behind {
				at = most - len(runs.hits)
			}
			plain := tailRuns{slices.Clone(runs.hits), slices.Clone(runs.places), slices.Clone(runs.states)}
			runs = &tailRuns{append(hits[at:at], runs.hits...), append(places[at:at], runs.places...), append(states[at:at], runs.states...)}
			runs.cut(table.advance(unsafe.String(&text[0], len(text)), runs))
			plain.cut(table.advanceEach(string(text), &plain))
			if !slices.Equal(runs.hits, plain.hits) || !slices.Equal(runs.states, plain.states) {
				t.Fatalf("%v, want %v", *runs, plain)
			}
		}
	}
}
