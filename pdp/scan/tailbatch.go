package scan

import "slices"

// tailRuns are tails on their way. The assembly knows them.
type tailRuns struct {
	hits   []int32 // which of the hits each is of
	places []int32 // how far it came
	states []uint32
}

// begin makes room for n runs.
func (r *tailRuns) begin(n int) {
	r.hits, r.places, r.states = slices.Grow(r.hits[:0], n), slices.Grow(r.places[:0], n), slices.Grow(r.states[:0], n)
}

func (r *tailRuns) add(hit int, place int32, state uint32) {
	r.hits, r.places, r.states = append(r.hits, int32(hit)), append(r.places, place), append(r.states, state)
}

func (r *tailRuns) cut(n int) { r.hits, r.places, r.states = r.hits[:n], r.places[:n], r.states[:n] }

const (
	// tailAtOnce is how many bytes a tail is followed for without asking what became of it. Most are dead by then.
	tailAtOnce = 8
	tailRounds = 5 // of it; whatever is still alive then is followed by itself
	// fewTails is how many are not worth a round: each by itself, they stop where they are settled, which those in step do not.
	fewTails = 4
)

// routeCheck has, for the byte before a route and each of those from its begin on, the classes that it may be of. That takes
// one line of memory, where the states that the automaton would go through are in many. The assembly knows how it lies there.
type routeCheck [routeChecked]uint32

// routeChecked is how many bytes that are, and checkedBefore how many of them stand before the route.
const (
	routeChecked  = 16
	checkedBefore = 1
)

// checkClass tells letters apart, of one case, and a few kinds of other characters. Two pairs of rare letters are one each, and
// all that is left is zero, beyond ASCII too.
var checkClass = func() (class [256]uint8) {
	next := uint8(1)
	for _, chars := range []string{"jq", "xz", "0123456789", " \t\n\v\f\r", "=:", "\"'`", ",;", "-./", "_"} {
		for i := range len(chars) {
			class[chars[i]] = next
		}
		next++
	}
	for c := byte('a'); c <= 'z'; c++ {
		if class[c] == 0 {
			class[c] = next
			next++
		}
		class[c-'a'+'A'] = class[c]
	}
	return class
}()

// checkOf is for a route of which so much is known.
func checkOf(known []byteset, alone bool) (check routeCheck) {
	for i := range check {
		set := anyByte
		switch at := i - checkedBefore; {
		case at >= 0 && at < len(known):
			set = known[at]
		case at < 0 && alone:
			set = aroundWords
		}
		for b := range set.all() {
			check[i] |= 1 << checkClass[b]
		}
	}
	return check
}

// fits says whether the route may stand in a text like that: 1 if so, else 0.
func (c *routeCheck) fits(text string) int {
	t := text[:routeChecked]
	return int((c[0] >> (checkClass[t[0]] & 31)) & (c[1] >> (checkClass[t[1]] & 31)) & (c[2] >> (checkClass[t[2]] & 31)) & (c[3] >> (checkClass[t[3]] & 31)) &
		(c[4] >> (checkClass[t[4]] & 31)) & (c[5] >> (checkClass[t[5]] & 31)) & (c[6] >> (checkClass[t[6]] & 31)) & (c[7] >> (checkClass[t[7]] & 31)) &
		(c[8] >> (checkClass[t[8]] & 31)) & (c[9] >> (checkClass[t[9]] & 31)) & (c[10] >> (checkClass[t[10]] & 31)) & (c[11] >> (checkClass[t[11]] & 31)) &
		(c[12] >> (checkClass[t[12]] & 31)) & (c[13] >> (checkClass[t[13]] & 31)) & (c[14] >> (checkClass[t[14]] & 31)) & (c[15] >> (checkClass[t[15]] & 31)) & 1)
}

// check keeps of the hits those whose routes may be there.
func (g *gramGate) check(w *gramWork, text string) {
	switch {
	case len(w.hits) == 0:
	case hasVectors && len(text) >= routeChecked:
		w.hits = w.hits[:checkVectors(&g.checks[0], &checkClass, text, &w.hits[0], len(w.hits))]
	default:
		w.hits = w.hits[:g.checkHits(w.hits, text)]
	}
}

// checkHits is check, hit by hit. What it keeps is what check means; what is near an end of the text is kept.
func (g *gramGate) checkHits(hits []gramHit, text string) (kept int) {
	for _, h := range hits {
		hits[kept] = h
		if from := int(h.start) - checkedBefore; from < 0 || from+routeChecked > len(text) {
			kept++
		} else {
			kept += g.checks[h.probe].fits(text[from:])
		}
	}
	return kept
}

// probeAll probes all hits.
func (g *gramGate) probeAll(f *Scratch, text string) {
	table := g.tails.current()
	hits, runs := f.grams.hits, &f.grams.runs
	runs.begin(len(hits))
	for i, h := range hits {
		start, letters := int(h.start), g.letters[h.probe]
		switch pos := start + int(letters); {
		case start < checkedBefore || pos+tailRounds*tailAtOnce > len(text):
			g.probe(f, text, start, h.probe)
		case letters == untold: // a word to watch for, which is there but for a letter perhaps
			g.found(f, text, start, &g.probes[h.probe])
		default:
			runs.add(i, int32(pos), table.entries[h.probe].Load())
		}
	}
	for round := 0; round < tailRounds && len(runs.hits) > fewTails; round++ {
		f.budget -= tailAtOnce * len(runs.hits)
		runs.cut(table.advance(text, runs))
	}
	for i, hit := range runs.hits {
		h := &hits[hit]
		switch state := runs.states[i]; {
		case state == tailUnknown: // or on the way there
			if !g.tails.fits(f, g, text, int(h.start), h.probe, true) {
				continue
			}
		case state != tailMaybe && !g.tails.goesOn(f, table, text, int(runs.places[i]), g.tailEnd(text, int(h.start), h.probe), state):
			continue
		}
		g.found(f, text, int(h.start), &g.probes[h.probe])
	}
}

// advance follows all runs for tailAtOnce bytes, which the text must have, and keeps those that are not dead: it says how many.
func (t *tailTable) advance(text string, r *tailRuns) (kept int) {
	switch {
	case len(r.hits) == 0:
		return 0
	case hasVectors:
		return advanceRuns(&t.next[0], &tailClass, text, &r.hits[0], &r.places[0], &r.states[0], len(r.hits))
	}
	return t.advanceEach(text, r)
}

// advanceEach is advance, run by run. What it does is what advance means. It goes from run to run and not from byte to byte, for
// each step waits for memory, and for that of several runs a processor waits at the same time.
func (t *tailTable) advanceEach(text string, r *tailRuns) (kept int) {
	for range tailAtOnce {
		for i, pos := range r.places {
			r.states[i] = t.to(r.states[i], uint32(tailClass[text[pos]]))
			r.places[i]++
		}
	}
	for i, state := range r.states {
		r.hits[kept], r.places[kept], r.states[kept] = r.hits[i], r.places[i], state
		kept += int(-(state ^ tailDead) >> 31) // no branch
	}
	return kept
}
