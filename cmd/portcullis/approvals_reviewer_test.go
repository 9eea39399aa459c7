package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/portcullis-pdp/portcullis/gen/go/portcullis/v1"
)

// reviewBench is a reviewer before a screen of 80 by 20, and what it asked the server for.
type reviewBench struct {
	pb.ApprovalServiceClient
	*reviewer
	t       *testing.T
	pages   map[string][]string // of each ask
	says    string
	edited  string
	calls   []string
	refuse  error
	applied bool
}

func newReviewBench(t *testing.T, ids ...string) *reviewBench {
	t.Helper()
	b := &reviewBench{t: t, pages: map[string][]string{}, applied: true}
	b.reviewer = newReviewer(t.Context(), b, screen{unicode: true})
	b.send(tea.WindowSizeMsg{Width: 80, Height: 20})
	b.send(followed{})
	for i, id := range ids {
		b.pages[id] = []string{`{"tool":"send_email"}`}
		b.send(changed{pending(id, i)})
	}
	return b
}

func pending(id string, n int) *pb.Approval {
	at := time.Unix(int64(n), 0)
	return &pb.Approval{
		Id: id, State: pb.ApprovalState_APPROVAL_STATE_PENDING, Tool: "tool-" + id, ActionDigest: "pc1:" + id,
		Principal: &pb.Principal{Agent: "a"}, CreatedAt: timestamppb.New(at), ExpiresAt: timestamppb.New(at.Add(time.Hour)),
	}
}

// send gives the model a message and whatever its commands answer.
func (b *reviewBench) send(m tea.Msg) {
	b.t.Helper()
	_, cmd := b.Update(m)
	if cmd == nil {
		return
	}
	answer := cmd()
	if _, quits := answer.(tea.QuitMsg); !quits {
		b.send(answer)
	}
}

// press presses keys, each named as bubbletea names it, or types a text in quotes.
func (b *reviewBench) press(keys ...string) {
	b.t.Helper()
	named := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "end": tea.KeyEnd, "space": tea.KeySpace, "backspace": tea.KeyBackspace}
	for _, k := range keys {
		if text, quoted := strings.CutPrefix(k, "'"); quoted {
			for _, c := range text {
				b.send(tea.KeyPressMsg{Code: c, Text: string(c)})
			}
			continue
		}
		if code, ok := named[k]; ok {
			b.send(tea.KeyPressMsg{Code: code})
		} else {
			b.send(tea.KeyPressMsg{Code: []rune(k)[0], Text: k})
		}
	}
}

func (b *reviewBench) shows(want ...string) {
	b.t.Helper()
	for _, w := range want {
		if !strings.Contains(b.draw(), w) {
			b.t.Errorf("no %q on\n%s", w, b.draw())
		}
	}
}

func (b *reviewBench) called(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.calls, want) {
		b.t.Errorf("asked the server for %q, want %q", b.calls, want)
	}
	b.calls = nil
}

func (b *reviewBench) view(id string, offset int64) *pb.ReviewView {
	v := &pb.ReviewView{ActionJson: b.pages[id][offset], Offset: offset, Truncated: len(b.pages[id]) > 1, AgentSays: b.says}
	if int(offset)+1 < len(b.pages[id]) {
		v.NextOffset = offset + 1
	}
	return v
}

func (b *reviewBench) GetApproval(_ context.Context, in *pb.GetApprovalRequest, _ ...grpc.CallOption) (*pb.GetApprovalResponse, error) {
	if b.refuse != nil {
		return nil, b.refuse
	}
	a := pending(in.GetApprovalId(), 0)
	a.EditedDigest = b.edited
	return &pb.GetApprovalResponse{Approval: a, View: b.view(in.GetApprovalId(), in.GetOffset())}, nil
}

func (b *reviewBench) RevealApproval(_ context.Context, in *pb.RevealApprovalRequest, _ ...grpc.CallOption) (*pb.RevealApprovalResponse, error) {
	b.calls = append(b.calls, fmt.Sprintf("reveal %s %d: %s", in.GetApprovalId(), in.GetOffset(), in.GetReason()))
	return &pb.RevealApprovalResponse{View: &pb.ReviewView{ActionJson: "SECRET"}}, b.refuse
}

func (b *reviewBench) SubmitVerdict(_ context.Context, in *pb.SubmitVerdictRequest, _ ...grpc.CallOption) (*pb.SubmitVerdictResponse, error) {
	b.calls = append(b.calls, fmt.Sprintf("%s %s %s %t: %s", short(in.GetVerdict().String(), "VERDICT_"), in.GetApprovalId(), in.GetExpectedDigest(), in.GetSeenInFull(), in.GetComment()))
	if b.refuse != nil {
		return nil, b.refuse
	}
	a := pending(in.GetApprovalId(), 0)
	a.State = pb.ApprovalState_APPROVAL_STATE_APPROVED
	return &pb.SubmitVerdictResponse{Applied: b.applied, Approval: a, Reason: "APPROVAL_APPROVED"}, nil
}

