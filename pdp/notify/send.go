package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// maxAnswerBytes is how much of an answer is read, so that its connection can be used again, and thrown away.
	maxAnswerBytes       = 4 << 10
	maxAnswerHeaderBytes = 16 << 10
	// longestAsked is how long a target may ask to wait by Retry-After.
	longestAsked = 5 * time.Minute
)

// refusal is an answer that says that trying again is of no use.
type refusal struct{ status int }

func (r refusal) Error() string { return fmt.Sprintf("the target refused it: HTTP %d", r.status) }

// later is an answer that says when to try again.
type later struct {
	status int
	wait   time.Duration
}

func (l later) Error() string { return fmt.Sprintf("the target asks to try later: HTTP %d", l.status) }

// sender posts to one target. Safe for concurrent use.
type sender struct {
	target *Target
	client *http.Client
	now    func() time.Time
}

func newSender(t *Target, resolver Resolver, roots *tls.Config, now func() time.Time) *sender {
	d := dialer{resolver: resolver, allowed: t.allowed, loopback: t.LoopbackHTTP && t.endpoint.Scheme == "http", connect: direct}
	if roots == nil {
		roots = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return &sender{target: t, now: now, client: &http.Client{
		Timeout: t.Timeout,
		// A redirect would be a second target, which nobody has configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, DialContext: d.dial, TLSClientConfig: roots, ForceAttemptHTTP2: true, TLSHandshakeTimeout: t.Timeout,
			MaxIdleConns: 1, MaxConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: t.Timeout,
			MaxResponseHeaderBytes: maxAnswerHeaderBytes, DisableCompression: true,
		},
	}}
}

// send tries once. The error is a refusal, a later, or one of the network; none holds the target's address.
func (s *sender) send(ctx context.Context, n notice) error {
	keys, err := s.target.secrets()
	if err != nil {
		return err // somebody is replacing it, perhaps
	}
	body, err := n.body(s.target.Format)
	if err != nil {
		return fmt.Errorf("write it: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.target.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("make the request")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "portcullis")
	sign(req.Header, n.id, s.now(), body, keys)
	resp, err := s.client.Do(req)
	if err != nil {
		return withoutAddress(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswerBytes)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return later{code, asked(resp.Header.Get("Retry-After"), s.now())}
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		return later{code, 0}
	default:
		return refusal{code}
	}
}

// asked reads Retry-After, seconds or a date.
func asked(text string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if n, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(max(n, 0), int(longestAsked/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longestAsked)
}

// withoutAddress is the cause alone: of some services the address is the secret.
func withoutAddress(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return errors.New("the target did not answer in time")
		}
		return wrapped.Err
	}
	return err
}

func (s *sender) close() { s.client.CloseIdleConnections() }
