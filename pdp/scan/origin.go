package scan

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

// Occurrence is where something stands that a rule found. Printing it shows no text.
type Occurrence struct {
	Rule     string
	Category string
	Pointer  string // of the finding: "" for what was seen only across several texts
	Text     int    // index of the text
	From, To int    // bytes of the text's value; of something encoded, all of the encoded run

	rule int32
	view int
	at   span // in the view
}

// Occurrences looks as Scan does, and says where each match stands in the texts. They are in the order of the texts and
// may overlap. What is split over several texts is one for each part. A text must be valid UTF-8; one that is not has
// none, and complete is false.
func (s *Scanner) Occurrences(ctx context.Context, texts []Text, b Budget) (out []Occurrence, complete bool) {
	v := viewers.Get().(*viewer)
	defer v.free()
	out, searched, decoded := s.occurrences(ctx, v, texts, b)
	return out, searched && decoded
}

// occurrences also says apart whether all views were searched to their ends, and whether there are views of all.
func (s *Scanner) occurrences(ctx context.Context, v *viewer, texts []Text, b Budget) (out []Occurrence, searched, decoded bool) {
	searched = true
	v.build(texts, b.withDefaults())
	trace := tracer{v: v}
	type where struct {
		rule     int32
		leaf     int
		from, to int
	}
	seen := make(map[where]bool)
	valid := make(map[int]bool) // texts that were looked at: offsets in others lead nowhere
	t := tally{v: v, s: s}
	t.each = func(view int, m Match) {
		rule := s.Rule(m.Rule)
		trace.trace(view, span{m.Start, m.End}, func(leaf int, at span) {
			o := Occurrence{
				Rule: rule.ID, Category: rule.Category, Pointer: v.pointer(view), Text: leaf, From: at.from, To: at.to,
				rule: m.Rule, view: view, at: span{m.Start, m.End},
			}
			w := where{m.Rule, leaf, at.from, at.to}
			ok, looked := valid[leaf]
			if !looked {
				ok = utf8.ValidString(texts[leaf].Value)
				valid[leaf] = ok
			}
			if !ok {
				searched = false
			} else if !seen[w] {
				seen[w] = true
				out = append(out, o)
			}
		})
	}
	s.search(ctx, &t)
	slices.SortFunc(out, func(a, b Occurrence) int {
		return cmp.Or(cmp.Compare(a.Text, b.Text), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), strings.Compare(a.Rule, b.Rule))
	})
	return out, searched && !t.incomplete, !v.incomplete && len(v.undecoded) == 0
}

// tracer leads matches in views back to the texts. Views don't keep how they were made, which would take several times
// the memory of their text; it is worked out again for those in which there is a match.
type tracer struct {
	v     *viewer
	edits map[int][]edit
}

// of are the edits that made a view of another.
func (t *tracer) of(i int) []edit {
	if e, ok := t.edits[i]; ok {
		return e
	}
	n := t.v.views[i]
	w := &rewriting{}
	w.start(t.v.views[n.from].text, true)
	switch n.way {
	case wayTags:
		w.tags()
	case wayNormalise:
		w.normalise(min(t.v.budget.MaxBytes, mostNormal(len(t.v.views[n.from].text))), anySteps())
	case wayEscapes:
		w.escapes(nil)
	case wayURLs:
		w.urls()
	case wayRuns:
		(&runs{w: w, runSeeker: runSeeker{marks: &t.v.scratch.marks}, unzip: unzip{room: n.room}}).decode()
	case wayName:
		w.replace(0, 0, t.v.texts[n.leaf].Key+afterName)
	case wayJoined, wayDashed:
		w.separated(n.way == wayDashed, &numberRow{})
	case wayNone:
	}
	if t.edits == nil {
		t.edits = make(map[int][]edit)
	}
	t.edits[i] = w.edits
	return w.edits
}

// trace gives the parts of the texts that a range of a view stands for: one, or of the concatenation several.
func (t *tracer) trace(i int, s span, yield func(leaf int, s span)) {
	if t.v.views[i].leaf == noLeaf {
		t.v.strung.origins(s, yield)
		return
	}
	for t.v.views[i].from != noView {
		s = origin(t.of(i), s)
		i = t.v.views[i].from
	}
	yield(t.v.views[i].leaf, s)
}

// disguised says whether a match is one only because something that is not seen was taken out, or letters of another
// script were taken for Latin ones.
func (t *tracer) disguised(i int, s span) bool {
	unseen := false
	for at := i; t.v.views[at].from != noView; at = t.v.views[at].from {
		if t.v.views[at].way == wayTags {
			return true
		}
		unseen = unseen || t.v.views[at].way == wayNormalise
	}
	if !unseen {
		return false // and nothing needs to be worked out again
	}
	for n := t.v.views[i]; n.from != noView; n = t.v.views[i] {
		s = origin(t.of(i), s)
		i = n.from
		if n.way == wayNormalise && slices.ContainsFunc([]rune(t.v.views[i].text[s.from:s.to]), isDisguise) {
			return true
		}
	}
	return false
}

func isDisguise(r rune) bool {
	return invisible(r) || r >= 0x80 && lookAlikes[r] < 0x80 && isLetter(byte(lookAlikes[r]))
}
