package statehouse.azure_web_app_https_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_web_app_https as policy

bad := [
	{"type": "azurerm_linux_web_app", "after": {"https_only": false}},
	{"type": "azurerm_windows_function_app", "after": {}, "unknown": {"https_only": true}},
	{"type": "azurerm_linux_web_app", "after": {"https_only": true, "site_config": [{"minimum_tls_version": "1.0"}]}},
]

good := [
	{"type": "azurerm_linux_web_app", "after": {"https_only": true, "site_config": [{"minimum_tls_version": "1.2"}]}},
	{"type": "azurerm_linux_web_app", "after": {"https_only": true}, "unknown": {"site_config": true}},
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
