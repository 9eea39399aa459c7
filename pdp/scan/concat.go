package scan

import "unicode/utf8"

// edge is how much of either end of a text goes into the concatenation: enough for what is split over two
// texts, and little enough for the concatenation to cost next to nothing.
const edge = 256

// concatenation strings values together without anything between them, so that one split over several arguments is
// whole again (THREATS D7); then each two neighbours on a line of their own, so that what stands beside them does not
// hide where a secret ends. Of a long text only the ends that meet another are in it, a line each. It is not decoded further.
type concatenation struct {
	ends  []piece
	bytes []byte
	laid  []piece // where the pieces are in bytes
}

// piece is a part of a text: values[leaf][from:to], at the place at.
type piece struct {
	text     string
	leaf     int
	at, from int
}

// take adds a text: one piece, or two.
func (c *concatenation) take(leaf int, text string) {
	if len(text) <= 2*edge {
		c.ends = append(c.ends, piece{text: text, leaf: leaf}, piece{leaf: leaf})
		return
	}
	tail := len(text) - edge
	for !utf8.RuneStart(text[tail]) {
		tail++
	}
	c.ends = append(c.ends, piece{text: cut(text, edge), leaf: leaf}, piece{text: text[tail:], leaf: leaf, from: tail})
}

// text is the concatenation, or nothing if there are no two texts. It stands in the memory of c: it is valid until c is
// used again.
func (c *concatenation) text() string {
	n := len(c.ends) / 2
	if n < 2 {
		return ""
	}
	for i := range n {
		c.lay(i, i > 0, i < n-1)
	}
	for i := 1; n > 2 && i < n; i++ {
		c.bytes = append(c.bytes, '\n')
		c.lay(i-1, false, true)
		c.lay(i, true, false)
	}
	return stringOf(c.bytes)
}

// lay appends a text, and of a long one the ends that have a neighbour.
func (c *concatenation) lay(i int, before, behind bool) {
	head, tail := &c.ends[2*i], &c.ends[2*i+1]
	if tail.text == "" {
		c.append(head)
		return
	}
	if before {
		c.append(head)
	}
	if before && behind {
		c.bytes = append(c.bytes, '\n')
	}
	if behind {
		c.append(tail)
	}
}

func (c *concatenation) append(p *piece) {
	c.laid = append(c.laid, piece{p.text, p.leaf, len(c.bytes), p.from})
	c.bytes = append(c.bytes, p.text...)
}

// origins gives the parts of the texts that a range of the concatenation is made of.
func (c *concatenation) origins(s span, yield func(leaf int, s span)) {
	for _, p := range c.laid {
		if from, to := max(s.from, p.at), min(s.to, p.at+len(p.text)); from < to {
			yield(p.leaf, span{from - p.at + p.from, to - p.at + p.from})
		}
	}
}

func (c *concatenation) reset() {
	clear(c.ends) // let go of the texts
	clear(c.laid)
	c.ends, c.laid, c.bytes = c.ends[:0], c.laid[:0], c.bytes[:0]
}
