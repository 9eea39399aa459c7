package corpus

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadRecognisesEachCorpusByItsFields(t *testing.T) {
	for name, want := range map[string]Kind{
		"agentdojo": AgentDojo, "injecagent": InjecAgent, "realcalls": RealCalls, "asb": ASB, "tau2": Tau2,
	} {
		t.Run(name, func(t *testing.T) {
			c := excerpt(t, name)
			if c.Kind != want || len(c.Refused) != 0 {
				t.Errorf("kind %q with %v, want %q", c.Kind, c.Refused, want)
			}
		})
	}
}

func TestReadRefusesTextsAsNoTraffic(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "texts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Read("texts.jsonl", f); !errors.Is(err, ErrNotTraffic) {
		t.Errorf("got %v", err)
	}
}

func TestReadRefusesWholeFiles(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want error
		says string
	}{
		"empty":       {"", ErrEmpty, "f.jsonl holds no row"},
		"blank lines": {"\n \r\n\n", ErrEmpty, ""},
		"only bad":    {"{\n", ErrRefused, "f.jsonl:1: row is not a JSON object"},
		"another":     {"\n{\"zeta\": 1, \"alpha\": 2}\n", ErrUnknown, `line 2 has the fields "alpha, zeta"`},
		"no usable":   {`{"domain": "d", "id": "0", "reason": 7, "calls": []}`, ErrRefused, `f.jsonl:1: field "reason" is not a string`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read("f.jsonl", strings.NewReader(tt.text))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v saying %q", err, tt.want, tt.says)
			}
		})
	}
}

// A bad row is named with its line, and the rows around it are played.
func TestReadRefusesMalformedRows(t *testing.T) {
	good := `{"domain": "ferry", "id": "0", "reason": "r", "calls": [{"tool": "t", "arguments": {}}]}`
	for name, tt := range map[string]struct{ row, want string }{
		"not json":       {`{"domain": `, "row is not a JSON object"},
		"a list":         {`[1]`, "row is not a JSON object"},
		"null":           {`null`, "row is not a JSON object"},
		"byte order":     {"\ufeff{}", "row is not a JSON object"},
		"not utf-8":      {"{\"domain\": \"\xff\"}", "row is not UTF-8"},
		"missing":        {`{"domain": "ferry", "id": "0", "calls": []}`, `field "reason" is missing`},
		"null field":     {`{"domain": null, "id": "0", "reason": "r", "calls": []}`, `field "domain" is not a string`},
		"wrong type":     {`{"domain": "ferry", "id": 7, "reason": "r", "calls": []}`, `field "id" is not a string`},
		"no list":        {`{"domain": "ferry", "id": "0", "reason": "r", "calls": {}}`, `field "calls" is not a list of objects`},
		"tool missing":   {`{"domain": "ferry", "id": "0", "reason": "r", "calls": [{"tool": "a"}, {"arguments": {}}]}`, `call 2: field "tool" is missing`},
		"tool empty":     {`{"domain": "ferry", "id": "0", "reason": "r", "calls": [{"tool": ""}]}`, "call 1: a tool's name is empty"},
		"tool long":      {`{"domain": "ferry", "id": "0", "reason": "r", "calls": [{"tool": "` + strings.Repeat("t", 257) + `"}]}`, "longer than 256 bytes"},
		"no object":      {`{"domain": "ferry", "id": "0", "reason": "r", "calls": [{"tool": "a", "arguments": [1]}]}`, `call 1: field "arguments" is not an object`},
		"result":         {`{"domain": "ferry", "id": "0", "reason": "r", "calls": [{"tool": "a", "result": 7}]}`, `call 1: field "result" is not a string`},
		"agent's name":   {`{"domain": "a b", "id": "0", "reason": "r", "calls": []}`, "no request can carry"},
		"another corpus": {`{"agent": "cook", "tool": "t", "attack": true}`, `field "domain" is missing`},
		"huge":           {`{"domain": "` + strings.Repeat("x", maxLineBytes) + `"}`, "longer than 4194304 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Read("f.jsonl", strings.NewReader(good+"\n"+tt.row+"\n\n"+good))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Count(All); got != 2 {
				t.Errorf("%d runs, want the 2 good rows", got)
			}
			if len(c.Refused) != 1 || c.Refused[0].Line != 2 || !strings.Contains(c.Refused[0].Error(), tt.want) ||
				!strings.HasPrefix(c.Refused[0].Error(), "f.jsonl:2: ") {
				t.Errorf("refused %v, want line 2 with %q", c.Refused, tt.want)
			}
		})
	}
}

func TestReadStopsWhereNothingIsUsable(t *testing.T) {
	_, err := Read("f.jsonl", strings.NewReader(strings.Repeat("x\n", maxRefused+2)))
	if !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestAgentDojoRowsOfAThirdKindAreRefused(t *testing.T) {
	row := `{"suite": "s", "kind": "user", "id": "u", "prompt": "p", "calls": []}`
	c, err := Read("f.jsonl", strings.NewReader(row+"\n"+strings.Replace(row, "user", "admin", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Refused) != 1 || c.Refused[0].Line != 2 {
		t.Errorf("refused %v", c.Refused)
	}
}
