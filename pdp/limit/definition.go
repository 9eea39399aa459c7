package limit

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Measure is what a limit counts.
type Measure string

// The measures. Calls, bytes, cost, tokens and amounts are reserved before an action; failures are fed by outcomes.
const (
	Calls        Measure = "calls"
	CostMicroUSD Measure = "cost_micro_usd"
	Tokens       Measure = "tokens"
	Bytes        Measure = "bytes"
	Failures     Measure = "failures"
	Amount       Measure = "amount" // of money or things that an argument says, in whole units of its own, rounded up
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
	Sink    Dimension = "sink" // who is affected
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

// Period is how a limit forgets.
type Period string

// The periods. A row names one of the last three, or gives window_seconds, which makes it a Window: it slides, so that no
// interval of that length admits more than max. The others are budgets that begin anew: with each session, at midnight, on
// the first of the month, in UTC. Around that moment up to twice the budget of a day or a month may be spent.
const (
	Window     Period = "window"
	PerSession Period = "session"
	PerDay     Period = "day"
	PerMonth   Period = "month"
)

// UnavailableDenies and UnavailableLocal are what happens to an action while the store of the counters cannot be reached.
const (
	UnavailableDenies = "deny"
	UnavailableLocal  = "local"
)

// DefaultLocalSharePercent is the share of max that a replica leases ahead where the row says nothing: ten replicas can
// then go on at once, and none has more than a tenth.
const DefaultLocalSharePercent = 10

// Bounds of a definition. MaxUnits is the largest integer that JSON numbers hold exactly.
const (
	MaxUnits         = ledger.MaxUnits
	MaxWindowSeconds = int64(366 * 86_400)
	MaxNameBytes     = 128
	MaxDefinitions   = 256 // in one call
)

// Definition is one row of the bundle's table of limits. Name is the stable id of the counter: a limit that is renamed
// starts from zero, one whose max or window changes goes on counting.
type Definition struct {
	Name    string      `json:"name"`
	Measure Measure     `json:"measure"`
	Scope   []Dimension `json:"scope"`
	// WindowSeconds is the length of a sliding window, 1 second to 366 days; Period is session, day or month. Exactly one
	// of both is given. A budget of a session counts together what one session did, so its scope names the session.
	WindowSeconds int64    `json:"window_seconds,omitempty"`
	Period        Period   `json:"period,omitempty"`
	Max           int64    `json:"max"`                 // units in the period, or in any interval of the window; at most 2^53
	Counts        Counts   `json:"counts,omitempty"`    // default allowed
	OnExceed      OnExceed `json:"on_exceed,omitempty"` // default deny
	// OnUnavailable is deny (the default) or local.
	OnUnavailable string `json:"on_unavailable,omitempty"`
	// LocalSharePercent is the share of max, 1 to 50, that a replica leases ahead, so that it can go on for a while when the
	// shared store is gone. Only with on_unavailable: local; default 10. What is leased counts as used for everybody else.
	LocalSharePercent int64 `json:"local_share_percent,omitempty"`
	// Tools and Kinds narrow a limit to these tools and kinds of action; empty is all.
	Tools []string `json:"tools,omitempty"`
	Kinds []string `json:"kinds,omitempty"`

	Description string `json:"description,omitempty"` // for people
}

// Validate says all that is wrong with the row.
func (d Definition) Validate() error {
	errs := []error{checkName(d.Name), checkScope(d.Scope), checkFilter("tools", d.Tools), checkFilter("kinds", d.Kinds)}
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains([]Measure{Calls, CostMicroUSD, Tokens, Bytes, Failures, Amount}, d.Measure) {
		bad("measure is calls, cost_micro_usd, tokens, bytes, failures or amount, not %q", d.Measure)
	}
	errs = append(errs, d.checkPeriod(), d.checkUnavailable())
	if d.Max < 0 || d.Max > MaxUnits {
		bad("max is 0 to 2^53, not %d", d.Max)
	}
	if !slices.Contains([]Counts{"", Attempts, Allowed}, d.Counts) {
		bad("counts is attempts or allowed, not %q", d.Counts)
	}
	if !slices.Contains([]OnExceed{"", Deny, RequireApproval, Alert}, d.OnExceed) {
		bad("on_exceed is deny, require_approval or alert, not %q", d.OnExceed)
	}
	return errors.Join(errs...)
}

func (d Definition) checkPeriod() error {
	switch d.Period {
	case "":
		if d.WindowSeconds < 1 || d.WindowSeconds > MaxWindowSeconds {
			return fmt.Errorf("window_seconds is 1 to %d, not %d, where no period (session, day, month) is given", MaxWindowSeconds, d.WindowSeconds)
		}
	case PerSession, PerDay, PerMonth:
		if d.WindowSeconds != 0 {
			return errors.New("a limit has window_seconds or a period, not both")
		}
		if d.Period == PerSession && !slices.Contains(d.Scope, Session) {
			return errors.New("a limit with period: session has a scope that names the session")
		}
	default:
		return fmt.Errorf("period is session, day or month, not %q; a sliding window has window_seconds instead", d.Period)
	}
	return nil
}

func (d Definition) checkUnavailable() error {
	if !slices.Contains([]string{"", UnavailableDenies, UnavailableLocal}, d.OnUnavailable) {
		return fmt.Errorf("on_unavailable is deny or local, not %q", d.OnUnavailable)
	}
	if d.LocalSharePercent == 0 {
		return nil
	}
	if d.OnUnavailable != UnavailableLocal {
		return errors.New("local_share_percent is only for on_unavailable: local")
	}
	if d.LocalSharePercent < 1 || d.LocalSharePercent > 50 {
		return fmt.Errorf("local_share_percent is 1 to 50, not %d", d.LocalSharePercent)
	}
	return nil
}

// Forgets is how the limit forgets: its period, or Window.
func (d *Definition) Forgets() Period {
	if d.Period == "" {
		return Window
	}
	return d.Period
}

// LocalShare is how many units a replica leases ahead for when the shared store is gone: none unless the row says local,
// else its share of max, rounded down, so that a limit of a few units may have no share at all.
func (d *Definition) LocalShare() int64 {
	if d.OnUnavailable != UnavailableLocal || d.Max <= 0 {
		return 0
	}
	percent := d.LocalSharePercent
	if percent == 0 {
		percent = DefaultLocalSharePercent
	}
	return min(d.Max, MaxUnits)/100*percent + min(d.Max, MaxUnits)%100*percent/100
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
		return errors.New("scope names at least one of tenant, agent, user, session, tool, sink")
	}
	var seen scopeMask
	for _, d := range scope {
		bit := maskOf(d)
		if bit == 0 {
			return fmt.Errorf("scope is of tenant, agent, user, session, tool, sink, not %q", d)
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
	// Sink names who is affected, by a keyed hash; empty if nobody is.
	Sink string `json:"sink,omitempty"`
	Kind string `json:"kind"`
}

// fits says whether a row is about this subject. Where a scope names the tool, an action without one has nothing to
// count by, and the same goes for a sink; every other dimension counts the empty value like any, so that leaving a field out escapes nothing.
func (s *Subject) fits(scope scopeMask, tools, kinds []string) bool {
	if scope&toolBit != 0 && s.Tool == "" || scope&sinkBit != 0 && s.Sink == "" {
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
	if max(len(s.Tenant), len(s.Agent), len(s.User), len(s.Session), len(s.Tool), len(s.Sink)) > maxPartBytes {
		return fmt.Errorf("%w: a name of the subject has more than %d bytes", ErrInvalid, maxPartBytes)
	}
	return nil
}

// Amounts are units, none negative. Money is in micro-USD.
type Amounts struct {
	Calls, CostMicroUSD, Tokens, Bytes, Failures, Amount int64
}

// of is the amount of a measure, by its code.
func (a *Amounts) of(measure byte) int64 {
	switch measure {
	case callsCode:
		return a.Calls
	case costCode:
		return a.CostMicroUSD
	case tokensCode:
		return a.Tokens
	case bytesCode:
		return a.Bytes
	case failuresCode:
		return a.Failures
	case amountCode:
		return a.Amount
	}
	return 0
}

func (a *Amounts) validate() error {
	if min(a.Calls, a.CostMicroUSD, a.Tokens, a.Bytes, a.Failures, a.Amount) < 0 {
		return fmt.Errorf("%w: an amount is negative", ErrInvalid)
	}
	return nil
}

// sessionIdle is how long the counter of a session's budget is kept that nobody charges: a session ends after a day at
// most, and its id is refused for another.
const sessionIdle = 49 * time.Hour

// ledgerPeriod is how the limit's counters forget.
func (d *Definition) ledgerPeriod() ledger.Period {
	switch d.Forgets() {
	case PerSession:
		return ledger.Period{Kind: ledger.Whole, Width: micros(sessionIdle)}
	case PerDay:
		return ledger.Period{Kind: ledger.Day}
	case PerMonth:
		return ledger.Period{Kind: ledger.Month}
	case Window:
	}
	return ledger.SlidingOver(d.WindowSeconds)
}

// Status is where a limit stands after a call.
type Status struct {
	Name          string
	Measure       Measure
	Scope         []Dimension // of the definition; not to be changed
	Used          int64
	Remaining     int64 // never negative
	Max           int64
	Period        Period    // never empty
	WindowSeconds int64     // 0 unless Period is Window
	ResetsAt      time.Time // when the oldest units leave the window, or the period ends; zero if there is none to tell
	// Exceeded is set where this action would go past the limit, or did (an approved action, a debt). A limit of failures
	// is exceeded as soon as max failures are in the window, for nothing could hold back the next one; an alert, as soon
	// as its max is reached.
	Exceeded bool
	Amnesia  bool // counts as full only because the ledger has lost what it knew
	OnExceed OnExceed
}
