package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// signer is an issuer's key.
type signer struct {
	kid string
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, key}
}

func (s signer) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.key.Public(), KeyID: s.kid, Algorithm: "ES256", Use: "sig"}
}

func keySet(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (s signer) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	with, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(with).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// claims are good ones, with changes; a nil value takes one out.
func claims(changes ...any) map[string]any {
	c := map[string]any{
		"iss": "https://id.example.com", "aud": "portcullis", "sub": "ann", "groups": []string{"security", "staff"},
		"iat": testTime.Unix(), "nbf": testTime.Unix(), "exp": testTime.Add(time.Hour).Unix(),
	}
	for i := 0; i < len(changes); i += 2 {
		if name := changes[i].(string); changes[i+1] == nil {
			delete(c, name)
		} else {
			c[name] = changes[i+1]
		}
	}
	return c
}

const issuerRow = `
issuers:
  - id: corp
    issuer: https://id.example.com
    audience: portcullis
    algorithms: [ES256]
    jwks_file: keys.json
    tenant: acme
    groups_claim: groups
    rules:
      - {claim: groups, equals: security, roles: [approver]}
  - id: robots
    issuer: https://robots.example.com
    audience: portcullis
    algorithms: [ES256]
    jwks_file: keys.json
    tenant: acme
    rules:
      - {claim: groups, equals: robots, roles: [agent], agents: [mailer], owner: ann}
people:
  - {person: ann, subjects: ["corp:ann", "corp:a.smith", ann-key]}
credentials:
  - {id: ann-1, sha256: %s, subject: ann-key, roles: [approver], tenant: acme, groups: [security]}
  - {id: bot-1, sha256: %s, subject: bot, roles: [gateway], tenant: acme, agents: ["*"], owner: Ann-Key}
`

func corporate(t *testing.T, keys []byte) *Directory {
	t.Helper()
	path := writeFile(t, fmt.Sprintf(issuerRow, digest("t1"), digest("t2")))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "keys.json"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := LoadFile(path, clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestATokenOfAnIssuerIsACaller(t *testing.T) {
	s := newSigner(t, "k1")
	d := corporate(t, keySet(t, s.public()))
	ann, err := d.Authenticate(t.Context(), "Bearer "+s.sign(t, claims()))
	if err != nil {
		t.Fatal(err)
	}
	if ann.Subject != "corp:ann" || ann.Person != "ann" || ann.Tenant != "acme" || ann.Method != "jwt" || !ann.Has(RoleApprover) || len(ann.Roles) != 1 ||
		strings.Join(ann.Groups, ",") != "security,staff" || len(ann.Agents) != 0 {
		t.Errorf("%+v", ann)
	}
	robot, err := d.Authenticate(t.Context(), "Bearer "+s.sign(t, claims("iss", "https://robots.example.com", "sub", "mailer-1", "groups", "robots")))
	if err != nil || !robot.MaySpeakFor("acme", "mailer") || robot.MaySpeakFor("acme", "other") || robot.Owner != "ann" {
		t.Errorf("%+v, %v", robot, err)
	}
}

// TestThreat_B6_ASecondAccountIsTheSamePerson: by key, by token, in another spelling; and the owner of a machine is known.
func TestThreat_B6_ASecondAccountIsTheSamePerson(t *testing.T) {
	s := newSigner(t, "k1")
	d := corporate(t, keySet(t, s.public()))
	for name, header := range map[string]string{
		"key": "Bearer t1", "token": "Bearer " + s.sign(t, claims()), "second account": "Bearer " + s.sign(t, claims("sub", "A.Smith")),
	} {
		if who, err := d.Authenticate(t.Context(), header); err != nil || who.Person != "ann" {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	if bot, err := d.Authenticate(t.Context(), "Bearer t2"); err != nil || bot.Owner != "ann" || bot.Person != "bot" {
		t.Errorf("%+v, %v", bot, err)
	}
	if bob, err := d.Authenticate(t.Context(), "Bearer "+s.sign(t, claims("sub", "Bob"))); err != nil || bob.Person != "corp:bob" {
		t.Errorf("%+v, %v", bob, err)
	}
}

// TestHostileTokens: each differs from a good one in one thing.
func TestHostileTokens(t *testing.T) {
	s, stranger := newSigner(t, "k1"), newSigner(t, "k1")
	d := corporate(t, keySet(t, s.public()))
	good := s.sign(t, claims())
	parts := strings.Split(good, ".")
	segment := func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) }
	asSecret, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: mustDER(t, s.key.Public())}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hmac, err := jwt.Signed(asSecret).Claims(claims()).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(good)
	flipped[len(flipped)-5] ^= 1
	for name, token := range map[string]string{
		"another key":              stranger.sign(t, claims()),
		"another kid":              signer{"k2", s.key}.sign(t, claims()),
		"kid that is a path":       signer{"../../keys.json", s.key}.sign(t, claims()),
		"huge kid":                 signer{strings.Repeat("k", 1000), s.key}.sign(t, claims()),
		"none":                     segment(`{"alg":"none"}`) + "." + parts[1] + ".",
		"none with a signature":    segment(`{"alg":"none","kid":"k1"}`) + "." + parts[1] + "." + parts[2],
		"public key as a secret":   hmac,
		"changed claims":           parts[0] + "." + segment(`{"iss":"https://id.example.com","aud":"portcullis","sub":"eve","groups":"security","exp":9999999999}`) + "." + parts[2],
		"changed signature":        string(flipped),
		"no signature":             parts[0] + "." + parts[1] + ".",
		"another issuer":           s.sign(t, claims("iss", "https://id.example.org")),
		"no issuer":                s.sign(t, claims("iss", nil)),
		"another audience":         s.sign(t, claims("aud", "payroll")),
		"no audience":              s.sign(t, claims("aud", nil)),
		"expired":                  s.sign(t, claims("exp", testTime.Add(-time.Minute).Unix())),
		"no expiry":                s.sign(t, claims("exp", nil)),
		"for ever":                 s.sign(t, claims("exp", testTime.Add(48*time.Hour).Unix())),
		"not yet":                  s.sign(t, claims("nbf", testTime.Add(time.Minute).Unix())),
		"from the future":          s.sign(t, claims("iat", testTime.Add(time.Hour).Unix())),
		"no subject":               s.sign(t, claims("sub", nil)),
		"subject of another sort":  s.sign(t, claims("sub", 7)),
		"subject with a space":     s.sign(t, claims("sub", "ann smith")),
		"subject with a newline":   s.sign(t, claims("sub", "ann\nadmin")),
		"subject in other letters": s.sign(t, claims("sub", "аnn")),
		"no role":                  s.sign(t, claims("groups", "staff")),
		"logout token":             s.signAs(t, "logout+jwt", claims()),
		"typ of another sort":      s.signAs(t, 7, claims()),
		"padded":                   parts[0] + "." + parts[1] + "=." + parts[2],
		"invalid UTF-8":            s.signRaw(t, strings.Replace(mustJSON(t, claims()), "staff", "sta\xff", 1)),
		"subject twice":            s.signRaw(t, strings.Replace(mustJSON(t, claims()), `"sub"`, `"sub":"eve","sub"`, 1)),
		"claims that are a list":   s.signRaw(t, "[]"),
		"critical and unknown":     s.signWith(t, map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}, mustJSON(t, claims())),
		"brings its own key":       stranger.signWith(t, map[jose.HeaderKey]any{"jwk": stranger.public()}, mustJSON(t, claims())),
		"says where its key is":    stranger.signWith(t, map[jose.HeaderKey]any{"jku": "https://evil.example/keys"}, mustJSON(t, claims())),
		"names another algorithm":  segment(`{"alg":"RS256","kid":"k1"}`) + "." + parts[1] + "." + parts[2],
		"claim spelt otherwise":    s.sign(t, claims("groups", "Security")),
		"encrypted":                "a.b.c.d.e",
		"two parts":                parts[0] + "." + parts[1],
		"empty":                    "..",
		"huge":                     parts[0] + "." + strings.Repeat("A", 9000) + "." + parts[2],
		"with another beside it":   good + "," + good,
	} {
		if who, err := d.Authenticate(t.Context(), "Bearer "+token); !errors.Is(err, ErrBadCredential) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	if _, err := d.Authenticate(t.Context(), "Bearer "+good); err != nil {
		t.Errorf("and the good one: %v", err)
	}
	encryption := s.public()
	encryption.Use = "enc"
	if _, err := corporate(t, keySet(t, encryption)).Authenticate(t.Context(), "Bearer "+good); !errors.Is(err, ErrBadCredential) {
		t.Errorf("a key that is for encryption verifies: %v", err)
	}
}

// signWith signs any text, with more in the header.
func (s signer) signWith(t *testing.T, header map[jose.HeaderKey]any, payload string) string {
	t.Helper()
	with, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: s.kid}}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := with.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s signer) signRaw(t *testing.T, payload string) string {
	t.Helper()
	return s.signWith(t, nil, payload)
}