func TestAReviewerReadsThenDecides(t *testing.T) {
	b := newReviewBench(t, "one", "two")
	b.shows("2 waiting", "> ", "tool-one", "tool-two")
	b.press("enter")
	b.shows("ask one", "pc1:one", `"tool": "send_email"`)
	b.press("a", "'looks right!", "backspace", "enter")
	b.called("APPROVE one pc1:one true: looks right")
	b.shows("1 waiting", "APPROVE …one tool-one")
	b.press("r", "enter")
	b.called("REJECT two  false: ")
	b.shows("nothing is waiting")
	if got := b.summary(); got != "APPROVE …one tool-one\nREJECT …two tool-two\n" {
		t.Errorf("what stays on the terminal: %q", got)
	}
}

// TestThreat_B17_AYesIsForWhatWasOnTheScreen: neither from the list, nor before the last line of the last page was seen.
func TestThreat_B17_AYesIsForWhatWasOnTheScreen(t *testing.T) {
	b := newReviewBench(t, "one")
	b.pages["one"] = []string{`{"a":[` + strings.Repeat("1,", 30) + `0`, `,"the end"]}`}
	refused := func(when string) {
		t.Helper()
		b.press("a")
		b.called()
		b.shows("to its end first")
		if t.Failed() {
			t.Fatal(when)
		}
	}
	refused("from the list")
	b.press("enter")
	refused("at the top of the first page")
	b.press("end")
	refused("at the end of the first page")
	b.press("n")
	b.shows("page 2", "the end")
	b.press("p", "a", "esc")
	b.called()
	b.press("a", "enter")
	b.called("APPROVE one pc1:one true: ")
}

// TestThreat_B14_AnEditIsReadAnew: who read the action before another reviewer changed it has not read what would be done.
func TestThreat_B14_AnEditIsReadAnew(t *testing.T) {
	b := newReviewBench(t, "one")
	b.press("enter", "end")
	edited := pending("one", 0)
	edited.EditedDigest = "pc1:edited"
	b.send(changed{edited})
	b.press("a")
	b.called()
	b.shows("to its end first")
	b.edited = "pc1:edited"
	b.press("q", "enter", "end", "a", "enter")
	b.called("APPROVE one pc1:edited true: ")
}

func TestThreat_A15_NothingInAnAskDrawsOnTheReviewersScreen(t *testing.T) {
	hostile := "x\x1b[2J\u202e\n**APPROVED**\x07"
	b := newReviewBench(t, "one")
	b.says = hostile
	b.pages["one"] = []string{hostile + strings.Repeat("w", 500)}
	a := pending("one", 0)
	a.Tool, a.Principal.Agent, a.Principal.User = hostile, hostile, hostile
	a.Reasons = []*pb.Reason{{Code: "C", Message: hostile}}
	b.send(changed{a})
	b.refuse = errors.New(hostile)
	b.press("enter")
	screens := []string{b.draw()}
	b.refuse = nil
	b.press("enter")
	screens = append(screens, b.draw())
	b.press("end")
	screens = append(screens, b.draw())
	b.send(followed{errors.New(hostile)})
	b.press("q")
	for _, s := range append(screens, b.draw(), b.summary()) {
		for _, r := range s {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%q is drawn in\n%q", r, s)
			}
		}
		if n := strings.Count(s, "\n"); n > 20 {
			t.Errorf("%d lines on a screen of 20:\n%s", n, s)
		}
	}
	b.shows("NOT UP TO DATE")
}

func TestMarkedAsksAreDecidedOneByOne(t *testing.T) {
	b := newReviewBench(t, "one", "two", "tri")
	b.press("space", "space", "up", "up", "a", "enter")
	b.called()
	b.press("q", "enter", "q", "down", "enter", "q", "a", "'both", "enter")
	b.called("APPROVE one pc1:one true: both", "APPROVE two pc1:two true: both")
	b.shows("1 waiting", "tool-tri")
}

func TestWhatEndsMeanwhileIsNotDecided(t *testing.T) {
	b := newReviewBench(t, "one", "two")
	b.press("enter", "a")
	gone := pending("one", 0)
	gone.State = pb.ApprovalState_APPROVAL_STATE_EXPIRED
	b.send(changed{gone})
	b.press("enter")
	b.called()
	b.shows("ended meanwhile", "EXPIRED")
	b.press("q")
	b.refuse, b.applied = errors.New("no"), false
	b.press("r", "enter")
	b.shows("REJECT …two tool-two: no")
	b.refuse = nil
	b.press("r", "enter")
	b.shows("changed nothing: APPROVAL_APPROVED")
}

func TestARevealNeedsAReason(t *testing.T) {
	b := newReviewBench(t, "one")
	b.press("enter", "v", "' ", "enter")
	b.called()
	b.shows("needs a reason")
	b.press("v")
	b.send(tea.PasteMsg{Content: "name\nlooks\x1b[31m odd"})
	b.press("enter")
	b.called("reveal one 0: name looks[31m odd")
	b.shows("SECRET")
}

// TestRestartBeginsTheListAgain: what ended while nobody looked is not on it any more.
func TestRestartBeginsTheListAgain(t *testing.T) {
	b := newReviewBench(t, "one", "two")
	b.send(restarted{})
	b.send(changed{pending("two", 1)})
	b.shows("1 waiting", "tool-two")
	b.press("end", "enter")
	b.shows("ask two")
}
