package scan

import (
	"fmt"
	"math"
	"regexp/syntax"
	"slices"
)

// A plan is how the engine comes to the places where a match of a rule may begin. Every match must begin in a place that
// the plan names; what else it names only costs time.
type plan struct {
	kind   planKind
	routes []plannedRoute
	nodes  []*syntax.Regexp // what of the pattern stands from the place on that the plan finds
	// The place that the plan finds stands so many bytes after the begin of the match.
	least, most int
	prefix      byteset // the bytes that may stand between
	cost        float32 // estimated nanoseconds for a kilobyte of ordinary text
	run         byteset // planRun: the class of the run
	runLength   int     // and its least length
	runMost     int     // and its most, where the run must be a word by itself, else 0
	// planRun: the match begins where a word does, and all up to the end of the run is of that word.
	beginsWord bool
}

type planKind uint8

const (
	// planGrams looks for four bytes that every match has in a known place.
	planGrams planKind = iota
	// planDigits starts the union automaton of all such rules at every run of digits.
	planDigits
	// planLead looks for a pair of bytes that begins a character beyond ASCII.
	planLead
	// planRun looks for long runs of a class.
	planRun
	// planByte looks for a single byte.
	planByte
	// planEverywhere tries every place; only for rules marked slow.
	planEverywhere
)

func (k planKind) String() string {
	return [...]string{"grams", "digits", "lead bytes", "runs", "byte", "everywhere"}[k]
}

// plannedRoute is a route with the grams that stand for it.
type plannedRoute struct {
	sets []byteset
	// Where the gate finds the route. Grams: at even and odd are the first of four bytes that it tests, for it looks at
	// every second place only; either may reach one byte to the left of the route, or past its end. Digits and lead: at even
	// stands the first digit, or the lead byte.
	even, odd int
	// alone says that no word character may stand before the route.
	alone bool
}

const (
	gramBytes   = 4
	maxPrefix   = 8192   // bytes of a match before the place that a plan finds
	maxGrams    = 20_000 // of one pattern
	maxHeadroom = 8      // bytes before the first digit, or the lead byte
	minRun      = 16

	bitCost    = 5.0   // nanoseconds for a gram that stands in the text
	hitCost    = 10.0  // nanoseconds more where the bytes behind it do
	passCost   = 60.0  // nanoseconds more where all of its route does
	openCost   = 240.0 // the same for a route that goes on into a wide class
	aloneShare = 0.4   // how often no word character stands before a place that begins like a word
	entryCost  = 0.005 // nanoseconds a kilobyte for each gram in the gate, which makes more other grams look like one
	perKB      = 512.0 // places of a kilobyte that the gate looks at
	maxCost    = 200.0 // nanoseconds a kilobyte that one pattern may cost
	goodCost   = 1.0   // below that no other plan is looked for
	rareCost   = 0.03  // below that a route is followed no further
	// prefixShare is how many places to try, before one that the plan finds, cost as much as what finds it: few have a tail.
	prefixShare = 256.0
	// endFactor is how much more a gram costs that nothing follows: there is no tail to tell that it is no match.
	endFactor = 1.5
	fairCost  = 25.0 // below that it is not worth to divide a pattern at its alternations

	digitsCost   = 3
	leadCost     = 0.4
	runCost      = 25
	shortRunCost = 50 // a run shorter than shortRun makes the gate look more often
	shortRun     = 32
	byteCost     = 4
)

// planFor finds the plans of a regex: one, or one for each branch of an alternation in it. detail says why there is
// none.
func (pl *planner) planFor(re *syntax.Regexp) (plans []plan, detail string) {
	pl.begin()
	nodes := flatten(nil, re)
	whole, found := pl.cheapest(nodes)
	if !found || whole.cost > fairCost {
		if branches, sum := pl.branches(nodes, maxBranches, mostOf(whole, found)); branches != nil {
			if sum > maxCost {
				whole.cost, found = sum, true
			} else {
				return pl.finished(branches...), ""
			}
		}
	}
	switch {
	case !found:
		return nil, fmt.Sprintf("no plan: nowhere in its first %d bytes must a match of %.60q have %d bytes that can be told in advance"+
			" (a literal or small classes), nor does it begin with \\b and a digit, nor must it have %d letters or digits in a row, a %c, or a"+
			" character beyond ASCII; give it one, or mark it slow", maxPrefix, re.String(), gramBytes, minRun, rareByte)
	case whole.cost > maxCost:
		return nil, fmt.Sprintf("no plan: the rarest %d bytes that a match of %.60q must have are so frequent that they alone would cost %.0f ns"+
			" for each kilobyte of text, at most %.0f; give it a rarer literal, or mark it slow", gramBytes, re.String(), whole.cost, maxCost)
	}
	return pl.finished(whole), ""
}

