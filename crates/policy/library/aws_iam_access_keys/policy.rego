# No access keys that live for ever are made.
#
# Judges aws_iam_access_key and aws_iam_user_login_profile: keys and passwords stand in the state. Use roles and short-
# lived credentials.
package statehouse.aws_iam_access_keys

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.aws_iam_access_keys

deny contains plan.denial(change, "a credential without an end is made and kept in the state; use a role") if {
	some type in ["aws_iam_access_key", "aws_iam_user_login_profile"]
	some change in plan.made[type]
	not plan.value(change, ["user"]) in parameters.users
}
