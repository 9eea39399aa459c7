package limit

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Measure is what a limit counts.
type Measure string

// The measures. Calls, bytes, cost and tokens are reserved before an action; failures are fed by outcomes.
const (
	Calls        Measure = "calls"
	CostMicroUSD Measure = "cost_micro_usd"
	Tokens       Measure = "tokens"
	Bytes        Measure = "bytes"
	Failures     Measure = "failures"
)

// Dimension is one part of what is counted together. The tenant is part of every key, named or not.
type Dimension string

// The dimensions, in the order in which keys hold them. A session belongs to one agent: naming it names the agent too, so
// that nobody spends what is another agent's.
const (
	Tenant  Dimension = "tenant"
	Agent   Dimension = "agent"
	User    Dimension = "user"
	Session Dimension = "session"
	Tool    Dimension = "tool"
)

// Counts says which actions a limit counts.
type Counts string

// Attempts counts every action that was not denied by a hard limit; Allowed counts only those that were allowed: a
// refund gives back the others.
const (
	Attempts Counts = "attempts"
	Allowed  Counts = "allowed"
)

// OnExceed is what going past a limit does.
type OnExceed string

// Deny is a hard limit. RequireApproval is a soft one, which only an approved action may pass. Alert never stops
// anything by itself: it is counted past its max and reported as exceeded.
const (
	Deny            OnExceed = "deny"
	RequireApproval OnExceed = "require_approval"
	Alert           OnExceed = "alert"
)

// Bounds of a definition. MaxUnits is the largest integer that JSON numbers hold exactly.
const (
	MaxUnits         = int64(1) << 53
	MaxWindowSeconds = int64(366 * 86_400)
	MaxNameBytes     = 128
	MaxDefinitions   = 256 // in one call
)

// Definition is one row of the bundle's table of limits. Name is the stable id of the counter: a limit that is renamed
// starts from zero, one whose max or window changes goes on counting.
type Definition struct {
	Name          string      `json:"name"`
	Measure       Measure     `json:"measure"`
	Scope         []Dimension `json:"scope"`
	WindowSeconds int64       `json:"window_seconds"`      // 1 second to 366 days
	Max           int64       `json:"max"`                 // units in any interval of that length; at most 2^53
	Counts        Counts      `json:"counts,omitempty"`    // default allowed
	OnExceed      OnExceed    `json:"on_exceed,omitempty"` // default deny
	// OnUnavailable is deny (the default) or local. An embedded ledger has no share to spend locally, so local denies too.
	OnUnavailable string `json:"on_unavailable,omitempty"`
	// Tools and Kinds narrow a limit to these tools and kinds of action; empty is all.
	Tools []string `json:"tools,omitempty"`
	Kinds []string `json:"kinds,omitempty"`

	Description string `json:"description,omitempty"` // for people
}

// Validate says all that is wrong with the row.
func (d Definition) Validate() error {
	errs := []error{checkName(d.Name), checkScope(d.Scope), checkFilter("tools", d.Tools), checkFilter("kinds", d.Kinds)}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains([]Measure{Calls, CostMicroUSD, Tokens, Bytes, Failures}, d.Measure) {
		bad("measure is calls, cost_micro_usd, tokens, bytes or failures, not %q", d.Measure)
	}
	if d.WindowSeconds < 1 || d.WindowSeconds > MaxWindowSeconds {
		bad("window_seconds is 1 to %d, not %d", MaxWindowSeconds, d.WindowSeconds)
	}
	if d.Max < 0 || d.Max > MaxUnits {
		bad("max is 0 to 2^53, not %d", d.Max)
	}
	if !slices.Contains([]Counts{"", Attempts, Allowed}, d.Counts) {
		bad("counts is attempts or allowed, not %q", d.Counts)
	}
	if !slices.Contains([]OnExceed{"", Deny, RequireApproval, Alert}, d.OnExceed) {
		bad("on_exceed is deny, require_approval or alert, not %q", d.OnExceed)
	}
	if !slices.Contains([]string{"", "deny", "local"}, d.OnUnavailable) {
		bad("on_unavailable is deny or local, not %q", d.OnUnavailable)
	}
	return errors.Join(errs...)
}