// maxBranches is into how many patterns one may be divided.
const maxBranches = 24

// mostOf is what it may cost to do without a plan, if one was found.
func mostOf(d draft, found bool) float32 {
	if !found {
		return math.MaxFloat32
	}
	return d.cost
}

// branches divides a pattern at its alternations, if that costs less than below: each branch with what stands around it is a
// pattern by itself.
func (pl *planner) branches(nodes []*syntax.Regexp, most int, below float32) (best []draft, cost float32) {
	cost = below
	for i, node := range nodes {
		if node.Op != syntax.OpAlternate || len(node.Sub) > most {
			continue
		}
		var plans []draft
		sum := float32(0)
		for _, sub := range node.Sub {
			var with []*syntax.Regexp
			with = append(with, nodes[:i]...)
			with = append(flatten(with, sub), nodes[i+1:]...)
			p, found := pl.cheapest(with)
			of := []draft{p}
			c := p.cost
			if !found || p.cost > fairCost {
				if deeper, deep := pl.branches(with, most/len(node.Sub), mostOf(p, found)); deeper != nil {
					of, c, found = deeper, deep, true
				}
			}
			if sum += c; !found || sum >= cost {
				plans = nil
				break
			}
			plans = append(plans, of...)
		}
		if plans != nil {
			best, cost = plans, sum
		}
	}
	return best, cost
}

// cheapest looks for the best plan over all places of a pattern where the gate might look.
func (pl *planner) cheapest(nodes []*syntax.Regexp) (best draft, found bool) {
	least, most := 0, 0
	var prefix byteset
	for i, node := range nodes {
		for _, p := range pl.tail(nodes[i:], i == 0) {
			p.nodes = nodes[i:]
			if p.kind == planRun {
				p.runMost = wordRun(nodes, i, p.run)
			}
			if p.least, p.most, p.prefix = least, most, prefix; most > maxPrefix {
				if p.kind == planRun && !p.stopsAtPrefix() {
					continue
				}
				p.most = unbounded
			}
			p.beginsWord = p.kind == planRun && i > 0 && nodes[0].Op == syntax.OpWordBoundary && least == most &&
				!prefix.intersects(aroundWords) && !p.run.intersects(aroundWords)
			if p.kind == planGrams && i+1 == len(nodes) {
				p.cost *= endFactor
			}
			if p.kind == planByte || p.kind == planGrams {
				p.cost *= 1 + prefixWalk(prefix, most-least)/prefixShare
			}
			if !found || p.cost < best.cost {
				best, found = p, true
			}
		}
		if found && best.cost < goodCost {
			break
		}
		lo, hi := byteLength(node)
		least, most = min(least+lo, unbounded), min(most+hi, unbounded)
		prefix.union(bytesOf(node))
	}
	return best, found
}

// tail is plansAt for nodes that were perhaps looked at before.
func (pl *planner) tail(nodes []*syntax.Regexp, first bool) []draft {
	key := make([]byte, 1, 2*len(nodes)+1)
	if first {
		key[0] = 1
	}
	for _, n := range nodes {
		id, known := pl.nodes[n]
		if !known {
			id = len(pl.nodes)
			pl.nodes[n] = id
		}
		key = append(key, byte(id), byte(id>>8))
	}
	plans, known := pl.tails[string(key)]
	if !known {
		pl.conts.reset() // what the place before took
		pl.bytes.reset()
		var rest *cont
		for _, node := range slices.Backward(nodes) {
			rest = pl.then(node, rest, 0)
		}
		plans = pl.plansAt(nodes[0], rest, first)
		pl.tails[string(key)] = plans
	}
	return plans
}

// prefixWalk estimates how many bytes before a place are of the prefix.
func prefixWalk(prefix byteset, most int) float32 {
	stop := float32(0)
	var seen [byteKinds]bool
	for b := range 256 {
		if k := kindOf(foldByte(byte(b))); !prefix.has(byte(b)) && !seen[k] {
			seen[k] = true
			stop += frequency.one[k]
		}
	}
	if stop*float32(most) < 1 {
		return float32(most)
	}
	return 1 / stop
}

// stopsAtPrefix says whether a run has no byte of the prefix. The stretches before two runs that the plan finds have
// nothing in common then, and to look through them all takes linear time, however long they are.
func (p *plan) stopsAtPrefix() bool { return !p.prefix.intersects(p.run) }

// flatten gives what stands one after the other at the top of a pattern.
func flatten(nodes []*syntax.Regexp, re *syntax.Regexp) []*syntax.Regexp {
	switch re.Op {
	case syntax.OpCapture:
		return flatten(nodes, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			nodes = flatten(nodes, sub)
		}
		return nodes
	default:
		return append(nodes, re)
	}
}

