package portcullis.rules.memory_test

import data.portcullis.rules.memory

table := {"max_items": 2, "max_item_characters": 10}

write(items, bytes) := {
	"action": {"kind": "MEMORY_WRITE", "memory": {"item_characters": bytes, "seal": "none", "untrusted": false, "instructs": false}},
	"session": {"memory_items": items},
}

read(seal) := {
	"action": {"kind": "MEMORY_READ", "memory": {"item_characters": 100, "seal": seal, "untrusted": false, "instructs": false}},
	"session": {"memory_items": 100},
}

# How an action is, beside what write and read say.
mark(action, untrusted, instructs) := object.union(action, {"action": {"memory": {"untrusted": untrusted, "instructs": instructs}}})

call(writes) := {"action": {
	"kind": "TOOL_CALL", "role": {"writes": writes},
	"memory": {"seal": "none", "item_characters": 0, "untrusted": false, "instructs": false},
}}

asked(action) := found if {
	found := {r.code | some r in memory.ask} with input as object.union({"findings": []}, action) with data.tables.memory as table
}

suspicion(rule) := {"findings": [{"rule": rule, "category": "suspicion"}]}

codes(action) := found if {
	found := {r.code | some r in memory.deny} with input as action with data.tables.memory as table
}

test_a_write_within_bounds if {
	codes(write(0, 0)) == set()
	codes(write(1, 10)) == set()
}

test_a_full_session_writes_no_more if {
	codes(write(2, 10)) == {"MEMORY_FULL"}
	codes(write(3, 10)) == {"MEMORY_FULL"}
}

test_a_long_item_is_denied if {
	codes(write(0, 11)) == {"MEMORY_ITEM_TOO_LARGE"}
}

test_threat_a13_only_a_sealed_item_is_read if {
	codes(read("valid")) == set()
	codes(read("none")) == {"MEMORY_SEAL_MISSING"}
	codes(read("invalid")) == {"MEMORY_SEAL_INVALID"}
	codes(read("expired")) == {"MEMORY_SEAL_EXPIRED"}
}

test_threat_asi06_only_what_is_current_is_read if {
	codes(read("superseded")) == {"MEMORY_ROLLED_BACK"}
	codes(read("deleted")) == {"MEMORY_DELETED"}
	codes(read("quarantined")) == {"MEMORY_QUARANTINED"}
	codes(read("unknown")) == {"MEMORY_UNKNOWN"}
}

test_threat_a13_instructions_after_something_untrusted_ask if {
	asked(mark(write(0, 1), true, true)) == {"MEMORY_STEERS"}
	asked(mark(write(0, 1), true, false)) == set()
	asked(mark(write(0, 1), false, true)) == set()
	asked(mark(read("valid"), true, true)) == set()
}

test_threat_a13_a_suspicious_item_after_something_untrusted_asks if {
	suspicious := object.union(write(0, 1), suspicion("signal.injection"))
	asked(mark(suspicious, true, false)) == {"MEMORY_SUSPICIOUS"}
	asked(mark(suspicious, false, false)) == set()
	asked(mark(object.union(write(0, 1), suspicion("anomaly.calls")), true, false)) == set()
}

test_threat_a11_a_memory_file_is_memory if {
	codes(mark(call(true), true, true)) == {"MEMORY_FILE_STEERS"}
	codes(mark(call(false), true, true)) == set()
	codes(mark(call(true), false, true)) == set()
	codes(mark(call(true), true, false)) == set()
}

test_threat_a13_untrusted_memory_is_data if {
	ids(mark(read("valid"), true, false)) == {"treat_as_data"}
	ids(mark(read("valid"), false, false)) == set()
	ids(mark(write(0, 1), true, false)) == set()
}

ids(action) := found if {
	found := {o.type | some o in memory.obligation} with input as action with data.tables.memory as table
}

test_a_write_needs_no_seal[seal] if {
	some seal in ["none", "invalid", "expired"]
	codes(object.union(write(0, 0), {"action": {"memory": {"seal": seal}}})) == set()
}

test_a_delete_is_free if {
	delete := {"action": {"kind": "MEMORY_DELETE", "memory": {"seal": "none", "item_characters": 100}}, "session": {"memory_items": 100}}
	codes(delete) == set()
	memory.passed with input as delete with data.tables.memory as table
}

test_passed[action] if {
	some action in [write(0, 0), write(9, 99), read("valid"), read("invalid"), read("unknown"), call(true), call(false)]
	memory.passed with input as action with data.tables.memory as table
}

test_not_passed_without_what_it_needs[why] if {
	some why, action in {
		"no count": {"action": {"kind": "MEMORY_WRITE", "memory": {"item_characters": 1}}, "session": {}},
		"no size": {"action": {"kind": "MEMORY_WRITE", "memory": {}}, "session": {"memory_items": 1}},
		"unknown seal": read("VALID"),
		"no seal": read(""),
		"no role": object.remove(call(true), ["action"]),
		"no origin": {"action": {"kind": "TOOL_CALL", "role": {"writes": true}, "memory": {}}},
		"another kind": {"action": {"kind": "MESSAGE"}},
	}
	not memory.passed with input as action with data.tables.memory as table
}

test_not_passed_without_bounds[bounds] if {
	some bounds in [{}, {"max_items": 1}, {"max_item_characters": 1}, {"max_items": "1", "max_item_characters": 1}]
	not memory.passed with input as write(0, 0) with data.tables.memory as bounds
}
