package scan

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"
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

// The chains of the views that no decoding made.
const (
	chainRaw        = "raw"
	chainNormalised = "normalised"
	chainConcat     = "concat"
	chainTags       = "tags"
	chainNamed      = "named"
	chainURL        = "url"
	chainJoined     = "joined"
	chainDashed     = "dashed"
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
	v := viewers.Get().(*viewer)
	defer v.free()
	v.build(texts, b.withDefaults())
	views = make([]View, len(v.views))
	for i := range v.views {
		views[i] = View{Pointer: v.pointer(i), Chain: v.chain(i), Text: strings.Clone(v.views[i].text)}
	}
	return views, v.incomplete || len(v.undecoded) > 0
}

// viewer builds the views of one inspection. It is reused, and everything in it with it: a text of which there is but
// one reading costs no memory. Only the goroutine that took it from the pool may touch it.
type viewer struct {
	budget     Budget
	texts      []Text
	views      []view
	bytes      int // of views
	decodable  int // bytes of decoded text that are still allowed
	steps      int // that building may still take
	incomplete bool
	undecoded  []int // texts, without repetition
	strung     concatenation
	names      []byte // the texts of named views

	scratch   Scratch
	shorts    shorts
	rewriting rewriting
	runs      runs
	room      int // of runs, before the text at hand
	row       numberRow
	raw       [256]byte
}

// viewers are reused: what one needs grows to the size of the actions that are usual.
var viewers = sync.Pool{New: func() any { return &viewer{} }}

// keep is the most memory that a viewer takes back to the pool, so that one huge text is not kept for ever.
const keep = 256 << 10

// free returns the viewer, and lets go of every text.
func (v *viewer) free() {
	clear(v.views)
	v.views, v.undecoded, v.texts = v.views[:0], v.undecoded[:0], nil
	v.bytes, v.incomplete, v.runs.over = 0, false, false
	v.strung.reset()
	v.names = v.names[:0]
	v.shorts.begin()
	v.rewriting.start("", false)
	v.runs.runSeeker = runSeeker{}
	v.rewriting.composer.forget()
	if cap(v.rewriting.to)+cap(v.strung.bytes)+cap(v.names)+cap(v.runs.raw)+cap(v.runs.line)+cap(v.rewriting.edits) <= keep {
		viewers.Put(v)
	}
}

// view is one reading of a text.
type view struct {
	text  string
	leaf  int // which text; noLeaf for the concatenation
	from  int // the view it was made of; noView if it is the text as it is
	depth int // levels of encoding that were undone
	way   way
	has   traits
	quiet bool  // there is no digit, and no run as wayRuns wants it; else it is not known
	kind  kinds // what wayEscapes and wayRuns found
	room  int   // what could be unpacked then
}

const noLeaf, noView = -1, -1

// way is how a view was made of another.
type way uint8

const (
	wayNone way = iota
	wayTags
	wayNormalise
	wayEscapes
	wayRuns
	wayName
	wayURLs
	wayJoined // the separators of numbers are gone
	wayDashed // or dashes
)

// ofNumbers says whether a view was made for patterns with check digits alone.
func (w way) ofNumbers() bool { return w == wayJoined || w == wayDashed }

// maxNamed is how long a value may be to be read with its name: longer ones are texts, not values.
const maxNamed = 256

