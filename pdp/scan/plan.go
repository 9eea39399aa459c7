package scan

import (
	"fmt"
	"regexp/syntax"
	"slices"
)

// A plan is how the engine comes to the places where a match of a rule may begin. Every match must begin in a place that
// the plan names; what else it names only costs time.
type plan struct {
	kind   planKind
	routes []plannedRoute
	// The place that the plan finds stands so many bytes after the begin of the match.
	least, most int
	prefix      byteset // the bytes that may stand between
	cost        float32 // estimated nanoseconds for a kilobyte of ordinary text
	run         byteset // planRun: the class of the run
	runLength   int     // and its least length
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
}

const (
	gramBytes   = 4
	maxPrefix   = 1024 // bytes of a match before the place that a plan finds
	maxGrams    = 8192 // of one pattern
	maxHeadroom = 4    // bytes before the first digit, or the lead byte
	minRun      = 16

	hitCost   = 6.0    // nanoseconds for a gram that stands in the text
	entryCost = 0.0015 // nanoseconds a kilobyte for each gram in the gate, which makes more other grams look like one
	perKB     = 512.0  // places of a kilobyte that the gate looks at
	maxCost   = 40.0   // nanoseconds a kilobyte that one pattern may cost
	goodCost  = 0.5    // below that no other plan is looked for
	rareCost  = 0.01   // below that a route is followed no further

	digitsCost = 3
	leadCost   = 0.4
	runCost    = 6
	byteCost   = 4
)

// planFor finds the plans of a regex: one, or one for each branch of an alternation. detail says why there is none.
func planFor(re *syntax.Regexp) (plans []plan, detail string) {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	whole, found := cheapest(re)
	if re.Op == syntax.OpAlternate && (!found || whole.cost > goodCost) {
		sum := float32(0)
		var branches []plan
		for _, sub := range re.Sub {
			of, why := planFor(sub)
			if why != "" {
				branches = nil
				break
			}
			for _, p := range of {
				sum += p.cost
			}
			branches = append(branches, of...)
		}
		if branches != nil && (!found || sum < whole.cost) {
			return branches, ""
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
	return []plan{whole}, ""
}

// cheapest looks for the best plan over all places of a pattern where the gate might look.
func cheapest(re *syntax.Regexp) (best plan, found bool) {
	nodes := flatten(nil, re)
	least, most := 0, 0
	var prefix byteset
	for i, node := range nodes {
		var rest *cont
		for j := len(nodes) - 1; j >= i; j-- {
			rest = &cont{nodes[j], rest}
		}
		for _, p := range plansAt(node, rest, i == 0) {
			if p.least, p.most, p.prefix = least, most, prefix; most > maxPrefix && !p.stopsAtPrefix() {
				continue
			}
			if most > least {
				p.cost *= min(1+float32(most-least)/32, 8) // each hit has so many places to try
			}
			if !found || p.cost < best.cost {
				best, found = p, true
			}
		}
		if found && best.cost < goodCost/4 {
			break
		}
		lo, hi := byteLength(node)
		least, most = min(least+lo, unbounded), min(most+hi, unbounded)
		prefix.union(bytesOf(node))
	}
	return best, found
}

// stopsAtPrefix says whether every route has a byte that is none of the prefix. The stretches before two places that
// the plan finds have little in common then, and to look through them all takes linear time, however long they are.
func (p *plan) stopsAtPrefix() bool {
	if p.kind == planRun {
		return !p.prefix.intersects(p.run)
	}
	for _, r := range p.routes {
		if !slices.ContainsFunc(r.sets, func(s byteset) bool { return !p.prefix.intersects(s) }) {
			return false
		}
	}
	return len(p.routes) > 0
}

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
	}
	return append(nodes, re)
}

