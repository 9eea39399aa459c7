package portcullis.rules.exfiltration_test

import data.portcullis.rules.exfiltration

table(effect) := {"effects": [
	{"name": "exfiltration", "category": "exfiltration", "kinds": ["TOOL_CALL"], "effect": effect},
]}

given(category) := {
	"action": {"kind": "TOOL_CALL", "tool": "add"},
	"findings": [{"rule": "found", "category": category, "severity": "high"}],
}

codes(reasons) := {[r.code, r.findings] | some r in reasons}

test_a_table_may_deny[category] if {
	some category, code in {"exfiltration": "EXFILTRATION_SIGN"}
	reasons := exfiltration.deny with input as given(category) with data.tables.effects as table("deny")
	codes(reasons) == {[code, ["found"]]}
	none := exfiltration.ask with input as given(category) with data.tables.effects as table("deny")
	none == set()
}

test_a_table_may_ask[category] if {
	some category, code in {"exfiltration": "EXFILTRATION_SIGN"}
	reasons := exfiltration.ask with input as given(category) with data.tables.effects as table("ask")
	codes(reasons) == {[code, ["found"]]}
	none := exfiltration.deny with input as given(category) with data.tables.effects as table("ask")
	none == set()
}

test_a_table_may_allow[category] if {
	some category in ["exfiltration"]
	reasons := exfiltration.deny | exfiltration.ask with input as given(category) with data.tables.effects as table("allow")
	reasons == set()
}

test_other_findings_are_for_other_controls[effect] if {
	some effect in ["deny", "ask"]
	reasons := exfiltration.deny | exfiltration.ask with input as given("suspicion") with data.tables.effects as table(effect)
	reasons == set()
}

test_passed_whatever_was_found[category] if {
	some category in ["exfiltration", "suspicion"]
	exfiltration.passed with input as given(category) with data.tables.effects as table("deny")
}

test_not_passed_without_inspection if {
	not exfiltration.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "add"}} with data.tables.effects as table("deny")
}

test_not_passed_where_the_table_has_no_word[category] if {
	some category in ["exfiltration"]
	action := object.union(given(category), {"action": {"kind": "MESSAGE"}})
	not exfiltration.passed with input as action with data.tables.effects as table("deny")
}
