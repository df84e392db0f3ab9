# Linux machines are entered by key, not by password.
#
# Judges disable_password_authentication of Linux machines and scale sets; the default is right, and only false is
# denied.
package statehouse.azure_vm_password

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it can be entered by password; set disable_password_authentication = true and give an admin_ssh_key") if {
	some type in ["azurerm_linux_virtual_machine", "azurerm_linux_virtual_machine_scale_set"]
	some change in plan.made[type]
	change.change.after.disable_password_authentication == false
}
