package portcullis.rules.memory_test

import data.portcullis.rules.memory

table := {"max_items": 2, "max_item_characters": 10}

write(items, bytes) := {
	"action": {"kind": "MEMORY_WRITE", "memory": {"item_characters": bytes, "seal": "none"}},
	"session": {"memory_items": items},
}

read(seal) := {
	"action": {"kind": "MEMORY_READ", "memory": {"item_characters": 100, "seal": seal}},
	"session": {"memory_items": 100},
}

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
	some action in [write(0, 0), write(9, 99), read("valid"), read("invalid")]
	memory.passed with input as action with data.tables.memory as table
}

test_not_passed_without_what_it_needs[why] if {
	some why, action in {
		"no count": {"action": {"kind": "MEMORY_WRITE", "memory": {"item_characters": 1}}, "session": {}},
		"no size": {"action": {"kind": "MEMORY_WRITE", "memory": {}}, "session": {"memory_items": 1}},
		"unknown seal": read("VALID"),
		"no seal": read(""),
		"another kind": {"action": {"kind": "TOOL_CALL"}},
	}
	not memory.passed with input as action with data.tables.memory as table
}

test_not_passed_without_bounds[bounds] if {
	some bounds in [{}, {"max_items": 1}, {"max_item_characters": 1}, {"max_items": "1", "max_item_characters": 1}]
	not memory.passed with input as write(0, 0) with data.tables.memory as bounds
}
