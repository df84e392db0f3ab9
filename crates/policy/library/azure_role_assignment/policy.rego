# Nobody is made owner of everything.
#
# Judges azurerm_role_assignment: roles that give every right, by name, unless the scope is narrower than a
# subscription. A role that is not known yet is not judged.
package statehouse.azure_role_assignment

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.azure_role_assignment

deny contains plan.denial(change, sprintf("it gives the role %s; give a role with the rights that are needed", [role])) if {
	some change in plan.made.azurerm_role_assignment
	role := change.change.after.role_definition_name
	role in parameters.denied
	not is_narrow(change.change.after)
}

# A scope within a resource group.
is_narrow(after) if contains(lower(after.scope), "/resourcegroups/")
