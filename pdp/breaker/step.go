package breaker

// report is what a decision's outcome brings to a breaker.
type report struct {
	decision string
	owner    string // the agent that acted
	outcome  Outcome
	// successes are those that this process has counted in memory and no record holds yet; this one too, if it is one.
	successes []part
}

// after is the record once a report is in, and whether the breaker came to another state by it. r is not changed; the
// result is r itself where nothing changes. What an action reports that began before a breaker opened changes nothing any
// more: only its probe speaks.
func (r *record) after(d *Definition, in *report, now moment) (next *record, changed bool) {
	switch {
	case r.probedBy(in.decision):
		if in.outcome == Success {
			return nil, true
		}
		next = r.clone()
		if in.outcome == Failure {
			next.failures++
		}
		next.cause = in.decision
		next.reopen(now, now.latest+d.coolDown())
		return next, true
	case r != nil && r.cause == in.decision: // sent again: the first time counted, and who sent it may not have heard
		return r, r.state == Open
	case r != nil && r.state != Closed, in.outcome == NotKnown, r == nil && in.outcome == Success:
		return r, false
	}
	if r == nil {
		next = &record{state: Closed, owner: in.owner}
	} else {
		next = r.clone()
	}
	next.count(d, in, now)
	if d.trips(next) {
		next.opened(d)
		next.reopen(now, now.latest+d.coolDown())
		return next, true
	}
	if _, failures := sum(next.parts); next.failures == 0 && failures == 0 {
		return nil, false // clean again
	}
	return next, false
}

// count adds a success or a failure to a closed breaker.
func (r *record) count(d *Definition, in *report, now moment) {
	r.touched = now.latest
	if in.outcome == Failure {
		if d.inARow() > 0 || d.rates() {
			r.failures++
		}
		r.cause = in.decision
	} else {
		r.failures = 0
	}
	if !d.windowed() {
		r.width, r.parts = 0, nil
		return
	}
	r.resize(d.width())
	if in.outcome == Failure {
		r.parts = addPart(r.parts, part{now.latest / r.width, 1, 1})
	}
	for _, p := range in.successes {
		r.parts = addPart(r.parts, p)
	}
	r.parts = live(r.parts, r.width, now)
}

// opened says how many failures it took.
func (r *record) opened(d *Definition) {
	if n := d.inARow(); n == 0 || r.failures < n {
		_, r.failures = sum(r.parts)
	}
}

// reopen holds everything back until a time. The window has done its work: a breaker that closes begins anew.
func (r *record) reopen(now moment, until int64) {
	r.state, r.probe, r.until, r.touched = Open, "", until, now.latest
	r.width, r.parts = 0, nil
}

// taken is the record once a decision is the probe.
func (r *record) taken(d *Definition, decision string, now moment) *record {
	next := r.clone()
	next.state, next.probe, next.until, next.touched = HalfOpen, decision, now.latest+d.probeTime(), now.latest
	return next
}

// released is the record once its probe has not run: the next action may be one at once.
func (r *record) released(now moment) *record {
	next := r.clone()
	next.reopen(now, now.earliest)
	return next
}
