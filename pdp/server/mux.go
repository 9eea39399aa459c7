package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/portcullis-pdp/portcullis/pdp/identity"
)

const aboutText = `Portcullis, a policy decision point for AI agents.

This port speaks gRPC (portcullis.v1, with reflection), Connect, gRPC-Web and plain JSON:

  curl -H 'content-type: application/json' -H 'authorization: Bearer TOKEN' \
       -d '{"principal":{"agent":"a","session":"s"},"action":{"kind":"ACTION_KIND_TOOL_CALL","tool":"calculator"}}' \
       http://HOST/portcullis.v1.DecisionService/Decide

  /healthz   the process lives
  /readyz    it answers decisions
  /metrics   for Prometheus
`

// newMux is everything on the port that is not native gRPC. There are no CORS headers: no page but one from this
// server itself may read an answer, and requests that a page of another origin sends are refused.
func newMux(rpc http.Handler, v *vitals, metrics prometheus.Gatherer, who identity.Authenticator, tls *secrets, cfg Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, aboutText) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ok, failing := v.ready(); !ok {
			plain(w, http.StatusServiceUnavailable, "not ready\n"+strings.Join(failing, "\n")+"\n")
			return
		}
		plain(w, http.StatusOK, "ready\n")
	})
	mux.Handle("GET /metrics", guardMetrics(promhttp.HandlerFor(metrics, promhttp.HandlerOpts{MaxRequestsInFlight: 4}), who, tls, cfg))
	withRPC := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		control := http.NewResponseController(w) // calls set their own
		_, _ = control.SetReadDeadline(time.Now().Add(cfg.ReadTimeout)), control.SetWriteDeadline(time.Now().Add(cfg.WriteTimeout))
		if strings.HasPrefix(r.URL.Path, rpcPrefix) {
			rpc.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
	return checkHost(http.NewCrossOriginProtection().Handler(withRPC), tls, cfg)
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text))
}

// guardMetrics lets everybody on this machine read metrics, and only admins and auditors elsewhere.
func guardMetrics(next http.Handler, who identity.Authenticator, tls *secrets, cfg Config) http.Handler {
	host, _, _ := net.SplitHostPort(cfg.Listen)
	if isLoopback(host) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var caller identity.Caller
		ctx, _, err := tls.proved(r.Context(), r.TLS)
		if header := r.Header.Values("Authorization"); err == nil && len(header) > 1 {
			err = identity.ErrBadCredential
		}
		if err == nil {
			caller, err = who.Authenticate(ctx, r.Header.Get("Authorization"))
		}
		switch {
		case err != nil:
			plain(w, http.StatusUnauthorized, "a credential is needed\n")
		case !identity.Allowed(caller, watchmen...):
			plain(w, http.StatusForbidden, "the role admin or auditor is needed\n")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// checkHost refuses requests that name another host than this one: that is how a page in a browser reaches a server
// on the same machine through a name of its own (DNS rebinding). An address that is not a name can't be rebound, and a name
// that the server's certificate has is the server's.
func checkHost(next http.Handler, tls *secrets, cfg Config) http.Handler {
	own := ownHost(tls, cfg)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !own(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")) {
			plain(w, http.StatusMisdirectedRequest, "this server does not answer for that host\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost says whether a host is a name of this server.
func ownHost(tls *secrets, cfg Config) func(host string) bool {
	listen, _, _ := net.SplitHostPort(cfg.Listen)
	addr, err := netip.ParseAddr(listen)
	everywhere := err == nil && addr.IsUnspecified()
	return func(host string) bool {
		_, err := netip.ParseAddr(host)
		named := func(allowed string) bool { return strings.EqualFold(allowed, host) }
		return isLoopback(host) || named(listen) || everywhere && err == nil || slices.ContainsFunc(cfg.AllowedHosts, named) || tls.named(host)
	}
}
