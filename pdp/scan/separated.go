package scan

import "unicode/utf8"

// A number that is written with separators which its pattern does not expect is still that number to whoever reads it:
// `4111/1111/1111/1111`, `219_09_9998`, `DE 89.3704.0044…`, `2 1 9 0 9 9 9 9 8`. Two readings undo that (THREATS D16). They
// hold only what stands about such numbers, and only patterns with check digits look there: without the separators, any few
// numbers in a row are a long one.
const (
	// aboutNumber is how much of the text on either side of a number goes along, in bytes: context words stand there.
	aboutNumber = 128
	// maxParts is how many parts a number is looked for in at once; of longer rows the last ones are looked at again.
	maxParts, partsAgain = 64, 24
	// The digits of what may be a number. Shorter ones have no check digit worth the name, longer ones are no number of anybody's.
	leastDigits, mostDigits = 9, 19
	// maxSeparator is how long what stands between two parts may be, in characters.
	maxSeparator = 3
)

// numberRow is parts of digits with separators between. It is lent to separated, as it is large.
type numberRow struct {
	parts [maxParts]span
	n     int
	cut   bool // it goes on
}

// separated makes the reading of a text in which the separators of such numbers are gone, or a dash each. Where there is no
// such number it replaces nothing.
func (w *rewriting) separated(dashed bool, row *numberRow) {
	s := w.from
	for i := nextDigit(s, 0); i < len(s); i = nextDigit(s, i) {
		if from, to, ok := accountAt(s, i); ok && from >= w.done {
			if !dashed {
				w.excerpt(from)
				w.compact(from, to)
			}
			i = to
			continue
		}
		next := row.read(s, i)
		if row.n > 1 {
			w.numbers(row, dashed)
		}
		i = next
	}
	if w.any {
		if end := w.contextEnd(); end < len(s) {
			w.replace(end, len(s), "")
		}
	}
}

// nextDigit is where the next digit stands at i or later: len(s) if there is none.
func nextDigit(s string, i int) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		x := word(s[i:]) ^ 0x30*low
		if ^(x|(x&^high+(0x80-10)*low))&high != 0 {
			break
		}
	}
	for i < len(s) && !isDigit(s[i]) {
		i++
	}
	return i
}

// read reads a row of parts that begins with the digit at i, and says where to go on.
func (r *numberRow) read(s string, i int) (next int) {
	r.n, r.cut = 0, false
	inWord := i > 0 && isAlnum(s[i-1])
	for {
		from := i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		if i < len(s) && isAlnum(s[i]) || inWord { // a part of a word
			for i < len(s) && isAlnum(s[i]) {
				i++
			}
			return i
		}
		r.parts[r.n] = span{from, i}
		if r.n++; r.n == maxParts {
			r.cut = true
			return r.parts[maxParts-partsAgain].from
		}
		n := separatorSize(s[i:])
		if n == 0 || i+n == len(s) || !isDigit(s[i+n]) {
			return i
		}
		i += n
	}
}

// separatorSize is how long the separator is that a text begins with.
func separatorSize(s string) (n int) {
	for range maxSeparator {
		r, size := utf8.DecodeRuneInString(s[n:])
		switch r {
		case ' ', '\t', '.', '/', '_', '-', ':', '|', '*', '~', '\\', '·', '•', '‧':
			n += size
			continue
		}
		break
	}
	return n
}

// numbers replaces the separators of what is a number in a row of parts.
func (w *rewriting) numbers(r *numberRow, dashed bool) {
	if r.n > 2 && !r.cut && r.parts[0].from >= w.done && !r.plain(w.from) && r.isCard(w.from) { // whatever its separators are
		if !dashed {
			w.join(r, 0, r.n-1, "")
		}
		return
	}
	for first := 0; first+1 < r.n; {
		separator := w.from[r.parts[first].to:r.parts[first+1].from]
		last := first + 1
		for last+1 < r.n && w.from[r.parts[last].to:r.parts[last+1].from] == separator {
			last++
		}
		group := r.parts[first : last+1]
		goesOn := r.cut && last == r.n-1 // it is looked at again, whole
		if !goesOn && odd(separator, group) && group[0].from >= w.done {
			switch {
			case !dashed:
				w.join(r, first, last, "")
			case len(group) > 2: // two parts are a date and a time, or a case and its year
				w.join(r, first, last, "-")
			}
		}
		first = last
	}
}

