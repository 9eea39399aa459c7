# METADATA
# title: Memory
# description: |
#   How much may be remembered, that only what was sealed by this server and is still current is read back, and that what
#   others can write never becomes an order: not through an item, and not through a file that agents read as memory.
#   Injection marks in an item are denied by the control `injection` and the table `effects`. The engine puts `ttl_seconds`
#   into the seal, and denies by itself what goes past the quota of an agent.
package portcullis.rules.memory

import data.portcullis.lib.reason
import data.portcullis.lib.scan

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

# METADATA
# title: There is a newer version of the item
# custom:
#   id: memory.superseded
#   code: MEMORY_ROLLED_BACK
#   severity: critical
#   threats: [A13, ASI06]
#   message: The memory item is an older version than the last that was written; somebody has put it back.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "superseded"
}

# METADATA
# title: The item was deleted
# custom:
#   id: memory.deleted
#   code: MEMORY_DELETED
#   severity: high
#   threats: [A13, ASI06]
#   message: The memory item was deleted, so it is not read again.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "deleted"
}

# METADATA
# title: The item is in quarantine
# custom:
#   id: memory.quarantined
#   code: MEMORY_QUARANTINED
#   severity: high
#   threats: [A13, ASI06]
#   message: An operator has put the memory item into quarantine.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "quarantined"
}

# METADATA
# title: Nothing is known of the item
# description: The record was lost, or is that of another server, or the seal is from before there was a record.
# custom:
#   id: memory.unknown
#   code: MEMORY_UNKNOWN
#   severity: high
#   threats: [A13, ASI06]
#   message: This server has no record of the memory item, so nobody knows whether it is current.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "unknown"
}

# METADATA
# title: An item that may steer the agent later
# custom:
#   id: memory.steers
#   code: MEMORY_STEERS
#   severity: high
#   threats: [A13, ASI06]
#   message: The memory item says what to do in the future, and the session has seen what others can write; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "MEMORY_WRITE"
	input.action.memory.untrusted
	input.action.memory.instructs
}

# METADATA
# title: A suspicious item from an untrusted session
# custom:
#   id: memory.suspicious
#   code: MEMORY_SUSPICIOUS
#   severity: high
#   threats: [A13, ASI06, D8]
#   message: The memory item reads like instructions to a model, and the session has seen what others can write; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ids) if {
	input.action.kind == "MEMORY_WRITE"
	input.action.memory.untrusted
	ids := {f.rule | some f in scan.findings; f.category == "suspicion"; not startswith(f.rule, "anomaly.")}
	count(ids) > 0
}

# METADATA
# title: A memory file that may steer the agent later
# description: A file that agents read as memory is memory, however its path is spelt. Who may name one says the table `paths`.
# custom:
#   id: memory.file_steers
#   code: MEMORY_FILE_STEERS
#   severity: critical
#   threats: [A11, A13, ASI06]
#   message: The file is memory of an agent, what is to be written says what to do in the future, and the session has seen what others can write.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind in {"TOOL_CALL", "HTTP_REQUEST"}
	input.action.role.writes == true
	input.action.memory.untrusted
	input.action.memory.instructs
}

# What comes from an untrusted session is data, and stays so in the next session.
obligation contains {
	"id": "memory.data",
	"type": "treat_as_data",
	"properties": {"pointer": "/content", "origin": "untrusted"},
} if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal == "valid"
	input.action.memory.untrusted
}

# A write needs counts and bounds; a read needs a seal in one of the known states.
passed if {
	input.action.kind == "MEMORY_WRITE"
	is_number(input.session.memory_items)
	is_number(input.action.memory.item_characters)
	is_number(data.tables.memory.max_items)
	is_number(data.tables.memory.max_item_characters)
	known_origin
}

passed if {
	input.action.kind == "MEMORY_READ"
	input.action.memory.seal in {"none", "invalid", "expired", "valid", "superseded", "deleted", "quarantined", "unknown"}
	is_boolean(input.action.memory.untrusted)
}

passed if input.action.kind == "MEMORY_DELETE"

passed if {
	input.action.kind in {"TOOL_CALL", "HTTP_REQUEST"}
	is_boolean(input.action.role.writes)
	known_origin
}

known_origin if {
	is_boolean(input.action.memory.untrusted)
	is_boolean(input.action.memory.instructs)
}
