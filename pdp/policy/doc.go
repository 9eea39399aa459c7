// Package policy turns a bundle into decisions: bundle → snapshot → evaluate.
//
// A bundle is Rego modules and tables, read from a folder, an archive or the program itself, with overlays
// merged over it. Load checks and compiles it off to the side (capabilities, strict mode, type check against
// the input schema, tables, the bundle's own tests) into a Snapshot, which never changes afterwards. A Holder
// has the active snapshot behind one atomic pointer; a decision pins it once and uses nothing else. Evaluate
// answers with the policy's decision or with an error, never with a guess: pdp/decision denies on any error.
//
// The package knows no request, no caller and no store. What Rego sees is the message
// portcullis.policy.v1.Input, filled in by pdp/decision.
package policy
