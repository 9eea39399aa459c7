package console

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"
)

// maxFormBytes bounds a form: a token of an issuer, or a comment, each byte of it escaped.
const maxFormBytes = 64 << 10

// headers are those of every answer. No script, frame, image or foreign form; nothing is kept, nothing is told to others.
var headers = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cache-Control":                "no-store",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

// guard is around every route.
func (c *Console) guard(next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.refuse(w, r, errForm) }))
	sameOrigin := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer c.recover(w, r)
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if c.secure(r) && !local(hostOf(r)) { // it would be for all ports of a host
			w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !c.cfg.Named(hostOf(r)) {
			http.Error(w, "this server does not answer for that host", http.StatusMisdirectedRequest)
			return
		}
		sameOrigin.ServeHTTP(w, atPlace(r))
	})
}

// placeMark begins a path that has a place in it: /~place/approvals.
const placeMark = "/~"

type placeKey struct{}

// atPlace takes the place out of the path of a request, for the routes are the same everywhere.
func atPlace(r *http.Request) *http.Request {
	after, ok := strings.CutPrefix(r.URL.Path, placeMark)
	if !ok {
		return r
	}
	word, path, _ := strings.Cut(after, "/")
	out := r.WithContext(context.WithValue(r.Context(), placeKey{}, place(word)))
	address := *r.URL
	address.Path, address.RawPath = "/"+path, ""
	out.URL = &address
	return out
}

func placeOf(r *http.Request) place {
	at, _ := r.Context().Value(placeKey{}).(place)
	return at
}

// base is what the paths of a place begin with.
func (p place) base() string {
	if p == "" {
		return ""
	}
	return placeMark + url.PathEscape(string(p))
}

func baseOf(r *http.Request) string { return placeOf(r).base() }

// recover makes of a panic an answer and a line in the log, without the value, which may be of a request.
func (c *Console) recover(w http.ResponseWriter, r *http.Request) {
	p := recover() //nolint:revive // it is what is deferred
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	c.cfg.Log.ErrorContext(r.Context(), "panic in the console", "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	http.Error(w, "internal error", http.StatusInternalServerError)
}

// hostOf is the host that a request names, without its port.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// secure says whether the browser speaks TLS: to this server, or to the proxy that is configured.
func (c *Console) secure(r *http.Request) bool {
	return r.TLS != nil || c.cfg.SecureHost != "" && strings.EqualFold(hostOf(r), c.cfg.SecureHost)
}

// exposes says whether browsers may hand the cookie to others: without TLS to every port of the host, and on this machine even
// a cookie that is for TLS alone, as they take the machine itself for safe.
func (c *Console) exposes(r *http.Request) bool { return !c.secure(r) || local(hostOf(r)) }

// local says whether a host is the browser's own machine, to the browser.
func local(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// The names of the cookie. The first can only be set over TLS, by this very host, for all paths.
const (
	secureCookie = "__Host-portcullis"
	plainCookie  = "portcullis-console"
)

func (c *Console) cookieName(r *http.Request) string {
	if c.secure(r) {
		return secureCookie
	}
	return plainCookie
}

// cookie is the secret of the request's session. Of two cookies one was planted, so neither counts.
func (c *Console) cookie(r *http.Request) ([]byte, bool) {
	sent := r.CookiesNamed(c.cookieName(r))
	if len(sent) != 1 {
		return nil, false
	}
	secret, err := base64.RawURLEncoding.DecodeString(sent[0].Value)
	return secret, err == nil && len(secret) == secretBytes
}

func (c *Console) setCookie(w http.ResponseWriter, r *http.Request, value string) {
	cookie := &http.Cookie{Name: c.cookieName(r), Value: value, Path: "/", HttpOnly: true, Secure: c.secure(r), SameSite: http.SameSiteStrictMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

func (c *Console) clearCookie(w http.ResponseWriter, r *http.Request) { c.setCookie(w, r, "") }

// form has each field once.
type form map[string]string

// readForm reads a small form, and refuses what no page of ours sends.
func readForm(w http.ResponseWriter, r *http.Request) (form, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &Refusal{Invalid, "NO_FORM", "This is no form."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &Refusal{Invalid, "FORM_TOO_LARGE", "That is too much for this form."}
		}
		return nil, &Refusal{Invalid, "FORM_UNREADABLE", "The form could not be read."}
	}
	out := form{}
	for name, values := range r.PostForm {
		if len(values) != 1 || !utf8.ValidString(name) || !utf8.ValidString(values[0]) {
			return nil, &Refusal{Invalid, "FORM_UNREADABLE", "The form has a field twice, or text that is no text."}
		}
		out[name] = values[0]
	}
	return out, nil
}

// signInFor is the address of the page to sign in on, which leads back to a path.
func signInFor(path string) string {
	if path = returnTo(path); path == Home {
		return "/sign-in"
	}
	return "/sign-in?" + url.Values{"next": {path}}.Encode()
}

// returnTo is a path of this console that somebody may be sent to: the list or an approval, whatever is asked for.
func returnTo(path string) string {
	if id, ok := strings.CutPrefix(path, Home+"/"); ok && isID(id) {
		return path
	}
	return Home
}

// isID is the contract's own rule for the id of an approval.
func isID(id string) bool {
	return id != "" && len(id) <= 64 && strings.IndexFunc(id, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
}
