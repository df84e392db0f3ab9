# Key vaults cannot be emptied for good.
#
# Judges azurerm_key_vault: protection from purging is off unless switched on, and vaults take everybody's requests
# unless their network is closed.
package statehouse.azure_key_vault

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.azure_key_vault

deny contains plan.denial(change, "its secrets can be purged; set purge_protection_enabled = true (it cannot be switched off again)") if {
	some change in plan.made.azurerm_key_vault
	not change.change.after.purge_protection_enabled == true
}

deny contains plan.denial(change, sprintf("what is deleted is kept for %v days; set soft_delete_retention_days to at least %v", [days, parameters.days_min])) if {
	some change in plan.made.azurerm_key_vault
	days := change.change.after.soft_delete_retention_days
	is_number(days)
	days < parameters.days_min
}
