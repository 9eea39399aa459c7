package action

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// plainURLs are where URLs are looked for in a text, and what is read there, with each place asked for all that it may be.
func plainURLs(text string) (found []string) {
	for i := range len(text) {
		from, read := -1, CanonicalLocation
		before, behind := "", text[i+1:]
		if i > 0 {
			before = text[i-1 : i]
		}
		switch text[i] {
		case ':':
			start := i
			for start > 0 && i-start < 16 && (isAlnum(text[start-1]) || strings.Contains("+-.", text[start-1:start])) {
				start--
			}
			for start < i && !isLetter(text[start]) {
				start++
			}
			for _, scheme := range []string{"javascript", "vbscript", "https", "http", "file", "data", "wss", "ftp", "ws"} {
				if strings.HasSuffix(strings.ToLower(text[start:i]), scheme) {
					start = i - len(scheme)
					break
				}
			}
			if start < i && mayFollowScheme(text, start, i) {
				from, read = start, CanonicalURL
			}
		case '/', '\\':
			if before != "" && strings.Contains("(\"'=<`", before) && len(behind) > 1 && strings.Contains(`/\`, behind[:1]) && startsHost(behind[1]) {
				from = i
			}
		case 'w', 'W':
			if strings.HasPrefix(strings.ToLower(text[i:]), "www.") && i+4 < len(text) && startsHost(text[i+4]) &&
				(before == "" || !isAlnum(before[0]) && !strings.Contains("./@-_", before)) {
				from = i
			}
		}
		if from < 0 {
			continue
		}
		raw := candidate(text, from)
		if u, ok := read(raw); ok {
			found = append(found, fmt.Sprintf("%d %q %+v", from, raw, u))
		}
	}
	return found
}

// TestURLs_AreSoughtWhereverTheyMayBe, though only some places of a text are looked at.
func TestURLs_AreSoughtWhereverTheyMayBe(t *testing.T) {
	g := rand.New(rand.NewPCG(7, 7))
	parts := []string{
		"http", "HTTPS", "ws", "wss", "ftp", "file", "javascript", "VBScript", "data", "foo", "x-y.z", "3", ":", ":", ":", "/", "/", "//", `\`, "www.", "WwW.", "wW.", "w",
		"a.example", "[::1]", "%41", "é", " ", "\n", ",", ";", "(", `"`, "'", "=", "<", "`", "@", "-", ".", "\x00", "text/html,",
	}
	some := 0
	for range 60_000 {
		var b strings.Builder
		for range g.IntN(9) {
			b.WriteString(parts[g.IntN(len(parts))])
		}
		text := b.String()
		var got []string
		(&urlFinder{}).scan(text, func(u URL, from, to int) { got = append(got, fmt.Sprintf("%d %q %+v", from, text[from:to], u)) })
		if want := plainURLs(text); !slices.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", text, got, want)
		}
		some += len(got)
	}
	if some < 3_000 {
		t.Fatalf("only %d URLs were found", some)
	}
}
