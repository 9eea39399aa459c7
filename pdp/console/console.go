package console

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"time"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

// Home is the path of the list; an approval's id below it is that approval.
const Home = "/approvals"

// Desk is the contract as one caller reaches it, authenticated and authorised for each call. Its errors are *Refusal.
type Desk interface {
	// Who is the caller, if the credential may list approvals.
	Who(ctx context.Context, c Credential) (identity.Caller, error)
	ListApprovals(ctx context.Context, c Credential, in *pb.ListApprovalsRequest) (*pb.ListApprovalsResponse, error)
	GetApproval(ctx context.Context, c Credential, in *pb.GetApprovalRequest) (*pb.GetApprovalResponse, error)
	RevealApproval(ctx context.Context, c Credential, in *pb.RevealApprovalRequest) (*pb.RevealApprovalResponse, error)
	SubmitVerdict(ctx context.Context, c Credential, in *pb.SubmitVerdictRequest) (*pb.SubmitVerdictResponse, error)
	CancelApproval(ctx context.Context, c Credential, in *pb.CancelApprovalRequest) (*pb.CancelApprovalResponse, error)
}

// Credential is what proves who calls.
type Credential struct {
	// Header is the value of `authorization`, or empty.
	Header string
	// TLS is the connection of the request, which may have a client certificate; nil without TLS.
	TLS *tls.ConnectionState
}

// Refusal is a call that was not carried out, and why. Its message is the contract's own and holds no value of a request.
type Refusal struct {
	Kind            Kind
	Reason, Message string
}

func (r *Refusal) Error() string { return r.Reason + ": " + r.Message }

// Kind is what a refusal means for the person.
type Kind int

// The kinds. The zero one is the server's fault.
const (
	Failed      Kind = iota
	Unknown          // the credential is not good, or not any more
	Forbidden        // it is, and not for this
	Missing          // there is no such approval
	Invalid          // the request breaks a rule
	Stale            // not any more, or not as it was shown
	Unavailable      // try again
)

// Config steers the console.
type Config struct {
	// Named says whether a host, without its port, is this server's: others are refused, so that no page reaches it by a name
	// of its own (DNS rebinding).
	Named func(host string) bool
	// SecureHost is the host, without its port, under which a proxy serves this over TLS; empty: none does.
	SecureHost string
	Now        func() time.Time
	Log        *slog.Logger
}

// Console is the page. It is safe for concurrent use.
type Console struct {
	cfg      Config
	desk     Desk
	sessions *sessions
	handler  http.Handler
}

// New makes a console that nobody is signed in to.
func New(cfg Config, desk Desk) *Console {
	c := &Console{cfg: cfg, desk: desk, sessions: newSessions(cfg.Now)}
	mux := http.NewServeMux()
	for pattern, handler := range c.routes() {
		mux.HandleFunc(pattern, handler)
	}
	c.handler = c.guard(mux)
	return c
}

// routes are all there are, each with its method.
func (c *Console) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /{$}":                        func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, baseOf(r)+Home, http.StatusSeeOther) },
		"GET /style.css":                  serveStyle,
		"GET /sign-in":                    c.showSignIn,
		"POST /sign-in":                   c.signIn,
		"POST /sign-out":                  c.signOut,
		"GET " + Home:                     c.reading(c.list),
		"GET " + Home + "/{id}":           c.reading(c.show),
		"POST " + Home + "/{id}/verdict":  c.acting(c.verdict),
		"POST " + Home + "/{id}/reveal":   c.acting(c.reveal),
		"POST " + Home + "/{id}/withdraw": c.acting(c.withdraw),
	}
}

func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// visit is one request of somebody who is signed in.
type visit struct {
	w          http.ResponseWriter
	r          *http.Request
	keys       keys
	who        identity.Caller
	credential Credential
	base       string // that the paths of this session begin with
	form       form   // of a POST
}

// reading is a page for those who are signed in. Others are sent to sign in, and come back.
func (c *Console) reading(page func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := c.enter(w, r, r.URL.Query().Get("auto") == "")
		switch {
		case err == nil:
			page(v)
		case signedOut(err):
			http.Redirect(w, r, signInFor(r.URL.Path), http.StatusSeeOther)
		default:
			c.refuse(w, r, err)
		}
	}
}

// acting is what changes something: only from a form of this session's own pages.
func (c *Console) acting(act func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := readForm(w, r)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		v, err := c.enter(w, r, true)
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		if !v.keys.isFormToken(f["token"]) {
			c.refuse(w, r, errForm)
			return
		}
		v.form = f
		act(v)
	}
}

var (
	errSignedOut = &Refusal{Unknown, "SIGNED_OUT", "You are signed out, and nothing was done. Sign in and look again."}
	errForm      = &Refusal{Forbidden, "NOT_THIS_FORM", "This did not come from a page of your session, and nothing was done. Go back to the list and look again."}
)

// signedOut says whether an error means that the session is no session any more.
func signedOut(err error) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	return ok && refusal.Kind == Unknown
}

// enter finds the session of a request, and asks anew whether its credential is good and still the same person's: a key
// that was revoked, a token that ran out and a role that was taken away end the session at once. active says that a
// person has done something, as opposed to a page that refreshes itself.
func (c *Console) enter(w http.ResponseWriter, r *http.Request, active bool) (*visit, error) {
	secret, ok := c.cookie(r)
	if !ok {
		return nil, errSignedOut
	}
	k := keysOf(secret)
	owner, header, ok := c.sessions.find(k, placeOf(r), active)
	if !ok {
		return nil, errSignedOut
	}
	credential := Credential{Header: header, TLS: r.TLS}
	who, err := c.desk.Who(r.Context(), credential)
	refusal, refused := errors.AsType[*Refusal](err)
	if err == nil && ownerOf(who) != owner || refused && (refusal.Kind == Unknown || refusal.Kind == Forbidden) {
		c.sessions.end(k)
		c.clearCookie(w, r)
		return nil, errSignedOut
	}
	if err != nil {
		return nil, err
	}
	return &visit{w: w, r: r, keys: k, who: who, credential: credential, base: baseOf(r)}, nil
}
