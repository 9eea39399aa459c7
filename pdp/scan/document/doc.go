// Package document inspects files, as portcullis scan does for people and for CI: text of any size in windows, JSON leaf
// by leaf. It owns how a document is cut into texts and where in it a finding stands. It reads what it is given and
// nothing else, holds no more than a window of it, and shows no text of it.
//
// The command calls it; it calls the scanner.
package document
