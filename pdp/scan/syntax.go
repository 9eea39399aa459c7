package scan

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxRegexBytes bounds what one row may ask the compiler to do; regexp itself bounds the program.
const maxRegexBytes = 4 << 10

// setRegex compiles a row's regex and finds a plan for it, or says what is wrong.
func (c *compiled) setRegex(p Pattern, pl *planner) (reason Reason, detail string) {
	tree, reason, detail := parseRegex(p.Regex)
	if reason != "" {
		return reason, detail
	}
	c.plans, detail = planned.planFor(p.Regex, tree, pl)
	switch {
	case detail == "":
	case p.Slow:
		c.plans = []plan{{kind: planEverywhere}}
	default:
		return ReasonNoPlan, detail
	}
	re, err := regexp.Compile(p.Regex)
	if err != nil {
		return ReasonBadRegex, err.Error()
	}
	c.re = re
	if c.prog, err = syntax.Compile(tree.Simplify()); err != nil {
		return ReasonBadRegex, err.Error()
	}
	c.dfa = newAutomaton(false, []*syntax.Prog{c.prog}, []int32{0})
	if c.dfa.tooManyClasses() {
		return ReasonNoPlan, "tells more than 254 kinds of characters apart"
	}
	_, c.longest = byteLength(tree)
	c.characters = maxLength(tree)
	c.rough = roughOf(tree)
	c.first, c.only = c.dfa.firstBytes(), -1
	for b := range 256 {
		if c.first.size() == 1 && c.first.has(byte(b)) {
			c.only = b
		}
	}
	c.opening = openingOf(c.prog, c.dfa, c.plans)
	c.confirm = newConfirmer(p.Regex)
	return "", ""
}

// parseRegex parses a row's regex, or says what is wrong with it.
func parseRegex(expr string) (*syntax.Regexp, Reason, string) {
	switch {
	case expr == "":
		return nil, ReasonBadRegex, "a pattern needs a regex"
	case len(expr) > maxRegexBytes:
		return nil, ReasonBadRegex, "longer than 4096 bytes"
	}
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		if what := pcreOnly(expr, err); what != "" {
			return nil, ReasonNotRE2, what + " is PCRE, not RE2; write it without (a capture and a validator, or two patterns)"
		}
		return nil, ReasonBadRegex, err.Error()
	}
	if class := wordInClass(expr); class != "" {
		return nil, ReasonWordInClass, fmt.Sprintf("%.40q names a letter twice: a class is one character out of a set; for a word write a group, (?:…)", class)
	}
	if minLength(tree) == 0 {
		return nil, ReasonMatchesEmpty, "matches the empty string, so it would match everywhere"
	}
	return tree, "", ""
}

// wordInClass finds a class such as `[^ourcompany.com]`, in which somebody meant a word (THREATS F4): no class needs a
// letter twice. The expression is valid.
func wordInClass(expr string) string {
	for i := 0; i < len(expr); i++ {
		switch {
		case strings.HasPrefix(expr[i:], `\Q`):
			if end := strings.Index(expr[i:], `\E`); end >= 0 {
				i += end
				continue
			}
			return ""
		case expr[i] == '\\':
			i++
		case expr[i] == '[':
			end, twice := readClass(expr, i)
			if twice {
				return expr[i:end]
			}
			i = end - 1
		}
	}
	return ""
}

