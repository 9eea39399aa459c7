package embedded

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/go-json-experiment/json/v1"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// An agent stands still while a yes is written, and a transaction of bbolt syncs twice: its pages, then the page that makes them
// count. So a yes is appended to a file of fixed size beside the database, with one sync, and held in memory. The next
// transaction on approvals, which nobody waits for that long, takes in what is held before it does anything else. Until then what
// is held counts before what stands in the database.
//
// Nothing but a yes is here: what has ended, or was used, is in the database at once. So whoever lacks this file, because it is
// damaged, or they have a copy of the database alone, or are an earlier version of the program, misses a yes, and takes nothing
// for usable that is not.

// JournalName is the name of the journal inside the data directory.
const JournalName = "approvals.journal"

const (
	// journalPage is what an entry begins at a multiple of, so that writing one never writes what stands before it again.
	journalPage = 4096
	journalSize = 32 * journalPage
	// mostGivenOut is more cursors than what is held can have: an entry has one, or two where time changed the record as well.
	mostGivenOut = 4 * journalSize / journalPage
	// An entry is this head, then the record as JSON.
	//
	//	0 magic, version   4 length of the JSON   8 run   16 number   24 first cursor   32 CRC-32C of all before and of the JSON
	journalHead  = 36
	journalMagic = "pcj\x01"
)

// approvalJournalBucket says, under journalRun, whose journal belongs to the database: a random number for each time it is opened,
// and none once it was closed.
// The bucket's sequence is the last of its entries that the database holds, or has gone beyond.
var (
	approvalJournalBucket = []byte("approval_journal")
	journalRun            = []byte("run")
)

// journal is the file, and what of it is held. Its methods but held are for one writer at a time.
type journal struct {
	file *os.File
	sync func(*os.File) error // tests let it fail
	run  uint64
	last uint64 // the number of the newest entry, whether or not it could be written
	end  int64  // where the next one begins
	now  atomic.Pointer[[]entry]
}

// entry is a record that was changed, after the database or the entry before.
type entry struct {
	run, number uint64
	cursor      uint64 // of its first change
	before, rec approval.Record
}

// openJournal opens the file in dir, makes it if it is not there, and returns what it holds. That may be of another run.
func openJournal(dir string) (j *journal, left leftover, err error) {
	path := filepath.Join(dir, JournalName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, left, fmt.Errorf("open the journal of approvals: %w", err)
	}
	raw := make([]byte, journalSize)
	n, err := 0, regular(f)
	if err == nil {
		n, err = io.ReadFull(f, raw)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		// Written in full once, so that no later write has to find room or changes what the file system knows of it.
		_, err = f.WriteAt(raw[n:], int64(n))
	}
	if err == nil {
		err = errors.Join(f.Sync(), syncFolder(dir)) // also what a start before was killed over
	}
	if err != nil {
		return nil, left, errors.Join(fmt.Errorf("%s cannot be used; without it, the last approvals may be pending again: %w", path, err), f.Close())
	}
	return &journal{file: f, sync: datasync, run: random()}, leftover{entries(raw), n == 0}, nil
}

// leftover is what a journal held when it was opened.
type leftover struct {
	entries []entry
	none    bool // there was no such file
}

// regular refuses what would be waited for, such as a pipe.
func regular(f *os.File) error {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	return err
}

// entries are those at the begin of a journal that are whole and follow each other.
func entries(raw []byte) (list []entry) {
	for len(raw) >= journalHead {
		e, size, ok := readEntry(raw)
		if !ok || len(list) > 0 && (e.run != list[0].run || e.number != list[len(list)-1].number+1) {
			break
		}
		list = append(list, e)
		raw = raw[size:]
	}
	return list
}

