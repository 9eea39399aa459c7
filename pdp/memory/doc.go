// Package memory keeps the record of what agents have remembered: for each item which versions were allowed, which of them may be
// read now, and how much an agent holds. It never has an item's text, only its digest.
//
// A seal (pdp/seal) proves that an item was allowed once. It cannot prove that it is the newest, that it was not deleted since,
// or that nobody has put the agent's memory into quarantine: that is what this record is for. An item that it does not know is
// not read, so losing the record loses memory and never lets an old item pass for a new one.
//
// pdp/decision writes and looks; cmd/portcullis lists, quarantines and rolls back for operators. The record itself is in a Store:
// pdp/store/embedded or pdp/store/redis.
package memory
