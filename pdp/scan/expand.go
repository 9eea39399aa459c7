package scan

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Bounds of the expansion of a pattern into grams.
const (
	expandBytes = 12   // of each route that are looked at
	rareBytes   = 5    // at least, before a rare gram is good enough
	maxRoutes   = 120  // in which a pattern may go on
	maxClass    = 8    // sequences of bytes that one class may come to; a wider one ends the route
	maxWide     = 4096 // characters beyond ASCII, the same
)

// route is one route in which a match can go on from a place in its pattern: a set for each byte.
type route struct {
	sets []byteset
	rest *cont
	// bounded says that an assertion stands before the first byte, which a word character before it refutes if it is a
	// word character itself: \b, or the begin of line or text.
	bounded bool
	frozen  bool       // it goes on, but nobody knows how
	inside  gramChoice // of the grams that do not reach over its ends
}

// alone says that a word character before the route refutes it.
func (r *route) alone() bool {
	return r.bounded && len(r.sets) > 0 && !r.sets[0].intersects(aroundWords)
}

// aroundWords are the bytes that are no word characters.
var aroundWords = func() (s byteset) {
	for c := range 256 {
		if !isWord(byte(c)) {
			s.add(byte(c), byte(c))
		}
	}
	return s
}()

// wordBytes are the others.
var wordBytes = func() byteset { return aroundWords.complement() }()

// cont is what of a pattern is still to come.
type cont struct {
	re   *syntax.Regexp
	next *cont
}

// expand gives all routes in which a match can go on at the given nodes, each as far as it can be told, at most
// expandBytes. Every match is at least one of them.
func (pl *planner) expand(nodes *cont) []route {
	routes := []route{{rest: nodes}}
	for range expandBytes {
		var longer []route
		grown := false
		for _, w := range routes {
			if w.frozen || w.rest == nil || len(w.sets) >= rareBytes && w.inside.total() < rareCost {
				longer = append(longer, w)
				continue
			}
			x := expander{pl: pl}
			x.advance(w, 0)
			if x.failed {
				w.frozen = true
				longer = append(longer, w)
				continue
			}
			grown = true
			for i := range x.out {
				pl.consider(&x.out[i], len(w.sets))
			}
			longer = append(longer, x.out...)
		}
		if longer = undominated(longer); len(longer) > maxRoutes {
			break // as far as it went is good too
		}
		routes = longer
		if !grown {
			break
		}
	}
	return routes
}

// undominated drops the routes that go on from where another one ends: whoever takes them takes that one too.
func undominated(routes []route) []route {
	var ended []route
	for _, r := range routes {
		if r.frozen || r.rest == nil {
			ended = append(ended, r)
		}
	}
	if len(ended) == 0 {
		return routes
	}
	return slices.DeleteFunc(routes, func(r route) bool {
		return slices.ContainsFunc(ended, func(o route) bool {
			return o.bounded == r.bounded && len(o.sets) < len(r.sets) && slices.Equal(o.sets, r.sets[:len(o.sets)])
		})
	})
}

// expander takes one route one rune further.
type expander struct {
	pl     *planner
	out    []route
	failed bool
}

func (x *expander) advance(w route, depth int) {
	if x.failed {
		return
	}
	if depth > 64 || len(x.out) > maxRoutes {
		x.failed = true
		return
	}
	if w.rest == nil {
		x.out = append(x.out, w)
		return
	}
	re, next := w.rest.re, w.rest.next
	with := func(rest *cont) route { return route{sets: w.sets, rest: rest, bounded: w.bounded, inside: w.inside} }
	switch re.Op {
	case syntax.OpNoMatch: // this route leads nowhere
	case syntax.OpEmptyMatch, syntax.OpEndLine, syntax.OpEndText, syntax.OpNoWordBoundary:
		x.advance(with(next), depth+1)
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary:
		v := with(next)
		v.bounded = v.bounded || len(w.sets) == 0
		x.advance(v, depth+1)
	case syntax.OpLiteral:
		rest := next
		if len(re.Rune) > 1 {
			rest = &cont{&syntax.Regexp{Op: syntax.OpLiteral, Flags: re.Flags, Rune: re.Rune[1:]}, next}
		}
		x.class(w, narrow(literalRanges(re.Rune[0], re.Flags)), rest)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		seqs, known := x.pl.seqs[re]
		if !known {
			seqs = narrow(classRanges(re))
			if x.pl.seqs != nil {
				x.pl.seqs[re] = seqs
			}
		}
		x.class(w, seqs, next)
	case syntax.OpCapture:
		x.advance(with(&cont{re.Sub[0], next}), depth+1)
	case syntax.OpConcat:
		rest := next
		for _, sub := range slices.Backward(re.Sub) {
			rest = &cont{sub, rest}
		}
		x.advance(with(rest), depth+1)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			x.advance(with(&cont{sub, next}), depth+1)
		}
	case syntax.OpQuest:
		x.advance(with(&cont{re.Sub[0], next}), depth+1)
		x.advance(with(next), depth+1)
	case syntax.OpStar:
		x.advance(with(&cont{re.Sub[0], &cont{re, next}}), depth+1)
		x.advance(with(next), depth+1)
	case syntax.OpPlus:
		star := &syntax.Regexp{Op: syntax.OpStar, Flags: re.Flags, Sub: re.Sub}
		x.advance(with(&cont{re.Sub[0], &cont{star, next}}), depth+1)
	case syntax.OpRepeat:
		x.repeat(with, re, next, depth)
	default:
		x.failed = true
	}
}

