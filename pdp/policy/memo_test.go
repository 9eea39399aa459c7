package policy

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	policyv1 "github.com/portcullis-pdp/portcullis/gen/go/portcullis/policy/v1"
)

// leaves visits every scalar field of a message and of those below it, with its path and one place where it can be
// changed. Lists get one element.
func leaves(m protoreflect.Message, path []string, visit func(path []string, set func(protoreflect.Value), old protoreflect.Value, kind protoreflect.Kind)) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field == argumentsField {
			continue
		}
		at := append(slices.Clone(path), string(field.Name()))
		message := field.Kind() == protoreflect.MessageKind
		switch {
		case field.IsList() && message:
			list := m.Mutable(field).List()
			if list.Len() == 0 {
				list.AppendMutable()
			}
			leaves(list.Get(0).Message(), append(at, "*"), visit)
		case field.IsList():
			list := m.Mutable(field).List()
			if list.Len() == 0 {
				list.Append(list.NewElement())
			}
			visit(append(at, "*"), func(v protoreflect.Value) { list.Set(0, v) }, list.Get(0), field.Kind())
		case message:
			leaves(m.Mutable(field).Message(), at, visit)
		default:
			visit(at, func(v protoreflect.Value) { m.Set(field, v) }, m.Get(field), field.Kind())
		}
	}
}

func another(old protoreflect.Value, kind protoreflect.Kind) protoreflect.Value {
	switch kind {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(old.String() + "x")
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(!old.Bool())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(old.Int()) + 1)
	default:
		return protoreflect.ValueOfInt64(old.Int() + 1)
	}
}

// checkProjection changes every field of an input, one at a time: the key must change with those that the policy can
// read, and with no other.
func checkProjection(t *testing.T, s *Snapshot, isRead func(path []string) bool) {
	t.Helper()
	in := &policyv1.Input{}
	leaves(in.ProtoReflect(), nil, func([]string, func(protoreflect.Value), protoreflect.Value, protoreflect.Kind) {}) // fills in lists
	before := s.paths.key(s.generation, in)
	n := 0
	leaves(in.ProtoReflect(), nil, func(path []string, set func(protoreflect.Value), old protoreflect.Value, kind protoreflect.Kind) {
		n++
		set(another(old, kind))
		changed := !bytes.Equal(s.paths.key(s.generation, in), before)
		set(old)
		if want := isRead(path); changed != want {
			t.Errorf("input.%s: in the key: %v; read by the policy: %v", strings.Join(path, "."), changed, want)
		}
	})
	if n < 60 {
		t.Fatalf("only %d fields were tried", n)
	}
}

func TestTheKeyHoldsWhatThePolicyReadsAndNoMore(t *testing.T) {
	rule := func(text string) func(*testing.T) *Snapshot {
		return func(t *testing.T) *Snapshot {
			t.Helper()
			b := small(t)
			b.Modules["rules/more.rego"] = "package portcullis.rules.more\n\n" + text + "\n"
			b.Modules["rules/known.rego"] = smallKnown + "\ndeny contains r if some r in data.portcullis.rules.more.deny\n"
			return load(t, b)
		}
	}
	for name, tc := range map[string]struct {
		make func(*testing.T) *Snapshot
		more []string // beside kind and tool, which the small bundle reads
	}{
		"no more":                     {rule(`deny contains "x" if false`), nil},
		"a field":                     {rule(`deny contains "x" if input.principal.user == "u"`), []string{"principal.user"}},
		"a field of a list":           {rule(`deny contains "x" if input.limits[_].exceeded`), []string{"limits.*.exceeded"}},
		"by index":                    {rule(`deny contains "x" if input.limits[0].exceeded`), []string{"limits.*.exceeded"}},
		"in a comprehension":          {rule(`deny contains "x" if count([1 | some l in input.limits; l.exceeded]) > 1`), []string{"limits"}},
		"in a function":               {rule("deny contains \"x\" if f(input.now)\n\nf(n) if n.ns > 1"), []string{"now"}},
		"by another name":             {rule(`deny contains "x" if { n := input.now; n.ns > 1 }`), []string{"now"}},
		"a list of texts":             {rule(`deny contains "x" if "a" in input.degraded`), []string{"degraded"}},
		"a list of texts, by element": {rule(`deny contains "x" if input.degraded[_] == "a"`), []string{"degraded"}},
		"by a computed key":           {rule(`deny contains "x" if { some k in ["user", "agent"]; input.principal[k] == "u" }`), []string{"principal"}},
		"by walking":                  {rule(`deny contains "x" if { walk(input.approval, [_, v]); v == "u" }`), []string{"approval"}},
		"by object.get":               {rule(`deny contains "x" if object.get(input.breakers[0], "state", "") == "u"`), []string{"breakers"}},
		"in a key":                    {rule(`deny contains "x" if data.tables.memory[input.action.server] == 1`), []string{"action.server"}},
		"in a negation":               {rule(`deny contains "x" if { input.action.tool == "u"; not input.session.ended }`), []string{"session.ended"}},
		"in every":                    {rule(`deny contains "x" if every l in input.limits { l.exceeded }`), []string{"limits"}},
		"in a default":                {rule("deny contains \"x\" if f == 1\n\ndefault f := 2\n\nf := 1 if input.action.in_reply_to_known"), []string{"action.in_reply_to_known"}},
		"in the head":                 {rule(`deny contains input.action.digest if true`), []string{"action.digest"}},
		"in else":                     {rule("deny contains \"x\" if f == 1\n\nf := 2 if false\n\nelse := 1 if input.now.ns == 1"), []string{"now.ns"}},
		"in a template":               {rule(`deny contains sprintf("%v", [input.now.time]) if true`), []string{"now.time"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := tc.make(t)
			if s.readsArgs {
				t.Fatal("taken to read the arguments")
			}
			read := append([]string{"action.kind", "action.tool"}, tc.more...)
			checkProjection(t, s, func(path []string) bool {
				at := strings.Join(path, ".")
				return slices.ContainsFunc(read, func(r string) bool { return at == r || strings.HasPrefix(at, r+".") })
			})
		})
	}
}

