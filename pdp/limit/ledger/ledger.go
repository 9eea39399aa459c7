package ledger

import (
	"context"
	"errors"
)

// Errors of a ledger; check with errors.Is. Nothing was changed where one of the first three is returned. After any other
// error the batch may or may not have been carried out, and may still be: its sender must take the worse of the two.
var (
	// ErrUnsent says that the ledger was not even asked, because it is known not to answer.
	ErrUnsent = errors.New("the ledger was not asked")
	// ErrStale says that the ledger has seen a later batch of this holder for one of the cells.
	ErrStale = errors.New("the ledger has seen a later batch")
	// ErrConflict says that a reservation is not what the batch took it for. The receipt has what it is.
	ErrConflict = errors.New("the reservation has changed")
	// ErrUnavailable says that the ledger cannot be reached, is too slow, or is broken.
	ErrUnavailable = errors.New("the ledger is not available")
)

// Unlimited is a Max that nothing reaches. Sums stop at MaxUnits: they saturate, and never wrap around.
const (
	MaxUnits  = int64(1) << 53 // the largest integer that every store counts exactly
	Unlimited = MaxUnits
)

// Class says what it means for a batch that a line would go past its Max.
type Class uint8

const (
	// Free lines are charged past their Max: alerts, debts, failures, what a person approved.
	Free Class = iota
	// Hard lines stop the batch: nothing of it is charged.
	Hard
	// Soft lines ask: only lines that count attempts are charged, and a soft line that is exceeded is not.
	Soft
)

// Stamp is units in one sub-bucket of time.
type Stamp struct{ Index, Units int64 }

// Line is what a batch does to one cell. A ledger carries out a line's parts in the order in which they stand here: first
// what has happened (Held to Refunds), for all lines, whatever the checks say; then the checks of all lines; then charges.
type Line struct {
	// Key names the cell, 1 to 8,192 bytes. All keys of a batch differ. What it holds is the sender's business.
	Key []byte
	// Owner pays for the cell in the bounds on distinct cells, if this line makes it.
	Owner string
	// Period is how the cell forgets. One that differs in Width from the cell's takes the cell over (Window.Resize);
	// PeriodKind never changes under a key, the sender sees to that.
	Period Period

	// Held is how many units the sender's block has in the sender's books, those in Spent and Returned among them, and
	// Epoch that of the receipt which last told. If the ledger has begun a new epoch since, it does not know of the block
	// and takes the sender's word: the block becomes Held, unless it is larger already. Otherwise it knows better: a block
	// that it does not have is over, and was counted.
	Held, Epoch int64
	// Spent units leave the sender's block for their sub-buckets. What the block does not hold any more (it expired, and
	// was counted then) is left out. An index later than now counts as now.
	Spent []Stamp
	// Returned units leave the sender's block unspent; at most what it holds.
	Returned int64
	// Refunds leave their sub-buckets, as far as these still hold as many and the width is the cell's.
	Refunds []Stamp

	// Want is charged now, 0 to MaxUnits. Zero only looks, and never makes a cell.
	Want int64
	// Max is how many units may be in use, Want among them: -1 to MaxUnits. Where it is -1, the line is exceeded as it is.
	Max int64
	// Class says what going past Max means.
	Class Class
	// Attempts marks a line that is charged also where a soft line asks.
	Attempts bool

	// Block is how many units the sender would like to hold beyond what it holds, for callers that wait already (Need) and
	// those to come. It gets min(Need, room) + a share of what room is left then: the Share of the cell. A batch that is
	// not allowed gets no block on its Hard and Soft lines.
	Need, Block int64
	// Lease is how long the sender's block lives from now on, in microseconds; 0 leaves it as it is.
	Lease int64
}

// Verdict is what came of a batch's checks.
type Verdict uint8

const (
	// Allowed charges every line.
	Allowed Verdict = iota
	// Asked says that a soft line was exceeded.
	Asked
	// Denied says that a hard line was exceeded.
	Denied
	// Full says that a line needed a new cell, and its owner, the tenant or the ledger have as many as they may. Nothing
	// is charged.
	Full
)

// Reservation is a record that changes by compare-and-set. Its bytes are the sender's business.
type Reservation struct {
	ID    string // unique in its tenant, 1 to 128 bytes
	Owner string // pays for it in the bounds on reservations
	// Old is what the record must be now; nil: there must be none. New is what it becomes; nil deletes it. Where Old and
	// New are both what the record is, it is only kept.
	Old, New []byte
	// ExpiresAt is when the ledger may forget it, microseconds.
	ExpiresAt int64
}

