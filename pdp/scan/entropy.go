package scan

import (
	"math"
	"unicode/utf8"
)

const (
	// entropyRunes is how much of a match the entropy is taken from, and the size of the table.
	entropyRunes = 4096
	// maxEntropyMilli is the entropy of entropyRunes different characters, in thousandths of a bit.
	maxEntropyMilli = 12_000
)

// clog2[c] is 1e6·c·log2(c), rounded. Entropy from a table of integers is the same number in Go and in Rego,
// which has no logarithm. No entry lies so near to a half that another machine's rounding could differ (a test
// holds that), so the table may be built anywhere.
var clog2 = func() [entropyRunes + 1]int64 {
	var t [entropyRunes + 1]int64
	for c := 2; c <= entropyRunes; c++ {
		t[c] = int64(math.Round(1e6 * float64(c) * math.Log2(float64(c))))
	}
	return t
}()

// exceedsEntropy says whether Shannon's entropy of the match's characters is above milli thousandths of a bit:
// with H·n = clog2[n] − Σ clog2[count], compare 1000·milli·n < H·n. Of a longer match the first 4096 count.
func exceedsEntropy(match string, milli int64) bool {
	var ascii [utf8.RuneSelf]int
	var others map[rune]int // nearly never any
	n := 0
	for _, r := range match {
		if n == entropyRunes {
			break
		}
		n++
		switch {
		case r < utf8.RuneSelf:
			ascii[r]++
		case others == nil:
			others = map[rune]int{r: 1}
		default:
			others[r]++
		}
	}
	bits := clog2[n]
	for _, c := range ascii {
		bits -= clog2[c]
	}
	for _, c := range others {
		bits -= clog2[c]
	}
	return n > 0 && 1000*milli*int64(n) < bits
}
