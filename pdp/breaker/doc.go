// Package breaker holds the circuit breakers that stop a tool which keeps failing.
//
// It owns what opens a breaker, when one call may try again, and the record that all replicas share about each breaker
// that is not closed and clean. It never decides what a failure is, and keeps no history. Rows of the bundle's table
// come in as Definition; records stand in a ledger.Records, changed by compare-and-set only. pdp/decision checks before
// policy is asked, gives a probe back that was not allowed, and reports outcomes; pdp/server lists and resets.
//
// # What opens one
//
// So many failures in a row, or the share of failures among the reports of a sliding window that has at least so many of
// them; or so many failures within the window, whatever went well between. Reports count when they come in, in the order in which the store takes them. One whose outcome is unknown is
// neither a failure nor a success: it does not end a row, and has no part in a rate.
//
// # What a rate means with several replicas
//
// Failures are written to the shared record as they are reported. Successes of a tool that does not fail are not: a
// write for each would cost more than the breaker is worth. A process counts them in memory, by tenths of the window, and
// adds them to the record when it reports a failure; when it reports a success that ends a row of failures, or while the
// record holds fewer reports than the minimum; and at its first success in each new tenth. So a tool costs writes only
// while there are failures in its window.
// The rate that a failure is judged by can be too high by the successes that other processes have reported in the current
// tenth, or that were lost with a process; it opens a breaker too early then. A failure counts for at most a tenth of the
// window too long. What can make a breaker open later than all reports together would: successes of other processes from
// before the first failure are part of the minimum only when those processes report again. From the first failure on, so
// many reports as the minimum says always suffice.
//
// # Time
//
// Time is the ledger's. A cool-down begins at the latest that now can be and ends at the earliest, so that uncertainty
// only ever lengthens it.
package breaker
