# METADATA
# title: Memory
# description: |
#   How much may be remembered, and that only what was sealed by this server is read back. Injection marks in an item
#   are denied by the control `injection` and the table `effects`. The engine puts `ttl_seconds` into the seal.
package portcullis.rules.memory

import data.portcullis.lib.reason

# METADATA
# title: The session remembers enough
# custom:
#   id: memory.full
#   code: MEMORY_FULL
#   severity: medium
#   threats: [A13, E5]
#   message: This session holds as many memory items as it may.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_WRITE"
	input.session.memory_items >= data.tables.memory.max_items
}

# METADATA
# title: The item is too large
# custom:
#   id: memory.item
#   code: MEMORY_ITEM_TOO_LARGE
#   severity: medium
#   threats: [A13]
#   message: The memory item is longer than an item may be.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_WRITE"
	input.action.memory.item_characters > data.tables.memory.max_item_characters
}

# METADATA
# title: The item has no seal
# custom:
#   id: memory.seal_none
#   code: MEMORY_SEAL_MISSING
#   severity: high
#   threats: [A13]
#   message: The memory item has no seal, so nobody knows who wrote it.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "none"
}

# METADATA
# title: The seal does not fit the item
# custom:
#   id: memory.seal_invalid
#   code: MEMORY_SEAL_INVALID
#   severity: critical
#   threats: [A13]
#   message: The memory item is not what was sealed, or not for this agent.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "invalid"
}

# METADATA
# title: The item has expired
# custom:
#   id: memory.seal_expired
#   code: MEMORY_SEAL_EXPIRED
#   severity: medium
#   threats: [A13]
#   message: The memory item is too old to be read.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "expired"
}

# A write needs counts and bounds; a read needs a seal in one of the known states.
passed if {
	input.action.kind == "MEMORY_WRITE"
	is_number(input.session.memory_items)
	is_number(input.action.memory.item_characters)
	is_number(data.tables.memory.max_items)
	is_number(data.tables.memory.max_item_characters)
}

passed if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal in {"none", "invalid", "expired", "valid"}
}

passed if input.action.kind == "MEMORY_DELETE"