func (d *Definition) onExceed() OnExceed {
	if d.OnExceed == "" {
		return Deny
	}
	return d.OnExceed
}

// settles says whether outcomes correct what this limit reserved.
func (d *Definition) settles() bool { return d.Measure == CostMicroUSD || d.Measure == Tokens }

func checkName(name string) error {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r))
	}
	if name == "" || len(name) > MaxNameBytes || strings.ContainsFunc(name, odd) {
		return fmt.Errorf("name is 1 to %d letters, digits, '_', '.' or '-', not %q", MaxNameBytes, name)
	}
	return nil
}

func checkScope(scope []Dimension) error {
	if len(scope) == 0 {
		return errors.New("scope names at least one of tenant, agent, user, session, tool")
	}
	var seen scopeMask
	for _, d := range scope {
		bit := maskOf(d)
		if bit == 0 {
			return fmt.Errorf("scope is of tenant, agent, user, session, tool, not %q", d)
		}
		if seen&bit != 0 {
			return fmt.Errorf("scope names %s twice", d)
		}
		seen |= bit
	}
	return nil
}

func checkFilter(field string, names []string) error {
	if slices.Contains(names, "") {
		return fmt.Errorf("%s has an empty name", field)
	}
	return nil
}

// Subject is who acts, as the credential says, with a tool that the bundle knows.
type Subject struct {
	Tenant  string `json:"tenant"`
	Agent   string `json:"agent"`
	User    string `json:"user,omitempty"`
	Session string `json:"session"`
	Tool    string `json:"tool,omitempty"`
	Kind    string `json:"kind"`
}

// fits says whether a row is about this subject. Where a scope names the tool, an action without one has nothing to
// count by; every other dimension counts the empty value like any, so that leaving a field out escapes nothing.
func (s *Subject) fits(scope scopeMask, tools, kinds []string) bool {
	if scope&toolBit != 0 && s.Tool == "" {
		return false
	}
	return (len(tools) == 0 || slices.Contains(tools, s.Tool)) && (len(kinds) == 0 || slices.Contains(kinds, s.Kind))
}

// maxPartBytes bounds each name of a subject. A key that a store refuses would fail the commit of everybody, for ever.
const maxPartBytes = 1024

func (s *Subject) validate() error {
	if s.Tenant == "" {
		return fmt.Errorf("%w: no tenant", ErrInvalid)
	}
	if max(len(s.Tenant), len(s.Agent), len(s.User), len(s.Session), len(s.Tool)) > maxPartBytes {
		return fmt.Errorf("%w: a name of the subject has more than %d bytes", ErrInvalid, maxPartBytes)
	}
	return nil
}

// Amounts are units, none negative. Money is in micro-USD.
type Amounts struct {
	Calls, CostMicroUSD, Tokens, Bytes, Failures int64
}

func (a *Amounts) of(m Measure) int64 {
	switch m {
	case Calls:
		return a.Calls
	case CostMicroUSD:
		return a.CostMicroUSD
	case Tokens:
		return a.Tokens
	case Bytes:
		return a.Bytes
	case Failures:
		return a.Failures
	}
	return 0
}

func (a *Amounts) validate() error {
	if min(a.Calls, a.CostMicroUSD, a.Tokens, a.Bytes, a.Failures) < 0 {
		return fmt.Errorf("%w: an amount is negative", ErrInvalid)
	}
	return nil
}

// exceeded says whether want on top of used goes too far: past a line, but up to a threshold.
func (d *Definition) exceeded(used, want int64) bool {
	if d.Measure == Failures || d.onExceed() == Alert {
		return add(used, want) >= d.Max
	}
	return add(used, want) > d.Max
}

// add is addition that stops at the largest integer. Both are not negative.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Status is where a limit stands after a call.
type Status struct {
	Name          string
	Measure       Measure
	Scope         []Dimension // of the definition; not to be changed
	Used          int64
	Remaining     int64 // never negative
	Max           int64
	WindowSeconds int64
	ResetsAt      time.Time // when the oldest units leave the window; zero if none are in it
	// Exceeded is set where this action would go past the limit, or did (an approved action, a debt). A limit of failures
	// is exceeded as soon as max failures are in the window, for nothing could hold back the next one; an alert, as soon
	// as its max is reached.
	Exceeded bool
	OnExceed OnExceed
}
