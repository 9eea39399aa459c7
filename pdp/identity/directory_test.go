package identity

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

const certificateRows = `
certificates:
  - {id: mailer, spiffe: spiffe://corp/agents/mailer, subject: mailer, roles: [agent], tenant: acme, agents: [mailer], owner: ann}
  - {id: bob-laptop, spiffe: spiffe://corp/people/bob, subject: bob, roles: [approver], tenant: acme}
revoked:
  - {serial: "00:2A"}
  - {sha256: %s}
credentials:
  - {id: mailer-key, sha256: %s, subject: mailer, roles: [agent], tenant: acme, agents: [mailer, other]}
  - {id: eve-key, sha256: %s, subject: eve, roles: [agent], tenant: acme, agents: [eve]}
`

func certificate(serial int64, ids ...string) *x509.Certificate {
	c := &x509.Certificate{
		Raw: fmt.Appendf(nil, "certificate %d", serial), SerialNumber: big.NewInt(serial),
		NotBefore: testTime.Add(-time.Hour), NotAfter: testTime.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	for _, id := range ids {
		u, err := url.Parse(id)
		if err != nil {
			panic(err)
		}
		c.URIs = append(c.URIs, u)
	}
	return c
}

// TestThreat_C3_CertificateAndTokenMustAgree, and a certificate that counts no more is nobody whatever comes with it (C2).
func TestThreat_C3_CertificateAndTokenMustAgree(t *testing.T) {
	revoked := certificate(99, "spiffe://corp/agents/mailer")
	sum := sha256.Sum256(revoked.Raw)
	d, err := LoadFile(writeFile(t, fmt.Sprintf(certificateRows, hex.EncodeToString(sum[:]), digest("t1"), digest("t2"))), clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	expired := certificate(1, "spiffe://corp/agents/mailer")
	expired.NotAfter = testTime.Add(-time.Second)
	early := certificate(1, "spiffe://corp/agents/mailer")
	early.NotBefore = testTime.Add(time.Second)
	mailer, bob := certificate(1, "spiffe://corp/agents/mailer"), certificate(2, "spiffe://corp/people/bob")
	for name, c := range map[string]struct {
		cert    *x509.Certificate
		header  string
		subject string // empty: an error
		id      string
		err     error
	}{
		"certificate":                   {mailer, "", "mailer", "mailer", nil},
		"a person's":                    {bob, "", "bob", "bob-laptop", nil},
		"both, of one":                  {mailer, "Bearer t1", "mailer", "mailer", nil},
		"both, of two":                  {mailer, "Bearer t2", "", "", ErrBadCredential},
		"a person and a machine":        {bob, "Bearer t1", "", "", ErrBadCredential},
		"with a bad token":              {mailer, "Bearer t9", "", "", ErrBadCredential},
		"with no bearer":                {mailer, "Basic t1", "", "", ErrBadCredential},
		"token alone":                   {nil, "Bearer t1", "mailer", "mailer-key", nil},
		"nothing":                       {nil, "", "", "", ErrNoCredential},
		"nobody's certificate":          {certificate(1, "spiffe://corp/agents/new"), "", "", "", ErrBadCredential},
		"nobody's with a token":         {certificate(1, "spiffe://corp/agents/new"), "Bearer t1", "mailer", "mailer-key", nil},
		"without an id":                 {certificate(1), "", "", "", ErrBadCredential},
		"with two ids":                  {certificate(1, "spiffe://corp/agents/mailer", "spiffe://corp/people/bob"), "", "", "", ErrBadCredential},
		"id in another spelling":        {certificate(1, "spiffe://corp/agents/Mailer"), "", "", "", ErrBadCredential},
		"revoked by its digest":         {revoked, "", "", "", ErrBadCredential},
		"revoked, with a token":         {revoked, "Bearer t1", "", "", ErrBadCredential},
		"revoked by its serial":         {certificate(0x2a, "spiffe://corp/agents/mailer"), "", "", "", ErrBadCredential},
		"run out on an open connection": {expired, "", "", "", ErrBadCredential},
		"not yet":                       {early, "", "", "", ErrBadCredential},
	} {
		ctx := t.Context()
		if c.cert != nil {
			ctx = WithCertificate(ctx, []*x509.Certificate{c.cert})
		}
		who, err := d.Authenticate(ctx, c.header)
		if !errors.Is(err, c.err) || who.Subject != c.subject || who.CredentialID != c.id {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if err == nil && who.Method == methodMTLS != (c.cert != nil && c.id != "mailer-key") {
			t.Errorf("%s: authenticated by %s", name, who.Method)
		}
	}
}

// TestThreat_B12_NoFileMakesAMachineAnApprover: each row spoils a good file in one thing, and is refused by name.
func TestThreat_B12_NoFileMakesAMachineAnApprover(t *testing.T) {
	sum := digest("x")
	for want, row := range map[string]string{
		"can't also be approver":      `certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [agent, approver], tenant: t, agents: [a]}]`,
		"could approve itself":        `{certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t}], credentials: [{id: b, sha256: ` + sum + `, subject: a, roles: [agent], tenant: t, agents: [a]}]}`,
		"spiffe must be":              `certificates: [{id: a, spiffe: "https://c/a", subject: a, roles: [approver], tenant: t}]`,
		"spiffe stands twice":         `certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t}, {id: b, spiffe: "spiffe://c/a", subject: b, roles: [approver], tenant: t}]`,
		"id stands twice":             `certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t}, {id: a, spiffe: "spiffe://c/b", subject: b, roles: [approver], tenant: t}]`,
		"nobody could call":           `people: []`,
		"field role not found":        `certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, role: [approver], tenant: t}]`,
		"owner is for":                `certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t, owner: b}]`,
		"group":                       `certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t, groups: ["a b"]}]`,
		"give sha256 or serial":       `{certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t}], revoked: [{}]}`,
		"is not hex":                  `{certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t}], revoked: [{serial: "xyz"}]}`,
		"somebody else's":             `{certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t}], people: [{person: x, subjects: [a]}, {person: y, subjects: [A]}]}`,
		"has no subjects":             `{certificates: [{id: a, spiffe: "spiffe://c/a", subject: a, roles: [approver], tenant: t}], people: [{person: x}]}`,
		"audience is needed":          `issuers: [{id: c, issuer: i, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		"issuer is needed":            `issuers: [{id: c, audience: a, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		"algorithms are needed":       `issuers: [{id: c, issuer: i, audience: a, jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		`"none" is not one of`:        `issuers: [{id: c, issuer: i, audience: a, algorithms: [none], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		`"HS256" is not one of`:       `issuers: [{id: c, issuer: i, audience: a, algorithms: [HS256], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		"must be https":               `issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], jwks_url: "http://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		"give jwks_url or jwks_file":  `issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		"no such file":                `issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], jwks_file: nowhere.json, tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		"no rules":                    `issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t}]`,
		"claim and equals":            `issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t, rules: [{roles: [approver]}]}]`,
		"rule 1: an agent or gateway": `issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [gateway, admin], agents: ["*"]}]}]`,
		"id or issuer stands twice":   `issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}, {id: d, issuer: i, audience: a, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}]`,
		"begins like those of its":    `{issuers: [{id: c, issuer: i, audience: a, algorithms: [RS256], jwks_url: "https://a.example/k", tenant: t, rules: [{claim: g, equals: x, roles: [approver]}]}], credentials: [{id: b, sha256: ` + sum + `, subject: "C:ann", roles: [auditor], tenant: t}]}`,
	} {
		if _, err := LoadFile(writeFile(t, row), clockAt(testTime)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
}

// TestThreat_C2_AFileThatChangesIsFollowed: what was taken out is refused, a wrong file changes nothing, a right one after
// it counts again.
func TestThreat_C2_AFileThatChangesIsFollowed(t *testing.T) {
	row := func(ids ...string) string {
		text := "credentials:\n"
		for _, id := range ids {
			text += fmt.Sprintf("  - {id: %s, sha256: %s, subject: %s, roles: [approver], tenant: t}\n", id, digest(id), id)
		}
		return text
	}
	path := writeFile(t, row("ann", "bob"))
	l, err := Open(path, clockAt(testTime), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	step := func(content string, change func(), healthy, tells bool, may ...string) {
		t.Helper()
		if content != "" {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if change != nil {
			change()
		}
		told := l.Changed()
		l.look()
		select {
		case <-told:
			if !tells {
				t.Error("told of a change that was none")
			}
		default:
			if tells {
				t.Error("told nobody")
			}
		}
		if (l.Health() == nil) != healthy {
			t.Errorf("health: %v", l.Health())
		}
		for _, who := range []string{"ann", "bob", "cal"} {
			want := strings.Contains(strings.Join(may, " "), who)
			if _, err := l.Authenticate(context.Background(), "Bearer "+who); (err == nil) != want {
				t.Errorf("%s: %v, want %t", who, err, want)
			}
		}
	}
	step("", nil, true, false, "ann", "bob")
	step(row("bob", "cal"), nil, true, true, "bob", "cal")
	step("credentials: [", nil, false, false, "bob", "cal")
	step(row("ann", "ann"), nil, false, false, "bob", "cal")
	step(row("bob", "cal"), nil, true, false, "bob", "cal")
	step(row("ann"), func() { _ = os.Chmod(path, 0o666) }, false, false, "bob", "cal")
	step("", func() { _ = os.Chmod(path, 0o600) }, true, true, "ann")
	step("", func() { _ = os.Remove(path) }, false, false, "ann")
	step(row("bob"), nil, true, true, "bob")
	if _, err := Open(path+"x", clockAt(testTime), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a server would start without its file")
	}
}

// TestThreat_C2_ACertificateThatIsNoWorkloads: an authority's, one for another use, one that is made to last, one under an
// authority that is revoked.
func TestThreat_C2_ACertificateThatIsNoWorkloads(t *testing.T) {
	const id = "spiffe://corp/agents/mailer"
	above := &x509.Certificate{Raw: []byte("authority"), SerialNumber: big.NewInt(7), IsCA: true}
	sum := sha256.Sum256(above.Raw)
	rows := fmt.Sprintf(certificateRows, hex.EncodeToString(sum[:]), digest("t1"), digest("t2"))
	d, err := LoadFile(writeFile(t, rows), clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(*x509.Certificate)) []*x509.Certificate {
		c := certificate(1, id)
		change(c)
		return []*x509.Certificate{c}
	}
	if who, err := d.Authenticate(WithCertificate(t.Context(), changed(func(*x509.Certificate) {})), ""); err != nil || !who.ValidUntil.Equal(testTime.Add(time.Hour)) {
		t.Fatalf("%+v, %v", who, err)
	}
	for name, chain := range map[string][]*x509.Certificate{
		"an authority":                  changed(func(c *x509.Certificate) { c.IsCA = true }),
		"may sign certificates":         changed(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
		"for encryption alone":          changed(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }),
		"made for a year":               changed(func(c *x509.Certificate) { c.NotAfter = testTime.AddDate(1, 0, 0) }),
		"under a revoked authority":     {certificate(1, id), above},
		"escaped":                       {certificate(1, "spiffe://corp/agents/maile%72")},
		"with a query":                  {certificate(1, id+"?x=1")},
		"with an empty query":           {certificate(1, id+"?")},
		"with a fragment":               {certificate(1, id+"#x")},
		"with a port":                   {certificate(1, "spiffe://corp:443/agents/mailer")},
		"with a user":                   {certificate(1, "spiffe://u@corp/agents/mailer")},
		"of a web page":                 {certificate(1, "https://corp/agents/mailer")},
		"with dots":                     {certificate(1, "spiffe://corp/x/../agents/mailer")},
		"one who ends with a slash":     {certificate(1, id+"/")},
		"its name in the subject alone": changed(func(c *x509.Certificate) { c.URIs = nil; c.Subject.CommonName = id; c.DNSNames = []string{"mailer"} }),
	} {
		if who, err := d.Authenticate(WithCertificate(t.Context(), chain), ""); !errors.Is(err, ErrBadCredential) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	long, err := LoadFile(writeFile(t, rows+"max_certificate_lifetime: 1h\n"), clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := long.Authenticate(WithCertificate(t.Context(), changed(func(*x509.Certificate) {})), ""); err == nil {
		t.Error("two hours are more than one")
	}
	for _, bad := range []string{"1s", "3000h", "-1h", "soon"} {
		if _, err := LoadFile(writeFile(t, rows+"max_certificate_lifetime: "+bad+"\n"), clockAt(testTime)); err == nil {
			t.Errorf("max_certificate_lifetime: %s is taken", bad)
		}
	}
	if _, err := LoadFile(writeFile(t, rows[:strings.Index(rows, "credentials:")]+"credentials: []\n"), clockAt(testTime)); err == nil {
		t.Error("an empty list of keys is taken")
	}
}

// TestTheExampleIsTaken: the file that the page on identity shows.
func TestTheExampleIsTaken(t *testing.T) {
	d, err := LoadFile("../../docs/identity.example.yaml", clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	if who := d.people.of("ROOT@acme.example"); who != "ann@acme.example" || len(d.issuers) != 1 || len(d.certs) != 1 || len(d.revoked.serials) != 1 {
		t.Errorf("%q, %+v", who, d)
	}
}
