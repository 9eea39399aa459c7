package scan

import (
	"encoding/base64"
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

// decodeRuns decodes, in place, each run of base64 (either alphabet, padded or not, broken into lines or not)
// and of hex that holds text.
func decodeRuns(s string) (decoding, bool) {
	var b strings.Builder
	kinds, done := 0, 0 // s[:done] is written
	// Lines of one block, s[block:apart], are tried together once and not again: that would be quadratic.
	block, apart := 0, 0
	put := func(from, to int, text []byte, kind int) {
		b.WriteString(s[done:from])
		// A word boundary that the encoding had must not vanish: `x` and then a decoded token are two words.
		if from > 0 && isWord(s[from-1]) && isWord(text[0]) {
			b.WriteByte('\n')
		}
		b.Write(text)
		if to < len(s) && isWord(s[to]) && isWord(text[len(text)-1]) {
			b.WriteByte('\n')
		}
		kinds |= kind
		done = to
	}
	for i := 0; i < len(s); {
		if !inBase64[s[i]] {
			i++
			continue
		}
		end := runEnd(s, i)
		if end-i < minBase64 {
			i = end
			continue
		}
		if i >= apart {
			block, apart = i, linesEnd(s, i, end)
			if apart > end {
				joined := strings.NewReplacer("\r", "", "\n", "").Replace(s[i:apart])
				if text, kind := decodeRun(joined); kind != 0 {
					put(i, padEnd(s, apart), text, kind)
					i = done
					continue
				}
			}
		}
		if text, kind := decodeRun(s[i:end]); kind != 0 {
			put(i, padEnd(s, end), text, kind)
		} else {
			least := minBase64
			if apart-block > longRun {
				least = minLongPiece
			}
			decodePieces(s, i, end, least, put)
		}
		i = max(end, done)
	}
	if kinds == 0 {
		return decoding{}, false
	}
	b.WriteString(s[done:])
	return decoding{text: strings.ToValidUTF8(b.String(), "\uFFFD"), how: nameKinds(kinds), hard: true}, true
}

// decodePieces tries a run as what it may be made of: an encoded value beside words, joined by characters that
// one of the alphabets has and the other has not, as in `token-aGVsbG8…` or `path/aGVsbG8…`.
func decodePieces(s string, from, to, least int, put func(from, to int, text []byte, kind int)) {
	for _, separators := range []string{"-_", "+/", "+/-_"} {
		found := false
		for start := from; start < to; {
			end := to
			if at := strings.IndexAny(s[start:to], separators); at >= 0 {
				end = start + at
			}
			if text, kind := decodeRun(s[start:end]); kind != 0 && end-start >= least {
				stop := end
				if end == to {
					stop = padEnd(s, end)
				}
				put(start, stop, text, kind)
				found = true
			}
			start = end + 1
		}
		if found {
			return
		}
	}
	for start := from; start < to; { // hex within a word, as in `0x6768…`
		end := start
		for end < to && unhex(s[end]) >= 0 {
			end++
		}
		if text := fromHex(s[start:end]); text != nil {
			put(start, start+(end-start)&^1, text, kindHex)
		}
		start = end + 1
	}
}

// decodeRun decodes one run if it holds text. A run may begin with characters that do not belong to the
// encoding, so every alignment is tried.
func decodeRun(run string) (text []byte, kind int) {
	for skip := range 2 {
		if text = fromHex(run[min(skip, len(run)):]); text != nil {
			return text, kindHex
		}
	}
	for skip := range 4 {
		if len(run)-skip < minBase64 {
			return nil, 0
		}
		if text = fromBase64(run[skip:]); text != nil {
			if strings.ContainsAny(run, "-_") {
				return text, kindBase64URL
			}
			return text, kindBase64
		}
	}
	return nil, 0
}

func fromHex(s string) []byte {
	s = s[:len(s)&^1]
	if len(s) < minHex {
		return nil
	}
	out := make([]byte, len(s)/2)
	for i := range out {
		hi, lo := unhex(s[2*i]), unhex(s[2*i+1])
		if hi < 0 || lo < 0 {
			return nil
		}
		out[i] = byte(hi<<4 | lo)
	}
	if !isText(out) {
		return nil
	}
	return out
}

func fromBase64(s string) []byte {
	if strings.ContainsAny(s, "-_") {
		s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	}
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	out, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(out) == 0 || !isText(out) {
		return nil
	}
	return out
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

// inBase64 holds the characters of both base64 alphabets.
var inBase64 = func() (t [256]bool) {
	for c := range 256 {
		t[c] = isAlnum(byte(c)) || strings.IndexByte("+/-_", byte(c)) >= 0
	}
	return t
}()
