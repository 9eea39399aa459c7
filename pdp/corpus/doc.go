// Package corpus turns recorded agent traffic into runs, plays them against a decider, and counts the answers.
//
// It reads the public corpora, one JSON object a line, that `portcullis trace` replays: AgentDojo, InjecAgent,
// Agent Security Bench and tau2. It owns what a row means: which calls an agent makes in which order, which
// results it gets back, where an attacker's text stands among them, and when a task counts as disturbed or an
// attack as stopped. It never decides anything itself, knows no gRPC, and keeps no row once its runs are
// played. cmd/portcullis calls it, and hands in the connection to a server as a Decider.
package corpus
