package embedded

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/v1"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// formerStatesBucket had a row for each state and id, with whether it is live.
var formerStatesBucket = []byte("approval_states")

// formerRecentBucket had what the journal holds now: records under 'r' and their ids, changes under 'c' and their cursors.
var formerRecentBucket = []byte("approval_recent")

// adoptRecent puts what an earlier version had kept apart to its place.
func (t approvalsTx) adoptRecent() error {
	recent, changes := t.bucket(formerRecentBucket), t.bucket(approvalChangesBucket)
	if recent == nil {
		return nil
	}
	places := map[byte]*bbolt.Bucket{'r': t.bucket(approvalsBucket), 'c': changes}
	err := recent.ForEach(func(k, v []byte) error {
		if place := places[k[0]]; place != nil && len(k) > 1 {
			return place.Put(k[1:], v)
		}
		return nil // damaged
	})
	if err == nil {
		err = changes.SetSequence(max(changes.Sequence(), recent.Sequence()))
	}
	if err == nil {
		err = t.tx.DeleteBucket(formerRecentBucket)
	}
	if err != nil {
		return fmt.Errorf("adopt what was recent: %w", err)
	}
	return nil
}

// row is one row of an index.
type row struct{ bucket, key, value []byte }

// place is what of a record its index rows are made of, and nothing else is: while it stays the same, so do they.
type place struct {
	id, tenant, agent, session, digest string
	created, due                       int64 // nanoseconds since 1970
	group                              byte
	live                               bool
}

func placeOf(rec *approval.Record) place {
	a := &rec.Approval
	return place{
		id: a.ID, tenant: a.Tenant, agent: a.Agent, session: a.Session, digest: a.Digest,
		created: a.Created.UnixNano(), due: rec.Due.UnixNano(), group: groupOf(a), live: a.Live(),
	}
}

// rows are the index rows of a record that is there.
func (p place) rows() []row {
	id := []byte(p.id)
	rows := []row{
		{approvalGroupsBucket, append([]byte{p.group}, id...), nil},
		{approvalDueBucket, append(number(uint64(p.due)), id...), nil},
		{approvalAskedBucket, append(askedPrefix(p.tenant, p.agent), append(moment(p.created), id...)...), []byte(p.session)},
		{approvalDigestsBucket, append(digestPrefix(p.tenant, p.agent, p.digest), append(moment(p.created), id...)...), id},
	}
	if p.live {
		rows = append(rows, row{approvalLiveBucket, append(part(part(nil, p.tenant), p.agent), id...), id})
	}
	return rows
}

// moment orders times, none first.
func moment(nano int64) []byte { return number(uint64(max(nano, 0))) }

func askedPrefix(tenant, agent string) []byte { return part(part(nil, tenant), agent) }

func digestPrefix(tenant, agent, digest string) []byte {
	return part(part(part(nil, tenant), agent), digest)
}

// askedTooOften says whether an agent, or the session that asks, has used up what it may ask within the window.
func (t approvalsTx) askedTooOften(a *approval.Approval, caps approval.Caps) bool {
	prefix := askedPrefix(a.Tenant, a.Agent)
	byAgent, inSession := 0, 0
	c := t.bucket(approvalAskedBucket).Cursor()
	from := append(slices.Clone(prefix), moment(caps.Since.UnixNano()+1)...)
	for k, session := c.Seek(from); k != nil && bytes.HasPrefix(k, prefix); k, session = c.Next() {
		byAgent++
		if string(session) == a.Session {
			inSession++
		}
		if caps.AskedByAgent > 0 && byAgent >= caps.AskedByAgent || caps.AskedInSession > 0 && inSession >= caps.AskedInSession {
			return true
		}
	}
	return false
}

// formerIndex says whether an earlier version has made the index, without rows that are there now or with others: it leaves the
// bucket of its own, also where the directory was used with it in between.
func (t approvalsTx) formerIndex() bool {
	k, _ := t.bucket(approvalAskedBucket).Cursor().First()
	return k == nil || t.bucket(formerStatesBucket) != nil
}

