package origin

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// The bounds of one session. What the user said has room of its own, which no other source can use up.
const (
	maxSources  = 64      // one bit each; later ones are shared as "other"
	maxVouching = 32_000  // words of what the user said; as many again of all trusted look-ups together
	maxPlaces   = 64      // of one word, where a value may begin
	maxSeen     = 200_000 // different parts of all texts
	maxSpans    = 4_096   // different texts
)

// session is what is known of one session. The seed keys its hashes: maphash is built to be unpredictable to who does not
// have the seed, and 64 bits of it are enough to tell apart the few hundred thousand parts that a session may have. It is
// used under the lock of the Index.
type session struct {
	seed    maphash.Seed
	sources []Source            // the first is the user
	spoken  map[Kind]*spoken    // by User and by Trusted
	seen    map[uint64]uint64   // hash of a part → bits of sources
	texts   map[uint64]struct{} // hashes of source and text, so that the same text counts once
	partial bool                // something did not fit
}

// spoken is text that can vouch: the hashes of its words in their order, 0 where they do not go on.
type spoken struct {
	words   []uint64
	from    []uint8            // index of the source of each word
	places  map[uint64][]int32 // where a word stands
	numbers map[uint64][]uint8 // exact decimals, and values in their one form → indices of the sources
}

func newSession(partial bool) *session {
	return &session{
		seed: maphash.MakeSeed(), sources: []Source{{Kind: User}}, seen: map[uint64]uint64{}, texts: map[uint64]struct{}{}, partial: partial,
		spoken: map[Kind]*spoken{User: newSpoken(), Trusted: newSpoken()},
	}
}

func newSpoken() *spoken {
	return &spoken{places: map[uint64][]int32{}, numbers: map[uint64][]uint8{}}
}

func (s *session) hash(what, text string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	_, _ = h.WriteString(what)
	_ = h.WriteByte(0)
	_, _ = h.WriteString(text)
	return max(h.Sum64(), 1) // 0 stands for a break
}

// observe adds a text. It says whether all of it fitted.
func (s *session) observe(from Source, text string) bool {
	id := s.hash("text "+from.String(), text)
	if _, known := s.texts[id]; known {
		return true
	}
	if len(s.texts) >= maxSpans && from.Kind != User {
		return false
	}
	source := s.source(from)
	whole := true
	if from.vouches() && s.sources[source] == from {
		whole = s.speak(s.spoken[from.Kind], uint8(source), text)
	}
	if from.Kind != User { // likeness to what the user said says nothing
		whole = s.taint(source, text) && whole
	}
	if whole {
		s.texts[id] = struct{}{}
	}
	return whole
}

// source is the index of a source. The last one stands for all that have no index of their own: it is nobody's to trust.
func (s *session) source(from Source) int {
	if i := slices.Index(s.sources, from); i >= 0 {
		return i
	}
	if len(s.sources) >= maxSources-1 {
		from = Source{Kind: Untrusted, Name: "other"}
		if i := slices.Index(s.sources, from); i >= 0 {
			return i
		}
	}
	s.sources = append(s.sources, from)
	return len(s.sources) - 1
}

// speak adds the words of a text that can vouch.
func (s *session) speak(to *spoken, source uint8, text string) bool {
	phrases := []string{text}
	if from := s.sources[source]; from.Kind == Trusted {
		phrases = lines(text)
	}
	for _, phrase := range phrases {
		list, _ := words(phrase)
		if len(to.words)+2*len(list)+2 > maxVouching {
			return false
		}
		s.phrase(to, source, list)
		switch from := s.sources[source]; from.Kind {
		case User:
			forms(phrase, func(f string) { s.say(to, source, "form", f) })
		default: // alone in its line, or after the name of its field
			value := phrase
			if _, after, named := strings.Cut(phrase, ": "); named {
				value = after
			}
			if f := form(strings.Trim(value, " '\",")); f != "" {
				s.say(to, source, "form", f)
			}
		}
	}
	return true
}

// phrase adds words that belong together. What a look-up says vouches only as a whole: a name or a number in the middle of
// a sentence is something that somebody wrote.
func (s *session) phrase(to *spoken, source uint8, list []word) {
	for i, w := range list {
		if w.broken || i == 0 {
			to.words, to.from = append(to.words, 0), append(to.from, source)
		}
		h := s.hash("word", w.text)
		if at := to.places[h]; len(at) < maxPlaces {
			to.places[h] = append(at, int32(len(to.words)))
		}
		to.words, to.from = append(to.words, h), append(to.from, source)
		alone := (w.broken || i == 0) && (i+1 == len(list) || list[i+1].broken)
		if n := number(w.text); n != "" && (alone || s.sources[source].Kind == User) {
			s.say(to, source, "number", n)
		}
	}
	to.words, to.from = append(to.words, 0), append(to.from, source)
}

// say remembers that a source says a value in its one spelling, as `number` or `form`.
func (s *session) say(to *spoken, source uint8, what, value string) {
	h := s.hash(what, value)
	if at := to.numbers[h]; len(at) < maxPlaces && !slices.Contains(at, source) {
		to.numbers[h] = append(at, source)
	}
}

