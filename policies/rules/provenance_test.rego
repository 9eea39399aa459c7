package portcullis.rules.provenance_test

import data.portcullis.rules.provenance

given(writes, sinks, degraded) := {
	"action": {"kind": "TOOL_CALL", "role": {"writes": writes, "fetches": false, "source": "name"}, "sinks": sinks},
	"degraded": degraded,
}

codes(writes, sinks, degraded) := found if {
	found := {r.code | some r in provenance.ask} with input as given(writes, sinks, degraded)
}

test_threat_a1_what_nobody_vouches_for_asks if {
	codes(true, "unproven", []) == {"SINK_UNPROVEN"}
	codes(true, "tainted", []) == {"SINK_UNPROVEN"}
}

test_what_is_proven_does_not_ask if {
	codes(true, "proven", []) == set()
	codes(true, "none", []) == set()
	codes(true, "proven", ["no_user_request", "provenance_incomplete"]) == set()
}

test_reading_does_not_ask if {
	codes(false, "tainted", []) == set()
	codes(false, "unproven", ["no_user_request", "provenance_incomplete"]) == set()
}

test_threat_a10_an_address_to_fetch_from_asks if {
	fetching := json.patch(given(false, "tainted", []), [{"op": "replace", "path": "/action/role/fetches", "value": true}])
	reasons := provenance.ask with input as fetching
	{r.code | some r in reasons} == {"SINK_UNPROVEN"}
}

test_threat_a1_without_a_user_request_only_taint_asks if {
	codes(true, "tainted", ["no_user_request"]) == {"SINK_TAINTED"}
	codes(true, "unproven", ["no_user_request"]) == set()
}

test_what_was_not_kept_may_be_tainted if {
	codes(true, "unproven", ["no_user_request", "provenance_incomplete"]) == {"PROVENANCE_INCOMPLETE"}
}

test_it_passes_only_what_was_traced if {
	provenance.passed with input as given(true, "none", [])
	not provenance.passed with input as given(true, "", [])
	not provenance.passed with input as object.remove(given(true, "none", []), ["degraded"])
	not provenance.passed with input as {"action": {"sinks": "none"}, "degraded": []}
}