func (pl *planner) plansAt(node *syntax.Regexp, rest *cont, first bool) []draft {
	var out []draft
	if class, n, ok := classRun(node); ok {
		p := plan{kind: planRun, run: class, runLength: n, cost: runCost}
		if n < shortRun {
			p.cost = shortRunCost
		}
		out = append(out, draft{plan: p})
	}
	switch node.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpNoWordBoundary, syntax.OpEmptyMatch:
		if !first {
			return out // the next node says the same
		}
	default:
	}
	routes := pl.expand(rest)
	number, named := draft{}, false
	if first {
		number, named = pl.headPlan(routes, planDigits, digitsCost, digitBytes)
	}
	rare, sole := pl.bytePlan(routes)
	lead, wide := pl.headPlan(routes, planLead, leadCost, leadBytes)
	grams, some := pl.gramPlan(routes) // last, for it joins routes
	for _, p := range []struct {
		draft
		found bool
	}{{grams, some}, {number, named}, {rare, sole}, {lead, wide}} {
		if p.found {
			p.own()
			out = append(out, p.draft)
		}
	}
	return out
}

var leadBytes = func() (s byteset) { s.add(0xC2, 0xF4); return s }()

// bytePlan is for routes that all begin with the one byte that is rare enough to be looked for by itself.
func (pl *planner) bytePlan(routes []route) (draft, bool) {
	p := draft{plan: plan{kind: planByte, cost: byteCost + 2*perKB*hitCost*frequency.one[kindOf(foldByte(rareByte))]}}
	for i := range routes {
		r := &routes[i]
		if len(r.bytes) == 0 || pl.sets[r.bytes[0].set] != rareByteSet {
			return draft{}, false
		}
		p.drafted = append(p.drafted, draftedRoute{bytes: r.bytes, alone: pl.alone(r)})
	}
	return p, len(routes) > 0
}

// rareByte is what bytePlan looks for: without it no pattern of an e-mail address would have a plan.
const rareByte = '@'

var rareByteSet = func() (s byteset) { s.add(rareByte, rareByte); return s }()

// headPlan is for routes that soon come to a byte of a kind which nothing before it is of.
func (pl *planner) headPlan(routes []route, kind planKind, cost float32, wanted byteset) (draft, bool) {
	p := draft{plan: plan{kind: kind, cost: cost}}
	for i := range routes {
		w := &routes[i]
		at := -1
		for i := range min(len(w.bytes), maxHeadroom+1) {
			set := pl.sets[w.bytes[i].set]
			inside := set
			for j := range inside {
				inside[j] &^= wanted[j]
			}
			if inside == (byteset{}) {
				at = i
				break
			}
			if set.intersects(wanted) {
				return draft{}, false
			}
		}
		switch {
		case at < 0,
			kind == planDigits && at == 0 && !w.bounded, // else a match could begin amidst digits
			kind == planLead && at+1 >= len(w.bytes):
			return draft{}, false
		}
		p.drafted = append(p.drafted, draftedRoute{w.bytes, at, 0, pl.alone(w)})
	}
	return p, len(routes) > 0
}

// wordRun is the most that the run of nodes[i] may take if word boundaries stand on both sides of it, else 0. Where the
// class has word characters only, a longer run has no such boundary inside.
func wordRun(nodes []*syntax.Regexp, i int, class byteset) int {
	node := nodes[i]
	if i == 0 || i+1 == len(nodes) || node.Op != syntax.OpRepeat || node.Max < 0 || class.intersects(aroundWords) ||
		nodes[i-1].Op != syntax.OpWordBoundary || nodes[i+1].Op != syntax.OpWordBoundary {
		return 0
	}
	return node.Max
}

// classRun says whether a node is a long repeat of one class of ASCII letters.
func classRun(node *syntax.Regexp) (class byteset, length int, ok bool) {
	switch {
	case node.Op == syntax.OpRepeat && node.Min >= minRun && node.Sub[0].Op == syntax.OpCharClass:
		length = node.Min
	case node.Op == syntax.OpCapture:
		return classRun(node.Sub[0])
	default:
		return byteset{}, 0, false
	}
	seqs, few := byteSequences(node.Sub[0].Rune, 1)
	if !few || len(seqs) != 1 || len(seqs[0]) != 1 {
		return byteset{}, 0, false
	}
	class = seqs[0][0]
	for i := range class {
		if class[i]&^runBytes[i] != 0 {
			return byteset{}, 0, false
		}
	}
	return class, length, true
}

// runBytes are those that long tokens are made of. A class with others, such as blanks, has long runs in every text.
var runBytes = func() (s byteset) {
	for c := range 256 {
		if inBase64[c] {
			s.add(byte(c), byte(c))
		}
	}
	return s
}()
