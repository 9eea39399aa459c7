# METADATA
# title: The decision
# description: |
#   Merges what every control says into one answer. A control is a package portcullis.rules.<name>; it exports
#
#     deny        reasons why the action must not happen
#     ask         reasons why a person has to say yes first
#     obligation  what the caller must do along with the action
#     passed      true if the control had all that it needs and looked at all of it, whatever it then said
#
#   Adding such a package adds a control: its deny and ask count at once. Naming it in the table `controls` adds that
#   the action is denied where the control does not say `passed`, and limits the control to the kinds named there.
#   So allow is proved: it takes every control of the kind to have looked, and none to have objected.
package portcullis

import data.portcullis.lib.reason

# METADATA
# title: The answer that the engine reads
# entrypoint: true
decision := {
	"effect": effect,
	"reasons": [r | some r in sort(denials | open_asks)],
	"obligations": [o | some o in sort(obligations)],
	"passed": sort(passed),
}

# deny > require_approval > allow. No branch at all leaves the decision undefined, which the engine denies.
effect := "deny" if {
	count(denials) > 0
} else := "require_approval" if {
	count(open_asks) > 0
} else := "allow" if {
	count(required) > 0
	count(silent) == 0
}

# The controls that must say `passed`. A row without a list of kinds is for every kind: a slip of the pen in the table
# must not switch a control off.
required contains row.control if {
	some row in data.tables.controls.controls
	input.action.kind in row.kinds
}

required contains row.control if {
	some row in data.tables.controls.controls
	not has_kinds(row)
}

has_kinds(row) if is_array(row.kinds)

passed contains name if {
	some name in required
	data.portcullis.rules[name].passed == true
}

silent := required - passed

# A control that the table gives to other kinds only does not count here. One that the table does not name counts.
uncalled := {row.control | some row in data.tables.controls.controls} - required

denials contains object.union(r, {"effect": "deny"}) if {
	some name
	some r in data.portcullis.rules[name].deny
	not name in uncalled
}

# METADATA
# title: The kind of action is unknown
# custom:
#   id: portcullis.kind
#   code: KIND_UNKNOWN
#   severity: high
#   threats: [F2]
#   message: No control knows this kind of action, so it is denied.
denials contains object.union(reason.of(rego.metadata.rule(), {}, []), {"effect": "deny"}) if {
	count(required) == 0
}

# METADATA
# title: A control gave no answer
# description: It is missing from the bundle, lacked something that it needs, or is undefined for this action.
# custom:
#   id: portcullis.controls
#   code: CONTROL_SILENT
#   severity: high
#   threats: [F2, F5]
#   message: The control {control} gave no answer about this action, so it is denied.
denials contains object.union(reason.of(rego.metadata.rule(), {"{control}": name}, []), {"effect": "deny"}) if {
	some name in silent
}

# METADATA
# title: A control answers in the wrong shape
# description: For example `deny if …` where `deny contains … if …` is meant. It would say nothing otherwise.
# custom:
#   id: portcullis.shape
#   code: CONTROL_MALFORMED
#   severity: high
#   threats: [F3, F5]
#   message: A control of this bundle answers in the wrong shape, so every action is denied.
denials contains object.union(reason.of(rego.metadata.rule(), {}, []), {"effect": "deny"}) if {
	some said in verdicts
	not is_set(said)
}

verdicts contains said if some said in [v | v := data.portcullis.rules[_].deny]

verdicts contains said if some said in [v | v := data.portcullis.rules[_].ask]

# What a person has approved is no longer asked. A deny is never lifted.
open_asks contains object.union(r, {"effect": "ask"}) if {
	not redeemed
	some name
	some r in data.portcullis.rules[name].ask
	not name in uncalled
}

redeemed if input.approval.state == "approved"

obligations contains o if {
	some name
	some o in data.portcullis.rules[name].obligation
	not name in uncalled
}