// readEntry reads the entry at the begin of raw, and says where the next one begins.
func readEntry(raw []byte) (e entry, size int, ok bool) {
	length := uint64(binary.BigEndian.Uint32(raw[4:]))
	if string(raw[:4]) != journalMagic || length > uint64(len(raw)-journalHead) {
		return e, 0, false
	}
	body := raw[journalHead : journalHead+length]
	if checksum(raw, body) != binary.BigEndian.Uint32(raw[32:]) || json.Unmarshal(body, &e.rec) != nil || e.rec.Damaged() != nil {
		return e, 0, false
	}
	e.run, e.number, e.cursor = binary.BigEndian.Uint64(raw[8:]), binary.BigEndian.Uint64(raw[16:]), binary.BigEndian.Uint64(raw[24:])
	return e, min(paged(journalHead+len(body)), len(raw)), true
}

func (e *entry) encode() ([]byte, error) {
	body, err := json.Marshal(&e.rec)
	if err != nil {
		return nil, fmt.Errorf("encode approval %s: %w", e.rec.Approval.ID, err)
	}
	raw := make([]byte, 0, journalHead+len(body))
	raw = append(raw, journalMagic...)
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(body)))
	for _, n := range []uint64{e.run, e.number, e.cursor} {
		raw = binary.BigEndian.AppendUint64(raw, n)
	}
	raw = binary.BigEndian.AppendUint32(raw, checksum(raw, body))
	return append(raw, body...), nil
}

func checksum(raw, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(raw[:32], castagnoli), castagnoli, body)
}

func paged(n int) int { return (n + journalPage - 1) / journalPage * journalPage }

// held are the entries that the database may lack, oldest first. Nobody changes what was returned.
func (j *journal) held() []entry {
	if list := j.now.Load(); list != nil {
		return *list
	}
	return nil
}

// append makes a change durable and holds it. It returns false where that has to be done by a transaction: there is no room until
// what is held was taken in, or the file could not be written. In that case it may have the entry or not; the transaction goes
// beyond it.
func (j *journal) append(before, after *approval.Record, cursor uint64) bool {
	e := entry{j.run, j.last + 1, cursor, *before, *after}
	e.rec.Changes, e.rec.Approval.Votes = slices.Clip(e.rec.Changes), slices.Clip(e.rec.Approval.Votes)
	raw, err := e.encode()
	end := j.end + int64(paged(len(raw)))
	if err != nil || end > journalSize {
		return false
	}
	j.last = e.number
	if _, err = j.file.WriteAt(raw, j.end); err == nil {
		err = j.sync(j.file)
	}
	if err != nil {
		j.end = journalSize // nothing may follow it
		return false
	}
	j.end = end
	list := append(slices.Clip(j.held()), e)
	j.now.Store(&list)
	return true
}

// taken says that the database has all that is held, and has gone beyond what could not be written. What it has is not left in the
// file: an older copy of the database of this run would take it for new, also a yes that was used or withdrawn since. The next
// sync makes that durable; until then, the database itself knows better.
func (j *journal) taken() {
	if j.end > 0 {
		j.clear()
	}
	j.end = 0
	j.now.Store(nil)
}

// clear leaves nothing in the file that can be read: entries count only behind a first one.
func (j *journal) clear() { _, _ = j.file.WriteAt(make([]byte, journalHead), 0) }

// lacks are the entries that the database does not have.
func (t approvalsTx) lacks(held []entry) []entry {
	if len(held) == 0 {
		return nil
	}
	taken := t.bucket(approvalJournalBucket).Sequence()
	return slices.DeleteFunc(slices.Clone(held), func(e entry) bool { return e.number <= taken })
}

// heldRecord is a record that the database has an earlier form of.
func (t approvalsTx) heldRecord(id []byte) (approval.Record, bool) {
	for _, e := range slices.Backward(t.held) {
		if e.rec.Approval.ID == string(id) {
			return e.rec, true
		}
	}
	return approval.Record{}, false
}

