package scan

import (
	"context"
	"strings"
)

// Match is one match of a rule in one text, in bytes: text[Start:End].
type Match struct {
	Rule       int32 // see Scanner.Rule
	Start, End int
}

// Scratch is what Find works with; each goroutine that calls Find needs one of its own. The zero value is ready.
type Scratch struct {
	found []Match
}

// Rule is what can be told about the rule of a Match.
func (s *Scanner) Rule(i int32) Rule { return s.rules[i].Rule }

// Find gives what every rule finds in one text: for each rule the matches of FindAllStringIndex(text, -1), the first
// 10,000 at most, less those that the rule's keywords, validator, allowlist or context refuse. They are sorted by rule,
// the strongest first, and then by place; they belong to the scratch and are good until it is used again. complete is
// false if a bound or the context's end left something out: the text must not be taken for clean then.
func (s *Scanner) Find(ctx context.Context, text string, scratch *Scratch) (found []Match, complete bool) {
	scratch.found = scratch.found[:0]
	complete = true
	lower := strings.ToLower(text)
	for i, c := range s.rules {
		if ctx.Err() != nil {
			return scratch.found, false
		}
		if !c.mayMatch(lower) {
			continue
		}
		all := c.re.FindAllStringIndex(text, maxMatches+1)
		complete = complete && len(all) <= maxMatches
		for _, m := range all[:min(len(all), maxMatches)] {
			if c.filter.accepts(text, m[0], m[1]) {
				scratch.found = append(scratch.found, Match{int32(i), m[0], m[1]})
			}
		}
	}
	return scratch.found, complete
}
