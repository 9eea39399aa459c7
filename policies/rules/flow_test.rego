package portcullis.rules.flow_test

import data.portcullis.rules.flow

flows(effect) := {"flows": [{"name": "private_out", "effect": effect}]}

given(external, private, untrusted, sinks) := {
	"action": {"role": {"external": external}, "sinks": sinks},
	"session": {"private": private, "untrusted": untrusted},
}

codes(asked) := found if {
	found := {r.code | some r in flow.ask} with input as asked with data.tables.flows as flows("ask")
}

test_threat_a4_private_and_untrusted_before_what_goes_out_asks if {
	every sinks in {"none", "unproven", "tainted"} {
		codes(given(true, true, true, sinks)) == {"PRIVATE_DATA_MAY_LEAK"}
	}
}

test_one_of_the_three_lacks if {
	every asked in [given(false, true, true, "none"), given(true, false, true, "none"), given(true, true, false, "none")] {
		codes(asked) == set()
	}
}

test_where_the_user_said_is_no_leak if codes(given(true, true, true, "proven")) == set()

test_the_table_may_deny if {
	count(flow.deny) == 1 with input as given(true, true, true, "none") with data.tables.flows as flows("deny")
}

test_passed if {
	flow.passed with input as given(true, true, true, "none") with data.tables.flows as flows("ask")
	not flow.passed with input as {"action": {}} with data.tables.flows as flows("ask")
}
