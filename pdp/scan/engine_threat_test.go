package scan

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// hostileTexts are what broke prototypes and other scanners: every hit leads to a long look that finds nothing.
func hostileTexts(size int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, size/len(s)+1)[:size] }
	rnd := rand.New(rand.NewPCG(3, 4))
	of := func(alphabet string) string {
		b := make([]byte, size)
		for i := range b {
			b[i] = alphabet[rnd.IntN(len(alphabet))]
		}
		return string(b)
	}
	letters := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	var words strings.Builder
	for _, p := range pack() {
		words.WriteString(strings.Join(p.Keywords, " ") + " ")
		for _, e := range p.Examples.NoMatch {
			words.WriteString(e + " ")
		}
	}
	return map[string]string{
		"spaces": fill(" "), "one letter": fill("a"), "zeros": fill("0"), "digits": of("0123456789"), "hex": of("0123456789abcdef"),
		"base64": of(letters), "key=": fill("key="), "keys": fill("api.key.auth-"), "curl": fill("curl -u a:b "),
		"begin": fill("-----BEGIN PRIVATE KEY-----"), "at": fill("@"), "mail": fill("a@b."), "long mail": fill(strings.Repeat("a", 300) + "@"),
		"ignore": fill("ignore "), "ignore all": fill("ignore   all   "), "numbers": fill("1 2-3.4 5-6 "), "card": fill("4111 1111 1111 111x "),
		"words": fill(words.String()), "found": fill(canary + " "), "half found": fill(canary[:20]), "CJK": fill("中文字"),
		"mixed scripts": fill("aжbλ"), "invalid": fill("\xff\xc3"), "long s": fill("ſKſK"), "quotes": fill(`"password":"`),
	}
}

func TestThreat_E1_HostileTextsCostLinearWork(t *testing.T) {
	s := mustCompile(t, pack())
	slow := pack()[:1]
	slow[0].Regex, slow[0].Slow = `(?:\w+[ ])+pct_live_[A-Za-z0-9]{24}\b|pct_live_[A-Za-z0-9]{24}`, true
	slow[0].Examples.NoMatch[2] = "x"
	plain := mustCompile(t, slow)
	for name, text := range hostileTexts(1 << 20) {
		for kind, engine := range map[string]*Scanner{"pack": s, "slow": plain} {
			var f Scratch
			found, complete := engine.Find(t.Context(), text, &f)
			// A run looks at its budget at each checkpoint, so it may overdraw it by one stretch and its states.
			if f.budget < -1<<20 {
				t.Errorf("%s, %s: budget overdrawn by %d", name, kind, -f.budget)
			}
			if len(f.candidates) > len(text)/4+1024 {
				t.Errorf("%s, %s: %d candidates for %d bytes", name, kind, len(f.candidates), len(text))
			}
			if held := engine.pool.bytes.Load(); held > maxStateBytes+1<<20 {
				t.Errorf("%s, %s: automata hold %d bytes", name, kind, held)
			}
			if complete {
				var g Scratch
				if d := engine.difference(text[:32<<10], &g, nil); d != "" {
					t.Errorf("%s, %s: %.300s", name, kind, d)
				}
			} else if kind == "pack" && len(found) <= maxMatches && name != "found" && name != "words" {
				t.Logf("%s, %s: incomplete", name, kind)
			}
		}
	}
}

// TestThreat_E1_ARunTwiceOverTheSameStretchIsTakenFromTheMemo: the cure for a suffix without bound, which each of many
// hits would otherwise follow to the end of the text.
func TestThreat_E1_ARunTwiceOverTheSameStretchIsTakenFromTheMemo(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `token=[a-z =]*[0-9]`}})
	text := strings.Repeat("token=abc ", 100_000)
	var f Scratch
	if _, complete := s.Find(t.Context(), text, &f); !complete {
		t.Fatal("incomplete")
	}
	spent := stepsAlways + stepsPerByte*len(text) - f.budget
	if spent > 12*len(text) {
		t.Errorf("%d steps for %d bytes", spent, len(text))
	}
}

func TestThreat_E2_AThousandPatternsCostWhatAHundredDo(t *testing.T) {
	work := func(n int) int {
		var rows []Pattern
		for i := range n {
			rows = append(rows, Pattern{Regex: fmt.Sprintf(`\b%s_(?:live|test)_[A-Za-z0-9]{24,40}\b`, syllables(i))})
		}
		s := scannerOf(t, rows)
		if len(s.rules) != n {
			t.Fatalf("%d of %d patterns have a plan", len(s.rules), n)
		}
		text := strings.Repeat("The quarterly report is ready; please review section two before Friday. ", 1000)
		var f Scratch
		if found, complete := s.Find(t.Context(), text, &f); len(found) > 0 || !complete {
			t.Fatal("not clean")
		}
		return stepsAlways + stepsPerByte*len(text) - f.budget
	}
	if few, many := work(100), work(1000); many > few+3000 {
		t.Errorf("%d steps with 100 patterns, %d with 1,000", few, many)
	}
}

