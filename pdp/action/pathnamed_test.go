package action

import "testing"

// TestThreat_A11_FilesOfTheTableInAnySpelling: policy files and whatever else a bundle names.
func TestThreat_A11_FilesOfTheTableInAnySpelling(t *testing.T) {
	rows := []NamedPath{{"*.rego", ClassAgentConfig}, {"Bot/rules/", ClassMemory}, {"bot/notes.md", ClassMemory}, {".env", ClassSystem}}
	for raw, want := range map[string]string{
		"rules/a.rego": ClassAgentConfig, "A.REGO": ClassAgentConfig, `x\a.Rego`: ClassAgentConfig, "a%2Erego": ClassAgentConfig,
		"a.re\u200bgo": ClassAgentConfig, "a.rego.": ClassAgentConfig, "a.rego::$DATA": ClassAgentConfig, "./b/../a.rego": ClassAgentConfig,
		"bot/rules/x": ClassMemory, "/srv/BOT/rules/deep/x.txt": ClassMemory, "bot/./rules//x": ClassMemory, "b?t/notes.md": ClassMemory, "x/bot/notes.md": ClassMemory,
		"bot/rules": ClassPlain, "robot/rules/x": ClassPlain, "bot/notes.md/x": ClassPlain, "a.regon": ClassPlain,
		".env": ClassSecret, // what a table says takes nothing away
	} {
		a := Action{Kind: KindToolCall, Tool: "write_file", Arguments: map[string]any{"path": raw}}
		got := ClassPlain
		for _, f := range a.Facts(FactOptions{Files: rows}) {
			if f.Type == FactPath {
				got = f.Class
			}
		}
		if got != want {
			t.Errorf("%q is %s, want %s", raw, got, want)
		}
	}
	for _, bad := range []NamedPath{{"", ClassMemory}, {"/", ClassMemory}, {"/etc/x", ClassMemory}, {"x", ClassProtected}, {"x", ClassPlain}, {"x", "odd"}, {"..", ClassMemory}} {
		if bad.Valid() {
			t.Errorf("%+v is valid", bad)
		}
	}
	for _, good := range rows {
		if !good.Valid() {
			t.Errorf("%+v is not valid", good)
		}
	}
}
