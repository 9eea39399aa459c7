package decision

import (
	"sync"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/event"
)

// maxTempi bounds the people whose verdicts are watched at once.
const maxTempi = 10_000

// tempi notice a person whose verdicts come faster than anybody reads (threat B8): somebody who clicks, a script, a stolen
// credential. It alerts and stops nothing: a person in the middle of an incident is not locked out by a counter. It is
// kept in memory, by process: a restart forgets a window. Safe for concurrent use.
type tempi struct {
	most   int
	window time.Duration

	mu     sync.Mutex
	people map[string][]time.Time // times of verdicts within the window, at most `most` and one
}

// given counts a verdict, and says whether it is the one with which the rate is passed.
func (t *tempi) given(person string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	since := now.Add(-t.window)
	if len(t.people) >= maxTempi {
		for p, times := range t.people {
			if !times[len(times)-1].After(since) {
				delete(t.people, p)
			}
		}
	}
	times := t.people[person]
	if times == nil && len(t.people) >= maxTempi {
		return false
	}
	for len(times) > 0 && !times[0].After(since) {
		times = times[1:]
	}
	before := len(times)
	if before > t.most { // told already; the window slides on
		times = times[1:]
	}
	t.people[person] = append(times, now)
	return before == t.most
}

// tempo alerts where somebody gives more verdicts than a person can think about.
func (e *Engine) tempo(voter approval.Voter, a *approval.Approval) {
	person := approval.Fold(voter.Named())
	if !e.tempi.given(joined(voter.Tenant, person), e.Approvals.Now()) {
		return
	}
	e.Observer.Anomaly("approver_rate")
	e.Events.Publish(event.Event{
		Type: event.Anomaly, Tenant: voter.Tenant,
		Message:    "approver " + person + " gives verdicts faster than they can be thought about",
		Attributes: map[string]string{"threshold": "approver_rate", "person": person, "approval_id": a.ID},
	})
}
