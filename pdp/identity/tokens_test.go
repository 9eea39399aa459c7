package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clockAt(at time.Time) func() time.Time { return func() time.Time { return at } }

func digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func machine(id, token string) Credential {
	return Credential{SHA256: sha256.Sum256([]byte(token)), Caller: Caller{
		CredentialID: id, Subject: "gw-" + id, Tenant: "acme", Roles: []Role{RoleGateway}, Agents: []string{AnyAgent},
	}}
}

func TestAuthenticate(t *testing.T) {
	old := machine("old", "old-token")
	old.NotAfter = testTime
	tokens, err := NewTokens([]Credential{machine("one", "token-1"), machine("two", "token-2"), old}, clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header string
		id     string
		err    error
	}{
		"first":               {"Bearer token-1", "one", nil},
		"second":              {"Bearer token-2", "two", nil},
		"lower case":          {"bearer token-1", "one", nil},
		"upper case":          {"BEARER token-1", "one", nil},
		"blanks around":       {"  Bearer   token-1 \t", "one", nil},
		"none":                {"", "", ErrNoCredential},
		"blank":               {" \t ", "", ErrNoCredential},
		"scheme alone":        {"Bearer", "", ErrBadCredential},
		"scheme and blank":    {"Bearer ", "", ErrBadCredential},
		"no scheme":           {"token-1", "", ErrBadCredential},
		"other scheme":        {"Basic token-1", "", ErrBadCredential},
		"scheme run together": {"Bearertoken-1", "", ErrBadCredential},
		"tab between":         {"Bearer\ttoken-1", "", ErrBadCredential},
		"unknown":             {"Bearer token-3", "", ErrBadCredential},
		"token in other case": {"Bearer Token-1", "", ErrBadCredential},
		"part of a token":     {"Bearer token-", "", ErrBadCredential},
		"token and more":      {"Bearer token-1 x", "", ErrBadCredential},
		"two headers in one":  {"Bearer token-1,Bearer token-2", "", ErrBadCredential},
		"digest for token":    {"Bearer " + digest("token-1"), "", ErrBadCredential},
		"NUL":                 {"Bearer token-1\x00", "", ErrBadCredential},
		"not UTF-8":           {"Bearer \xff", "", ErrBadCredential},
		"past its time":       {"Bearer old-token", "", ErrBadCredential},
		"too long":            {"Bearer token-1" + strings.Repeat(" ", maxHeaderBytes), "", ErrBadCredential},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := tokens.Authenticate(t.Context(), c.header)
			if !errors.Is(err, c.err) || who.CredentialID != c.id {
				t.Fatalf("got %q, %v; want %q, %v", who.CredentialID, err, c.id, c.err)
			}
			if err == nil && (who.Method != "bearer" || who.Subject != "gw-"+c.id || who.Tenant != "acme") {
				t.Errorf("caller is %+v", who)
			}
		})
	}
}

