package portcullis.rules.behaviour_test

import data.portcullis.rules.behaviour

levels := ["unknown", "usual", "unusual", "rare"]

shown(level, untrusted) := {"session": {"untrusted": untrusted, "surprise": {"level": level, "percent": 90, "because": ["tool", "size"]}}}

rows := {"levels": [{"name": "unknown", "effect": "allow"}, {"name": "usual", "effect": "allow"}, {"name": "unusual", "effect": "ask"}, {"name": "rare", "effect": "deny"}]}

denied(seen) := found if {
	found := {r.message | some r in behaviour.deny} with input as seen with data.tables.behaviour as rows
}

asked(seen) := found if {
	found := {r.message | some r in behaviour.ask} with input as seen with data.tables.behaviour as rows
}

test_the_table_says_what_follows if {
	asked(shown("unusual", true)) == {"The call is unusual for this agent, and the session has seen what others can write: tool, size. It needs a person's approval."}
	denied(shown("rare", true)) == {"The call is rare for this agent, and the session has seen what others can write: tool, size."}
	asked(shown("usual", true)) | denied(shown("usual", true)) == set()
	asked(shown("unknown", true)) | denied(shown("unknown", true)) == set()
}

test_nothing_follows_where_nothing_untrusted_was_seen if {
	every level in levels {
		asked(shown(level, false)) | denied(shown(level, false)) == set()
	}
}

test_a_level_without_a_row_asks if {
	asked := {r.code | some r in behaviour.ask} with input as shown("rare", true) with data.tables.behaviour as {"levels": []}
	asked == {"BEHAVIOUR"}
}

test_passed if {
	every level in levels {
		behaviour.passed with input as shown(level, true) with data.tables.behaviour as rows
	}
}

test_not_passed_without_what_it_needs[why] if {
	some why, seen in {
		"no level": {"session": {"untrusted": true}},
		"another level": shown("odd", true),
		"no origin": {"session": {"surprise": {"level": "rare", "because": []}}},
	}
	not behaviour.passed with input as seen with data.tables.behaviour as rows
}

test_not_passed_without_the_table if {
	not behaviour.passed with input as shown("usual", true) with data.tables.behaviour as {}
}
