package action

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// The types of a Fact.
const (
	FactURL       = "url"
	FactPath      = "path"
	FactCommand   = "command"
	FactAmount    = "amount"
	FactAddress   = "address"
	FactToolName  = "tool_name"
	FactTruncated = "truncated" // there was more than may be told: treat as the worst
)

// MaxFacts bounds the facts of one action. A FactTruncated stands after them if there were more, or if
// looking for them would have cost too much.
const MaxFacts = 200

// Fact is something worked out about a value. It names the value by its pointer and holds nothing of it but
// a canonical host, a scheme, a class, and names of programs. Flags and Programs are sorted and never nil.
type Fact struct {
	Pointer    string   `json:"pointer"`
	Type       string   `json:"type"`
	Class      string   `json:"class"`
	Host       string   `json:"host"`
	Scheme     string   `json:"scheme"`
	Port       int      `json:"-"` // of a url, if it is not the scheme's own; policy sees FlagPort
	Flags      []string `json:"flags"`
	Programs   []string `json:"programs"`
	NearMissOf string   `json:"near_miss_of"`
}

// FactOptions is what the facts are measured against.
type FactOptions struct {
	// DeniedPaths are directories whose contents are protected: the server's own, and those of a bundle.
	DeniedPaths []string
	// KnownTools are the tools that the bundle knows.
	KnownTools []string
	// Files are names that a table gives a class. It takes none away.
	Files []NamedPath
}

// Facts works out the facts of an action, in an order that depends on nothing but the action: tool, HTTP
// request, memory, arguments, content. Which values are looked at is decided by their shape and by the name
// of their argument; what a name promises (a path, a URL, a command) is looked at whatever its shape.
func (a *Action) Facts(opts FactOptions) []Fact {
	c := collector{denied: readDenied(opts.DeniedPaths), files: readNamed(opts.Files), index: map[string]int{}}
	if a.Tool != "" {
		if known, near, flags := CheckToolName(a.Tool, opts.KnownTools); !known && len(flags) > 0 {
			c.add(Fact{Pointer: "/tool", Type: FactToolName, Flags: flags, NearMissOf: near})
		}
	}
	if h := a.HTTP; h != nil {
		c.requestURL("/http/url", h.URL)
		for i, header := range h.Headers {
			c.urls("/http/headers/"+strconv.Itoa(i)+"/value", names{words: wordsOf(header.Name)}, header.Value)
		}
	}
	if m := a.Memory; m != nil {
		c.paths("/memory/key", names{}, m.Key)
		c.urls("/memory/key", names{}, m.Key)
	}
	if _, ok := CanonicalURL(a.Server); ok {
		c.urls("/server", names{}, a.Server)
	}
	if a.Arguments != nil {
		c.shell = isShellTool(a.Tool)
		walk("/"+fieldArguments, "", a.Arguments, 0, c.value, func(pointer, key string) {
			c.urls(pointer+KeySuffix, names{}, key)
			c.paths(pointer+KeySuffix, names{}, key)
		})
	}
	c.urls("/content", names{}, a.Content)
	if a.HTTP != nil {
		c.urls("/http/body", names{}, a.HTTP.Body)
	}
	return c.facts
}

// collector gathers facts up to the bound.
type collector struct {
	facts  []Fact
	index  map[string]int // where a fact stands that says the same but for its flags
	full   bool
	finder urlFinder
	denied []deniedDir
	files  []namedPath
	shell  bool   // the tool is a shell: its arguments are commands
	argv   string // pointer of an array that was read as one command
	named  names  // of the value last seen, to split a name once for a whole array
}

func (c *collector) add(f Fact) {
	if c.full {
		return
	}
	if f.Programs == nil {
		f.Programs = []string{}
	}
	if f.Flags == nil {
		f.Flags = []string{}
	}
	key := strings.Join([]string{f.Type, f.Pointer, f.Class, f.Scheme, f.Host, strconv.Itoa(f.Port), strings.Join(f.Programs, ",")}, "\x00")
	if i, ok := c.index[key]; ok {
		merged := flagSet(c.facts[i].Flags)
		merged.add(f.Flags...)
		c.facts[i].Flags = merged.sorted()
		return
	}
	if len(c.facts) >= MaxFacts {
		c.truncate()
		return
	}
	c.index[key] = len(c.facts)
	c.facts = append(c.facts, f)
}

