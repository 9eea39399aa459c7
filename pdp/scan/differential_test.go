package scan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// scannerOf builds an engine for rows without names and examples, less those that can't be planned.
func scannerOf(tb testing.TB, rows []Pattern) *Scanner {
	tb.Helper()
	planner := newPlanner()
	var rules []*compiled
	for i, p := range rows {
		expr := p.Regex
		c := &compiled{Rule: Rule{ID: fmt.Sprintf("r%d", i)}, keywords: p.Keywords}
		c.setFilter(p, func(field string, _ Reason, format string, args ...any) {
			tb.Fatalf("%s of %s: "+format, append([]any{field, expr}, args...)...)
		})
		reason, detail := c.setRegex(p, planner)
		c.watched = planner.watchFor(c)
		switch reason {
		case "":
			rules = append(rules, c)
		case ReasonNoPlan, ReasonMatchesEmpty:
		default:
			tb.Fatalf("%s: %s", expr, detail)
		}
	}
	return newScanner(rules, &statePool{})
}

// oneByOne is what Find means, by regexp alone.
func (s *Scanner) oneByOne(text string, only map[int32]bool) []Match {
	var out []Match
	lower := strings.ToLower(text)
	for i, c := range s.rules {
		if only != nil && !only[int32(i)] || !c.mayMatch(lower) {
			continue
		}
		for _, m := range c.re.FindAllStringIndex(text, maxMatches) {
			if c.filter.accepts(text, m[0], m[1], new([]byte)) {
				out = append(out, Match{int32(i), m[0], m[1]})
			}
		}
	}
	return out
}

// difference says where the engine and regexp differ on a text.
func (s *Scanner) difference(text string, scratch *Scratch, only map[int32]bool) string {
	found, complete := s.Find(context.Background(), text, scratch)
	if !complete {
		return ""
	}
	var got []Match
	for _, m := range found {
		if only == nil || only[m.Rule] {
			got = append(got, m)
		}
	}
	want := s.oneByOne(text, only)
	if len(got) == len(want) {
		same := true
		for i := range got {
			same = same && got[i] == want[i]
		}
		if same {
			return ""
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "in %q\n", text)
	for _, set := range []struct {
		name       string
		these, not []Match
	}{{"only the engine", got, want}, {"only regexp", want, got}} {
		for _, m := range set.these {
			there := false
			for _, o := range set.not {
				there = there || o == m
			}
			if !there {
				fmt.Fprintf(&b, "%s finds %s at %d:%d (plans %v)\n", set.name, s.rules[m.Rule].re, m.Start, m.End, kindsOf(s.rules[m.Rule]))
			}
		}
	}
	return b.String()
}

func kindsOf(c *compiled) (kinds []string) {
	for _, p := range c.plans {
		kinds = append(kinds, p.kind.String())
	}
	return kinds
}

// generator makes texts that regexes match, or nearly.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator { return generator{rand.New(rand.NewPCG(seed, 15))} }

func (g generator) pick(s ...string) string { return s[g.IntN(len(s))] }

// match writes a string that the tree matches, but for what its assertions demand.
func (g generator) match(b *strings.Builder, re *syntax.Regexp) {
	if b.Len() > 4096 {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				for range g.IntN(4) {
					r = unicode.SimpleFold(r)
				}
			}
			b.WriteRune(r)
		}
	case syntax.OpCharClass:
		n := 0
		for i := 0; i < len(re.Rune); i += 2 {
			n += min(int(re.Rune[i+1]-re.Rune[i])+1, 200)
		}
		if n == 0 {
			return
		}
		k := g.IntN(n)
		for i := 0; i < len(re.Rune); i += 2 {
			width := min(int(re.Rune[i+1]-re.Rune[i])+1, 200)
			if k < width {
				b.WriteRune(re.Rune[i] + rune(k))
				return
			}
			k -= width
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteString(g.pick("a", "0", " ", "é", "中", "-", "\x80", "."))
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			g.match(b, sub)
		}
	case syntax.OpAlternate:
		g.match(b, re.Sub[g.IntN(len(re.Sub))])
	case syntax.OpQuest:
		g.repeat(b, re.Sub[0], 0, 1)
	case syntax.OpStar:
		g.repeat(b, re.Sub[0], 0, 4)
	case syntax.OpPlus:
		g.repeat(b, re.Sub[0], 1, 5)
	case syntax.OpRepeat:
		most := re.Max
		if most < 0 || most > re.Min+12 {
			most = re.Min + 12
		}
		g.repeat(b, re.Sub[0], re.Min, most)
	default: // assertions and the empty match
	}
}

