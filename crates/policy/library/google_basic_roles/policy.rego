# Nobody is given a basic role.
#
# Judges google_project_iam_*, google_folder_iam_* and google_organization_iam_*: owner, editor and viewer give
# thousands of rights at once.
package statehouse.google_basic_roles

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.google_basic_roles

deny contains plan.denial(change, sprintf("it gives %s; give a role with the rights that are needed", [role])) if {
	some scope in ["project", "folder", "organization"]
	some kind in ["member", "binding"]
	some change in plan.made[sprintf("google_%s_iam_%s", [scope, kind])]
	role := change.change.after.role
	role in parameters.denied
}
