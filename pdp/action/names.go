package action

import (
	"slices"
	"strings"
	"unicode"
)

// names is the name of an argument, and its words: `targetFilePath` is target, file, path.
type names struct {
	name  string
	words []string
}

// What the last word of a name promises. Plural forms are looked up without their s.
var (
	urlNames = []string{
		"url", "uri", "href", "host", "hostname", "domain", "endpoint", "webhook", "callback", "website", "ip", "proxy",
		"upstream", "referer", "referrer",
	}
	// These name a host as often as they name a place, an airport or a person: the value has to look like one.
	placeNames   = []string{"link", "site", "src", "origin", "location", "remote", "registry"}
	pathNames    = []string{"path", "file", "filename", "filepath", "dir", "directory", "folder", "cwd", "workdir", "pathname", "dirname", "dst"}
	commandNames = []string{"command", "cmd", "script", "shell", "cmdline", "bash", "exec", "commandline"}
	argvNames    = []string{"argv", "cmd", "command", "cmdline"}
	amountNames  = []string{"amount", "price", "total", "subtotal", "cost", "sum", "fee", "payment", "budget", "balance", "salary", "tip", "refund", "credit", "debit", "payout"}
	phoneNames   = []string{"phone", "tel", "telephone", "mobile", "fax", "whatsapp", "msisdn", "cell"}
	accountNames = []string{"iban", "account", "recipient", "payee", "beneficiary", "creditor", "debtor"}
	// Arguments of a shell that are for people.
	shellProse = []string{"description", "explanation", "title", "reason", "rationale", "thought", "comment", "summary", "purpose", "justification"}
	// A tool whose name holds one of these words runs what it is given.
	shellTools = []string{"shell", "bash", "sh", "zsh", "terminal", "powershell", "pwsh", "cmd", "command", "exec", "console", "subprocess", "tmux"}
)

// last reports whether the name ends in one of the words; `file_name` and `path_list` end in file and path.
func (n names) last(list []string) bool {
	words := n.words
	for len(words) > 1 && slices.Contains([]string{"name", "names", "list", "id", "str", "string", "text", "arg", "value", "param", "number", "address"}, words[len(words)-1]) {
		words = words[:len(words)-1]
		if last := n.words[len(n.words)-1]; last == "id" || last == "text" {
			return false // file_id and file_text are no files
		}
	}
	if len(words) == 0 {
		return false
	}
	word := words[len(words)-1]
	return slices.Contains(list, word) || len(word) > 3 && slices.Contains(list, strings.TrimSuffix(word, "s")) ||
		strings.HasSuffix(word, "ies") && slices.Contains(list, strings.TrimSuffix(word, "ies")+"y")
}

// wordsOf splits a name at punctuation and at capitals, in lower case. Only the end of a long name counts.
func wordsOf(name string) []string {
	if len(name) > 256 {
		name = strings.ToValidUTF8(name[len(name)-256:], "")
	}
	var words []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			words = append(words, strings.ToLower(b.String()))
			b.Reset()
		}
	}
	var previous rune
	for _, r := range fullToHalf(name) {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
		case unicode.IsUpper(r) && !unicode.IsUpper(previous):
			flush()
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		previous = r
	}
	flush()
	if words == nil {
		words = []string{}
	}
	return words
}

// fullToHalf keeps capitals, which fold does not, and takes typography away.
func fullToHalf(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(latin, nfkc(s))
}

func isShellTool(tool string) bool {
	return slices.ContainsFunc(wordsOf(tool), func(w string) bool { return slices.Contains(shellTools, w) })
}

// containsFold looks for a lower-case ASCII needle.
func containsFold(s, needle string) bool {
	for i := 0; i+len(needle) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(needle)], needle) {
			return true
		}
	}
	return false
}