// refs yields the changes of an entry.
func (e *entry) refs(yield func(approval.ChangeRef) bool) {
	n := uint64(len(e.before.Changes))
	for i := range e.next() - e.cursor {
		if !yield(approval.ChangeRef{Cursor: e.cursor + i, ID: e.rec.Approval.ID, Sequence: n + i + 1}) {
			return
		}
	}
}

// next is the cursor of the change that comes after it.
func (e *entry) next() uint64 { return e.cursor + uint64(len(e.rec.Changes)-len(e.before.Changes)) }

// take puts what is held into the database. last is the newest entry that was begun, if only to fail.
func (t *approvalsTx) take(last uint64) error {
	held := t.held
	t.held = nil
	for _, e := range held {
		if err := t.keep(&e); err != nil {
			return fmt.Errorf("take in the journal of approvals: %w", err)
		}
	}
	if b := t.bucket(approvalJournalBucket); b.Sequence() != last {
		return b.SetSequence(last)
	}
	return nil
}

// keep puts an entry into the database. It was promised, and everything that comes later waits behind it: where the disk has damaged
// a count, all are made anew.
func (t approvalsTx) keep(e *entry) error {
	err := t.replace(&e.before, &e.rec)
	if errors.Is(err, errCount) {
		if err = t.index(); err == nil {
			err = t.replace(&e.before, &e.rec)
		}
	}
	return err
}

// recoverJournal takes in what a run that crashed has left in its journal, and begins that of another.
//
// In between, an earlier version of the program, which knows no journal, may have used the directory. What it has gone on with
// has another history then, and stays as it left it. It has given out cursors that the journal had given out, too. One is left
// out, so that whoever watches lists anew. So are those that a journal may have given out which is not there any more.
func (t approvalsTx) recoverJournal(of leftover, run uint64) error {
	b, changes := t.bucket(approvalJournalBucket), t.bucket(approvalChangesBucket)
	former := b.Get(journalRun)
	found := slices.DeleteFunc(of.entries, func(e entry) bool {
		return string(former) != string(number(e.run)) || e.number <= b.Sequence()
	})
	older := len(found) > 0 && found[0].number != b.Sequence()+1 // the database is, of the same run
	if older {
		found = nil
	}
	if older || of.none && former != nil {
		if err := changes.SetSequence(changes.Sequence() + mostGivenOut); err != nil {
			return fmt.Errorf("go beyond a journal of approvals: %w", err)
		}
	}
	var left []entry
	latest := map[string]approval.Record{}
	for _, e := range found {
		id := e.rec.Approval.ID
		before, ok := latest[id]
		if !ok {
			before, _ = t.load([]byte(id)) // what was removed, or is damaged, has no history
		}
		if follows(&before, &e.rec) && waitedFor(&before, &e.rec) { // nothing else is ever put there
			e.before, latest[id] = before, e.rec
			left = append(left, e)
		}
	}
	if len(left) < len(found) || len(found) > 0 && found[0].cursor != changes.Sequence()+1 {
		unused := found[len(found)-1].next() // or a later one: what was changed before may not be known
		if err := changes.SetSequence(max(unused, changes.Sequence()+1)); err != nil {
			return fmt.Errorf("recover the journal of approvals: %w", err)
		}
	}
	for _, e := range left {
		if err := t.keep(&e); err != nil {
			return fmt.Errorf("recover the journal of approvals: %w", err)
		}
	}
	if err := b.Put(journalRun, number(run)); err != nil {
		return fmt.Errorf("begin a journal of approvals: %w", err)
	}
	return b.SetSequence(0)
}

// follows says whether a record is a later one of another.
func follows(before, rec *approval.Record) bool {
	n := len(before.Changes)
	return n > 0 && n < len(rec.Changes) && slices.EqualFunc(before.Changes, rec.Changes[:n], func(a, b approval.Change) bool {
		same := a.At.Equal(b.At)
		a.At = b.At // without their locations
		return same && a == b
	})
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
