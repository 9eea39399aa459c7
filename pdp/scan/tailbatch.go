package scan

// tailRun is a tail on its way.
type tailRun struct {
	start, pos int32
	probe      int32
	state      uint32
}

const (
	// tailAtOnce is how many bytes a tail is followed for without asking what became of it. Most are dead by then.
	tailAtOnce = 8
	tailRounds = 3 // of it; whatever is still alive then is followed by itself
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
	w := &f.grams
	w.runs = w.runs[:0]
	for _, h := range w.hits {
		p := &g.probes[h.probe]
		pos := int(h.start) + int(p.letters)
		if p.tail == noTail || int(h.start) < checkedBefore || pos+tailRounds*tailAtOnce > len(text) {
			g.probe(f, text, int(h.start), h.probe)
			continue
		}
		w.runs = append(w.runs, tailRun{h.start, int32(pos), h.probe, table.entries[h.probe].Load()})
	}
	runs := w.runs
	for range tailRounds {
		f.budget -= tailAtOnce * len(runs)
		runs = runs[:table.advance(text, runs)]
	}
	for _, r := range runs {
		start := int(r.start)
		switch {
		case r.state == tailUnknown: // or on the way there
			if !g.tails.fits(f, g, text, start, r.probe, true) {
				continue
			}
		case r.state != tailMaybe && !g.tails.goesOn(f, table, text, start, int(r.pos), r.state):
			continue
		}
		g.found(f, text, start, &g.probes[r.probe])
	}
}

// advance follows all runs for tailAtOnce bytes and keeps those that are not dead. It goes from run to run and not from byte to
// byte, for each step waits for memory, and for that of several runs a processor waits at the same time.
func (t *tailTable) advance(text string, runs []tailRun) (kept int) {
	for range tailAtOnce {
		for i := range runs {
			r := &runs[i]
			r.state = t.to(r.state, uint32(tailClass[text[r.pos]]))
			r.pos++
		}
	}
	for _, r := range runs {
		runs[kept] = r
		kept += int(-(r.state ^ tailDead) >> 31) // no branch
	}
	return kept
}
