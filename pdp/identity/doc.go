// Package identity owns the way from a credential to a caller: who it is, what roles it has, which tenant it
// belongs to and which agents it may speak for. Identity comes from the credential alone, never from a field
// that an agent fills in; what a request claims about itself is only ever checked against it.
//
// It holds digests of bearer tokens, never tokens. Which part of a credential was wrong is for the server's log. It
// does not know what a role may do: pdp/server has that as one table over Allowed. It never reads a bundle.
//
// The server's authentication interceptor calls Authenticate, its handlers call Bind, and cmd/portcullis
// chooses between Open, which follows its file, and, in development mode, DevTokens.
package identity
