# Databases are not reachable from the Internet.
#
# Judges public_network_access_enabled of SQL, PostgreSQL, MySQL, Cosmos DB and Redis, which is on unless switched off,
# and rules of SQL firewalls that let everybody in.
package statehouse.azure_database_public

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "it is reachable from the Internet; set public_network_access_enabled = false") if {
	some type in [
		"azurerm_mssql_server", "azurerm_postgresql_server", "azurerm_mysql_server",
		"azurerm_mariadb_server", "azurerm_cosmosdb_account", "azurerm_redis_cache",
	]
	some change in plan.made[type]
	not change.change.after.public_network_access_enabled == false
}

# A flexible server in a network of one's own has the setting off by itself.
deny contains plan.denial(change, "it is reachable from the Internet; set public_network_access_enabled = false") if {
	some type in ["azurerm_postgresql_flexible_server", "azurerm_mysql_flexible_server"]
	some change in plan.made[type]
	not change.change.after.public_network_access_enabled == false
	not change.change.after.public_network_access == "Disabled"
	not plan.is_given(change, ["delegated_subnet_id"])
}

deny contains plan.denial(change, "its range is the whole Internet; name the addresses that need it") if {
	some type in [
		"azurerm_mssql_firewall_rule", "azurerm_postgresql_firewall_rule", "azurerm_mysql_firewall_rule",
		"azurerm_postgresql_flexible_server_firewall_rule", "azurerm_mysql_flexible_server_firewall_rule",
	]
	some change in plan.made[type]
	change.change.after.start_ip_address == "0.0.0.0"
	change.change.after.end_ip_address == "255.255.255.255"
}
