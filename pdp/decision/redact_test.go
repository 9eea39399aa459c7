package decision

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/action"
)

const (
	awsKey = "AKIAIOSFODNN7EXAMPLE"
	card   = "4111 1111 1111 1111"
)

// redacting is the default bundle with rows of the table `effects` that redact.
func redacting(replace string) func(*room) {
	row := func(name string) any {
		return map[string]any{"name": name, "effect": "redact", "replace": replace}
	}
	return withTables(map[string]any{"effects": map[string]any{"effects": []any{
		row("credential_out"), row("personal_out"), row("credential_in"), row("personal_in"),
		// What is taken out must not be asked about because it was hidden.
		map[string]any{"name": "evasion_out", "effect": "allow"},
		map[string]any{"name": "exfiltration_out", "effect": "allow"},
	}}})
}

func search(query any) Request {
	raw, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		panic(err)
	}
	return call("demo-basic", "search", string(raw))
}

func (r *room) effective(req Request) Effective {
	r.t.Helper()
	resp := r.decide(req)
	if resp.Effect != Allow || resp.Effective == nil || len(resp.Obligations) != 1 || resp.Obligations[0].Type != obligationEffective {
		r.t.Fatalf("%s %v, effective %v, obligations %v", resp.Effect, codes(resp.Reasons), resp.Effective, resp.Obligations)
	}
	return *resp.Effective
}

func TestRedactionReplacesWhatWasFound(t *testing.T) {
	token := `redacted-[0-9a-f]{16}`
	for _, tt := range []struct{ replace, query, want string }{
		{"constant", "key " + awsKey + " and card " + card + ".", "key redacted and card redacted."},
		{"token", "key " + awsKey + " and card " + card + ".", "key " + token + " and card " + token + `\.`},
		{"last4", "key " + awsKey + " and card " + card + ".", "key " + token + ` and card redacted-1111\.`},
		{"token", "see QUtJQUlPU0ZPRE5ON0VYQU1QTEU= for it", "see " + token + " for it"}, // base64
		{"constant", "AKIA\u200bIOSFODNN7EXAMPLE", "redacted"},
		{"constant", "all of ＡＫＩＡＩＯＳＦＯＤＮＮ７ＥＸＡＭＰＬＥ goes", "all of redacted goes"},
	} {
		r := newRoom(t, redacting(tt.replace))
		e := r.effective(search(tt.query))
		var got struct{ Query string }
		if err := json.Unmarshal([]byte(e.ArgumentsJSON), &got); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile("^"+tt.want+"$").MatchString(got.Query) || e.Content != "" || e.HTTP != nil {
			t.Errorf("%s: %q became %q, want %q", tt.replace, tt.query, got.Query, tt.want)
		}
	}
}

func TestRedactionGivesTheSameValueTheSameToken(t *testing.T) {
	r := newRoom(t, redacting("token"))
	var got struct{ Query []string }
	e := r.effective(search([]string{awsKey, "it is " + awsKey, "QUtJQUlPU0ZPRE5ON0VYQU1QTEU=", "AKIAIOSFODNN7EXAMPL2", "4111-1111-1111-1111", card}))
	if err := json.Unmarshal([]byte(e.ArgumentsJSON), &got); err != nil {
		t.Fatal(err)
	}
	q := got.Query
	if q[0] != strings.TrimPrefix(q[1], "it is ") || q[0] != q[2] || q[0] == q[3] || q[4] != q[5] || q[4] == q[0] {
		t.Errorf("tokens %q", q)
	}
}

func TestRedactionOfWhatArrives(t *testing.T) {
	r := newRoom(t, redacting("constant"))
	asked := r.decide(search("weather"))
	req := search("weather")
	req.Action = action.Action{Kind: action.KindToolResult, Tool: "search", InReplyTo: asked.DecisionID, Content: "the key is " + awsKey + "."}
	if e := r.effective(req); e.Content != "the key is redacted." || e.ArgumentsJSON != "" {
		t.Errorf("got %+v", e)
	}
	req.Action.Content = "nothing to take out"
	if resp := r.decide(req); resp.Effect != Allow || resp.Effective != nil {
		t.Errorf("%s, effective %v", resp.Effect, resp.Effective)
	}
}

