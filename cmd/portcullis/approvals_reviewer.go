package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// reviewer is the screen of a person who decides: a list of what waits, one ask at a time, and a line to write in. It is
// bubbletea's model: one goroutine changes it, by Update; calls to the server run beside it and come back as messages.
//
// A yes goes to the digest that was on this screen, and only after all of the action was: so nothing is approved by a key
// that was meant for another ask.
type reviewer struct {
	ctx    context.Context //nolint:containedctx // the program's own; a model has nowhere else to keep it
	client pb.ApprovalServiceClient
	screen screen
	now    time.Time

	asks   []*pb.Approval // pending, oldest first
	at     string         // id of the one that the cursor is on
	marked map[string]bool
	seen   map[string]*reading // by id: what was opened
	broken error               // why the list may be out of date

	open   string   // id of the ask that is open; empty: the list
	text   []string // its lines, as wide as the screen
	top    int      // the first line that is shown
	prompt prompt
	note   string // what happened last
	given  []string
}

// reading is how much of an ask was on the screen.
type reading struct {
	digest string
	pages  []*pb.ReviewView // in order, as far as they were fetched; a revealed page takes the place of its masked one
	page   int              // that is shown
	read   map[int]bool     // pages whose end was on the screen
	whole  bool             // the last page is there
	show   *pb.GetApprovalResponse
}

func (r *reading) all() bool { return r.whole && len(r.read) == len(r.pages) }

// prompt is the line that is written in, if it is for something.
type prompt struct {
	does string // approve, reject or reveal; empty: nothing is asked
	ids  []string
	line []rune
}

// maxLine is as much as the contract takes as a comment.
const maxLine = 1000

func newReviewer(ctx context.Context, client pb.ApprovalServiceClient, s screen) *reviewer {
	return &reviewer{
		ctx: ctx, client: client, screen: s, now: time.Now(), marked: map[string]bool{}, seen: map[string]*reading{},
		broken: errors.New("connecting"),
	}
}

// Messages of the reviewer's own.
type (
	ticked time.Time
	// opened is an ask, or one more page of it.
	opened struct {
		id     string
		page   int
		resp   *pb.GetApprovalResponse
		reveal bool
		err    error
	}
	// judged is what a verdict did.
	judged struct {
		id, tool string
		verdict  pb.Verdict
		resp     *pb.SubmitVerdictResponse
		err      error
	}
)

func tick() tea.Cmd { return tea.Tick(time.Second, func(t time.Time) tea.Msg { return ticked(t) }) }

// Init starts the clock.
func (r *reviewer) Init() tea.Cmd { return tick() }

// Update changes the screen by one message.
func (r *reviewer) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case ticked:
		r.now = time.Time(m)
		r.layOut()
		return r, tick()
	case tea.WindowSizeMsg:
		r.screen.width, r.screen.height = m.Width, m.Height
		r.fit()
	case followed:
		r.broken = m.broken
	case restarted:
		r.asks = nil
	case changed:
		r.change(m.approval)
	case opened:
		r.opened(m)
	case []judged:
		for _, one := range m {
			r.judged(one)
		}
	case tea.PasteMsg:
		r.write(m.Content)
	case tea.KeyPressMsg:
		return r, r.key(m)
	}
	return r, nil
}

// change puts an ask where it belongs, or takes it off the list.
func (r *reviewer) change(a *pb.Approval) {
	old := r.index(a.GetId())
	pending := a.GetState() == pb.ApprovalState_APPROVAL_STATE_PENDING
	switch {
	case pending && old >= 0:
		r.asks[old] = a
	case pending:
		r.asks = append(r.asks, a)
		slices.SortFunc(r.asks, func(a, b *pb.Approval) int {
			return cmp.Or(a.GetCreatedAt().AsTime().Compare(b.GetCreatedAt().AsTime()), strings.Compare(a.GetId(), b.GetId()))
		})
	case old >= 0:
		r.asks = slices.Delete(r.asks, old, old+1)
		delete(r.marked, a.GetId())
		if r.at == a.GetId() {
			r.at = ""
			if len(r.asks) > 0 {
				r.at = r.asks[min(old, len(r.asks)-1)].GetId()
			}
		}
	}
	if r.at == "" && len(r.asks) > 0 {
		r.at = r.asks[0].GetId()
	}
	if r.open == a.GetId() && !pending {
		r.seen[r.open].show.Approval = a
		r.layOut()
	}
}

func (r *reviewer) index(id string) int {
	return slices.IndexFunc(r.asks, func(a *pb.Approval) bool { return a.GetId() == id })
}

