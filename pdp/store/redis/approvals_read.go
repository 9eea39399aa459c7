package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Load returns one record.
func (s *Approvals) Load(ctx context.Context, id string) (approval.Record, error) {
	h, err := s.load(ctx, id)
	return h.rec, err
}

func (s *Approvals) load(ctx context.Context, id string) (held, error) {
	found, _, err := s.loadAll(ctx, []string{id}, false)
	if err != nil {
		return held{}, err
	}
	if len(found) == 0 {
		return held{}, approval.ErrNotFound
	}
	if h := found[0]; h.err != nil {
		return held{}, h.err
	}
	return found[0], nil
}

// Content returns one record and what is sealed with it, of one moment.
func (s *Approvals) Content(ctx context.Context, id string) (approval.Record, []byte, error) {
	found, content, err := s.loadAll(ctx, []string{id}, true)
	if err != nil {
		return approval.Record{}, nil, err
	}
	if len(found) == 0 {
		return approval.Record{}, nil, approval.ErrNotFound
	}
	if h := found[0]; h.err != nil {
		return approval.Record{}, nil, h.err
	}
	return found[0].rec, content, nil
}

// loadAll reads at most loadAtOnce records and leaves out those that are not there; of those that cannot be read it says so. With content there is one, and its content.
func (s *Approvals) loadAll(ctx context.Context, ids []string, content bool) (found []held, sealed []byte, err error) {
	keys := []string{s.keys.epoch()}
	for _, id := range ids {
		keys = append(keys, s.keys.record(id))
	}
	contentKey := ""
	if content {
		contentKey = s.keys.content(ids[0])
	}
	answer, err := s.run(ctx, s.l.scripts.approvalsRead, keys, []string{contentKey})
	if err != nil {
		return nil, nil, err
	}
	in := reader{rest: answer}
	epoch := in.int()
	for _, id := range ids {
		raw, write, began := in.text(), in.text(), in.int()
		if in.err != nil {
			return nil, nil, in.err
		}
		if raw == "" {
			continue
		}
		h := held{write: write, in: epoch}
		err := json.Unmarshal([]byte(raw), &h.rec)
		if err == nil {
			err = h.rec.Damaged()
		}
		if err == nil && h.rec.Approval.ID != id {
			err = errors.New("it is another")
		}
		if err != nil {
			h.err = &approval.Unreadable{ID: id, Cause: err}
		}
		h.rec.Doubtful = began < epoch && h.rec.Approval.Live()
		found = append(found, h)
	}
	if content {
		sealed = in.record()
	}
	return found, sealed, in.err
}

// pageOf is how many ids are read of an index at once.
const pageOf = 64

// Scan visits records newest first. It is not one moment: a record is visited as it is when its page is read.
func (s *Approvals) Scan(ctx context.Context, states []approval.State, after string, visit func(approval.Record) bool) error {
	var indexes []string
	for _, state := range slices.Compact(slices.Sorted(slices.Values(states))) {
		indexes = append(indexes, s.keys.state(stateIndexes[state]))
		if state == approval.Approved {
			indexes = append(indexes, s.keys.state(approvedLive))
		}
	}
	for {
		page, err := s.newest(ctx, indexes, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for ids := range slices.Chunk(page, loadAtOnce) {
			found, _, err := s.loadAll(ctx, ids, false)
			if err != nil {
				return err
			}
			for _, h := range found {
				if h.err == nil && slices.Contains(states, h.rec.Approval.State) && !visit(h.rec) {
					return nil
				}
			}
		}
		after = page[len(page)-1]
	}
}

// newest is a page of ids of several indexes, newest first, beginning after one.
func (s *Approvals) newest(ctx context.Context, indexes []string, after string) (page []string, err error) {
	from := "+"
	if after != "" {
		from = "(" + after
	}
	for _, key := range indexes {
		ids, err := s.strings(ctx, func(c rueidis.Client) rueidis.Completed {
			return c.B().Zrange().Key(key).Min(from).Max("-").Bylex().Rev().Limit(0, pageOf).Build()
		})
		if err != nil {
			return nil, err
		}
		page = append(page, ids...)
	}
	slices.SortFunc(page, func(a, b string) int { return cmp.Compare(b, a) })
	page = slices.Compact(page) // one that changed its state meanwhile
	return page[:min(len(page), pageOf)], nil
}

func (s *Approvals) strings(ctx context.Context, command func(rueidis.Client) rueidis.Completed) ([]string, error) {
	result, err := s.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult { return c.Do(ctx, command(c)) })
	if err != nil {
		return nil, err
	}
	list, err := result.AsStrSlice()
	if err != nil {
		return nil, fmt.Errorf("%w: an answer of redis makes no sense: %w", ledger.ErrUnavailable, err)
	}
	return list, nil
}

