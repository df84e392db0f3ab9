# A state holds no resources that are secrets.
#
# Judges the types of managed resources in a state: whoever may read it has these secrets.
package statehouse.state_secrets

import rego.v1

import data.statehouse.plan

deny contains {"address": address, "msg": sprintf("%s: a resource of type %s has its secret in the state; keep it in a secret store", [address, resource.type])} if {
	some resource in input.state.resources
	resource.mode == "managed"
	plan.is_like_any(resource.type, data.parameters.state_secrets.types)
	address := address_of(resource)
}

address_of(resource) := sprintf("%s.%s.%s", [resource.module, resource.type, resource.name]) if resource.module

address_of(resource) := sprintf("%s.%s", [resource.type, resource.name]) if not resource.module
