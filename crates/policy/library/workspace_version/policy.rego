# Workspaces use a version that is new enough.
#
# Judges the version of a workspace when it is saved; one that is no version, such as latest, is denied.
package statehouse.workspace_version

import rego.v1

deny contains {"msg": sprintf("the version is %s; use at least %s", [version, data.parameters.workspace_version.version_min])} if {
	version := input.workspace.terraform_version
	semver.is_valid(version)
	semver.compare(version, data.parameters.workspace_version.version_min) < 0
}

deny contains {"msg": "no version is chosen; choose one, so that plans are made alike"} if {
	not semver.is_valid(object.get(input, ["workspace", "terraform_version"], ""))
}