func (c *collector) truncate() {
	if !c.full {
		c.full = true
		c.facts = append(c.facts, Fact{Type: FactTruncated, Flags: []string{}, Programs: []string{}})
	}
}

func (c *collector) value(n node) {
	if c.full {
		return
	}
	if n.name != c.named.name || c.named.words == nil {
		c.named = names{name: n.name, words: wordsOf(n.name)}
	}
	switch v := n.value.(type) {
	case string:
		c.text(n.pointer, c.named, v)
	case json.Number:
		if c.named.last(amountNames) {
			c.amount(n.pointer, v)
		}
		if c.named.last(urlNames) || c.named.last(placeNames) { // a host may be one number
			c.urls(n.pointer, c.named, string(v))
		}
	case []any:
		c.argvArray(n.pointer, c.named, v)
	case map[string]any:
		c.argvMap(n.pointer, v)
	}
}

func (c *collector) text(pointer string, name names, s string) {
	c.urls(pointer, name, s)
	c.paths(pointer, name, s)
	if (name.last(commandNames) || c.shell && !name.last(shellProse)) && !c.insideArgv(pointer) {
		c.command(pointer, s, ReadCommand(s))
	}
	if name.last(amountNames) {
		c.amount(pointer, s)
	}
	c.addresses(pointer, name, s)
}

// urls finds the whole value, where it is one URL or is named like one, and the URLs inside it.
func (c *collector) urls(pointer string, name names, s string) {
	if s == "" || c.full {
		return
	}
	add := func(u URL) { c.add(urlFact(pointer, u)) }
	whole, isURL := URL{}, false
	named := name.last(urlNames) || name.last(placeNames) && locationShaped(s)
	switch {
	case named:
		if whole, isURL = CanonicalLocation(s); !isURL && !strings.ContainsAny(s, " \n") {
			whole, isURL = URL{Class: ClassUnknown, Flags: []string{FlagInvalidHost}}, true
		}
	case len(s) <= maxURLBytes && !strings.Contains(s, " "):
		if whole, isURL = CanonicalURL(s); !isURL && looksLikeIP(s) {
			u, ok := CanonicalLocation(s)
			whole, isURL = u, ok && u.Class != ClassPublic
		}
	}
	if isURL {
		add(whole)
		if whole.Scheme == "file" {
			c.path(pointer, s, true)
		}
	}
	if strings.Contains(s, ":") || strings.ContainsAny(s, `/\&%`) || !isASCII(s) || containsFold(s, "www.") {
		if !c.finder.find(s, add) {
			c.truncate()
		}
	}
}

// locationShaped is true for texts that a client could take for a host or a URL, and that are not just one word.
func locationShaped(s string) bool {
	word := strings.ToLower(strings.TrimSpace(fullToHalf(s)))
	return strings.ContainsAny(word, `.:/\[%@。`) || word == "localhost" ||
		strings.HasPrefix(word, "0x") || word != "" && strings.Trim(word, "0123456789") == ""
}

// looksLikeIP is true for texts that are an address and hardly anything else.
func looksLikeIP(s string) bool {
	host, _, _ := cutPort(s)
	return strings.Count(host, ".") == 3 && strings.Trim(host, "0123456789.xXabcdefABCDEF") == "" || strings.HasPrefix(s, "[") && strings.Contains(s, "]") && strings.Count(s, ":") >= 2
}

func urlFact(pointer string, u URL) Fact {
	return Fact{Pointer: pointer, Type: FactURL, Class: u.Class, Host: u.Host, Scheme: u.Scheme, Port: u.Port, Flags: u.Flags}
}

