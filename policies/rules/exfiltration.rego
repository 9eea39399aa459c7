# METADATA
# title: Signs of exfiltration
# description: Encoded blobs, code that evaluates text, paste sites and the like in what the agent sends.
package portcullis.rules.exfiltration

import data.portcullis.lib.inspection
import data.portcullis.lib.reason

# METADATA
# title: A sign of exfiltration that the table denies
# custom:
#   id: exfiltration.deny
#   code: EXFILTRATION_SIGN
#   severity: high
#   threats: [A3, A10, D1]
#   message: The action looks like a way to carry data out.
deny contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("exfiltration", "deny")
	count(ids) > 0
}

# METADATA
# title: A sign of exfiltration that the table asks about
# custom:
#   id: exfiltration.ask
#   code: EXFILTRATION_SIGN
#   severity: high
#   threats: [A3, A10, D1]
#   message: The action looks like a way to carry data out; it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("exfiltration", "ask")
	count(ids) > 0
}

passed if inspection.complete({"exfiltration"})
