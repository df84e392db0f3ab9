package statehouse.aws_cache_encryption_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_cache_encryption as policy

bad := [
	{"type": "aws_elasticache_replication_group", "after": {"at_rest_encryption_enabled": "true", "transit_encryption_enabled": false}},
	{"type": "aws_elasticache_replication_group", "after": {"transit_encryption_enabled": true}, "unknown": {"at_rest_encryption_enabled": true}},
	{"type": "aws_opensearch_domain", "after": {"encrypt_at_rest": [{"enabled": true}], "node_to_node_encryption": [{"enabled": false}], "domain_endpoint_options": [{"enforce_https": true}]}},
	{"type": "aws_opensearch_domain", "after": {"encrypt_at_rest": [{"enabled": true}], "node_to_node_encryption": [{"enabled": true}]}, "unknown": {"domain_endpoint_options": true}},
]

good := [
	{"type": "aws_elasticache_replication_group", "after": {"at_rest_encryption_enabled": true, "transit_encryption_enabled": true}},
	{"type": "aws_opensearch_domain", "after": {"encrypt_at_rest": [{"enabled": true}], "node_to_node_encryption": [{"enabled": true}], "domain_endpoint_options": [{"enforce_https": true}]}},
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
