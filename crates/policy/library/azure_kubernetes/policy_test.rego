package statehouse.azure_kubernetes_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_kubernetes as policy

bad := [
	{"type": "azurerm_kubernetes_cluster", "after": {"private_cluster_enabled": false}},
	{"type": "azurerm_kubernetes_cluster", "after": {"api_server_access_profile": [{"authorized_ip_ranges": ["10.0.0.0/8", "0.0.0.0/0"]}]}},
	{"type": "azurerm_kubernetes_cluster", "after": {}, "unknown": {"private_cluster_enabled": true}},
	{"type": "azurerm_kubernetes_cluster", "after": {"private_cluster_enabled": true, "role_based_access_control_enabled": false}},
]

good := [
	{"type": "azurerm_kubernetes_cluster", "after": {"private_cluster_enabled": true, "role_based_access_control_enabled": true}},
	{"type": "azurerm_kubernetes_cluster", "after": {"api_server_access_profile": [{"authorized_ip_ranges": ["192.0.2.0/24"]}]}},
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
