package scan

// markBatch is how many bytes of a text are marked before what is marked is looked at. As in the gram gate, no branch of the
// first stage depends on what is frequent in texts.
const (
	markBatch = 2048
	markStep  = 16 // bytes at a time
)

// markWork has places of a batch, all of them multiples of sixteen.
type markWork struct {
	numbers [markBatch / markStep]int32 // a digit is in the sixteen bytes
	words   [markBatch / markStep]int32 // they may be amidst a word that some rule wants
	runs    [markBatch / markStep]int32 // they may be amidst a run of what else tokens are made of
}

// marks lets the gates of digits and of runs look at a text.
func (s *Scanner) marks(f *Scratch, text string) {
	digits, words, runs := s.digits.used(), s.runs.wantsWords(), len(s.runs.others.classes) > 0
	if !digits && !words && !runs {
		return
	}
	s.digits.begin(f)
	s.runs.begin(f)
	w := &f.marks
	for from := 0; from < len(text) && f.budget >= 0; from += markBatch {
		n, m, k := w.mark(text, from, min(from+markBatch, len(text)), &s.runs)
		if digits {
			for _, at := range w.numbers[:n] {
				s.digits.numbers(f, text, int(at))
			}
		}
		if words {
			for _, at := range w.words[:m] {
				s.runs.word(f, text, int(at))
			}
		}
		if runs {
			for _, at := range w.runs[:k] {
				s.runs.others.sixteen(f, text, int(at), s.runs.short)
			}
		}
	}
}

const lowBits = 0x0101010101010101

// digitsIn marks those of eight bytes that are 0 to 9.
func digitsIn(x uint64) uint64 {
	x7 := x &^ highBits
	return (x7 + (0x80-'0')*lowBits) &^ (x7 + (0x80-'9'-1)*lowBits) &^ x & highBits
}

// mark goes through text[from:to], from being a multiple of sixteen. What of a text lies between multiples of eight is an
// eight. A long word fills two eights on end with bytes from 0 up. A short one fills one, with bytes of a range that is
// narrow where all rules for short words want capitals, say. A long run of something else fills three eights on end
// with bytes from + up, a short one an eight. More than these gets through, beyond ASCII above all.
func (w *markWork) mark(text string, from, to int, g *runGate) (numbers, words, runs int) {
	least, most, short := g.least, g.most, g.short
	before := uint64(highBits) // what of the eight before is below 0
	var runX, runY uint64      // what of the two eights before is + or above
	if from > 0 {
		x7, y7 := load64(text[from-16:from-8])&^highBits, load64(text[from-8:from])&^highBits
		before = ^(y7 + (0x80-'0')*lowBits) & highBits
		runX, runY = x7+(0x80-'+')*lowBits, y7+(0x80-'+')*lowBits
	}
	for i := from; i < to; i += markStep {
		var x, y uint64
		if i+markStep <= len(text) {
			t := text[i : i+markStep]
			x, y = load64(t[:8]), load64(t[8:])
		} else {
			x, y = loadAcross(text, i), loadAcross(text, i+8)
		}
		x7, y7 := x&^highBits, y&^highBits
		// The high bit of each byte that is 0 or above.
		x0, y0 := x7+(0x80-'0')*lowBits, y7+(0x80-'0')*lowBits
		digits := (x0&^(x7+(0x80-'9'-1)*lowBits|x) | y0&^(y7+(0x80-'9'-1)*lowBits|y)) & highBits
		w.numbers[numbers&(markBatch/markStep-1)] = int32(i)
		numbers += int((digits | -digits) >> 63)

		noX, noY := ^x0&highBits, ^y0&highBits
		no := noX | min(noY, before)
		before = noY
		no = min(no, (^(x7+least)|(x7+most))&highBits, (^(y7+least)|(y7+most))&highBits)
		w.words[words&(markBatch/markStep-1)] = int32(i)
		words += int((no - 1) >> 63 &^ (no >> 63))

		x7, y7 = x7+(0x80-'+')*lowBits, y7+(0x80-'+')*lowBits
		if runY&x7&(y7|runX)&highBits == highBits || short && (x7&highBits == highBits || y7&highBits == highBits) {
			w.runs[runs&(markBatch/markStep-1)] = int32(i)
			runs++
		}
		runX, runY = x7, y7
	}
	return numbers, words, runs
}

// loadAt is load64 wherever the text ends.
func loadAt(text string, i int) uint64 {
	if i+8 <= len(text) {
		return load64(text[i : i+8])
	}
	return loadAcross(text, i)
}
