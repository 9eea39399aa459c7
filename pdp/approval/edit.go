package approval

import (
	"slices"
	"time"
)

// maxEdits is how often the arguments of one ask may be changed.
const maxEdits = 8

// Edit is an action with a reviewer's arguments, decided anew: pdp/decision makes it, and only of what policy does not deny.
type Edit struct {
	// Digest is that of the edited action; Action its canonical form, View what reviewers see of it.
	Digest       string
	Action, View []byte
	// Rules are those that ask for it, with their reasons; Stages who may approve it.
	Rules   []string
	Reasons []Reason
	Stages  []Stage
}

// edit puts a reviewer's arguments in the place of what was asked for. Whoever approved that has not approved this: votes
// name the digest that they are for, and none counts for another. Nothing gets more time.
func (r *Record) edit(e *Edit, sealed []byte, by string, now time.Time) error {
	a := &r.Approval
	switch {
	case e.Digest == a.EffectiveDigest() || e.Digest == a.Digest:
		return invalid("edited_arguments_json", "changes nothing")
	case a.Edits >= maxEdits:
		return ErrTooManyEdits
	}
	a.EditedDigest, a.EditedBy = e.Digest, by
	a.Edits++
	a.Rules, a.Reasons, a.Stages, a.ActionBytes = slices.Clone(e.Rules), slices.Clone(e.Reasons), slices.Clone(e.Stages), int64(len(e.Action))
	a.Quorum, a.Stage = a.AllStages()[0].Quorum, 0
	for a.Stage+1 < len(a.Stages) && !now.Before(a.opens(a.Stage+1)) && a.opens(a.Stage+1).Before(a.Expires) {
		a.Stage++
	}
	r.Due = a.next()
	r.Content, r.ContentBytes = sealed, int64(len(sealed))
	return nil
}
