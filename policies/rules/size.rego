# METADATA
# title: Sizes
# description: What one request may hold. The engine has bounds of its own, far above these.
package portcullis.rules.size

import data.portcullis.lib.reason

# METADATA
# title: The arguments are too large
# custom:
#   id: size.arguments
#   code: ARGUMENTS_TOO_LARGE
#   severity: medium
#   threats: [B17, D13]
#   message: The arguments are larger than one request may hold.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.arguments_bytes > data.tables.size.max_arguments_bytes
}

# METADATA
# title: The request takes too many tokens
# custom:
#   id: size.tokens
#   code: TOO_MANY_TOKENS
#   severity: medium
#   threats: [E8]
#   message: The request is expected to take more tokens than one request may.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.action.estimate.tokens > data.tables.size.max_tokens
}

passed if {
	is_number(input.action.arguments_bytes)
	is_number(input.action.estimate.tokens)
	is_number(data.tables.size.max_arguments_bytes)
	is_number(data.tables.size.max_tokens)
}
