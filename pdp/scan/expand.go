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

// setID is a set of bytes, by the number that the planner gave it.
type setID uint32

// routeByte is a byte of a route: what it may be, and how often the gram that ends with it stands in ordinary text, which is
// not known of the first three, nor where the gram has very many spellings.
type routeByte struct {
	set   setID
	share float32
}

const unknownShare = -1

func (b routeByte) same(o routeByte) bool { return b.set == o.set }

// route is one route in which a match can go on from a place in its pattern, byte by byte. Its bytes are never written once they
// are there, so routes share them.
type route struct {
	bytes []routeByte
	rest  *cont
	// bounded says that an assertion stands before the first byte, which a word character before it refutes if it is a
	// word character itself: \b, or the begin of line or text.
	bounded bool
	frozen  bool       // it goes on, but nobody knows how
	known   int32      // bytes of which inside knows
	chosen  bool       // grams has what was chosen for the route as it is
	inside  gramChoice // of the grams that do not reach over its ends
	grams   gramChoice
}

// alone says that a word character before the route refutes it.
func (pl *planner) alone(r *route) bool {
	return r.bounded && len(r.bytes) > 0 && !pl.sets[r.bytes[0].set].intersects(aroundWords)
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
	done int // runes of a literal, or rounds of a repeat, that are behind
}

// then makes a cont. It is the planner's, and gone with the next pattern.
func (pl *planner) then(re *syntax.Regexp, next *cont, done int) *cont {
	c := pl.conts.one()
	*c = cont{re, next, done}
	return c
}

// expand gives all routes in which a match can go on at the given nodes, each as far as it can be told, at most
// expandBytes runes. Every match is at least one of them. They are good until the next call.
func (pl *planner) expand(nodes *cont) []route {
	routes, longer := append(pl.routes[0][:0], route{rest: nodes}), pl.routes[1][:0]
	for range expandBytes {
		longer = longer[:0]
		grown := false
		for i := range routes {
			w := &routes[i]
			if w.frozen || w.rest == nil || len(w.bytes) >= rareBytes && w.inside.total() < rareCost {
				longer = append(longer, *w)
				continue
			}
			from := len(longer)
			x := expander{pl: pl, from: *w, out: longer}
			x.advance(w.rest, w.bounded, 0)
			if x.failed {
				longer = append(x.out[:from], *w)
				longer[from].frozen = true
				continue
			}
			grown = true
			longer = x.out
		}
		if longer = pl.undominated(longer); len(longer) > maxRoutes {
			break // as far as it went is good too
		}
		for i := range longer {
			pl.consider(&longer[i])
		}
		routes, longer = longer, routes
		if !grown {
			break
		}
	}
	pl.routes = [2][]route{routes, longer}
	return routes
}

// undominated drops the routes that go on from where another one ends: whoever takes them takes that one too.
func (pl *planner) undominated(routes []route) []route {
	pl.ended = pl.ended[:0]
	for i := range routes {
		if r := &routes[i]; r.frozen || r.rest == nil {
			pl.ended = append(pl.ended, routeEnd{r.bytes, r.bounded})
		}
	}
	if len(pl.ended) == 0 {
		return routes
	}
	n := 0
	for i := range routes {
		if !pl.dominated(&routes[i]) {
			if n < i {
				routes[n] = routes[i]
			}
			n++
		}
	}
	return routes[:n]
}

// routeEnd is what there is of a route that goes on no further.
type routeEnd struct {
	bytes   []routeByte
	bounded bool
}

func (pl *planner) dominated(r *route) bool {
	for i := range pl.ended {
		if o := &pl.ended[i]; o.bounded == r.bounded && len(o.bytes) < len(r.bytes) && slices.EqualFunc(o.bytes, r.bytes[:len(o.bytes)], routeByte.same) {
			return true
		}
	}
	return false
}

// expander takes one route one rune further.
type expander struct {
	pl     *planner
	from   route
	out    []route // of other routes, and then those that this one goes on in
	made   int     // of the latter
	failed bool
}

