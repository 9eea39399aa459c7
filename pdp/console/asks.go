package console

import (
	"net/http"
	"net/url"
	"strconv"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// rowsOfPage is how many approvals a list shows.
const rowsOfPage = 50

// listBody is the list: of what waits, or of all that is on record.
type listBody struct {
	All  bool
	Rows []row
	Next string // address of the next page; empty: none
}

func (c *Console) list(v *visit) {
	q := v.r.URL.Query()
	in := &pb.ListApprovalsRequest{PageSize: rowsOfPage, PageToken: q.Get("page")}
	all := q.Get("show") == "all"
	if !all {
		in.States = []pb.ApprovalState{pb.ApprovalState_APPROVAL_STATE_PENDING}
	}
	resp, err := c.desk.ListApprovals(v.r.Context(), v.credential, in)
	if err != nil {
		c.refuse(v.w, v.r, err)
		return
	}
	body := listBody{All: all}
	now := c.cfg.Now()
	for _, a := range resp.GetApprovals() {
		body.Rows = append(body.Rows, rowOf(a, now))
	}
	if token := resp.GetNextPageToken(); token != "" {
		next := url.Values{"page": {token}}
		if all {
			next.Set("show", "all")
		}
		body.Next = v.base + Home + "?" + next.Encode()
	}
	title := "Waiting"
	if all {
		title = "All approvals"
	}
	p := v.page(title, body)
	if !all && in.GetPageToken() == "" && q.Get("still") == "" { // the first page of what waits, and as if nobody had looked: it keeps nobody signed in
		p.Refresh, p.RefreshSeconds = v.base+Home+"?auto=1", int(refreshEvery.Seconds())
	}
	c.write(v.w, v.r, http.StatusOK, "list", p)
}

// askBody is one approval.
type askBody struct {
	Record record
	// View is nil once there is nothing to decide.
	View *view
	// Read vouches that all of the action was shown; ReadBefore for the pages before this one. Empty: they were not.
	Read, ReadBefore string
	// Next is the address of the next page; empty: there is none.
	Next string
	// FromTheBegin: the pages before this one were shown; Whole: and this is the last one.
	FromTheBegin, Whole  bool
	MayVote, MayWithdraw bool
	// Revealed: nothing is masked.
	Revealed bool
}

// show is a page of an action, and at its end the forms, if all pages before were shown.
func (c *Console) show(v *visit) {
	id := v.r.PathValue("id")
	q := v.r.URL.Query()
	offset, err := strconv.ParseInt(q.Get("offset"), 10, 64)
	if err != nil || offset < 0 {
		offset = 0
	}
	resp, err := c.get(v, id, offset)
	if err != nil {
		c.refuse(v.w, v.r, err)
		return
	}
	c.write(v.w, v.r, http.StatusOK, "ask", v.page("Ask "+short(id), v.ask(resp.GetApproval(), resp.GetView(), offset, q.Get("read"), c)))
}

func (c *Console) get(v *visit, id string, offset int64) (*pb.GetApprovalResponse, error) {
	if !isID(id) {
		return nil, errMissing
	}
	return c.desk.GetApproval(v.r.Context(), v.credential, &pb.GetApprovalRequest{ApprovalId: id, Offset: offset})
}

var errMissing = &Refusal{Missing, "APPROVAL_NOT_FOUND", "There is no such approval."}

// ask is the body of a page that begins at an offset. read vouches for the pages before it.
func (v *visit) ask(a *pb.Approval, shown *pb.ReviewView, offset int64, read string, c *Console) askBody {
	body := askBody{Record: recordOf(a, c.cfg.Now()), MayVote: v.mayVote(), MayWithdraw: v.mayWithdraw() && withdrawable(a, c.cfg.Now())}
	if shown == nil {
		return body
	}
	body.View = viewOf(shown)
	id, digest := a.GetId(), digestOf(a)
	if offset > 0 {
		body.ReadBefore = read
	}
	body.FromTheBegin = offset == 0 || v.keys.isReadTo(read, id, digest, offset)
	next := shown.GetNextOffset()
	if next > 0 {
		address := url.Values{"offset": {strconv.FormatInt(next, 10)}}
		if body.FromTheBegin {
			address.Set("read", v.keys.readTo(id, digest, next))
		}
		body.Next = v.base + Home + "/" + id + "?" + address.Encode()
	}
	if body.FromTheBegin && next == 0 {
		body.Whole, body.Read = true, v.keys.readTo(id, digest, wholly)
	}
	return body
}
