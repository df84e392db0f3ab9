# IAM policies do not allow everything on everything.
#
# Judges aws_iam_policy and the inline policies of roles, users and groups: an Allow of all actions (or of all of one
# service, if asked for) on all resources. A document that is not known yet is not judged.
package statehouse.aws_iam_wildcard

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("it allows %s on every resource; name the actions and resources", [action])) if {
	some type in ["aws_iam_policy", "aws_iam_role_policy", "aws_iam_user_policy", "aws_iam_group_policy"]
	some change in plan.made[type]
	some action in wide(plan.value(change, ["policy"]))
}

deny contains plan.denial(change, sprintf("its inline policy allows %s on every resource; name the actions and resources", [action])) if {
	some change in plan.made.aws_iam_role
	some inline in plan.blocks(change, "inline_policy")
	some action in wide(inline.policy)
}

# The actions that a document allows on every resource and that are too wide.
wide(document) := {action |
	some statement in plan.statements(document)
	statement.Effect == "Allow"
	"*" in plan.as_list(statement.Resource)
	some action in plan.as_list(statement.Action)
	is_wide(action)
}

is_wide(action) if action in {"*", "*:*"}

is_wide(action) if {
	data.parameters.aws_iam_wildcard.whole_services
	endswith(action, ":*")
}
