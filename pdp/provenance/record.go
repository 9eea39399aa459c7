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
	Digests              map[uint64]int64
	Dropped              int64 // proposals that fitted no digest counter
}

// recordVersion begins a stored session. Then come, as varints and length-prefixed strings: started, last and dropped,
// the three sets, and pairs of digest and count. It is written once a decision, hence not JSON.
const recordVersion = 1

var errBadRecord = errors.New("stored session is damaged")

func (r *record) encode() []byte {
	out := make([]byte, 0, 64+12*len(r.Digests))
	out = append(out, recordVersion)
	out = binary.AppendVarint(out, r.Started.UnixNano())
	out = binary.AppendVarint(out, r.Last.UnixNano())
	out = binary.AppendVarint(out, r.Dropped)
	for _, set := range []map[string]struct{}{r.Labels, r.Tools, r.Items} {
		out = binary.AppendUvarint(out, uint64(len(set)))
		for item := range set {
			out = binary.AppendUvarint(out, uint64(len(item)))
			out = append(out, item...)
		}
	}
	for digest, count := range r.Digests {
		out = binary.BigEndian.AppendUint64(out, digest)
		out = binary.AppendVarint(out, count)
	}
	return out
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
	if v := in.take(1); in.bad || v[0] != recordVersion {
		return nil, errBadRecord
	}
	r := &record{
		Started: time.Unix(0, in.signed()).UTC(), Last: time.Unix(0, in.signed()).UTC(), Dropped: in.signed(),
		Labels: in.set(), Tools: in.set(), Items: in.set(), Digests: map[uint64]int64{},
	}
	for len(in.rest) > 0 && !in.bad {
		digest := in.take(8)
		if count := in.signed(); !in.bad {
			r.Digests[binary.BigEndian.Uint64(digest)] = count
		}
	}
	if in.bad {
		return nil, errBadRecord
	}
	return r, nil
}

func sorted(set map[string]struct{}) []string { return slices.Sorted(maps.Keys(set)) }
