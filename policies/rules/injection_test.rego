package portcullis.rules.injection_test

import data.portcullis.rules.injection

table(effect) := {"effects": [
	{"name": "injection", "category": "injection", "kinds": ["TOOL_CALL"], "effect": effect},
	{"name": "evasion", "category": "evasion", "kinds": ["TOOL_CALL"], "effect": effect},
]}

given(category) := {
	"action": {"kind": "TOOL_CALL", "tool": "add"},
	"findings": [{"rule": "found", "category": category, "severity": "high"}],
}

codes(reasons) := {[r.code, r.findings] | some r in reasons}

test_a_table_may_deny[category] if {
	some category, code in {"injection": "INJECTION_FOUND", "evasion": "EVASION_FOUND"}
	reasons := injection.deny with input as given(category) with data.tables.effects as table("deny")
	codes(reasons) == {[code, ["found"]]}
	none := injection.ask with input as given(category) with data.tables.effects as table("deny")
	none == set()
}

test_a_table_may_ask[category] if {
	some category, code in {"injection": "INJECTION_FOUND", "evasion": "EVASION_FOUND"}
	reasons := injection.ask with input as given(category) with data.tables.effects as table("ask")
	codes(reasons) == {[code, ["found"]]}
	none := injection.deny with input as given(category) with data.tables.effects as table("ask")
	none == set()
}

test_a_table_may_allow[category] if {
	some category in ["injection", "evasion"]
	reasons := injection.deny | injection.ask with input as given(category) with data.tables.effects as table("allow")
	reasons == set()
}

test_other_findings_are_for_other_controls[effect] if {
	some effect in ["deny", "ask"]
	reasons := injection.deny | injection.ask with input as given("suspicion") with data.tables.effects as table(effect)
	reasons == set()
}

test_passed_whatever_was_found[category] if {
	some category in ["injection", "evasion", "suspicion"]
	injection.passed with input as given(category) with data.tables.effects as table("deny")
}

test_not_passed_without_inspection if {
	not injection.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "add"}} with data.tables.effects as table("deny")
}

test_not_passed_where_the_table_has_no_word[category] if {
	some category in ["injection", "evasion"]
	action := object.union(given(category), {"action": {"kind": "MESSAGE"}})
	not injection.passed with input as action with data.tables.effects as table("deny")
}