func TestAPolicyThatReadsArgumentsIsNotRemembered(t *testing.T) {
	for _, text := range []string{
		`deny contains "x" if input.action.arguments.to == "u"`,
		`deny contains "x" if { a := input.action; a.arguments.to == "u" }`,
		`deny contains "x" if { i := input; i.action.arguments.to == "u" }`,
		`deny contains "x" if { walk(input, [_, v]); v == "u" }`,
		`deny contains "x" if { some k in ["arguments"]; input.action[k].to == "u" }`,
		`deny contains "x" if object.get(input, ["action", "arguments", "to"], "") == "u"`,
	} {
		t.Run(text, func(t *testing.T) {
			b := small(t)
			b.Modules["rules/known.rego"] = smallKnown + "\n" + text + "\n"
			s, e := load(t, b), evaluator(t, 100)
			for _, tc := range []struct{ to, want string }{{"v", "allow"}, {"u", "deny"}, {"v", "allow"}} {
				in := call("add")
				in.Arguments = map[string]any{"to": tc.to}
				got, err := e.Evaluate(t.Context(), s, in)
				e.memoWait()
				if err != nil || got.GetEffect() != tc.want {
					t.Fatalf("to %s: %v, %v; want %s", tc.to, got.GetEffect(), err, tc.want)
				}
			}
		})
	}
}

// Where a policy starts to read one of these, nearly no two decisions share an answer any more, and what is logged no
// longer replays: see docs/policies.md. Read a boolean of the engine instead (`limits[_].exceeded`, `degraded`).
var neverInTheDefaultPolicies = []string{
	"now", "action.arguments", "action.digest", "limits.*.used", "limits.*.remaining", "limits.*.resets_at",
	"breakers.*.failures", "breakers.*.retry_at", "session.started_at", "session.repeats", "session.cycle",
	"principal.session", "principal.run", "principal.user",
}

func TestTheDefaultPoliciesReadNothingThatChangesWithEveryCall(t *testing.T) {
	s := builtIn()
	if s.readsArgs {
		t.Error("a default policy reads input.action.arguments: no decision is remembered any more, and none replays from the log")
	}
	in := &policyv1.Input{}
	nothing := func([]string, func(protoreflect.Value), protoreflect.Value, protoreflect.Kind) {}
	leaves(in.ProtoReflect(), nil, nothing)
	before := s.paths.key(s.generation, in)
	var read []string
	leaves(in.ProtoReflect(), nil, func(path []string, set func(protoreflect.Value), old protoreflect.Value, kind protoreflect.Kind) {
		set(another(old, kind))
		if !bytes.Equal(s.paths.key(s.generation, in), before) {
			read = append(read, strings.Join(path, "."))
		}
		set(old)
	})
	for _, path := range read {
		for _, never := range neverInTheDefaultPolicies {
			if path == never || strings.HasPrefix(path, never+".") {
				t.Errorf("a default policy reads input.%s, which is another for nearly every call, so that no answer is remembered", path)
			}
		}
	}
	if !slices.Equal(read, defaultReads) {
		t.Errorf("the default policies read\n\t%q\nand this test knows\n\t%q\nIf that is meant, and no new field changes with every call, write it down here", read, defaultReads)
	}
}