func TestRedactionKeepsTheDigestAndTellsTheLog(t *testing.T) {
	r := newRoom(t, redacting("token"))
	req := search("key " + awsKey)
	digest, err := req.Action.Digest()
	if err != nil {
		t.Fatal(err)
	}
	resp := r.decide(req)
	if resp.ActionDigest != digest {
		t.Error("the digest is not that of the proposed action")
	}
	lines := r.lines("decision")
	if got := lines[len(lines)-1].Decision.Obligations; !slices.Equal(got, []string{"redact.token.credential.aws-access-key"}) {
		t.Errorf("the log says %v", got)
	}
}

func TestRedactionSealsWhatIsRemembered(t *testing.T) {
	r := newRoom(t, redacting("token"))
	write := search("")
	write.Action = action.Action{Kind: action.KindMemoryWrite, Memory: &action.MemoryRef{Layer: "notes", Key: "k"}, Content: "my card is " + card}
	resp := r.decide(write)
	if resp.Effect != Allow || resp.Effective == nil {
		t.Fatalf("%s %v", resp.Effect, codes(resp.Reasons))
	}
	read := write
	read.Action.Kind, read.Action.Content = action.KindMemoryRead, resp.Effective.Content
	read.Action.Memory = &action.MemoryRef{Layer: "notes", Key: "k", Seal: resp.Memory.Seal}
	if got := r.decide(read); got.Effect != Allow {
		t.Errorf("what was remembered is refused: %v", codes(got.Reasons))
	}
	read.Action.Content = write.Action.Content
	if got := r.decide(read); got.Effect == Allow {
		t.Error("the seal is for what was proposed")
	}
}

// What can't be taken out without making something else of the action is not passed on.
func TestThreat_D17_RedactionThatBreaksOutDenies(t *testing.T) {
	r := newRoom(t, redacting("token"))
	for name, req := range map[string]Request{
		"a key":               call("demo-basic", "search", `{"query": "x", "`+awsKey+`": 1}`),
		"a host":              search("https://" + strings.ToLower(awsKey) + ".example/ and https://x.example/" + awsKey + "@y.example"),
		"part of a host":      search("https://user:" + awsKey + "@example.com/"),
		"within a command":    call("demo-basic", "search", `{"query": "a", "command": "echo `+awsKey+`"}`),
		"the tool's own name": func() Request { q := search("x"); q.Action.Server = awsKey; return q }(),
	} {
		resp := r.decide(req)
		if resp.Effect == Allow && (resp.Effective == nil || strings.Contains(resp.Effective.ArgumentsJSON, awsKey)) {
			t.Errorf("%s: allowed with it", name)
		}
		if strings.Contains(fmt.Sprint(resp), awsKey) {
			t.Errorf("%s: it is in the answer", name)
		}
	}
	wantAnswer(t, r.decide(call("demo-basic", "search", `{"query": "x", "`+awsKey+`": 1}`)), Deny, "REDACTION_FAILED")
	wantAnswer(t, r.decide(search("https://"+awsKey+".example.com/")), Deny, "REDACTION_FAILED") // another host
}

