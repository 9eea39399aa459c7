package scan

import (
	"math/bits"
	"slices"
	"strings"
)

const (
	minBase64 = 12 // characters: nine bytes, the shortest that is worth hiding
	minHex    = 16
	// minLine is the least length of a line that may go on in the next one: MIME and PEM break at 76 and 64.
	minLine = 48
	// Of a picture's thousands of short pieces some decode to text by chance. In a block that is longRun
	// long, a piece must have minLongPiece characters, which by chance about one in a million has.
	longRun, minLongPiece = 256, 24
)

// runs decodes, in place, each run of base64 (either alphabet, padded or not, broken into lines or not) and of hex
// that holds text or packed text. Nothing is allocated where there is none.
type runs struct {
	w    *rewriting
	kind kinds
	raw  []byte // what a run decodes to, until the next is tried
	line []byte // lines of a run, joined
	none bool   // there is no run at all
	runSeeker
	unzip
}

// decode rewrites a text.
func (d *runs) decode() kinds {
	s := d.w.from
	d.kind = 0
	// Lines of one block, s[block:apart], are tried together once and not again: that would be quadratic.
	block, apart := 0, 0
	d.seek(s)
	i, end := d.next(0)
	d.none = i == len(s)
	for ; i < len(s); i, end = d.next(max(end, d.w.done)) {
		if i >= apart {
			block, apart = i, linesEnd(s, i, end)
			if apart > end {
				if text, kind := d.decodeRun(d.join(s[i:apart])); kind != 0 {
					d.put(i, padEnd(s, apart), text, kind)
					continue
				}
			}
		}
		if text, kind := d.decodeRun(s[i:end]); kind != 0 {
			d.put(i, padEnd(s, end), text, kind)
			continue
		}
		least := minBase64
		if apart-block > longRun {
			least = minLongPiece
		}
		d.decodePieces(i, end, least)
	}
	return d.kind
}

// runSeeker finds the runs of base64 characters that are long enough to be one: they are what tokens are made of. Of a batch of
// the text it has marks at a time.
type runSeeker struct {
	text  string
	marks *markWork
	batch int // where the marked batch begins
}

// seek begins with a text.
func (k *runSeeker) seek(text string) {
	k.text = text
	k.mark(0)
}

// mark marks the batch that begins at a place.
func (k *runSeeker) mark(from int) {
	k.batch = from
	k.marks.mark(k.text, from)
}

// next is the first run from a place on at which one ended, if it is amidst any.
func (k *runSeeker) next(i int) (from, to int) {
	const ahead = blockBytes - minBase64 + 1 // a run that begins so far ahead is seen to be long enough
	for ; i+minBase64 <= len(k.text); i += ahead {
		if i >= k.batch+markBatch {
			k.mark(i &^ (markBatch - 1))
		}
		x := k.marks.from(k.batch, i, tokenMarks)
		x &= x >> 1
		x &= x >> 2
		x &= x >> 4
		if x &= x >> 4; x != 0 { // twelve in a row
			i += bits.TrailingZeros64(x)
			return i, k.marks.end(k.text, k.batch, i, tokenMarks, &runBytes)
		}
	}
	return len(k.text), len(k.text)
}

func (d *runs) put(from, to int, text []byte, kind kinds) {
	// A word boundary that the encoding had must not vanish: `x` and then a decoded token are two words.
	if last, ok := d.w.last(from); ok && isWord(last) && isWord(text[0]) {
		d.w.replace(from, from, "\n")
	}
	d.w.decoded(from, to, text)
	if s := d.w.from; to < len(s) && isWord(s[to]) && isWord(text[len(text)-1]) {
		d.w.replace(to, to, "\n")
	}
	d.kind |= kind
}

// join takes line breaks out.
func (d *runs) join(lines string) string {
	d.line = d.line[:0]
	for i := range len(lines) {
		if c := lines[i]; c != '\r' && c != '\n' {
			d.line = append(d.line, c)
		}
	}
	return string(d.line)
}

// decodePieces tries a run as what it may be made of: an encoded value beside words, joined by characters that
// one of the alphabets has and the other has not, as in `token-aGVsbG8…` or `path/aGVsbG8…`.
func (d *runs) decodePieces(from, to, least int) {
	s := d.w.from
	for _, separators := range separatorsIn(s[from:to]) {
		found := false
		for start := from; start < to; {
			end := start
			for end < to && joints[s[end]]&separators == 0 {
				end++
			}
			if end-start >= least {
				if text, kind := d.decodeRun(s[start:end]); kind != 0 {
					stop := end
					if end == to {
						stop = padEnd(s, end)
					}
					d.put(start, stop, text, kind)
					found = true
				}
			}
			start = end + 1
		}
		if found {
			return
		}
	}
	for start, end := hexIn(s[:to], from); start < to; start, end = hexIn(s[:to], end) { // hex within a word, as in `0x6768…`
		if text := d.fromHex(s[start:end]); text != nil {
			d.put(start, start+(end-start)&^1, text, kindHex)
		}
	}
}