func (r *reviewer) key(k tea.KeyPressMsg) tea.Cmd {
	switch {
	case k.String() == "ctrl+c":
		return tea.Quit
	case r.prompt.does != "":
		return r.promptKey(k)
	case r.open != "":
		return r.openKey(k)
	}
	return r.listKey(k)
}

func (r *reviewer) listKey(k tea.KeyPressMsg) tea.Cmd {
	i := r.index(r.at)
	switch k.String() {
	case "q":
		return tea.Quit
	case "up", "k":
		r.to(i - 1)
	case "down", "j":
		r.to(i + 1)
	case "home", "g":
		r.to(0)
	case "end", "G":
		r.to(len(r.asks) - 1)
	case "enter", "right", "l":
		if i >= 0 {
			return r.fetch(r.at, 0, 0)
		}
	case "space":
		if i >= 0 {
			if r.marked[r.at] = !r.marked[r.at]; !r.marked[r.at] {
				delete(r.marked, r.at)
			}
			r.to(i + 1)
		}
	case "a":
		return r.begin("approve")
	case "r":
		return r.begin("reject")
	}
	return nil
}

func (r *reviewer) to(i int) {
	if len(r.asks) > 0 {
		r.at = r.asks[min(max(i, 0), len(r.asks)-1)].GetId()
	}
}

func (r *reviewer) openKey(k tea.KeyPressMsg) tea.Cmd {
	reading := r.seen[r.open]
	switch k.String() {
	case "q", "esc", "left", "h":
		r.open, r.note = "", ""
	case "a":
		return r.begin("approve")
	case "r":
		return r.begin("reject")
	case "v":
		return r.begin("reveal")
	case "n":
		if page := reading.page + 1; page < len(reading.pages) {
			r.turn(page)
		} else if next := reading.pages[reading.page].GetNextOffset(); next > 0 {
			return r.fetch(r.open, page, next)
		}
	case "p":
		r.turn(max(reading.page-1, 0))
	case "up", "k":
		r.scroll(-1)
	case "down", "j":
		r.scroll(1)
	case "pgup", "b":
		r.scroll(-r.textHeight())
	case "pgdown", "space", "f":
		r.scroll(r.textHeight())
	case "g", "home":
		r.scroll(-len(r.text))
	case "G", "end":
		r.scroll(len(r.text))
	}
	return nil
}

// scroll moves the text, and remembers that the end of a page was on the screen.
func (r *reviewer) scroll(lines int) {
	last := max(len(r.text)-r.textHeight(), 0)
	r.top = min(max(r.top+lines, 0), last)
	if reading := r.seen[r.open]; reading != nil && r.screen.height > 0 && r.top == last {
		reading.read[reading.page] = true
	}
}

func (r *reviewer) turn(page int) {
	r.seen[r.open].page = page
	r.top = 0
	r.layOut()
}

// begin asks for the comment that goes with what is to be done.
func (r *reviewer) begin(does string) tea.Cmd {
	ids := []string{cmp.Or(r.open, r.at)}
	if r.open == "" && len(r.marked) > 0 {
		ids = ids[:0]
		for _, a := range r.asks {
			if r.marked[a.GetId()] {
				ids = append(ids, a.GetId())
			}
		}
	}
	r.note = ""
	if ids[0] == "" {
		return nil
	}
	if does == "approve" {
		for _, id := range ids {
			reading, i := r.seen[id], r.index(id)
			if reading == nil || !reading.all() || i >= 0 && reading.digest != digestOfAction(r.asks[i]) {
				r.note = "read " + short12(id) + " to its end first: a yes is for what you saw"
				return nil
			}
		}
	}
	r.prompt = prompt{does: does, ids: ids}
	return nil
}

func (r *reviewer) promptKey(k tea.KeyPressMsg) tea.Cmd {
	p := r.prompt
	switch k.String() {
	case "esc":
		r.prompt = prompt{}
	case "enter":
		r.prompt = prompt{}
		return r.do(p)
	case "backspace":
		r.prompt.line = p.line[:max(len(p.line)-1, 0)]
	case "ctrl+u":
		r.prompt.line = nil
	default:
		r.write(k.Text)
	}
	return nil
}

// write adds to the line that is asked for.
func (r *reviewer) write(text string) {
	if r.prompt.does == "" {
		return
	}
	for _, c := range strings.Join(strings.Fields(text), " ") + text[len(strings.TrimRight(text, " ")):] {
		if len(r.prompt.line) < maxLine && (c == ' ' || isPrintable(c)) {
			r.prompt.line = append(r.prompt.line, c)
		}
	}
}

