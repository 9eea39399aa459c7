package breaker

import "time"

// State is where a breaker stands.
type State string

// The states. An open breaker whose cool-down is over is half open: it admits one probe at a time, of all replicas.
const (
	Closed   State = "closed"
	Open     State = "open"
	HalfOpen State = "half_open"
)

// Outcome is what became of an action, as far as breakers care.
type Outcome int

// The outcomes. NotKnown is neither a success nor a failure; a probe that ends so opens the breaker again.
const (
	NotKnown Outcome = iota
	Success
	Failure
)

// Status is where one breaker stands for one subject. The action may go on if the state is Closed or Probe is set.
type Status struct {
	Name     string
	Key      string // what it guards: the values of its scope, joined by a slash
	State    State
	Failures int64 // in a row; where a rate opened it, those in its window
	// RetryAt is when a probe is admitted at the latest, by the ledger's clock; zero if closed, or if it is admitted now.
	// RetryAfter is how long that is from now, whatever the clocks of this machine say.
	RetryAt    time.Time
	RetryAfter time.Duration
	Probe      bool // this action is the probe
}

// Holds says whether the breaker keeps the action back.
func (s *Status) Holds() bool { return s.State != Closed && !s.Probe }

// Change is a breaker that came to another state.
type Change struct {
	Name, Key string
	State     State
	Failures  int64
	RetryAt   time.Time
}
