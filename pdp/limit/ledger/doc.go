// Package ledger says what pdp/limit needs of a store that knows the truth about counters, and how that truth is counted.
//
// It owns the contract (Ledger, Batch, Receipt), the arithmetic of windows and periods, and the conformance suite in
// ledgertest that every store runs. It never knows definitions of limits, agents or policies. pdp/limit calls a Ledger;
// pdp/store/embedded (bbolt, one process) and pdp/store/redis (many) are ledgers.
//
// # How units are counted
//
// A counter (cell) holds units in two ways. Spent units stand in sub-buckets of time and leave the window with them.
// Blocks are units that a holder, one running engine, has booked to spend later without asking again: they count as used
// whatever the time, until the holder says when each was spent, gives it back, or lets the block expire. What a holder
// that died had in its blocks counts as spent when the block expired. So a unit is never counted for a shorter time than
// it must be, and losing a holder, an answer or a connection only ever over-counts.
//
// # What makes this safe
//
//   - A batch is atomic: all of its lines, or none.
//   - Each holder numbers its batches. A ledger that has seen a later number for a block refuses the earlier one
//     (ErrStale), so that a batch that was delayed on its way, and given up by its sender, cannot give back units that
//     have been spent since.
//   - What a holder holds is always what the last receipt says, less what it has spent since.
//   - Refunds and reservations change together, by compare-and-set on the reservation: an outcome counts once.
//   - A ledger that has lost what it knew begins a new epoch. Whoever holds a block of an older epoch says so with each line,
//     and the ledger takes its word: so no block is spent that the ledger does not count.
//   - Time is the ledger's (Now), in microseconds since 1970. It never goes back, and steps of a wall clock do not move it.
package ledger