func (r *reviewer) do(p prompt) tea.Cmd {
	if p.does == "reveal" {
		if strings.TrimSpace(string(p.line)) == "" {
			r.note = "nothing was revealed: that needs a reason"
			return nil
		}
		reading := r.seen[r.open]
		return r.reveal(r.open, reading.page, reading.pages[reading.page].GetOffset(), string(p.line))
	}
	verdict := pb.Verdict_VERDICT_REJECT
	if p.does == "approve" {
		verdict = pb.Verdict_VERDICT_APPROVE
	}
	var asks []*pb.Approval
	for _, id := range p.ids {
		if i := r.index(id); i >= 0 {
			asks = append(asks, r.asks[i])
		}
	}
	if len(asks) == 0 {
		r.note = "it has ended meanwhile"
		return nil
	}
	return r.judge(asks, verdict, string(p.line))
}

// judge says yes to what was read, or no: to each ask by itself.
func (r *reviewer) judge(asks []*pb.Approval, v pb.Verdict, comment string) tea.Cmd {
	requests := make([]*pb.SubmitVerdictRequest, len(asks))
	for i, a := range asks {
		requests[i] = &pb.SubmitVerdictRequest{ApprovalId: a.GetId(), Verdict: v, Comment: comment}
		if v == pb.Verdict_VERDICT_APPROVE {
			requests[i].ExpectedDigest, requests[i].SeenInFull = r.seen[a.GetId()].digest, true
		}
	}
	return func() tea.Msg {
		given := make([]judged, len(asks))
		for i, a := range asks {
			resp, err := r.client.SubmitVerdict(r.ctx, requests[i])
			given[i] = judged{a.GetId(), a.GetTool(), v, resp, err}
		}
		return given
	}
}

func (r *reviewer) judged(m judged) {
	what := short(m.verdict.String(), "VERDICT_") + " " + short12(m.id) + " " + plain(m.tool)
	switch {
	case m.err != nil:
		r.note = what + ": " + plain(explain(m.err).Error())
	case !m.resp.GetApplied():
		r.note = what + " changed nothing: " + m.resp.GetReason()
	default:
		r.note = what
		if m.resp.GetApproval().GetState() == pb.ApprovalState_APPROVAL_STATE_PENDING {
			r.note += ", others are still to approve"
		}
		r.open = ""
		delete(r.marked, m.id)
	}
	r.given = append(r.given, r.note)
	if m.resp.GetApproval() != nil {
		r.change(m.resp.GetApproval())
	}
}

// fetch asks for a page of an ask.
func (r *reviewer) fetch(id string, page int, offset int64) tea.Cmd {
	return func() tea.Msg {
		resp, err := r.client.GetApproval(r.ctx, &pb.GetApprovalRequest{ApprovalId: id, Offset: offset})
		return opened{id: id, page: page, resp: resp, err: err}
	}
}

func (r *reviewer) reveal(id string, page int, offset int64, reason string) tea.Cmd {
	return func() tea.Msg {
		resp, err := r.client.RevealApproval(r.ctx, &pb.RevealApprovalRequest{ApprovalId: id, Offset: offset, Reason: reason})
		return opened{id: id, page: page, resp: &pb.GetApprovalResponse{View: resp.GetView()}, reveal: true, err: err}
	}
}

func (r *reviewer) opened(m opened) {
	if m.err != nil {
		r.note = plain(explain(m.err).Error())
		return
	}
	if m.resp.GetView() == nil {
		r.note = short12(m.id) + " has ended"
		return
	}
	reading := r.seen[m.id]
	if m.page == 0 && !m.reveal {
		digest := digestOfAction(m.resp.GetApproval())
		if reading == nil || reading.digest != digest {
			reading = newReading(m.resp)
			r.seen[m.id] = reading
		}
		reading.page = 0
		r.open, r.note = m.id, ""
	}
	if reading == nil || r.open != m.id {
		return // it was closed meanwhile
	}
	switch {
	case m.page < len(reading.pages):
		reading.pages[m.page] = m.resp.GetView()
	case m.page == len(reading.pages):
		reading.pages = append(reading.pages, m.resp.GetView())
	}
	reading.page = m.page
	reading.whole = reading.whole || m.resp.GetView().GetNextOffset() == 0
	r.top = 0
	r.layOut()
}

func newReading(resp *pb.GetApprovalResponse) *reading {
	return &reading{digest: digestOfAction(resp.GetApproval()), read: map[int]bool{}, show: resp}
}

// summary is what stays on the terminal.
func (r *reviewer) summary() string {
	if len(r.given) == 0 {
		return ""
	}
	return strings.Join(r.given, "\n") + "\n"
}

// short12 is as much of an id as tells it from others on a screen: its random end, as ids of one moment begin alike.
func short12(id string) string { return "…" + id[max(len(id)-12, 0):] }

func cursorLost(err error) bool { return status.Code(err) == codes.OutOfRange }