// Batch is carried out at once, or not at all.
type Batch struct {
	Tenant string
	// Holder is the sender: one run of one engine. Seq is larger than that of every batch that it sent before.
	Holder string
	Seq    int64
	Lines  []Line
	// Reservations are compared before anything is done. If the bounds on reservations have no room for a new one, it is
	// left out and the receipt says so: what it holds stays charged.
	Reservations []Reservation
	// Overdraw lets new cells take up to twice the bounds: for what has happened, and cannot be refused.
	Overdraw bool
}

// LineReceipt is where a cell stands after the batch.
type LineReceipt struct {
	Used     int64 // units in use, blocks of all holders among them
	Block    int64 // of these, the sender's block
	Index    int64 // of the sub-bucket that Want was charged to
	ResetsAt int64 // when the oldest spent units leave, microseconds; 0 if none are in the window
	Exceeded bool  // Want would go past Max, or did
	Charged  bool  // Want was charged
	// Amnesia is set where the cell counts as full only because the ledger has lost what it knew about it. ResetsAt is
	// when it will have been long enough, or 0 if only an operator ends it.
	Amnesia bool
}

// Receipt is the answer to a batch.
type Receipt struct {
	Now int64 // the ledger's time when it was carried out
	// Order grows with each batch of a tenant that is carried out: answers may arrive in another order.
	Order int64
	// Epoch changes, and grows, whenever the ledger has lost what it knew, or may have: it was restarted empty, or failed
	// over. Not zero. A ledger notices by itself; its holders then report all that they hold, sooner rather than later.
	Epoch   int64
	Verdict Verdict
	Lines   []LineReceipt // as in the batch
	// Current is what reservations are after the batch, as in the batch, or before it where the error is ErrConflict.
	Current [][]byte
	// Dropped is set where a new reservation found no room.
	Dropped bool
}

// Cell is one counter in a listing.
type Cell struct {
	Key      []byte // valid until the visit ends
	Owner    string
	Period   Period
	Used     int64 // blocks among them
	Blocks   int64
	ResetsAt int64
}

// Status is how a ledger feels.
type Status struct {
	// Err says why it cannot be used now; nil if it can.
	Err error
	// Amnesia lists tenants that wait for an operator (Recover), sorted, at most 100.
	Amnesia []string
	// Cells and Reservations are how many there are, as far as the ledger knows without asking around; -1: it does not.
	Cells, Reservations int64
	// ClockBehind is how far the wall clock is behind the ledger's time, microseconds.
	ClockBehind int64
	// RoundTrips counts what was sent to another process.
	RoundTrips uint64
}

// Ledger keeps the truth. It is safe for concurrent use. No call takes longer than the ledger's own time-out.
type Ledger interface {
	// Now bounds the ledger's time: it is not before earliest, and not after latest. They are equal where the ledger is in
	// this process. known is false until the ledger was reached once; nothing may be spent from a block then.
	Now() (earliest, latest int64, known bool)
	// Shared says whether others than one engine may charge the same cells. Where nobody else does, what an engine was told
	// of a cell that is not full stays true until it charges it itself: units only leave.
	Shared() bool
	// Do carries out a batch. The batch may be used again once Do has returned without an error; after an error it is the
	// ledger's, which may still be at it.
	Do(ctx context.Context, b *Batch) (*Receipt, error)
	// Reservation reads one, or nil if there is none.
	Reservation(ctx context.Context, tenant, id string) ([]byte, error)
	// Cells visits the cells of a tenant whose Used is not zero, in no particular order, at most so many, until visit says
	// false.
	Cells(ctx context.Context, tenant string, most int, visit func(Cell) bool) error
	// Recover ends the amnesia of a tenant: an operator takes it upon himself that what was spent before is forgotten.
	// It says whether there was any.
	Recover(ctx context.Context, tenant string) (bool, error)
	// Status never blocks.
	Status() Status
}

// Records keeps small records that change rarely and are read for each decision: breakers. It is a ledger's second face.
type Records interface {
	Now() (earliest, latest int64, known bool)
	// Records returns all records of a tenant, key to value, none of which may be changed. It may be served from memory if
	// the store sees to it that a change made anywhere is seen within StaleAfter; an error if it can't vouch for that.
	Records(ctx context.Context, tenant string) (map[string][]byte, error)
	// Swap sets a record to new (nil deletes it) if it is old (nil: there is none). It returns what the record is now, and
	// whether it was swapped. The next Records of this process sees it. A record that is not swapped for so many
	// microseconds may be forgotten.
	Swap(ctx context.Context, tenant, key string, old, new []byte, forgetAfter int64) (current []byte, swapped bool, err error)
}
