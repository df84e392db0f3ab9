package statehouse.aws_rds_encryption_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_rds_encryption as policy

bad := [
	{"type": "aws_db_instance", "after": {"storage_encrypted": false}},
	{"type": "aws_db_instance", "after": {}, "unknown": {"storage_encrypted": true}},
	{"type": "aws_rds_cluster", "after": {"storage_encrypted": null, "engine_mode": "provisioned"}},
	{"type": "aws_docdb_cluster", "after": {"storage_encrypted": false}},
	{"type": "aws_redshift_cluster", "after": {"encrypted": false}},
]

good := [
	{"type": "aws_db_instance", "after": {"storage_encrypted": true}},
	{"type": "aws_db_instance", "after": {"storage_encrypted": null, "replicate_source_db": "source"}},
	{"type": "aws_db_instance", "after": {}, "unknown": {"replicate_source_db": true}},
	{"type": "aws_rds_cluster", "after": {"storage_encrypted": true}},
	{"type": "aws_rds_cluster", "after": {"engine_mode": "serverless"}},
	{"type": "aws_redshift_cluster", "after": {"encrypted": true}},
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
