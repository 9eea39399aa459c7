// Package origin remembers where the values of a session were seen, and says of the values of an action where each of
// them came from.
//
// It keeps keyed hashes and no text (invariant I9). The key is random, one per session, and stands in memory only: with
// the process it is gone, and so is what it could tell. Only exact whole values vouch, with the user or with a trusted
// look-up as the source; likeness (another spelling, an encoding, the same digits, a part) only taints. Where a bound is
// met, nothing is thrown out to make room: what does not fit is of unknown origin, which nobody trusts.
//
// pdp/decision feeds it with what was observed and with results that were allowed, and asks it about each proposed action.
package origin