// Each check of the result by itself, with a result that no redaction would give.
func TestThreat_D17_TheResultIsLookedAtAgain(t *testing.T) {
	r := newRoom(t, redacting("token"))
	for result, want := range map[string]string{
		"the key is " + awsKey:                 "what was to be replaced is still found",
		"the card is " + card:                  "something is found that was not there before",
		"see https://elsewhere.example/":       "the result reaches for something that was not judged",
		"the key is redacted-0123456789abcdef": "",
	} {
		j, err := r.engine.open(gateway, search("the key is "+awsKey), r.snapshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.engine.inspect(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		effective := search(result).Action
		j.effective = &effective
		orders := []order{{rule: "credential.aws-access-key", pointers: []string{"/arguments/query"}, replace: replaceToken}}
		if got := r.engine.checkRedacted(t.Context(), j, orders); got != want {
			t.Errorf("%s: %q, want %q", result, got, want)
		}
	}
}

func TestAMalformedRedactionDenies(t *testing.T) {
	for name, properties := range map[string]map[string]string{
		"none":              nil,
		"no rule":           {"pointers": `["/a"]`, "replace": "token"},
		"no pointers":       {"rule": "r", "pointers": `[]`, "replace": "token"},
		"pointers not JSON": {"rule": "r", "pointers": `/a`, "replace": "token"},
		"another way":       {"rule": "r", "pointers": `["/a"]`, "replace": "attacker's"},
	} {
		r := newRoom(t)
		j, err := r.engine.open(gateway, search("x"), r.snapshot())
		if err != nil {
			t.Fatal(err)
		}
		j.effect, j.obligations = Allow, []Obligation{{ID: "o", Type: obligationRedact, Properties: properties}, {ID: "p", Type: "other"}}
		if err := r.engine.redact(t.Context(), j); err != nil || j.effect != Deny || len(j.obligations) != 1 {
			t.Errorf("%s: %s, %v, %v", name, j.effect, j.obligations, err)
		}
	}
}

func TestThreat_D17_RedactedIsValidJSONOfTheSameShape(t *testing.T) {
	r := newRoom(t, redacting("token"))
	secrets := []string{awsKey, card, "123-45-6789", "QUtJQUlPU0ZPRE5ON0VYQU1QTEU=", "ghp_EXAMPLE0EXAMPLE0EXAMPLE0EXAMPLE0FAKE", "AKIA\u00adIOSFODNN7EXAMPLE", "4111111111111111"}
	around := []string{"", " ", `"`, `\`, `","x":"`, "'", "\n", "]}", "é", "\u202e", "redacted", "%22", "&quot;", `\u0022`, "$0", "${1}", "</b>", "a", "%s"}
	leaf := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 5).Draw(t, "type") {
		case 0:
			return rapid.SampledFrom([]any{nil, true, false, json.Number("4111111111111111"), json.Number("1.50"), json.Number("-0")}).Draw(t, "constant")
		default:
			var b strings.Builder
			for range rapid.IntRange(0, 3).Draw(t, "parts") {
				b.WriteString(rapid.SampledFrom(around).Draw(t, "around"))
				b.WriteString(rapid.SampledFrom(secrets).Draw(t, "secret"))
			}
			b.WriteString(rapid.SampledFrom(around).Draw(t, "around"))
			return b.String()
		}
	})
	redactions := 0
	rapid.Check(t, func(c *rapid.T) {
		arguments := map[string]any{
			"query": leaf.Draw(c, "query"), "list": []any{leaf.Draw(c, "first"), leaf.Draw(c, "second")},
			"deep": map[string]any{rapid.SampledFrom([]string{"a", "b/c", "~", "k k"}).Draw(c, "key"): leaf.Draw(c, "value")},
		}
		req := search("")
		req.Principal.Session = fmt.Sprint("s", redactions) // limits are per session
		req.Action.Arguments = maps.Clone(arguments)
		resp, err := r.engine.Decide(t.Context(), gateway, req)
		if err != nil {
			c.Fatal(err)
		}
		r.pass(60e9)
		if resp.Effect != Allow {
			if resp.Effective != nil {
				c.Fatal("effective arguments without an allow")
			}
			return
		}
		if resp.Effective == nil {
			return
		}
		redactions++
		after, err := action.ParseArguments(resp.Effective.ArgumentsJSON, action.Bounds{})
		if err != nil {
			c.Fatalf("not valid: %v", err)
		}
		if !action.SameShape(arguments, after) {
			c.Fatalf("another shape: %s", resp.Effective.ArgumentsJSON)
		}
		again := search("")
		again.Action.Arguments, again.Principal.Session = after, "again"
		for _, f := range r.decide(again).Findings {
			if f.Category == "credential" || f.Category == "personal" {
				c.Fatalf("%s is still found in %s", f.Rule, resp.Effective.ArgumentsJSON)
			}
		}
		r.pass(60e9)
	})
	if redactions < 20 {
		t.Errorf("only %d redactions: the texts are too tame", redactions)
	}
}

// What was taken back before policy looked is not something new in the result.
func TestRedactionLeavesAloneWhatIsSuppressed(t *testing.T) {
	r := newRoom(t)
	r.holder.Swap(tuned(t, map[string]any{
		"suppressions": map[string]any{"suppressions": []any{map[string]any{
			"name": "key of the manual", "rule": "credential.aws-access-key", "owner": "ann@site.test", "until": r.clock().UTC().Format(time.DateOnly),
			"reason": "printed in the vendor's manual", "field": "/arguments/note",
		}}},
		"effects": map[string]any{"effects": []any{map[string]any{"name": "personal_out", "effect": "redact", "replace": "constant"}}},
	}))
	e := r.effective(call("demo-basic", "search", `{"note": "`+awsKey+`", "query": "card `+card+`"}`))
	if want := `{"note":"` + awsKey + `","query":"card redacted"}`; e.ArgumentsJSON != want {
		t.Errorf("got %s, want %s", e.ArgumentsJSON, want)
	}
}