func plansAt(node *syntax.Regexp, rest *cont, first bool) []plan {
	var out []plan
	if class, n, ok := classRun(node); ok {
		out = append(out, plan{kind: planRun, run: class, runLength: n, cost: runCost})
	}
	switch node.Op {
	case syntax.OpBeginLine, syntax.OpBeginText, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpEmptyMatch:
		if !first {
			return out // the next node says the same
		}
	}
	routes := expand(rest)
	if p, ok := gramPlan(routes); ok {
		out = append(out, p)
	}
	if first {
		if p, ok := headPlan(routes, planDigits, digitsCost, digitBytes); ok {
			out = append(out, p)
		}
	}
	if p, ok := bytePlan(routes); ok {
		out = append(out, p)
	}
	if p, ok := headPlan(routes, planLead, leadCost, leadBytes); ok {
		out = append(out, p)
	}
	return out
}

var leadBytes = func() (s byteset) { s.add(0xC2, 0xF4); return s }()

// gramPlan gives each route its two cheapest grams, one for each parity of the place.
func gramPlan(routes []route) (plan, bool) {
	p := plan{kind: planGrams}
	entries := 0
	for i := range routes {
		g := routes[i].grams()
		if g.size[0] == 0 || g.size[1] == 0 {
			return plan{}, false
		}
		if entries += g.size[0] + g.size[1]; entries > maxGrams {
			return plan{}, false
		}
		p.cost += g.cost[0] + g.cost[1]
		p.routes = append(p.routes, plannedRoute{routes[i].sets, g.at[0], g.at[1]})
	}
	return p, len(routes) > 0
}

// gramChoice has the cheapest gram of a route for each parity: its cost, place and number of spellings (0: none).
type gramChoice struct {
	cost     [2]float32
	at, size [2]int
}

func (r *route) grams() (g gramChoice) {
	folded := make([]*foldedSet, len(r.sets)+2*gramBytes)
	for i := range folded {
		folded[i] = &wildSet
		if j := i - 1; j >= 0 && j < len(r.sets) {
			folded[i] = foldSet(r.sets[j])
		}
	}
	for o := -1; o < max(len(r.sets), 1); o++ {
		gram := folded[o+1 : o+1+gramBytes]
		n := 1
		for _, s := range gram {
			n *= len(s.bytes)
		}
		if n > maxGrams {
			continue
		}
		c := perKB*hitCost*gramShare(gram) + entryCost*float32(n)
		if k := o & 1; g.size[k] == 0 || c < g.cost[k] {
			g.cost[k], g.at[k], g.size[k] = c, o, n
		}
	}
	return g
}

// isRare says that the route need not be followed further.
func (r *route) isRare() bool {
	if len(r.sets) <= gramBytes {
		return false
	}
	g := r.grams()
	return g.size[0] > 0 && g.size[1] > 0 && g.cost[0]+g.cost[1] < rareCost
}

var wildSet = *foldSet(anyByte)

// bytePlan is for routes that all begin with the one byte that is rare enough to be looked for by itself.
func bytePlan(routes []route) (plan, bool) {
	p := plan{kind: planByte, cost: byteCost}
	for _, r := range routes {
		if len(r.sets) == 0 || r.sets[0] != rareByteSet {
			return plan{}, false
		}
		p.routes = append(p.routes, plannedRoute{sets: r.sets})
	}
	return p, len(routes) > 0
}

// rareByte is what bytePlan looks for: without it no pattern of an e-mail address would have a plan.
const rareByte = '@'

var rareByteSet = func() (s byteset) { s.add(rareByte, rareByte); return s }()

// headPlan is for routes that soon come to a byte of a kind which nothing before it is of.
func headPlan(routes []route, kind planKind, cost float32, wanted byteset) (plan, bool) {
	p := plan{kind: kind, cost: cost}
	for _, w := range routes {
		at := -1
		for i := range min(len(w.sets), maxHeadroom+1) {
			inside := w.sets[i]
			for j := range inside {
				inside[j] &^= wanted[j]
			}
			if inside == (byteset{}) {
				at = i
				break
			}
			if w.sets[i].intersects(wanted) {
				return plan{}, false
			}
		}
		switch {
		case at < 0,
			kind == planDigits && at == 0 && !w.bounded, // else a match could begin amidst digits
			kind == planLead && at+1 >= len(w.sets):
			return plan{}, false
		}
		p.routes = append(p.routes, plannedRoute{w.sets, at, 0})
	}
	return p, len(routes) > 0
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
