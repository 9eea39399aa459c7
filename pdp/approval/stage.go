package approval

import (
	"slices"
	"time"
)

// maxStages bounds the stages of an ask.
const maxStages = 5

// Stage is who may approve from a moment on. Whoever an open stage names may vote, also where later ones are open; it is a
// yes as soon as the quorum of one open stage is complete. So escalation adds people and never takes a vote back, and
// time alone makes no yes: only a vote does.
type Stage struct {
	// After is when it opens, counted from the ask.
	After time.Duration `json:"after,omitempty"`
	// Quorum is how many different people of it must approve.
	Quorum int `json:"quorum"`
	// Groups and Roles name the people, by any of them; without both it is every approver. Who is meant is policy's to say.
	Groups []string `json:"groups,omitempty"`
	Roles  []string `json:"roles,omitempty"`
}

// anybody says whether the stage is for every approver.
func (s Stage) anybody() bool { return len(s.Groups) == 0 && len(s.Roles) == 0 }

// AllStages are the stages; an ask that names none has one, of everybody.
func (a *Approval) AllStages() []Stage {
	if len(a.Stages) == 0 {
		return []Stage{{Quorum: a.Quorum}}
	}
	return a.Stages
}

// opens is when a stage opens.
func (a *Approval) opens(stage int) time.Time { return a.Created.Add(a.AllStages()[stage].After) }

// next is when time alone does something to a pending ask: a stage opens, or it expires.
func (a *Approval) next() time.Time {
	if n := a.Stage + 1; n < len(a.Stages) && a.opens(n).Before(a.Expires) {
		return a.opens(n)
	}
	return a.Expires
}

// openStages opens what is to be open by now, each at its moment and not at that of looking.
func (r *Record) openStages(now time.Time) (opened bool) {
	a := &r.Approval
	for a.State == Pending && a.Stage+1 < len(a.Stages) {
		at := a.opens(a.Stage + 1)
		if now.Before(at) || !at.Before(a.Expires) {
			return opened
		}
		a.Stage++
		r.Due = a.next()
		r.note(at)
		opened = true
	}
	return opened
}

// Counted is how many different people have approved in a stage what would be done now.
func (a *Approval) Counted(stage int) int {
	var people []string
	for _, v := range a.Votes {
		if v.counts(a) && slices.Contains(v.stages(), stage) && !slices.ContainsFunc(people, func(p string) bool { return samePerson(p, v.person()) }) {
			people = append(people, v.person())
		}
	}
	return len(people)
}

// Counting are the votes for what would be done now, each with who it is from and what it counts for.
func (a *Approval) Counting() []Vote {
	var out []Vote
	for _, v := range a.Votes {
		if v.counts(a) {
			v.Person, v.Stages = v.person(), v.stages()
			out = append(out, v)
		}
	}
	return out
}

// complete says whether enough people of one open stage have approved.
func (a *Approval) complete() bool { return a.lacking() == 0 }

// lacking is how many people must still approve in the open stage that lacks least.
func (a *Approval) lacking() int {
	stages := a.AllStages()
	least := maxQuorum
	for i := range min(a.Stage+1, len(stages)) {
		least = min(least, max(max(stages[i].Quorum, 1)-a.Counted(i), 0))
	}
	return least
}

// Missing is how many people must still approve, in the open stage that lacks least; 0 once the state is final.
func (a *Approval) Missing() int {
	if a.State != Pending {
		return 0
	}
	return a.lacking()
}

// counts is true of a yes in time to what would be done now.
func (v *Vote) counts(a *Approval) bool {
	return v.Applied && v.Verdict == Approve && v.EditedDigest == a.EditedDigest
}

func (v *Vote) stages() []int {
	if len(v.Stages) == 0 {
		return []int{0}
	}
	return v.Stages
}

func (v *Vote) person() string {
	if v.Person != "" {
		return v.Person
	}
	return v.Subject
}

// repeats says whether this person has said all of this before. A yes for a stage that opened since is new.
func (v *Vote) repeats(a *Approval) bool {
	for _, stage := range v.stages() {
		said := slices.ContainsFunc(a.Votes, func(o Vote) bool {
			return o.Verdict == v.Verdict && samePerson(o.person(), v.person()) && o.EditedDigest == v.EditedDigest &&
				(v.Verdict == Reject || !o.Applied || slices.Contains(o.stages(), stage))
		})
		if !said {
			return false
		}
	}
	return true
}

// countable are the stages of a ballot that are open, in order.
func (b *Ballot) countable(a *Approval) []int {
	var out []int
	for i, s := range a.AllStages() {
		if i <= a.Stage && (slices.Contains(b.Stages, i) || b.Stages == nil && s.anybody()) {
			out = append(out, i)
		}
	}
	return out
}

// checkStages bounds stages and fills in that of an ask which names none.
func checkStages(stages []Stage) error {
	if len(stages) > maxStages {
		return invalid("stages", "are %d, at most %d are possible", len(stages), maxStages)
	}
	for i, s := range stages {
		switch {
		case s.Quorum < 1 || s.Quorum > maxQuorum:
			return invalid("stages", "stage %d has a quorum of %d, 1 to %d are possible", i, s.Quorum, maxQuorum)
		case i == 0 && s.After != 0:
			return invalid("stages", "the first opens after %s, not at once", s.After)
		case i > 0 && s.After < stages[i-1].After, s.After > maxTTL:
			return invalid("stages", "stage %d is out of order", i)
		case len(s.Groups)+len(s.Roles) > maxNames:
			return invalid("stages", "stage %d names more than %d groups and roles", i, maxNames)
		case slices.ContainsFunc(slices.Concat(s.Groups, s.Roles), func(n string) bool { return n == "" || len(n) > maxNameBytes }):
			return invalid("stages", "stage %d has a name that is empty or longer than %d bytes", i, maxNameBytes)
		}
	}
	return nil
}
