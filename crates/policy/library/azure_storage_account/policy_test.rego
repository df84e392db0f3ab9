package statehouse.azure_storage_account_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_storage_account as policy

bad := [
	{"type": "azurerm_storage_account", "after": {"https_traffic_only_enabled": false, "allow_nested_items_to_be_public": false, "public_network_access_enabled": false}},
	{"type": "azurerm_storage_account", "after": {"enable_https_traffic_only": false, "allow_nested_items_to_be_public": false, "public_network_access_enabled": false}},
	{"type": "azurerm_storage_account", "after": {"min_tls_version": "TLS1_0", "allow_nested_items_to_be_public": false, "public_network_access_enabled": false}},
	{"type": "azurerm_storage_account", "after": {"allow_nested_items_to_be_public": true, "public_network_access_enabled": false}},
	{"type": "azurerm_storage_account", "after": {"allow_nested_items_to_be_public": false}, "unknown": {"public_network_access_enabled": true}},
	{"type": "azurerm_storage_container", "after": {"container_access_type": "blob"}},
]

good := [
	{"type": "azurerm_storage_account", "after": {"https_traffic_only_enabled": true, "min_tls_version": "TLS1_2", "allow_nested_items_to_be_public": false, "public_network_access_enabled": false}},
	{"type": "azurerm_storage_container", "after": {"container_access_type": "private"}},
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
