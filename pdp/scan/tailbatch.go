package scan

// tailRun is a tail on its way.
type tailRun struct {
	start, pos int32
	probe      int32
	state      uint32
}

const (
	// tailAtOnce is how many bytes a tail is followed for without asking what became of it. Most are dead by then. A
	// processor follows several at the same time as long as nothing has to be guessed, where one by one each step would wait
	// for the last.
	tailAtOnce = 8
	tailRounds = 3 // of it; whatever is still alive then is followed by itself
	// tailChecked is how many bytes are looked at, each by itself, before that.
	tailChecked = 8
)

// tailCheck has, for each of some bytes, the classes of tailClass that it may be of. That takes one line of memory where the
// states that the automaton would go through are in many.
type tailCheck [tailChecked]uint64

func checkOf(sets []byteset) (check tailCheck) {
	for i := range check {
		if i >= len(sets) {
			check[i] = ^uint64(0)
			continue
		}
		for b := range sets[i].all() {
			check[i] |= 1 << tailClass[b]
		}
	}
	return check
}

// fits says whether a text may go on like that: 1 if so, else 0.
func (c *tailCheck) fits(text string) int {
	_ = text[tailChecked-1]
	return int((c[0] >> (tailClass[text[0]] & 63) & (c[1] >> (tailClass[text[1]] & 63)) & (c[2] >> (tailClass[text[2]] & 63)) &
		(c[3] >> (tailClass[text[3]] & 63)) & (c[4] >> (tailClass[text[4]] & 63)) & (c[5] >> (tailClass[text[5]] & 63)) &
		(c[6] >> (tailClass[text[6]] & 63)) & (c[7] >> (tailClass[text[7]] & 63))) & 1)
}

// check keeps of the hits those that may go on as their patterns want it; what is near the end of the text is kept.
func (g *gramGate) check(w *gramWork, text string) {
	kept := 0
	for _, h := range w.hits {
		s := &g.slots[h.slot]
		from := int(h.at) - int(s.at) + int(s.letters)
		w.hits[kept] = h
		if s.letters < 0 || from < 0 || from+tailChecked > len(text) {
			kept++
			continue
		}
		kept += g.checks[s.probe].fits(text[from:])
	}
	w.hits = w.hits[:kept]
}

// probeAll probes all hits.
func (g *gramGate) probeAll(f *Scratch, text string) {
	table := g.tails.current()
	w := &f.grams
	w.runs = w.runs[:0]
	for _, h := range w.hits {
		s := &g.slots[h.slot]
		p := &g.probes[s.probe]
		start := int(h.at) - int(s.at)
		pos := start + int(s.letters)
		if p.tail == noTail || s.letters < 0 || pos+tailRounds*tailAtOnce > len(text) {
			g.probe(f, text, start, s.probe, s.letters >= 0)
			continue
		}
		if start < 0 || p.alone && start > 0 && isWord(text[start-1]) {
			continue
		}
		w.runs = append(w.runs, tailRun{int32(start), int32(pos), s.probe, table.entries[s.probe].Load()})
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

// advance follows each run for tailAtOnce bytes and keeps those that are not dead.
func (t *tailTable) advance(text string, runs []tailRun) (kept int) {
	for _, r := range runs {
		s := r.state
		for _, c := range []byte(text[r.pos:][:tailAtOnce]) {
			s = t.to(s, uint32(tailClass[c]))
		}
		r.pos, r.state = r.pos+tailAtOnce, s
		runs[kept] = r
		kept += int(-(s ^ tailDead) >> 31) // no branch
	}
	return kept
}
