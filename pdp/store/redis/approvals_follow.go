package redis

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"
)

const (
	// listenFor is how long one call waits for a change. Redis answers it by then, so that a connection which is gone is noticed.
	listenFor = 2 * time.Second
	// heardAtOnce is how many changes one call takes.
	heardAtOnce = 256
)

// Follow tells of approvals that any process has changed, until ctx ends: their ids, or none where some may have been missed,
// after each gap. The changes themselves are in the store; this only says that there is something to read.
func (s *Approvals) Follow(ctx context.Context, changed func(ids ...string)) {
	cursor, gap := "", true
	pause := firstPause
	for ctx.Err() == nil {
		if gap {
			at, err := s.cursor(ctx)
			if err != nil {
				_ = pauseFor(ctx, about(pause))
				pause = min(2*pause, longestPause)
				continue
			}
			cursor, gap, pause = at, false, firstPause
			changed()
		}
		ids, last, err := s.listen(ctx, cursor)
		switch {
		case err != nil:
			gap = true
		case len(ids) > 0:
			cursor = last
			changed(ids...)
		}
	}
}

// cursor is where the changes are now.
func (s *Approvals) cursor(ctx context.Context) (string, error) {
	result, err := s.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Hget().Key(s.keys.meta()).Field("c").Build())
	})
	if err != nil {
		return "", err
	}
	at, err := result.ToString()
	if rueidis.IsRedisNil(err) {
		return "0", nil
	}
	return at, err
}

// listen waits for changes. It is a connection of its own, and says nothing about how well Redis is: that a wait ends without
// an answer is no failure of a call.
func (s *Approvals) listen(ctx context.Context, after string) (ids []string, last string, err error) {
	c, err := s.l.link.use()
	if err != nil {
		return nil, "", err
	}
	timed, cancel := context.WithTimeout(ctx, listenFor+max(s.l.cfg.Timeout, time.Second))
	defer cancel()
	result := c.Do(timed, c.B().Xread().Count(heardAtOnce).Block(listenFor.Milliseconds()).Streams().Key(s.keys.changes()).Id(after).Build())
	streams, err := result.AsXRead()
	switch {
	case rueidis.IsRedisNil(err):
		return nil, after, nil
	case err != nil:
		return nil, "", err
	}
	entries := streams[s.keys.changes()]
	if len(entries) == 0 {
		return nil, "", errors.New("an answer without changes")
	}
	for _, e := range entries {
		ids = append(ids, e.FieldValues["i"])
	}
	return ids, entries[len(entries)-1].ID, nil
}

func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
