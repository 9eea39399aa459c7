package limit

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// format is the first byte of every record, so that a later version can tell what it reads.
const format = 1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal ends a counter's record with a checksum: a bit that turns over on the disk must not make room.
func seal(to []byte) []byte {
	return binary.LittleEndian.AppendUint32(to, crc32.Checksum(to, castagnoli))
}

func unseal(value []byte) ([]byte, bool) {
	n := len(value) - 4
	if n < 0 || binary.LittleEndian.Uint32(value[n:]) != crc32.Checksum(value[:n], castagnoli) {
		return nil, false
	}
	return value[:n], true
}

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