func (s signer) signAs(t *testing.T, kind any, c map[string]any) string {
	t.Helper()
	return s.signWith(t, map[jose.HeaderKey]any{jose.HeaderType: kind}, mustJSON(t, c))
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func mustDER(t *testing.T, key crypto.PublicKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestKeysAreFetched: when they are needed, again when a new one is named, not again and again, and not for ever.
func TestKeysAreFetched(t *testing.T) {
	one, two := newSigner(t, "k1"), newSigner(t, "k2")
	var answer atomic.Pointer[[]byte]
	var fetched atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		if raw := answer.Load(); raw != nil {
			_, _ = w.Write(*raw)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer srv.Close()
	keys, err := FetchedKeys(srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := testTime
	find := func(kid string, wantErr error, wantFetched int64) {
		t.Helper()
		got, err := keys.named(t.Context(), kid, now)
		if !errors.Is(err, wantErr) || wantErr == nil && len(got) == 0 || fetched.Load() != wantFetched {
			t.Fatalf("%d keys, %v, after %d fetches; want %v after %d", len(got), err, fetched.Load(), wantErr, wantFetched)
		}
	}
	find("k1", ErrKeysUnavailable, 1)
	find("k1", ErrKeysUnavailable, 1) // not again at once
	now = now.Add(fetchEvery)
	first := keySet(t, one.public())
	answer.Store(&first)
	find("k1", nil, 2)
	find("k2", ErrBadCredential, 2)
	now = now.Add(fetchEvery)
	both := keySet(t, one.public(), two.public())
	answer.Store(&both)
	find("k2", nil, 3)
	find("k1", nil, 3)
	now = now.Add(keysStale)
	answer.Store(nil)
	find("k3", ErrBadCredential, 4) // tried, failed; what is there is still good
	now = now.Add(fetchEvery)
	find("k3", ErrKeysUnavailable, 5)
	for name, body := range map[string]string{
		"too large": `{"keys":[` + strings.Repeat(" ", maxKeySetBytes) + `]}`, "no JSON": "<html>", "no keys": `{"keys":[]}`,
		"a secret": `{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"s"}]}`,
	} {
		raw := []byte(body)
		answer.Store(&raw)
		if got, err := keys.fetch(t.Context()); err == nil {
			t.Errorf("%s: %d keys", name, len(got))
		}
	}
	elsewhere := httptest.NewServer(http.RedirectHandler(srv.URL, http.StatusFound))
	defer elsewhere.Close()
	answer.Store(&both)
	moved, err := FetchedKeys(elsewhere.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := moved.fetch(t.Context()); err == nil {
		t.Error("a redirect is followed")
	}
	for _, address := range []string{"http://id.example.com/keys", "ftp://id.example.com", "https://user:pw@id.example.com/", "id.example.com/keys", "", "https://"} {
		if _, err := FetchedKeys(address, nil); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
}

// TestKindsOfTokens: an access token is a credential as well as an identity token.
func TestKindsOfTokens(t *testing.T) {
	s := newSigner(t, "k1")
	d := corporate(t, keySet(t, s.public()))
	for _, kind := range []any{"JWT", "at+jwt", "application/at+jwt"} {
		if who, err := d.Authenticate(t.Context(), "Bearer "+s.signAs(t, kind, claims())); err != nil || !who.ValidUntil.Equal(testTime.Add(time.Hour+leeway)) {
			t.Errorf("%v: %+v, %v", kind, who, err)
		}
	}
}

// TestATokenWithoutAKeysName can only mean the key of a set of one.
func TestATokenWithoutAKeysName(t *testing.T) {
	s, other := newSigner(t, "k1"), newSigner(t, "k2")
	token := "Bearer " + signer{"", s.key}.sign(t, claims())
	if _, err := corporate(t, keySet(t, s.public())).Authenticate(t.Context(), token); err != nil {
		t.Errorf("one key: %v", err)
	}
	if _, err := corporate(t, keySet(t, s.public(), other.public())).Authenticate(t.Context(), token); !errors.Is(err, ErrBadCredential) {
		t.Errorf("two keys: %v", err)
	}
}

func TestKeysThatAreNotTaken(t *testing.T) {
	s := newSigner(t, "k1")
	for want, raw := range map[string]string{
		"not public":        mustJSON(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key, KeyID: "k1"}}}),
		"two keys of one":   string(keySet(t, s.public(), s.public())),
		"no public key":     `{"keys":[{"kty":"XYZ","kid":"new"}]}`,
		"RSA key of 1024":   `{"keys":[{"kty":"RSA","kid":"r","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(append([]byte{0xC3}, make([]byte, 127)...)) + `"}]}`,
		"at most":           `{"keys":[` + strings.TrimSuffix(strings.Repeat(`{},`, maxKeys+1), ",") + `]}`,
		"is no JSON key se": `[]`,
	} {
		if keys, err := readKeys([]byte(raw)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d keys, %v, want %q", len(keys), err, want)
		}
	}
}

// TestKeysAreNotReadFromAnywhere: what a name turns out to mean counts, not the name.
func TestKeysAreNotReadFromAnywhere(t *testing.T) {
	for addr, c := range map[string]struct{ loopback, ok bool }{
		"192.0.2.7:443":                {false, true},
		"10.0.0.1:443":                 {false, true},
		"127.0.0.1:443":                {false, false},
		"127.0.0.2:443":                {true, true},
		"[::1]:443":                    {false, false},
		"[::ffff:127.0.0.1]:443":       {false, false},
		"169.254.169.254:443":          {true, false},
		"[fe80::1]:443":                {true, false},
		"[::ffff:169.254.169.254]:443": {true, false},
		"0.0.0.0:443":                  {true, false},
		"224.0.0.1:443":                {true, false},
		"localhost:443":                {true, false},
	} {
		if err := checkPlace(addr, c.loopback); (err == nil) != c.ok {
			t.Errorf("%s, loopback %v: %v", addr, c.loopback, err)
		}
	}
}

// TestAnIssuerIsFollowed: its key set in a file, and what was fetched is not forgotten when the file of callers changes.
func TestAnIssuerIsFollowed(t *testing.T) {
	one, two := newSigner(t, "k1"), newSigner(t, "k2")
	var away atomic.Bool
	fetched := keySet(t, one.public())
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write(fetched)
	}))
	defer srv.Close()
	rows := fmt.Sprintf(issuerRow, digest("t1"), digest("t2"))
	rows = strings.Replace(rows, "jwks_file: keys.json", "jwks_url: "+srv.URL+"\n    jwks_ca: ca.pem\n    person_claim: email", 1)
	path := writeFile(t, rows)
	beside := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	beside("keys.json", keySet(t, one.public()))
	beside("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	l, err := Open(path, clockAt(testTime), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	may := func(s signer, changes ...any) bool {
		_, err := l.Authenticate(t.Context(), "Bearer "+s.sign(t, claims(append(changes, "email", "ann@corp")...)))
		return err == nil
	}
	robot := []any{"iss", "https://robots.example.com", "groups", "robots"}
	if !may(one) || !may(one, robot...) || may(two, robot...) {
		t.Fatal("the first key is not the one that counts")
	}
	away.Store(true)
	beside("keys.json", keySet(t, two.public()))
	told := l.Changed()
	l.look()
	select {
	case <-told:
	default:
		t.Error("nobody is told of new keys")
	}
	if may(one, robot...) || !may(two, robot...) {
		t.Error("the new key in the file does not count alone")
	}
	if !may(one) {
		t.Error("the keys that were fetched are forgotten, and their issuer is away")
	}
	beside("keys.json", []byte("{}"))
	l.look()
	if l.Health() == nil || !may(two, robot...) {
		t.Errorf("a broken key set: %v", l.Health())
	}
}

