// Package notify tells other systems of asks and of what became of them, by webhooks.
//
// It owns what is told, how it is signed, where it may go, and how often it is tried. It reads the change feed of
// approvals, one courier a target, each with a cursor of its own that is stored after each delivery: nothing waits in
// memory, nothing is lost by a restart, and a target that is down holds up neither another one nor a decision. Of
// several replicas that share a store, one holds the lease of a target and delivers.
//
// A notification says what a reviewer may read in a chat channel: tool, agent, the reasons' static messages, id and
// expiry; no argument value (I9). It carries a link to a page that asks for a credential. Nothing that comes back is
// read: a verdict is given by an authenticated call, never by whoever sees a message. It may come twice, with the same id.
//
// pdp/approval is the feed, cmd/portcullis wires it. Nobody calls it on the way of a decision.
package notify
