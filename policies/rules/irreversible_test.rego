package portcullis.rules.irreversible_test

import data.portcullis.rules.irreversible

flows(effect) := {"flows": [{"name": "irreversible", "effect": effect}]}

given(yes) := {"action": {"role": {"irreversible": yes}}}

asks(yes, table) if count(irreversible.ask) == 1 with input as given(yes) with data.tables.flows as table

denies(yes, table) if count(irreversible.deny) == 1 with input as given(yes) with data.tables.flows as table

test_threat_a14_what_cannot_be_undone_always_asks if {
	asks(true, flows("ask"))
	asks(true, {"flows": []})
}

test_the_table_may_deny_or_allow if {
	denies(true, flows("deny"))
	not asks(true, flows("deny"))
	not asks(true, flows("allow"))
	not denies(true, flows("allow"))
}

test_other_tools_do_not_ask if {
	not asks(false, flows("ask"))
	not denies(false, flows("deny"))
}

test_passed if {
	irreversible.passed with input as given(true) with data.tables.flows as flows("ask")
	not irreversible.passed with input as {"action": {}} with data.tables.flows as flows("ask")
	not irreversible.passed with input as given(true) with data.tables as {}
}