// TestWhoIsBehindAToken: claims say who the person and the owner are, and people put their accounts together.
func TestWhoIsBehindAToken(t *testing.T) {
	s := newSigner(t, "k1")
	rows := strings.Replace(fmt.Sprintf(issuerRow, digest("t1"), digest("t2")), "    groups_claim: groups\n", "    groups_claim: groups\n    person_claim: email\n", 1)
	rows = strings.Replace(rows, "    audience: portcullis\n    algorithms: [ES256]\n    jwks_file: keys.json\n    tenant: acme\n    rules:\n      - {claim: groups, equals: robots, roles: [agent], agents: [mailer], owner: ann}",
		"    audience: portcullis\n    algorithms: [ES256]\n    jwks_file: keys.json\n    tenant: acme\n    owner_claim: run_by\n    rules:\n      - {claim: groups, equals: robots, roles: [agent], agents: [mailer]}", 1)
	rows = strings.Replace(rows, `subjects: ["corp:ann",`, `subjects: ["ann.smith@corp", "corp:ann",`, 1)
	rows = strings.Replace(rows, "\npeople:\n", "\npeople:\n  - {person: joe, subjects: [\"joe@corp\"]}\n", 1)
	path := writeFile(t, rows)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "keys.json"), keySet(t, s.public()), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := LoadFile(path, clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	who := func(changes ...any) (Caller, error) {
		return d.Authenticate(t.Context(), "Bearer "+s.sign(t, claims(changes...)))
	}
	if c, err := who("sub", "x9", "email", "Ann.Smith@corp"); err != nil || c.Person != "ann" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := who("sub", "x8", "email", "bob@corp"); err != nil || c.Person != "bob@corp" {
		t.Errorf("%+v, %v", c, err)
	}
	// TestThreat_B7: an account that a row names is that person's, whatever its token says of itself.
	if c, err := who("sub", "ann", "email", "ann.second@corp", "email_verified", "true"); err != nil || c.Person != "ann" {
		t.Errorf("an account of Ann's: %+v, %v", c, err)
	}
	for name, changes := range map[string][]any{
		"no person": {}, "not verified": {"email", "bob@corp", "email_verified", false}, "not verified, as a text": {"email", "bob@corp", "email_verified", "false"},
		"verified, perhaps": {"email", "bob@corp", "email_verified", "perhaps"}, "Ann, who says to be Joe": {"sub", "ann", "email", "joe@corp"},
		"person of another sort": {"email", []string{"bob@corp"}},
		"turned":                 {"email", "bob@corp\u202e"},
	} {
		if c, err := who(changes...); !errors.Is(err, ErrBadCredential) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	robot := []any{"iss", "https://robots.example.com", "groups", "robots"}
	if c, err := who(append(robot, "run_by", "Ann.Smith@corp")...); err != nil || c.Owner != "ann" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := who(robot...); !errors.Is(err, ErrBadCredential) {
		t.Errorf("nobody's machine: %+v, %v", c, err)
	}
}

// TestThreat_B12_AnIssuerIsForOneKind: who gets tokens for an agent and for a person from one place could approve itself.
func TestThreat_B12_AnIssuerIsForOneKind(t *testing.T) {
	mixed := strings.Replace(fmt.Sprintf(issuerRow, digest("t1"), digest("t2")), "equals: security, roles: [approver]}",
		"equals: security, roles: [approver]}\n      - {claim: groups, equals: bots, roles: [agent], agents: [a]}", 1)
	path := writeFile(t, mixed)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "keys.json"), keySet(t, newSigner(t, "k1").public()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFile(path, clockAt(testTime)); err == nil || !strings.Contains(err.Error(), "not for both") {
		t.Errorf("got %v", err)
	}
}
