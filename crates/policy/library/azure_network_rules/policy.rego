# Network security rules do not let the Internet in.
#
# Judges inbound rules that allow, alone or within azurerm_network_security_group. Prefixes that are not known yet are
# not judged.
package statehouse.azure_network_rules

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.azure_network_rules

deny contains plan.denial(change, sprintf("ports %s are open to %s; name the networks that need them", [port, source])) if {
	some change in plan.made.azurerm_network_security_rule
	some [port, source] in openings(change.change.after)
}

deny contains plan.denial(change, sprintf("ports %s are open to %s in rule %s; name the networks that need them", [port, source, rule.name])) if {
	some change in plan.made.azurerm_network_security_group
	some rule in plan.blocks(change, "security_rule")
	some [port, source] in openings(rule)
}

# The ports that a rule opens to everybody and that may not be open.
openings(rule) := {[port, source] |
	rule.direction == "Inbound"
	rule.access == "Allow"
	some source in one_or_many(rule, "source_address_prefix", "source_address_prefixes")
	plan.is_everywhere(source)
	some port in one_or_many(rule, "destination_port_range", "destination_port_ranges")
	not port in parameters.ports
}

# What the provider has under one name for one value and under another for many.
one_or_many(rule, one, many) := array.concat(
	[value | value := rule[one]; is_string(value)],
	[value | list := rule[many]; is_array(list); some value in list],
)
