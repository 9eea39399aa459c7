package scan

import (
	"math"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// composer normalises a few characters at a time, and remembers what they came to: a text has the same few accents again and
// again, and NFKC takes a hundred nanoseconds for a character.
type composer struct {
	known   [1 << knownBits]composed
	some    bool // there are some
	it      norm.Iter
	visible []byte
}

// composed is the normal form of a cluster, a character with what combines with it, of at most knownBytes.
type composed struct {
	low, high uint64
	size      uint8
	n         uint8
	form      [knownForm]byte
}

const (
	knownBits  = 9
	knownBytes = 16
	knownForm  = 14
	// What it costs, in steps: a cluster that is known, one that is not, and each of its characters.
	knownSteps     = 10
	clusterSteps   = 50
	characterSteps = 40
)

// forget lets go of what it saw.
func (c *composer) forget() {
	if c != nil && c.some {
		*c = composer{visible: c.visible[:0]}
	}
}

// anySteps are as many as it takes.
func anySteps() *int {
	n := math.MaxInt
	return &n
}

// compose is the whole way for a few characters: strip, NFKC, fold, strip.
func (w *rewriting) compose(from, to, limit int, steps *int) (complete bool) {
	if w.composer == nil {
		w.composer = new(composer)
	}
	from = max(from, w.done)
	w.to = append(w.to, w.from[w.done:from]...)
	at := len(w.to)
	complete = true
	for i := from; i < to && complete; {
		end := clusterEnd(w.from[:to], i)
		w.to = w.composer.cluster(w.to, w.from[i:end], limit, steps)
		complete = *steps >= 0 && len(w.to) <= limit
		i = end
	}
	if w.track {
		w.edits = append(w.edits, edit{at, len(w.to), from, to})
	}
	w.done, w.any = to, true
	return complete
}

// clusterEnd is where what begins at i ends that NFKC has to see together.
func clusterEnd(s string, i int) int {
	_, size := utf8.DecodeRuneInString(s[i:])
	for i += size; i < len(s) && s[i] >= utf8.RuneSelf; i += size {
		var r rune
		if r, size = utf8.DecodeRuneInString(s[i:]); formOf(r) != formJoins && !invisible(r) {
			break
		}
	}
	return i
}

// cluster appends the normal form of a cluster.
func (c *composer) cluster(out []byte, s string, limit int, steps *int) []byte {
	if len(s) > knownBytes {
		return c.workOut(out, s, limit, steps)
	}
	low, high := loadAcross(s, 0), uint64(0)
	if len(s) > 8 {
		high = loadAcross(s, 8)
	}
	slot := (low ^ high*0x9E3779B97F4A7C15 ^ uint64(len(s))) * 0xD6E8FEB86659FD93 >> (64 - knownBits)
	k := &c.known[slot]
	if k.low == low && k.high == high && int(k.size) == len(s) {
		*steps -= knownSteps
		return append(out, k.form[:k.n]...)
	}
	at := len(out)
	out = c.workOut(out, s, limit, steps)
	if n := len(out) - at; n <= knownForm && c.it.Done() {
		*k = composed{low: low, high: high, size: uint8(len(s)), n: uint8(n)} // #nosec G115 -- both are small
		copy(k.form[:], out[at:])
		c.some = true
	}
	return out
}

// workOut is cluster for one that is not known.
func (c *composer) workOut(out []byte, s string, limit int, steps *int) []byte {
	visible := c.visible[:0]
	for _, r := range s {
		if !invisible(r) {
			visible = utf8.AppendRune(visible, r)
		}
	}
	c.visible = visible
	*steps -= clusterSteps + (len(s) - len(visible))
	if !c.it.Done() { // it was given up, and still holds a part of that character, which Init does not take out
		c.it = norm.Iter{}
	}
	for c.it.Init(norm.NFKC, visible); !c.it.Done() && len(out) <= limit && *steps >= 0; {
		for _, r := range string(c.it.Next()) {
			*steps -= characterSteps
			if r = fold(r); !invisible(r) {
				out = utf8.AppendRune(out, r)
			}
		}
	}
	return out
}
