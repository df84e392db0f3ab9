# Virtual machines are of an allowed size.
#
# Judges size of virtual machines, sku of scale sets and vm_size of Kubernetes nodes. A size that is not known yet is
# not judged.
package statehouse.azure_vm_sizes

import rego.v1

import data.statehouse.plan

# Looked up once: each resource asks for it.
parameters := data.parameters.azure_vm_sizes

deny contains plan.denial(change, sprintf("the size is %s; use one of %s", [size, concat(", ", parameters.allowed)])) if {
	some type, attribute in attributes
	some change in plan.made[type]
	size := plan.value(change, [attribute])
	is_string(size)
	not plan.is_like_any(size, parameters.allowed)
}

deny contains plan.denial(change, sprintf("the size of its default nodes is %s; use one of %s", [pool.vm_size, concat(", ", parameters.allowed)])) if {
	some change in plan.made.azurerm_kubernetes_cluster
	some pool in plan.blocks(change, "default_node_pool")
	is_string(pool.vm_size)
	not plan.is_like_any(pool.vm_size, parameters.allowed)
}

attributes := {
	"azurerm_linux_virtual_machine": "size",
	"azurerm_windows_virtual_machine": "size",
	"azurerm_virtual_machine": "vm_size",
	"azurerm_linux_virtual_machine_scale_set": "sku",
	"azurerm_windows_virtual_machine_scale_set": "sku",
	"azurerm_kubernetes_cluster_node_pool": "vm_size",
}
