package scan_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
	"github.com/portcullis-pdp/portcullis/pdp/scan/importer"
)

// excepted is a configuration of gitleaks with a rule that matches nearly any assignment, and exceptions in the shape and number
// of those of gitleaks' own widest rule.
const excepted = `
[[rules]]
id = "assigned"
regex = '''(?i)[\w.-]{0,50}?(?:access|auth|key|secret|token)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|:|=>)['"\s=]{0,5}[\w.=+/-]{10,}'''
keywords = ["access", "auth", "key", "secret", "token"]
[[rules.allowlists]]
regexTarget = "match"
regexes = [
  '''^[a-zA-Z_.-]+$''',
  '''(?i)(?:access(?:ibility|or)|access[_.-]?id|random[_.-]?access|rapid|[a-z0-9-]*?api[a-z0-9-]*?:jar:|author|(?:credentials?[_.-]?id|withCredentials)|(?:bucket|foreign|hot|idx|natural|primary|pub(?:lic)?|schema|sequence)[_.-]?key|key[_.-]?(?:alias|board|code|frame|id|length|mesh|name|pair|press(?:ed)?|ring|selector|signature|size|stone|word|up|down|left|right)|key[_.-]?vault[_.-]?(?:id|name)|key(?:store|tab)[_.-]?(?:file|path)|(?-i:[DdMm]onkey|[DM]ONKEY)|keying|secret[_.-]?(?:length|name|size)|csrf[_.-]?token|(?:library\.token[ \t]?:[ \t]?[\w-]+)|(?:credentials|token)[_.-]?(?:endpoint|ur[il])|public[_.-]?token|(?:key|token)[_.-]?file|(?-i:[A-Z_]+=\n[A-Z_]+=(?:\n|\z)))''',
]
stopwords = ["000000", "aaaaaa", "about", "abstract", "academy", "account", "act-", "action", "active", "admin", "alert", "android", "angular", "apache", "article", "asset", "async", "awesome", "backend", "backup"]
`

// exceptedScanner has that rule.
func exceptedScanner(tb testing.TB, config string) *scan.Scanner {
	tb.Helper()
	in, err := importer.Read(importer.Gitleaks, []byte(config))
	if err != nil {
		tb.Fatal(err)
	}
	var table []scan.Pattern
	for _, row := range in.Rows {
		const made, no = "secret_key: Zk3Qw9Xr7Lm2Vb8N", "secret"
		row.Pattern.Examples = scan.Examples{Match: []string{made, made, made}, NoMatch: []string{no, no, no}}
		table = append(table, row.Pattern)
	}
	s, err := scan.Compile(table)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// hostileToAllowlists are texts full of matches that a list nearly holds, or holds only at its end.
func hostileToAllowlists(size int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, size/len(s)+1)[:size] }
	rnd := rand.New(rand.NewPCG(4, 2)) // #nosec G404 -- the same in every run
	parts := []string{"key", "Key.", "key_vaul", "api", "acces", "autho", "secret_nam", "token_fil", "public", "randomacces", "schema-", "0", "Zk3", "_", "-", ".", "aaaa", "abou", "primary_", "credential-"}
	var mixed strings.Builder
	for mixed.Len() < size {
		mixed.WriteString(" token=")
		for range 4 + rnd.IntN(12) {
			mixed.WriteString(parts[rnd.IntN(len(parts))])
		}
	}
	return map[string]string{
		"near":       fill("key_vaul-key.vaul-pub-secret_nam: key_vaul.token_fil-apiapiapi:0000-schema-bucke\n"),
		"short":      fill("key=Zk3Qw9Xr7L\n"),
		"held":       fill("secret: Zk3Qw9Xr7Lm2Vb8Nc5Hd1Ty6Zk3Qw9Xr7Lm2Vb8Nc5Hd1Ty6about\n"),
		"mixed":      mixed.String()[:size],
		"one-match":  ("key=" + fill("key_vaul-apiapi"))[:size],
		"long-words": fill("token=" + strings.Repeat("monke", 30) + "\n"),
	}
}

// BenchmarkHostileAllow is what exceptions cost where a text is full of matches.
func BenchmarkHostileAllow(b *testing.B) {
	s := exceptedScanner(b, excepted)
	for _, size := range []int{64 << 10, 256 << 10} { // of the smaller, more is read
		texts := hostileToAllowlists(size)
		for _, name := range sorted(texts) {
			b.Run(fmt.Sprintf("%s/%dKB", name, size>>10), func(b *testing.B) {
				var f scan.Scratch
				hostile(b, size, func() bool {
					_, complete := s.Find(context.Background(), texts[name], &f)
					return complete
				})
			})
		}
	}
}
