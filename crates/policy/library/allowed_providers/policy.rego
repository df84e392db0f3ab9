# Only allowed providers are used.
#
# Judges every provider that the configuration or a resource names, by its source address, also where nothing changes:
# whoever runs a plan runs its providers.
package statehouse.allowed_providers

import rego.v1

import data.statehouse.plan

deny contains {"msg": sprintf("provider %s: it may not be used; use one of %s", [name, concat(", ", data.parameters.allowed_providers.allowed)])} if {
	some name in used
	not plan.is_like_any(name, data.parameters.allowed_providers.allowed)
}

used contains change.provider_name if some change in input.resource_changes

used contains provider.full_name if some provider in input.configuration.provider_config
