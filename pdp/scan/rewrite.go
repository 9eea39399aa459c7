package scan

import "unicode/utf8"

// rewriting makes another reading of a text by replacing parts of it, in order. Nothing is allocated before the
// first replacement, so a text in which there is nothing to replace costs no memory.
type rewriting struct {
	from string
	to   []byte
	done int // from[:done] is in to
	any  bool
	// edits are kept only if track is set: to know where a match of the new text stands in the old one.
	track bool
	edits []edit
	// composer stays from one text to the next.
	composer *composer
}

// edit says that new[at:end] stands for old[from:to]. Between two edits both texts are the same.
type edit struct{ at, end, from, to int }

// start begins another text and keeps the memory of the one before.
func (w *rewriting) start(text string, track bool) {
	*w = rewriting{from: text, to: w.to[:0], track: track, edits: w.edits[:0], composer: w.composer}
}

// replace puts text for from[from:to]. Calls come in the order of the text.
func (w *rewriting) replace(from, to int, text string) {
	w.to = append(w.to, w.from[w.done:from]...)
	w.note(from, to, len(text))
	w.to = append(w.to, text...)
	w.done, w.any = to, true
}

// decoded puts bytes that may not be valid UTF-8 by themselves; each invalid one becomes U+FFFD, so that the new
// text is valid wherever the old one was.
func (w *rewriting) decoded(from, to int, raw []byte) {
	w.to = append(w.to, w.from[w.done:from]...)
	at := len(w.to)
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		w.to = utf8.AppendRune(w.to, r)
		raw = raw[size:]
	}
	if w.track {
		w.edits = append(w.edits, edit{at, len(w.to), from, to})
	}
	w.done, w.any = to, true
}

func (w *rewriting) note(from, to, n int) {
	if w.track {
		w.edits = append(w.edits, edit{len(w.to), len(w.to) + n, from, to})
	}
}

// last is the last byte of the new text if all up to the place in the old one were written.
func (w *rewriting) last(upTo int) (c byte, ok bool) {
	switch {
	case upTo > w.done:
		return w.from[upTo-1], true
	case len(w.to) > 0:
		return w.to[len(w.to)-1], true
	}
	return 0, false
}

// size is how long the new text is so far, the rest of the old one included.
func (w *rewriting) size() int { return len(w.to) + len(w.from) - w.done }

// text is the new text. It is a copy: the next one reuses the memory.
func (w *rewriting) text() string {
	w.to = append(w.to, w.from[w.done:]...)
	w.done = len(w.from)
	return string(w.to)
}

// origin turns a range of the new text into the smallest range of the old one that holds it: a part of what was
// decoded stands for the whole encoded run.
func origin(edits []edit, s span) span {
	return span{originOf(edits, s.from, false), originOf(edits, s.to, true)}
}

func originOf(edits []edit, at int, end bool) int {
	// The last edit that begins before the place; at its very beginning, the end of a range is not yet in it.
	low, high := 0, len(edits)
	for low < high {
		mid := (low + high) / 2
		if edits[mid].at < at || !end && edits[mid].at == at {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == 0 {
		return at
	}
	e := edits[low-1]
	switch {
	case end && at <= e.end && e.at < e.end:
		return e.to
	case !end && at < e.end:
		return e.from
	}
	return e.to + at - e.end
}
