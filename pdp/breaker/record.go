package breaker

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"slices"
)

// record is what all replicas know about one breaker. One that is closed, with no failure in a row and none in its window,
// has no record.
type record struct {
	state    State
	owner    string // the agent whose failure made it; it pays for it in the bounds
	probe    string // half open: the decision that is the probe
	cause    string // the decision whose report counted last, so that a report which is sent again does not count again
	failures int64  // in a row; open by a rate: those in the window then
	until    int64  // open: when a probe is admitted; half open: when the probe's time is over. Microseconds
	touched  int64  // when it changed last, microseconds
	width    int64  // of a part, microseconds
	parts    []part // of the window of rates, by index, none empty
}

// parts is how many parts a window of rates has. A part counts until it has wholly left the window, so that one more than
// these can be live.
const parts = 10

// part is what was reported in one part of the window.
type part struct{ index, calls, failures int64 }

// forgetAfter is how long a breaker that nobody reports on is kept after its cool-down, microseconds. Without an end, keys
// that never come back would fill the store.
const forgetAfter = 86_400 * second

// moment is the ledger's time in microseconds: not before earliest, not after latest.
type moment struct{ earliest, latest int64 }

// forgotten says whether a record is too old to mean anything. A store may drop it then, and need not.
func (r *record) forgotten(now moment) bool {
	return now.earliest-max(r.touched, r.until) > r.lasts()
}

// lasts is for how long a record means something after its last change, microseconds: one that is all window, no longer
// than that.
func (r *record) lasts() int64 {
	if r != nil && r.state == Closed && r.failures == 0 {
		return min(r.width*(parts+1), forgetAfter)
	}
	return forgetAfter
}

// holds says whether the breaker keeps an action back: it is open, or another probe is under way.
func (r *record) holds(now moment, decision string) bool {
	return r != nil && r.state != Closed && !r.over(now) && !r.probedBy(decision)
}

// ready says whether an action may become the probe.
func (r *record) ready(now moment, decision string) bool {
	return r != nil && r.state != Closed && r.over(now) && !r.probedBy(decision)
}

// over says whether the cool-down is surely over, or the time of the probe.
func (r *record) over(now moment) bool { return now.earliest >= r.until }

func (r *record) probedBy(decision string) bool {
	return r != nil && r.state == HalfOpen && decision != "" && r.probe == decision
}

func (r *record) clone() *record {
	out := *r
	out.parts = slices.Clone(r.parts)
	return &out
}

// format is the first byte of a record, so that a later version can tell what it reads.
const format = 1

// stateCodes are what records hold. Never change them.
var stateCodes = map[State]byte{Closed: 1, Open: 2, HalfOpen: 3}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode writes a record: the format, its fields, and a checksum, for a bit that turns over must close no breaker. It is
// nil for none.
func (r *record) encode() []byte {
	if r == nil {
		return nil
	}
	to := append(make([]byte, 0, 96), format, stateCodes[r.state])
	for _, s := range []string{r.owner, r.probe, r.cause} {
		to = append(binary.AppendUvarint(to, uint64(len(s))), s...)
	}
	for _, v := range []int64{r.failures, r.until, r.touched, r.width, int64(len(r.parts))} {
		to = binary.AppendUvarint(to, uint64(v))
	}
	for _, p := range r.parts {
		to = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(to, uint64(p.index)), uint64(p.calls)), uint64(p.failures))
	}
	return binary.LittleEndian.AppendUint32(to, crc32.Checksum(to, castagnoli))
}

var errRecord = errors.New("its record is damaged, or was written by a later version")

// decode reads a record; nil for none.
func decode(value []byte) (*record, error) {
	if value == nil {
		return nil, nil
	}
	n := len(value) - crc32.Size
	if n < 2 || value[0] != format || binary.LittleEndian.Uint32(value[n:]) != crc32.Checksum(value[:n], castagnoli) {
		return nil, errRecord
	}
	r := &record{}
	for state, code := range stateCodes {
		if code == value[1] {
			r.state = state
		}
	}
	in := reader{rest: value[2:n]}
	r.owner, r.probe, r.cause = in.text(), in.text(), in.text()
	r.failures, r.until, r.touched, r.width = in.number(), in.number(), in.number(), in.number()
	count := in.number()
	for i := int64(0); i < count && !in.bad; i++ {
		r.parts = append(r.parts, part{in.number(), in.number(), in.number()})
	}
	if in.bad || len(in.rest) > 0 || r.state == "" || (len(r.parts) > 0 && r.width < 1) {
		return nil, errRecord
	}
	return r, nil
}

// reader takes a record apart. Once bad, it returns zero values.
type reader struct {
	rest []byte
	bad  bool
}

func (in *reader) number() int64 {
	v, n := binary.Uvarint(in.rest)
	if n <= 0 || v > math.MaxInt64 {
		in.bad, in.rest = true, nil
		return 0
	}
	in.rest = in.rest[n:]
	return int64(v)
}

func (in *reader) text() string {
	n := in.number()
	if in.bad || n > int64(len(in.rest)) {
		in.bad, in.rest = true, nil
		return ""
	}
	s := string(in.rest[:n])
	in.rest = in.rest[n:]
	return s
}
