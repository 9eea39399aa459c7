package review

import (
	"cmp"
	"slices"
	"strings"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// masked are the places of a canonical action that are not shown: within its texts, names and numbers, never what stands around
// them. What is found may reach from one argument into others, as rules for text take whatever has no space in it for a password:
// an agent would hide with a few words to whom something goes. So it is masked to the end of the member that it begins in, and the
// others are looked at by themselves.
func masked(s *scan.Scanner, canonical []byte) []scan.Place {
	text := string(canonical)
	found := s.Places(text, Masks)
	if len(found) == 0 || found[0] == (scan.Place{From: 0, To: len(text)}) { // nothing, or not searched to its end
		return found
	}
	members := membersOf(canonical)
	reaches := false
	for i, p := range found {
		n, within := slices.BinarySearchFunc(members, p.From, func(m scan.Place, at int) int { return cmp.Compare(m.From, at) })
		if !within {
			n--
		}
		if end := members[max(n, 0)].To; p.To > end {
			found[i].To, reaches = max(end, p.From), true
		}
	}
	if reaches {
		texts := make([]string, len(members))
		for i, m := range members {
			texts[i] = text[m.From:m.To]
		}
		for i, places := range s.PlacesApart(texts, Masks) {
			for _, p := range places {
				found = append(found, scan.Place{From: members[i].From + p.From, To: members[i].From + p.To})
			}
		}
		slices.SortFunc(found, func(a, b scan.Place) int { return cmp.Compare(a.From, b.From) })
	}
	return contentsOf(canonical, found)
}

// membersOf are the parts of JSON between its brackets and commas: a name with its value, or a value of a list. There is at least
// one.
func membersOf(doc []byte) []scan.Place {
	members := []scan.Place{{}}
	units(doc, func(from, to int, quoted bool) {
		members[len(members)-1].To = to
		if !quoted && strings.IndexByte("{}[],", doc[from]) >= 0 {
			members = append(members, scan.Place{From: to, To: to})
		}
	})
	return members
}

// contentsOf are the parts of places that are content: whole characters and escapes of texts, names and numbers.
func contentsOf(doc []byte, places []scan.Place) []scan.Place {
	var out []scan.Place
	units(doc, func(from, to int, quoted bool) {
		for len(places) > 0 && places[0].To <= from {
			places = places[1:]
		}
		switch last := len(out) - 1; {
		case len(places) == 0 || places[0].From >= to || !quoted && strings.IndexByte(`{}[],:"`, doc[from]) >= 0:
		case last >= 0 && out[last].To == from:
			out[last].To = to
		default:
			out = append(out, scan.Place{From: from, To: to})
		}
	})
	return out
}

// units visits the bytes of JSON one after another, an escape as a whole. quoted says that it is in a string; the quotes are not.
func units(doc []byte, visit func(from, to int, quoted bool)) {
	quoted := false
	for from := 0; from < len(doc); {
		size, inside := 1, quoted
		switch {
		case quoted && doc[from] == '\\' && from+1 < len(doc) && doc[from+1] == 'u':
			size = len(`\u0000`)
		case quoted && doc[from] == '\\':
			size = len(`\n`)
		case doc[from] == '"':
			quoted, inside = !quoted, false
		}
		to := min(from+size, len(doc))
		visit(from, to, inside)
		from = to
	}
}
