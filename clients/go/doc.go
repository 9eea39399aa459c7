// Package portcullis is the Go client of the policy decision point: it asks before an agent acts, runs the action only if the
// answer is an allow, waits for a person's verdict where one is needed, and reports what became of it. It owns no policy: whatever
// it does not understand, does not hear in time, or hears too late is a deny. It never logs or prints arguments or the credential.
// Agents and gateways written in Go call it; the generated code under gen/go is all that it stands on.
package portcullis
