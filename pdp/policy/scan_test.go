package policy

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
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

// reference is data.portcullis.lib.scan.computed of the built-in bundle: the plain Rego that the scanner is held to.
var reference = sync.OnceValue(func() rego.PreparedEvalQuery {
	b, err := ReadFS(policies.FS, "built in")
	if err != nil {
		panic(err)
	}
	compiler, err := tools().compile(b)
	if err != nil {
		panic(err)
	}
	query, err := rego.New(
		rego.Query("data.portcullis.lib.scan.computed"), rego.Compiler(compiler),
		rego.Store(inmem.NewFromObjectWithOpts(b.Data, inmem.OptRoundTripOnWrite(false))), rego.StrictBuiltinErrors(true),
	).PrepareForEval(context.Background())
	if err != nil {
		panic(err)
	}
	return query
})

// byRego says what the Rego reference finds in the views, as "rule pointer" and count.
func byRego(tb testing.TB, views []scan.View) map[string]int64 {
	tb.Helper()
	list := make([]any, len(views))
	for i, v := range views {
		list[i] = map[string]any{"pointer": v.Pointer, "chain": v.Chain, "text": v.Text}
	}
	results, err := reference().Eval(tb.Context(), rego.EvalInput(map[string]any{"views": list}))
	if err != nil || len(results) != 1 {
		tb.Fatalf("%d results, %v", len(results), err)
	}
	out := map[string]int64{}
	for _, f := range results[0].Expressions[0].Value.([]any) {
		finding := f.(map[string]any)
		pointer := finding["pointer"].(string)
		// The engine looks at the concatenation only for rules that a keyword anchors; see scan.(*compiled).run.
		if rule := finding["rule"].(string); pointer != "" || anchored()[rule] {
			var n int64
			if _, err := fmt.Sscan(fmt.Sprint(finding["count"]), &n); err != nil {
				tb.Fatal(err)
			}
			out[rule+" "+pointer] = n
		}
	}
	return out
}

var anchored = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for _, p := range builtIn().Tables.Patterns {
		out[p.ID] = len(p.Keywords) > 0
	}
	return out
})

// byGo says what the scanner finds.
func byGo(r scan.Result) map[string]int64 {
	out := map[string]int64{}
	for _, f := range r.Findings {
		if !scan.BuiltIn(f.Rule) { // about the building of views, which Rego does not do
			out[f.Rule+" "+f.Pointer] = f.Count
		}
	}
	return out
}

// hostile draws texts made of what patterns look for, whole, damaged, encoded, split and mixed with anything.
func hostile(r *rapid.T) []scan.Text {
	patterns := builtIn().Tables.Patterns
	bit := rapid.Custom(func(r *rapid.T) string {
		p := rapid.SampledFrom(patterns).Draw(r, "pattern")
		text := rapid.SampledFrom(append(slices.Clone(p.Examples.Match), p.Examples.NoMatch...)).Draw(r, "example")
		switch rapid.IntRange(0, 13).Draw(r, "how") {
		case 0:
			text = strings.ToUpper(text)
		case 1:
			text = base64.StdEncoding.EncodeToString([]byte(text))
		case 2:
			text = hex.EncodeToString([]byte(text))
		case 3:
			runes := []rune(text)
			at := rapid.IntRange(0, len(runes)).Draw(r, "at")
			text = string(runes[:at]) + rapid.SampledFrom([]string{"\u200b", "-", " ", "x", "\u00ad", "\uff11"}).Draw(r, "with") + string(runes[at:])
		case 4:
			text = text[:rapid.IntRange(0, len(text)).Draw(r, "cut")]
		case 5:
			text += text
		case 6:
			text = rapid.StringN(0, 30, 60).Draw(r, "noise")
		case 7:
			text = strings.Repeat(text+" ", rapid.IntRange(1, 5).Draw(r, "times"))
		case 8: // D16
			with := rapid.SampledFrom([]string{"/", "_", " - ", "·", ".", ""}).Draw(r, "separator")
			text = strings.NewReplacer(" ", with, "-", with, ".", with).Replace(text)
		case 9:
			text = strings.Join(strings.Split(text, ""), rapid.SampledFrom([]string{"/", " ", "_"}).Draw(r, "apart"))
		}
		return text
	})
	glue := rapid.SampledFrom([]string{"", " ", "\n", ",", "=", "\"", "/"})
	texts := make([]scan.Text, rapid.IntRange(1, 4).Draw(r, "texts"))
	for i := range texts {
		var b strings.Builder
		for range rapid.IntRange(0, 4).Draw(r, "bits") {
			b.WriteString(bit.Draw(r, "bit") + glue.Draw(r, "glue"))
		}
		texts[i] = scan.Text{Pointer: fmt.Sprintf("/arguments/%d", i), Value: b.String()}
	}
	if len(texts) > 1 && rapid.Bool().Draw(r, "split") { // D7: one value over two texts
		whole := bit.Draw(r, "whole")
		at := rapid.IntRange(0, len(whole)).Draw(r, "at")
		texts[0].Value, texts[1].Value = texts[0].Value+whole[:at], whole[at:]+texts[1].Value
	}
	return texts
}

// TestProveTheScannerFindsWhatRegoFinds: {rule, pointer, count} on the views that the engine builds (I11).
func TestProveTheScannerFindsWhatRegoFinds(t *testing.T) {
	cases, left, found, split := proof(1000, 100_000), 0, 0, 0
	for left = cases; left > 0; {
		rapid.Check(t, func(r *rapid.T) {
			if left--; left < 0 {
				return
			}
			texts := hostile(r)
			budget := scan.Budget{MaxBytes: 1 << 16, MaxFindings: 10_000}
			result := builtIn().Scanner.Scan(t.Context(), texts, nil, budget)
			if result.Incomplete {
				return
			}
			views, _ := scan.Views(texts, budget)
			got, want := byGo(result), byRego(t, views)
			if !maps.Equal(got, want) {
				r.Fatalf("Go finds   %v\nRego finds %v", got, want)
			}
			found += len(got)
			for key := range got {
				if strings.HasSuffix(key, " ") {
					split++
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	if found < cases || split == 0 {
		t.Fatalf("%d findings, %d of them split, in %d cases: the texts are too tame", found, split, cases)
	}
}

// One action a pattern, with all its examples: one by one they would take the Rego minutes.
func TestTheScannerFindsWhatRegoFindsInEveryExample(t *testing.T) {
	for _, p := range builtIn().Tables.Patterns {
		var texts []scan.Text
		for i, text := range append(slices.Clone(p.Examples.Match), p.Examples.NoMatch...) {
			texts = append(texts, scan.Text{Pointer: fmt.Sprintf("/arguments/%d", i), Value: text})
		}
		texts = append(texts, scan.Text{Pointer: "/content", Value: "see " + strings.Join(p.Examples.Match, " and ")})
		result := builtIn().Scanner.Scan(t.Context(), texts, nil, scan.Budget{})
		views, _ := scan.Views(texts, scan.Budget{})
		if got, want := byGo(result), byRego(t, views); !maps.Equal(got, want) {
			t.Errorf("an example of %s: Go finds %v, Rego %v", p.ID, got, want)
		}
	}
}
