# Workspaces tell whose they are.
#
# Judges the tags and the description of a workspace when it is saved.
package statehouse.workspace_tags

import rego.v1

deny contains {"msg": sprintf("the tag %s is missing; add %s or %s:…", [tag, tag, tag])} if {
	some tag in data.parameters.workspace_tags.tags
	not has(tag)
}

deny contains {"msg": "the workspace has no description; say what it is for"} if {
	data.parameters.workspace_tags.description
	object.get(input, ["workspace", "description"], null) in {null, ""}
}

has(tag) if tag in input.workspace.tags

has(tag) if {
	some given in input.workspace.tags
	startswith(given, concat("", [tag, ":"]))
}
