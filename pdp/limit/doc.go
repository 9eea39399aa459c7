// Package limit holds the line on what agents may use up: calls, money, tokens, bytes and failures, in true sliding
// windows.
//
// It owns counters and reservations, and says through the interface Ledger what it needs of a store; it never
// decides what an action is worth, never reads policy, and never looks at arguments. Rows of the bundle's tables come in
// as Definition. pdp/decision reserves before policy is asked, refunds what was not allowed and
// settles outcomes; pdp/server lists usage.
//
// The truth is the ledger. In front of it stand, in this order, the records that are not committed yet (held strongly,
// in a capped table) and a ristretto cache of hot cells. The cache decides what stays in memory, never what is true: a
// miss is a read of the ledger, and only the ledger may say zero. Changes are committed in groups, a few milliseconds
// after they were made, each group a consistent cut through all cells and reservations; Close commits the last of
// them. Whatever fails, and whatever is full, denies.
package limit
