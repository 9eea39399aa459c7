# METADATA
# title: Injection and evasion
# description: |
#   Text that speaks to the model ("ignore previous instructions"), and text that hides from inspection. These are
#   signals: by default they deny what is remembered, ask about what is sent, and only label what arrives.
package portcullis.rules.injection

import data.portcullis.lib.inspection
import data.portcullis.lib.reason

# METADATA
# title: An injection mark that the table denies
# custom:
#   id: injection.deny
#   code: INJECTION_FOUND
#   severity: high
#   threats: [A13, D8]
#   message: The text looks like instructions to a model.
deny contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("injection", "deny")
	count(ids) > 0
}

# METADATA
# title: An injection mark that the table asks about
# custom:
#   id: injection.ask
#   code: INJECTION_FOUND
#   severity: medium
#   threats: [A12, D8]
#   message: The text looks like instructions to a model; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("injection", "ask")
	count(ids) > 0
}

# METADATA
# title: Hidden text that the table denies
# custom:
#   id: injection.evasion_deny
#   code: EVASION_FOUND
#   severity: high
#   threats: [D1, D2, D3, D4, D5]
#   message: The text holds characters or layers that hide what it says.
deny contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("evasion", "deny")
	count(ids) > 0
}

# METADATA
# title: Hidden text that the table asks about
# custom:
#   id: injection.evasion_ask
#   code: EVASION_FOUND
#   severity: medium
#   threats: [D1, D2, D3, D4, D5]
#   message: The text holds characters or layers that hide what it says; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("evasion", "ask")
	count(ids) > 0
}

passed if inspection.complete({"injection", "evasion"})
