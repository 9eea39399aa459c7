package portcullis.rules.session_test

import data.portcullis.rules.session

given(ended) := {"session": {"ended": ended}}

test_an_ended_session_is_denied if {
	{r.code | some r in session.deny} == {"SESSION_ENDED"} with input as given(true)
	session.passed with input as given(true)
}

test_a_live_session_passes if {
	session.deny == set() with input as given(false)
	session.passed with input as given(false)
}

test_an_unknown_session_does_not_pass if {
	not session.passed with input as {"session": {}}
	not session.passed with input as given("false")
}
