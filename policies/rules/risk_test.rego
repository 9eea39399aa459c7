package portcullis.rules.risk_test

import data.portcullis.rules.risk

tables := {
	"tools": {"tools": [
		{"tool": "add", "risk": "LOW"},
		{"tool": "mail", "risk": "HIGH"},
		{"tool": "run", "risk": "CRITICAL"},
		{"tool": "odd", "risk": "high"},
	]},
	"risk": {
		"levels": [
			{"name": "LOW", "rank": 1, "approval": false},
			{"name": "MEDIUM", "rank": 2, "approval": false},
			{"name": "HIGH", "rank": 3, "approval": true},
			{"name": "CRITICAL", "rank": 4, "approval": true},
		],
		"default_level": "MEDIUM",
		"provable_up_to": "HIGH",
	},
	"profiles": {"profiles": [
		{"name": "always", "approve_high": "always", "tools": []},
		{"name": "proving", "approve_high": "unless_proven", "tools": []},
	]},
}

given(profile, tool, sinks) := {
	"principal": {"profile": profile},
	"action": {"kind": "TOOL_CALL", "tool": tool, "sinks": sinks},
}

asked(action) := found if {
	found := {r.message | some r in risk.ask} with input as action with data.tables as tables
}

needs(level) := {sprintf("A tool of risk level %s needs a person's approval.", [level])}

test_threat_f1_levels_are_ranks_not_words if {
	asked(given("always", "add", "none")) == set()
	asked(given("always", "mail", "none")) == needs("HIGH")
	asked(given("always", "run", "none")) == needs("CRITICAL")
}

test_threat_f2_a_tool_without_a_level_is_medium if {
	asked(given("always", "unheard_of", "none")) == set()
	reasons := risk.ask with input as given("always", "unheard_of", "none")
		with data.tables as tables
		with data.tables.risk.levels as [{"name": "MEDIUM", "rank": 2, "approval": true}]
	{r.message | some r in reasons} == needs("MEDIUM")
}

test_a_profile_that_always_asks_does_so_with_proof if {
	asked(given("always", "mail", "proven")) == needs("HIGH")
	asked(given("nobody", "mail", "proven")) == needs("HIGH")
}

test_proof_spares_the_question if {
	asked(given("proving", "mail", "proven")) == set()
}

test_threat_a14_a_critical_tool_asks_whatever_is_proven if {
	asked(given("proving", "run", "proven")) == needs("CRITICAL")
}

test_threat_a1_no_proof_asks[sinks] if {
	some sinks in ["none", "unproven", "tainted", "", "user"]
	asked(given("proving", "mail", sinks)) == needs("HIGH")
}

test_an_unknown_ceiling_spares_nothing if {
	reasons := risk.ask with input as given("proving", "mail", "proven")
		with data.tables as tables
		with data.tables.risk.provable_up_to as "HIHG"
	count(reasons) == 1
}

test_passed if {
	risk.passed with input as given("always", "mail", "none") with data.tables as tables
	risk.passed with input as given("nobody", "unheard_of", "none") with data.tables as tables
}

test_a_level_that_is_none_does_not_pass if {
	not risk.passed with input as given("always", "odd", "none") with data.tables as tables
}

test_a_level_without_rank_or_verdict_does_not_pass[level] if {
	some level in [
		{"name": "LOW", "rank": 1},
		{"name": "LOW", "rank": 1, "approval": "no"},
		{"name": "LOW", "approval": false},
		{"name": "LOW", "rank": "1", "approval": false},
	]
	not risk.passed with input as given("always", "add", "none") with data.tables as tables with data.tables.risk.levels as [level]
}

test_a_call_whose_values_were_not_traced_does_not_pass if {
	not risk.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "add"}} with data.tables as tables
}
