package scan

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Seam is where two texts meet that went the same way one after the other. Printing it shows nothing.
type Seam struct{ Before, After string }

// String shows nothing.
func (Seam) String() string { return "seam" }

// GoString does as String.
func (s Seam) GoString() string { return s.String() }

// Across gives what is found where texts meet and in neither of them alone, at pointer "" (THREATS D7): in every reading of
// the two as one text, which is how it is read at the other end. Only what has a keyword of its pattern in it counts: strung
// together, the names and numbers that a session sends make many a long random-looking word. complete is false if a bound
// left something out.
func (s *Scanner) Across(ctx context.Context, seams []Seam, fingerprint func(text string) string, b Budget) (found []Finding, complete bool) {
	complete = true
	counts := make(map[string]int) // rule → place in found
	for _, seam := range seams {
		whole := s.across(ctx, seam, b, func(o Occurrence, value string) {
			if i, there := counts[o.Rule]; there {
				found[i].Count++
				return
			}
			print := ""
			if fingerprint != nil {
				print = fingerprint(identity(value, s.rules[o.rule].checkedBy))
			}
			counts[o.Rule] = len(found)
			found = append(found, finding(s.Rule(o.rule), "", 1, print))
		})
		complete = complete && whole
	}
	slices.SortFunc(found, func(a, b Finding) int { return cmp.Compare(a.Rule, b.Rule) })
	return found, complete
}

func (s *Scanner) across(ctx context.Context, seam Seam, b Budget, yield func(o Occurrence, value string)) (complete bool) {
	v := viewers.Get().(*viewer)
	defer v.free()
	at := len(seam.Before)
	found, searched, decoded := s.occurrences(ctx, v, []Text{{Value: seam.Before + seam.After}}, b)
	complete = searched && decoded
	found = slices.DeleteFunc(found, func(o Occurrence) bool {
		return o.From >= at || o.To <= at || !s.rules[o.rule].anchored(v.views[o.view].text[o.at.from:o.at.to])
	})
	if len(found) == 0 {
		return complete
	}
	// What one of them has by itself is no more than that with its neighbours: an address before a word, say.
	alone, _ := s.Occurrences(ctx, []Text{{Value: seam.Before, Name: true}, {Value: seam.After, Name: true}}, b)
	seen := make(map[string]bool)
	for _, o := range found {
		if slices.ContainsFunc(alone, func(a Occurrence) bool {
			from, to := a.From+a.Text*at, a.To+a.Text*at
			return a.Rule == o.Rule && from < o.To && o.From < to
		}) {
			continue
		}
		value := strings.Clone(v.views[o.view].text[o.at.from:o.at.to])
		if key := o.Rule + "\x00" + value; !seen[key] { // in several readings
			seen[key] = true
			yield(o, value)
		}
	}
	return complete
}

// anchorBytes is the length from which on a keyword is not met by chance.
const anchorBytes = 3

// anchored says whether a match holds a keyword that is not met by chance: long enough, and not of digits alone.
func (c *compiled) anchored(match string) bool {
	lower := strings.ToLower(match)
	return slices.ContainsFunc(c.keywords, func(k string) bool {
		return len(k) >= anchorBytes && strings.ContainsFunc(k, func(r rune) bool { return r < '0' || r > '9' }) && strings.Contains(lower, k)
	})
}
