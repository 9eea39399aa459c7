// Package delegation lets one agent act for another with fewer rights, never more.
//
// It owns the token that says so: a JWS (EdDSA, the PDP's own keys) that names who delegates, who may act, and within
// what; how tokens chain; and the list of those that were revoked. A chain is verified whole each time that it is
// presented. It narrows what its last holder may do: every token has to permit an action, and pdp/decision asks policy
// as each agent of the chain. Nothing here ever allows anything.
//
// Only the PDP signs. A holder that hands on less asks for it (DecisionService.Delegate) instead of signing by itself:
// agents then need no keys of their own, whoever delegates has proved by its credential who it is, and operators
// hear of each token as it is made. The price is one call a delegation.
//
// It knows neither policy nor gRPC. pdp/decision mints and verifies, cmd/portcullis revokes.
package delegation
