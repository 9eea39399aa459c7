# METADATA
# title: Sessions
# description: A session ends after a day, or after an hour without a sign of life. Its id is refused from then on.
package portcullis.rules.session

import data.portcullis.lib.reason

# METADATA
# title: The session is over
# custom:
#   id: session.ended
#   code: SESSION_ENDED
#   severity: medium
#   threats: [A6]
#   message: This session has ended. Begin a new one.
deny contains reason.of(rego.metadata.rule(), {}, []) if {
	input.session.ended == true
}

passed if is_boolean(input.session.ended)
