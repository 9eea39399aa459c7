package action

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// factLines writes facts in a line each: pointer type class host scheme [flags] [programs] near miss.
func factLines(facts []Fact) []string {
	out := make([]string, 0, len(facts))
	for _, f := range facts {
		line := strings.Join([]string{f.Pointer, f.Type, f.Class, f.Scheme, f.Host}, " ")
		for _, list := range [][]string{f.Flags, f.Programs} {
			if len(list) > 0 {
				line += fmt.Sprintf(" %v", list)
			}
		}
		if f.NearMissOf != "" {
			line += " ~" + f.NearMissOf
		}
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return out
}

func TestFactsOfArguments(t *testing.T) {
	opts := FactOptions{DeniedPaths: []string{".portcullis"}, KnownTools: []string{"send_email"}}
	for _, c := range []struct {
		tool, args string
		want       []string
	}{
		{
			"send_email", `{"to":"Bob@Example.org","subject":"hi","body":"see https://evil.example/x"}`,
			[]string{"/arguments/body url public https evil.example", "/arguments/to address email example.org"},
		},
		{"send_email", `{"to":"a@x.example, b@y.example"}`, []string{"/arguments/to address email x.example", "/arguments/to address email y.example"}},
		{"send_emaiI", `{}`, []string{"/tool tool_name [confusable near_miss] ~send_email"}},
		{"unheard_of", `{}`, []string{}},
		{"t", `{"file_path":".CURSOR/mcp.json"}`, []string{"/arguments/file_path path agent_config"}},
		{"t", `{"filename":"report.txt"}`, []string{"/arguments/filename path plain"}},
		{"t", `{"targetFile":"../x"}`, []string{"/arguments/targetFile path plain [escapes traversal]"}},
		{"t", `{"paths":["a","/etc/passwd"]}`, []string{"/arguments/paths/0 path plain", "/arguments/paths/1 path system [absolute]"}},
		{"t", `{"x":"/etc/passwd"}`, []string{"/arguments/x path system [absolute]"}},
		{"t", `{"x":".env"}`, []string{"/arguments/x path secret"}},
		{"t", `{"x":"a word","file_id":"12","text":"shadow"}`, []string{}},
		{"t", `{"body":"read .portcullis/agent.token and tell me"}`, []string{"/arguments/body path protected"}},
		{"t", `{"files":{"/etc/passwd":"x"}}`, []string{"/arguments/files/~1etc~1passwd#key path system [absolute]"}},
		{"t", `{"url":"www.evil.example/x"}`, []string{"/arguments/url url public www.evil.example [no_scheme]"}},
		{"t", `{"host":2852039166}`, []string{"/arguments/host url metadata 169.254.169.254 [ip no_scheme odd_spelling]"}},
		{"t", `{"x":"169.254.169.254"}`, []string{"/arguments/x url metadata 169.254.169.254 [ip no_scheme]"}},
		{"t", `{"version":"1.2.3.4"}`, []string{}},
		{"t", `{"url":"file:///etc/passwd"}`, []string{"/arguments/url url unknown file [local_file]", "/arguments/url path system [absolute]"}},
		{"t", `{"url":"http://%zz/"}`, []string{"/arguments/url url unknown http [invalid_host odd_spelling]"}},
		{"t", `{"https://evil.example":1}`, []string{"/arguments/https:~1~1evil.example#key url public https evil.example"}},
		{
			"t", `{"amount":"1,000","price":-5,"total":"lots","count":3}`,
			[]string{"/arguments/amount amount positive [ambiguous text]", "/arguments/price amount negative", "/arguments/total amount unknown [text]"},
		},
		{
			"t", `{"recipient":"GB83WEST12345698765432","ref":"GB83WEST12345698765432","iban":"GB82 WEST 1234 5698 7654 32"}`,
			[]string{"/arguments/iban address iban [valid]", "/arguments/recipient address iban"},
		},
		{"t", `{"phone":"030 1234567","number":"030 1234567"}`, []string{"/arguments/phone address phone"}},
		{
			"t", `{"command":"env sh -c 'cat ~/.ssh/id_rsa'"}`,
			[]string{"/arguments/command command [wrapper] [cat env sh]", "/arguments/command path secret [home]"},
		},
		{"t", `{"cmd":["sh","-c","cat /etc/shadow"]}`, []string{"/arguments/cmd command [wrapper] [cat sh]", "/arguments/cmd path secret [absolute]"}},
		{"t", `{"commands":["ls","rm x"]}`, []string{"/arguments/commands/0 command [ls]", "/arguments/commands/1 command [rm]"}},
		{"t", `{"server":{"command":"npx","args":["evil"]}}`, []string{"/arguments/server/args command [dynamic wrapper] [npx]", "/arguments/server/command command [dynamic wrapper] [npx]"}},
		{"t", `{"command":"it's"}`, []string{"/arguments/command command [unparsable]"}},
		{"run_shell", `{"input":"cat x | sh","description":"it's harmless"}`, []string{"/arguments/input command [dynamic pipe wrapper] [cat sh]"}},
		{"t", `{"command":"cat x > .port*/y"}`, []string{"/arguments/command command [dynamic writes] [cat]", "/arguments/command path protected [glob]"}},
		{
			"t", `{"command":"cat $HOME/.config/gh/hosts.yml ${D}/.portcullis/x .port$X/y /home/$USER/.ssh/z"}`,
			[]string{"/arguments/command path protected [glob]", "/arguments/command command [cat]", "/arguments/command path secret [home]"},
		},
		{"t", `{"command":"cat \".port\"'cullis'/agent.token"}`, []string{"/arguments/command command [cat]", "/arguments/command path protected"}},
	} {
		args, err := ParseArguments(c.args, DefaultBounds())
		if err != nil {
			t.Fatal(c.args, err)
		}
		got := factLines((&Action{Kind: KindToolCall, Tool: c.tool, Arguments: args}).Facts(opts))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s %s\ngot  %q\nwant %q", c.tool, c.args, got, c.want)
		}
	}
}

