package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// maxHeaderBytes bounds the headers of one request.
const maxHeaderBytes = 16 << 10

// Deps are the parts that the server stands in front of. All are needed but Tracer.
type Deps struct {
	Engine        Engine
	Approvals     Approvals
	Admin         Admin
	Authenticator identity.Authenticator
	// Checks are the conditions of health: bundle, state, decision_log, approvals.
	Checks []Check
	// Metrics takes the server's own metrics and is what /metrics shows.
	Metrics *prometheus.Registry
	Logger  *slog.Logger
	// Tracer turns tracing on.
	Tracer trace.TracerProvider
}

func (d Deps) validate() error {
	var errs []error
	for what, missing := range map[string]bool{
		"an engine": d.Engine == nil, "approvals": d.Approvals == nil, "an admin": d.Admin == nil,
		"an authenticator": d.Authenticator == nil, "a metrics registry": d.Metrics == nil, "a logger": d.Logger == nil,
		"at least one health check": len(d.Checks) == 0,
	} {
		if missing {
			errs = append(errs, fmt.Errorf("needs %s", what))
		}
	}
	return errors.Join(errs...)
}

// Server is everything, built and checked, listening on nothing yet. Run may be called once.
type Server struct {
	cfg    Config
	log    *slog.Logger
	vitals *vitals
	// native answers gRPC connections. inner has the same services and steps for calls that come by HTTP/1.1; it is
	// a server of its own because grpc can't drain connections that it does not own.
	native, inner *grpc.Server
	http          *http.Server
	pages         *pages // nil: no console
	split         *splitter
	drain         context.CancelCauseFunc
	follow        func(context.Context) // the files of TLS, and who may still listen
	ran           atomic.Bool
	listening     chan struct{}
	addr          net.Addr // written before listening is closed
}

// Complete builds the server and checks all that can be checked without listening.
func Complete(cfg Config, deps Deps) (*Server, error) {
	if err := errors.Join(cfg.Validate(), deps.validate()); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s, err := build(cfg.withDefaults(), deps)
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	return s, nil
}

func build(cfg Config, deps Deps) (_ *Server, err error) {
	secrets, err := newSecrets(cfg, deps.Logger)
	if err != nil {
		return nil, err
	}
	validator, err := contractRules()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: deps.Logger, vitals: newVitals(deps.Checks, cfg.HealthEvery, deps.Logger), listening: make(chan struct{}),
	}
	var draining context.Context
	draining, s.drain = context.WithCancelCause(context.Background())
	metrics := grpcprom.NewServerMetrics(grpcprom.WithServerHandlingTimeHistogram(
		grpcprom.WithHistogramBuckets([]float64{.0002, .0005, .001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5})))
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "portcullis_server_refused_total", Help: "Connections and requests refused before they reached a method.",
	}, []string{"reason"})
	refused := func(reason string) { refusals.WithLabelValues(reason).Inc() }
	c := &chain{
		log: deps.Logger, auth: deps.Authenticator, validator: validator, metrics: metrics, cfg: cfg, draining: draining,
		calls:   newAdmission("calls", cfg.MaxCalls, cfg.MaxCallsPerTenant, cfg.MaxCallsPerAccount),
		streams: newAdmission("streams", cfg.MaxStreams, cfg.MaxStreamsPerTenant, cfg.MaxStreamsPerAccount), streaming: newRechecks(),
		secrets: secrets,
	}
	if secrets != nil {
		secrets.changed = c.streaming.all // an authority may be none any more
	}
	s.follow = func(ctx context.Context) {
		var wg sync.WaitGroup
		wg.Go(func() { c.streaming.run(ctx, deps.Authenticator) })
		if secrets != nil {
			wg.Go(func() { secrets.run(ctx, cfg.HealthEvery) })
		}
		wg.Wait()
	}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.native, err = newGRPC(cfg, c, deps, s.vitals, cfg.StreamWorkers); err != nil {
		return nil, err
	}
	if s.inner, err = newGRPC(cfg, c, deps, s.vitals, 0); err != nil {
		return nil, err
	}
	metrics.InitializeMetrics(s.native)
	rpc, err := newTranscoder(s.inner, cfg, refused)
	if err != nil {
		return nil, err
	}
	for _, c := range append([]prometheus.Collector{metrics, refusals}, secrets.gauges()...) {
		if err := deps.Metrics.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	s.http = newHTTP(newMux(rpc, s.vitals, deps.Metrics, deps.Authenticator, secrets, cfg), cfg, deps.Logger)
	s.pages = newPages(cfg, c, deps, refused)
	s.split = newSplitter(cfg, secrets.config(), deps.Logger, refused)
	return s, nil
}

// stop ends the workers of a server that never served.
func (s *Server) stop() {
	s.drain(errDraining)
	for _, g := range []*grpc.Server{s.native, s.inner} {
		if g != nil {
			g.Stop()
		}
	}
}

// newGRPC makes a server with all services, and checks that each method is in the access table.
func newGRPC(cfg Config, c *chain, deps Deps, v *vitals, workers int) (*grpc.Server, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	options = append(options,
		grpc.Creds(secured{}),
		grpc.ForceServerCodecV2(newProtoCodec()),
		grpc.MaxRecvMsgSize(cfg.MaxMessageBytes), grpc.MaxSendMsgSize(2*cfg.MaxMessageBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(uint32(min(cfg.MaxStreamsPerConnection, 1<<20))),
		grpc.NumStreamWorkers(uint32(min(workers, 1<<16))),
		grpc.ConnectionTimeout(cfg.PeekTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 15 * time.Minute, Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WaitForHandlers(true),
	)
	if deps.Tracer != nil {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(deps.Tracer), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	}
	g := grpc.NewServer(options...)
	portcullisv1.RegisterDecisionServiceServer(g, &decisionService{engine: deps.Engine, approvals: deps.Approvals, rules: c.validator, heartbeat: cfg.Heartbeat, stall: cfg.WriteTimeout, log: deps.Logger})
	portcullisv1.RegisterApprovalServiceServer(g, newApprovalService(cfg, c, deps))
	portcullisv1.RegisterAdminServiceServer(g, &adminService{admin: deps.Admin, vitals: v, heartbeat: cfg.Heartbeat, stall: cfg.WriteTimeout})
	healthpb.RegisterHealthServer(g, v.grpc)
	reflection.Register(g)
	if err := checkAccess(g.GetServiceInfo()); err != nil {
		g.Stop()
		return nil, err
	}
	return g, nil
}

func newApprovalService(cfg Config, c *chain, deps Deps) *approvalService {
	return &approvalService{approvals: deps.Approvals, rules: c.validator, log: deps.Logger, heartbeat: cfg.Heartbeat, stall: cfg.WriteTimeout}
}

func newHTTP(handler http.Handler, cfg Config, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: handler, Protocols: protocols, MaxHeaderBytes: maxHeaderBytes,
		ReadHeaderTimeout: cfg.PeekTimeout, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
