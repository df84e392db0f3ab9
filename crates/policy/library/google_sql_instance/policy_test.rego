package statehouse.google_sql_instance_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_sql_instance as policy

bad := [
	{"type": "google_sql_database_instance", "after": {"settings": [{"ip_configuration": [{"ipv4_enabled": true, "ssl_mode": "ENCRYPTED_ONLY"}], "backup_configuration": [{"enabled": true}]}]}},
	{"type": "google_sql_database_instance", "after": {"settings": [{"backup_configuration": [{"enabled": true}]}]}, "unknown": {"settings": [{"ip_configuration": true}]}},
	{"type": "google_sql_database_instance", "after": {"settings": [{"ip_configuration": [{"ipv4_enabled": false, "ssl_mode": "ENCRYPTED_ONLY", "authorized_networks": [{"value": "0.0.0.0/0"}]}], "backup_configuration": [{"enabled": true}]}]}},
	{"type": "google_sql_database_instance", "after": {"settings": [{"ip_configuration": [{"ipv4_enabled": false}], "backup_configuration": [{"enabled": true}]}]}},
	{"type": "google_sql_database_instance", "after": {"settings": [{"ip_configuration": [{"ipv4_enabled": false, "require_ssl": true}], "backup_configuration": []}]}},
]

good := [
	{"type": "google_sql_database_instance", "after": {"settings": [{"ip_configuration": [{"ipv4_enabled": false, "ssl_mode": "ENCRYPTED_ONLY", "authorized_networks": []}], "backup_configuration": [{"enabled": true}]}]}},
	{"type": "google_sql_database_instance", "after": {"master_instance_name": "m", "settings": [{"ip_configuration": [{"ipv4_enabled": false, "require_ssl": true}]}]}},
	{"type": "google_sql_database_instance", "after": {}, "unknown": {"settings": true}},
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
