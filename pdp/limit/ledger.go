package limit

import "context"

// Space separates the kinds of records in a ledger.
type Space uint8

// The spaces. Values are part of what stores keep: never change them.
const (
	CellSpace        Space = 1 // keys begin with the length-prefixed tenant
	ReservationSpace Space = 2 // keys are reservation ids
	BreakerSpace     Space = 3 // keys begin with the length-prefixed tenant
	MetaSpace        Space = 4
)

// Spaces lists all of them, for stores that prepare a place for each.
var Spaces = []Space{CellSpace, ReservationSpace, BreakerSpace, MetaSpace}

// Change is one record to write, or to delete where Value is nil.
type Change struct {
	Space Space
	Key   []byte
	Value []byte
}

// Ledger is where the truth is kept. Keys and values are opaque to it. One Engine and one Breakers use a ledger at a
// time; a ledger that several processes share adds leases to this interface, whose blocks are records like any.
type Ledger interface {
	// Load returns the record, or nil if there is none. The result is the caller's.
	Load(ctx context.Context, space Space, key []byte) ([]byte, error)
	// Commit writes all of the changes or none of them. They are durable when it returns nil. It keeps no slice.
	Commit(ctx context.Context, changes []Change) error
	// Scan visits at most limit records whose keys begin with prefix and come after a key (nil: from the first), in the
	// order of keys, until visit says false. What visit is given is valid only until it returns.
	Scan(ctx context.Context, space Space, prefix, after []byte, limit int, visit func(key, value []byte) bool) error
}
