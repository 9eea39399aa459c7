package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// foreign is a table as somebody brings it along from another engine: nearly every row is wrong in a way of its own.
const foreign = `patterns:
  - id: credential.ahead
    category: credential
    severity: high
    confidence: high
    regex: key-(?=[a-z])
    examples: &some
      match: [key-abcd, a key-bcde, key-cdef.]
      no_match: [key-, key-123, kez-abcd]
  - {id: credential.behind, category: credential, severity: high, confidence: high, regex: "(?<!x)key", examples: *some}
  - id: credential.again
    category: credential
    severity: high
    confidence: high
    examples: *some
    regex: (k)ey-\1
  - id: credential.possessive
    regex: key-[a-z]++
    category: credential
    severity: high
    confidence: high
    examples: *some
  - id: credential.no-examples
    category: credential
    severity: high
    confidence: high
    regex: key-[a-z]{4}
  - id: credential.missed
    category: credential
    severity: high
    confidence: high
    regex: kay-[a-z]{4}
    examples:
      match: [key-abcd, a key-bcde, key-cdef.]
      no_match: [key-, key-123, kez-abcd]
  - id: credential.no-plan
    category: credential
    severity: high
    confidence: high
    regex: '[a-z]{3}'
    examples: *some
  - id: credential.good
    category: credential
    severity: high
    confidence: high
    regex: key-[a-z]{4}
    examples: *some
  - category: credential
    severity: high
    confidence: high
    regex: key-[a-z]{4}
    examples: *some
  - id: credential.good
    category: credential
    severity: high
    confidence: high
    regex: key-[a-z]{4}
    examples: *some
`

// wrong is what every reader of foreign is told: rows by the lines of their defects.
var wrong = map[int]string{
	6: `"credential.ahead": regex: a look-ahead`, 10: `"credential.behind": regex: a negative look-behind`,
	16: `"credential.again": regex: a back-reference`, 18: `"credential.possessive": regex: a possessive quantifier`,
	23: `"credential.no-examples": examples.match: 0, at least 3`, 34: `"credential.missed": examples.match: examples.match[0] is not found`,
	40: `"credential.no-plan": regex: `, 48: `"": id: `,
}

// readFiles is a bundle with tables in files.
func readFiles(t *testing.T, source string, files map[string]string) *Bundle {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	b, err := ReadFS(fsys, source)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// smallFiles is the small bundle as files, with other patterns.
func smallFiles(t *testing.T, patterns map[string]string) *Bundle {
	t.Helper()
	files := map[string]string{"portcullis/decision.rego": smallDecision, "rules/known.rego": smallKnown}
	var tables map[string]json.RawMessage
	if err := json.Unmarshal([]byte(smallTables), &tables); err != nil {
		t.Fatal(err)
	}
	for name, table := range tables {
		files["tables/"+name+"/data.json"] = string(table)
	}
	maps.Copy(files, patterns)
	return readFiles(t, "mine", files)
}

func told(t *testing.T, b *Bundle) string {
	t.Helper()
	_, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now})
	if err == nil {
		t.Fatal("loaded")
	}
	return err.Error()
}

func TestThreat_E1_EachRowOfAForeignPackIsRejectedWithItsLine(t *testing.T) {
	b := smallFiles(t, map[string]string{"tables/patterns/theirs/data.yaml": foreign})
	said := told(t, b)
	for line, what := range wrong {
		if want := fmt.Sprintf("mine/tables/patterns/theirs/data.yaml:%d: pattern %s", line, what); !strings.Contains(said, want) {
			t.Errorf("not said: %s", want)
		}
	}
	if want := `mine/tables/patterns/theirs/data.yaml:53: pattern "credential.good": id: already used at mine/tables/patterns/theirs/data.yaml:42`; !strings.Contains(said, want) {
		t.Errorf("not said: %s", want)
	}
	if strings.Contains(said, "key-abcd") || strings.Contains(said, "credential.key") {
		t.Error("an example is quoted, or a row that is good")
	}
	if t.Failed() {
		t.Log(said)
	}
}

// The rest of the pack is linear: a good row of it loads once the others are gone.
func TestThreat_E1_TheRestOfAForeignPackLoads(t *testing.T) {
	rows := strings.SplitAfter(foreign, "\n")
	good := strings.Join(rows[:1], "") + strings.ReplaceAll(strings.Join(rows[41:46], ""), "*some", "{match: [key-abcd, a key-bcde, key-cdef.], no_match: [key-, key-123, kez-abcd]}") +
		"    examples: {match: [key-abcd, a key-bcde, key-cdef.], no_match: [key-, key-123, kez-abcd]}\n"
	load(t, smallFiles(t, map[string]string{"tables/patterns/theirs/data.yaml": good}))
}

