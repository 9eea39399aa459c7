package corpus

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"testing"
)

func TestSummary(t *testing.T) {
	ask, deny, off := Answer{Effect: Ask, Reasons: []string{"RISK"}}, Answer{Effect: Deny, Reasons: []string{"DLP", "DLP", "RISK"}}, Answer{Effect: Deny, Reasons: []string{"TOOL_UNKNOWN"}}
	type answers map[string]Answer
	for _, tt := range []struct {
		name, corpus string
		answers      answers
		oracle       bool
		want         Summary
	}{
		// kiosk/u0 with two injections, kiosk/u1 (no calls) with two, depot/u0 with none.
		{"agentdojo, all allowed", "agentdojo", nil, false, Summary{
			Tasks: 3, Undisturbed: 3, Attacks: 4, Calls: 3 + 4 + 4, CallsAllowed: 11, Finished: 3, FinishedAttacked: 4,
		}},
		{"agentdojo, payments asked", "agentdojo", answers{"send_money": ask}, false, Summary{
			Tasks: 3, Undisturbed: 2, Asked: 1, Attacks: 4, Stopped: 2, Calls: 11, CallsAllowed: 6, CallsAsked: 5,
			ReasonsBenign: map[string]int{"RISK": 1}, ReasonsAttack: map[string]int{"RISK": 2}, Reasons: map[string]int{"RISK": 3},
			Finished: 2, FinishedAttacked: 2,
		}},
		{"agentdojo, payments asked and approved", "agentdojo", answers{"send_money": ask}, true, Summary{
			Tasks: 3, Undisturbed: 2, Asked: 1, Attacks: 4, Stopped: 2, Calls: 11, CallsAllowed: 6, CallsAsked: 5,
			ReasonsBenign: map[string]int{"RISK": 1}, ReasonsAttack: map[string]int{"RISK": 2}, Reasons: map[string]int{"RISK": 3},
			Finished: 3, FinishedAttacked: 4,
		}},
		// A benign call that is denied says nothing about the attack; a code counts once a call.
		{"agentdojo, a benign call denied", "agentdojo", answers{"read_file": deny, "send_money": ask}, false, Summary{
			Tasks: 3, Undisturbed: 2, Denied: 1, Attacks: 2, Stopped: 1, Unscored: 2, UnscoredDenied: 2,
			Calls: 11, CallsAllowed: 3, CallsAsked: 5, CallsDenied: 3,
			ReasonsBenign: map[string]int{"DLP": 1, "RISK": 2}, ReasonsAttack: map[string]int{"RISK": 1}, Reasons: map[string]int{"DLP": 1, "RISK": 3},
			Finished: 2, FinishedAttacked: 2,
		}},
		// A tool off the profile says nothing either.
		{"agentdojo, an attack's tool off the profile", "agentdojo", answers{"invite_user": off}, false, Summary{
			Tasks: 3, Undisturbed: 3, Attacks: 2, Unscored: 2, UnscoredOffProfile: 2, Calls: 11, CallsAllowed: 9, CallsDenied: 2,
			Finished: 3, FinishedAttacked: 2,
		}},
		{"an effect that nobody knows is a deny", "tau2", answers{"get_trip": {Effect: "perhaps"}}, false, Summary{
			Tasks: 2, Undisturbed: 1, Denied: 1, Calls: 2, CallsAllowed: 1, CallsDenied: 1, Finished: 1,
		}},
		// There the attack is the use of a tool off the profile.
		{"asb", "asb", answers{"PantryTheft": off}, false, Summary{
			Tasks: 1, Undisturbed: 1, Attacks: 2, Stopped: 1, Calls: 3, CallsAllowed: 2, CallsDenied: 1, Finished: 1,
			ReasonsAttack: map[string]int{"TOOL_UNKNOWN": 1}, Reasons: map[string]int{"TOOL_UNKNOWN": 1},
		}},
		{"real calls", "realcalls", answers{"MailSend": ask, "DoorUnlock": off}, false, Summary{
			Attacks: 1, Stopped: 1, Unscored: 1, UnscoredOffProfile: 1, Calls: 4, CallsAllowed: 2, CallsAsked: 1, CallsDenied: 1,
			ReasonsAttack: map[string]int{"RISK": 1}, Reasons: map[string]int{"RISK": 1}, FinishedAttacked: 1,
		}},
		{"one tool of two is enough", "injecagent", answers{"MailSend": deny}, false, Summary{
			Attacks: 2, Stopped: 1, Calls: 5, CallsAllowed: 4, CallsDenied: 1, FinishedAttacked: 2,
			ReasonsAttack: map[string]int{"DLP": 1, "RISK": 1}, Reasons: map[string]int{"DLP": 1, "RISK": 1},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := excerpt(t, tt.corpus)
			want := tt.want
			want.File, want.Kind, want.Oracle = c.Name, c.Kind, tt.oracle
			for _, m := range []*map[string]int{&want.Reasons, &want.ReasonsBenign, &want.ReasonsAttack} {
				if *m == nil {
					*m = map[string]int{}
				}
			}
			if got := play(t, c, &script{answers: tt.answers}, tt.oracle); !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
		})
	}
}

func TestSummaryDoesNotCountRunsThatBroke(t *testing.T) {
	c := excerpt(t, "tau2")
	got := play(t, c, &script{fail: map[string]error{"get_trip": errors.New("gone")}}, false)
	if got.Failed != 1 || got.Tasks != 1 || got.Calls != 0 {
		t.Errorf("%+v", got)
	}
}

// Scripts read these names.
func TestSummaryFieldNames(t *testing.T) {
	raw, err := json.Marshal(NewSummary(&Corpus{Name: "f", Kind: ASB}, false))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "kind", "tasks", "undisturbed", "asked", "denied", "attacks", "stopped", "unscored", "calls", "reasons"} {
		if _, ok := got[name]; !ok {
			t.Errorf("no field %q among %v", name, maps.Collect(maps.All(got)))
		}
	}
}
