# Every provider has a version constraint.
#
# Judges the providers of the configuration, those of modules too. Providers that are part of the tool have no version.
package statehouse.pinned_providers

import rego.v1

deny contains {"msg": sprintf("provider %s: it has no version constraint; add one to required_providers", [key])} if {
	some key, provider in providers
	not provider.version_constraint
}

deny contains {"msg": sprintf("provider %s: %s takes every newer version; add an upper bound, such as ~> 5.0", [key, provider.version_constraint])} if {
	data.parameters.pinned_providers.bounded
	some key, provider in providers
	not regex.match(`~>|<|(^|,) *(= *)?[0-9]`, provider.version_constraint)
}

providers[key] := provider if {
	some key, provider in input.configuration.provider_config
	not startswith(object.get(provider, "full_name", ""), "terraform.io/builtin/")
}