// add notes a route in which it goes on.
func (x *expander) add(bytes []routeByte, rest *cont, bounded bool) {
	x.made++
	x.out = append(x.out, route{bytes: bytes, rest: rest, bounded: bounded, known: x.from.known, inside: x.from.inside})
}

func (x *expander) advance(at *cont, bounded bool, depth int) {
	if x.failed {
		return
	}
	if depth > 64 || x.made > maxRoutes {
		x.failed = true
		return
	}
	if at == nil {
		x.add(x.from.bytes, nil, bounded)
		return
	}
	re, next, then := at.re, at.next, x.pl.then
	switch re.Op {
	case syntax.OpNoMatch: // this route leads nowhere
	case syntax.OpEmptyMatch, syntax.OpEndLine, syntax.OpEndText, syntax.OpNoWordBoundary:
		x.advance(next, bounded, depth+1)
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary:
		x.advance(next, bounded || len(x.from.bytes) == 0, depth+1)
	case syntax.OpLiteral:
		rest := next
		if len(re.Rune) > at.done+1 {
			rest = then(re, next, at.done+1)
		}
		x.class(x.pl.letter(re.Rune[at.done], re.Flags), rest, bounded)
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		x.class(x.pl.class(re), next, bounded)
	case syntax.OpCapture:
		x.advance(then(re.Sub[0], next, 0), bounded, depth+1)
	case syntax.OpConcat:
		rest := next
		for _, sub := range slices.Backward(re.Sub) {
			rest = then(sub, rest, 0)
		}
		x.advance(rest, bounded, depth+1)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			x.advance(then(sub, next, 0), bounded, depth+1)
		}
	case syntax.OpQuest:
		x.repeat(at, 0, 1, bounded, depth)
	case syntax.OpStar:
		x.repeat(at, 0, -1, bounded, depth)
	case syntax.OpPlus:
		x.repeat(at, 1, -1, bounded, depth)
	case syntax.OpRepeat:
		x.repeat(at, re.Min, re.Max, bounded, depth)
	default:
		x.failed = true
	}
}

// repeat goes through what is repeated least to most times (without end if negative), or past it.
func (x *expander) repeat(at *cont, least, most int, bounded bool, depth int) {
	if most != at.done {
		rest := at.next
		switch {
		case most < 0:
			rest = x.pl.then(at.re, at.next, min(at.done+1, least))
		case at.done+1 < most:
			rest = x.pl.then(at.re, at.next, at.done+1)
		}
		x.advance(x.pl.then(at.re.Sub[0], rest, 0), bounded, depth+1)
	}
	if at.done >= least {
		x.advance(at.next, bounded, depth+1)
	}
}

// class reads one rune of a class; none means that the class is too wide.
func (x *expander) class(seqs [][]setID, rest *cont, bounded bool) {
	if seqs == nil {
		x.failed = true
		return
	}
	for _, seq := range seqs {
		bytes := x.pl.bytes.take(len(x.from.bytes) + len(seq))
		n := copy(bytes, x.from.bytes)
		for i, set := range seq {
			bytes[n+i] = routeByte{set, unknownShare}
		}
		x.add(bytes, rest, bounded)
	}
}

// letter gives the sequences of a character of a literal.
func (pl *planner) letter(r rune, flags syntax.Flags) [][]setID {
	key := letterKey{r, flags & syntax.FoldCase}
	seqs, known := pl.letters[key]
	if !known {
		seqs = pl.numbered(narrow(literalRanges(r, flags)))
		pl.letters[key] = seqs
	}
	return seqs
}

type letterKey struct {
	letter rune
	fold   syntax.Flags
}

// class gives those of a class of the pattern under way.
func (pl *planner) class(re *syntax.Regexp) [][]setID {
	seqs, known := pl.classes[re]
	if !known {
		seqs = pl.numbered(narrow(classRanges(re)))
		pl.classes[re] = seqs
	}
	return seqs
}

func (pl *planner) numbered(seqs [][]byteset) [][]setID {
	var out [][]setID
	for _, seq := range seqs {
		ids := make([]setID, len(seq))
		for i, s := range seq {
			ids[i] = pl.id(s)
		}
		out = append(out, ids)
	}
	return out
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
