package policy

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"pgregory.net/rapid"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/policies"
)

// validators lists the places in input.views whose text is accepted by the validator in their pointer: the schema of input
// has no better place for such cases.
var validators = sync.OnceValue(func() rego.PreparedEvalQuery {
	b, err := ReadFS(policies.FS, "built in")
	if err != nil {
		panic(err)
	}
	compiler, err := tools().compile(b)
	if err != nil {
		panic(err)
	}
	query, err := rego.New(
		rego.Query("[i | some i, v in input.views; data.portcullis.lib.validator.accepts(v.pointer, v.text)]"), rego.Compiler(compiler),
		rego.Store(inmem.NewFromObjectWithOpts(b.Data, inmem.OptRoundTripOnWrite(false))), rego.StrictBuiltinErrors(true),
	).PrepareForEval(context.Background())
	if err != nil {
		panic(err)
	}
	return query
})

// validated compares both sides over all cases, and says how many are accepted.
func validated(ctx context.Context, t interface {
	Fatalf(format string, args ...any)
}, cases [][2]string,
) (accepted int) {
	list := make([]any, len(cases))
	for i, c := range cases {
		list[i] = map[string]any{"pointer": c[0], "chain": "raw", "text": c[1]}
	}
	results, err := validators().Eval(ctx, rego.EvalInput(map[string]any{"views": list}))
	if err != nil || len(results) != 1 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	byRego := map[int64]bool{}
	for _, i := range results[0].Expressions[0].Value.([]any) {
		n, _ := i.(json.Number).Int64()
		byRego[n] = true
	}
	for i, c := range cases {
		byGo := scan.Accepts(c[0], c[1], 0)
		if byGo != byRego[int64(i)] {
			t.Fatalf("%s of %q: Go says %t, Rego %t", c[0], c[1], byGo, byRego[int64(i)])
		}
		if byGo {
			accepted++
		}
	}
	return accepted
}

// seeds are numbers that some validator accepts; changed a little they are near enough to be accepted by chance.
func seeds() []string {
	out := []string{
		"4111 1111 1111 1111", "378282246310005", "219-09-9998", "GB82 WEST 1234 5698 7654 32", "MT84MALT011000012345MTLCAST001S",
		"490154203237518", "943 476 5919", "111222333", "44051401359", "529.982.247-25", "11.222.333/0001-81", "123456789018",
		"971013-9019902", "10000000146", "2123 45670 1", "756.9217.0769.85", "1237 010180", "1800101221144", "7523169263",
		"710319/2745", "0101006500006", "1-2345-67890-12-1", "20-05536168-2", "500100732259", "021000021", "1234567893",
		"85.07.30-033.28", "112-233-445 95", "37605030299", "86 095 742 719", "33392005961", "2341 2341 2346", "12345678Z",
		"X1234567L", "2 55 08 14 168 025 38", "2 55 08 2A 168 025 38", "2 55 08 2B 168 025 38", "RSSMRA85T10A562S", "131052-308T", "131052A308T", "BOXW310820HNERXN09",
		"11010519491231002X", "S1234567D", "T1234567J", "M1234567K", "A123456789", "A123456(3)", "AB987654(3)", "12.345.678-5", "1234567FA", "1234567TW",
		"1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh", "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617",
		"1111111111111111111114oLvT2", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "a12uel5l",
		"1M8GDM9AXKP042788", "L898902C36UTO7408122F1204159ZE184226B<<<<<10", "811218-9876", "19811218-9876", "151086 95088",
		"api_key = EXAMPLE0EXAMPLE0", "token: getAccessToken", "aGVsbG8gd29ybGQ=", "-_-_+/",
	}
	for _, p := range builtIn().Tables.Patterns {
		out = append(out, p.Examples.Match...)
	}
	return out
}

func TestProveValidatorsAgreeWithRego(t *testing.T) {
	names := slices.DeleteFunc(scan.Validators(), func(n string) bool { return n == "entropy" }) // the engine's alone
	all, accepted := seeds(), 0
	var cases [][2]string
	for _, text := range all {
		for _, name := range names {
			cases = append(cases, [2]string{name, text})
		}
	}
	validated(t.Context(), t, cases)
	for left := proof(60, 20_000); left > 0; {
		rapid.Check(t, func(r *rapid.T) {
			if left--; left < 0 {
				return
			}
			text := []byte(rapid.SampledFrom(all[:66]).Draw(r, "seed"))
			for range rapid.IntRange(0, 3).Draw(r, "changes") {
				at := rapid.IntRange(0, len(text)-1).Draw(r, "at")
				text[at] = rapid.SampledFrom([]byte("0123456789ABCKXZaz< -=")).Draw(r, "with")
			}
			// Every last digit or letter, so that one of them is right.
			var cases [][2]string
			for last := range strings.SplitSeq("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZacehlmnt", "") {
				tried := string(text[:len(text)-1]) + last
				for _, name := range names {
					if name != "none" {
						cases = append(cases, [2]string{name, tried})
					}
				}
			}
			for _, odd := range []string{"", string(text) + string(text), strings.ToLower(string(text)), "\u017f\u212a" + string(text), strings.Repeat("0", len(text)) + "é"} {
				for _, name := range names {
					cases = append(cases, [2]string{name, odd})
				}
			}
			accepted += validated(t.Context(), r, cases)
		})
		if t.Failed() {
			return
		}
	}
	if accepted < 100 {
		t.Fatalf("only %d accepted: the numbers are too tame", accepted)
	}
}
