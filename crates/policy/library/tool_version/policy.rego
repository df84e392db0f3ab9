# Plans are made with a version that is new enough.
#
# Judges terraform_version of the plan, and fails where a plan does not tell it.
package statehouse.tool_version

import rego.v1

deny contains {"msg": sprintf("the plan was made with version %s; use at least %s", [input.terraform_version, data.parameters.tool_version.version_min])} if {
	semver.compare(input.terraform_version, data.parameters.tool_version.version_min) < 0
}

deny contains {"msg": "the plan does not tell its version; make it with a current tool"} if {
	not semver.is_valid(object.get(input, "terraform_version", ""))
}
