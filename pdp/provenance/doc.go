// Package provenance knows what a session has done and seen: when it began, which tools it used, which labels it
// carries, how many memory items it holds, and how often it proposed the very same action.
//
// Labels are monotone: what a session has come into contact with it keeps until it ends. A session ends after a day,
// or after an hour without a sign of life; its id is refused for as long again, so that reusing an id cleans nothing.
// The package keeps no text and decides nothing: pdp/decision asks for Facts before a decision and calls Record
// after it. It declares the store that it needs; pdp/store obeys.
package provenance
