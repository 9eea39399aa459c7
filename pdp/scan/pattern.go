package scan

import (
	"cmp"
	"log/slog"
	"slices"
	"strconv"
)

// Pattern is one row of the bundle's pattern table.
type Pattern struct {
	ID         string   `json:"id"`
	Category   string   `json:"category"`   // credential, personal, exfiltration, injection, evasion or suspicion
	Severity   string   `json:"severity"`   // low, medium, high or critical
	Confidence string   `json:"confidence"` // low, medium or high
	Regex      string   `json:"regex"`      // RE2
	Validator  string   `json:"validator,omitempty"`
	Keywords   []string `json:"keywords,omitempty"` // lower-case ASCII; the rule runs where one of them occurs
	// Context, if given, says what must stand near a match for it to count.
	Context *Context `json:"context,omitempty"`
	// Allow are regexes (RE2) of what is no finding: a match does not count if one of them matches the whole of it.
	Allow       []string `json:"allow,omitempty"`
	Source      string   `json:"source,omitempty"` // where the format is published; for people
	Description string   `json:"description,omitempty"`
	Examples    Examples `json:"examples"`
	// MinEntropyMilli is for the validator `entropy` only: thousandths of a bit per character that a match
	// must exceed.
	MinEntropyMilli int64 `json:"min_entropy_milli,omitempty"`
	// Slow accepts a regex that the engine has no plan for. It is then tried at every place of every text, within the
	// budget of that text; see docs/scanning.md.
	Slow bool `json:"slow,omitempty"`
}

// Context is a demand on what stands around a match: one of the words, whole and in any case, in the characters from
// Within before the match to Within after it, the match itself among them.
type Context struct {
	// Words are lower-case. A word counts where neither neighbour is an ASCII letter or digit; one that ends in `*`
	// counts whatever follows it.
	Words  []string `json:"words"`
	Within int      `json:"within"` // characters, 1 to 500
}

// Examples are texts that a pattern must find, and texts that it must leave alone: three of each at least.
type Examples struct {
	Match   []string `json:"match"`
	NoMatch []string `json:"no_match"`
}

// Rule is what can be told about a compiled pattern.
type Rule struct {
	ID          string `json:"id"`
	Category    string `json:"category"`
	Severity    string `json:"severity"`
	Confidence  string `json:"confidence"`
	Description string `json:"description"`
}

// Finding says that a rule matched at a place. It never holds the matched text.
type Finding struct {
	Rule       string `json:"rule"`
	Category   string `json:"category"`
	Severity   string `json:"severity"`
	Confidence string `json:"confidence"`
	// Pointer is the JSON pointer of the text, or "" for what was seen only across several texts.
	Pointer string `json:"pointer"`
	// Count is the number of matches, in the view of the text that has most of them.
	Count int64 `json:"count"`
	// Fingerprint identifies the first match's text to the holder of the key, and to nobody else. It is empty
	// where there is no match to identify.
	Fingerprint string `json:"fingerprint"`
}

// Text is one text to inspect, and where it stands. Printing it does not show it.
type Text struct {
	Pointer string
	Value   string
	// Name says that this is what something is called: an argument, a tool, a header. Names are inspected, but a secret
	// that is split over two values is not looked for across them.
	Name bool
	// Key is what the value is called, where it has a name of its own: `password` in {"password": "…"}. Some patterns
	// know a secret only by its name.
	Key string
}

// View is one reading of a text. Printing it does not show it; its JSON does, for policy tests that read it.
type View struct {
	Pointer string `json:"pointer"`
	Chain   string `json:"chain"` // how the text was read, such as `raw` or `base64>percent`
	Text    string `json:"text"`
}

// String says where the text stands and how long it is, not what it is.
func (t Text) String() string { return t.Pointer + " (" + strconv.Itoa(len(t.Value)) + " bytes)" }

// GoString does as String.
func (t Text) GoString() string { return t.String() }

// LogValue does as String.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// String says where the view comes from and how long it is, not what it is.
func (v View) String() string {
	return v.Pointer + " " + v.Chain + " (" + strconv.Itoa(len(v.Text)) + " bytes)"
}

// GoString does as String.
func (v View) GoString() string { return v.String() }

// LogValue does as String.
func (v View) LogValue() slog.Value { return slog.StringValue(v.String()) }

// The rules of the findings that no pattern makes. They are about the building of views, which Rego does not do.
const (
	// RuleUndecoded: a text is encoded more deeply, or comes to more decoded text, than was looked at.
	RuleUndecoded = "decode.undecoded"
	// RuleDisguised: something else was found, but only once invisible characters were taken out or letters of another
	// script were taken for the Latin ones that they look like.
	RuleDisguised = "normalise.disguised"
)

var (
	undecoded = Rule{
		ID: RuleUndecoded, Category: "evasion", Severity: "medium", Confidence: "medium",
		Description: "text is encoded more deeply, or decodes to more, than was inspected",
	}
	disguised = Rule{
		ID: RuleDisguised, Category: "evasion", Severity: "medium", Confidence: "high",
		Description: "what was found is written with invisible characters or look-alike letters",
	}
)

// BuiltIn says whether a rule is the scanner's own and not one of the table.
func BuiltIn(rule string) bool { return rule == RuleUndecoded || rule == RuleDisguised }

// The values that a row may have, weakest first where there is an order.
var (
	categories  = []string{"credential", "personal", "exfiltration", "injection", "evasion", "suspicion"}
	severities  = []string{"low", "medium", "high", "critical"}
	confidences = []string{"low", "medium", "high"}
)

// KnownCategory says whether findings may have the category.
func KnownCategory(name string) bool { return slices.Contains(categories, name) }

// strongestFirst orders rules so that a budget which runs out has been spent on what matters most.
func strongestFirst(a, b Rule) int {
	return cmp.Or(
		cmp.Compare(slices.Index(severities, b.Severity), slices.Index(severities, a.Severity)),
		cmp.Compare(slices.Index(confidences, b.Confidence), slices.Index(confidences, a.Confidence)),
		cmp.Compare(a.ID, b.ID),
	)
}