func (g generator) repeat(b *strings.Builder, re *syntax.Regexp, least, most int) {
	n := least
	if g.IntN(3) > 0 {
		n += g.IntN(most - least + 1)
	}
	for range n {
		g.match(b, re)
	}
}

// text strings matches together with what may stand around them, and damages some.
func (g generator) text(trees []*syntax.Regexp) string {
	var b strings.Builder
	for range g.IntN(4) {
		b.WriteString(g.filler())
		if len(trees) > 0 {
			var m strings.Builder
			g.match(&m, trees[g.IntN(len(trees))])
			b.WriteString(g.damage(m.String()))
		}
	}
	b.WriteString(g.filler())
	return b.String()
}

func (g generator) damage(s string) string {
	switch g.IntN(8) {
	case 0:
		if len(s) > 0 {
			at := g.IntN(len(s))
			return s[:at] + s[at+1:]
		}
	case 1:
		at := g.IntN(len(s) + 1)
		return s[:at] + g.pick("a", "0", " ", "\n", "-", "é", "\xff", "K", "ſ", "\u200b") + s[at:]
	case 5:
		return g.pick("key ", "KEY: ", "kÉy ", "abc", " sSKİ ", "pass ", "number is ", "CVV2 ") + s
	case 2:
		return s + s
	case 3:
		return strings.ToUpper(s)
	case 4:
		return s[:g.IntN(len(s)+1)]
	}
	return s
}

func (g generator) filler() string {
	switch g.IntN(6) {
	case 0:
		return ""
	case 1:
		return g.pick(" ", "\n", "a", "0", "_", "=", "\"", ": ", "é", "中", "\xc3", "\xff\xfe", ".", "-", "\t")
	case 2:
		return strings.Repeat(g.pick("a", "0", "ab ", "-", "1 ", "é", "aA0"), g.IntN(80))
	default:
		n := g.IntN(24)
		b := make([]byte, n)
		for i := range b {
			b[i] = "abcdefkKsS019 _-=:./\n\"'(A"[g.IntN(25)]
		}
		return string(b)
	}
}

// regex writes a random regex of the shapes that tables have, and of some that they should not.
func (g generator) regex() string {
	var b strings.Builder
	if g.IntN(4) == 0 {
		b.WriteString(g.pick("(?i)", "(?s)", "(?m)", "(?im)"))
	}
	if g.IntN(3) == 0 {
		b.WriteString(g.pick(`\b`, `^`, `(?:^|[^a-z0-9])`, `\B`, `(?:\b|_)`))
	}
	for range 1 + g.IntN(4) {
		g.piece(&b, 0)
	}
	if g.IntN(3) == 0 {
		b.WriteString(g.pick(`\b`, `$`, `(?:$|\s)`, `\B`, `\z`))
	}
	return b.String()
}

func (g generator) piece(b *strings.Builder, depth int) {
	switch g.IntN(9) {
	case 0, 1, 2, 3:
		b.WriteString(g.pick("ab", "key", "abcd", "sk-", "k", "AKIA", "pass", `\.`, "é", "0x", "==", "中", "a", "secret_", "0123", "\u200b", "@", "a@b"))
	case 4, 5:
		b.WriteString(g.pick(`[a-z]`, `[A-Za-z0-9]`, `\d`, `\s`, `[^a]`, `.`, `\w`, `[a-f0-9]`, `[k-s]`, `[\x{200b}-\x{200f}]`, `\pL`, `[é-ÿ]`, `[ -]`))
	case 6:
		b.WriteString(g.pick(`\b`, `(?:)`, `\B`, `[0-9]{3}`, `\d{2,4}[- ]`))
	default:
		if depth > 2 {
			b.WriteString("ba")
			return
		}
		b.WriteString("(?:")
		g.piece(b, depth+1)
		for range g.IntN(3) {
			b.WriteString(g.pick("|", "|", ""))
			g.piece(b, depth+1)
		}
		b.WriteString(")")
	}
	if s := b.String(); strings.HasSuffix(s, `\b`) || strings.HasSuffix(s, `\B`) || g.IntN(3) > 0 {
		return
	}
	quantifier := g.pick("?", "*", "+", "{2}", "{1,3}", "{4,}", "{16}", "{20,}", "*?", "+?", "??", "{0,40}", "{2,5}?")
	b.WriteString(quantifier)
}

