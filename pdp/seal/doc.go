// Package seal holds the PDP's own keys and what is made with them: encrypted blobs, MACs, fingerprints of
// findings, and the seals of memory items.
//
// The keys live in one file, outside the data directory, newest first: new things are made with the first key,
// old ones are opened with the key that they name, so keys rotate by putting a new one in front. Every use has a
// key of its own, derived with HKDF, so that what was made for one purpose opens for no other. The package never
// logs, never hands a key out, and knows neither approvals nor policy: pdp/decision seals memory and fingerprints
// findings, pdp/approval encrypts actions, cmd/portcullis loads the file.
package seal
