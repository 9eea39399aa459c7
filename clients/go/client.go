package portcullis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	portcullisv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// DefaultTimeout is how long a call may take if Config.Timeout is zero.
const DefaultTimeout = 5 * time.Second

// Config says where the PDP is and who asks.
type Config struct {
	// Addr is host:port; 127.0.0.1:7070 by default. Off loopback it needs TLS.
	Addr string
	// Token is the credential; or TokenFile, which is read for each call. Neither is needed with a client certificate in TLS.
	Token     Secret
	TokenFile string
	// TLS turns TLS on: authorities, server name and client certificate as crypto/tls takes them.
	TLS *tls.Config
	// Principal is who acts, unless As says otherwise.
	Principal Principal
	// Timeout bounds each call that is no stream: 5 s. No answer by then is a deny.
	Timeout time.Duration
	// Obligations says how to meet each type of obligation. Guard calls them before the action; an error denies it. An allow with
	// any other type is a deny.
	Obligations map[string]func(context.Context, *portcullisv1.Obligation) error
	// Log hears of outcomes that could not be reported; nil: nobody does.
	Log *slog.Logger
	// DialOptions are added to those of the connection.
	DialOptions []grpc.DialOption
}

// Client asks one PDP. It may be used by many goroutines at once.
type Client struct {
	rpc         portcullisv1.DecisionServiceClient
	conn        io.Closer
	principal   Principal
	timeout     time.Duration
	obligations map[string]func(context.Context, *portcullisv1.Obligation) error
	log         *slog.Logger
	now         func() time.Time
}

// New checks the configuration. It does not wait for the PDP: while that is away, everything is denied.
func New(cfg Config) (*Client, error) {
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:7070"
	}
	if cfg.Token != "" && cfg.TokenFile != "" || !cfg.bears() && !cfg.certified() {
		return nil, errors.New("give either a token or a token file, or a client certificate in TLS")
	}
	if cfg.bears() {
		if _, err := cfg.token(); err != nil {
			return nil, err
		}
	}
	if cfg.Timeout < 0 {
		return nil, errors.New("the timeout is negative")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	conn, err := dial(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{
		rpc: portcullisv1.NewDecisionServiceClient(conn), conn: conn, principal: cfg.Principal, timeout: cfg.Timeout,
		obligations: maps.Clone(cfg.Obligations), log: cfg.Log, now: time.Now,
	}, nil
}

// Close ends the connection, for all clients that As made of this one too.
func (c *Client) Close() error { return c.conn.Close() }

// As is the same client acting for somebody else: another session, another user.
func (c *Client) As(p Principal) *Client {
	out := *c
	out.principal = p
	return &out
}

type options struct {
	approvalID, requestID string
	wait                  time.Duration
	effective             bool
}

// Option changes one call of Decide or Guard.
type Option func(*options)

// Redeem uses an approved approval. It covers exactly the action that was asked about, once.
func Redeem(approvalID string) Option { return func(o *options) { o.approvalID = approvalID } }

// RequestID makes the call repeatable: the same id and action within 10 minutes give the same answer and charge once. Guard uses
// it for the question, not for redeeming.
func RequestID(id string) Option { return func(o *options) { o.requestID = id } }

// WaitFor lets Guard wait for a person, at most so long.
func WaitFor(d time.Duration) Option { return func(o *options) { o.wait = d } }

// UseEffective says that the caller carries out what the PDP gives instead of what was asked about, where it gives something: of
// Guard's, what Run has; after Decide, what Response has. Without it such an answer is a deny.
func UseEffective() Option { return func(o *options) { o.effective = true } }

func apply(opts []Option) (o options) {
	for _, set := range opts {
		set(&o)
	}
	return o
}

// Decide asks about one action. It always returns a decision: where there is no answer, a deny with `PDP_UNREACHABLE`.
func (c *Client) Decide(ctx context.Context, a Action, opts ...Option) *Decision {
	arguments, err := encode(a.Arguments)
	if err != nil {
		return refuse(ReasonArgumentsInvalid, codes.InvalidArgument, err)
	}
	return c.decide(ctx, a.proto(arguments), apply(opts))
}

func (c *Client) decide(ctx context.Context, action *portcullisv1.Action, o options) *Decision {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.rpc.Decide(ctx, &portcullisv1.DecideRequest{
		RequestId: o.requestID, Principal: c.principal.proto(), Action: action, ApprovalId: o.approvalID,
	})
	if err != nil {
		return refused(err)
	}
	return c.read(answer, o.effective)
}

// Report says what became of an allowed action, once; actual may be nil. Guard does it by itself.
func (c *Client) Report(ctx context.Context, decisionID string, outcome portcullisv1.OutcomeStatus, actual *portcullisv1.Usage) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, err := c.rpc.ReportOutcome(ctx, &portcullisv1.ReportOutcomeRequest{DecisionId: decisionID, Status: outcome, Actual: actual})
	if err != nil {
		return fmt.Errorf("report the outcome of decision %s: %w", decisionID, err)
	}
	return nil
}

// ObserveUser says what the user said: values in it vouch for the values of later calls. The credential must be one that may
// observe as the user. Say it before the first call and after each message of theirs; the same text counts once.
func (c *Client) ObserveUser(ctx context.Context, text string) error {
	return c.observe(ctx, &portcullisv1.ObservedSpan{Origin: portcullisv1.Origin_ORIGIN_USER, Text: text})
}

// ObserveDocument tells of a text that reached the model without a tool, and that somebody else wrote. The name is for
// reasons that people read.
func (c *Client) ObserveDocument(ctx context.Context, name, text string) error {
	return c.observe(ctx, &portcullisv1.ObservedSpan{Origin: portcullisv1.Origin_ORIGIN_UNTRUSTED, Name: name, Text: text})
}

func (c *Client) observe(ctx context.Context, span *portcullisv1.ObservedSpan) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, err := c.rpc.Observe(ctx, &portcullisv1.ObserveRequest{Principal: c.principal.proto(), Spans: []*portcullisv1.ObservedSpan{span}})
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	return nil
}