// hexIn finds the next hex digits from a place on that are enough to be a run. Any of these has one at each minHex-th place, so most of
// a word is never looked at.
func hexIn(s string, i int) (from, to int) {
	for i+minHex <= len(s) {
		at := i + minHex - 1
		for at >= i && unhex(s[at]) >= 0 {
			at--
		}
		if at < i {
			for to = i + minHex; to < len(s) && unhex(s[to]) >= 0; {
				to++
			}
			return i, to
		}
		i = at + 1
	}
	return len(s), len(s)
}

// The characters that only one of the alphabets has.
const (
	urlJoint = 1 << iota // - and _
	oldJoint             // + and /
)

// joints says of which kind a character is.
var joints = [256]uint8{'-': urlJoint, '_': urlJoint, '+': oldJoint, '/': oldJoint}

// separatorsIn are the ways in which a run may come apart: at the characters of either alphabet alone, or of both.
func separatorsIn(run string) []uint8 {
	in := uint8(0)
	for i := range len(run) {
		in |= joints[run[i]]
	}
	return separators[in]
}

var separators = [4][]uint8{nil, {urlJoint}, {oldJoint}, {urlJoint, oldJoint, urlJoint | oldJoint}}

// decodeRun decodes one run if it holds text. A run may begin with characters that do not belong to the
// encoding, so every alignment is tried.
func (d *runs) decodeRun(run string) (text []byte, kind kinds) {
	if len(run) >= minHex && unhex(run[2]) >= 0 {
		for skip := range 2 {
			if text = d.fromHex(run[skip:]); text != nil {
				return d.unpacked(text, kindHex)
			}
		}
	}
	if text = d.fromAnywhere(run); text == nil {
		return nil, 0
	}
	if strings.ContainsAny(run, "-_") {
		return d.unpacked(text, kindBase64URL)
	}
	return d.unpacked(text, kindBase64)
}

// fromAnywhere decodes base64 from the first of the places where it holds text.
func (d *runs) fromAnywhere(run string) (text []byte) {
	for skips := mayHold(run); skips != 0; skips &= skips - 1 {
		if text = d.fromBase64(run[bits.TrailingZeros(skips):]); text != nil {
			return text
		}
	}
	return nil
}

// unpacked is what was decoded, or what is packed in it.
func (d *runs) unpacked(text []byte, kind kinds) ([]byte, kinds) {
	if !isPacked(text) {
		return text, kind
	}
	if text = d.unpack(text); text == nil {
		return nil, 0
	}
	return text, kind | kindGzip
}

// step is how much is decoded before it is looked at: noise is given up after a few characters.
const step = 8

func (d *runs) fromHex(s string) []byte {
	s = s[:len(s)&^1]
	if len(s) < minHex {
		return nil
	}
	d.raw = slices.Grow(d.raw[:0], len(s)/2)
	b, check := d.raw, textCheck{most: len(s) / 2 / 10}
	packed := strings.HasPrefix(s, "1f8b08") || strings.HasPrefix(s, "1F8B08")
	for i := 0; i < len(s); i += 2 {
		hi, lo := unhex(s[i]), unhex(s[i+1])
		if hi < 0 || lo < 0 {
			return nil
		}
		b = append(b, byte(hi<<4|lo))
		if i%step == 0 && !packed && !check.check(b, false) {
			return nil
		}
	}
	if packed || isText(b) {
		return b
	}
	return nil
}

func (d *runs) fromBase64(s string) []byte {
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	d.raw = slices.Grow(d.raw[:0], len(s)*3/4+2)
	b, check := d.raw, textCheck{most: mostBad(len(s))}
	packed := strings.HasPrefix(s, "H4sI")
	for i := 0; i < len(s); i += 4 {
		four := s[i:min(i+4, len(s))]
		v := uint32(0)
		for _, c := range []byte(four) {
			v = v<<6 | uint32(sextet[c])
		}
		v <<= 6 * (4 - len(four))
		b = append(b, byte(v>>16), byte(v>>8), byte(v))[:len(b)+len(four)*3/4]
		if i%step == 0 && !packed && !check.check(b, false) {
			return nil
		}
	}
	if packed || isText(b) {
		return b
	}
	return nil
}

// runEnd is where the run of base64 characters ends that begins at i.
func runEnd(s string, i int) int {
	for i < len(s) && inBase64[s[i]] {
		i++
	}
	return i
}

// linesEnd is where a run ends that goes on over line breaks; end is where its first line ends.
func linesEnd(s string, start, end int) int {
	for end-start >= minLine {
		next := end
		if next < len(s) && s[next] == '\r' {
			next++
		}
		if next >= len(s) || s[next] != '\n' {
			return end
		}
		start = next + 1
		if e := runEnd(s, start); e > start {
			end = e
		} else {
			return end
		}
	}
	return end
}

// padEnd takes the padding after a run along.
func padEnd(s string, end int) int {
	for n := 0; n < 2 && end < len(s) && s[end] == '='; n++ {
		end++
	}
	return end
}

func isWord(c byte) bool { return c == '_' || isAlnum(c) }

// inBase64 holds the characters of both base64 alphabets, sextet their values.
var inBase64, sextet = func() (in [256]bool, value [256]uint8) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range len(alphabet) {
		in[alphabet[i]], value[alphabet[i]] = true, uint8(i)
	}
	in['-'], value['-'] = true, value['+']
	in['_'], value['_'] = true, value['/']
	return in, value
}()
