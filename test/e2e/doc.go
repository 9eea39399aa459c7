// Package e2e meets Portcullis as a user does: it starts the binary that PORTCULLIS_BIN names (`make build`), and talks to it
// over gRPC, with grpcurl, over plain HTTP and through its own sub-commands.
//
// It owns the proof that the parts work together, and that what README.md says can be typed. What one part does in every
// corner is that part's own test. Nothing imports it. A server that a test starts is stopped with SIGTERM and must end
// with 0; servers listen on ports of their own, so that tests run side by side. Tests that only ask share one server and
// keep apart by their sessions.
package e2e
