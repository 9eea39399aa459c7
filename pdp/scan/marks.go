package scan

import "math/bits"

// markBatch is how many bytes of a text are marked before what is marked is looked at.
const markBatch = 2048

// markWork is the marks of a batch, of the block before it and of the one behind it, and places that were found by them. Where
// there is no text, there are no marks.
type markWork struct {
	blocks [1 + markBatch/blockBytes + 1]blockMarks
	used   int // blocks of the batch
	// Where numbers and long runs begin. Half as many places are ever used; the index never leaves them.
	numbers, runs [markBatch]int32
}

// longRunBytes is the length from which on a run is long.
const longRunBytes = minRun

// marks lets the gates of digits and of runs look at a text.
func (s *Scanner) marks(f *Scratch, text string) {
	digits, words, others := s.digits.used(), s.runs.wantsWords(), len(s.runs.others.classes) > 0
	if !digits && !words && !others {
		return
	}
	s.digits.near.begin(f, text)
	s.runs.begin(f)
	for from := 0; from < len(text) && f.budget >= 0; from += markBatch {
		f.marks.mark(text, from)
		numbers, runs := f.marks.starts(from)
		if digits {
			s.digits.numbers(f, text, f.marks.numbers[:numbers])
		}
		if words || others {
			s.runs.look(f, text, from, f.marks.runs[:runs])
		}
	}
}

// mark marks the batch that begins at a place.
func (w *markWork) mark(text string, from int) {
	first, blocks := from-blockBytes, w.blocks[:]
	if from == 0 {
		w.blocks[0] = blockMarks{}
		first, blocks = 0, w.blocks[1:]
	}
	w.used = (min(len(text)-from, markBatch) + blockBytes - 1) / blockBytes
	text = text[first:min(from+markBatch+blockBytes, len(text))]
	n := len(text) / blockBytes
	markBlocks(blocks[:n], text)
	if rest := len(text) % blockBytes; rest > 0 {
		if n > 0 { // by the last whole block of bytes, which is quicker
			markBlocks(blocks[n:n+1], text[len(text)-blockBytes:])
			for kind := range blocks[n] {
				blocks[n][kind] >>= blockBytes - rest
			}
		} else {
			blocks[n] = marksOf(text)
		}
		n++
	}
	if n < len(blocks) {
		blocks[n] = blockMarks{}
	}
}

// starts gathers the places of the batch that begins at from where a number begins, and those of which a long run is that has the
// last of its first longRunBytes in the batch, and says how many there are.
func (w *markWork) starts(from int) (numbers, runs int) {
	if wideMarks {
		return startBits(w.blocks[:w.used+1], from, &w.numbers, &w.runs)
	}
	return w.startNumbers(from), w.startRuns(from)
}

// startNumbers is starts for numbers. As in the gram gate, no branch depends on what is frequent in texts.
func (w *markWork) startNumbers(from int) (n int) {
	for i := range w.used {
		digits, at := w.blocks[i+1][digitMarks], from+i*blockBytes
		starts := digits &^ (digits<<1 | w.blocks[i][digitMarks]>>63)
		// Nearly all blocks have two at most.
		for range 2 {
			w.numbers[n&(markBatch-1)] = int32(at + bits.TrailingZeros64(starts))
			n += int((starts | -starts) >> 63)
			starts &= starts - 1
		}
		for ; starts != 0; starts &= starts - 1 {
			w.numbers[n&(markBatch-1)] = int32(at + bits.TrailingZeros64(starts))
			n++
		}
	}
	return n
}

// startRuns is starts for long runs of what tokens are made of.
func (w *markWork) startRuns(from int) (n int) {
	// Of each byte: whether it ends 1, 2, 4, 8 and 16 bytes of a token, in this block and in the one before.
	var one, two, four, eight, sixteen uint64
	for i, marks := range w.blocks[:w.used+1] {
		x := marks[tokenMarks]
		x2 := x & (x<<1 | one>>63)
		x4 := x2 & (x2<<2 | two>>62)
		x8 := x4 & (x4<<4 | four>>60)
		x16 := x8 & (x8<<8 | eight>>56)
		first := x16 &^ (x16<<1 | sixteen>>63)
		one, two, four, eight, sixteen = x, x2, x4, x8, x16
		if i == 0 {
			continue // of the batch before
		}
		at := from + (i-1)*blockBytes - longRunBytes + 1
		w.runs[n&(markBatch-1)] = int32(at + bits.TrailingZeros64(first))
		n += int((first | -first) >> 63)
		for first &= first - 1; first != 0; first &= first - 1 { // rarely
			w.runs[n&(markBatch-1)] = int32(at + bits.TrailingZeros64(first))
			n++
		}
	}
	return n
}

// from is the marks of the blockBytes bytes from a place on, which must be of the batch or of the block before it.
func (w *markWork) from(batch, at, kind int) uint64 {
	at += blockBytes - batch
	i, bit := uint(at)/blockBytes, uint(at)%blockBytes
	return w.blocks[i][kind]>>bit | w.blocks[i+1][kind]<<(blockBytes-bit)
}

// end is where the run ends that text[at] is of. kind and class are both what it is made of.
func (w *markWork) end(text string, batch, at, kind int, class *byteset) int {
	for at < batch+markBatch {
		n := bits.TrailingZeros64(^w.from(batch, at, kind))
		if at += n; n < blockBytes {
			return at
		}
	}
	for at < len(text) && class.has(text[at]) {
		at++
	}
	return at
}
