# A workspace of importance is not destroyed as a whole.
#
# Judges runs that destroy everything, in workspaces whose name or tags are like those that it is told of.
package statehouse.destroy_run

import rego.v1

import data.statehouse.plan

deny contains {"msg": sprintf("the run destroys everything in the workspace %s; destroy single resources, or have an exception granted", [input.workspace.name])} if {
	input.run.is_destroy
	some name in names
	plan.is_like_any(name, data.parameters.destroy_run.workspaces)
}

names contains input.workspace.name

names contains tag if some tag in input.workspace.tags
