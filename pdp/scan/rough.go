package scan

import (
	"regexp/syntax"
	"unicode/utf8"
)

// roughOf is for a pattern with gaps such as `curl\b[^\n]{0,300}\|`: the same pattern with gaps of any length. An automaton that
// counts is in another state at each byte of a gap, which a processor has to wait for; this one stays in a few. What it does not
// match, the pattern does not match either. It is nil for a pattern without such gaps.
func roughOf(tree *syntax.Regexp) *automaton {
	re, gaps := uncounted(tree)
	if !gaps {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil // never: it is smaller than the pattern, which was compiled
	}
	return newAutomaton(true, []*syntax.Prog{prog}, []int32{0})
}

const (
	longGap  = 32   // how long a gap may be, at least
	wideGap  = 80   // how many characters of ASCII it may have, at least
	maxRough = 4096 // how many characters are followed
)

// uncounted is a regex that matches what another does and, in place of its gaps, longer ones.
func uncounted(re *syntax.Regexp) (out *syntax.Regexp, gaps bool) {
	if re.Op == syntax.OpRepeat && re.Max >= longGap && isGap(re.Sub[0]) {
		op := syntax.OpStar
		if re.Min > 0 {
			op = syntax.OpPlus
		}
		return &syntax.Regexp{Op: op, Flags: re.Flags, Sub: re.Sub}, true
	}
	out = re
	for i, sub := range re.Sub {
		if s, some := uncounted(sub); some {
			if !gaps {
				copied := *re
				copied.Sub = append([]*syntax.Regexp(nil), re.Sub...)
				out, gaps = &copied, true
			}
			out.Sub[i] = s
		}
	}
	return out, gaps
}

// isGap says whether a regex is one character, nearly any.
func isGap(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCharClass:
		n := rune(0)
		for i := 0; i < len(re.Rune); i += 2 {
			n += min(re.Rune[i+1], utf8.RuneSelf-1) - min(re.Rune[i], utf8.RuneSelf) + 1
		}
		return n >= wideGap
	default:
		return false
	}
}

// mayMatch says whether a match of the rule may begin at text[p], as far as that is known without counting.
func (f *Scratch) mayMatch(c *compiled, text string, p int) bool {
	a := c.rough
	if a == nil {
		return true
	}
	budget := f.budget
	t, s := a.startAt(text, p, &budget)
	// No match is longer, and one character more tells whether one ends there.
	most := min(c.characters, maxRough) + 1
	pos, steps := p, 0
	for s&(refDead|refMatched) == 0 && budget >= 0 {
		from := pos
		s, pos = a.coast(t, s, text, pos, min(pos+most-steps, len(text)))
		if steps += pos - from; steps == most || pos == len(text) {
			break
		}
		var class uint8
		width := 1
		if b := text[pos]; b < utf8.RuneSelf {
			class = a.ascii[b]
		} else {
			class, width = a.classOf(text, pos)
		}
		next := ref(t.next[int(s>>refShift)+int(class)].Load())
		if next == 0 {
			t, next = a.step(t, s, class, &budget)
		}
		s = next
		pos += width
		steps++
	}
	f.budget = min(f.budget, budget) - steps - 1
	return s&refMatched != 0 || s&refDead == 0 && (steps <= c.characters || budget < 0)
}
