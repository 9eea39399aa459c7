package scan

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// allowlist is what is no finding though a row's regex matches it: all regexes of the row's list at once. Each must match the
// whole of a match.
type allowlist struct {
	// dfa says whether one of them does. It matches at the end of the text, or earlier where no more need be read.
	dfa *automaton
	// plain are the same regexes one by one, for a match over which the automaton would take longer than they do: where it
	// meets a new state at each character.
	plain []*regexp.Regexp
	// perByte is what plain takes at most for each byte, in steps: each of its instructions may have to be looked at.
	perByte int
}

// newAllowlist compiles a list of regexes, and tells what is wrong with each.
func newAllowlist(exprs []string, bad func(i int, detail string)) *allowlist {
	if len(exprs) == 0 {
		return nil
	}
	l := &allowlist{}
	var progs []*syntax.Prog
	for i, expr := range exprs {
		re, prog, detail := compileAllow(expr)
		if detail != "" {
			bad(i, detail)
			continue
		}
		l.plain, progs = append(l.plain, re), append(progs, prog)
		l.perByte += plainSteps + len(prog.Inst)
	}
	if dfa := newAutomaton(true, progs, make([]int32, len(progs))); !dfa.tooManyClasses() {
		l.dfa = dfa
	}
	return l
}

// compileAllow compiles a regex that must match the whole of a match: for regexp, and for an automaton that begins where the
// match does.
func compileAllow(expr string) (re *regexp.Regexp, prog *syntax.Prog, detail string) {
	if _, reason, detail := parseRegex(expr); reason != "" && reason != ReasonMatchesEmpty {
		return nil, nil, detail
	}
	re, err := regexp.Compile(`^(?:` + expr + `)$`)
	if err != nil {
		return nil, nil, fmt.Sprintf("cannot be anchored: %v", err)
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, nil, err.Error()
	}
	prog, err = syntax.Compile(untilDecided(tree).Simplify())
	if err != nil {
		return nil, nil, fmt.Sprintf("cannot be anchored: %v", err)
	}
	return re, prog, ""
}

// untilDecided is a regex that matches some begin of each text of which another matches the whole, and of no other. What only
// says that anything may follow is left out.
func untilDecided(re *syntax.Regexp) *syntax.Regexp {
	if re.Op == syntax.OpConcat {
		if last := len(re.Sub) - 1; isAnyText(re.Sub[last]) {
			return &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags, Sub: re.Sub[:last]}
		}
	}
	return &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags, Sub: []*syntax.Regexp{re, {Op: syntax.OpEndText}}}
}

// isAnyText says whether a regex matches every text.
func isAnyText(re *syntax.Regexp) bool {
	return re.Op == syntax.OpStar && re.Sub[0].Op == syntax.OpAnyChar
}

// allowed says whether the list holds a match, by regexp alone.
func (l *allowlist) allowed(match string) bool {
	for _, re := range l.plain {
		if re.MatchString(match) {
			return true
		}
	}
	return false
}

// allowed says whether a list holds a match, and pays for it. The automaton may spend what regexp would take, so that both
// together take no more than twice that whatever the match is.
func (f *Scratch) allowed(l *allowlist, match string) bool {
	most := plainCall*len(l.plain) + l.perByte*len(match)
	if l.dfa != nil {
		budget := min(f.budget, most)
		f.budget -= budget
		holds := l.dfa.matchesBegin(match, &budget)
		if f.budget += budget; budget >= 0 {
			return holds
		}
	}
	if f.budget -= most; f.budget < 0 {
		return false
	}
	return l.allowed(match)
}

// matchesBegin says whether an automaton matches the text or a begin of it. It stops when the budget is used up, which then is
// negative.
func (a *automaton) matchesBegin(text string, budget *int) bool {
	t, s := a.startAt(text, 0, budget)
	for pos := 0; s&(refDead|refMatched) == 0 && *budget >= 0; {
		class, width := uint8(len(a.example)), 1
		if pos < len(text) {
			if b := text[pos]; b < utf8.RuneSelf {
				class = a.ascii[b]
			} else {
				class, width = a.classOf(text, pos)
			}
		}
		next := ref(t.next[int(s>>refShift)+int(class)].Load())
		if next == 0 {
			t, next = a.step(t, s, class, budget)
		}
		s = next
		pos += width
		*budget -= width
	}
	return s&refMatched != 0
}
