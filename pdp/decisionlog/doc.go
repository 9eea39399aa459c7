// Package decisionlog owns the record of what the PDP decided and what people did about it: one JSON line a
// decision, a verdict, an outcome, an approval's change of state or an admin act, numbered without gaps, in
// rotated files of one directory. Query and Follow read the same files, also from another process.
//
// It never judges, never reads a request and never holds an argument value: its types have no field for one,
// and a policy input that still carries arguments, content or views is refused. It is a file format and its
// one writer, no more; proofs and shipping build on the lines (a reader ignores fields that it does not know,
// so that a line can grow a chain field).
//
// The decision pipeline, the approval service and the admin service append; the server reads Health; the
// command line queries and follows.
package decisionlog
