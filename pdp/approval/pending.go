package approval

import "context"

// Pending counts the asks that wait for a person, of one tenant or, if it is empty, of all.
func (q *Queue) Pending(ctx context.Context, tenant string) (int, error) {
	n := 0
	err := q.store.Scan(ctx, []State{Pending}, "", func(r Record) bool {
		if tenant == "" || r.Approval.Tenant == tenant {
			n++
		}
		return true
	})
	return n, failed("count the asks", err)
}
