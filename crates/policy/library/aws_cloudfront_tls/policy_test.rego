package statehouse.aws_cloudfront_tls_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_cloudfront_tls as policy

bad := [
	{"type": "aws_cloudfront_distribution", "after": {"default_cache_behavior": [{"viewer_protocol_policy": "allow-all"}]}},
	{"type": "aws_cloudfront_distribution", "after": {"ordered_cache_behavior": [{"viewer_protocol_policy": "https-only"}, {"viewer_protocol_policy": "allow-all"}]}},
	{"type": "aws_cloudfront_distribution", "after": {"viewer_certificate": [{"minimum_protocol_version": "TLSv1"}]}},
]

good := [
	{"type": "aws_cloudfront_distribution", "after": {"default_cache_behavior": [{"viewer_protocol_policy": "redirect-to-https"}], "viewer_certificate": [{"minimum_protocol_version": "TLSv1.2_2021"}]}},
	{"type": "aws_cloudfront_distribution", "after": {"viewer_certificate": [{"cloudfront_default_certificate": true, "minimum_protocol_version": "TLSv1"}]}},
	{"type": "aws_cloudfront_distribution", "after": {"default_cache_behavior": [{}]}, "unknown": {"default_cache_behavior": [{"viewer_protocol_policy": true}]}},
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
