package statehouse.google_public_ip_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_public_ip as policy

bad := [
	{"type": "google_compute_instance", "after": {"network_interface": [{"access_config": [{}]}]}, "unknown": {"network_interface": [{"access_config": [{"nat_ip": true}]}]}},
	{"type": "google_compute_instance_template", "after": {"network_interface": [{"access_config": []}, {"ipv6_access_config": [{"network_tier": "PREMIUM"}]}]}},
]

good := [
	{"type": "google_compute_instance", "after": {"network_interface": [{"access_config": []}]}},
	{"type": "google_compute_instance", "after": {"network_interface": [{"network": "n"}]}},
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
