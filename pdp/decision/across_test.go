package decision

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-pdp/portcullis/pdp/policy"
)

// in is a request in a session of its own.
func in(session string, req Request) Request {
	req.Principal.Session = session
	return req
}

func TestThreat_D7_SecretSplitOverTwoCallsAtEveryOffset(t *testing.T) {
	r := newRoom(t)
	for at := 1; at < len(awsKey); at++ {
		session := fmt.Sprint("split ", at)
		r.want(Allow, "", in(session, search("the word is "+awsKey[:at])))
		resp := r.want(Deny, "CREDENTIAL_FOUND", in(session, search(awsKey[at:]+" and that is all")))
		if len(resp.Findings) != 1 || resp.Findings[0].Rule != "credential.aws-access-key" || resp.Findings[0].Pointer != "" || resp.Findings[0].Fingerprint == "" {
			t.Fatalf("split at %d: %v", at, resp.Findings)
		}
		r.want(Deny, "CREDENTIAL_FOUND", in(session, search(awsKey[at:]))) // as often as it is tried
		r.want(Allow, "", in(session, search("something else")))
	}
}

func TestThreat_D7_OtherWaysOfSplittingOverCalls(t *testing.T) {
	half, rest := awsKey[:9], awsKey[9:]
	two := func(first, second string) []Request {
		return []Request{call("demo-basic", "search", first), call("demo-basic", "search", second)}
	}
	var letters []Request
	for letter := range strings.SplitSeq(awsKey, "") {
		letters = append(letters, search(letter))
	}
	for name, reqs := range map[string][]Request{
		"letter by letter":       letters,
		"another argument":       two(`{"query": "`+half+`"}`, `{"note": "`+rest+`"}`),
		"with other values":      two(`{"lang": "en", "query": "`+half+`", "max": "10"}`, `{"lang": "en", "query": "`+rest+`", "max": "10"}`),
		"with something between": {search(half), call("demo-basic", "calculator", `{"sum": "2+2"}`), search(rest)},
		"base64, cut":            two(`{"query": "QUtJQUlPU0ZP"}`, `{"query": "RE5ON0VYQU1QTEU="}`),
		"in a list":              two(`{"query": ["tea", "`+half+`"]}`, `{"query": ["tea", "`+rest+`"]}`),
		"behind a long text":     two(`{"query": "`+strings.Repeat("tea or coffee ", 500)+half+`"}`, `{"query": "`+rest+strings.Repeat(" tea or coffee", 500)+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			for _, req := range reqs[:len(reqs)-1] {
				r.want(Allow, "", req)
			}
			r.want(Deny, "CREDENTIAL_FOUND", reqs[len(reqs)-1])
		})
	}
}

func TestThreat_D7_WhatDoesNotBelongTogetherIsLeftAlone(t *testing.T) {
	half, rest := awsKey[:9], awsKey[9:]
	for name, reqs := range map[string][]Request{
		"another session":    {search(half), in("s2", search(rest))},
		"a tool that stays":  {call("demo-basic", "read_file", `{"path": "/`+half+`"}`), search(rest)},
		"what was denied":    {search("x " + awsKey + " y " + half), search(rest)},
		"the other way":      {search(rest), search(half)},
		"words":              {search("tea " + half + " tea"), search(rest)},
		"an address, a word": {search("ann@example.com"), search("Lunch")},
	} {
		r := newRoom(t)
		var last Response
		for _, req := range reqs {
			last = r.decide(req)
		}
		if last.Effect != Allow {
			t.Errorf("%s: %s %v", name, last.Effect, codes(last.Reasons))
		}
	}
}

// A half that a person lets pass counts once it is sent, and not before.
func TestThreat_D7_AHalfThatAPersonAllowed(t *testing.T) {
	r := newRoom(t)
	first := call("demo-filtered", "send_email", `{"to": "ann@example.com", "body": "the word is `+awsKey[:9]+`"}`)
	second := call("demo-filtered", "send_email", `{"to": "ann@example.com", "body": "`+awsKey[9:]+`"}`)
	asked := r.decide(first)
	if resp := r.decide(second); resp.Effect != RequireApproval {
		t.Fatalf("before the first is sent: %s %v", resp.Effect, codes(resp.Reasons))
	}
	r.want(Allow, "", r.approve(first, asked))
	r.want(Deny, "CREDENTIAL_FOUND", second)
}

// What is split can't be taken out: the one half is gone.
func TestThreat_D17_WhatIsSplitOverCallsIsNotRedacted(t *testing.T) {
	r := newRoom(t, redacting("constant"))
	r.want(Allow, "", search("the word is "+awsKey[:9]))
	r.want(Deny, "REDACTION_FAILED", search(awsKey[9:]))
	// Of what is redacted, the rest is what was sent.
	r.effective(in("s2", search("see "+awsKey)))
	r.want(Allow, "", in("s2", search("more")))
}

func TestThreat_D7_NoHalfIsOnDisk(t *testing.T) {
	r := newRoom(t)
	r.want(Allow, "", search("canary7391zqx "+awsKey[:9]))
	resp := r.want(Deny, "CREDENTIAL_FOUND", search(awsKey[9:]))
	if i := slices.IndexFunc(resp.Reasons, func(x Reason) bool { return x.Code == "CREDENTIAL_FOUND" }); len(resp.Reasons[i].Findings) != 1 {
		t.Error("the reason does not say what was found")
	}
	r.close()
	err := filepath.WalkDir(r.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(name)
		if bytes.Contains(raw, []byte("canary7391zqx")) || bytes.Contains(raw, []byte(awsKey[:9])) {
			t.Errorf("%s holds what was sent", d.Name())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestExternalIsWhatRegoTakesItFor(t *testing.T) {
	tables := builtInSnapshot().Tables
	for tool, want := range map[string]bool{"search": true, "read_file": false, "calculator": false, "no such tool": true} {
		if tables.External(tool) != want {
			t.Errorf("%s: external %t", tool, !want)
		}
	}
	var none policy.Tables
	if !none.External("read_file") {
		t.Error("without a table a tool stays")
	}
}
