package statehouse.allowed_regions_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.allowed_regions as policy

bad := [
	{"type": "aws_ebs_volume", "after": {"availability_zone": "us-east-1a"}},
	{"type": "aws_s3_bucket", "after": {"region": "ap-south-1"}},
	{"type": "azurerm_resource_group", "after": {"location": "East US"}},
	{"type": "google_compute_instance", "after": {"zone": "us-central1-a"}},
	{"type": "google_storage_bucket", "after": {"location": "US"}},
	{"type": "google_compute_subnetwork", "after": {"region": "asia-east1"}},
]

good := [
	{"type": "aws_ebs_volume", "after": {"availability_zone": "eu-west-1a"}},
	{"type": "aws_s3_bucket", "after": {"region": "eu-central-1"}},
	{"type": "azurerm_resource_group", "after": {"location": "West Europe"}},
	{"type": "google_compute_instance", "after": {"zone": "europe-west1-b"}},
	{"type": "google_compute_instance", "after": {}, "unknown": {"zone": true}},
	{"type": "google_dns_managed_zone", "after": {"location": "global"}},
	{"type": "random_id", "after": {"region": "us-east-1"}},
]

test_denied_wherever_it_is_made if {
	every sample in bad {
		denied := {denial.address | some denial in policy.deny} with input as fixture.made(sample) with data.parameters.allowed_regions as {"regions": ["eu-*", "westeurope", "europe-*"]}
		denied == fixture.addresses(sample)
	}
}

test_allowed_where_it_is_good if {
	every sample in good {
		count(policy.deny) == 0 with input as fixture.made(sample) with data.parameters.allowed_regions as {"regions": ["eu-*", "westeurope", "europe-*"]}
	}
}

test_not_judged_where_it_stays_goes_or_is_read if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.left(sample) with data.parameters.allowed_regions as {"regions": ["eu-*", "westeurope", "europe-*"]}
	}
}

regions := {"regions": ["eu-*"]}

provider(expression) := {"configuration": {"provider_config": {"aws": {"name": "aws", "expressions": {"region": expression}}}}}

test_the_region_of_a_provider_is_judged if {
	count(policy.deny) == 1 with input as provider({"constant_value": "us-east-1"}) with data.parameters.allowed_regions as regions
	count(policy.deny) == 0 with input as provider({"constant_value": "eu-west-1"}) with data.parameters.allowed_regions as regions
}

test_a_variable_gives_a_region if {
	of := provider({"references": ["var.region"]})
	count(policy.deny) == 1 with input as object.union(of, {"variables": {"region": {"value": "us-east-1"}}}) with data.parameters.allowed_regions as regions
	count(policy.deny) == 0 with input as object.union(of, {"variables": {"region": {"value": "eu-west-1"}}}) with data.parameters.allowed_regions as regions
	count(policy.deny) == 0 with input as of with data.parameters.allowed_regions as regions
}
