# Web apps answer HTTPS only.
#
# Judges https_only of web and function apps, which is off unless switched on, and the oldest TLS version of their
# sites.
package statehouse.azure_web_app_https

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it answers plain HTTP; set https_only = true") if {
	some type in types
	some change in plan.made[type]
	not change.change.after.https_only == true
}

deny contains plan.denial(change, sprintf("it answers TLS %s; set minimum_tls_version = \"1.2\" in site_config", [site.minimum_tls_version])) if {
	some type in types
	some change in plan.made[type]
	some site in plan.blocks(change, "site_config")
	site.minimum_tls_version in {"1.0", "1.1"}
}

types := [
	"azurerm_linux_web_app", "azurerm_windows_web_app", "azurerm_linux_function_app",
	"azurerm_windows_function_app", "azurerm_app_service", "azurerm_function_app",
]
