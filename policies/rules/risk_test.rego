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

sink(origins) := {"sink": true, "origins": origins}

given(profile, tool, provenance) := {
	"principal": {"profile": profile},
	"action": {"kind": "TOOL_CALL", "tool": tool},
	"provenance": provenance,
}

asked(action) := found if {
	found := {r.message | some r in risk.ask} with input as action with data.tables as tables
}

needs(level) := {sprintf("A tool of risk level %s needs a person's approval.", [level])}

proof := [sink(["user"]), sink(["trusted:directory", "user"]), {"sink": false, "origins": ["nowhere"]}]

test_threat_f1_levels_are_ranks_not_words if {
	asked(given("always", "add", [])) == set()
	asked(given("always", "mail", [])) == needs("HIGH")
	asked(given("always", "run", [])) == needs("CRITICAL")
}

test_threat_f2_a_tool_without_a_level_is_medium if {
	asked(given("always", "unheard_of", [])) == set()
	reasons := risk.ask with input as given("always", "unheard_of", [])
		with data.tables as tables
		with data.tables.risk.levels as [{"name": "MEDIUM", "rank": 2, "approval": true}]
	{r.message | some r in reasons} == needs("MEDIUM")
}

test_a_profile_that_always_asks_does_so_with_proof if {
	asked(given("always", "mail", proof)) == needs("HIGH")
	asked(given("nobody", "mail", proof)) == needs("HIGH")
}

test_proof_spares_the_question if {
	asked(given("proving", "mail", proof)) == set()
}

test_threat_a14_a_critical_tool_asks_whatever_is_proven if {
	asked(given("proving", "run", proof)) == needs("CRITICAL")
}

test_threat_a1_no_proof_asks[why] if {
	some why, provenance in {
		"no provenance": [],
		"no sink": [{"sink": false, "origins": ["user"]}],
		"no origin": [sink([])],
		"nowhere": [sink(["nowhere"])],
		"untrusted": [sink(["untrusted:get_webpage"])],
		"also untrusted": [sink(["user", "untrusted:get_webpage"])],
		"memory": [sink(["memory"])],
		"another agent": [sink(["agent:a"])],
		"one of two": [sink(["user"]), sink(["nowhere"])],
		"a name like user": [sink(["user:mallory"])],
	}
	asked(given("proving", "mail", provenance)) == needs("HIGH")
}

test_an_unknown_ceiling_spares_nothing if {
	reasons := risk.ask with input as given("proving", "mail", proof)
		with data.tables as tables
		with data.tables.risk.provable_up_to as "HIHG"
	count(reasons) == 1
}

test_passed if {
	risk.passed with input as given("always", "mail", []) with data.tables as tables
	risk.passed with input as given("nobody", "unheard_of", []) with data.tables as tables
}

test_a_level_that_is_none_does_not_pass if {
	not risk.passed with input as given("always", "odd", []) with data.tables as tables
}

test_a_level_without_rank_or_verdict_does_not_pass[level] if {
	some level in [
		{"name": "LOW", "rank": 1},
		{"name": "LOW", "rank": 1, "approval": "no"},
		{"name": "LOW", "approval": false},
		{"name": "LOW", "rank": "1", "approval": false},
	]
	not risk.passed with input as given("always", "add", []) with data.tables as tables with data.tables.risk.levels as [level]
}

test_no_provenance_list_does_not_pass if {
	not risk.passed with input as {"action": {"kind": "TOOL_CALL", "tool": "add"}} with data.tables as tables
}