func TestCredentialIsValidUntilItsTime(t *testing.T) {
	c := machine("old", "old-token")
	c.NotAfter = testTime
	tokens, err := NewTokens([]Credential{c}, clockAt(testTime.Add(-1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Authenticate(t.Context(), "Bearer old-token"); err != nil {
		t.Error(err)
	}
}

func TestCallersDoNotShareMemory(t *testing.T) {
	tokens, err := NewTokens([]Credential{machine("one", "token-1")}, clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	first, _ := tokens.Authenticate(t.Context(), "Bearer token-1")
	first.Roles[0], first.Agents[0] = RoleAdmin, "a1"
	second, _ := tokens.Authenticate(t.Context(), "Bearer token-1")
	if second.Has(RoleAdmin) || second.Agents[0] != AnyAgent {
		t.Errorf("one request changed the next one's caller: %+v", second)
	}
}

const goodFile = `
credentials:
  - id: gw-1
    sha256: %s
    subject: gateway
    roles: [gateway, agent]
    tenant: acme
    agents: ["*"]
    observe_as_user: true
    not_after: 2027-01-31T00:00:00Z
  - {id: gw-2, sha256: %s, subject: gateway, roles: [gateway], tenant: acme, agents: [a1, a2]}
  - {id: bob-1, sha256: %s, subject: bob, roles: [approver, auditor], tenant: acme}
`

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadFile(t *testing.T) {
	tokens, err := LoadFile(writeFile(t, fmt.Sprintf(goodFile, digest("t1"), strings.ToUpper(digest("t2")), digest("t3"))), clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	gw, err := tokens.Authenticate(t.Context(), "Bearer t1")
	if err != nil || !gw.ObserveAsUser || !Allowed(gw, RoleGateway) || !gw.MaySpeakFor("acme", "a9") || gw.CredentialID != "gw-1" {
		t.Errorf("got %+v, %v", gw, err)
	}
	gw2, err := tokens.Authenticate(t.Context(), "Bearer t2")
	if err != nil || gw2.ObserveAsUser || gw2.MaySpeakFor("acme", "a9") || !gw2.MaySpeakFor("acme", "a2") {
		t.Errorf("got %+v, %v", gw2, err)
	}
	bob, err := tokens.Authenticate(t.Context(), "Bearer t3")
	if err != nil || bob.Subject != "bob" || !bob.Has(RoleApprover) || !bob.Has(RoleAuditor) || bob.Has(RoleAdmin) {
		t.Errorf("got %+v, %v", bob, err)
	}
	tokens.tokens.now = clockAt(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC))
	if _, err := tokens.Authenticate(t.Context(), "Bearer t1"); !errors.Is(err, ErrBadCredential) {
		t.Errorf("not_after does not end it: %v", err)
	}
}

func TestLoadFileReadsJSON(t *testing.T) {
	json := "{\n\t\"credentials\": [\n\t\t{\"id\": \"bob-1\", \"sha256\": \"" + digest("t1") + "\", \"subject\": \"bob\",\n\t\t \"roles\": [\"approver\"], \"tenant\": \"acme\", \"not_after\": \"2027-01-31T00:00:00Z\"}\n\t]\n}\n"
	tokens, err := LoadFile(writeFile(t, json), clockAt(testTime))
	if err != nil {
		t.Fatal(err)
	}
	if bob, err := tokens.Authenticate(t.Context(), "Bearer t1"); err != nil || !bob.Has(RoleApprover) {
		t.Errorf("got %+v, %v", bob, err)
	}
}

func TestLoadFileRefuses(t *testing.T) {
	h1, h2 := digest("t1"), digest("t2")
	entry := func(id, sha, subject, roles, more string) string {
		return fmt.Sprintf("  - {id: %s, sha256: %s, subject: %s, roles: [%s], tenant: acme%s}\n", id, sha, subject, roles, more)
	}
	const head = "credentials:\n"
	speaks := `, agents: ["*"]`
	for name, c := range map[string]struct{ file, want string }{
		"empty file":             {"", "EOF"},
		"no credentials":         {"credentials: []\n", "no credentials"},
		"unknown key":            {head + entry("a", h1, "s", "approver", ", expires: never"), "expires"},
		"unknown key above":      {"default_role: admin\n" + head + entry("a", h1, "s", "approver", ""), "default_role"},
		"key twice":              {head + entry("a", h1, "s", "approver", ", id: b"), "already defined"},
		"two documents":          {head + entry("a", h1, "s", "approver", "") + "---\n" + head, "more than one document"},
		"not YAML":               {"credentials: [", "yaml"},
		"no id":                  {head + entry(`""`, h1, "s", "approver", ""), "id must be"},
		"no subject":             {head + entry("a", h1, `""`, "approver", ""), "subject must be"},
		"subject with a blank":   {head + entry("a", h1, "a b", "approver", ""), "subject must be"},
		"no tenant":              {strings.Replace(head+entry("a", h1, "s", "approver", ""), "acme", `""`, 1), "tenant must be"},
		"no roles":               {head + entry("a", h1, "s", "", ""), "no roles"},
		"unknown role":           {head + entry("a", h1, "s", "root", ""), "role"},
		"role twice":             {head + entry("a", h1, "s", "admin, admin", ""), "twice"},
		"token for digest":       {head + entry("a", "pcat_secret", "s", "approver", ""), "64 hex digits"},
		"digest too long":        {head + entry("a", h1+"00", "s", "approver", ""), "64 hex digits"},
		"no digest":              {head + entry("a", `""`, "s", "approver", ""), "64 hex digits"},
		"digest of nothing":      {head + entry("a", digest(""), "s", "approver", ""), "that of nothing"},
		"digest of zeros":        {head + entry("a", `"`+strings.Repeat("0", 64)+`"`, "s", "approver", ""), "that of nothing"},
		"bad date":               {head + entry("a", h1, "s", "approver", ", not_after: tomorrow"), "RFC 3339"},
		"id twice":               {head + entry("a", h1, "s", "approver", "") + entry("a", h2, "s", "approver", ""), "id stands twice"},
		"digest twice":           {head + entry("a", h1, "s", "approver", "") + entry("b", h1, "s", "approver", ""), "sha256 stands twice"},
		"agent without agents":   {head + entry("a", h1, "s", "agent", ""), "no agents"},
		"agent for anybody":      {head + entry("a", h1, "s", "agent", speaks), "needs the role gateway"},
		"agent observes as user": {head + entry("a", h1, "s", "agent", ", agents: [a1], observe_as_user: true"), "needs the role gateway"},
		"bad agent name":         {head + entry("a", h1, "s", "gateway", `, agents: ["a*"]`), "agent"},
		"person with agents":     {head + entry("a", h1, "s", "approver", speaks), "only an agent or gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadFile(writeFile(t, c.file), clockAt(testTime))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want one with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "pcat_secret") {
				t.Errorf("the error holds the token: %v", err)
			}
		})
	}
}

// What an agent holds can never be an approver's, in one credential or in two.
func TestThreat_B12_AgentNeverHoldsAPersonsRole(t *testing.T) {
	for _, m := range []Role{RoleAgent, RoleGateway} {
		for _, p := range []Role{RoleApprover, RoleAdmin, RoleAuditor} {
			both := Credential{SHA256: [32]byte{1}, Caller: Caller{CredentialID: "c", Subject: "s", Tenant: "acme", Roles: []Role{p, m}, Agents: []string{"a1"}}}
			if _, err := NewTokens([]Credential{both}, time.Now); err == nil || !strings.Contains(err.Error(), "could approve itself") {
				t.Errorf("%s and %s in one credential: %v", m, p, err)
			}
			one, two := both, both
			one.Caller.Roles, two.Caller.Roles = []Role{m}, []Role{p}
			two.Caller.Agents, two.Caller.CredentialID, two.SHA256 = nil, "d", [32]byte{2}
			if _, err := NewTokens([]Credential{one, two}, time.Now); err == nil {
				t.Errorf("one subject is %s and %s by two credentials", m, p)
			}
			two.Caller.Subject = "t"
			if _, err := NewTokens([]Credential{one, two}, time.Now); err != nil {
				t.Errorf("two subjects: %v", err)
			}
		}
	}
}

func TestThreat_B7_OneSubjectIsSpeltInOneWay(t *testing.T) {
	person := func(id, subject, tenant string, b byte) Credential {
		return Credential{SHA256: [32]byte{b}, Caller: Caller{CredentialID: id, Subject: subject, Tenant: tenant, Roles: []Role{RoleApprover}}}
	}
	for name, c := range map[string]struct {
		second Credential
		ok     bool
	}{
		"other case":              {person("b", "Alice", "acme", 2), false},
		"rotation":                {person("b", "alice", "acme", 2), true},
		"other tenant, same name": {person("b", "Alice", "other", 2), true},
	} {
		_, err := NewTokens([]Credential{person("a", "alice", "acme", 1), c.second}, time.Now)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadFileRefusesByKindAndMode(t *testing.T) {
	good := fmt.Sprintf(goodFile, digest("t1"), digest("t2"), digest("t3"))
	path := writeFile(t, good)
	for _, mode := range []os.FileMode{0o620, 0o602, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadFile(path, time.Now); err == nil {
			t.Errorf("mode %o was accepted", mode)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadFile(path, time.Now); err != nil {
		t.Errorf("it holds no secret, and mode 644: %v", err)
	}
	if _, err := LoadFile(t.TempDir(), time.Now); err == nil {
		t.Error("a directory was accepted")
	}
	if _, err := LoadFile(path+".none", time.Now); err == nil {
		t.Error("no file was accepted")
	}
	if _, err := LoadFile(writeFile(t, good+strings.Repeat("#", maxFileBytes)), time.Now); err == nil {
		t.Error("an endless file was accepted")
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	creds := make([]Credential, 100)
	for i := range creds {
		creds[i] = machine(fmt.Sprint(i), fmt.Sprint("token-", i))
	}
	tokens, err := NewTokens(creds, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Authenticate(b.Context(), "Bearer token-50"); err != nil {
			b.Fatal(err)
		}
	}
}
