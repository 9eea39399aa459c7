package scan

import "math/bits"

// Most runs of the characters of base64 are words: names in programs, paths, identifiers. None of what they would decode to is
// text, and its first bytes tell that at each of the four places from which on they might be decoded.

// runHead is how a run begins: its first fourteen characters, or as many as it has, as six bits each. The first is the highest.
type runHead struct {
	ten  uint64
	four uint64
}

// headOf is for a run of minBase64 characters or more.
func headOf(run string) (h runHead) {
	t := run[:minBase64]
	h.ten = uint64(sextet[t[0]])<<54 | uint64(sextet[t[1]])<<48 | uint64(sextet[t[2]])<<42 | uint64(sextet[t[3]])<<36 | uint64(sextet[t[4]])<<30 |
		uint64(sextet[t[5]])<<24 | uint64(sextet[t[6]])<<18 | uint64(sextet[t[7]])<<12 | uint64(sextet[t[8]])<<6 | uint64(sextet[t[9]])
	h.four = uint64(sextet[t[10]])<<18 | uint64(sextet[t[11]])<<12
	if len(run) > minBase64 {
		h.four |= uint64(sextet[run[12]]) << 6
	}
	if len(run) > minBase64+1 {
		h.four |= uint64(sextet[run[13]])
	}
	return h
}

// decoded is the first eight bytes of what the run decodes to without its first skip characters, three at most.
func (h runHead) decoded(skip int) uint64 { return h.ten<<(4+6*skip) | h.four>>(20-6*skip) }

// packedHead is how packed bytes begin, and "H4sI" reads.
const packedHead = 0x1f8b08

// mayHold says behind how many of the first characters of a run text may begin, a bit for each number from 0 to 3. No branch
// depends on what the run is.
func mayHold(run string) (skips uint) {
	head, most := headOf(run), mostBad(len(run))
	for skip := range 4 {
		b := head.decoded(skip)
		skips |= uint(uint64(badBytes(b)-most-1)>>63|(b>>40^packedHead-1)>>63) << skip
	}
	return skips & (1<<(len(run)-minBase64+1) - 1)
}

// mostBad is how many characters of what n of base64 decode to may be none that a text has.
func mostBad(n int) int { return n * 3 / 4 / 10 }

// badBytes counts those of eight bytes, of which the first is the highest, that are characters no text has, whatever stands
// behind the last: most controls, and what belongs to no character of several bytes.
func badBytes(x uint64) int {
	wide := x & highBits
	begins := wide & (x << 1)                       // 11……
	goesOn := wide &^ (x << 1)                      // 10……
	stray := goesOn &^ (x >> 8)                     // behind ASCII, or first
	broken := begins &^ (goesOn << 8) &^ 0x80       // what is behind the last is not known
	low := ^(x | x<<1 | x<<2)                       // 000…
	controls := low & (x<<3 | ^(x << 4)) & highBits // less 00001…, among which are tabs and ends of lines
	return bits.OnesCount64(stray | broken | controls)
}
