package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// ErrListen matches an address that can't be listened on: in use, not allowed, or not ours.
var ErrListen = errors.New("cannot listen")

// ErrStuck is returned when calls did not end although they were told to. Whoever runs the server must not close what
// they use as if nobody did.
var ErrStuck = errors.New("calls did not end after the server was stopped")

// stopWithin bounds the very last wait, for handlers whose context has ended.
const stopWithin = 5 * time.Second

// Listening is closed once Addr is known.
func (s *Server) Listening() <-chan struct{} { return s.listening }

// Addr is where the server listens; nil until Listening is closed.
func (s *Server) Addr() net.Addr {
	select {
	case <-s.listening:
		return s.addr
	default:
		return nil
	}
}

// Console is where the console is served, as far as the server knows it; empty without one, and until Listening is closed.
func (s *Server) Console() string {
	select {
	case <-s.listening:
		if s.pages != nil {
			return s.pages.where()
		}
	default:
	}
	return ""
}

// Run listens and serves until ctx ends, then shuts down: health says NOT_SERVING, the server holds, drains, stops.
// It returns nil after that, and an error if it could not listen (ErrListen), stopped by itself, or had to leave calls
// behind (ErrStuck).
func (s *Server) Run(ctx context.Context) error {
	if !s.ran.CompareAndSwap(false, true) {
		return errors.New("server: Run can be called once")
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		s.stop()
		return fmt.Errorf("%w on %s (is another server running?): %w", ErrListen, s.cfg.Listen, err)
	}
	var consoleLn net.Listener
	if s.pages != nil {
		if consoleLn, err = s.pages.listen(ctx); err != nil {
			_ = ln.Close()
			s.stop()
			return err
		}
	}
	s.addr = ln.Addr()
	s.split.grpc.addr, s.split.http.addr = s.addr, s.addr
	close(s.listening)
	s.log.Info("listening", "address", s.addr.String(), "tls", s.cfg.CertFile != "", "dev", s.cfg.DevMode)

	looking, stopLooking := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 4)
	var wg sync.WaitGroup
	wg.Go(func() { s.vitals.run(looking) })
	wg.Go(func() { s.follow(looking) })
	wg.Go(func() { s.split.serve(ln); ended <- nil })
	wg.Go(func() { ended <- quiet(s.native.Serve(s.split.grpc)) })
	wg.Go(func() { ended <- quiet(s.http.Serve(s.split.http)) })
	if s.pages != nil {
		s.log.Info("console", "address", consoleLn.Addr().String(), "url", s.pages.where())
		wg.Go(func() { ended <- quiet(s.pages.http.Serve(consoleLn)) })
	}

	var failed error
	select {
	case <-ctx.Done():
	case err := <-ended:
		if err == nil {
			err = errors.New("a listener was closed")
		}
		failed = fmt.Errorf("the server stopped by itself: %w", err)
	}
	stuck := s.shutdown(ln, failed != nil)
	stopLooking()
	wg.Wait()
	return errors.Join(failed, stuck)
}

// shutdown is the order in which nothing is lost.
func (s *Server) shutdown(ln net.Listener, now bool) error {
	s.log.Info("shutting down: not serving", "hold", s.cfg.Hold)
	s.vitals.drain()
	if s.cfg.Hold > 0 && !now {
		<-time.After(s.cfg.Hold)
	}

	s.log.Info("shutting down: draining", "deadline", s.cfg.Drain)
	s.drain(errDraining)
	_ = ln.Close()
	deadline, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
	defer cancel()
	var drained sync.WaitGroup
	drained.Go(func() { s.native.GracefulStop() })
	drained.Go(func() { _ = s.http.Shutdown(deadline) })
	if s.pages != nil {
		drained.Go(func() { _ = s.pages.http.Shutdown(deadline) })
	}
	s.split.close()
	if waitFor(deadline, &drained) {
		s.log.Info("shut down: all calls ended")
	} else {
		s.log.Warn("shutting down: calls were still running at the deadline and are cut off")
	}

	last, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var stopped sync.WaitGroup
	stopped.Go(func() { s.native.Stop() })
	stopped.Go(func() { _ = s.http.Close(); s.inner.Stop() })
	if s.pages != nil {
		stopped.Go(func() { _ = s.pages.http.Close(); s.pages.calls.wait() })
	}
	if !waitFor(last, &stopped) {
		return ErrStuck
	}
	return nil
}

// waitFor says whether the group was done before ctx ended.
func waitFor(ctx context.Context, wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// quiet drops the errors that say that a server was stopped.
func quiet(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, grpc.ErrServerStopped) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
