# Configurations come from an allowed repository.
#
# Judges where the configuration of a workspace comes from when it is saved.
package statehouse.workspace_repository

import rego.v1

import data.statehouse.plan

deny contains {"msg": "the workspace has no repository; connect one, so that every change is reviewed"} if {
	object.get(input, ["workspace", "vcs_repo"], null) == null
}

deny contains {"msg": sprintf("the repository is %s; use one of %s", [identifier, concat(", ", data.parameters.workspace_repository.allowed)])} if {
	identifier := input.workspace.vcs_repo.identifier
	not plan.is_like_any(identifier, data.parameters.workspace_repository.allowed)
}
