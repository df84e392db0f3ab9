package statehouse.google_machine_types_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_machine_types as policy

bad := [
	{"type": "google_compute_instance", "after": {"machine_type": "a3-highgpu-8g"}},
	{"type": "google_compute_instance_template", "after": {"machine_type": "zones/europe-west1-b/machineTypes/m3-ultramem-128"}},
	{"type": "google_container_node_pool", "after": {"node_config": [{"machine_type": "n2-highmem-128"}]}},
]

good := [
	{"type": "google_compute_instance", "after": {"machine_type": "e2-medium"}},
	{"type": "google_compute_instance", "after": {}, "unknown": {"machine_type": true}},
	{"type": "google_container_node_pool", "after": {"node_config": [{"machine_type": "n2-standard-4"}]}},
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