// liveAtOnce is how many live approvals are listed at once.
const liveAtOnce = 1000

// Live returns the ids of what can still change.
func (s *Approvals) Live(ctx context.Context, tenant, agent string) ([]string, error) {
	from, to := "-", "+"
	if tenant != "" {
		prefix := part(tenant)
		if agent != "" {
			prefix += part(agent)
		}
		from, to = "["+prefix, "("+prefix+"\xff"
	}
	var ids []string
	for {
		members, err := s.strings(ctx, func(c rueidis.Client) rueidis.Completed {
			return c.B().Zrange().Key(s.keys.live()).Min(from).Max(to).Bylex().Limit(0, liveAtOnce).Build()
		})
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			ids = append(ids, idOfMember(m))
		}
		if len(members) < liveAtOnce {
			return ids, nil
		}
		from = "(" + members[len(members)-1]
	}
}

// idOfMember is what stands behind tenant and agent.
func idOfMember(m string) string {
	for range 2 {
		if len(m) < 2 {
			return ""
		}
		n := int(m[0])<<8 + int(m[1])
		m = m[min(2+n, len(m)):]
	}
	return m
}

// Pending counts what is pending.
func (s *Approvals) Pending(ctx context.Context, tenant string) (int, error) {
	scope := pendingScope
	if tenant != "" {
		scope = tenantScope(&approval.Approval{Tenant: tenant})
	}
	result, err := s.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hget().Key(s.keys.counts()).Field(scope).Build())
	})
	if err != nil {
		return 0, err
	}
	n, err := result.AsInt64()
	if err != nil && !rueidis.IsRedisNil(err) {
		return 0, fmt.Errorf("%w: an answer of redis makes no sense: %w", ledger.ErrUnavailable, err)
	}
	return int(n), nil
}

// ByDigest returns the records of an agent for one action.
func (s *Approvals) ByDigest(ctx context.Context, tenant, agent, digest string, limit int) ([]approval.Record, error) {
	if limit < 1 {
		return nil, nil
	}
	ids, err := s.strings(ctx, func(c rueidis.Client) rueidis.Completed {
		return c.B().Zrange().Key(s.keys.digest(tenant, agent, digest)).Min("0").Max(strconv.Itoa(limit - 1)).Rev().Build()
	})
	if err != nil {
		return nil, err
	}
	var recs []approval.Record
	for chunk := range slices.Chunk(ids, loadAtOnce) {
		found, _, err := s.loadAll(ctx, chunk, false)
		if err != nil {
			return nil, err
		}
		for _, h := range found {
			if h.err != nil {
				return nil, h.err
			}
			recs = append(recs, h.rec)
		}
	}
	return recs, nil
}

