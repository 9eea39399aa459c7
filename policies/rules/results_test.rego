package portcullis.rules.results_test

import data.portcullis.rules.results

given(kind, known) := {"action": {"kind": kind, "in_reply_to_known": known}}

test_a_result_of_no_call_is_denied if {
	{r.code | some r in results.deny} == {"RESULT_UNKNOWN"} with input as given("TOOL_RESULT", false)
}

test_a_result_of_an_allowed_call_is_not if {
	results.deny == set() with input as given("TOOL_RESULT", true)
	results.passed with input as given("TOOL_RESULT", true)
}

test_other_kinds_belong_to_no_call if {
	results.deny == set() with input as given("TOOL_CALL", false)
}

test_not_passed_if_it_is_not_known if {
	not results.passed with input as {"action": {"kind": "TOOL_RESULT"}}
}