func TestFactsOfOtherFields(t *testing.T) {
	for _, c := range []struct {
		a    Action
		want []string
	}{
		{
			Action{Kind: KindHTTPRequest, HTTP: &HTTPRequest{URL: "http://169.254.169.254/", Headers: []Header{{"Host", "good.example"}}, Body: `{"cb":"https://evil.example"}`}},
			[]string{"/http/url url metadata http 169.254.169.254 [ip]", "/http/headers/0/value url public good.example [no_scheme]", "/http/body url public https evil.example"},
		},
		{Action{Kind: KindHTTPRequest, HTTP: &HTTPRequest{URL: "no url at all"}}, []string{"/http/url url unknown [invalid_host]"}},
		{Action{Kind: KindHTTPRequest, HTTP: &HTTPRequest{}}, []string{"/http/url url unknown [invalid_host]"}},
		{Action{Kind: KindModelOutput, Content: "![x](https://evil.example/?q=1) reads /etc/passwd"}, []string{"/content url public https evil.example"}},
		{Action{Kind: KindMemoryWrite, Memory: &MemoryRef{Key: "memory/x.md"}}, []string{"/memory/key path memory"}},
		{Action{Kind: KindToolCall, Server: "https://mcp.example/x"}, []string{"/server url public https mcp.example"}},
		{Action{Kind: KindToolCall, Server: "mail"}, []string{}},
	} {
		if got := factLines(c.a.Facts(FactOptions{})); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v\ngot  %q\nwant %q", c.a, got, c.want)
		}
	}
}

func TestFactsAreCapped(t *testing.T) {
	var hosts []string
	for i := range 500 {
		hosts = append(hosts, fmt.Sprintf("https://h%d.example/", i))
	}
	facts := (&Action{Kind: KindModelOutput, Content: strings.Join(hosts, " ")}).Facts(FactOptions{})
	if len(facts) != MaxFacts+1 || facts[MaxFacts].Type != FactTruncated || facts[0].Host != "h0.example" {
		t.Fatalf("%d facts, the last %+v", len(facts), facts[len(facts)-1])
	}
	facts = (&Action{Kind: KindModelOutput, Content: strings.Repeat("https://one.example/ ", maxURLCandidates+1)}).Facts(FactOptions{})
	if len(facts) != 2 || facts[1].Type != FactTruncated {
		t.Fatalf("%+v", facts)
	}
}

// The words of a list that are looked at as paths are bounded, and what was left out is said.
func TestPathTokensAreBounded(t *testing.T) {
	list := strings.Repeat("./a,", maxPathTokens) + "/etc/shadow"
	facts := (&Action{Kind: KindToolCall, Arguments: map[string]any{"paths": list}}).Facts(FactOptions{})
	if last := facts[len(facts)-1]; last.Type != FactTruncated {
		t.Fatalf("%+v", facts)
	}
}

// I9: nothing of a value but hosts, classes and programs.
func TestFactsHoldNoValue(t *testing.T) {
	args := map[string]any{
		"path": "/data/CANARY.pem", "command": "cat CANARY; sh -c 'CANARY%%%'", "amount": "1234.CANARY", "url": "https://CANARYUSER:pw@evil.example/CANARY?CANARY#CANARY",
		"email": "CANARY@example.org", "x": "CANARY /etc/CANARY", "phone": "+4930CANARY",
	}
	text, err := json.Marshal((&Action{Kind: KindToolCall, Arguments: args, Content: "https://x.example/CANARY"}).Facts(FactOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ToLower(string(text)), "canary") {
		t.Fatalf("%s", text)
	}
	if strings.Contains(string(text), "null") {
		t.Fatalf("a list is null, which Rego can't iterate: %s", text)
	}
}

// Facts depend on the action alone, not on the order of a map.
func TestFactsAreDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		args := arguments().Draw(t, "arguments")
		args["command"] = rapid.SampledFrom([]string{"ls", "sh -c 'cat x'", "$X"}).Draw(t, "command")
		args["url"] = rapid.SampledFrom([]string{"http://a.example", "b", "://"}).Draw(t, "url")
		a := Action{Kind: KindToolCall, Tool: "t", Arguments: args}
		if first, second := a.Facts(FactOptions{}), a.Facts(FactOptions{}); !reflect.DeepEqual(first, second) {
			t.Fatalf("%v\n%v", first, second)
		}
	})
}

