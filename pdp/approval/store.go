package approval

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Record is an approval as the store keeps it.
type Record struct {
	Approval Approval `json:"approval"`
	// Changes is its history: the n-th entry is what sequence n changed. Entries are only appended.
	Changes []Change `json:"changes"`
	// Due is when the sweeper has to look at it: a stage opens, it expires, lapses or is old enough to be removed.
	Due time.Time `json:"due"`
	// ContentBytes is the size of the sealed content.
	ContentBytes int64 `json:"content_bytes"`
	// Content, where a change sets it and the record stays live, takes the place of the sealed content in the same
	// transaction. It is not stored with the record, and a store never fills it in.
	Content []byte `json:"-"`
	// Doubtful is set by a store that may have forgotten what became of this record: a use, or a no. It is not stored.
	Doubtful bool `json:"-"`
}

// Damaged says what of a record, as it was read, cannot be; nil if it may have been written by this package. It keeps what a
// store was made to hold from stopping the process: it is no proof that the record is true.
func (r *Record) Damaged() error {
	a, n := &r.Approval, len(r.Changes)
	switch {
	case n == 0 || a.Sequence != uint64(n):
		return errors.New("its history is damaged")
	case !slices.Contains(States, a.State):
		return errors.New("its state is none")
	case a.Stage < 0 || a.Stage >= len(a.AllStages()) || len(a.Stages) > maxStages:
		return errors.New("its stages are damaged")
	}
	for i, c := range r.Changes {
		// Votes are only added. An edit may leave fewer stages than there were.
		if c.Votes < 0 || c.Votes > len(a.Votes) || i > 0 && c.Votes < r.Changes[i-1].Votes || c.Stage < 0 || !slices.Contains(States, c.State) {
			return errors.New("its history is damaged")
		}
	}
	return nil
}

// AsOf is the record as it stood after change n, counted from 1.
func (r *Record) AsOf(n uint64) Record {
	out := *r
	out.Approval, out.Changes = r.asOf(n), slices.Clip(r.Changes[:n])
	return out
}

// Change is what a moment of an approval differed in.
type Change struct {
	At    time.Time `json:"at"`
	State State     `json:"state"`
	Use   Use       `json:"use,omitempty"`
	Votes int       `json:"votes"`
	Stage int       `json:"stage,omitempty"`
	// EditedDigest is the edited action that it was about then.
	EditedDigest string `json:"edited_digest,omitempty"`
}

// ChangeRef points at one change of one approval; Cursor orders the changes of all.
type ChangeRef struct {
	Cursor   uint64
	ID       string
	Sequence uint64
}

// Effect is what an update makes of a record.
type Effect int

// The effects.
const (
	Keep   Effect = iota // leave it as it was
	Write                // store it as changed
	Remove               // forget it
)

// Caps are what Insert must check in its transaction. How many may be pending, and how much content kept; and how many
// asks, whatever became of them, an agent and one of its sessions may have made after Since (0: any number).
type Caps struct {
	PerAgent, PerTenant, Total   int
	ContentBytes                 int64
	Since                        time.Time
	AskedByAgent, AskedInSession int
}

// Store is where the truth is. Writes are serialised, atomic and durable when they return; a failed one changed
// nothing. For every new entry of Record.Changes a write appends one ChangeRef with the next cursor, in the same
// transaction. The content of a record is there exactly as long as Approval.Live. It knows no state machine.
type Store interface {
	// Insert adds a pending record, or returns ErrAskRate (an agent's or a session's cap) or ErrQueueFull and adds nothing.
	Insert(ctx context.Context, rec Record, content []byte, caps Caps) error
	// Update hands the record to change and stores what came of it. change may run more than once, and must not
	// call the store. ErrNotFound if there is none.
	Update(ctx context.Context, id string, change func(*Record) Effect) error
	// UpdateAll does the same for many, in one transaction or several, and skips those that are not there. An *Unreadable ends
	// it: some of the others may have been changed.
	UpdateAll(ctx context.Context, ids []string, change func(*Record) Effect) error
	// Load returns a record, ErrNotFound, or an *Unreadable.
	Load(ctx context.Context, id string) (Record, error)
	// Content returns a live record with its content, read at one moment. The content is nil once erased.
	Content(ctx context.Context, id string) (Record, []byte, error)
	// Scan visits records in these states, newest first, beginning after the id (empty: at the newest), until
	// visit returns false. What cannot be read is left out, here and in a snapshot, so that it hides nothing beside it: Load says
	// so, and the sweeper, as soon as it is due.
	Scan(ctx context.Context, states []State, after string, visit func(Record) bool) error
	// Live returns the ids of live records of a tenant, and of one agent if it is not empty. An empty tenant: all.
	Live(ctx context.Context, tenant, agent string) ([]string, error)
	// Pending counts the pending records of a tenant. An empty tenant: all.
	Pending(ctx context.Context, tenant string) (int, error)
	// ByDigest returns at most limit records of an agent for one action, the last asked first, whatever became of them.
	ByDigest(ctx context.Context, tenant, agent, digest string, limit int) ([]Record, error)
	// Due returns at most limit ids that are due at a time, earliest first, and when the next one after them is
	// due (zero: none).
	Due(ctx context.Context, at time.Time, limit int) ([]string, time.Time, error)
	// Surplus returns at most limit ids of the oldest ended records beyond the newest keep.
	Surplus(ctx context.Context, keep, limit int) ([]string, error)
	// Snapshot returns all pending records, oldest first, and the newest cursor, read at one moment.
	Snapshot(ctx context.Context) ([]Record, uint64, error)
	// Changes returns at most limit changes after a cursor, or ErrCursor if not all of them are kept any more, or
	// the cursor is not one that was given out.
	Changes(ctx context.Context, after uint64, limit int) ([]ChangeRef, error)
}

// Clock is what a store has that several processes share: the time by which asks run out is the store's, not that of the
// machine that looks.
type Clock interface {
	Now() time.Time
}

// Follower is what a store has that other processes change, too. Follow calls changed with the ids of what anybody has
// changed, or without any where some may have been missed, until ctx ends.
type Follower interface {
	Follow(ctx context.Context, changed func(ids ...string))
}

// Sealer encrypts for one purpose. pdp/seal does it.
type Sealer interface {
	Encrypt(purpose string, associatedData, plaintext []byte) ([]byte, error)
	Decrypt(purpose string, associatedData, blob []byte) ([]byte, error)
}
