package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"github.com/portcullis-pdp/portcullis/pdp/limit/ledger"
)

// Reservation reads one. It does not ask whether Redis has lost its memory: a reservation that is gone stays charged.
func (l *Ledger) Reservation(ctx context.Context, tenant, id string) ([]byte, error) {
	key := l.keys(tenant).reservation(name(id))
	result, err := l.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Get().Key(key).Build())
	})
	if err != nil {
		return nil, err
	}
	value, err := result.ToString()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	expires, rest, _ := strings.Cut(value, ":")
	_, record, ok := strings.Cut(rest, ":")
	at, bad := strconv.ParseInt(expires, 10, 64)
	if err = errors.Join(err, bad); err != nil || !ok {
		return nil, fmt.Errorf("%w: a reservation in redis makes no sense", ledger.ErrUnavailable)
	}
	if earliest, _, known := l.clock.bounds(); known && at <= earliest {
		return nil, nil
	}
	return []byte(record), nil
}

// cellsAtOnce is how many cells one script looks at.
const cellsAtOnce = 200

// Cells visits a tenant's cells. Each page of them is a call with a time-out of its own; ctx bounds the whole.
func (l *Ledger) Cells(ctx context.Context, tenant string, most int, visit func(ledger.Cell) bool) error {
	k := l.keys(tenant)
	visited := map[string]bool{} // a set that changes under a scan may give a member twice
	for cursor := uint64(0); ; {
		result, err := l.call(ctx, func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
			return c.Do(ctx, c.B().Zscan().Key(k.cells()).Cursor(cursor).Count(cellsAtOnce).Build())
		})
		if err != nil {
			return err
		}
		page, err := result.AsScanEntry()
		if err != nil {
			return fmt.Errorf("%w: list the cells: %w", ledger.ErrUnavailable, err)
		}
		names := make([]string, 0, len(page.Elements)/2)
		for i := 0; i+1 < len(page.Elements); i += 2 { // members and their scores
			if id := page.Elements[i]; !visited[id] {
				visited[id] = true
				names = append(names, k.cell(id))
			}
		}
		for len(names) > 0 {
			part := names[:min(len(names), cellsAtOnce)] // a small set comes in one piece, whatever its count
			names = names[len(part):]
			more, err := l.look(ctx, tenant, part, &most, visit)
			if err != nil || !more {
				return err
			}
		}
		if cursor = page.Cursor; cursor == 0 {
			return nil
		}
	}
}

// look reads some cells and visits them. It says whether to go on.
func (l *Ledger) look(ctx context.Context, tenant string, cells []string, most *int, visit func(ledger.Cell) bool) (bool, error) {
	known, _, err := l.tenants.of(tenant)
	if err != nil {
		return false, fmt.Errorf("%w: read what this process knew: %w", ledger.ErrUnavailable, err)
	}
	answer, err := l.run(ctx, l.scripts.list, append([]string{l.keys(tenant).tenant()}, cells...), l.caller(known))
	if err != nil {
		return false, err
	}
	for in := (reader{rest: answer}); len(in.rest) > 0; {
		c := ledger.Cell{
			Key: []byte(in.text()), Owner: in.text(), Period: ledger.Period{Kind: ledger.PeriodKind(in.int()), Width: in.int()},
			Used: in.int(), Blocks: in.int(), ResetsAt: in.int(),
		}
		if in.err != nil {
			return false, in.err
		}
		if *most--; *most < 0 || !visit(c) {
			return false, nil
		}
	}
	return true, nil
}

// Recover ends the amnesia of a tenant, on all replicas.
func (l *Ledger) Recover(ctx context.Context, tenant string) (bool, error) {
	known, _, err := l.tenants.of(tenant)
	if err != nil {
		return false, fmt.Errorf("%w: read what this process knew: %w", ledger.ErrUnavailable, err)
	}
	answer, err := l.run(ctx, l.scripts.recover, []string{l.keys(tenant).tenant()}, l.caller(known))
	if err != nil {
		return false, err
	}
	in := reader{rest: answer}
	was := in.int() == 1
	_ = in.int() // the time
	state := seen{epoch: in.int(), seq: in.int(), cells: known.cells, held: known.held}
	if in.err != nil {
		return false, in.err
	}
	if err := l.told(tenant, state); err != nil {
		return false, err
	}
	if was {
		l.cfg.Log.Warn("an operator has accepted that counters in redis were lost", "tenant", tenant, "epoch", state.epoch)
	}
	return was, nil
}