func TestAPatternIsRefusedWithTheLineOfItsField(t *testing.T) {
	const good = "patterns:\n- id: a.key\n  category: credential\n  severity: high\n  confidence: high\n  regex: key-[a-z]{4}\n" +
		"  examples:\n    match: [key-abcd, a key-bcde, key-cdef.]\n    no_match: [key-, key-123, kez-abcd]\n"
	load(t, smallFiles(t, map[string]string{"tables/patterns/theirs/data.yaml": good})) // else nothing below proves anything
	for name, c := range map[string]struct{ file, text, want string }{
		"a misspelt field":     {"tables/patterns/theirs/data.yaml", good + "  keyword: [x]\n", `mine/tables/patterns/theirs/data.yaml:10: pattern "a.key": keyword: a pattern has no such field`},
		"a text for a list":    {"tables/patterns/theirs/data.yaml", good + "  keywords: x\n", `mine/tables/patterns/theirs/data.yaml:10: pattern "a.key": keywords: is a list, not a JSON string`},
		"a number for a text":  {"tables/patterns/theirs/data.yaml", strings.Replace(good, "a.key", "7", 1), `mine/tables/patterns/theirs/data.yaml:2: pattern "": id: is text, not a JSON number`},
		"a field in a field":   {"tables/patterns/theirs/data.yaml", good + "  context: {words: [x], within: x}\n", `mine/tables/patterns/theirs/data.yaml:10: pattern "a.key": context.within: is a whole number, not a JSON string`},
		"a row that is a text": {"tables/patterns/theirs/data.yaml", good + "- x\n", `mine/tables/patterns/theirs/data.yaml:10: pattern "": row: is fields with names, not a JSON string`},
		"tables in one file":   {"tables/data.yaml", "patterns:\n  theirs:\n    " + strings.ReplaceAll(strings.Replace(good, "key-[a-z]", "kay-[a-z]", 1), "\n", "\n    "), `mine/tables/data.yaml:10: pattern "a.key": examples.match:`},
		"all data in one file": {"data.yaml", "tables:\n  patterns:\n    theirs:\n      " + strings.ReplaceAll(strings.Replace(good, "severity: high", "severity: worse", 1), "\n", "\n      "), `mine/data.yaml:7: pattern "a.key": severity: "worse" is none of`},
		"JSON":                 {"tables/patterns/theirs/data.json", `{"patterns": [` + "\n" + `{"id": "a.key",` + "\n" + `"regex": "a(?=b)"}]}`, `mine/tables/patterns/theirs/data.json:3: pattern "a.key": regex: a look-ahead`},
	} {
		if said := told(t, smallFiles(t, map[string]string{c.file: c.text})); !strings.Contains(said, c.want) {
			t.Errorf("%s: not said: %s\n%s", name, c.want, said)
		}
	}
}

func TestAPatternOfAnOverlayIsRefusedWithTheFileThatHasTheField(t *testing.T) {
	base := smallFiles(t, nil)
	over := readFiles(t, "over", map[string]string{"tables/patterns/data.yaml": "patterns:\n- id: credential.key\n  severity: worse\n"})
	both, err := base.Overlay(over)
	if err != nil {
		t.Fatal(err)
	}
	if said := told(t, both); !strings.Contains(said, `over/tables/patterns/data.yaml:3: pattern "credential.key": severity`) {
		t.Errorf("the overlay's field: %s", said)
	}
	over = readFiles(t, "over", map[string]string{"tables/patterns/data.yaml": "patterns:\n- id: credential.key\n  regex: kay-[a-z]{4}\n"})
	if both, err = base.Overlay(over); err != nil {
		t.Fatal(err)
	}
	if said := told(t, both); !strings.Contains(said, `mine/tables/patterns/data.json:3: pattern "credential.key": examples.match`) {
		t.Errorf("the examples below do not hold for the overlay's regex: %s", said)
	}
}

func TestAPatternOfAnArchiveIsRefusedWithItsLine(t *testing.T) {
	b, err := ReadArchive(bytes.NewReader(archive(t, smallFiles(t, map[string]string{"tables/patterns/theirs/data.yaml": foreign}))), "x.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	said := told(t, b)
	if !strings.Contains(said, "x.tar.gz/data.json:") || !strings.Contains(said, `"credential.ahead": regex: a look-ahead`) {
		t.Error(said)
	}
}

func TestARowOfAnyTableIsRefusedWithItsLine(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"a limit": {
			"tables/limits/data.json", "{\"limits\": [\n{\"name\": \"other\", \"measure\": \"calls\", \"scope\": [\"session\"], \"window_seconds\": 60, \"max\": 5},\n" +
				"{\"name\": \"calls\", \"measure\": \"cents\", \"scope\": [\"session\"], \"window_seconds\": 60, \"max\": 5}]}",
			`mine/tables/limits/data.json:3: tables/limits or tables/anomalies: "calls": `,
		},
		"a tool": {
			"tables/tools/data.json", "{\"tools\": [\n{\"tool\": \"add\",\n\"risk\": \"NONE\", \"external\": false}]}",
			`mine/tables/tools/data.json:2: tables/tools: add: risk "NONE" is none of LOW`,
		},
		"an agent": {
			"tables/agents/data.json", "{\"default_profile\": \"strict\",\n\"agents\": [\n{\"agent\": \"a1\", \"profile\": \"lax\"}]}",
			`mine/tables/agents/data.json:3: tables/agents: agent a1 has the profile lax`,
		},
		"a field of the table": {
			"tables/memory/data.json", "{\n\"max_items\": 10, \"max_item_characters\": 100,\n\"ttl_seconds\": 0}",
			`mine/tables/memory/data.json:3: tables/memory: ttl_seconds is 1 second`,
		},
		"a default": {
			"tables/agents/data.json", "{\n\"default_profile\": \"lax\", \"agents\": []}",
			`mine/tables/agents/data.json:2: tables/agents: default_profile lax`,
		},
	} {
		if said := told(t, smallFiles(t, map[string]string{c.file: c.text})); !strings.Contains(said, c.want) {
			t.Errorf("%s: not said: %s\n%s", name, c.want, said)
		}
	}
	over := readFiles(t, "over", map[string]string{"tables/limits/data.yaml": "limits:\n- {name: calls, max: -1}\n"})
	both, err := smallFiles(t, nil).Overlay(over)
	if err != nil {
		t.Fatal(err)
	}
	if said := told(t, both); !strings.Contains(said, `over/tables/limits/data.yaml:2: tables/limits`) {
		t.Errorf("the overlay's row: %s", said)
	}
}