// D13, I10: the largest arguments that are let in, made to be slow.
func TestThreat_D13_FactsInBoundedTime(t *testing.T) {
	const size = 1 << 20
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	many := func(value any) map[string]any {
		list := make([]any, 49_000)
		for i := range list {
			list[i] = value
		}
		return map[string]any{"path": list}
	}
	for name, args := range map[string]map[string]any{
		"schemes":      {"x": fill("http://a")},
		"long hosts":   {"x": fill("http://" + strings.Repeat("é.", 400))},
		"colons":       {"x": fill(":")},
		"entities":     {"x": fill("&#104;")},
		"percent":      {"x": fill("%25")},
		"slashes":      {"path": fill("/")},
		"dots":         {"path": fill("../")},
		"denied words": {"x": fill(".portcullisx/ ")},
		"globs":        {"path": fill("a*b*c*d*e*/")},
		"glob segment": {"path": fill("*a")},
		"ligatures":    {"x": fill("ﷺ")},
		"command":      {"command": fill("a ")},
		"commands":     {"command": strings.Repeat("./a ", maxCommandBytes/4)},
		"addresses":    {"to": fill("a@b,")},
		"paths":        many("a/b"),
		"plain paths":  {"x": many("./ab c")["path"]},
		"hosts":        {"hosts": many("é.example")["path"]},
	} {
		start := time.Now()
		(&Action{Kind: KindToolCall, Tool: "t", Arguments: args}).Facts(FactOptions{DeniedPaths: []string{".portcullis", "~/.config/portcullis"}})
		took := time.Since(start)
		t.Logf("%-14s %v", name, took.Round(time.Millisecond))
		// Generous: the race detector and a busy machine make it ten times slower.
		if took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name string
		want bool
	}{
		{"path", true},
		{"file_path", true},
		{"filePath", true},
		{"FILE-PATH", true},
		{"paths", true},
		{"directories", true},
		{"file_name", true},
		{"notebookPath", true},
		{"ｐath", true},
		{"file_id", false},
		{"file_text", false},
		{"pathology", false},
		{"profile", false},
		{"", false},
		{"name", false},
	} {
		if got := (names{words: wordsOf(c.name)}).last(pathNames); got != c.want {
			t.Errorf("%q: %v (%v)", c.name, got, wordsOf(c.name))
		}
	}
	if !slices.Equal(wordsOf("targetURLList"), []string{"target", "urllist"}) {
		t.Log("runs of capitals are one word:", wordsOf("targetURLList"))
	}
}

func BenchmarkFactsAndDigest(b *testing.B) {
	args, err := ParseArguments(`{"to":"bob@example.org","subject":"Minutes","body":"`+strings.Repeat("All went well, see you on Monday. ", 30)+`","cc":["a@example.org"],"amount":12.5}`, DefaultBounds())
	if err != nil {
		b.Fatal(err)
	}
	a := Action{Kind: KindToolCall, Tool: "send_email", Arguments: args}
	opts := FactOptions{DeniedPaths: []string{".portcullis", "~/.config/portcullis"}, KnownTools: []string{"send_email"}}
	b.Run("facts", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a.Facts(opts)
		}
	})
	b.Run("digest", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := a.Digest(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A word beside a name that means a place as often as a host is no URL; anything that a client could connect to is.
func TestPlaceNamesNeedTheShapeOfAHost(t *testing.T) {
	for value, want := range map[string]bool{
		"ORD": false, "Paris": false, "Zürich": false, "New York": false, "": false,
		"localhost": true, "evil.com": true, "127.0.0.1": true, "2130706433": true, "0x7f000001": true,
		"//evil/x": true, "ｌｏｃａｌｈｏｓｔ": true, "evil。com": true, "host:80": true,
	} {
		a := Action{Kind: KindToolCall, Tool: "t", Arguments: map[string]any{"origin": value}}
		got := false
		for _, f := range a.Facts(FactOptions{}) {
			got = got || f.Type == FactURL
		}
		if got != want {
			t.Errorf("origin %q is a URL: %v, want %v", value, got, want)
		}
	}
}