// TestThreat_E2_WhatBeginsAlikeIsPaidFor: a word that thousands of patterns begin with makes thousands of hits, which cost time
// though nothing comes of them.
func TestThreat_E2_WhatBeginsAlikeIsPaidFor(t *testing.T) {
	rows := slices.Repeat([]Pattern{{Regex: `zqxjkv[0-9]{4}`}}, 2000)
	s, some := scannerOf(t, rows), scannerOf(t, rows[:200])
	text := strings.Repeat("zqxjkv0aaa", 20_000)
	defer best.take()
	for _, w := range ways {
		w.take()
		var f Scratch
		f.begin(s, text)
		if s.grams.scan(&f, &s.leads, text); f.budget >= 0 {
			t.Errorf("%d steps are left", f.budget)
		}
		if n := cap(f.grams.hits); n > 4*(enoughHits+len(s.rules)) {
			t.Errorf("%d hits are kept", n)
		}
		// More than enough hits in one batch, and matches at both of its ends.
		found, complete := some.Find(t.Context(), "zqxjkv0123 "+text[:1000]+" zqxjkv4567", &f)
		if !complete || len(found) != 2*len(some.rules) {
			t.Errorf("%d found, complete %t", len(found), complete)
		}
	}
}

// syllables is a short name that no other number has.
func syllables(i int) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b strings.Builder
	for range 4 {
		b.WriteByte(consonants[i%len(consonants)])
		i /= len(consonants)
		b.WriteByte(vowels[i%len(vowels)])
		i /= len(vowels)
	}
	return b.String()
}

func TestThreat_E2_TheProgramOfAPatternIsBounded(t *testing.T) {
	for _, expr := range []string{`((a{100}){100}){100}`, strings.Repeat("a", maxRegexBytes+1), `(?:a|b|c|` + strings.Repeat("(", 1100)} {
		if _, reason, _ := parseRegex(expr); reason != ReasonBadRegex {
			t.Errorf("%.30s…: %q", expr, reason)
		}
	}
}

func TestThreat_F4_AWordInAClassIsRefused(t *testing.T) {
	for expr, want := range map[string]Reason{
		`.*@[^ourcompany.com$].*`: ReasonWordInClass, `[^example]x`: ReasonWordInClass, `@[^(a.com)|(b.com)]b`: ReasonWordInClass,
		`[]a]bcd`: "", `[a-zA-Z]abc`: "", `[^a\]a]bcd`: ReasonWordInClass, `\[aa\]bcd`: "", `\Q[aa]\Ebcd`: "", `[\x{200b}-\x{200f}a]bcd`: "",
		`[[:alpha:]l]abc`: "", `[\x41a]b`: "", `[\pLp]abc`: "", `(?:abba)[abcde]`: "", `[A-CEGHJ-PR-TW-Z]x`: "",
	} {
		if _, reason, detail := parseRegex(expr); reason != want {
			t.Errorf("%s: %q, %s; want %q", expr, reason, detail, want)
		}
	}
}

func TestThreat_F4_ARowNeedsExamplesOfBothKinds(t *testing.T) {
	p := pack()[:1]
	p[0].Examples = Examples{Match: p[0].Examples.Match}
	if _, err := Compile(p); err == nil || !strings.Contains(err.Error(), "examples.no_match") {
		t.Errorf("without examples that must not match: %v", err)
	}
}

func TestFind_AllocatesNothingOnCleanText(t *testing.T) {
	s := mustCompile(t, pack())
	text := strings.Repeat("The quarterly report, 12 pages from 2024, is ready; ignore the draft. ", 15)[:1024]
	var f Scratch
	if n := testing.AllocsPerRun(100, func() {
		if found, complete := s.Find(t.Context(), text, &f); len(found) > 0 || !complete {
			t.Fatal("not clean")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFind_IsSafeForConcurrentUse builds the automata from many goroutines at once.
func TestFind_IsSafeForConcurrentUse(t *testing.T) {
	s := mustCompile(t, pack())
	var texts []string
	for _, text := range hostileTexts(4 << 10) {
		texts = append(texts, text)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var f Scratch
			for _, text := range texts {
				if d := s.difference(text, &f, nil); d != "" {
					t.Error(d)
				}
			}
		})
	}
	wg.Wait()
}

// TestFind_AutomataStartAfreshWhenTheyAreFull resets one in the midst of a text.
func TestFind_AutomataStartAfreshWhenTheyAreFull(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `key[ab]{0,60}x[ab]{3,70}y|key[ab]*a[ab]{12}z`}})
	g := newGenerator(5)
	var f Scratch
	for range 300 {
		var b strings.Builder
		for range 40 {
			b.WriteString(g.pick("key", "a", "b", "ab", "aab", "x", "y", "z", "baab"))
		}
		if d := s.difference(b.String(), &f, nil); d != "" {
			t.Fatal(d)
		}
		if g.IntN(10) == 0 {
			s.rules[0].dfa.mu.Lock()
			s.rules[0].dfa.reset()
			s.rules[0].dfa.mu.Unlock()
		}
	}
}

