package statehouse.azure_network_rules_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.azure_network_rules as policy

bad := [
	{"type": "azurerm_network_security_rule", "after": {"direction": "Inbound", "access": "Allow", "source_address_prefix": "*", "destination_port_range": "22"}},
	{"type": "azurerm_network_security_rule", "after": {"direction": "Inbound", "access": "Allow", "source_address_prefixes": ["10.0.0.0/8", "Internet"], "destination_port_ranges": ["443", "1-1024"]}},
	{"type": "azurerm_network_security_group", "after": {"security_rule": [{"name": "a", "direction": "Inbound", "access": "Allow", "source_address_prefix": "0.0.0.0/0", "destination_port_range": "*"}]}},
]

good := [
	{"type": "azurerm_network_security_rule", "after": {"direction": "Inbound", "access": "Allow", "source_address_prefix": "*", "destination_port_range": "443"}},
	{"type": "azurerm_network_security_rule", "after": {"direction": "Inbound", "access": "Deny", "source_address_prefix": "*", "destination_port_range": "*"}},
	{"type": "azurerm_network_security_rule", "after": {"direction": "Outbound", "access": "Allow", "source_address_prefix": "*", "destination_port_range": "*"}},
	{"type": "azurerm_network_security_rule", "after": {"direction": "Inbound", "access": "Allow", "source_address_prefix": null, "destination_port_range": "22"}, "unknown": {"source_address_prefixes": true}},
	{"type": "azurerm_network_security_group", "after": {}, "unknown": {"security_rule": true}},
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
