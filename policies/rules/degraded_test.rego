package portcullis.rules.degraded_test

import data.portcullis.rules.degraded

table := {"gaps": [
	{"name": "harmless", "effect": "allow"},
	{"name": "doubtful", "effect": "ask"},
	{"name": "bad", "effect": "deny"},
]}

verdict(gaps) := {"deny": denied, "ask": asked} if {
	denied := {r.rule | some r in degraded.deny} with input as {"degraded": gaps} with data.tables.degraded as table
	asked := {r.rule | some r in degraded.ask} with input as {"degraded": gaps} with data.tables.degraded as table
}

test_no_gap if {
	verdict([]) == {"deny": set(), "ask": set()}
	verdict(["harmless"]) == {"deny": set(), "ask": set()}
}

test_a_gap_asks_or_denies_by_the_table if {
	verdict(["harmless", "doubtful"]) == {"deny": set(), "ask": {"degraded.ask"}}
	verdict(["bad"]) == {"deny": {"degraded.deny"}, "ask": set()}
}

test_a_gap_that_the_table_does_not_know_asks if {
	verdict(["new"]) == {"deny": set(), "ask": {"degraded.ask"}}
}

test_passed if {
	degraded.passed with input as {"degraded": ["bad"]} with data.tables.degraded as table
}

test_not_passed_without_what_it_needs if {
	not degraded.passed with input as {} with data.tables.degraded as table
	not degraded.passed with input as {"degraded": []} with data.tables as {}
}
