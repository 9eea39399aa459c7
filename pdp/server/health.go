package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Check is one condition of health. Check returns nil if the part works, or what is wrong with it: Tolerable where the
// server answers decisions all the same.
type Check interface {
	Name() string
	Check(ctx context.Context) error
}

type tolerable struct{ error }

func (t tolerable) Unwrap() error { return t.error }

// Tolerable marks what is wrong with a part that decisions can be answered without: they are denied, or made with less. It
// is for what all replicas share. A server that said NOT_SERVING because the shared part is gone would be taken out of
// service together with all the others, and agents would hear nothing instead of a decision. nil stays nil.
func Tolerable(err error) error {
	if err == nil {
		return nil
	}
	return tolerable{err}
}

// Component is how one part of the server was when it was last looked at.
type Component struct {
	Name    string
	OK      bool
	Message string // what is wrong; empty if it works
	// Tolerated is set where it does not work and the server serves all the same.
	Tolerated bool
}

// serviceNames are those that health speaks for; the empty one is the server as a whole.
var serviceNames = []string{"", "portcullis.v1.DecisionService", "portcullis.v1.ApprovalService", "portcullis.v1.AdminService"}

// vitals looks at all conditions again and again and says so through grpc.health.v1. It begins as NOT_SERVING: a
// server that has not looked does not know. One goroutine runs it; the results may be read by anyone.
type vitals struct {
	checks  []*vital
	every   time.Duration
	log     *slog.Logger
	grpc    *health.Server
	found   atomic.Pointer[[]Component] // in the order of the checks; nil until the first look
	drained atomic.Bool
}

// vital is a check and whether a run of it is still under way: one that hangs counts as failing and is not started
// a second time.
type vital struct {
	Check
	busy atomic.Bool
}

func newVitals(checks []Check, every time.Duration, log *slog.Logger) *vitals {
	v := &vitals{every: every, log: log, grpc: health.NewServer()}
	for _, c := range checks {
		v.checks = append(v.checks, &vital{Check: c})
	}
	v.set(healthpb.HealthCheckResponse_NOT_SERVING)
	return v
}

func (v *vitals) set(s healthpb.HealthCheckResponse_ServingStatus) {
	for _, name := range serviceNames {
		v.grpc.SetServingStatus(name, s)
	}
}

// run looks until ctx ends.
func (v *vitals) run(ctx context.Context) {
	tick := time.NewTicker(v.every)
	defer tick.Stop()
	for {
		v.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// look runs every check once, at the same time, and waits for at most one interval.
func (v *vitals) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, v.every)
	defer cancel()
	var wg sync.WaitGroup
	found := make([]Component, len(v.checks))
	for i, c := range v.checks {
		found[i] = Component{Name: c.Name(), OK: true}
		wg.Go(func() {
			if err := c.once(ctx); err != nil {
				found[i].OK, found[i].Message, found[i].Tolerated = false, err.Error(), tolerated(err)
			}
		})
	}
	wg.Wait()
	v.publish(found)
}

// tolerated does not look into joined errors: one of them may be intolerable.
func tolerated(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if _, ok := err.(tolerable); ok { //nolint:errorlint // link by link, see above
			return true
		}
	}
	return false
}

var errStillRunning = errors.New("the check does not come to an end")

// once runs the check in a goroutine that it may leave behind.
func (c *vital) once(ctx context.Context) error {
	if !c.busy.CompareAndSwap(false, true) {
		return errStillRunning
	}
	done := make(chan error, 1)
	go func() {
		defer c.busy.Store(false)
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("the check panicked: %T", p)
			}
		}()
		done <- c.Check.Check(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errStillRunning
	}
}

func (v *vitals) publish(found []Component) {
	before := v.found.Swap(&found)
	if v.drained.Load() {
		return
	}
	status := healthpb.HealthCheckResponse_SERVING
	if len(failing(found)) > 0 {
		status = healthpb.HealthCheckResponse_NOT_SERVING
	}
	v.set(status)
	if before == nil || !slices.Equal(*before, found) {
		for _, c := range found {
			if !c.OK {
				v.log.Warn("health: a part does not work", "component", c.Name, "cause", c.Message, "tolerated", c.Tolerated)
			}
		}
		v.log.Info("health", "serving", status == healthpb.HealthCheckResponse_SERVING, "failing", failing(found))
	}
}

// failing are the parts that keep the server from serving.
func failing(found []Component) (names []string) {
	for _, c := range found {
		if !c.OK && !c.Tolerated {
			names = append(names, c.Name)
		}
	}
	return names
}

// drain says NOT_SERVING for good.
func (v *vitals) drain() {
	v.drained.Store(true)
	v.grpc.Shutdown()
}

// ready says whether the server answers decisions, and if not, which parts keep it from that.
func (v *vitals) ready() (bool, []string) {
	if v.drained.Load() {
		return false, []string{"shutting down"}
	}
	found := v.found.Load()
	if found == nil {
		return false, []string{"starting"}
	}
	names := failing(*found)
	return len(names) == 0, names
}

// components is what was found last.
func (v *vitals) components() []Component {
	if found := v.found.Load(); found != nil {
		return *found
	}
	return nil
}