// TestThreat_E2_AutomataForgetWhenTheyAreFull: patterns that have to remember many characters make a state for nearly
// each one that they read.
func TestThreat_E2_AutomataForgetWhenTheyAreFull(t *testing.T) {
	var rows []Pattern
	for i := range 80 {
		rows = append(rows, Pattern{Regex: syllables(i+1) + `[ab]*a[ab]{14}z`})
	}
	s := scannerOf(t, rows)
	g := newGenerator(9)
	var f Scratch
	most := int64(0)
	for i := range s.rules {
		b := []byte(syllables(i + 1))
		for range 60_000 {
			b = append(b, "ab"[g.IntN(2)])
		}
		if _, complete := s.Find(t.Context(), string(b), &f); complete {
			t.Fatal("cheaper than it can be")
		}
		if f.budget < -1<<16 {
			t.Fatalf("budget overdrawn by %d", -f.budget)
		}
		if table := s.rules[i].dfa.table.Load(); table != nil && table.used > maxStates {
			t.Fatalf("%d states in one automaton", table.used)
		}
		if held := s.pool.bytes.Load(); held > maxStateBytes+1<<16 {
			t.Fatalf("%d bytes of states in all", held)
		} else {
			most = max(most, held)
		}
	}
	if most < maxStateBytes/2 {
		t.Errorf("%d bytes at most: the test is too tame", most)
	}
}

func TestThreat_E2_PlacesToTryAreBounded(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `abcde`}, {Regex: `abcde[a-z]`}, {Regex: `abcde\w`}})
	text := strings.Repeat("abcde", 20_000)
	var f Scratch
	if _, complete := s.Find(t.Context(), text, &f); complete || len(f.candidates) > 1024+len(text)/4 {
		t.Errorf("complete %t with %d places in %d bytes", complete, len(f.candidates), len(text))
	}
}

// What a table of a thousand rows takes to load, and holds: time is BenchmarkReload's.
func TestThreat_E2_AThousandPatternsLoadWithinABudget(t *testing.T) {
	rows := make([]Pattern, 1000)
	for i := range rows {
		name := syllables(i)
		token := name + "_live_" + strings.Repeat("A1b2", 6)
		rows[i] = Pattern{
			ID: fmt.Sprintf("credential.kind-%d", i), Category: "credential", Severity: "high", Confidence: "high",
			Regex:    fmt.Sprintf(`\b%s_(?:live|test)_[A-Za-z0-9]{24,40}\b`, name),
			Examples: Examples{Match: []string{token, token + " ", "x=" + token}, NoMatch: []string{"a", "b", name}},
		}
	}
	var before, loaded, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := Compile(rows)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&loaded)
	runtime.GC()
	runtime.ReadMemStats(&after)
	const held, taken = 32 << 20, 256 << 20
	if n := int64(after.HeapAlloc) - int64(before.HeapAlloc); n > held {
		t.Errorf("a table of 1,000 patterns holds %d MB", n>>20)
	}
	if n := loaded.TotalAlloc - before.TotalAlloc; n > taken {
		t.Errorf("to load 1,000 patterns takes %d MB in all", n>>20)
	}
	runtime.KeepAlive(s)
	if _, err := Compile(make([]Pattern, maxPatterns+1)); err == nil {
		t.Error("a table of any length loads")
	}
	t.Logf("holds %d MB, took %d MB", (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20, (loaded.TotalAlloc-before.TotalAlloc)>>20)
}

// TestThreat_E1_WhatCanNotBePaidForIsIncomplete: a match whose filters cost more than is left is not taken for refused.
func TestThreat_E1_WhatCanNotBePaidForIsIncomplete(t *testing.T) {
	// Of random letters each leads to a state of this list that was not there, and regexp costs a step for each instruction.
	s := scannerOf(t, []Pattern{{Regex: `key=[a-z]{20,}`, Allow: []string{`(?s:.*)[ab]\w{14}1(?s:.*)`}}})
	g := newGenerator(1)
	letters := make([]byte, 1<<20)
	for i := range letters {
		letters[i] = "abde"[g.IntN(4)]
	}
	var f Scratch
	if found, complete := s.Find(t.Context(), "key="+string(letters[:30]), &f); !complete || len(found) != 1 {
		t.Errorf("%d found, complete %t: a short one is cheap", len(found), complete)
	}
	if found, complete := s.Find(t.Context(), "key="+string(letters), &f); complete {
		t.Errorf("%d found, complete", len(found))
	}
}

