# Workspaces are named by one rule.
#
# Judges the name of a workspace when it is saved.
package statehouse.workspace_name

import rego.v1

deny contains {"msg": sprintf("the name %s does not match %s; choose another", [name, data.parameters.workspace_name.pattern])} if {
	name := object.get(input, ["workspace", "name"], "")
	not regex.match(data.parameters.workspace_name.pattern, name)
}
