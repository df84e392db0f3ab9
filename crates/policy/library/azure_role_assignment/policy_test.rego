package statehouse.azure_role_assignment_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_role_assignment as policy

bad := [
	{"type": "azurerm_role_assignment", "after": {"role_definition_name": "Owner", "scope": "/subscriptions/1"}},
	{"type": "azurerm_role_assignment", "after": {"role_definition_name": "User Access Administrator"}, "unknown": {"scope": true}},
]

good := [
	{"type": "azurerm_role_assignment", "after": {"role_definition_name": "Reader", "scope": "/subscriptions/1"}},
	{"type": "azurerm_role_assignment", "after": {"role_definition_name": "Owner", "scope": "/subscriptions/1/resourceGroups/a"}},
	{"type": "azurerm_role_assignment", "after": {}, "unknown": {"role_definition_name": true}},
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