func (x *expander) repeat(with func(*cont) route, re *syntax.Regexp, next *cont, depth int) {
	if re.Max == 0 {
		x.advance(with(next), depth+1)
		return
	}
	less := &syntax.Regexp{Op: syntax.OpRepeat, Flags: re.Flags, Sub: re.Sub, Min: max(re.Min-1, 0), Max: re.Max}
	if re.Max > 0 {
		less.Max--
	}
	rest := next
	if less.Max != 0 {
		rest = &cont{less, next}
	}
	x.advance(with(&cont{re.Sub[0], rest}), depth+1)
	if re.Min == 0 {
		x.advance(with(next), depth+1)
	}
}

// class reads one rune of a class; none means that the class is too wide.
func (x *expander) class(w route, seqs [][]byteset, rest *cont) {
	if seqs == nil {
		x.failed = true
		return
	}
	for _, seq := range seqs {
		sets := append(slices.Clip(w.sets), seq...)
		x.out = append(x.out, route{sets: sets, rest: rest, bounded: w.bounded, inside: w.inside})
	}
}

// narrow gives the sequences of a class, or none if that is too wide for the expansion.
func narrow(ranges []rune) [][]byteset {
	wide := 0
	for i := 0; i+1 < len(ranges); i += 2 {
		wide += int(max(ranges[i+1]-max(ranges[i], utf8.RuneSelf)+1, 0))
	}
	seqs, ok := byteSequences(ranges, maxClass)
	if !ok || wide > maxWide {
		return nil
	}
	return seqs
}

func literalRanges(r rune, flags syntax.Flags) []rune {
	ranges := []rune{r, r}
	if flags&syntax.FoldCase != 0 {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			ranges = append(ranges, f, f)
		}
	}
	return ranges
}

func classRanges(re *syntax.Regexp) []rune {
	switch re.Op {
	case syntax.OpAnyChar:
		return []rune{0, unicode.MaxRune}
	case syntax.OpAnyCharNotNL:
		return []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}
	default:
		return re.Rune
	}
}

// bytesOf are all bytes that a match of re may hold.
func bytesOf(re *syntax.Regexp) (set byteset) {
	class := func(ranges []rune) {
		seqs, ok := byteSequences(ranges, maxClass)
		if !ok {
			set.add(utf8.RuneSelf, 0xFF)
		}
		for _, seq := range seqs {
			for _, s := range seq {
				set.union(s)
			}
		}
		for i := 0; !ok && i+1 < len(ranges); i += 2 {
			if ranges[i] < utf8.RuneSelf {
				set.add(byte(ranges[i]), byte(min(ranges[i+1], utf8.RuneSelf-1)))
			}
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			class(literalRanges(r, re.Flags))
		}
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		class(classRanges(re))
	default: // what is below tells
	}
	for _, sub := range re.Sub {
		set.union(bytesOf(sub))
	}
	return set
}

// unbounded is the length of what has no longest.
const unbounded = 1 << 20

// byteLength is how many bytes a match of re takes, at least and at most.
func byteLength(re *syntax.Regexp) (least, most int) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			lo, hi := rangeLength(literalRanges(r, re.Flags))
			least, most = least+lo, most+hi
		}
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return rangeLength(classRanges(re))
	case syntax.OpCapture:
		return byteLength(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			lo, hi := byteLength(sub)
			least, most = least+lo, most+hi
		}
	case syntax.OpAlternate:
		least = unbounded
		for _, sub := range re.Sub {
			lo, hi := byteLength(sub)
			least, most = min(least, lo), max(most, hi)
		}
	case syntax.OpStar:
		_, most = byteLength(re.Sub[0])
		most *= unbounded
	case syntax.OpPlus:
		least, most = byteLength(re.Sub[0])
		most *= unbounded
	case syntax.OpQuest:
		_, most = byteLength(re.Sub[0])
	case syntax.OpRepeat:
		lo, hi := byteLength(re.Sub[0])
		least, most = lo*re.Min, hi*re.Max
		if re.Max < 0 {
			most = hi * unbounded
		}
	default: // assertions and the empty match take nothing
	}
	return min(least, unbounded), min(most, unbounded)
}

func rangeLength(ranges []rune) (least, most int) {
	least, most = utf8.UTFMax, 1
	for i := 0; i+1 < len(ranges); i += 2 {
		least, most = min(least, runeLength(ranges[i])), max(most, runeLength(ranges[i+1]))
		if ranges[i] <= utf8.RuneError && ranges[i+1] >= utf8.RuneError {
			least = 1 // a byte that is no UTF-8 reads as U+FFFD
		}
	}
	return least, most
}

func runeLength(r rune) int {
	switch {
	case r < utf8.RuneSelf:
		return 1
	case r < 0x800:
		return 2
	case r < 0x10000:
		return 3
	}
	return utf8.UTFMax
}
