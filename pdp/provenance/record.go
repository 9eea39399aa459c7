package provenance

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"
)

// record is one session.
type record struct {
	Started, Last        time.Time
	Labels, Tools, Items map[string]struct{}
	Calls                history

	fresh  bool      // never stored yet
	stored time.Time // Last, as it stands in the store
}

// recordVersion begins a stored session. Then come, as varints and length-prefixed strings: started and last, the three
// sets, and the history of calls: the digests of the last few, how long each has been going round, and pairs of digest
// and count, the most recent first. It is written once a decision, hence not JSON.
const recordVersion = 2

var errBadRecord = errors.New("stored session is damaged")

func (r *record) encode() []byte {
	out := make([]byte, 0, 128+12*len(r.Calls.counted))
	out = append(out, recordVersion)
	out = binary.AppendVarint(out, r.Started.UnixNano())
	out = binary.AppendVarint(out, r.Last.UnixNano())
	for _, set := range []map[string]struct{}{r.Labels, r.Tools, r.Items} {
		out = binary.AppendUvarint(out, uint64(len(set)))
		for item := range set {
			out = binary.AppendUvarint(out, uint64(len(item)))
			out = append(out, item...)
		}
	}
	return r.Calls.append(out)
}

// reader takes a stored session apart. After the first defect all it gives is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	head := r.rest[:n]
	r.rest = r.rest[n:]
	return head
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.take(uint64(n))
	return v
}

func (r *reader) unsigned() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.take(uint64(n))
	return v
}

func (r *reader) set() map[string]struct{} {
	out := map[string]struct{}{}
	for n := r.unsigned(); n > 0 && !r.bad; n-- {
		out[string(r.take(r.unsigned()))] = struct{}{}
	}
	return out
}

func decode(raw []byte) (*record, error) {
	in := &reader{rest: raw}
	version := in.take(1)
	if in.bad || version[0] < 1 || version[0] > recordVersion {
		return nil, errBadRecord
	}
	r := &record{Started: time.Unix(0, in.signed()).UTC(), Last: time.Unix(0, in.signed()).UTC()}
	if version[0] == 1 { // it counted calls in another way, which is forgotten
		in.signed()
	}
	r.Labels, r.Tools, r.Items, r.stored = in.set(), in.set(), in.set(), r.Last
	if version[0] > 1 {
		r.Calls = in.history()
	}
	if in.bad {
		return nil, errBadRecord
	}
	return r, nil
}

func sorted(set map[string]struct{}) []string { return slices.Sorted(maps.Keys(set)) }
