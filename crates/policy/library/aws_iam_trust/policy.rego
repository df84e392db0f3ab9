# Roles are not trusted to everybody.
#
# Judges assume_role_policy of aws_iam_role: an Allow for the principal * without a condition, or for a web identity
# without one.
package statehouse.aws_iam_trust

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "everybody may assume the role; name the principals or add a condition") if {
	some change in plan.made.aws_iam_role
	some statement in plan.statements(plan.value(change, ["assume_role_policy"]))
	statement.Effect == "Allow"
	is_anybody(statement.Principal)
	not has_condition(statement)
}

deny contains plan.denial(change, "every identity of the provider may assume the role; add a condition on its subject") if {
	some change in plan.made.aws_iam_role
	some statement in plan.statements(plan.value(change, ["assume_role_policy"]))
	statement.Effect == "Allow"
	"sts:AssumeRoleWithWebIdentity" in plan.as_list(statement.Action)
	not has_condition(statement)
}

is_anybody(principal) if principal == "*"

is_anybody(principal) if "*" in plan.as_list(principal.AWS)

has_condition(statement) if count(statement.Condition) > 0
