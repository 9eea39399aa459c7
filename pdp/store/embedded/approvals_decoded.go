package embedded

import (
	"bytes"
	"slices"
	"sync"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

const (
	// mostDecoded is how many records are remembered, and mostDecodedBytes how long one may be.
	mostDecoded      = 512
	mostDecodedBytes = 8 << 10
)

// decoded remembers what records were read as, with the bytes that they were read from: a verdict needs the one that was read a
// moment before, while an agent waits. It answers only to the very bytes that are stored, so it can't say anything that they do
// not. Safe for concurrent use.
type decoded struct {
	mu   sync.Mutex
	byID map[string]decodedRecord
}

type decodedRecord struct {
	raw []byte
	rec approval.Record
}

// read is decode. Whoever appends to a slice of the record appends to a copy; nobody changes what is in one.
func (d *decoded) read(id, raw []byte) (approval.Record, error) {
	d.mu.Lock()
	held, ok := d.byID[string(id)]
	d.mu.Unlock()
	if ok && bytes.Equal(held.raw, raw) {
		return held.rec, nil
	}
	rec, err := decode(id, raw)
	if err != nil || len(raw) > mostDecodedBytes {
		return rec, err
	}
	rec.Changes, rec.Approval.Votes = slices.Clip(rec.Changes), slices.Clip(rec.Approval.Votes)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byID == nil || len(d.byID) >= mostDecoded {
		d.byID = map[string]decodedRecord{}
	}
	d.byID[string(id)] = decodedRecord{bytes.Clone(raw), rec}
	return rec, nil
}
