package approval

import "context"

// Pending counts the asks that wait for a person, of one tenant or, if it is empty, of all.
func (q *Queue) Pending(ctx context.Context, tenant string) (int, error) {
	n, err := q.store.Pending(ctx, tenant)
	return n, failed("count the asks", err)
}
