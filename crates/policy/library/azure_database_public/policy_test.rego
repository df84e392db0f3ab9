package statehouse.azure_database_public_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_database_public as policy

bad := [
	{"type": "azurerm_mssql_server", "after": {"public_network_access_enabled": true}},
	{"type": "azurerm_cosmosdb_account", "after": {}},
	{"type": "azurerm_postgresql_flexible_server", "after": {"public_network_access_enabled": true, "delegated_subnet_id": null}},
	{"type": "azurerm_mssql_firewall_rule", "after": {"start_ip_address": "0.0.0.0", "end_ip_address": "255.255.255.255"}},
]

good := [
	{"type": "azurerm_mssql_server", "after": {"public_network_access_enabled": false}},
	{"type": "azurerm_mysql_flexible_server", "after": {}, "unknown": {"delegated_subnet_id": true, "public_network_access_enabled": true}},
	{"type": "azurerm_mysql_flexible_server", "after": {"public_network_access": "Disabled"}},
	{"type": "azurerm_mssql_firewall_rule", "after": {"start_ip_address": "192.0.2.1", "end_ip_address": "192.0.2.9"}},
]

test_denied_wherever_it_is_made if {
	every sample in bad {
		denied := {denial.address | some denial in policy.deny} with input as fixture.made(sample)
		denied == fixture.addresses(sample)
	}
}

test_allowed_where_it_is_good if {
	every sample in good {
		count(policy.deny) == 0 with input as fixture.made(sample)
	}
}

test_not_judged_where_it_stays_goes_or_is_read if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.left(sample)
	}
}