// proof is how many cases to try: few in ordinary tests, all of them where claims are proved.
func proof(few, all int) int {
	if os.Getenv("PORTCULLIS_PROVE") == "1" {
		return all
	}
	return few
}

// TestProve_I11_RandomPatternsFindWhatRegexpFinds holds the engine to regexp, in each way: same rules, same places.
func TestProve_I11_RandomPatternsFindWhatRegexpFinds(t *testing.T) {
	defer best.take()
	cases := proof(60_000, 6_000_000)
	matched, watched, planned := 0, 0, map[string]int{}
	for seed := uint64(1); cases > 0; seed++ {
		g := newGenerator(seed)
		var rows []Pattern
		slow := g.IntN(4) == 0
		for len(rows) < 12 {
			if expr := g.regex(); g.sound(expr) {
				p := Pattern{Regex: expr, Slow: slow}
				switch g.IntN(8) {
				case 0:
					p.Keywords = g.words()
				case 1:
					p.Context = &Context{Words: g.words(), Within: 1 + g.IntN(20)}
				case 2:
					p.Allow = []string{g.pick("key.*", "[a-z]+", "ab|cd", "(?s).{3,6}")}
				}
				rows = append(rows, p)
			}
		}
		s := scannerOf(t, rows)
		if len(s.rules) == 0 {
			continue
		}
		var trees []*syntax.Regexp
		for _, c := range s.rules {
			tree, err := syntax.Parse(c.re.String(), syntax.Perl)
			if err != nil {
				t.Fatal(err)
			}
			trees = append(trees, tree)
			for _, k := range kindsOf(c) {
				planned[k]++
			}
			if c.watch >= 0 {
				watched++
			}
		}
		var scratch Scratch
		for i := range 200 {
			ways[i%len(ways)].take()
			text := g.text(trees)
			if d := s.difference(text, &scratch, nil); d != "" {
				t.Fatalf("seed %d: %s", seed, d)
			}
			matched += len(scratch.found)
			cases--
		}
	}
	t.Logf("%d matches; plans %v, %d watched", matched, planned, watched)
	if watched == 0 {
		t.Error("no rule was watched for")
	}
	for k := planGrams; k <= planEverywhere; k++ {
		if planned[k.String()] == 0 {
			t.Errorf("no rule was planned by %s", k)
		}
	}
}

// words are some keywords or context words, one of them a Kelvin sign's or a dotted capital's lower case.
func (g generator) words() (words []string) {
	for range 1 + g.IntN(3) {
		words = append(words, g.pick("key", "kéy", "abc", "a", "sski", "pass", "number is", "i", "cvv2", "中"))
	}
	return words
}

// sound says whether a random regex is one that Compile would take.
func (g generator) sound(expr string) bool {
	_, reason, _ := parseRegex(expr)
	return reason == ""
}

// FuzzFind looks for a text, and for a pattern, on which the engine and regexp differ.
func FuzzFind(f *testing.F) {
	f.Add(`\bab[a-z]{2,4}\b`, "ab abcd xabc")
	f.Add(`(?i)key\s*=\s*[a-z0-9]{8,}`, "KEY = abcdefgh1\nſKey=")
	f.Add(`\b\d{3}-\d{4}\b`, "555-1234 1555-1234")
	f.Add(`[\x{200b}-\x{200f}]{2}`, "a\u200b\u200bb\xe2\x80")
	f.Add(`[a-z.]+@[a-z]+`, "a.b@c @d")
	f.Add(`(?m)^abcd$|wxyz[^x]*?x`, "abcd\nwxyz\xffx")
	f.Fuzz(func(t *testing.T, expr, text string) {
		if len(expr) > 200 || len(text) > 1<<14 {
			return
		}
		if _, reason, _ := parseRegex(expr); reason != "" {
			return
		}
		defer best.take()
		var scratch Scratch
		for _, slow := range []bool{false, true} {
			s := scannerOf(t, []Pattern{{Regex: expr, Slow: slow}})
			if len(s.rules) == 0 {
				continue
			}
			for _, w := range ways {
				w.take()
				if d := s.difference(text, &scratch, nil); d != "" {
					t.Errorf("%s: %s", w.name, d)
				}
			}
			want, whole := s.Find(context.Background(), text, &scratch)
			if got, complete := streamed(s, text, 11); whole && complete && !slices.Equal(got, want) {
				t.Errorf("streamed: %v, want %v", got, want)
			}
		}
	})
}
