package limit

import (
	"encoding/binary"
	"math"
)

// format is the first byte of every record, so that a later version can tell what it reads.
const format = 1

// reader takes apart a key or a record. Once bad, it returns zero values; a record that is bad denies.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// positive reads an integer that is not negative.
func (r *reader) positive() int64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > math.MaxInt64 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return int64(v)
}

func (r *reader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) string() string {
	n := r.positive()
	if r.bad || n > int64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reader) done() bool { return !r.bad && len(r.rest) == 0 }

// appendPart writes a part of a key behind its length, so that no two lists of parts make one key.
func appendPart(to []byte, part string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(part))), part...)
}

func appendInt(to []byte, v int64) []byte { return binary.AppendUvarint(to, uint64(max(v, 0))) }