func (v *viewer) build(texts []Text, b Budget) {
	v.budget, v.texts = b, texts
	total := 0
	for i, t := range texts {
		if t.Value == "" {
			continue
		}
		text, has := t.Value, traitsOf(t.Value)
		if has.has(hasWide) && !utf8.ValidString(text) {
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
		if v.add(&view{text: text, leaf: i, from: noView, has: has}) && !t.Name {
			v.strung.take(i, text)
		}
	}
	v.decodable = min(maxDecodeRatio*total, maxDecodeBytes)
	v.steps = stepsAlways + stepsPerByte*total
	v.runs.room = v.decodable
	if text := v.strung.text(); text != "" {
		if len(text) > b.MaxBytes-v.bytes || len(v.views) >= b.MaxViews {
			v.incomplete = true
		} else {
			v.put(&view{text: text, leaf: noLeaf, from: noView})
		}
	}
	for i := 0; i < len(v.views); i++ {
		if n := &v.views[i]; n.leaf != noLeaf && !n.way.ofNumbers() {
			v.derive(i)
		}
	}
}

// add takes a view in, unless the same reading of the same text is there already. It says whether it is there now.
func (v *viewer) add(n *view) bool {
	if n.text == "" || v.known(n) {
		return true
	}
	if len(v.views) >= v.budget.MaxViews || len(n.text) > v.budget.MaxBytes-v.bytes {
		v.incomplete = true
		return false
	}
	v.put(n)
	return true
}

func (v *viewer) put(n *view) {
	v.views = append(v.views, *n)
	v.bytes += len(n.text)
}

func (v *viewer) known(n *view) bool {
	return n.from != noView && slices.ContainsFunc(v.views, func(o view) bool {
		return o.leaf == n.leaf && len(o.text) == len(n.text) && o.text == n.text
	})
}

// derive adds what a view reads as once normalised, and once decoded by one more level.
func (v *viewer) derive(i int) {
	text, has := v.views[i].text, v.views[i].has
	w := &v.rewriting
	if v.views[i].from == noView && v.name(i) {
		return // the named view comes up itself, and decodes to what this one decodes to
	}
	if has.has(hasWide) {
		w.start(text, false)
		w.tags()
		if w.any {
			v.decoded(i, wayTags, 0, true)
		}
		w.start(text, false)
		switch complete := w.normalise(min(v.budget.MaxBytes-v.bytes, mostNormal(len(text))), &v.steps); {
		case !complete:
			v.incomplete = true
		case w.any:
			if n := v.then(i, wayNormalise, 0); v.add(&n) {
				return // it comes up itself, and normalising loses nothing that is encoded
			}
		}
	}
	if has.has(hasEscapes) {
		w.start(text, false)
		if kind, hides := w.escapes(v.raw[:0]); w.any {
			v.decoded(i, wayEscapes, kind, hides)
		}
	}
	if len(text) >= minBase64 {
		w.start(text, false)
		v.runs.w, v.runs.marks = w, &v.scratch.marks
		v.room = v.runs.room
		kind := v.runs.decode()
		v.views[i].quiet = v.runs.none && !has.has(hasDigits)
		if w.any {
			v.decoded(i, wayRuns, kind, true)
		}
	}
	if has.has(hasSlashes) {
		w.start(text, false)
		if !w.urls() {
			v.incomplete = true // there are more than anybody would read
		}
		if w.any {
			v.decoded(i, wayURLs, 0, false)
		}
	}
	if has.has(hasDigits) {
		v.numbers(i)
	}
	if v.runs.over {
		v.runs.over = false
		v.leave(i)
	}
}

// name adds a view of a value with what it is called before it, as a file would have it, so that `password: …` is found
// whichever way it is written. It says whether it did.
func (v *viewer) name(i int) bool {
	n := v.views[i]
	key := v.texts[n.leaf].Key
	if key == "" || len(n.text) > maxNamed || n.has.has(hasLines) {
		return false
	}
	at := len(v.names)
	v.names = append(append(append(v.names, key...), afterName...), n.text...)
	return v.add(&view{text: stringOf(v.names[at:]), leaf: n.leaf, from: i, way: wayName, has: n.has | traitsOf(key)})
}

const afterName = ": "

// numbers adds the views in which numbers stand without the separators that they are written with.
func (v *viewer) numbers(i int) {
	w := &v.rewriting
	w.start(v.views[i].text, false)
	if w.separated(false, &v.row); !w.any {
		return
	}
	n := v.then(i, wayJoined, 0)
	v.add(&n)
	w.start(v.views[i].text, false)
	if w.separated(true, &v.row); w.any {
		n = v.then(i, wayDashed, 0)
		v.add(&n)
	}
}

// stringOf is b as a text, without a copy: it would be the one allocation of an inspection that finds nothing. That is
// sound because nobody writes to what is in b while the viewer is in use.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// then is the view that a rewriting has made of another.
func (v *viewer) then(i int, by way, kind kinds) view {
	from := &v.views[i]
	n := view{text: v.rewriting.text(), leaf: from.leaf, from: i, depth: from.depth, way: by, kind: kind, room: v.room}
	n.has = traitsOf(n.text)
	if by != wayNormalise && by != wayName && !by.ofNumbers() {
		n.depth++
	}
	return n
}

// decoded adds a decoded view, or says that there is one which no budget is left for. What hides nothing is not missed.
func (v *viewer) decoded(i int, by way, kind kinds, hides bool) {
	size := v.rewriting.size()
	over := v.views[i].depth >= v.budget.MaxDepth || size > v.decodable
	if over && !hides {
		return
	}
	n := v.then(i, by, kind)
	switch {
	case v.known(&n):
	case over:
		v.leave(i)
	case v.add(&n):
		v.decodable -= size
	}
}

// leave notes that something in a text is left as it is, encoded.
func (v *viewer) leave(i int) {
	if leaf := v.views[i].leaf; !slices.Contains(v.undecoded, leaf) {
		v.undecoded = append(v.undecoded, leaf)
	}
}

// inOrder goes through the views: the concatenation first, so that what is found elsewhere can be compared with what is found
// there.
func (v *viewer) inOrder(yield func(i int) bool) {
	for _, strung := range []bool{true, false} {
		for i := range v.views {
			if (v.views[i].leaf == noLeaf) == strung && !yield(i) {
				return
			}
		}
	}
}

func (v *viewer) pointer(i int) string {
	if leaf := v.views[i].leaf; leaf != noLeaf {
		return v.texts[leaf].Pointer
	}
	return ""
}

// chain names the steps that led to a view.
func (v *viewer) chain(i int) string {
	n := v.views[i]
	if n.leaf == noLeaf {
		return chainConcat
	}
	if n.from == noView {
		return chainRaw
	}
	step := n.kind.String()
	switch n.way {
	case wayTags:
		step = chainTags
	case wayNormalise:
		step = chainNormalised
	case wayName:
		step = chainNamed
	case wayURLs:
		step = chainURL
	case wayJoined:
		step = chainJoined
	case wayDashed:
		step = chainDashed
	case wayNone, wayEscapes, wayRuns:
	}
	if v.views[n.from].from == noView {
		return step
	}
	return v.chain(n.from) + ">" + step
}
