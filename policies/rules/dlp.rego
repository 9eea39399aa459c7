# METADATA
# title: Data that must not leave
# description: |
#   Credentials and personal data in what the agent sends. The table `effects` says which kinds of action deny or ask;
#   what arrives (results, memory that is read) only leaves a label on the session.
package portcullis.rules.dlp

import data.portcullis.lib.inspection
import data.portcullis.lib.reason

# METADATA
# title: A credential would leave
# custom:
#   id: dlp.credential_deny
#   code: CREDENTIAL_FOUND
#   severity: critical
#   threats: [A3, D1, D5, D7]
#   message: The action carries a credential, such as a key, a token or a password.
deny contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("credential", "deny")
	count(ids) > 0
}

# METADATA
# title: A credential would leave, and a person may let it
# custom:
#   id: dlp.credential_ask
#   code: CREDENTIAL_FOUND
#   severity: high
#   threats: [A3, D1, D5, D7]
#   message: The action carries a credential; sending it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("credential", "ask")
	count(ids) > 0
}

# METADATA
# title: Personal data would leave
# custom:
#   id: dlp.personal_deny
#   code: PERSONAL_DATA_FOUND
#   severity: high
#   threats: [A3, D16]
#   message: The action carries personal data, such as a card or social security number.
deny contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("personal", "deny")
	count(ids) > 0
}

# METADATA
# title: Personal data would leave, and a person may let it
# custom:
#   id: dlp.personal_ask
#   code: PERSONAL_DATA_FOUND
#   severity: high
#   threats: [A3, D16]
#   message: The action carries personal data; sending it needs a person's approval.
ask contains reason.of(rego.metadata.rule(), {}, ids) if {
	ids := inspection.found("personal", "ask")
	count(ids) > 0
}

passed if inspection.complete({"credential", "personal"})
