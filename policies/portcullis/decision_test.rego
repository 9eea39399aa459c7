package portcullis.decision_test

import data.portcullis

tables := {
	"controls": {"controls": [
		{"control": "first", "kinds": ["TOOL_CALL", "MESSAGE"]},
		{"control": "second", "kinds": ["TOOL_CALL"]},
	]},
}

action(kind) := {"action": {"kind": kind, "tool": "add"}, "approval": {"state": "none"}}

call := action("TOOL_CALL")

approved := object.union(call, {"approval": {"state": "approved"}})

because(code) := {"code": code, "rule": "x.y", "severity": "low", "message": "m", "findings": []}

silent := {"deny": set(), "ask": set(), "passed": true}

denying := {"deny": {because("NO")}, "ask": set(), "passed": true}

asking := {"deny": set(), "ask": {because("MAYBE")}, "passed": true}

decide(rules, action) := d if {
	d := portcullis.decision with input as action with data.tables as tables with data.portcullis.rules as rules
}

codes(d) := [r.code | some r in d.reasons]

test_allow_is_proved_by_every_control if {
	d := decide({"first": silent, "second": silent}, call)
	d.effect == "allow"
	d.reasons == []
	d.passed == ["first", "second"]
	d.obligations == []
}

test_deny_wins_over_ask if {
	d := decide({"first": asking, "second": denying}, call)
	d.effect == "deny"
	{r.effect | some r in d.reasons} == {"deny", "ask"}
}

test_ask_wins_over_allow if {
	d := decide({"first": asking, "second": silent}, call)
	d.effect == "require_approval"
	d.reasons == [object.union(because("MAYBE"), {"effect": "ask"})]
}

test_an_approval_settles_asks if {
	d := decide({"first": asking, "second": silent}, approved)
	d.effect == "allow"
	d.reasons == []
}

test_an_approval_lifts_no_deny if {
	d := decide({"first": asking, "second": denying}, approved)
	d.effect == "deny"
	codes(d) == ["NO"]
}

test_only_the_state_approved_settles[state] if {
	some state in ["none", "", "APPROVED", "pending"]
	d := decide({"first": asking, "second": silent}, object.union(call, {"approval": {"state": state}}))
	d.effect == "require_approval"
}

test_no_word_of_an_approval_is_no_approval if {
	decide({"first": asking, "second": silent}, {"action": call.action}).effect == "require_approval"
}

test_a_missing_control_denies if {
	d := decide({"first": silent}, call)
	d.effect == "deny"
	d.reasons[0].effect == "deny"
	codes(d) == ["CONTROL_SILENT"]
	d.reasons[0].message == "The control second gave no answer about this action, so it is denied."
	d.passed == ["first"]
}

test_a_control_that_did_not_pass_denies[why] if {
	some why, rules in {
		"no passed": {"deny": set(), "ask": set()},
		"false": object.union(silent, {"passed": false}),
		"not a boolean": object.union(silent, {"passed": "true"}),
	}
	d := decide({"first": silent, "second": rules}, call)
	codes(d) == ["CONTROL_SILENT"]
}

test_a_missing_control_denies_an_approved_action if {
	decide({"first": silent}, approved).effect == "deny"
}

test_a_control_counts_only_for_its_kinds if {
	duty := {"id": "keep", "type": "log", "properties": {}}
	every second in [denying, asking, object.union(silent, {"obligation": {duty}})] {
		d := decide({"first": silent, "second": second}, action("MESSAGE"))
		d.effect == "allow"
		d.passed == ["first"]
		d.obligations == []
	}
}

test_an_unknown_kind_denies if {
	d := decide({"first": silent, "second": silent}, action("TELEPATHY"))
	codes(d) == ["KIND_UNKNOWN"]
	d.reasons[0].effect == "deny"
	d.effect == "deny"
}

test_a_package_that_no_table_names_counts_at_once if {
	decide({"first": silent, "second": silent, "third": denying}, call).effect == "deny"
	decide({"first": silent, "second": silent, "third": asking}, call).effect == "require_approval"
	decide({"first": silent, "second": silent, "third": {"deny": set()}}, call).effect == "allow"
}

test_a_row_without_kinds_is_for_every_kind[kinds] if {
	some kinds in [{}, {"kinds": "TOOL_CALL"}, {"kind": ["MESSAGE"]}]
	row := object.union({"control": "first"}, kinds)
	d := portcullis.decision with input as action("MESSAGE")
		with data.tables as object.union(tables, {"controls": {"controls": [row]}})
		with data.portcullis.rules as {}
	codes(d) == ["CONTROL_SILENT"]
}

test_a_verdict_in_the_wrong_shape_denies[wrong] if {
	some wrong in [
		{"deny": true, "passed": true},
		{"deny": "no", "passed": true},
		{"deny": set(), "ask": true, "passed": true},
	]
	d := decide({"first": silent, "second": silent, "third": wrong}, call)
	d.effect == "deny"
	["CONTROL_MALFORMED", "deny"] in [[r.code, r.effect] | some r in d.reasons]
}

test_obligations_are_handed_on if {
	duty := {"id": "keep", "type": "log", "properties": {}}
	rules := {"first": object.union(silent, {"obligation": {duty}}), "second": silent}
	decide(rules, call).obligations == [duty]
	decide(object.union(rules, {"first": {"obligation": set()}}), call).obligations == []
}
