# Resources are in an allowed region.
#
# Judges the regions of AWS providers, the region that a resource of AWS names itself (version 6), availability zones,
# and location, region and zone of Azure and Google. What is not known yet is not judged.
package statehouse.allowed_regions

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.allowed_regions

deny contains plan.denial(change, sprintf("it is in %s; use one of %s", [value, concat(", ", parameters.regions)])) if {
	some prefix, attributes in places
	wrong := denied[prefix]
	some type, changes in plan.made
	startswith(type, prefix)
	some change in changes
	some name in attributes
	value := change.change.after[name]
	value in wrong[name]
}

# Where providers write down where a resource is.
places := {
	"aws_": ["region", "availability_zone"],
	"azurerm_": ["location"],
	"google_": ["region", "zone", "location"],
}

# The places that are not allowed: every place is looked at once.
denied[prefix][name] contains value if {
	some prefix, attributes in places
	some name in attributes
	some value in used[prefix][name]
	region := region_of(prefix, name, value)
	not plan.is_like_any(region, parameters.regions)
}

used[prefix][name] contains value if {
	some prefix, attributes in places
	some type, changes in plan.made
	startswith(type, prefix)
	some change in changes
	some name in attributes
	value := change.change.after[name]
}

deny contains denial if {
	some key, provider in input.configuration.provider_config
	provider.name in {"aws", "google", "google-beta"}
	region := given(provider.expressions.region)
	not plan.is_like_any(region, parameters.regions)
	denial := {"msg": sprintf("provider %s: its region is %s; use one of %s", [key, region, concat(", ", parameters.regions)])}
}

# A zone stands in a region: eu-west-1a in eu-west-1, europe-west1-b in europe-west1.
region_of("aws_", "availability_zone", value) := found[0] if {
	is_named(value)
	found := regex.find_n(`^[a-z]+(-[a-z]+)+-[0-9]+`, value, 1)
}

region_of("aws_", "region", value) := value if is_named(value)

region_of("azurerm_", "location", value) := replace(lower(value), " ", "") if is_named(value)

region_of("google_", "zone", value) := regex.replace(value, `-[a-z]$`, "") if is_named(value)

region_of("google_", name, value) := lower(regex.replace(value, `-[a-z]$`, "")) if {
	name in {"region", "location"}
	is_named(value)
}

# A region by its name; an address of one is judged where it is made.
is_named(value) if {
	is_string(value)
	not value in {"", "global"}
	not contains(value, "/")
}

# What a provider is given: a constant, or a variable's value.
given(expression) := expression.constant_value

given(expression) := input.variables[name].value if {
	some reference in expression.references
	startswith(reference, "var.")
	name := trim_prefix(reference, "var.")
}
