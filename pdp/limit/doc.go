// Package limit holds the line on what agents may use up: calls, money, tokens, bytes and failures, in true sliding
// windows or by the day, the month and the session.
//
// It owns the table of limits (Set), the engine that charges them (Engine), and reservations of money until their outcome
// is known; it never decides what an action is worth, never reads policy, and never looks at arguments. pdp/decision
// reserves before policy is asked, keeps or refunds what it holds, and settles outcomes; pdp/server lists usage.
//
// The truth is the ledger (package ledger): in this process, or shared by many. Asking it for each call would cost more
// than the decision, so a cell draws blocks of its limit ahead and spends from them without asking. What it spends is
// stamped with the time, and reported with the next batch, before the block runs out, or when the cell falls idle. Blocks
// shrink as a limit nears its end, so that the last units are handed out one by one, in the ledger.
//
// Cells that the ledger must hear of stand in the shards' tables, which are capped; the others are left to a ristretto
// cache, which decides what stays in memory, never what is true: a cell that is not there means that the ledger was not
// asked, never that nothing is used. Whatever fails, and whatever is full, denies; whatever is lost counts as spent.
//
// One decision, read in this order: reserve.go (what may be charged from blocks), ask.go (what needs the ledger), hold.go
// (kept or given back), report.go (what the ledger hears later), settle.go (what it really cost).
package limit
