package breaker

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/portcullis-pdp/portcullis/pdp/limit"
)

// Defaults and bounds of a row.
const (
	defaultConsecutiveFailures = 5
	defaultFailureRatePercent  = 50
	defaultRateWindowSeconds   = 60
	defaultMinimumCalls        = 10
	defaultOpenSeconds         = 60
	defaultJitterPercent       = 10

	maxCount             = 1_000_000
	maxRateWindowSeconds = 3_600
	maxOpenSeconds       = 86_400
	maxJitterPercent     = 50
)

const second = int64(1_000_000) // in microseconds, which the ledger counts

// Definition is one row of the bundle's table of breakers. Numbers that are left out take the default. A row that names
// neither ConsecutiveFailures nor FailureRatePercent nor FailuresInWindow opens by the default of the first two; one that names some opens
// by those alone. FailuresInWindow and FailureRatePercent together are one condition: so many failures, and such a share.
type Definition struct {
	Name                string            `json:"name"`                           // the stable id: records are kept under it
	Scope               []limit.Dimension `json:"scope,omitempty"`                // who shares a breaker; default agent and tool
	ConsecutiveFailures Number            `json:"consecutive_failures,omitempty"` // so many in a row open it; 5
	FailuresInWindow    Number            `json:"failures_in_window,omitempty"`   // so many within the window open it, whatever went well between; none
	FailureRatePercent  Number            `json:"failure_rate_percent,omitempty"` // so many of a hundred reports, or more, open it; 50
	RateWindowSeconds   Number            `json:"rate_window_seconds,omitempty"`  // over which the rate counts; 60, at most an hour
	MinimumCalls        Number            `json:"minimum_calls,omitempty"`        // reports in the window before the rate means anything; 10
	OpenSeconds         Number            `json:"open_seconds,omitempty"`         // the cool-down; 60, at most a day
	JitterPercent       *int64            `json:"jitter_percent,omitempty"`       // a cool-down lasts up to so much longer, by chance; 10, 0 to 50
	ProbeSeconds        Number            `json:"probe_seconds,omitempty"`        // after which a probe that does not report is given up; as open_seconds
	Tools               []string          `json:"tools,omitempty"`                // only these; empty: all
	Kinds               []string          `json:"kinds,omitempty"`                // only these; empty: all
	Description         string            `json:"description,omitempty"`          // for people
	// Yields is set by who reads the table, of rows that others stand beside: where an agent has half of its bound of records, such a row
	// makes no new one. What it would have counted there goes uncounted, so that it can't starve the rows that must count.
	Yields bool `json:"-"`
}

// Number is a positive integer that a row may leave out. Zero in a table is refused: whether it was meant as never, as at
// once or as the default, nobody can tell.
type Number int64

// UnmarshalJSON refuses what is no positive integer.
func (n *Number) UnmarshalJSON(raw []byte) error {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || v < 1 {
		return fmt.Errorf("%s is no positive integer; leave the field out for its default", raw)
	}
	*n = Number(v)
	return nil
}

// Validate says all that is wrong with the row.
func (d Definition) Validate() error {
	errs := []error{d.row().Validate()}
	for _, f := range []struct {
		name  string
		value Number
		most  Number
	}{
		{"consecutive_failures", d.ConsecutiveFailures, maxCount},
		{"failures_in_window", d.FailuresInWindow, maxCount},
		{"failure_rate_percent", d.FailureRatePercent, 100},
		{"rate_window_seconds", d.RateWindowSeconds, maxRateWindowSeconds},
		{"minimum_calls", d.MinimumCalls, maxCount},
		{"open_seconds", d.OpenSeconds, maxOpenSeconds},
		{"probe_seconds", d.ProbeSeconds, maxOpenSeconds},
	} {
		if f.value < 0 || f.value > f.most {
			errs = append(errs, fmt.Errorf("%s is 1 to %d, not %d", f.name, f.most, f.value))
		}
	}
	if j := d.jitter(); j < 0 || j > maxJitterPercent {
		errs = append(errs, fmt.Errorf("jitter_percent is 0 to %d, not %d", maxJitterPercent, j))
	}
	if !d.windowed() && d.RateWindowSeconds != 0 || !d.rates() && d.MinimumCalls != 0 {
		errs = append(errs, errors.New("rate_window_seconds means nothing without failure_rate_percent or failures_in_window, minimum_calls without the former"))
	}
	return errors.Join(errs...)
}

func (d *Definition) row() limit.Row {
	scope := d.Scope
	if scope == nil {
		scope = []limit.Dimension{limit.Agent, limit.Tool}
	}
	return limit.Row{Name: d.Name, Scope: scope, Tools: d.Tools, Kinds: d.Kinds}
}

// inARow is how many failures in a row open it; 0: none do.
func (d *Definition) inARow() int64 {
	if d.ConsecutiveFailures == 0 && (d.FailureRatePercent != 0 || d.FailuresInWindow != 0) {
		return 0
	}
	return int64(cmp.Or(d.ConsecutiveFailures, defaultConsecutiveFailures))
}

// rates says whether a failure rate opens it.
func (d *Definition) rates() bool {
	return d.FailureRatePercent != 0 || d.ConsecutiveFailures == 0 && d.FailuresInWindow == 0
}

// windowed says whether what is in a window opens it: a rate, or a number.
func (d *Definition) windowed() bool { return d.rates() || d.FailuresInWindow != 0 }

func (d *Definition) percent() int64 {
	return int64(cmp.Or(d.FailureRatePercent, defaultFailureRatePercent))
}

func (d *Definition) minimum() int64 { return int64(cmp.Or(d.MinimumCalls, defaultMinimumCalls)) }

// width is a part of the window of rates, in microseconds; rounded up.
func (d *Definition) width() int64 {
	return (int64(cmp.Or(d.RateWindowSeconds, defaultRateWindowSeconds))*second + parts - 1) / parts
}

func (d *Definition) open() int64 {
	return int64(cmp.Or(d.OpenSeconds, defaultOpenSeconds)) * second
}

func (d *Definition) jitter() int64 {
	if d.JitterPercent == nil {
		return defaultJitterPercent
	}
	return *d.JitterPercent
}

// coolDown is how long it stays open this time, microseconds: never shorter than open_seconds. Chance keeps breakers that
// opened together, because one service behind them went away, from all probing it in the same moment.
func (d *Definition) coolDown() int64 {
	return d.open() + rand.Int64N(d.open()/100*d.jitter()+1) //nolint:gosec // spreads load; nothing is gained by guessing it
}

func (d *Definition) probeTime() int64 {
	return int64(cmp.Or(d.ProbeSeconds, d.OpenSeconds, defaultOpenSeconds)) * second
}

// trips says whether a record, closed until now, has to open.
func (d *Definition) trips(r *record) bool {
	if n := d.inARow(); n > 0 && r.failures >= n {
		return true
	}
	if !d.windowed() {
		return false
	}
	calls, failures := sum(r.parts)
	if failures < int64(d.FailuresInWindow) {
		return false
	}
	return !d.rates() || calls >= d.minimum() && failures > 0 && failures*100 >= calls*d.percent()
}

// keyOf is the key of the breaker that guards what a subject does; false if none of this row does.
func (d *Definition) keyOf(who *limit.Subject) ([]byte, bool) { return d.row().Key(who) }

func sum(list []part) (calls, failures int64) {
	for _, p := range list {
		calls, failures = calls+p.calls, failures+p.failures
	}
	return calls, failures
}
