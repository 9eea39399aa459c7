package approval

import (
	"context"
	"time"
)

// Check says whether an approval may be redeemed for this action now, and returns it. It uses nothing up. The error
// is ErrNotFound, ErrMismatch (with the field), ErrPending, ErrRejected, ErrExpired, ErrCancelled or ErrUsed.
func (q *Queue) Check(ctx context.Context, id string, want Redemption) (Approval, error) {
	rec, err := q.load(ctx, id)
	if err != nil {
		return Approval{}, err
	}
	if err := otherTenant(&rec, want); err != nil {
		return Approval{}, err
	}
	if err := rec.redeemable(want); err != nil {
		return Approval{}, err
	}
	return rec.Approval, nil
}

// Redeem uses an approval up, for one decision; it is durable when it returns nil. Of all decisions that try, one
// succeeds; the same one may try again. The content is erased with it. Errors are Check's.
func (q *Queue) Redeem(ctx context.Context, id string, want Redemption, decisionID string) error {
	if decisionID == "" || len(decisionID) > maxNameBytes {
		return invalid("decision_id", "is needed, with at most %d bytes", maxNameBytes)
	}
	var refused error
	_, err := q.update(ctx, id, func(rec *Record, now time.Time) {
		if refused = otherTenant(rec, want); refused == nil {
			refused = rec.redeem(now, want, decisionID, q.cfg.Retention)
		}
	})
	return firstOf(err, refused)
}

// otherTenant hides from a tenant what others have.
func otherTenant(rec *Record, want Redemption) error {
	if want.Tenant != rec.Approval.Tenant {
		return ErrNotFound
	}
	return nil
}
