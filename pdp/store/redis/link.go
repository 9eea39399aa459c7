package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// failuresToOpen is how many calls in a row fail before all do at once.
	failuresToOpen = 3
	// heartbeat is how often the ledger's time is asked for while all is well.
	heartbeat = time.Second
	// Between probes of a Redis that does not answer.
	firstPause, longestPause = 20 * time.Millisecond, time.Second
	// probesToReconnect is after how many failed probes in a row the client is made anew: names may resolve otherwise now.
	probesToReconnect = 8
)

var (
	errNeverReached = errors.New("redis was not reached yet")
	errClosed       = errors.New("the ledger is closed")
)

// link is the connection to Redis, and the breaker on it. It exists so that nobody waits for a Redis that does not answer: after
// a few failures in a row it is down, and only one goroutine goes on asking. Safe for concurrent use.
type link struct {
	options rueidis.ClientOption
	timeout time.Duration
	probe   func(ctx context.Context, c rueidis.Client) error
	back    func(ctx context.Context, back bool) // after a probe that went well; back says that those before did not
	log     *slog.Logger

	client   atomic.Pointer[rueidis.Client]
	up       atomic.Bool
	failures atomic.Int32
	trouble  atomic.Pointer[error]
	kick     chan struct{}
	stop     context.CancelFunc
	done     chan struct{}
	once     sync.Once
}

func (l *link) start() {
	l.trouble.Store(&errNeverReached)
	l.kick, l.done = make(chan struct{}, 1), make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go l.run(ctx)
}

func (l *link) close() {
	l.once.Do(func() {
		l.stop()
		<-l.done
		l.up.Store(false)
		l.trouble.Store(&errClosed)
		if c := l.client.Load(); c != nil {
			(*c).Close()
		}
	})
}

// use returns the client, or why there is no use in trying.
func (l *link) use() (rueidis.Client, error) {
	if c := l.client.Load(); c != nil && l.up.Load() {
		return *c, nil
	}
	return nil, *l.trouble.Load()
}

// err says why Redis cannot be used now.
func (l *link) err() error {
	if l.up.Load() {
		return nil
	}
	return *l.trouble.Load()
}

// report counts what became of a call.
func (l *link) report(err error) {
	if err == nil {
		l.failures.Store(0)
		return
	}
	if l.failures.Add(1) < failuresToOpen {
		return
	}
	l.trouble.Store(&err)
	if l.up.CompareAndSwap(true, false) {
		l.log.Error("redis does not answer: limits in it deny, or use their local share, until it does", "error", err)
	}
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// run keeps the connection, and asks for the time.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	pause, failed := firstPause, 0
	for {
		if err := l.try(ctx); err == nil {
			l.failures.Store(0)
			back := l.up.CompareAndSwap(false, true)
			if back {
				l.log.Info("redis answers")
			}
			l.back(ctx, back)
			pause, failed = firstPause, 0
		} else if ctx.Err() == nil {
			l.report(err)
			if failed++; failed%probesToReconnect == 0 {
				if c := l.client.Swap(nil); c != nil {
					(*c).Close()
				}
			}
		}
		wait := heartbeat
		if !l.up.Load() || failed > 0 {
			wait = about(pause)
			pause = min(2*pause, longestPause)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.kick: // a call has just opened the breaker
			timer.Stop()
			select {
			case <-time.After(about(firstPause)):
			case <-ctx.Done():
			}
		case <-ctx.Done():
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// try probes once.
func (l *link) try(ctx context.Context) error {
	c := l.client.Load()
	if c == nil {
		made, err := rueidis.NewClient(l.options)
		if err != nil {
			return fmt.Errorf("connect to redis: %w", err)
		}
		c = &made
		l.client.Store(c)
	}
	// More patient than a call: a connection with TLS takes longer to make than a script to run.
	ctx, cancel := context.WithTimeout(ctx, max(l.timeout, time.Second))
	defer cancel()
	return l.probe(ctx, *c)
}

// about is a pause of which half is chance, so that many replicas do not come back in step.
func about(pause time.Duration) time.Duration {
	return pause/2 + rand.N(pause/2+1) //nolint:gosec // nobody gains by guessing it
}
