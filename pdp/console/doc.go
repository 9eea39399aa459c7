// Package console is a small web page on which people decide: sign in, a list of what waits, one ask at a time, a verdict.
// It is HTML without any script.
//
// It owns sessions and pages, and decides nothing. Everything that it shows or does is a call of the contract
// (portcullis.v1.ApprovalService), made with the credential of the person who is signed in, who is authenticated and
// authorised anew for each: nothing can be done here that the same credential could not do with grpcurl. A GET changes
// nothing. pdp/server makes it, and serves it on an address of its own.
package console
