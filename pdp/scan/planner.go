package scan

import (
	"regexp/syntax"
	"slices"
)

// planner makes the plans of a table. It remembers what patterns have in common: it is for one goroutine, and no plan
// depends on what it did before.
type planner struct {
	ids    map[byteset]setID
	sets   []byteset    // by id
	folded []*foldedSet // by id; those of equal bytes are one
	folds  map[byteset]*foldedSet
	shares wordMap[float32] // of grams, by the numbers of their folded sets
	wild   *foldedSet       // of any byte
	apart  *foldedSet       // of those around words

	letters map[letterKey][][]setID

	// Of the pattern under way. Branches have their ends in common, so what was found behind a place is kept.
	nodes   map[*syntax.Regexp]int
	tails   map[string][]draft
	classes map[*syntax.Regexp][][]setID

	// Of the place of it that is looked at.
	conts  arena[cont]
	bytes  arena[routeByte] // of routes
	routes [2][]route
	ended  []routeEnd
	groups prefixes
}

// maxSets is how many sets a planner remembers from one pattern to the next. One pattern adds fewer than 2^16 less that: a
// class takes three characters of at most maxRegexBytes, and has maxClass sequences of four sets.
const maxSets = 1 << 14

func newPlanner() *planner {
	pl := &planner{}
	pl.forget()
	return pl
}

// forget begins afresh.
func (pl *planner) forget() {
	*pl = planner{
		ids: make(map[byteset]setID), folds: make(map[byteset]*foldedSet), letters: make(map[letterKey][][]setID),
	}
	pl.wild, pl.apart = pl.fold(anyByte), pl.fold(aroundWords)
	pl.begin()
}

// begin makes room for another pattern.
func (pl *planner) begin() {
	if len(pl.sets) > maxSets {
		pl.forget()
	}
	pl.nodes, pl.tails, pl.classes = make(map[*syntax.Regexp]int), make(map[string][]draft), make(map[*syntax.Regexp][][]setID)
	pl.conts.reset()
	pl.bytes.reset()
}

// id numbers a set.
func (pl *planner) id(s byteset) setID {
	id, known := pl.ids[s]
	if !known {
		id = setID(len(pl.sets))
		pl.ids[s] = id
		f := foldSet(s)
		if same := pl.folds[f.set]; same != nil {
			f = same
		} else {
			f.number = uint16(len(pl.folds))
			pl.folds[f.set] = f
		}
		pl.sets, pl.folded = append(pl.sets, s), append(pl.folded, f)
	}
	return id
}

func (pl *planner) fold(s byteset) *foldedSet { return pl.folded[pl.id(s)] }

// share is gramShare, remembered.
func (pl *planner) share(gram *[gramBytes]*foldedSet) float32 {
	key := uint64(0)
	for _, f := range gram {
		key = key<<16 | uint64(f.number)
	}
	p, known := pl.shares.at(key)
	if !known {
		*p = gramShare(gram)
	}
	return *p
}

// draft is a plan whose routes are still made of numbers of the planner.
type draft struct {
	plan
	drafted []draftedRoute
}

// draftedRoute is a plannedRoute.
type draftedRoute struct {
	bytes     []routeByte
	even, odd int
	alone     bool
}

// own takes the bytes of a draft out of the arena, which is for one place of a pattern: a long one has thousands.
func (d *draft) own() {
	n := 0
	for i := range d.drafted {
		n += len(d.drafted[i].bytes)
	}
	all := make([]routeByte, 0, n)
	for i := range d.drafted {
		from := len(all)
		all = append(all, d.drafted[i].bytes...)
		d.drafted[i].bytes = slices.Clip(all[from:])
	}
}

// finished turns drafts into plans that the planner has no part in.
func (pl *planner) finished(drafts ...draft) []plan {
	plans := make([]plan, len(drafts))
	for i := range drafts {
		d := &drafts[i]
		plans[i] = d.plan
		if len(d.drafted) == 0 {
			continue
		}
		n := 0
		for _, r := range d.drafted {
			n += len(r.bytes)
		}
		sets := make([]byteset, 0, n)
		routes := make([]plannedRoute, len(d.drafted))
		for j, r := range d.drafted {
			from := len(sets)
			for _, b := range r.bytes {
				sets = append(sets, pl.sets[b.set])
			}
			routes[j] = plannedRoute{slices.Clip(sets[from:]), r.even, r.odd, r.alone}
		}
		plans[i].routes = routes
	}
	return plans
}