func TestOnlyTheSameSnapshotSharesAnswers(t *testing.T) {
	e := evaluator(t, 1000)
	one, two := load(t, small(t)), load(t, small(t)) // the same revision, loaded twice
	lax := small(t)
	lax.table("tools")["tools"] = []any{
		map[string]any{"tool": "other", "risk": "LOW", "external": false}, map[string]any{"tool": "add", "risk": "LOW", "external": false},
	}
	three := load(t, lax)
	ask := func(s *Snapshot, tool, want string) {
		t.Helper()
		got, err := e.Evaluate(t.Context(), s, call(tool))
		if err != nil || got.GetEffect() != want {
			t.Fatalf("%v, %v; want %s", got, err, want)
		}
		e.memoWait()
	}
	hits := func() uint64 { h, _ := e.MemoStats(); return h }
	ask(one, "other", "deny")
	ask(one, "other", "deny")
	if hits() != 1 {
		t.Fatalf("%d hits after the same question twice; want 1", hits())
	}
	ask(two, "other", "deny")
	ask(three, "other", "allow")
	if hits() != 1 {
		t.Fatalf("%d hits: another snapshot's answer was taken", hits())
	}
}

func TestWhatDiffersOnlyInAnUnreadFieldSharesTheAnswer(t *testing.T) {
	e, s := evaluator(t, 1000), builtIn()
	answers := map[*policyv1.Decision]bool{}
	for i := range int64(20) {
		in := call("calculator")
		in.Now.Ns, in.Action.Digest, in.Principal.Session = i, strings.Repeat("d", int(i)), strings.Repeat("s", int(i))
		in.Limits[0].Used, in.Limits[0].Remaining = i, 5-i
		got, err := e.Evaluate(t.Context(), s, in)
		if err != nil {
			t.Fatal(err)
		}
		e.memoWait()
		answers[got] = true
	}
	if hits, misses := e.MemoStats(); len(answers) != 1 || hits != 19 || misses != 1 {
		t.Fatalf("%d answers, %d hits, %d misses; want 1, 19, 1", len(answers), hits, misses)
	}
}

func TestALargeInputIsNotRemembered(t *testing.T) {
	e, s := evaluator(t, 1000), load(t, small(t))
	for range 3 {
		if _, err := e.Evaluate(t.Context(), s, call(strings.Repeat("x", maxKeyBytes))); err != nil {
			t.Fatal(err)
		}
		e.memoWait()
	}
	if hits, _ := e.MemoStats(); hits != 0 {
		t.Fatalf("%d hits", hits)
	}
}

