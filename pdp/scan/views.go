package scan

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Budget bounds one inspection. A field that is not positive has its default.
type Budget struct {
	MaxBytes    int // of all views together; default 4 MiB
	MaxFindings int // default 200
	MaxViews    int // default 2048
	MaxDepth    int // levels of encoding; default 3
}

// The defaults of a Budget.
const (
	DefaultMaxBytes    = 4 << 20
	DefaultMaxFindings = 200
	DefaultMaxViews    = 2048
	DefaultMaxDepth    = 3
)

// Decoding may give this many times the input, and this many bytes, whichever is less.
const (
	maxDecodeRatio = 8
	maxDecodeBytes = 1 << 20
)

// edge is how much of either end of a text goes into the concatenation: enough for what is split over two
// texts, and little enough for the concatenation to cost next to nothing.
const edge = 256

// The chains of the views that no decoding made.
const (
	chainRaw        = "raw"
	chainNormalised = "normalised"
	chainConcat     = "concat"
)

func (b Budget) withDefaults() Budget {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&b.MaxBytes, DefaultMaxBytes)
	def(&b.MaxFindings, DefaultMaxFindings)
	def(&b.MaxViews, DefaultMaxViews)
	def(&b.MaxDepth, DefaultMaxDepth)
	return b
}

// Views reads the texts in every way that Scan looks at: each as it is, normalised and decoded where that
// differs, and at pointer "" the texts strung together. All texts come before any reading of one, so that a
// text cannot spend the budget of the next. incomplete says that a bound was met and something is not here.
func Views(texts []Text, b Budget) (views []View, incomplete bool) {
	v := buildViews(texts, b.withDefaults())
	return v.views, v.incomplete || len(v.undecoded) > 0
}

// viewer builds the views of one inspection.
type viewer struct {
	values     []string // of the texts that are not names, long ones cut down to their ends
	budget     Budget
	views      []View
	bytes      int // of views
	decodable  int // bytes of decoded text that are still allowed
	queue      []node
	known      map[known]bool
	incomplete bool
	undecoded  []string // pointers, without repetition
}

// node is a view that may hold encoded text.
type node struct {
	leaf  int
	depth int
	view  View
}

type known struct {
	leaf int
	text string
}

func buildViews(texts []Text, b Budget) *viewer {
	v := &viewer{budget: b, known: make(map[known]bool)}
	total := 0
	for i, t := range texts {
		if t.Value == "" {
			continue
		}
		text := t.Value
		if !utf8.ValidString(text) {
			text = strings.ToValidUTF8(text, "\uFFFD")
		}
		total += len(text)
		// A text that does not fit is cut rather than left out: what is found in it still counts.
		if room := b.MaxBytes - v.bytes; len(text) > room {
			v.incomplete = true
			if text = cut(text, room); text == "" {
				continue
			}
		}
		v.add(node{leaf: i, view: View{Pointer: t.Pointer, Chain: chainRaw, Text: text}})
		if !t.Name {
			v.values = append(v.values, ends(text))
		}
	}
	v.decodable = min(maxDecodeRatio*total, maxDecodeBytes)
	v.concat()
	for len(v.queue) > 0 {
		n := v.queue[0]
		v.queue = v.queue[1:]
		v.derive(n)
	}
	return v
}

// add takes a view in, unless the same text of the same leaf is there already. It says whether it is there now.
func (v *viewer) add(n node) bool {
	key := known{n.leaf, n.view.Text}
	if n.view.Text == "" || v.known[key] {
		return true
	}
	if len(v.views) >= v.budget.MaxViews || len(n.view.Text) > v.budget.MaxBytes-v.bytes {
		v.incomplete = true
		return false
	}
	v.known[key] = true
	v.views = append(v.views, n.view)
	v.bytes += len(n.view.Text)
	v.queue = append(v.queue, n)
	return true
}

// ends is a text, or the two ends of a long one, a line each.
func ends(t string) string {
	if len(t) <= 2*edge {
		return t
	}
	tail := len(t) - edge
	for !utf8.RuneStart(t[tail]) {
		tail++
	}
	return cut(t, edge) + "\n" + t[tail:]
}

// concat strings the values together without anything between them, so that one split over several arguments is whole
// again (THREATS D7); then each two neighbours on a line of their own, so that what stands beside them does not hide
// where a secret ends. The result is not decoded further.
func (v *viewer) concat() {
	if len(v.values) < 2 {
		return
	}
	var b strings.Builder
	for _, t := range v.values {
		b.WriteString(t)
	}
	if len(v.values) > 2 {
		for i, t := range v.values[1:] {
			b.WriteString("\n" + v.values[i] + t)
		}
	}
	if b.Len() > v.budget.MaxBytes-v.bytes || len(v.views) >= v.budget.MaxViews {
		v.incomplete = true
		return
	}
	v.views = append(v.views, View{Chain: chainConcat, Text: b.String()})
	v.bytes += b.Len()
}

// derive adds what a view reads as once normalised, and once decoded by one more level.
func (v *viewer) derive(n node) {
	if d, ok := decodeTags(n.view.Text); ok {
		v.decoded(n, d)
	}
	normal, complete := normalise(n.view.Text, v.budget.MaxBytes-v.bytes)
	switch {
	case !complete:
		v.incomplete = true
	case normal != n.view.Text:
		if v.add(node{leaf: n.leaf, depth: n.depth, view: n.view.then(chainNormalised, normal)}) {
			return // it comes up in the queue itself, and normalising loses nothing that is encoded
		}
	}
	if d, ok := decodeEscapes(n.view.Text); ok {
		v.decoded(n, d)
	}
	if d, ok := decodeRuns(n.view.Text); ok {
		v.decoded(n, d)
	}
}

// decoded adds a decoded view, or says that there is one which no budget is left for.
func (v *viewer) decoded(from node, d decoding) {
	n := node{leaf: from.leaf, depth: from.depth + 1, view: from.view.then(d.how, d.text)}
	if v.known[known{n.leaf, n.view.Text}] {
		return
	}
	if n.depth > v.budget.MaxDepth || len(d.text) > v.decodable {
		if d.hard && !slices.Contains(v.undecoded, n.view.Pointer) {
			v.undecoded = append(v.undecoded, n.view.Pointer)
		}
		return
	}
	if v.add(n) {
		v.decodable -= len(d.text)
	}
}

// then is the view that one more step makes.
func (v View) then(step, text string) View {
	chain := step
	if v.Chain != chainRaw {
		chain = v.Chain + ">" + step
	}
	return View{Pointer: v.Pointer, Chain: chain, Text: text}
}
