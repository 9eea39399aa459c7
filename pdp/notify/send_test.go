package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

var example = notice{
	kind: Asked, id: "0190.1", at: time.Unix(1_700_000_000, 0).UTC(), link: "https://console.example/approvals/0190",
	approval: approval.Approval{ID: "0190", Tenant: "acme", Agent: "a1", Tool: "send_email", State: approval.Pending, Sequence: 1, Quorum: 1},
}

// receiver is a server with TLS, and a sender that reaches it by a name.
func receiver(t *testing.T, handle http.HandlerFunc, change func(*Target)) *sender {
	t.Helper()
	server := httptest.NewTLSServer(handle)
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	tg := target(t, "https://example.com:"+port+"/hook?token=s3cret") // the name in httptest's certificate
	tg.Allow = []string{"127.0.0.0/8"}
	if change != nil {
		change(&tg)
	}
	if err := tg.validate(); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s := newSender(&tg, names{"example.com": {"127.0.0.1"}}, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, time.Now)
	t.Cleanup(s.close)
	return s
}

// verified is what docs/approvals.md tells a receiver to do.
func verified(h http.Header, body []byte, key []byte) bool {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id") + "." + h.Get("webhook-timestamp") + "."))
	mac.Write(body)
	for s := range strings.FieldsSeq(h.Get("webhook-signature")) {
		version, text, _ := strings.Cut(s, ",")
		got, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil && hmac.Equal(got, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

func TestADeliveryIsSignedByEveryKey(t *testing.T) {
	var header http.Header
	var body []byte
	other := strings.Repeat("n", 24)
	s := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
	}, func(tg *Target) { tg.Keys = append(tg.Keys, Key{"k2", secretFile(t, other)}) })
	if err := s.send(t.Context(), example); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{testKey, other} {
		if !verified(header, body, []byte(key)) {
			t.Errorf("the signature is not of key %.1s…: %v", key, header)
		}
	}
	if verified(header, append(body, ' '), []byte(testKey)) || verified(header, body, []byte(strings.Repeat("x", 32))) {
		t.Error("another body, or another key, is as good")
	}
	if header.Get("portcullis-key-ids") != "k1 k2" || header.Get("webhook-id") != "0190.1" {
		t.Errorf("headers %v", header)
	}
	later := header.Clone()
	later.Set("webhook-timestamp", "1")
	if verified(later, body, []byte(testKey)) {
		t.Error("the time is not signed")
	}
}

// The example of https://www.standardwebhooks.com, so that its libraries can verify what we send.
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("plJ3nmyCDGBKInavdOK15jsl")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, "msg_loFOjxBNrRLzqYUf", time.Unix(1731705121, 0), []byte(`{"event_type":"ping","data":{"success":true}}`), []secret{{"k", key}})
	if got := h.Get("webhook-signature"); got != "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=" {
		t.Error(got)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	hit := false
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hook" {
			hit = true
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}, nil)
	if err := s.send(t.Context(), example); !errors.As(err, new(refusal)) || hit {
		t.Errorf("%v, followed: %v", err, hit)
	}
}

func TestWhatAnAnswerMeans(t *testing.T) {
	for _, c := range []struct {
		status  int
		header  string
		refused bool
		wait    time.Duration
	}{
		{400, "", true, 0},
		{401, "", true, 0},
		{404, "", true, 0},
		{410, "", true, 0},
		{408, "", false, 0},
		{500, "", false, 0},
		{502, "", false, 0},
		{503, "7", false, 7 * time.Second},
		{429, "9999999", false, longestAsked},
		{429, "-5", false, 0},
		{429, "soon", false, 0},
		{503, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), false, longestAsked},
	} {
		s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", c.header)
			w.WriteHeader(c.status)
		}, nil)
		err := s.send(t.Context(), example)
		var l later
		if c.refused != errors.As(err, new(refusal)) || !c.refused && (!errors.As(err, &l) || l.wait != c.wait) {
			t.Errorf("%d %q: %v", c.status, c.header, err)
		}
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	endless := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}, nil)
	if err := endless.send(t.Context(), example); err != nil {
		t.Errorf("an answer without end: %v", err)
	}
	headers := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 1<<20))
	}, nil)
	if err := headers.send(t.Context(), example); err == nil {
		t.Error("headers without end were read")
	}
}