// odd says whether a pattern can't be expected to know the separator, or the parts.
func odd(separator string, group []span) bool {
	n, single := 0, true
	for _, p := range group {
		n += p.to - p.from
		single = single && p.to-p.from == 1
	}
	if n < leastDigits || n > mostDigits {
		return false
	}
	switch separator {
	case " ", ".", "-":
		return single
	}
	return true
}

// plain says whether all separators are such as every pattern of cards knows.
func (r *numberRow) plain(s string) bool {
	for i := range r.n - 1 {
		switch s[r.parts[i].to:r.parts[i+1].from] {
		case " ", ".", "-":
		default:
			return false
		}
	}
	return true
}

// isCard says whether all the parts together are the number of a payment card.
func (r *numberRow) isCard(s string) bool {
	digits := 0
	for _, p := range r.parts[:r.n] {
		digits += p.to - p.from
	}
	return digits <= mostDigits && validCard(s[r.parts[0].from:r.parts[r.n-1].to])
}

// join replaces what stands between parts, and puts the number on a line of its own: its neighbours in the row are not
// part of it.
func (w *rewriting) join(r *numberRow, first, last int, with string) {
	w.excerpt(r.parts[first].from)
	if first > 0 && r.parts[first-1].to >= w.done {
		w.replace(r.parts[first-1].to, r.parts[first].from, "\n")
	}
	for i := first; i < last; i++ {
		w.replace(r.parts[i].to, r.parts[i+1].from, with)
	}
	if last+1 < r.n {
		w.replace(r.parts[last].to, r.parts[last+1].from, "\n")
	}
}

// excerpt leaves out what stands far before a number at from, and far behind the one before.
func (w *rewriting) excerpt(from int) {
	s := w.from
	end := 0
	if w.any {
		end = w.contextEnd()
	}
	start := max(0, from-aboutNumber)
	for start > 0 && start < from && (!utf8.RuneStart(s[start]) || isAlnum(s[start-1])) { // not within a word
		start++
	}
	if start > end {
		with := "\n"
		if end == 0 {
			with = ""
		}
		w.replace(end, start, with)
	}
}

// contextEnd is where what goes along with the last number ends.
func (w *rewriting) contextEnd() int {
	s := w.from
	end := w.done
	for end < len(s) && isAlnum(s[end]) { // the number's last part
		end++
	}
	if end+aboutNumber >= len(s) {
		return len(s)
	}
	least := end
	for end += aboutNumber; end > least && (!utf8.RuneStart(s[end]) || isAlnum(s[end])); {
		end--
	}
	return end
}

// accountAt says whether an international account number, valid and written with separators that its patterns need not
// know, has its check digits at the digit at i.
func accountAt(s string, i int) (from, to int, ok bool) {
	head := i
	for back := 0; back <= maxSeparator; back++ {
		if head == 0 {
			return 0, 0, false
		}
		if isUpper(s[head-1]) {
			break
		}
		head--
	}
	from = head - 2
	if from < 0 || !isUpper(s[head-1]) || !isUpper(s[from]) || from > 0 && isAlnum(s[from-1]) ||
		head != i && separatorSize(s[head:]) != i-head {
		return 0, 0, false
	}
	length, known := ibanLengths[s[from:head]]
	if !known {
		return 0, 0, false
	}
	var compact [34]byte
	usual := head == i
	n, at := 2, i
	copy(compact[:], s[from:head])
	for {
		c := s[at]
		if !isDigit(c) && !isUpper(c) {
			return 0, 0, false
		}
		compact[n] = c
		n, at = n+1, at+1
		if n == length {
			break
		}
		if size := separatorSize(s[at:]); size > 0 {
			usual = usual && n%4 == 0 && s[at] == ' ' && size == 1
			at += size
		} else {
			usual = usual && n%4 != 0
		}
		if at >= len(s) {
			return 0, 0, false
		}
	}
	if at < len(s) && isAlnum(s[at]) || at-from == length || usual || !validIBAN(string(compact[:length])) {
		return 0, 0, false
	}
	return from, at, true
}

// compact takes out all that is neither letter nor digit.
func (w *rewriting) compact(from, to int) {
	for at := from; at < to; at++ {
		start := at
		for at < to && !isAlnum(w.from[at]) {
			at++
		}
		if at > start {
			w.replace(start, at, "")
		}
	}
}
