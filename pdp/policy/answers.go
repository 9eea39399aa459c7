package policy

import (
	"fmt"
	"time"
)

// Answers is the table `answers`: what people are asked, and what their answers mean for later asks. A bundle without it
// remembers no refusal, lets nobody grant anything, and bounds asks by what is pending alone.
type Answers struct {
	Refusals struct {
		Seconds    int64 `json:"seconds"`
		AnySession bool  `json:"any_session"`
	} `json:"refusals"`
	Grants struct {
		Uses    int   `json:"uses"`
		Seconds int64 `json:"seconds"`
	} `json:"grants"`
	Asks struct {
		WindowSeconds int64 `json:"window_seconds"`
		PerSession    int   `json:"per_session"`
		PerAgent      int   `json:"per_agent"`
	} `json:"asks"`
	NoRoute string `json:"no_route"`
}

// DenyNoRoute says that an ask which nobody is there to answer is denied.
func (a *Answers) DenyNoRoute() bool { return a.NoRoute == noRouteDeny }

// What becomes of an ask that nobody is there to answer.
const (
	noRouteWait = "wait"
	noRouteDeny = "deny"
)

const day = 24 * time.Hour

func (t *Tables) checkAnswers() []error {
	var errs []error
	a := &t.Answers
	bound := func(field string, n, most int64) {
		if n < 0 || n > most {
			errs = append(errs, fmt.Errorf("tables/answers: %s is 0 to %d, not %d", field, most, n))
		}
	}
	bound("refusals.seconds", a.Refusals.Seconds, int64(30*day/time.Second))
	bound("grants.uses", int64(a.Grants.Uses), 1000)
	bound("grants.seconds", a.Grants.Seconds, int64(day/time.Second))
	bound("asks.window_seconds", a.Asks.WindowSeconds, int64(day/time.Second))
	bound("asks.per_session", int64(a.Asks.PerSession), 1_000_000)
	bound("asks.per_agent", int64(a.Asks.PerAgent), 1_000_000)
	if (a.Asks.PerSession > 0 || a.Asks.PerAgent > 0) && a.Asks.WindowSeconds == 0 {
		errs = append(errs, fmt.Errorf("tables/answers: asks are bounded, and asks.window_seconds is 0"))
	}
	if a.NoRoute != "" && a.NoRoute != noRouteWait && a.NoRoute != noRouteDeny {
		errs = append(errs, fmt.Errorf("tables/answers: no_route is %s or %s, not %q", noRouteWait, noRouteDeny, a.NoRoute))
	}
	return errs
}
