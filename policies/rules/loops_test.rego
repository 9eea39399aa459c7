package portcullis.rules.loops_test

import data.portcullis.rules.loops

given(repeats, cycle) := {"session": {"repeats_level": repeats, "cycle_level": cycle}}

test_no_loop_passes if {
	every level in {"none", "warn"} {
		loops.deny == set() with input as given(level, level)
		loops.ask == set() with input as given(level, level)
		loops.passed with input as given(level, level)
	}
}

test_repeats_are_asked_about if {
	{r.rule | some r in loops.ask} == {"loops.repeats_ask"} with input as given("ask", "warn")
	loops.deny == set() with input as given("ask", "warn")
}

test_cycles_are_asked_about if {
	{r.rule | some r in loops.ask} == {"loops.cycle_ask"} with input as given("warn", "ask")
	loops.deny == set() with input as given("warn", "ask")
}

test_repeats_are_denied if {
	{r.rule | some r in loops.deny} == {"loops.repeats_deny"} with input as given("deny", "none")
	{r.code | some r in loops.deny} == {"LOOP"} with input as given("deny", "none")
}

test_cycles_are_denied if {
	{r.rule | some r in loops.deny} == {"loops.cycle_deny"} with input as given("ask", "deny")
	{r.findings | some r in loops.deny} == {["anomaly.loop_cycle"]} with input as given("ask", "deny")
}

test_a_denied_loop_has_passed_too if loops.passed with input as given("deny", "ask")

test_an_unknown_level_does_not_pass if {
	not loops.passed with input as {"session": {"repeats_level": "none"}}
	not loops.passed with input as given("none", "some")
	not loops.passed with input as given("", "none")
}
