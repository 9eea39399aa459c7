// Package identity owns the way from a credential to a caller: who it is, what roles it has, which tenant it
// belongs to and which agents it may speak for. Identity comes from the credential alone, never from a field
// that an agent fills in; what a request claims about itself is only ever checked against it.
//
// It holds digests of bearer tokens, never tokens, and no error says which part of a credential was wrong. It
// does not know what a role may do: pdp/server has that as one table over Allowed. It never reads a bundle.
//
// The server's authentication interceptor calls Authenticate, its handlers call Bind, and cmd/portcullis
// chooses between LoadFile and, in development mode, DevTokens.
package identity
