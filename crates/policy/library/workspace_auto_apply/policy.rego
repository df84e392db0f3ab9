# Workspaces of importance are applied by people.
#
# Judges workspaces whose name or tags are like those that it is told of, when they are saved.
package statehouse.workspace_auto_apply

import rego.v1

import data.statehouse.plan

deny contains {"msg": sprintf("the workspace %s applies its plans by itself; switch auto-apply off", [input.workspace.name])} if {
	input.workspace.auto_apply
	some name in names
	plan.is_like_any(name, data.parameters.workspace_auto_apply.workspaces)
}

names contains input.workspace.name

names contains tag if some tag in input.workspace.tags
