package delegation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/seal"
)

var now = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)

// ranks are the levels of these tests.
func ranks(level string) (int64, bool) {
	rank, known := map[string]int64{"LOW": 1, "MEDIUM": 2, "HIGH": 3}[level]
	return rank, known
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newKeys(t *testing.T) *seal.Keys {
	t.Helper()
	keys, err := seal.LoadOrCreate(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func tools(names ...string) []Tool {
	out := make([]Tool, len(names))
	for i, n := range names {
		out[i].Name = n
	}
	return out
}

// wide is what the first token of these tests hands on.
func wide() Rights { return Rights{Tools: tools("a", "b", "c"), MaxRisk: "HIGH", Depth: 5} }

func checks() Checks { return Checks{Now: now, MaxLinks: MaxLinks, Ranks: ranks} }

func presenter(agent string) Presenter {
	return Presenter{Tenant: "t", Agent: agent, Session: "s", User: "ann", UserBelieved: true}
}

func mint(t failer, keys Keys, r Request) string {
	t.Helper()
	if r.Tenant == "" {
		r.Tenant = "t"
	}
	raw, _, err := Mint(keys, r, now, ranks)
	if err != nil {
		t.Fatalf("mint: %v", err)
	}
	return raw
}

// forge signs what Mint would refuse: a chain has to be verified as if the signer had been fooled.
func forge(t failer, keys Keys, token Token) string {
	t.Helper()
	raw, err := sign(keys, &token)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return raw
}

func chainOf(t failer, keys Keys, agents []string, rights Rights) []string {
	t.Helper()
	var raw []string
	for i := range agents[1:] {
		r := Request{Issuer: agents[i], Holder: agents[i+1], Rights: rights}
		r.Rights.Depth = len(agents) - 2 - i
		if i > 0 {
			c, err := Verify(keys, raw, presenter(agents[i]), checks())
			if err != nil {
				t.Fatalf("verify: %v", err)
			}
			r.Chain = c
		}
		raw = append(raw, mint(t, keys, r))
	}
	return raw
}

func TestAChainOfFourHolds(t *testing.T) {
	keys := newKeys(t)
	raw := chainOf(t, keys, []string{"a1", "a2", "a3", "a4", "a5"}, wide())
	c, err := Verify(keys, raw, presenter("a5"), checks())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(c.Agents(), c.Tools(), c.MaxRisk(), len(c.IDs())); got != "[a1 a2 a3 a4] [a b c]HIGH4" {
		t.Error(got)
	}
	if !c.ExpiresAt().Equal(now.Add(time.Hour)) {
		t.Errorf("expires %s", c.ExpiresAt())
	}
}

// Each way in which a chain can be wrong has its own cause. Every token is signed by the right key.
func TestThreat_A12_AChainThatDoesNotHold(t *testing.T) {
	keys := newKeys(t)
	first := Token{Version: 1, ID: "i1", Tenant: "t", Issuer: "a", Holder: "b", Rights: wide(), IssuedAt: now.Unix(), Expires: now.Add(time.Hour).Unix()}
	raw := forge(t, keys, first)
	second := Token{
		Version: 1, ID: "i2", Tenant: "t", Issuer: "b", Holder: "c", Parent: digest(raw),
		Rights: Rights{Tools: tools("a"), MaxRisk: "LOW", Depth: 1}, IssuedAt: now.Unix(), Expires: now.Add(time.Hour).Unix(),
	}
	one := func(change func(*Token)) []string {
		token := first
		change(&token)
		return []string{forge(t, keys, token)}
	}
	two := func(change func(*Token)) []string {
		token := second
		change(&token)
		return []string{raw, forge(t, keys, token)}
	}
	under := func(upper, lower func(*Token)) []string {
		a, b := first, second
		upper(&a)
		above := forge(t, keys, a)
		b.Parent = digest(above)
		lower(&b)
		return []string{above, forge(t, keys, b)}
	}
	none := func(*Token) {}
	for name, tc := range map[string]struct {
		raw   []string
		who   string
		cause Cause
	}{
		"holds":                    {one(none), "b", ""},
		"two hold":                 {two(none), "c", ""},
		"another holder":           {one(none), "c", Holder},
		"the issuer itself":        {one(none), "a", Holder},
		"the holder in the middle": {two(none), "b", Holder},
		"another tenant":           {one(func(x *Token) { x.Tenant = "u" }), "b", Tenant},
		"expired":                  {one(func(x *Token) { x.Expires = now.Unix() }), "b", Expired},
		"not yet":                  {one(func(x *Token) { x.NotBefore = now.Unix() + 1 }), "b", NotYet},
		"another session":          {one(func(x *Token) { x.Session = "s2" }), "b", Session},
		"another user":             {one(func(x *Token) { x.User = "bob" }), "b", User},
		"an unknown risk level":    {one(func(x *Token) { x.MaxRisk = "EXTREME" }), "b", Risk},
		"begins in the middle":     {two(none)[1:], "c", Order},
		"the other way round":      {[]string{two(none)[1], raw}, "b", Order},
		"a token twice":            {[]string{raw, raw}, "b", Order},
		"another parent":           {two(func(x *Token) { x.Parent = digest("x") }), "c", Order},
		"no parent":                {two(func(x *Token) { x.Parent = "" }), "c", Order},
		"issued by a stranger":     {two(func(x *Token) { x.Issuer = "z" }), "c", Order},
		"one more tool":            {two(func(x *Token) { x.Tools = tools("a", "d") }), "c", Widens},
		"a higher risk":            {under(func(x *Token) { x.MaxRisk = "LOW" }, func(x *Token) { x.MaxRisk = "MEDIUM" }), "c", Widens},
		"no risk":                  {two(func(x *Token) { x.MaxRisk = "" }), "c", Widens},
		"a longer life":            {two(func(x *Token) { x.Expires++ }), "c", Widens},
		"begins earlier":           {under(func(x *Token) { x.NotBefore = now.Unix() }, none), "c", Widens},
		"deeper":                   {two(func(x *Token) { x.Depth = first.Depth }), "c", Widens},
		"deeper than may be":       {under(func(x *Token) { x.Depth = 0 }, func(x *Token) { x.Depth = 0 }), "c", TooDeep},
		"the session let go":       {under(func(x *Token) { x.Session = "s" }, none), "c", Widens},
		"the user let go":          {under(func(x *Token) { x.User = "ann" }, none), "c", Widens},
		"the cost let go":          {under(func(x *Token) { x.MaxCostMicroUSD = 5 }, none), "c", Widens},
		"a higher cost":            {under(func(x *Token) { x.MaxCostMicroUSD = 5 }, func(x *Token) { x.MaxCostMicroUSD = 6 }), "c", Widens},
		"every server":             {under(func(x *Token) { x.Tools = []Tool{{"a", "files"}} }, none), "c", Widens},
		"another version":          {one(func(x *Token) { x.Version = 2 }), "b", Malformed},
		"nothing":                  {nil, "b", Malformed},
		"empty":                    {[]string{""}, "b", Malformed},
		"rubbish":                  {[]string{"a.b.c"}, "b", Malformed},
		"huge":                     {[]string{strings.Repeat("x", MaxTokenBytes+1)}, "b", Malformed},
		"too many":                 {[]string{raw, raw, raw, raw, raw, raw, raw, raw, raw}, "b", TooDeep},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Verify(keys, tc.raw, presenter(tc.who), checks())
			switch {
			case tc.cause == "" && err != nil:
				t.Fatal(err)
			case tc.cause != "" && (err == nil || c != nil || CauseOf(err) != tc.cause):
				t.Fatalf("got %v (%s); want %s", err, CauseOf(err), tc.cause)
			}
		})
	}
}

func TestThreat_A12_WhoIsNotBelievedNamesNoUser(t *testing.T) {
	keys := newKeys(t)
	r := wide()
	r.User = "ann"
	raw := []string{mint(t, keys, Request{Issuer: "a", Holder: "b", Rights: r})}
	who := presenter("b")
	if _, err := Verify(keys, raw, who, checks()); err != nil {
		t.Fatal(err)
	}
	who.UserBelieved = false
	if _, err := Verify(keys, raw, who, checks()); CauseOf(err) != User {
		t.Fatalf("an agent says for whom it acts: %v", err)
	}
}

func TestThreat_C3_ATokenOfAnotherKeyOrKind(t *testing.T) {
	keys, others := newKeys(t), newKeys(t)
	good := mint(t, keys, Request{Issuer: "a", Holder: "b", Rights: wide()})
	if _, err := Verify(keys, []string{mint(t, others, Request{Issuer: "a", Holder: "b", Rights: wide()})}, presenter("b"), checks()); CauseOf(err) != UnknownKey {
		t.Errorf("another server's: %v", err)
	}
	parts := strings.Split(good, ".")
	for i, c := range []byte(good) { // every character, once
		if c == '.' {
			continue
		}
		flipped := []byte(good)
		if flipped[i] = 'A'; c == 'A' {
			flipped[i] = 'B'
		}
		if _, err := Verify(keys, []string{string(flipped)}, presenter("b"), checks()); err == nil && i < len(good)-1 { // the last one has bits that say nothing
			t.Fatalf("character %d changed, and it holds", i)
		}
	}
	for name, raw := range map[string]string{
		"no algorithm": "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"no signature": parts[0] + "." + parts[1] + ".",
		"full form":    `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
	} {
		if _, err := Verify(keys, []string{raw}, presenter("b"), checks()); err == nil {
			t.Errorf("%s: holds", name)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: opaque{keys}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(Token{Version: 1, Tenant: "t", Issuer: "a", Holder: "b", Rights: wide(), Expires: now.Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	untyped, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(keys, []string{untyped}, presenter("b"), checks()); err == nil || CauseOf(err) != Malformed {
		t.Errorf("of no type: %v", err)
	}
}

// Tokens outlive a rotation for as long as the old key is in the file.
func TestKeysRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	row := func(id string, b byte) string {
		return `{"id":"` + id + `","key":"` + strings.Repeat(string(b), 43) + `="}`
	}
	load := func(rows ...string) *seal.Keys {
		t.Helper()
		if err := os.WriteFile(path, []byte(`{"keys":[`+strings.Join(rows, ",")+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := seal.LoadOrCreate(path)
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	raw := []string{mint(t, load(row("old", 'A')), Request{Issuer: "a", Holder: "b", Rights: wide()})}
	both := load(row("new", 'E'), row("old", 'A'))
	c, err := Verify(both, raw, presenter("b"), checks())
	if err != nil {
		t.Fatal(err)
	}
	next := append(raw, mint(t, both, Request{Issuer: "b", Holder: "c", Rights: Rights{Tools: tools("a")}, Chain: c}))
	if _, err := Verify(both, next, presenter("c"), checks()); err != nil {
		t.Fatalf("a chain over both keys: %v", err)
	}
	if _, err := Verify(load(row("new", 'E')), raw, presenter("b"), checks()); CauseOf(err) != UnknownKey {
		t.Fatalf("the old key is gone: %v", err)
	}
}

func TestMintRefuses(t *testing.T) {
	keys := newKeys(t)
	r := Rights{Tools: tools("a", "b"), MaxRisk: "MEDIUM", MaxCostMicroUSD: 100, Session: "s", Depth: 1}
	raw := []string{mint(t, keys, Request{Issuer: "a", Holder: "b", Rights: r})}
	chain, err := Verify(keys, raw, presenter("b"), checks())
	if err != nil {
		t.Fatal(err)
	}
	long := make([]Tool, 64)
	for i := range long {
		long[i] = Tool{Name: fmt.Sprint(strings.Repeat("x", 200), i)}
	}
	for name, tc := range map[string]struct {
		change func(*Request)
		want   Cause
	}{
		"less":             {func(r *Request) { r.Rights = Rights{Tools: tools("a")} }, ""},
		"one server of it": {func(r *Request) { r.Rights.Tools = []Tool{{"a", "files"}} }, ""},
		"another tool":     {func(r *Request) { r.Rights.Tools = tools("a", "c") }, Widens},
		"a higher risk":    {func(r *Request) { r.Rights.MaxRisk = "HIGH" }, Widens},
		"a higher cost":    {func(r *Request) { r.Rights.MaxCostMicroUSD = 101 }, Widens},
		"another session":  {func(r *Request) { r.Rights.Session = "s2" }, Widens},
		"more depth":       {func(r *Request) { r.Rights.Depth = 1 }, Widens},
		"a longer life":    {func(r *Request) { r.Lifetime = time.Hour + time.Second }, Widens},
		"a wildcard":       {func(r *Request) { r.Rights.Tools = tools("*") }, Refused},
		"a pattern":        {func(r *Request) { r.Rights.Tools = tools("a?") }, Refused},
		"a line break":     {func(r *Request) { r.Rights.Tools = tools("a\nb") }, Refused},
		"no tool":          {func(r *Request) { r.Rights.Tools = nil }, Refused},
		"a nameless tool":  {func(r *Request) { r.Rights.Tools = []Tool{{"", "files"}} }, Refused},
		"no such risk":     {func(r *Request) { r.Rights.MaxRisk = "EXTREME" }, Refused},
		"debt":             {func(r *Request) { r.Rights.MaxCostMicroUSD = -1 }, Refused},
		"to itself":        {func(r *Request) { r.Holder = "b" }, Refused},
		"a year":           {func(r *Request) { r.Lifetime = 366 * 24 * time.Hour }, Refused},
		"the past":         {func(r *Request) { r.NotBefore, r.Lifetime = now.Add(-time.Hour), time.Minute }, Refused},
		"next month":       {func(r *Request) { r.NotBefore = now.Add(30 * 24 * time.Hour) }, Refused},
		"after the chain":  {func(r *Request) { r.NotBefore = now.Add(2 * time.Hour) }, Refused},
		"too long to send": {func(r *Request) { r.Chain, r.Rights = nil, Rights{Tools: long} }, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			order := Request{Tenant: "t", Issuer: "b", Holder: "c", Rights: Rights{Tools: tools("a")}, Chain: chain}
			tc.change(&order)
			made, token, err := Mint(keys, order, now, ranks)
			if tc.want != "" {
				if err == nil || CauseOf(err) != tc.want {
					t.Fatalf("got %v; want %s", err, tc.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(keys, append(raw, made), presenter("c"), checks()); err != nil {
				t.Fatal(err)
			}
			if token.MaxRisk != "MEDIUM" || token.MaxCostMicroUSD != 100 || token.Session != "s" {
				t.Errorf("what was left out is not as before: %+v", token.Rights)
			}
		})
	}
}

// Whatever is in a chain, what it permits is permitted by each link, and a link more permits nothing new. Tokens are signed
// without Mint's checks: verification has to hold by itself.
func TestThreat_A12_NothingInAChainWidens(t *testing.T) {
	keys := newKeys(t)
	names := []string{"a", "b", "c", "d"}
	servers := []string{"", "files", "mail"}
	genTool := rapid.Custom(func(t *rapid.T) Tool {
		return Tool{rapid.SampledFrom(names).Draw(t, "tool"), rapid.SampledFrom(servers).Draw(t, "server")}
	})
	genRights := rapid.Custom(func(t *rapid.T) Rights {
		return Rights{
			Tools:           rapid.SliceOfN(genTool, 1, 6).Draw(t, "tools"),
			MaxRisk:         rapid.SampledFrom([]string{"", "LOW", "MEDIUM", "HIGH"}).Draw(t, "risk"),
			MaxCostMicroUSD: rapid.Int64Range(0, 3).Draw(t, "cost"),
			Session:         rapid.SampledFrom([]string{"", "s"}).Draw(t, "session"),
			Depth:           rapid.IntRange(0, 5).Draw(t, "depth"),
		}
	})
	held := 0
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "links")
		var raw []string
		var before *Chain
		for i := range n {
			token := Token{
				Version: 1, ID: fmt.Sprint("i", i), Tenant: "t", Issuer: fmt.Sprint("a", i), Holder: fmt.Sprint("a", i+1), Rights: genRights.Draw(t, "rights"),
				Expires: now.Unix() + rapid.Int64Range(1, 3).Draw(t, "life"),
			}
			if i > 0 {
				token.Parent = digest(raw[i-1])
				if rapid.Bool().Draw(t, "mostly as before") { // else hardly any chain would hold
					upper := before.Tokens[i-1]
					token.Rights, token.Expires = upper.Rights, upper.Expires
					token.Depth--
				}
			}
			raw = append(raw, forge(t, keys, token))
			c, err := Verify(keys, raw, presenter(token.Holder), checks())
			if err != nil {
				return
			}
			held++
			for _, tool := range names {
				for _, server := range servers {
					if c.Permits(tool, server) {
						if before != nil && !before.Permits(tool, server) {
							t.Fatalf("link %d lets %s of %q pass, which was not", i+1, tool, server)
						}
						for _, link := range c.Tokens {
							if !link.Permits(tool, server) {
								t.Fatalf("%s of %q passes, and a link lacks it", tool, server)
							}
						}
					}
				}
			}
			for rank := range int64(4) {
				if before != nil && c.PermitsRisk(rank, ranks) && !before.PermitsRisk(rank, ranks) ||
					before != nil && c.PermitsCost(rank) && !before.PermitsCost(rank) {
					t.Fatalf("link %d lets more risk or cost pass", i+1)
				}
			}
			if before != nil && c.ExpiresAt().After(before.ExpiresAt()) {
				t.Fatalf("link %d holds for longer", i+1)
			}
			before = c
		}
	})
	if held < 100 {
		t.Fatalf("only %d chains held: the property says little", held)
	}
}

// shelf is a store that can fail.
type shelf struct {
	list map[[2]string]Revocation
	err  error
}

func (s *shelf) LoadRevocations(context.Context) (out []Revocation, _ error) {
	for _, r := range s.list {
		out = append(out, r)
	}
	return out, s.err
}

func (s *shelf) SaveRevocation(_ context.Context, add Revocation, drop []Revocation) error {
	if s.err != nil {
		return s.err
	}
	for _, r := range drop {
		delete(s.list, r.key())
	}
	s.list[add.key()] = add
	return nil
}

func TestARevokedTokenEndsEveryChainItIsIn(t *testing.T) {
	keys := newKeys(t)
	raw := chainOf(t, keys, []string{"a1", "a2", "a3"}, wide())
	store := &shelf{list: map[[2]string]Revocation{}}
	at := now
	open := func() *Revocations {
		r, err := OpenRevocations(t.Context(), store, func() time.Time { return at })
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	list := open()
	with := checks()
	with.Revoked = list.Revoked
	first, err := Peek(raw[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.Revoke(t.Context(), "other", first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(keys, raw, presenter("a3"), with); err != nil {
		t.Fatalf("another tenant revoked it: %v", err)
	}
	for _, want := range []bool{true, false} {
		if fresh, err := list.Revoke(t.Context(), "t", first.ID); err != nil || fresh != want {
			t.Fatalf("revoked %v, %v; want %v", fresh, err, want)
		}
	}
	if _, err := Verify(keys, raw, presenter("a3"), with); CauseOf(err) != Revoked {
		t.Fatalf("got %v", err)
	}
	with.Revoked = open().Revoked // after a restart
	if _, err := Verify(keys, raw, presenter("a3"), with); CauseOf(err) != Revoked || list.Count("t") != 1 {
		t.Fatalf("after a restart: %v", err)
	}
	at = now.Add(keepRevoked + time.Hour)
	if _, err := list.Revoke(t.Context(), "t", "another"); err != nil || len(store.list) != 1 {
		t.Fatalf("what no token needs any more is kept: %v, %v", store.list, err)
	}
	store.err = errors.New("disk full")
	if _, err := list.Revoke(t.Context(), "t", "late"); err == nil || !list.Revoked("t", "late") {
		t.Fatalf("a revocation that will not survive must work, and say so: %v", err)
	}
}

func TestRevocationsAreBounded(t *testing.T) {
	list := map[[2]string]Revocation{}
	for i := range MaxRevoked {
		r := Revocation{"t", fmt.Sprint(i), now}
		list[r.key()] = r
	}
	r, err := OpenRevocations(t.Context(), &shelf{list: list}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Revoke(t.Context(), "t", "one more"); !errors.Is(err, ErrTooManyRevoked) {
		t.Fatalf("got %v", err)
	}
	if fresh, err := r.Revoke(t.Context(), "t", "7"); err != nil || fresh {
		t.Fatalf("again: %v, %v", fresh, err)
	}
}

func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "keys")
	keys, err := seal.LoadOrCreate(path)
	if err != nil {
		f.Fatal(err)
	}
	good := mint(f, keys, Request{Issuer: "a", Holder: "b", Rights: wide()})
	f.Add(good)
	f.Add(good[:len(good)-2])
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		if token, err := open(keys, raw); err == nil && (token.Issuer != "a" || token.Holder != "b") {
			t.Fatalf("%q opens as %+v", raw, token)
		}
		_, _ = Peek(raw)
	})
}
