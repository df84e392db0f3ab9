# Nobody is given a managed policy with all rights.
#
# Judges attachments of managed policies to users, groups and roles, and managed_policy_arns of roles, by the names of
# the policies.
package statehouse.aws_iam_administrator

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("it attaches %s; attach a policy with the rights that are needed", [arn])) if {
	some type in [
		"aws_iam_role_policy_attachment", "aws_iam_user_policy_attachment",
		"aws_iam_group_policy_attachment", "aws_iam_policy_attachment",
	]
	some change in plan.made[type]
	arn := change.change.after.policy_arn
	is_denied(arn)
}

deny contains plan.denial(change, sprintf("it attaches %s; attach a policy with the rights that are needed", [arn])) if {
	some change in plan.made.aws_iam_role
	some arn in plan.as_list(plan.value(change, ["managed_policy_arns"]))
	is_denied(arn)
}

is_denied(arn) if {
	is_string(arn)
	some name in data.parameters.aws_iam_administrator.policies
	endswith(arn, concat("", ["/", name]))
}