// inputs draws an input of few different values, most of them harmless, so that decisions of every kind come up.
func inputs(r *rapid.T) Input {
	seldom := func(label string) bool { return rapid.IntRange(0, 59).Draw(r, label) == 0 }
	mostly := func(label, usual string, others ...string) string {
		if !seldom(label + "?") {
			return usual
		}
		return rapid.SampledFrom(others).Draw(r, label)
	}
	in := call(rapid.SampledFrom([]string{"calculator", "search", "send_email", "send_email", "shell_command", "nope"}).Draw(r, "tool"))
	in.Principal.Profile = mostly("profile", "filtered", "basic", "airgapped", "none")
	in.Action.Kind = mostly("kind", "TOOL_CALL", "TOOL_RESULT", "MODEL_OUTPUT", "MEMORY_WRITE", "MEMORY_READ", "MEMORY_DELETE", "MESSAGE", "HTTP_REQUEST", "?")
	in.Action.Memory.Seal = mostly("seal", "none", "valid", "invalid", "expired")
	in.Action.InReplyToKnown, in.Session.Ended = seldom("known"), seldom("ended")
	in.Action.Estimate.Tokens = rapid.SampledFrom([]int64{0, 0, 0, 7999, 8001}).Draw(r, "tokens")
	in.Action.Sinks = mostly("sinks", "none", "proven", "unproven", "tainted", "")
	in.Action.Role = &policyv1.ToolRole{Source: "name", Writes: rapid.Bool().Draw(r, "writes"), Fetches: seldom("fetches")}
	in.Action.Role.Irreversible, in.Action.Role.External, in.Action.Role.Description = seldom("irreversible"), rapid.Bool().Draw(r, "external"), mostly("description", "undescribed", "changed", "mismatched", "?")
	in.Action.Steering = mostly("steering", "none", "own", "tainted", "")
	in.Session.Surprise = &policyv1.Surprise{Level: mostly("surprise", "usual", "unusual", "rare", "unknown", "?")}
	in.Principal.Trust = mostly("trust", "low", "medium", "high", "")
	in.Session.Private, in.Session.Untrusted = seldom("private"), seldom("untrusted")
	in.Action.Price = mostly("price", "none", "known", "stated", "unknown", "unnamed", "?")
	in.Session.RepeatsLevel, in.Session.CycleLevel = mostly("repeats", "none", "warn", "ask", "deny"), mostly("cycle", "none", "warn", "ask", "deny")
	in.Session.MemoryItems = rapid.SampledFrom([]int64{0, 99, 100}).Draw(r, "items")
	in.Approval.State = rapid.SampledFrom([]string{"none", "none", "approved"}).Draw(r, "approval")
	in.Breakers[0].State, in.Breakers[0].Probe = mostly("breaker", "closed", "open", "half_open"), seldom("probe")
	in.Limits = nil
	for _, d := range builtIn().Tables.Limits {
		if seldom("not counted") {
			continue
		}
		in.Limits = append(in.Limits, &policyv1.Limit{
			Name: d.Name, OnExceed: string(d.OnExceed), Exceeded: seldom("exceeded"), Used: rapid.Int64().Draw(r, "used"),
		})
	}
	if seldom("finding") {
		in.Findings = append(in.Findings, &policyv1.Finding{
			Rule:     mostly("rule", "a.b", "c.d"),
			Category: rapid.SampledFrom([]string{"credential", "personal", "exfiltration", "injection", "evasion", "suspicion", "?"}).Draw(r, "category"),
			Severity: rapid.SampledFrom([]string{"low", "medium", "high", "critical", "?"}).Draw(r, "severity"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(r, "facts") {
		in.Facts = append(in.Facts, &policyv1.Fact{
			Type: rapid.SampledFrom([]string{"url", "path", "command", "tool_name"}).Draw(r, "type"), Class: mostly("class", "", "public", "metadata", "secret", "plain"),
			Flags: rapid.SliceOfN(rapid.SampledFrom([]string{"wrapper", "near_miss", "userinfo", "pipe", "port", "port"}), 0, 1).Draw(r, "flags"),
		})
	}
	in.Degraded = []string{mostly("degraded", "no_user_request", "scan_incomplete", "unscanned", "?")}
	return in
}

// TestProveTheMemoChangesNothing holds the memo to plain evaluation (I3, I11).
func TestProveTheMemoChangesNothing(t *testing.T) {
	s, with, without := builtIn(), evaluator(t, 200_000), evaluator(t, 0) // room for all: ristretto refuses newcomers when it is full
	effects := map[string]int{}
	for range proof(500, 20_000) / 100 {
		rapid.Check(t, func(r *rapid.T) {
			in := inputs(r)
			want, wantErr := without.Evaluate(t.Context(), s, in)
			for range 2 { // the second time it may be remembered
				got, err := with.Evaluate(t.Context(), s, in)
				if failure(err) != failure(wantErr) || !proto.Equal(got, want) {
					r.Fatalf("%v, %v; want %v, %v", got, err, want, wantErr)
				}
				effects[got.GetEffect()]++
				with.memoWait()
			}
		})
	}
	hits, misses := with.MemoStats()
	if hits < misses/2 || effects["allow"] == 0 || effects["deny"] == 0 || effects["require_approval"] == 0 {
		t.Fatalf("%d hits, %d misses, %v: the test does not try enough", hits, misses, effects)
	}
}

// A vote is remembered, and by no other: whatever the approver policy can read is in its key.
func TestVotesAreRemembered(t *testing.T) {
	ballot := func() *policyv1.Input {
		return &policyv1.Input{
			Principal: &policyv1.Principal{Tenant: "t", Agent: "a", Session: "s1", Profile: "p"},
			Action:    &policyv1.Action{Kind: "tool_call", Tool: "send_email", Digest: "pc1:aa", Estimate: &policyv1.Usage{}},
			Review: &policyv1.Review{
				RequestedBy: "gateway", RequestedByPerson: "gina", Owner: "olaf", Verdict: "approve", ElapsedSeconds: 5, Amount: 7,
				Reasons: []*policyv1.Reason{{Code: "X", Rule: "risk.high"}},
				Stages:  []*policyv1.Stage{{Quorum: 1}, {AfterSeconds: 60, Groups: []string{"second"}}},
				Voter:   &policyv1.Voter{Person: "ann", Subject: "ann-key", Roles: []string{"approver"}, Groups: []string{"first"}, Tenant: "t"},
			},
		}
	}
	e, s := evaluator(t, 1000), builtIn()
	vote := func(in *policyv1.Input) *policyv1.VoteRuling {
		t.Helper()
		got, err := e.Vote(t.Context(), s, in)
		want, wantErr := s.Vote(t.Context(), in)
		if err != nil || wantErr != nil || !proto.Equal(got, want) {
			t.Fatalf("%v, %v; want %v, %v", got, err, want, wantErr)
		}
		e.memoWait()
		return got
	}
	first := vote(ballot())
	if !first.GetMayVote() {
		t.Fatal("ann may not vote")
	}
	for what, change := range map[string]func(*policyv1.Input){
		"nothing":         func(*policyv1.Input) {},
		"the session":     func(in *policyv1.Input) { in.Principal.Session = "s2" },
		"the very action": func(in *policyv1.Input) { in.Action.Digest = "pc1:bb" },
	} {
		in := ballot()
		change(in)
		if vote(in) != first {
			t.Errorf("another %s: not remembered", what)
		}
	}
	if in := ballot(); true {
		in.Review.Voter.Roles = []string{"auditor"}
		if vote(in).GetMayVote() {
			t.Error("an auditor may vote")
		}
		in.Review.Voter = ballot().GetReview().GetVoter()
		in.Review.Owner = "ann"
		if vote(in).GetMayVote() {
			t.Error("who runs the agent may vote")
		}
	}
	// Every field of the review that any rule of the approver policy reads, and perhaps others.
	in := ballot()
	before := s.voteKey(in)
	n := 0
	leaves(in.Review.ProtoReflect(), nil, func(path []string, set func(protoreflect.Value), old protoreflect.Value, kind protoreflect.Kind) {
		set(another(old, kind))
		read := slices.ContainsFunc(reviewReads, func(p string) bool { return p == strings.Join(path, ".") })
		if read && bytes.Equal(s.voteKey(in), before) {
			t.Errorf("input.review.%s is read by the policy and not in the key", strings.Join(path, "."))
		}
		set(old)
		if read {
			n++
		}
	})
	if n != len(reviewReads) {
		t.Errorf("only %d fields were tried", n)
	}
	if one, two := load(t, small(t)), load(t, small(t)); bytes.Equal(one.voteKey(in), two.voteKey(in)) {
		t.Error("two snapshots of one revision share a key")
	}
}

// reviewReads are the fields of `input.review` that the default approver policy reads.
var reviewReads = []string{
	"reasons.*.rule", "requested_by", "requested_by_person", "owner", "amount", "amount_unclear", "elapsed_seconds", "verdict",
	"stages.*.after_seconds", "stages.*.groups.*", "stages.*.roles.*", "voter.person", "voter.roles.*", "voter.groups.*",
}

// defaultReads are the fields of `input` that the default policies read.
var defaultReads = []string{
	"principal.tenant", "principal.profile", "principal.trust",
	"action.kind", "action.tool", "action.arguments_bytes", "action.estimate.tokens", "action.memory.item_characters", "action.memory.seal", "action.memory.untrusted", "action.memory.instructs", "action.in_reply_to_known", "action.price",
	"action.role.writes", "action.role.fetches", "action.role.irreversible", "action.role.external", "action.role.description", "action.sinks", "action.steering",
	"facts.*.pointer", "facts.*.type", "facts.*.class", "facts.*.host", "facts.*.scheme", "facts.*.flags.*", "facts.*.programs.*", "facts.*.near_miss_of",
	"views.*.pointer", "views.*.chain", "views.*.text", // only policy tests have any
	"findings.*.rule", "findings.*.category", "findings.*.severity", "findings.*.confidence", "findings.*.pointer", "findings.*.count", "findings.*.fingerprint",
	"provenance.*.pointer", "provenance.*.sink", "provenance.*.origins.*",
	"session.labels.*", "session.memory_items", "session.ended", "session.repeats_level", "session.cycle_level", "session.surprise.level", "session.surprise.because.*", "session.untrusted", "session.private",
	"limits.*.name", "limits.*.exceeded", "limits.*.on_exceed",
	"breakers.*.name", "breakers.*.state", "breakers.*.probe",
	"approval.state",
	"degraded.*",
}
