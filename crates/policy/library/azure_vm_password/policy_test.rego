package statehouse.azure_vm_password_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_vm_password as policy

bad := [
	{"type": "azurerm_linux_virtual_machine", "after": {"disable_password_authentication": false}},
	{"type": "azurerm_linux_virtual_machine_scale_set", "after": {"disable_password_authentication": false}},
]

good := [
	{"type": "azurerm_linux_virtual_machine", "after": {"disable_password_authentication": true}},
	{"type": "azurerm_linux_virtual_machine", "after": {}, "unknown": {"disable_password_authentication": true}},
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
