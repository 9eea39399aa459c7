// Package approval is the queue of what a person has to say yes to: asks, verdicts, and the one use of a yes.
//
// It owns the state machine (machine.go, the only place that changes a state), the binding of an approval to one
// action, the clock by which asks run out, and the streams on which agents and people hear of changes. The truth is
// in the Store that it declares and pdp/store implements: every transition is a compare-and-set in one transaction
// there and durable before the call returns; in memory are only the watchers. The action and the reviewer's view are
// kept encrypted while they may be needed and erased when the approval ends or is redeemed.
//
// It never decides: whether to ask is policy, and redeeming is followed by policy having said yes again. It does not
// authenticate; pdp/server hands it verified names. There is no way to make silence a yes. pdp/decision asks and
// redeems, pdp/server lists, watches and submits verdicts, cmd/portcullis runs the sweeper.
package approval
