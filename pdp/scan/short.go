package scan

import (
	"context"
	"strings"
)

// shorts lets the gates look at many short texts at once. To look at ten bytes takes them nearly as long as a hundred, and an
// action has many such texts: names of arguments, their values, and the values with their names. They are laid out one after the
// other, and the stages that go through all of a text go through all of them. What gets through is held against its own
// text, as in Find.
//
// Nothing that counts is lost. Those stages ask for what a match must have, and all of it is in one text; of what stands outside,
// they ask no more than that it is no word character. So each text has a zero before it and behind it. What they see beyond that
// may let more through than if the text stood alone, never less.
type shorts struct {
	buffer  [markBatch + blockBytes]byte
	texts   []shortText
	next    int // of the texts: the one to be asked for next
	hits    []gramHit
	numbers []int32
}

// shortText is one of them, and what got through of it. Places are counted from its begin.
type shortText struct {
	from, to      int32 // in the buffer
	hits, numbers int   // where those of the next text begin
	state         shortState
}

type shortState uint8

const (
	shortClean  shortState = iota // a match begins nowhere
	shortPlaces                   // there are hits, numbers or a rare byte
	shortWhole                    // Find has to look at all of it
)

const (
	// maxShort is how long a short text may be. In a longer one, most of the time goes by from byte to byte.
	maxShort = 256
	// fewHits is how many are held against a text one by one, at most. Find follows more of them together.
	fewHits = 16
)

// findIn is Find in a view. Those of an inspection must come in their order.
func (s *Scanner) findIn(ctx context.Context, v *viewer, i int) (found []Match, complete bool) {
	n, f, b := &v.views[i], &v.scratch, &v.shorts
	f.keyed, f.quiet = n.leaf == noLeaf, n.quiet
	if !s.short(n) {
		return s.Find(ctx, n.text, f)
	}
	if b.next == len(b.texts) {
		b.begin()
		for j := i; j < len(v.views); j++ {
			if n := &v.views[j]; s.short(n) && !b.add(n.text) {
				break
			}
		}
		s.look(ctx, f, b)
	}
	return s.findNext(ctx, f, b, n.text)
}

// short says whether a view is looked at with others: other gates than those here have nothing to look for in it.
func (s *Scanner) short(n *view) bool {
	return len(n.text) <= maxShort && n.leaf != noLeaf && !n.has.has(hasWide) && len(s.everywhere) == 0
}

func (b *shorts) begin() {
	b.texts, b.hits, b.numbers, b.next = b.texts[:0], b.hits[:0], b.numbers[:0], 0
}

// add takes a text in, if there is room.
func (b *shorts) add(text string) bool {
	from := b.end() + 1
	to := from + len(text)
	if to >= markBatch {
		return false
	}
	b.buffer[from-1] = 0
	copy(b.buffer[from:to], text)
	b.texts = append(b.texts, shortText{from: int32(from), to: int32(to)}) // #nosec G115 -- within the buffer
	return true
}

// end is where the last text ends.
func (b *shorts) end() int {
	if len(b.texts) == 0 {
		return 0
	}
	return int(b.texts[len(b.texts)-1].to)
}

// look lets the gates look at all of them.
func (s *Scanner) look(ctx context.Context, f *Scratch, b *shorts) {
	end := b.end()
	whole := (end + blockBytes) &^ (blockBytes - 1) // blocks, with one zero at least
	clear(b.buffer[end : whole+blockBytes])
	all := stringOf(b.buffer[:whole+blockBytes])
	n, _ := s.grams.mark(&f.grams, all, 0, whole)
	n = s.grams.sift(&f.grams, all, n)
	stopped := s.grams.compare(&f.grams, all, 0, n)
	s.grams.check(&f.grams, all)
	f.marks.mark(all[:whole], 0)
	numbers, runs := f.marks.starts(0)
	b.share(s, all, f.grams.hits, f.marks.numbers[:numbers], f.marks.runs[:runs])
	if stopped < n || ctx.Err() != nil { // a gram is that of very many patterns, or Find must not go on
		for i := range b.texts {
			b.texts[i].state = shortWhole
		}
	}
}

// share gives each text what got through. All of it is in the order of the texts, but for hits of routes that would begin in
// front of the text that their gram is in: no match has one.
func (b *shorts) share(s *Scanner, all string, hits []gramHit, numbers, runs []int32) {
	rare := len(s.bytes.probes) > 0 && strings.IndexByte(all, rareByte) >= 0
	for i := range b.texts {
		t := &b.texts[i]
		watched, known := false, len(b.hits)
		for ; len(hits) > 0 && hits[0].start < t.to; hits = hits[1:] {
			if h := hits[0]; h.start >= t.from {
				b.hits = append(b.hits, gramHit{h.start - t.from, h.probe})
				if int(s.grams.probes[h.probe].rule) < len(s.rules) {
					t.state = shortPlaces
				} else {
					watched = true // which says nothing by itself
				}
			}
		}
		for ; len(numbers) > 0 && numbers[0] < t.to; numbers = numbers[1:] {
			if d := int(numbers[0]); s.digits.shapes.of(all, d) != 0 || watched && s.digits.near.shapes.of(all, d) != 0 {
				b.numbers = append(b.numbers, numbers[0]-t.from)
				t.state = shortPlaces
			}
		}
		if rare && strings.IndexByte(all[t.from:t.to], rareByte) >= 0 {
			t.state = shortPlaces
		}
		for ; len(runs) > 0 && runs[0] < t.to; runs = runs[1:] {
			t.state = shortWhole
		}
		if len(b.hits)-known > fewHits {
			t.state = shortWhole
		}
		t.hits, t.numbers = len(b.hits), len(b.numbers)
	}
}

// findNext is Find in the next text.
func (s *Scanner) findNext(ctx context.Context, f *Scratch, b *shorts, text string) (found []Match, complete bool) {
	var before shortText
	if b.next > 0 {
		before = b.texts[b.next-1]
	}
	t := &b.texts[b.next]
	b.next++
	switch t.state {
	case shortClean:
		return nil, true
	case shortWhole:
		return s.Find(ctx, text, f)
	case shortPlaces:
	}
	f.begin(s, text)
	defer f.end()
	if ctx.Err() != nil {
		return nil, false
	}
	for _, h := range b.hits[before.hits:t.hits] {
		s.grams.probe(f, text, int(h.start), h.probe)
	}
	if len(s.bytes.probes) > 0 {
		s.bytes.scan(f, s.grams, text, 0, len(text))
	}
	s.digits.near.begin(f, text)
	s.digits.numbers(f, text, b.numbers[before.numbers:t.numbers])
	return s.settle(ctx, f, text)
}
