package statehouse.aws_rds_backup_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_rds_backup as policy

bad := [
	{"type": "aws_db_instance", "after": {"backup_retention_period": 1, "deletion_protection": true}},
	{"type": "aws_db_instance", "after": {"deletion_protection": true}, "unknown": {"backup_retention_period": true}},
	{"type": "aws_rds_cluster", "after": {"backup_retention_period": 30, "deletion_protection": false}},
	{"type": "aws_rds_cluster", "after": {"backup_retention_period": 30, "deletion_protection": null}},
]

good := [
	{"type": "aws_db_instance", "after": {"backup_retention_period": 14, "deletion_protection": true}},
	{"type": "aws_db_instance", "after": {"replicate_source_db": "source", "deletion_protection": true}},
	{"type": "aws_rds_cluster", "after": {"backup_retention_period": 7, "deletion_protection": true}},
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

test_protection_is_asked_for_by_parameter if {
	sample := {"type": "aws_db_instance", "after": {"backup_retention_period": 7, "deletion_protection": false}}
	count(policy.deny) == 0 with input as fixture.made(sample) with data.parameters.aws_rds_backup as {"days_min": 7, "deletion_protection": false}
}
