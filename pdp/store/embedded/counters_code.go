package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// counterFormat is the first byte of each record, so that a later version can tell what it reads.
const counterFormat = 2

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	errRecord  = errors.New("the record is damaged, or of another version")
)

// joinKey is a key in the database: the tenant behind its length, then what the tenant calls it.
func joinKey(tenant string, key []byte) []byte {
	to := binary.AppendUvarint(make([]byte, 0, len(tenant)+len(key)+2), uint64(len(tenant)))
	return append(append(to, tenant...), key...)
}

func splitKey(name []byte) (tenant string, key []byte, ok bool) {
	n, size := binary.Uvarint(name)
	if size <= 0 || n > uint64(len(name)-size) {
		return "", nil, false
	}
	return string(name[size : size+int(n)]), name[size+int(n):], true
}

// writer and reader put records together and take them apart. Integers are never negative, but an index may be.
type writer []byte

func (w *writer) int(v int64)   { *w = binary.AppendVarint(*w, v) }
func (w *writer) text(s string) { w.int(int64(len(s))); *w = append(*w, s...) }
func (w *writer) seal() []byte {
	return binary.LittleEndian.AppendUint32(*w, crc32.Checksum(*w, castagnoli))
}
func newWriter(room int) *writer  { w := append(make(writer, 0, room), counterFormat); return &w }
func newReader(b []byte) *reading { r := &reading{}; r.open(b); return r }

type reading struct {
	rest []byte
	bad  bool
}

// open checks the seal: a bit that turns over on the disk must not make room.
func (r *reading) open(b []byte) {
	n := len(b) - 4
	if n < 1 || b[0] != counterFormat || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		r.bad = true
		return
	}
	r.rest = b[1:n]
}

func (r *reading) int() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// units reads an integer that is not negative.
func (r *reading) units() int64 {
	v := r.int()
	r.bad = r.bad || v < 0
	return max(v, 0)
}

func (r *reading) text() string {
	n := r.units()
	if r.bad || n > int64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

func (r *reading) err() error {
	if r.bad || len(r.rest) > 0 {
		return errRecord
	}
	return nil
}

func encodeCounter(c *ledger.Counter) []byte {
	w := newWriter(32 + len(c.Owner) + 6*len(c.Buckets) + 64*len(c.Blocks))
	w.text(c.Owner)
	w.int(int64(c.Period.Kind))
	w.int(c.Period.Width)
	w.int(int64(len(c.Buckets)))
	last := int64(0)
	for _, b := range c.Buckets {
		w.int(b.Index - last)
		w.int(b.Units)
		last = b.Index
	}
	w.int(int64(len(c.Blocks)))
	for _, b := range c.Blocks {
		w.text(b.Holder)
		w.int(b.Units)
		w.int(b.ExpiresAt)
		w.int(b.Seq)
	}
	return w.seal()
}

// mostParts bounds what a record may claim to hold.
const mostParts = 1 << 16

func decodeCounter(value []byte) (*ledger.Counter, error) {
	r := newReader(value)
	c := &ledger.Counter{Owner: r.text()}
	kind := r.units()
	c.Period = ledger.Period{Kind: ledger.PeriodKind(min(kind, math.MaxUint8)), Width: r.units()}
	buckets, last := r.units(), int64(0)
	if r.bad || buckets > mostParts {
		return nil, errRecord
	}
	c.Buckets = make([]ledger.Stamp, 0, buckets+1)
	for range buckets {
		last += r.int()
		c.Buckets = append(c.Buckets, ledger.Stamp{Index: last, Units: r.units()})
	}
	blocks := r.units()
	if r.bad || blocks > mostParts {
		return nil, errRecord
	}
	for range blocks {
		c.Blocks = append(c.Blocks, ledger.Block{Holder: r.text(), Units: r.units(), ExpiresAt: r.units(), Seq: r.units()})
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	if err := c.Period.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	return c, nil
}

// heldRecord is a reservation as it is kept.
type heldRecord struct {
	owner     string
	expiresAt int64
	record    []byte
}

func encodeReservation(h heldRecord) []byte {
	w := newWriter(32 + len(h.owner) + len(h.record))
	w.text(h.owner)
	w.int(h.expiresAt)
	w.text(string(h.record))
	return w.seal()
}

func decodeReservation(value []byte) (heldRecord, error) {
	r := newReader(value)
	h := heldRecord{owner: r.text(), expiresAt: r.int(), record: []byte(r.text())}
	return h, r.err()
}
