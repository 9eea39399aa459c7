package signal

const (
	// tableBits is the size of the table of weights, as a power of two: 128 KiB in the file.
	tableBits = 17
	// segmentBytes is how much text is summed up at a time. Two neighbours make a window, which is what is scored: an
	// instruction in the middle of a long page must not be thinned out by the page.
	segmentBytes = 1 << 10
	// maxBytes of a text are read from its beginning, and as many from its end.
	maxBytes = 64 << 10
	// leastFeatures is the length that shorter texts are taken to have, so that few words prove little.
	leastFeatures = 80
)

// The hashes are FNV-1a with a last stir; the salts keep the kinds of feature apart.
const (
	fnvOffset = 2166136261
	fnvPrime  = 16777619
	saltPair  = 0x9e3779b9
	saltGram  = 0x85ebca6b
)

func stir(h uint32) uint32 {
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	return h
}

// kindOf maps a byte to what it counts as: letters in lower case, all digits as one, bytes beyond ASCII as themselves, the
// apostrophe as part of its word, and the rest as 0.
var kindOf = func() (t [256]byte) {
	for c := range 256 {
		switch {
		case c >= 'a' && c <= 'z', c >= 0x80, c == '\'':
			t[c] = byte(c)
		case c >= 'A' && c <= 'Z':
			t[c] = byte(c) + 'a' - 'A'
		case c >= '0' && c <= '9':
			t[c] = '0'
		}
	}
	return t
}()

// walk visits the features of a text in order: each word, each pair of words, and of the four-character grams (blanks and
// signs as one blank) the eighth whose hash says so. It does not allocate as long as visit does not escape.
func walk(text string, visit func(at int, feature uint32)) {
	word, last, inWord := uint32(fnvOffset), uint32(0), false
	gram := uint32(0)
	end := func(at int) {
		visit(at, stir(word)>>(32-tableBits))
		if last != 0 {
			visit(at, stir(word^last*saltPair)>>(32-tableBits))
		}
		last, word, inWord = word, fnvOffset, false
	}
	for i := range len(text) {
		c := kindOf[text[i]]
		if c == 0 {
			if !inWord {
				continue // one blank is enough
			}
			end(i)
			c = ' '
		} else {
			word = (word ^ uint32(c)) * fnvPrime
			inWord = true
		}
		gram = gram<<8 | uint32(c)
		if h := gram * saltGram; h&7 == 0 {
			visit(i, stir(h)>>(32-tableBits))
		}
	}
	if inWord {
		end(len(text))
	}
}