// index makes all rows and counts anew, of the records. One that cannot be read is due at once: the sweeper says what is wrong.
func (t approvalsTx) index() error {
	for _, name := range [][]byte{
		formerStatesBucket, approvalGroupsBucket, approvalLiveBucket, approvalDueBucket, approvalAskedBucket, approvalDigestsBucket, approvalCountsBucket,
	} {
		if err := t.tx.DeleteBucket(name); err != nil && !errors.Is(err, berrors.ErrBucketNotFound) {
			return fmt.Errorf("make index: %w", err)
		}
		if bytes.Equal(name, formerStatesBucket) {
			continue
		}
		if _, err := t.tx.CreateBucket(name); err != nil {
			return fmt.Errorf("make index: %w", err)
		}
	}
	tallies := map[string]int64{}
	err := t.bucket(approvalsBucket).ForEach(func(id, _ []byte) error {
		rec, err := t.load(id)
		if _, damaged := errors.AsType[*approval.Unreadable](err); damaged {
			return t.bucket(approvalDueBucket).Put(append(number(0), id...), nil)
		}
		if err != nil {
			return err
		}
		for _, d := range talliesOf(&rec) {
			tallies[string(d.scope)] += d.n
		}
		return t.move(place{}, placeOf(&rec))
	})
	if err != nil {
		return err
	}
	return t.add(tallies)
}

// The scopes under which is counted. pendingScope is the prefix of the other two of its kind.
var (
	pendingScope = []byte("pending")
	bytesScope   = []byte("bytes")
)

func tenantScope(a *approval.Approval) []byte { return part([]byte("pending/"), a.Tenant) }
func agentScope(a *approval.Approval) []byte  { return part(tenantScope(a), a.Agent) }

type tally struct {
	scope []byte
	n     int64
}

// talliesOf are what a record adds to the counts.
func talliesOf(rec *approval.Record) []tally {
	var out []tally
	if a := &rec.Approval; a.State == approval.Pending {
		out = append(out, tally{pendingScope, 1}, tally{tenantScope(a), 1}, tally{agentScope(a), 1})
	}
	if rec.Approval.Live() {
		out = append(out, tally{bytesScope, rec.ContentBytes})
	}
	return out
}

// difference is what the counts change by when after takes the place of before; nil is none.
func difference(before, after *approval.Record) map[string]int64 {
	tallies := map[string]int64{}
	if before != nil {
		for _, d := range talliesOf(before) {
			tallies[string(d.scope)] -= d.n
		}
	}
	if after != nil {
		for _, d := range talliesOf(after) {
			tallies[string(d.scope)] += d.n
		}
	}
	return tallies
}