// readClass gives the end of the class that begins at expr[start], and whether a letter stands there twice by itself.
func readClass(expr string, start int) (end int, twice bool) {
	var seen byteset
	i := start + 1
	if strings.HasPrefix(expr[i:], "^") {
		i++
	}
	for first := true; i < len(expr) && (first || expr[i] != ']'); first = false {
		switch c := expr[i]; {
		case strings.HasPrefix(expr[i:], "[:"):
			if n := strings.Index(expr[i:], ":]"); n > 0 {
				i += n + 2
				continue
			}
			i++
		case c == '\\' && strings.HasPrefix(expr[i+1:], "x{"), c == '\\' && (strings.HasPrefix(expr[i+1:], "p{") || strings.HasPrefix(expr[i+1:], "P{")):
			i += strings.IndexByte(expr[i:], '}') + 1
		case c == '\\' && strings.HasPrefix(expr[i+1:], "x"):
			i += 4
		case c == '\\':
			i += 2
		case i+2 < len(expr) && expr[i+1] == '-' && expr[i+2] != ']':
			i += 2 // a range; what ends it is read as a letter by itself, once more at most
			if expr[i] == '\\' {
				i--
			}
			i++
		default:
			if isAlnum(c) && seen.has(c) {
				twice = true
			}
			seen.add(c, c)
			i++
		}
	}
	return min(i+1, len(expr)), twice
}

// pcreOnly names the construct that made RE2 refuse, if it is one that other engines have.
func pcreOnly(expr string, err error) string {
	e, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return ""
	}
	at := e.Expr
	if at == "(?P" { // the parser quotes no more than that
		at = expr[max(strings.Index(expr, "(?P="), strings.Index(expr, "(?P>"), 0):]
	}
	groups := []struct{ prefix, name string }{
		{"(?=", "a look-ahead"},
		{"(?!", "a negative look-ahead"},
		{"(?<=", "a look-behind"},
		{"(?<!", "a negative look-behind"},
		{"(?>", "an atomic group"},
		{"(?|", "a branch reset"},
		{"(?#", "a comment group"},
		{"(?(", "a conditional"},
		{"(?R", "a recursion"},
		{"(?&", "a recursion"},
		{"(?P>", "a recursion"},
		{"(?P=", "a back-reference"},
		{"(?'", "a quoted group name"},
		{"(*", "a backtracking verb"},
	}
	switch e.Code {
	case syntax.ErrInvalidEscape:
		if len(e.Expr) < 2 {
			return ""
		}
		switch c := e.Expr[1]; {
		case c >= '1' && c <= '9', c == 'k', c == 'g':
			return "a back-reference"
		case strings.IndexByte("ZGKRXhHNeuoc", c) >= 0:
			return "the escape " + e.Expr[:2]
		}
	case syntax.ErrInvalidRepeatOp:
		if strings.HasSuffix(e.Expr, "+") {
			return "a possessive quantifier"
		}
	case syntax.ErrMissingRepeatArgument:
		if strings.HasPrefix(e.Expr, "*") {
			return "a backtracking verb"
		}
	default:
		for _, g := range groups {
			if strings.HasPrefix(at, g.prefix) {
				return g.name
			}
		}
	}
	return ""
}

// minLength is the least number of runes that a match can have. Zero means that the expression can match
// without consuming anything, such as `x*` or `\b`, which a probe with a few strings would not always show.
func minLength(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyCharNotNL, syntax.OpAnyChar, syntax.OpNoMatch:
		return 1
	case syntax.OpCapture, syntax.OpPlus:
		return minLength(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min * minLength(re.Sub[0])
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			n += minLength(sub)
		}
		return n
	case syntax.OpAlternate:
		n := minLength(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			n = min(n, minLength(sub))
		}
		return n
	default: // star, quest, assertions and the empty match
		return 0
	}
}

// maxLength is the most runes that a match can have; unbounded if there is no most.
func maxLength(re *syntax.Regexp) (n int) {
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass, syntax.OpAnyCharNotNL, syntax.OpAnyChar:
		n = 1
	case syntax.OpCapture, syntax.OpQuest:
		n = maxLength(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		n = maxLength(re.Sub[0]) * unbounded
	case syntax.OpRepeat:
		if n = maxLength(re.Sub[0]); re.Max < 0 {
			n *= unbounded
		} else {
			n *= re.Max
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			n += maxLength(sub)
		}
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			n = max(n, maxLength(sub))
		}
	default: // assertions and the empty match
	}
	return min(n, unbounded)
}
