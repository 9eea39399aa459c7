# METADATA
# title: Results
# description: A tool's result comes in under the decision that allowed the call. One that belongs to none is denied.
package portcullis.rules.results

import data.portcullis.lib.reason

# METADATA
# title: The result belongs to no call
# custom:
#   id: results.unknown
#   code: RESULT_UNKNOWN
#   severity: high
#   threats: [A1, C4]
#   message: The result belongs to no call that this session was allowed to make.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.kind == "TOOL_RESULT"
	input.action.in_reply_to_known == false
}

passed if is_boolean(input.action.in_reply_to_known)
