// Package server is the edge of Portcullis: one port, gRPC and everything else that a browser or curl needs.
//
// It translates between the contract and the engine, and owns what belongs to the edge: the chain of
// interceptors, the table of which role may call what, the one place where typed errors become gRPC codes,
// health, the listener, and the shutdown. It decides nothing about an action, keeps no state of its own
// beyond connections and counts, and never logs a value of a request. It is the only package of the engine
// that knows gRPC. cmd/portcullis calls Complete, which builds and checks everything and listens on nothing,
// and then Run.
package server
