package notify

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/portcullis-pdp/portcullis/pdp/approval"
)

// Bounds of what is told: a chat message, not a record.
const (
	maxNameRunes    = 128
	maxMessageRunes = 300
	maxReasons      = 10
)

// notice is one thing to tell.
type notice struct {
	kind Kind
	// id is the same for each try, and for each replica that may tell it.
	id       string
	at       time.Time
	approval approval.Approval
	link     string
}

// noticeOf is what a change of an approval has to tell, if anything.
func noticeOf(a approval.Approval, consoleURL string) (notice, bool) {
	n := notice{id: a.ID + "." + strconv.FormatUint(a.Sequence, 10), approval: a}
	switch {
	case a.State == approval.Pending && a.Sequence == 1:
		n.kind, n.at = Asked, a.Created
	case a.State == approval.Pending && !a.StageOpened.IsZero(): // others are asked now
		n.kind, n.at = Asked, a.StageOpened
	case a.State != approval.Pending && a.Use == approval.Unused && !slices.ContainsFunc(a.Votes, func(v approval.Vote) bool { return !v.Applied }):
		n.kind, n.at = Ended, a.EndedAt
	default: // an edit, a vote that was not the last, a late one, or its use
		return notice{}, false
	}
	if consoleURL != "" {
		n.link = strings.TrimSuffix(consoleURL, "/") + "/" + url.PathEscape(a.ID)
	}
	return n, true
}

// until is when telling it is of no more use.
func (n notice) until() time.Time {
	if n.kind == Asked {
		return n.approval.Expires
	}
	return n.at.Add(endedFor)
}

// endedFor is for how long an end is worth telling.
const endedFor = time.Hour

// severity is the highest of the reasons.
func severity(reasons []approval.Reason) string {
	order := []string{"", "info", "low", "medium", "high", "critical"}
	most := 0
	for _, r := range reasons {
		most = max(most, slices.Index(order, strings.ToLower(r.Severity)))
	}
	return order[most]
}

// line makes one bounded line of a name or a message: what is not printable is spelt out, so that nothing looks like what
// it is not.
func line(text string, maxRunes int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > maxRunes {
			b.WriteString("…")
			break
		}
		if r == ' ' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		b.WriteString(`\u{` + strconv.FormatInt(int64(r), 16) + "}")
	}
	return b.String()
}