// voucher is the source in which the whole value stands, word for word.
func (s *session) voucher(in *spoken, text, server string) (Source, bool) {
	// Eight digits may be a day, and an account just as well.
	if f := form(text); f != "" && !(strings.HasPrefix(f, "date ") && number(strings.TrimSpace(text)) != "") {
		if from, ok := s.counter(in, "form", f, server); ok {
			return from, true
		}
	}
	list, plain := words(text)
	if !plain || len(list) == 0 || strings.HasPrefix(text, ",") {
		return Source{}, false
	}
	if len(list) == 1 {
		if n := number(list[0].text); n != "" {
			return s.counter(in, "number", n, server)
		}
		if len(squeezed(list[0].text)) < minVouched || common[list[0].text] {
			return Source{}, false
		}
	}
	hashes := make([]uint64, 0, 2*len(list))
	for i, w := range list {
		if w.broken && i > 0 {
			hashes = append(hashes, 0)
		}
		hashes = append(hashes, s.hash("word", w.text))
	}
	for _, at := range in.places[hashes[0]] {
		end := int(at) + len(hashes)
		if end > len(in.words) || !slices.Equal(in.words[at:end], hashes) {
			continue
		}
		from := s.sources[in.from[at]]
		if !from.reaches(server) {
			continue
		}
		if from.Kind == User || in.words[at-1] == 0 && in.words[end] == 0 {
			return from, true
		}
	}
	return Source{}, false
}

// counter is a source that says a value in its one spelling and reaches a server.
func (s *session) counter(in *spoken, what, value, server string) (Source, bool) {
	for _, i := range in.numbers[s.hash(what, value)] {
		if from := s.sources[i]; from.reaches(server) {
			return from, true
		}
	}
	return Source{}, false
}

// taint remembers the parts of a text, in every reading of it.
func (s *session) taint(source int, text string) bool {
	whole := true
	bit := uint64(1) << source
	views, incomplete := scan.Views([]scan.Text{{Value: text}}, scan.Budget{})
	for _, v := range views {
		for part := range tellings(v.Text) {
			h := s.hash("part", part)
			if _, known := s.seen[h]; !known && len(s.seen) >= maxSeen {
				whole = false
				continue
			}
			s.seen[h] |= bit
		}
	}
	return whole && !incomplete
}

// tellings are the parts of a text by which it is known again: whole pieces between blanks, their parts, and numbers
// however they are grouped.
func tellings(text string) map[string]struct{} {
	out := map[string]struct{}{}
	add := func(part string) {
		if len(part) >= minTelling && !common[part] {
			out[part] = struct{}{}
		}
	}
	for _, field := range strings.FieldsFunc(text, ends) {
		add(squeezed(field))
	}
	for _, part := range parts(text) {
		add(part)
	}
	forms(text, func(f string) { out[f] = struct{}{} })
	for _, group := range grouped(text) {
		add(group)
		if n := len(group); n > tailDigits {
			add(group[n-tailDigits:])
		}
	}
	return out
}

// tailDigits are the last digits of a number with which it is known with and without its prefix.
const tailDigits = 8

// grouped are the numbers, and letters among them, that are written in groups: `+44 20 7946 0958`, `GB29 NWBK 6016`.
func grouped(text string) (out []string) {
	var group strings.Builder
	digits, groups := 0, 0
	flush := func() {
		if digits >= 6 && groups > 1 || digits > tailDigits {
			out = append(out, group.String())
		}
		group.Reset()
		digits, groups = 0, 0
	}
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" -./()\u00a0", r) }) {
		short := squeezed(field)
		n := strings.IndexFunc(short, unicode.IsDigit)
		if len(short) > 24 || (n < 0 && (len(short) != 4 || groups == 0)) {
			flush()
			continue
		}
		group.WriteString(short)
		groups++
		for _, r := range short {
			if unicode.IsDigit(r) {
				digits++
			}
		}
		if strings.ContainsFunc(field, func(r rune) bool { return r != '+' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			flush()
		}
	}
	flush()
	return out
}

// likeness is the bits of the sources in which a value, or half of its telling parts, was seen.
func (s *session) likeness(text string) uint64 {
	var like uint64
	views, _ := scan.Views([]scan.Text{{Value: text}}, scan.Budget{MaxViews: 32})
	for _, v := range views {
		like |= s.seen[s.hash("part", squeezed(v.Text))]
		if f := form(v.Text); f != "" {
			like |= s.seen[s.hash("part", f)]
		}
		counts := [maxSources]int{}
		telling := 0
		for part := range tellings(v.Text) {
			telling++
			for left := s.seen[s.hash("part", part)]; left != 0; left &= left - 1 {
				counts[bits.TrailingZeros64(left)]++
			}
		}
		for i, n := range counts {
			if n > 0 && 2*n >= telling {
				like |= 1 << i
			}
		}
	}
	return like
}