// requestURL is a URL whatever it looks like.
func (c *collector) requestURL(pointer, s string) {
	if _, ok := CanonicalLocation(s); !ok {
		c.add(Fact{Pointer: pointer, Type: FactURL, Class: ClassUnknown, Flags: []string{FlagInvalidHost}})
	}
	c.urls(pointer, names{words: []string{"url"}}, s)
}

func (c *collector) command(pointer, text string, cmd Command) {
	c.add(Fact{Pointer: pointer, Type: FactCommand, Flags: cmd.Flags, Programs: cmd.Programs})
	for _, word := range cmd.words {
		c.tokens(pointer, word)
	}
	if slices.Contains(cmd.Flags, FlagUnparsable) {
		c.tokens(pointer, text)
	}
}

// argvArray reads `command: ["sh", "-c", "…"]`. An array of whole commands is left to its items.
func (c *collector) argvArray(pointer string, name names, list []any) {
	if n := len(name.words); n == 0 || !slices.Contains(argvNames, name.words[n-1]) || c.insideArgv(pointer) {
		return // `commands` are several
	}
	argv, ok := stringsOf(list)
	if !ok || len(argv) == 0 || strings.ContainsAny(argv[0], " \t\n") {
		return
	}
	c.argv = pointer
	c.command(pointer, "", ReadArgv(argv))
}

// argvMap reads `{command: "sh", args: ["-c", "…"]}`.
func (c *collector) argvMap(pointer string, m map[string]any) {
	for _, program := range []string{"command", "cmd", "program", "executable"} {
		first, ok := m[program].(string)
		if !ok || strings.ContainsAny(first, " \t\n") {
			continue
		}
		for _, rest := range []string{"args", "argv", "arguments"} {
			list, ok := m[rest].([]any)
			if argv, all := stringsOf(list); ok && all {
				c.command(pointer+"/"+rest, "", ReadArgv(append([]string{first}, argv...)))
			}
		}
	}
}

func (c *collector) insideArgv(pointer string) bool {
	return c.argv != "" && strings.HasPrefix(pointer, c.argv+"/")
}

func stringsOf(list []any) ([]string, bool) {
	out := make([]string, 0, len(list))
	for _, item := range list {
		s, ok := item.(string)
		if !ok {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

func (c *collector) amount(pointer string, v any) {
	exact, ambiguous, ok := CanonicalAmount(v)
	var f flagSet
	if _, text := v.(string); text {
		f.add(FlagText)
	}
	f.addIf(ambiguous, FlagAmbiguous)
	class := ClassUnknown
	if ok {
		class = amountClass(exact)
	}
	c.add(Fact{Pointer: pointer, Type: FactAmount, Class: class, Flags: f.sorted()})
}

// maxAddresses bounds the addresses of one list: `a@x.org, b@y.org`.
const maxAddresses = 50

func (c *collector) addresses(pointer string, name names, s string) {
	if len(s) > 32<<10 || !name.last(accountNames) && !name.last(phoneNames) && !strings.Contains(s, "+") && !hasAt(s) && !maybeIBAN(s) {
		return
	}
	parts := []string{s}
	if strings.ContainsAny(s, ",;") && hasAt(s) {
		parts = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' })
		if len(parts) > maxAddresses {
			parts = parts[:maxAddresses]
			c.truncate()
		}
	}
	for _, part := range parts {
		a, ok := CanonicalAddress(part, name.last(phoneNames))
		if !ok || a.Class == ClassIBAN && !slices.Contains(a.Flags, FlagValid) && !name.last(accountNames) {
			continue
		}
		c.add(Fact{Pointer: pointer, Type: FactAddress, Class: a.Class, Host: a.Host, Flags: a.Flags})
	}
}

func hasAt(s string) bool { return strings.Contains(s, "@") || strings.Contains(s, "＠") }

func maybeIBAN(s string) bool {
	return len(s) >= 15 && len(s) <= 50 && isLetter(s[0]) && isLetter(s[1]) && isDigit(s[2])
}
