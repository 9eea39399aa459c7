package scan

import (
	"fmt"
	"slices"
	"strings"
)

// span is a part of a text, in bytes.
type span struct{ from, to int }

// Mask returns text with every match of the given categories replaced by a mark of its length, for people who must
// see where something stands but not what. It looks at the raw text only: what is found in a decoded view stays as
// it is, encoded.
func (s *Scanner) Mask(text string, categories ...string) string {
	lower := strings.ToLower(text)
	var spans []span
	for _, c := range s.rules {
		if !slices.Contains(categories, c.Category) || !c.mayMatch(lower) {
			continue
		}
		for _, at := range c.re.FindAllStringIndex(text, -1) {
			if c.filter.accepts(text, at[0], at[1]) {
				spans = append(spans, span{at[0], at[1]})
			}
		}
	}
	if len(spans) == 0 {
		return text
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from - b.from })
	var b strings.Builder
	done := 0
	for i := 0; i < len(spans); {
		from, to := spans[i].from, spans[i].to
		for i++; i < len(spans) && spans[i].from < to; i++ { // overlapping matches are one mark
			to = max(to, spans[i].to)
		}
		b.WriteString(text[done:from])
		fmt.Fprintf(&b, "[masked %d bytes]", to-from)
		done = to
	}
	b.WriteString(text[done:])
	return b.String()
}