// replace puts after where before was, with its index, counts, content and changes. before is nil for what is new, after for what
// goes. It writes only what differs: each bucket that is touched is some pages more to sync before a verdict is answered.
func (t approvalsTx) replace(before, after *approval.Record) error {
	var was, shall place
	if before != nil {
		was = placeOf(before)
	}
	if after != nil {
		shall = placeOf(after)
	}
	if err := t.move(was, shall); err != nil {
		return err
	}
	if err := t.add(difference(before, after)); err != nil {
		return err
	}
	if after == nil || !after.Approval.Live() {
		if err := t.bucket(approvalContentsBucket).Delete([]byte(cmp.Or(was.id, shall.id))); err != nil {
			return fmt.Errorf("erase content: %w", err)
		}
	}
	if after == nil {
		return t.bucket(approvalsBucket).Delete([]byte(was.id))
	}
	id, changes := []byte(shall.id), 0
	if before != nil {
		changes = len(before.Changes)
	}
	for n := changes + 1; n <= len(after.Changes); n++ {
		if err := t.note(id, uint64(n)); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(after)
	if err != nil {
		return fmt.Errorf("encode approval %s: %w", id, err)
	}
	return t.bucket(approvalsBucket).Put(id, raw)
}

// move changes the index rows of a record: from, if it has any, to those that it shall have, if any.
func (t approvalsTx) move(from, to place) error {
	if from == to {
		return nil
	}
	var before, after []row
	if from.id != "" {
		before = from.rows()
	}
	if to.id != "" {
		after = to.rows()
	}
	same := func(list []row, r row) bool {
		return slices.ContainsFunc(list, func(o row) bool {
			return bytes.Equal(o.bucket, r.bucket) && bytes.Equal(o.key, r.key) && bytes.Equal(o.value, r.value)
		})
	}
	for _, r := range before {
		if same(after, r) {
			continue
		}
		if err := t.bucket(r.bucket).Delete(r.key); err != nil {
			return fmt.Errorf("change index: %w", err)
		}
	}
	for _, r := range after {
		if same(before, r) {
			continue
		}
		if err := t.bucket(r.bucket).Put(r.key, r.value); err != nil {
			return fmt.Errorf("change index: %w", err)
		}
	}
	return nil
}

// newest is the newest cursor.
func (t approvalsTx) newest() uint64 {
	if n := len(t.held); n > 0 {
		return t.held[n-1].next() - 1
	}
	return t.bucket(approvalChangesBucket).Sequence()
}

// note appends a change to the feed.
func (t approvalsTx) note(id []byte, sequence uint64) error {
	b := t.bucket(approvalChangesBucket)
	b.FillPercent = .95 // nothing is put between two: full pages make a flatter tree
	cursor, err := b.NextSequence()
	if err != nil {
		return fmt.Errorf("number the change: %w", err)
	}
	if err := b.Put(number(cursor), append(number(sequence), id...)); err != nil {
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
		for _, e := range t.held {
			for ref := range e.refs {
				if ref.Cursor >= from && !yield(ref) {
					return
				}
			}
		}
	}
}

// overdue is how many changes may be kept beyond the window until some other write than an ask forgets them.
const overdue = 128

// forget drops the changes that have left the window, if there are more than spare of them. The ask that comes does it, so
// that a verdict need not touch the far end of the feed while an agent waits.
func (t approvalsTx) forget(spare uint64) error {
	b := t.bucket(approvalChangesBucket)
	last, c := t.newest(), b.Cursor()
	k := first(c.First())
	if k == nil || cursorOf(k)+t.window+spare > last {
		return nil
	}
	for n := 0; k != nil && n < 2*overdue && cursorOf(k)+t.window <= last; k, n = first(c.First()), n+1 {
		if err := c.Delete(); err != nil {
			return fmt.Errorf("forget a change: %w", err)
		}
	}
	return nil
}

func first(k, _ []byte) []byte { return k }

func (t approvalsTx) count(scope []byte) (n int64) {
	if v := t.bucket(approvalCountsBucket).Get(scope); len(v) == 8 {
		n = int64(binary.BigEndian.Uint64(v))
	}
	for _, e := range t.held {
		n += difference(&e.before, &e.rec)[string(scope)]
	}
	return n
}

var errCount = errors.New("a count fell below zero")

func (t approvalsTx) add(tallies map[string]int64) error {
	b := t.bucket(approvalCountsBucket)
	for scope, d := range tallies {
		if d == 0 {
			continue
		}
		n := t.count([]byte(scope)) + d
		if n < 0 {
			return fmt.Errorf("%w: that of %q", errCount, scope)
		}
		var err error
		if n == 0 { // no row for agents that ask for nothing
			err = b.Delete([]byte(scope))
		} else {
			err = b.Put([]byte(scope), number(uint64(n)))
		}
		if err != nil {
			return fmt.Errorf("count: %w", err)
		}
	}
	return nil
}

// The groups of records, as they are on disk: never change one. What is live is one group, so that a yes, which leaves it
// live, moves no row: it is what an agent waits for. What ended is grouped by its state.
const liveGroup = 'l'

var (
	ended       = map[approval.State]byte{approval.Approved: 'a', approval.Rejected: 'r', approval.Expired: 'e', approval.Cancelled: 'c'}
	endedGroups = []byte("acer")
)

func groupOf(a *approval.Approval) byte {
	if a.Live() {
		return liveGroup
	}
	return ended[a.State]
}

// groupsOf are the groups in which there may be records in these states.
func groupsOf(states []approval.State) []byte {
	var groups []byte
	for _, s := range states {
		if s == approval.Pending || s == approval.Approved {
			groups = append(groups, liveGroup)
		}
		if g, ok := ended[s]; ok {
			groups = append(groups, g)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(groups)))
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// part appends a length-prefixed name, so that no two lists of names make the same key.
func part(to []byte, name string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(name))), name...)
}
