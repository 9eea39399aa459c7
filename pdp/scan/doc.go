// Package scan inspects text for what a table of patterns describes: credentials, personal data, signs of
// exfiltration, injection marks and evasion.
//
// It owns the pattern table's meaning (Compile refuses every row that it cannot keep to), the views of a text
// (as it is, normalised, decoded) and the findings. It never decides anything, never keeps a text beyond the
// call, and never puts matched text into a finding, an error or a log: a finding says rule, place and a keyed
// fingerprint. What could not be looked at is said (Result.Incomplete, Result.Undecoded), so that policy never
// takes it for clean. Patterns are RE2 by the standard library, so time is linear in the text.
//
// The policy package compiles a Scanner once per snapshot; the decision pipeline calls Scan for each action.
//
// What Scan means, for the Rego reference to agree with: a rule looks at a view if it has no keywords, or if
// one of them occurs in the lower-cased text. Its matches are those of FindAllString(text, -1) whose whole
// text passes the validator, is not allowed, and has a word of the rule's context near it. Find does that for one
// text and Stream for one in pieces, by gates and automata (docs/scanning.md) rather than regex after regex. A finding is one (rule, pointer); its count is the largest over the views of that
// pointer. The view of chain `concat` (all texts strung together, at pointer "", there to see what was split over
// two of them) is for rules with keywords only, and a match in it does not count if it contains, or lies within,
// a match of the same rule elsewhere.
package scan