func TestAnErrorTellsNoAddress(t *testing.T) {
	silent := make(chan struct{})
	defer close(silent)
	s := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-silent:
		case <-r.Context().Done():
		}
	}, nil)
	s.client.Timeout = 50 * time.Millisecond
	slow := s.send(t.Context(), example)
	s.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12} // trusts nobody
	s.close()
	untrusted := s.send(t.Context(), example)
	for _, err := range []error{slow, untrusted} {
		if err == nil || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "/hook") {
			t.Errorf("%v", err)
		}
	}
}

// A name that means another address at each look can't lead the connection elsewhere: what was checked is what is dialled.
func TestOnlyACheckedAddressIsDialled(t *testing.T) {
	for _, c := range []struct {
		host     string
		found    []string
		allow    []string
		loopback bool
		dialled  string
	}{
		{"hooks.example.com", []string{"93.184.216.34"}, nil, false, "93.184.216.34:443"},
		{"hooks.example.com", []string{"2606:4700::1111"}, nil, false, "[2606:4700::1111]:443"},
		{"hooks.example.com", []string{"93.184.216.34", "127.0.0.1"}, nil, false, ""}, // one bad address spoils the name
		{"hooks.example.com", []string{"169.254.169.254"}, nil, false, ""},
		{"hooks.example.com", []string{"169.254.169.254"}, []string{"169.254.0.0/16"}, false, ""}, // not even if it is listed
		{"hooks.example.com", []string{"fd00:ec2::254"}, []string{"fd00:ec2::/32"}, false, ""},
		{"hooks.example.com", []string{"fe80::1"}, nil, false, ""},
		{"hooks.example.com", []string{"10.0.0.1"}, nil, false, ""},
		{"hooks.example.com", []string{"10.0.0.1"}, []string{"10.0.0.0/24"}, false, "10.0.0.1:443"},
		{"hooks.example.com", []string{"10.0.1.1"}, []string{"10.0.0.0/24"}, false, ""},
		{"hooks.example.com", []string{"::ffff:10.0.0.1"}, nil, false, ""},
		{"hooks.example.com", []string{"64:ff9b::a00:1"}, nil, false, ""}, // NAT64 of 10.0.0.1
		{"hooks.example.com", []string{"2002:7f00:1::"}, nil, false, ""},  // 6to4 of 127.0.0.1
		{"hooks.example.com", []string{"100.64.0.1"}, nil, false, ""},
		{"hooks.example.com", []string{"0.0.0.0"}, nil, false, ""},
		{"hooks.example.com", []string{"0.0.0.0"}, nil, true, ""},
		{"hooks.example.com", []string{"224.0.0.1"}, nil, false, ""},
		{"hooks.example.com", []string{"127.0.0.1"}, nil, false, ""},
		{"hooks.example.com", []string{"127.0.0.1"}, nil, true, "127.0.0.1:443"},
		{"hooks.example.com", nil, nil, false, ""},
		{"127.0.0.1", nil, nil, false, ""},
		{"2130706433", []string{"93.184.216.34"}, nil, false, ""}, // 127.0.0.1, to some
		{"0x7f.1", []string{"93.184.216.34"}, nil, false, ""},
		{"93.184.216.34", nil, nil, false, "93.184.216.34:443"},
	} {
		tg := Target{Allow: c.allow}
		if err := tg.ranges(); err != nil {
			t.Fatal(err)
		}
		got := ""
		d := dialer{resolver: names{c.host: c.found}, allowed: tg.allowed, loopback: c.loopback, connect: func(_ context.Context, _, addr string) (net.Conn, error) {
			got = addr
			return nil, errors.New("far enough")
		}}
		_, err := d.dial(t.Context(), "tcp", net.JoinHostPort(c.host, "443"))
		if err == nil || got != c.dialled {
			t.Errorf("%s, %v, allow %v: dialled %q (%v), want %q", c.host, c.found, c.allow, got, err, c.dialled)
		}
	}
}

func TestPlainHTTPReachesLoopbackAlone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	tg := target(t, server.URL)
	if err := tg.validate(); err == nil {
		t.Error("http was accepted without loopback_http")
	}
	tg.LoopbackHTTP = true
	if err := tg.validate(); err != nil {
		t.Fatal(err)
	}
	s := newSender(&tg, names{}, nil, time.Now)
	defer s.close()
	if err := s.send(t.Context(), example); err != nil {
		t.Error(err)
	}
}