// TestFind_AColdScannerCompletesAnOrdinaryText: no text is incomplete because the scanner was loaded a moment ago and has all of
// its states to build.
func TestFind_AColdScannerCompletesAnOrdinaryText(t *testing.T) {
	p := Pattern{Regex: `\bpersona\b[^\n]{0,200}\b(?:[a-z]+ ){0,3}\d`}
	s := scannerOf(t, []Pattern{p, p, p})
	text := strings.Repeat("The persona answers whatever the user asks, at once, and each answer of the persona begins with its name. ", 40)
	var f Scratch
	if found, complete := s.Find(t.Context(), text, &f); !complete || len(found) != 0 {
		t.Errorf("%d found, complete %t with %d steps left", len(found), complete, f.budget)
	}
	if spent := stepsAlways + stepsPerByte*len(text) - f.budget; spent > stepsAlways/2 {
		t.Errorf("%d steps", spent)
	}
}

// TestThreat_E1_OneLongMatchCostsAStepForEachOfItsBytes, and a few more: regexp, which is slow, does not go through it.
func TestThreat_E1_OneLongMatchCostsAStepForEachOfItsBytes(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `\b[0-9a-f]{130,}\b`}})
	text := strings.Repeat("0123456789abcdef", 1<<14)
	var f Scratch
	found, complete := s.Find(t.Context(), text, &f)
	if !complete || len(found) != 1 || found[0] != (Match{0, 0, len(text)}) {
		t.Fatalf("%v, complete %t", found, complete)
	}
	if spent := stepsAlways + stepsPerByte*len(text) - f.budget; spent > 2*len(text) {
		t.Errorf("%d steps for %d bytes", spent, len(text))
	}
}

// TestFind_AutomataStartAfreshUnderThoseWhoRunThem: whoever holds a table that was dropped goes on with the one that took its
// place.
func TestFind_AutomataStartAfreshUnderThoseWhoRunThem(t *testing.T) {
	s := scannerOf(t, []Pattern{{Regex: `key[ab]{0,60}x[ab]{3,70}y|key[ab]*a[ab]{12}z`}, {Regex: `\b\d{3}(?:[ab-]\d{3}){2,9}\b`}})
	texts := make([]string, 200)
	g := newGenerator(6)
	for i := range texts {
		var b strings.Builder
		for range 60 {
			b.WriteString(g.pick("key", "a", "b", "ab", "aab", "x", "y", "z", "baab", " 123a456", "-789", "b012 "))
		}
		texts[i] = b.String()
	}
	var scanning, resetting sync.WaitGroup
	done := make(chan struct{})
	resetting.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			for _, a := range s.pool.automata {
				a.mu.Lock()
				a.reset()
				a.mu.Unlock()
			}
		}
	})
	for range 4 {
		scanning.Go(func() {
			var f Scratch
			for _, text := range texts {
				if d := s.difference(text, &f, nil); d != "" {
					t.Error(d)
				}
			}
		})
	}
	scanning.Wait()
	close(done)
	resetting.Wait()
	if held := s.pool.bytes.Load(); held < 0 || held > maxStateBytes {
		t.Errorf("%d bytes are said to be held", held)
	}
}

// TestAutomaton_AStateOfADroppedTableLeadsWhereItDid, although its row is another's by now.
func TestAutomaton_AStateOfADroppedTableLeadsWhereItDid(t *testing.T) {
	a := scannerOf(t, []Pattern{{Regex: `(?:abcd|wxyz)[0-9]{20}`}}).rules[0].dfa
	budget := 1 << 20
	walk := func(text string) (table *stateTable, r ref) {
		table, r = a.startAt(text, 0, &budget)
		for i := range len(text) {
			table, r = a.step(table, r, a.ascii[text[i]], &budget)
		}
		return table, r
	}
	table, r := walk("ab")
	for _, other := range []string{"", "w", "wxyz0123456789"} {
		a.reset()
		walk(other)
		if _, next := a.step(table, r, a.ascii['y'], &budget); next&refDead == 0 {
			t.Errorf("after %q: a y behind ab", other)
		}
		now, next := a.step(table, r, a.ascii['c'], &budget)
		if next&refDead != 0 {
			t.Fatalf("after %q: no c behind ab", other)
		}
		if _, next = a.step(now, next, a.ascii['x'], &budget); next&refDead == 0 {
			t.Errorf("after %q: an x behind abc", other)
		}
	}
}
