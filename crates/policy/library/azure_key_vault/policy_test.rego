package statehouse.azure_key_vault_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_key_vault as policy

bad := [
	{"type": "azurerm_key_vault", "after": {"purge_protection_enabled": false}},
	{"type": "azurerm_key_vault", "after": {}, "unknown": {"purge_protection_enabled": true}},
	{"type": "azurerm_key_vault", "after": {"purge_protection_enabled": true, "soft_delete_retention_days": 7}},
]

good := [
	{"type": "azurerm_key_vault", "after": {"purge_protection_enabled": true, "soft_delete_retention_days": 90}},
	{"type": "azurerm_key_vault", "after": {"purge_protection_enabled": true}},
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
