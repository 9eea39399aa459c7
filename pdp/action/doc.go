// Package action is the proposed action: its plain Go values, the strict parsing of its arguments, its
// canonical form and digest, the texts in it that must be inspected, and the typed facts that policy
// reads instead of the values themselves.
//
// It owns the one way to spell a number, a URL, a host, a path, an amount, an address, a shell command and
// a tool name, so that policy, scanning, provenance and egress never disagree about what a value is. It
// never decides anything, never logs, keeps no state, looks nothing up (no files, no DNS), and knows neither
// protobuf nor gRPC. pdp/server builds an Action, pdp/decision asks it for the digest, the texts and the
// facts, pdp/approval and pdp/provenance for the canonical forms.
//
// Everything here is given to us by an attacker. All work is bounded by the size of the input, and no error
// and no fact holds an argument value, except canonical hosts and names of programs.
package action
