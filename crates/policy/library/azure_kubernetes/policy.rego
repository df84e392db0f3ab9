# Kubernetes clusters keep their API to themselves and know who calls.
#
# Judges azurerm_kubernetes_cluster: a private API or ranges that may call it, roles, and no local accounts.
package statehouse.azure_kubernetes

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "its API is open to the Internet; set private_cluster_enabled = true, or authorized_ip_ranges in api_server_access_profile") if {
	some change in plan.made.azurerm_kubernetes_cluster
	not change.change.after.private_cluster_enabled == true
	not is_narrowed(change)
}

deny contains plan.denial(change, "it knows no roles; set role_based_access_control_enabled = true") if {
	some change in plan.made.azurerm_kubernetes_cluster
	change.change.after.role_based_access_control_enabled == false
}

is_narrowed(change) if {
	some profile in plan.blocks(change, "api_server_access_profile")
	count(profile.authorized_ip_ranges) > 0
	not any_everywhere(profile.authorized_ip_ranges)
}

any_everywhere(ranges) if {
	some range in ranges
	plan.is_everywhere(range)
}
