package scan

import (
	"context"
	"strings"
)

// span is a part of a text, in bytes.
type span struct{ from, to int }

// Found is something to put another text in the place of.
type Found struct {
	Rule    Rule
	Pointer string // as the finding has it
	// Value is what was found, as its fingerprint is of it: read, normalised, without the separators of numbers. It is the
	// text itself, and must not leave the program.
	Value string
	Bytes int // of the text that are replaced
}

// Redact gives the texts with another in the place of what was found, where replace has one: it is called more than once for the same, and must say the same. What was found encoded is
// replaced as a whole, with what stands beside it in the same encoding; of findings that overlap, the strongest rule's
// text stands for all. complete is false if the texts were not inspected to the end: what is given may hold more then.
//
// The texts that replace gives are the caller's to choose so that they cannot break out of where they stand.
func (s *Scanner) Redact(ctx context.Context, texts []Text, b Budget, replace func(Found) (text string, ok bool)) (values []string, complete bool) {
	v := viewers.Get().(*viewer)
	defer v.free()
	found, searched, decoded := s.occurrences(ctx, v, texts, b)
	values = make([]string, len(texts))
	for i, t := range texts {
		values[i] = t.Value
	}
	for start := 0; start < len(found); {
		end := start
		for end < len(found) && found[end].Text == found[start].Text {
			end++
		}
		leaf := found[start].Text
		values[leaf] = s.redactOne(v, texts[leaf].Value, found[start:end], replace)
		start = end
	}
	return values, searched && decoded
}

// redactOne replaces in one text what occurs in it, in order.
func (s *Scanner) redactOne(v *viewer, text string, found []Occurrence, replace func(Found) (string, bool)) string {
	var b strings.Builder
	done, open := 0, span{-1, -1} // text[:done] is written; open is to be replaced
	var strongest Occurrence
	flush := func() {
		if open.from < 0 {
			return
		}
		f := s.found(v, strongest)
		f.Bytes = open.to - open.from
		instead, _ := replace(f)
		b.WriteString(text[done:open.from])
		b.WriteString(instead)
		done = open.to
	}
	for _, o := range found {
		if _, ok := replace(s.found(v, o)); !ok {
			continue
		}
		if open.from < 0 || o.From >= open.to {
			flush()
			open, strongest = span{o.From, o.To}, o
			continue
		}
		open.to = max(open.to, o.To)
		if o.rule < strongest.rule {
			strongest = o
		}
	}
	flush()
	b.WriteString(text[done:])
	return b.String()
}

func (s *Scanner) found(v *viewer, o Occurrence) Found {
	value := strings.Clone(v.views[o.view].text[o.at.from:o.at.to])
	return Found{Rule: s.Rule(o.rule), Pointer: o.Pointer, Value: identity(value, s.rules[o.rule].checkedBy), Bytes: o.To - o.From}
}

// Place is a part of a text, in bytes: From is its first, To the one after its last.
type Place struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Places are the parts of a text that matches of the rules cover to which covers says yes, in order and apart from each
// other; what was found encoded is covered as a whole. It is for what people are shown: they must see where something
// stands but not what. A text that was not searched to its end is one such part.
func (s *Scanner) Places(text string, covers func(Rule) bool) []Place {
	return s.PlacesApart([]string{text}, covers)[0]
}

// PlacesApart are the places of several texts, each looked at by itself: what matches over the end of one is in none. If one was
// not searched to its end, each is one such part.
func (s *Scanner) PlacesApart(texts []string, covers func(Rule) bool) [][]Place {
	v := viewers.Get().(*viewer)
	defer v.free()
	size := 0
	in := make([]Text, len(texts))
	for i, text := range texts {
		in[i], size = Text{Pointer: itself, Value: text}, size+len(text)
	}
	found, searched, _ := s.occurrences(context.Background(), v, in, Budget{MaxBytes: max(DefaultMaxBytes, 2*size)})
	out := make([][]Place, len(texts))
	for i := range texts {
		if !searched {
			out[i] = []Place{{From: 0, To: len(texts[i])}}
		}
	}
	for _, o := range found {
		places := out[o.Text]
		last := len(places) - 1
		switch {
		case !searched || o.From == o.To || o.Pointer != itself || !covers(s.Rule(o.rule)):
		case last >= 0 && o.From < places[last].To:
			places[last].To = max(places[last].To, o.To)
		default:
			out[o.Text] = append(places, Place{From: o.From, To: o.To})
		}
	}
	return out
}

// itself is the pointer of what is looked at by itself, and not of all texts strung together.
const itself = "/"
