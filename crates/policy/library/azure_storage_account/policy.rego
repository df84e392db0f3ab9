# Storage accounts are private and speak TLS 1.2.
#
# Judges azurerm_storage_account: HTTPS only (both names of the setting), TLS 1.2, no blobs for everybody, no network
# for everybody if asked for. What is not set has the provider's default: blobs may be public and the network is open.
package statehouse.azure_storage_account

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "plain HTTP is answered; set https_traffic_only_enabled = true") if {
	some change in plan.made.azurerm_storage_account
	some name in ["https_traffic_only_enabled", "enable_https_traffic_only"]
	change.change.after[name] == false
}

deny contains plan.denial(change, sprintf("%s is answered; set min_tls_version = \"TLS1_2\"", [version])) if {
	some change in plan.made.azurerm_storage_account
	version := change.change.after.min_tls_version
	version in {"TLS1_0", "TLS1_1"}
}

deny contains plan.denial(change, "blobs can be made public; set allow_nested_items_to_be_public = false") if {
	some change in plan.made.azurerm_storage_account
	not change.change.after.allow_nested_items_to_be_public == false
}

deny contains plan.denial(change, "it is reachable from the Internet; set public_network_access_enabled = false") if {
	data.parameters.azure_storage_account.private_network
	some change in plan.made.azurerm_storage_account
	not change.change.after.public_network_access_enabled == false
}

deny contains plan.denial(change, sprintf("everybody can read the container (%s); set container_access_type = \"private\"", [access])) if {
	some change in plan.made.azurerm_storage_container
	access := change.change.after.container_access_type
	access in {"blob", "container"}
}
