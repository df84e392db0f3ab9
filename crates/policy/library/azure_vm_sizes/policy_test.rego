package statehouse.azure_vm_sizes_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_vm_sizes as policy

bad := [
	{"type": "azurerm_linux_virtual_machine", "after": {"size": "Standard_M416ms_v2"}},
	{"type": "azurerm_windows_virtual_machine_scale_set", "after": {"sku": "Standard_ND96asr_v4"}},
	{"type": "azurerm_kubernetes_cluster", "after": {"default_node_pool": [{"vm_size": "Standard_M128s"}]}},
]

good := [
	{"type": "azurerm_linux_virtual_machine", "after": {"size": "Standard_B2s"}},
	{"type": "azurerm_virtual_machine", "after": {}, "unknown": {"vm_size": true}},
	{"type": "azurerm_kubernetes_cluster", "after": {"default_node_pool": [{"vm_size": "Standard_D4s_v5"}]}},
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
