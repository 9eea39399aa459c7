package scan

import (
	"slices"
	"strings"
)

// mayMatch says whether a keyword of the rule occurs, or whether the rule needs none.
func (c *compiled) mayMatch(lower string) bool {
	return len(c.keywords) == 0 ||
		slices.ContainsFunc(c.keywords, func(k string) bool { return strings.Contains(lower, k) })
}

// matches gives what the rule finds in one text, in order, and whether that is all.
func (c *compiled) matches(text, lower string) (found []string, complete bool) {
	if !c.mayMatch(lower) {
		return nil, true
	}
	all := c.re.FindAllStringIndex(text, maxMatches+1)
	var window []byte
	for _, m := range all[:min(len(all), maxMatches)] {
		if c.filter.accepts(text, m[0], m[1], &window) {
			found = append(found, text[m[0]:m[1]])
		}
	}
	return found, len(all) <= maxMatches
}
