package policy

import (
	"strings"
	"testing"
	"time"
)

func TestThreat_F8_DataThatNobodyReadsIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(b *Bundle){
		"agnets: neither": func(b *Bundle) { b.Data["tables"].(map[string]any)["agnets"] = map[string]any{} },
		"folder of the":   func(b *Bundle) { b.Data["bundles"] = map[string]any{} },
	} {
		b := small(t)
		spoil(b)
		if _, err := Load(t.Context(), b, LoadOptions{Toolchain: tools(), Now: time.Now}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v; want an error with %q", err, name)
		}
	}
}

// Each row changes one thing in tables that are right otherwise, and must be refused by name (F2, F3, F8).
func TestThreat_F8_MisspeltTablesAreRefused(t *testing.T) {
	const risk = `"risk":{"levels":[{"name":"LOW","rank":1,"approval":false},{"name":"HIGH","rank":2,"approval":true}],"default_level":"LOW","provable_up_to":"HIGH"}`
	for want, tables := range map[string]string{
		"":                      risk + `,"tools":{"tools":[{"tool":"a","risk":"HIGH","external":true}]},"mine":{"anything":1}`,
		"rissk":                 risk + `,"tools":{"tools":[{"tool":"a","rissk":"HIGH","external":true}]}`,
		"HUGE":                  risk + `,"tools":{"tools":[{"tool":"a","risk":"HUGE","external":true}]}`,
		"external":              risk + `,"tools":{"tools":[{"tool":"a","risk":"HIGH"}]}`,
		"a stands there twice":  risk + `,"tools":{"tools":[{"tool":"a","risk":"HIGH","external":true},{"tool":"a","risk":"LOW","external":true}]}`,
		"aproval":               `"risk":{"levels":[{"name":"LOW","rank":1,"aproval":true}],"default_level":"LOW","provable_up_to":"LOW"}`,
		"rank and approval":     `"risk":{"levels":[{"name":"LOW","rank":1}],"default_level":"LOW","provable_up_to":"LOW"}`,
		"another level has":     `"risk":{"levels":[{"name":"A","rank":1,"approval":true},{"name":"B","rank":1,"approval":true}],"default_level":"A","provable_up_to":"A"}`,
		"NOPE":                  `"risk":{"levels":[{"name":"A","rank":1,"approval":true}],"default_level":"NOPE","provable_up_to":"A"}`,
		"quorm":                 risk + `,"approvals":{"default":{"ttl_seconds":300,"quorum":1},"levels":[{"name":"HIGH","quorm":2}]}`,
		"quorum is 1 to 10":     risk + `,"approvals":{"default":{"ttl_seconds":300,"quorum":0},"levels":[]}`,
		"ttl_seconds is 1":      risk + `,"approvals":{"default":{"ttl_seconds":86401,"quorum":1},"levels":[]}`,
		"ttl_seconds and":       risk + `,"approvals":{"default":{"quorum":1},"levels":[]}`,
		"acme/a9 stands":        `"agents":{"default_profile":"x","agents":[{"agent":"a9","tenant":"acme","profile":"x"},{"agent":"a9","tenant":"acme","profile":"y"}]}`,
		"approve_high":          `"profiles":{"profiles":[{"name":"p","approve_high":"never","tools":[]}]}`,
		"exempt_from_blok":      `"profiles":{"profiles":[{"name":"p","approve_high":"always","tools":[],"exempt_from_blok":["x"]}]}`,
		"tolls":                 `"blocked":{"tolls":["x"]}`,
		"max_items":             `"memory":{"max_items":0,"max_item_characters":1,"ttl_seconds":1,"agent_items":1,"agent_bytes":1}`,
		"max_tokens":            `"size":{"max_arguments_bytes":1,"max_tokens":0}`,
		`effect "dney"`:         `"paths":{"marks":[{"name":"secret","effect":"dney"}]}`,
		"secret stands there":   `"urls":{"marks":[{"name":"secret","effect":"deny"},{"name":"secret","effect":"allow"}]}`,
		`effect ""`:             `"degraded":{"gaps":[{"name":"unscanned"}]}`,
		`category "injectionn"`: `"effects":{"effects":[{"name":"e","category":"injectionn","kinds":["TOOL_CALL"],"effect":"deny"}]}`,
		"TOLL_CALL":             `"effects":{"effects":[{"name":"e","category":"injection","kinds":["TOLL_CALL"],"effect":"deny"}]}`,
		`severity "hihg"`:       `"effects":{"effects":[{"name":"e","category":"injection","kinds":[],"severities":["hihg"],"effect":"deny"}]}`,
		"rules.breakerz":        `"controls":{"controls":[{"control":"breakerz","kinds":[]}]}`,
	} {
		t.Run(want, func(t *testing.T) {
			err := checkShapes(tree(t, `{"tables":{`+tables+`}}`), map[string]bool{"breaker": true})
			switch {
			case want == "" && err != nil:
				t.Fatalf("good tables were refused: %v", err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Fatalf("got %v; want an error about %s", err, want)
			}
		})
	}
}