// Due returns what the sweeper has to look at.
func (s *Approvals) Due(ctx context.Context, at time.Time, limit int) ([]string, time.Time, error) {
	result, err := s.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Zrange().Key(s.keys.due()).Min("0").Max(strconv.Itoa(limit)).Withscores().Build())
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	list, err := result.AsZScores()
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: an answer of redis makes no sense: %w", ledger.ErrUnavailable, err)
	}
	var ids []string
	for _, z := range list {
		due := time.UnixMicro(int64(z.Score)).UTC()
		if due.After(at) || len(ids) == limit {
			return ids, due, nil
		}
		ids = append(ids, z.Member)
	}
	return ids, time.Time{}, nil
}

// Surplus returns the oldest ended records beyond the newest keep.
func (s *Approvals) Surplus(ctx context.Context, keep, limit int) ([]string, error) {
	surplus := int64(-keep)
	var oldest []string
	for _, state := range []approval.State{approval.Approved, approval.Rejected, approval.Expired, approval.Cancelled} {
		key := s.keys.state(stateIndexes[state])
		result, err := s.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.Do(ctx, c.B().Zcard().Key(key).Build())
		})
		if err != nil {
			return nil, err
		}
		n, err := result.AsInt64()
		if err != nil {
			return nil, fmt.Errorf("%w: an answer of redis makes no sense: %w", ledger.ErrUnavailable, err)
		}
		surplus += n
		ids, err := s.strings(ctx, func(c rueidis.Client) rueidis.Completed {
			return c.B().Zrange().Key(key).Min("-").Max("+").Bylex().Limit(0, int64(limit)).Build()
		})
		if err != nil {
			return nil, err
		}
		oldest = append(oldest, ids...)
	}
	slices.Sort(oldest)
	return oldest[:max(min(surplus, int64(limit), int64(len(oldest))), 0)], nil
}

// Snapshot returns what was pending at one moment, and the newest cursor then. Records are read afterwards, and put back to how
// they were at that moment.
func (s *Approvals) Snapshot(ctx context.Context) ([]approval.Record, uint64, error) {
	answer, err := s.run(ctx, s.l.scripts.approvalsSnapshot, []string{s.keys.meta(), s.keys.state(stateIndexes[approval.Pending])}, []string{s.keys.records()})
	if err != nil {
		return nil, 0, err
	}
	in := reader{rest: answer}
	cursor := uint64(in.int())
	sequences := map[string]int64{}
	var ids []string
	for len(in.rest) > 0 && in.err == nil {
		id := in.text()
		ids, sequences[id] = append(ids, id), in.int()
	}
	if in.err != nil {
		return nil, 0, in.err
	}
	recs := make([]approval.Record, 0, len(ids))
	for chunk := range slices.Chunk(ids, loadAtOnce) {
		found, _, err := s.loadAll(ctx, chunk, false)
		if err != nil {
			return nil, 0, err
		}
		for _, h := range found {
			if h.err != nil {
				continue
			}
			n := uint64(sequences[h.rec.Approval.ID])
			if n == 0 || n > h.rec.Approval.Sequence {
				return nil, 0, errors.New("an approval has fewer changes than it had")
			}
			recs = append(recs, h.rec.AsOf(n))
		}
	}
	return recs, cursor, nil
}

// Changes returns what changed after a cursor.
func (s *Approvals) Changes(ctx context.Context, after uint64, limit int) ([]approval.ChangeRef, error) {
	if after > 1<<53 {
		return nil, approval.ErrCursor
	}
	answer, err := s.run(ctx, s.l.scripts.approvalsChanges, []string{s.keys.meta(), s.keys.changes()}, []string{strconv.FormatUint(after, 10), strconv.Itoa(limit)})
	if err != nil {
		return nil, err
	}
	in := reader{rest: answer}
	if !in.flag() && in.err == nil {
		return nil, approval.ErrCursor
	}
	var refs []approval.ChangeRef
	for len(in.rest) > 0 && in.err == nil {
		refs = append(refs, approval.ChangeRef{Cursor: uint64(in.int()), ID: in.text(), Sequence: uint64(in.int())})
	}
	return refs, in.err
}
