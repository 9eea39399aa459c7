package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// What a yes changes is written here first: in a bucket of a page or two, where the trees of all records and of all
// changes are several pages deep, and each page that is touched is one more to sync while an agent waits. The ask that comes
// next, which nobody waits for that long, moves it to where it stays. Until then it counts before what stands there.
//
// A row is a record, under recentRecord and its id, or a change, under recentChange and its cursor. The bucket's sequence is
// the newest cursor, if it is newer than the one of approvalChangesBucket.
//
// What has ended, or was used, goes where it stays at once. So whoever reads only there, as an earlier version does after a
// crash, misses a yes, and takes nothing for usable that is not.
var approvalRecentBucket = []byte("approval_recent")

const (
	recentRecord = 'r'
	recentChange = 'c'
)

// mostRecent is how many rows there may be before a verdict, too, moves them.
const mostRecent = 8

func recentKey(kind byte, key []byte) []byte { return append([]byte{kind}, key...) }

// record is a record as it is stored, nil if there is none. It is good until the next write of the transaction.
func (t approvalsTx) record(id []byte) []byte {
	if raw := t.bucket(approvalRecentBucket).Get(recentKey(recentRecord, id)); raw != nil {
		return raw
	}
	return t.bucket(approvalsBucket).Get(id)
}

// putRecord stores a record, with what is recent or where it stays.
func (t approvalsTx) putRecord(id, raw []byte, recent bool) error {
	if recent {
		return t.bucket(approvalRecentBucket).Put(recentKey(recentRecord, id), raw)
	}
	if err := t.bucket(approvalRecentBucket).Delete(recentKey(recentRecord, id)); err != nil {
		return err
	}
	return t.bucket(approvalsBucket).Put(id, raw)
}

func (t approvalsTx) deleteRecord(id []byte) error {
	if err := t.bucket(approvalRecentBucket).Delete(recentKey(recentRecord, id)); err != nil {
		return err
	}
	return t.bucket(approvalsBucket).Delete(id)
}

// newest is the newest cursor.
func (t approvalsTx) newest() uint64 {
	return max(t.bucket(approvalChangesBucket).Sequence(), t.bucket(approvalRecentBucket).Sequence())
}

// journal appends one change.
func (t approvalsTx) journal(id []byte, sequence uint64) error {
	b := t.bucket(approvalRecentBucket)
	cursor := t.newest() + 1
	if err := b.SetSequence(cursor); err != nil {
		return fmt.Errorf("number the change: %w", err)
	}
	if err := b.Put(recentKey(recentChange, number(cursor)), append(number(sequence), id...)); err != nil {
		return fmt.Errorf("append the change: %w", err)
	}
	return nil
}

// refOf reads a change; false if the row was damaged.
func refOf(key, v []byte) (ref approval.ChangeRef, whole bool) {
	if len(key) != 8 || len(v) < 8 {
		return ref, false
	}
	return approval.ChangeRef{Cursor: cursorOf(key), Sequence: binary.BigEndian.Uint64(v), ID: string(v[8:])}, true
}

// cursorOf is the cursor of a change's key; 0, and so older than all, of one that was damaged.
func cursorOf(key []byte) uint64 {
	if len(key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// changes yields the changes from a cursor on. It leaves out what was damaged: the next one does not follow the last then.
func (t approvalsTx) changes(from uint64) func(yield func(approval.ChangeRef) bool) {
	return func(yield func(approval.ChangeRef) bool) {
		c := t.bucket(approvalChangesBucket).Cursor()
		for k, v := c.Seek(number(from)); k != nil; k, v = c.Next() {
			if ref, whole := refOf(k, v); whole && !yield(ref) {
				return
			}
		}
		c = t.bucket(approvalRecentBucket).Cursor()
		for k, v := c.Seek(recentKey(recentChange, number(from))); k != nil && k[0] == recentChange; k, v = c.Next() {
			if ref, whole := refOf(k[1:], v); whole && !yield(ref) {
				return
			}
		}
	}
}

// settle moves what is recent to where it stays, if there are more than spare rows of it. It leaves rows that are neither: they
// were damaged.
func (t approvalsTx) settle(spare int) error {
	recent, changes := t.bucket(approvalRecentBucket), t.bucket(approvalChangesBucket)
	type row struct {
		to         *bbolt.Bucket
		key, value []byte
	}
	var rows []row
	c := recent.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		switch {
		case len(k) > 1 && k[0] == recentRecord:
			rows = append(rows, row{t.bucket(approvalsBucket), bytes.Clone(k), bytes.Clone(v)})
		case len(k) == 9 && k[0] == recentChange:
			rows = append(rows, row{changes, bytes.Clone(k), bytes.Clone(v)})
		}
	}
	if len(rows) <= spare {
		return nil
	}
	changes.FillPercent = .95 // nothing is put between two: full pages make a flatter tree
	if err := changes.SetSequence(t.newest()); err != nil {
		return fmt.Errorf("settle what is recent: %w", err)
	}
	for _, r := range rows {
		if err := r.to.Put(r.key[1:], r.value); err != nil {
			return fmt.Errorf("settle what is recent: %w", err)
		}
		if err := recent.Delete(r.key); err != nil {
			return fmt.Errorf("settle what is recent: %w", err)
		}
	}
	return nil
}

// overtaken drops what a version of the program that knows nothing recent has gone beyond, and says whether there was any: it has
// used the directory after this one had crashed. Its records have another history then, and its changes have the cursors
// of those that are recent. A cursor is left out, so that whoever watches lists anew.
func (t approvalsTx) overtaken() (bool, error) {
	recent, settled := t.bucket(approvalRecentBucket), t.bucket(approvalChangesBucket).Sequence()
	var drop [][]byte
	twice := false // the first recent cursor, and so perhaps any, was given out twice
	c := recent.Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		change, record := len(k) == 9 && k[0] == recentChange, len(k) > 1 && k[0] == recentRecord
		twice = twice || change && cursorOf(k[1:]) <= settled
		if change && twice || record && !t.follows(k[1:], raw) {
			drop = append(drop, bytes.Clone(k))
		}
	}
	if len(drop) == 0 {
		return false, nil
	}
	for _, k := range drop {
		if err := recent.Delete(k); err != nil {
			return false, fmt.Errorf("drop what was overtaken: %w", err)
		}
	}
	if err := recent.SetSequence(t.newest() + 1); err != nil {
		return false, fmt.Errorf("drop what was overtaken: %w", err)
	}
	return true, nil
}

// follows says whether a recent record is a later one of that which stands where it stays. What cannot be read is left for
// whoever reads it.
func (t approvalsTx) follows(id, raw []byte) bool {
	settled, err := decode(id, t.bucket(approvalsBucket).Get(id))
	if errors.Is(err, approval.ErrNotFound) {
		return false // it was removed
	}
	rec, damaged := decode(id, raw)
	if err != nil || damaged != nil {
		return true
	}
	n := len(settled.Changes)
	return n <= len(rec.Changes) && slices.EqualFunc(settled.Changes, rec.Changes[:n], func(a, b approval.Change) bool {
		same := a.At.Equal(b.At)
		a.At = b.At // without their locations
		return same && a == b
	})
}

// settleApprovals leaves nothing recent, so that a version of the program that knows no such bucket reads all there is.
func settleApprovals(db *bbolt.DB) error {
	return db.Update(func(tx *bbolt.Tx) error { return approvalsTx{tx: tx}.settle(0) })
}
