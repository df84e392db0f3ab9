# Outputs that tell secrets are marked as sensitive.
#
# Judges outputs of the root module whose name tells of a secret.
package statehouse.sensitive_outputs

import rego.v1

import data.statehouse.plan

deny contains {"address": address, "msg": sprintf("%s: its name tells of a secret and it is not hidden; set sensitive = true", [address])} if {
	some name, output in input.configuration.root_module.outputs
	plan.is_like_any(name, data.parameters.sensitive_outputs.names)
	not output.sensitive == true
	address := sprintf("output.%s", [name])
}
