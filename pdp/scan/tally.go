package scan

import (
	"cmp"
	"slices"
	"strings"
)

const (
	// maxMatches bounds the matches of one rule in one view. Counts above it mean nothing more to anyone.
	maxMatches = 10_000
	// maxComparisons bounds the comparing of matches in the concatenation with matches elsewhere.
	maxComparisons = 100_000
	// maxPlaces bounds the pairs of rule and text at which something was found.
	maxPlaces = 1 << 16
)

// tally counts what is found in the views of one inspection. Where nothing is found it stays empty and costs nothing.
type tally struct {
	v      *viewer
	s      *Scanner
	view   int // that matches come from
	places map[place]*counted
	strung map[int32][]Match // what is found in the concatenation and nowhere else, by rule
	// last is the place of the match before, as matches come in flocks.
	last        place
	lastCounted *counted
	comparisons int
	incomplete  bool
	// each is asked about every match, if it is there.
	each func(view int, m Match)
}

// place is where a rule is counted.
type place struct {
	rule    int32 // index, strongest first
	pointer string
}

type counted struct {
	most    int64 // of one view
	count   int64 // of the view at hand
	view    int   // the view at hand
	first   span  // the first match, and its view
	firstAt int
}

// take counts a match of a rule in the view at hand.
func (t *tally) take(m Match) {
	n := t.v.views[t.view]
	if n.leaf == noLeaf {
		t.takeStrung(m)
		return
	}
	if n.way.ofNumbers() && !checksDigits(t.s.rules[m.Rule].checkedBy) {
		return
	}
	if len(t.strung) > 0 {
		t.compare(m.Rule, n.text[m.Start:m.End])
	}
	p := place{m.Rule, t.v.pointer(t.view)}
	c := t.lastCounted
	if c == nil || p != t.last {
		if c = t.places[p]; c == nil {
			if len(t.places) >= maxPlaces {
				t.incomplete = true
				return
			}
			if t.places == nil {
				t.places = make(map[place]*counted)
			}
			c = &counted{view: t.view, first: span{m.Start, m.End}, firstAt: t.view}
			t.places[p] = c
		}
		t.last, t.lastCounted = p, c
	}
	if c.view != t.view {
		c.view, c.count = t.view, 0
	}
	c.count++
	c.most = max(c.most, c.count)
	if t.each != nil {
		t.each(t.view, m)
	}
}

// takeStrung keeps a match in the concatenation. Strung together, any few identifiers make a long random-looking word,
// and any few numbers a longer one: only a rule that a keyword anchors says something there.
func (t *tally) takeStrung(m Match) {
	if len(t.s.rules[m.Rule].keywords) == 0 {
		return
	}
	if t.strung == nil {
		t.strung = make(map[int32][]Match)
	}
	t.strung[m.Rule] = append(t.strung[m.Rule], m)
}

// compare drops the matches of the concatenation that a text has by itself. One that contains another match, or lies
// within one, is the same thing with its neighbours: without this every address followed by a subject would be found
// again.
func (t *tally) compare(rule int32, match string) {
	strung := t.strung[rule]
	if t.comparisons += len(strung); t.comparisons > maxComparisons {
		t.incomplete = true
		return
	}
	t.strung[rule] = slices.DeleteFunc(strung, func(m Match) bool {
		text := string(t.v.strung.bytes[m.Start:m.End])
		return strings.Contains(text, match) || strings.Contains(match, text)
	})
}

// split counts what was found in the concatenation alone.
func (t *tally) split() {
	at := slices.IndexFunc(t.v.views, func(n view) bool { return n.leaf == noLeaf })
	for rule, found := range t.strung {
		if len(found) == 0 {
			continue
		}
		if t.places == nil {
			t.places = make(map[place]*counted)
		}
		p := place{rule, ""}
		if c := t.places[p]; c != nil { // a text that stands at no pointer
			c.most = max(c.most, int64(len(found)))
		} else {
			t.places[p] = &counted{most: int64(len(found)), first: span{found[0].Start, found[0].End}, firstAt: at}
		}
		if t.each != nil {
			for _, m := range found {
				t.each(at, m)
			}
		}
	}
}

// sorted places, strongest rules first, so that what a full budget leaves out is the weakest, and always the same.
func (t *tally) sorted() []place {
	if len(t.places) == 0 {
		return nil
	}
	out := make([]place, 0, len(t.places))
	for p := range t.places {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), strings.Compare(a.pointer, b.pointer))
	})
	return out
}
