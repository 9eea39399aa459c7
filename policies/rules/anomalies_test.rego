package portcullis.rules.anomalies_test

import data.portcullis.rules.anomalies

table(effect) := {"anomalies": [{"name": "rate", "scope": ["session"], "effect": effect}]}

given(exceeded) := {
	"action": {"kind": "TOOL_CALL", "tool": "add"},
	"limits": [{"name": "rate", "exceeded": exceeded, "on_exceed": "alert"}],
}

test_an_alert_only_alerts if {
	count(anomalies.deny | anomalies.ask) == 0 with input as given(true) with data.tables.anomalies as table("alert")
	anomalies.passed with input as given(true) with data.tables.anomalies as table("alert")
}

test_a_table_may_ask if {
	reasons := anomalies.ask with input as given(true) with data.tables.anomalies as table("ask")
	{[r.code, r.findings] | some r in reasons} == {["ANOMALY", ["anomaly.rate"]]}
	anomalies.deny == set() with input as given(true) with data.tables.anomalies as table("ask")
}

test_a_table_may_deny if {
	reasons := anomalies.deny with input as given(true) with data.tables.anomalies as table("deny")
	{r.message | some r in reasons} == {"The threshold rate is crossed."}
}

test_below_the_threshold[effect] if {
	some effect in ["alert", "ask", "deny"]
	count(anomalies.deny | anomalies.ask) == 0 with input as given(false) with data.tables.anomalies as table(effect)
	anomalies.passed with input as given(false) with data.tables.anomalies as table(effect)
}

test_another_limit_is_not_this_threshold if {
	other := object.union(given(false), {"limits": [{"name": "cost", "exceeded": true, "on_exceed": "deny"}]})
	reasons := anomalies.deny with input as other with data.tables.anomalies as table("deny")
	reasons == set()
}

test_a_missing_counter_matters_where_something_follows_from_it if {
	empty := object.union(given(false), {"limits": []})
	anomalies.passed with input as empty with data.tables.anomalies as table("alert")
	not anomalies.passed with input as empty with data.tables.anomalies as table("ask")
}

test_an_effect_that_is_none_asks if {
	reasons := anomalies.ask with input as given(true) with data.tables.anomalies as table("dney")
	count(reasons) == 1
	missing := anomalies.ask with input as given(true) with data.tables.anomalies.anomalies as [{"name": "rate"}]
	count(missing) == 1
}

test_not_passed_without_a_table if {
	not anomalies.passed with input as given(false) with data.tables as {}
}
