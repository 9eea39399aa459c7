// Package outflow remembers the last bytes that each session sent to each sink, so that a secret which goes out in two
// calls is seen where they meet (threat D7).
//
// It holds text, in memory and nowhere else: the ends of values, a few KiB a session, for as long as the session is in use.
// It never looks into them; pdp/decision asks it what an action continues, lets pdp/scan look at the seams, and takes back
// what was not allowed.
package outflow
